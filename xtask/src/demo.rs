//! `cargo xtask demo`: set up, build, then hand over to the program that plays the sample office.

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::setup;
use crate::step::{Steps, finish, root, run_in};
use crate::test::build;

#[derive(Args)]
pub struct Demo {
    /// Use a private display and sound server, drive the window, measure, and end by itself.
    #[arg(long)]
    headless: bool,
    /// Where --headless writes its pictures and story.json.
    #[arg(long, value_name = "DIR", required_if_eq("headless", "true"))]
    out: Option<String>,
    /// Keep the data folder.
    #[arg(long)]
    keep: bool,
    /// Install missing packages without asking.
    #[arg(long)]
    yes: bool,
}

impl Demo {
    pub fn run(&self) -> Result<()> {
        let display = std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some();
        if !self.headless && !display {
            bail!("there is no display here; run: cargo xtask demo --headless --out DIR");
        }
        let ui = root().join("ui");
        let mut steps = Steps::new(4);
        steps.step("Set up", || {
            setup::for_demo(self.headless, self.yes)?;
            setup::ui_packages()
        })?;
        steps.step("Build the screens", || run_in(&ui, "npm", &["run", "build"]))?;
        steps.step("Build the programs (the first time takes some minutes)", || build(&[]))?;
        steps.step("Open the office", || finish(self.office()))
    }

    fn office(&self) -> Command {
        // Built beside this very program.
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf()));
        let mut command = Command::new(beside.unwrap_or_default().join("patchcord-demo"));
        if let (true, Some(out)) = (self.headless, &self.out) {
            command.args(["--headless", "--out", out]);
        }
        if self.keep {
            command.arg("--keep");
        }
        command
    }
}
