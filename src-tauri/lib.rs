//! The desktop app's windows. The only crate that names tauri; what a window shows is decided in `desk`.

pub mod commands;
pub mod compose;
mod levels;
mod link;
mod notify;
mod screen;
mod tray;
mod windows;

use std::path::PathBuf;

use clap::Parser;

/// How the app is started.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "patchcord", version, about = "A desktop softphone for people who hand calls to each other")]
pub struct Options {
    /// Where settings and the call log are kept; PATCHCORD_DATA says the same. Each folder runs one app.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Filled in at sign-in: the exchange's address.
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    /// Filled in at sign-in: the user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Start with the main window hidden; it rings all the same.
    #[arg(long)]
    pub hidden: bool,
    /// Shows a call (patchcord:call/ID), or writes a number ready to be called (tel:NUMBER).
    #[arg(value_name = "LINK")]
    pub link: Option<String>,
}

impl Options {
    /// The data folder that was asked for, if any.
    #[must_use]
    pub fn chosen_data_dir(&self) -> Option<PathBuf> {
        let named = || std::env::var_os("PATCHCORD_DATA").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        self.data_dir.clone().or_else(named)
    }
}
