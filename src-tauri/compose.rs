//! Wires the desk and the windows, once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use desk::{Desk, DeskConfig, DeskHandle};
use tauri::{App, AppHandle, Manager, RunEvent, WindowEvent};
use tracing_subscriber::EnvFilter;

use crate::levels::LevelWatch;
use crate::screen::{Prefill, Windows};
use crate::{Options, commands, link, tray, windows};

/// Runs the app until it is quit.
///
/// # Errors
/// If there is no display, or the data folder can't be used.
pub fn run(options: Options) -> anyhow::Result<()> {
    log_to_stderr();
    let bindings = commands::bindings();
    let invoke = bindings.invoke_handler();
    tauri::Builder::default()
        .plugin(single_instance(options.chosen_data_dir().as_deref()))
        .plugin(tauri_plugin_dialog::init())
        .invoke_handler(invoke)
        .setup(move |app| {
            bindings.mount_events(app);
            set_up(app, &options).map_err(Into::into)
        })
        .on_window_event(|window, event| {
            if let WindowEvent::CloseRequested { api, .. } = event {
                // The phone goes on ringing; Quit is in the tray, and starting again shows the window.
                api.prevent_close();
                if let Err(error) = window.hide() {
                    tracing::warn!(%error, "the window could not be hidden");
                }
            }
        })
        .build(tauri::generate_context!())
        .context("the window system can't be used")?
        .run(on_run_event);
    Ok(())
}

fn set_up(app: &mut App, options: &Options) -> anyhow::Result<()> {
    let data_dir = match options.chosen_data_dir() {
        Some(dir) => dir,
        None => app.path().app_data_dir().context("this system names no data folder; give one with --data-dir")?,
    };
    let handle = app.handle().clone();
    let prefill = Prefill { address: options.address.clone(), user: options.user.clone() };
    app.manage(prefill.clone());
    let tray = tray::build(&handle);
    let screen = Arc::new(Windows::new(handle.clone(), prefill, tray));
    let config = DeskConfig::new(data_dir, screen);
    // The desk spawns its tasks on the runtime that it is started in.
    let desk = tauri::async_runtime::block_on(async { Desk::start(config) })?;
    link::follow(&desk, options.link.as_deref());
    app.manage(desk);
    app.manage(LevelWatch::default());
    windows::build(app, options.hidden)?;
    quit_on_signals(handle);
    Ok(())
}

/// A second start only shows the first one's window, with what its link names. Each data folder is an app of its
/// own.
fn single_instance(data_dir: Option<&Path>) -> tauri::plugin::TauriPlugin<tauri::Wry> {
    let builder = tauri_plugin_single_instance::Builder::new().callback(|app, arguments, _folder| {
        windows::show_main(app);
        if let Some(desk) = app.try_state::<DeskHandle>() {
            link::follow(&desk, arguments.iter().skip(1).map(String::as_str));
        }
    });
    match data_dir {
        None => builder.build(),
        Some(dir) => {
            let mut hasher = DefaultHasher::new();
            // The same folder, from wherever it is named.
            std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).hash(&mut hasher);
            builder.dbus_id(format!("org.patchcord.desktop.folder{:x}", hasher.finish())).build()
        }
    }
}

/// Ctrl-C and SIGTERM end calls like Quit does.
fn quit_on_signals(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    tauri::async_runtime::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return tracing::warn!("signals can't be watched: calls will not be ended on Ctrl-C");
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        app.exit(0);
    });
}

#[allow(clippy::needless_pass_by_value, reason = "tauri hands the event over by value")]
fn on_run_event(app: &AppHandle, event: RunEvent) {
    if let RunEvent::Exit = event
        && let Some(desk) = app.try_state::<DeskHandle>()
    {
        tauri::async_runtime::block_on(desk.inner().clone().stop());
    }
}

fn log_to_stderr() {
    let wanted = std::env::var("PATCHCORD_LOG").unwrap_or_else(|_| "info,zbus=warn,keyring=warn".to_owned());
    let filter = EnvFilter::new(desk::log_filter(&wanted));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        eprintln!("logging was set up before");
    }
}
