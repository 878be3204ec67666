//! The main window, and the small ring window that stands ready, hidden, from the start.

use std::path::PathBuf;

use tauri::{App, AppHandle, LogicalSize, Manager, PhysicalPosition, WebviewUrl, WebviewWindow, WebviewWindowBuilder};
use tauri_plugin_dialog::DialogExt;

const MAIN: &str = "main";
const RING: &str = "ring";
/// Logical pixels.
const RING_WIDTH: f64 = 384.0;
const RING_CARD: f64 = 180.0;
const RING_NOTE: f64 = 26.0;
const RING_MARGIN: f64 = 16.0;

/// Makes both windows.
pub fn build(app: &App, hidden: bool) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Patchcord")
        .inner_size(1280.0, 800.0)
        .min_inner_size(640.0, 400.0)
        .visible(!hidden)
        .build()?;
    WebviewWindowBuilder::new(app, RING, WebviewUrl::App("ring.html".into()))
        .title("Incoming call")
        .inner_size(RING_WIDTH, RING_CARD)
        .resizable(false)
        .decorations(false)
        .always_on_top(true)
        .visible_on_all_workspaces(true)
        .skip_taskbar(true)
        // Never takes the keyboard away from what the person is typing.
        .focused(false)
        .focusable(false)
        .visible(false)
        .build()?;
    Ok(())
}

/// Brings the main window before the person's eyes.
pub fn show_main(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let shown = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the main window could not be shown");
    }
}

/// Whether the person is looking at the main window now.
pub fn main_has_focus(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).and_then(|window| window.is_focused().ok()).unwrap_or(false)
}

/// Asks for a file to write; a person who thinks better of it is asked nothing more. A name without an ending gets one.
pub fn save_as(app: &AppHandle, name: &str, extension: &'static str, then: impl FnOnce(PathBuf) + Send + 'static) {
    let mut dialog = app.dialog().file().set_title("Save calls as").set_file_name(format!("{name}.{extension}"));
    if let Ok(folder) = app.path().download_dir().or_else(|_| app.path().home_dir()) {
        dialog = dialog.set_directory(folder);
    }
    if let Some(window) = app.get_webview_window(MAIN) {
        dialog = dialog.set_parent(&window);
    }
    dialog.save_file(move |chosen| {
        if let Some(path) = chosen.and_then(|path| path.into_path().ok()) {
            then(if path.extension().is_some() { path } else { path.with_extension(extension) });
        }
    });
}

/// Shows the ring window with one card per entry (`true`: with a note), or hides it if there are none.
pub fn show_rings(app: &AppHandle, notes: &[bool]) {
    let Some(window) = app.get_webview_window(RING) else { return };
    let shown = if notes.is_empty() {
        window.hide()
    } else {
        let height = notes.iter().map(|note| if *note { RING_CARD + RING_NOTE } else { RING_CARD }).sum();
        let size = (RING_WIDTH, height);
        place(&window, size).and_then(|()| window.show()).and_then(|()| place(&window, size))
    };
    if let Err(error) = shown {
        tracing::warn!(%error, "the ring window could not be shown or hidden");
    }
}

/// Gives the ring window the size that its cards turned out to need, logical pixels.
pub fn fit_ring(app: &AppHandle, width: f64, height: f64) {
    let Some(window) = app.get_webview_window(RING) else { return };
    if let Err(error) = place(&window, (width, height)) {
        tracing::warn!(%error, "the ring window could not be resized");
    }
}

/// Bottom right of the primary monitor, no larger than it.
fn place(window: &WebviewWindow, (width, height): (f64, f64)) -> tauri::Result<()> {
    let Some(monitor) = window.primary_monitor()?.or(window.current_monitor()?) else {
        return window.set_size(LogicalSize::new(width, height));
    };
    let (scale, area) = (monitor.scale_factor(), monitor.work_area());
    let most = |length: u32, least: f64| (f64::from(length) / scale - 2.0 * RING_MARGIN).max(least);
    let size = LogicalSize::new(
        width.clamp(RING_WIDTH, most(area.size.width, RING_WIDTH)),
        height.clamp(RING_CARD, most(area.size.height, RING_CARD)),
    );
    window.set_size(size)?;
    let from_edge =
        |edge: i32, length: u32, own: f64| f64::from(edge) + f64::from(length) - (own + RING_MARGIN) * scale;
    window.set_position(PhysicalPosition::new(
        from_edge(area.position.x, area.size.width, size.width).round() as i32,
        from_edge(area.position.y, area.size.height, size.height).round() as i32,
    ))
}
