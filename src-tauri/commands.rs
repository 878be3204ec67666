//! What a window may ask. Each command posts and returns; what becomes of it arrives as a [`ViewChanged`] event.

use desk::{DeskHandle, Format, Levels, SipAccountSettings, View, ViewPatch, Wish};
use serde::{Deserialize, Serialize};
use specta::Type;
use specta_typescript::semantic;
use tauri::ipc::Channel;
use tauri::{AppHandle, State};
use tauri_specta::{Builder, Event, collect_commands, collect_events};

use crate::levels::LevelWatch;
use crate::screen::Prefill;
use crate::windows;

/// Sent to every window whenever something on the screen changes.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
#[serde(transparent)]
pub struct ViewChanged(pub ViewPatch);

/// Everything on the screen now. Asked once per window, after it listens to [`ViewChanged`].
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn view(desk: State<'_, DeskHandle>, prefill: State<'_, Prefill>) -> View {
    let mut view = desk.view();
    prefill.fill(&mut view.session);
    view
}

/// Something the person wants.
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn wish(desk: State<'_, DeskHandle>, wish: Wish) {
    desk.wish(wish);
}

/// The only command that carries a password; it is not a [`Wish`], which may be logged.
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn sign_in(desk: State<'_, DeskHandle>, address: String, user: String, password: String) {
    desk.sign_in(address, user, password);
}

/// Takes a plain SIP account. Carries a password too; an empty one leaves the one that is kept.
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn save_account(desk: State<'_, DeskHandle>, settings: SipAccountSettings, password: String) {
    desk.save_account(settings, password);
}

/// Asks where the calls of the filter are to be saved, and saves them there. Which file it is never comes from a page.
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn export_logs(app: AppHandle, desk: State<'_, DeskHandle>, format: Format, name: String) {
    let desk = desk.inner().clone();
    windows::save_as(&app, &name, format.extension(), move |path| desk.export_logs(format, path));
}

/// Makes the ring window as wide as its text and as high as its cards need, in logical pixels.
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands the app over by value")]
pub fn fit_ring(app: AppHandle, width: u32, height: u32) {
    windows::fit_ring(&app, f64::from(width), f64::from(height));
}

/// Streams how loud microphone and speaker are, until [`unwatch_levels`].
#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn watch_levels(desk: State<'_, DeskHandle>, watch: State<'_, LevelWatch>, channel: Channel<Levels>) {
    watch.start(desk.levels(), channel);
}

#[tauri::command]
#[specta::specta]
#[allow(clippy::needless_pass_by_value, reason = "tauri hands state over by value")]
pub fn unwatch_levels(watch: State<'_, LevelWatch>) {
    watch.stop();
}

/// The commands and events, typed for both sides.
#[must_use]
pub fn bindings() -> Builder<tauri::Wry> {
    Builder::<tauri::Wry>::new()
        .commands(collect_commands![
            view,
            wish,
            sign_in,
            save_account,
            export_logs,
            fit_ring,
            watch_levels,
            unwatch_levels
        ])
        .events(collect_events![ViewChanged])
        .constant("MAX_NOTE_CHARS", protocol::MAX_NOTE_CHARS)
        .constant("MAX_REMARK_CHARS", protocol::MAX_REMARK_CHARS)
        .constant("TALK_STEPS_MS", desk::TALK_STEPS_MS)
        .constant("QUALITY_STEPS", desk::QUALITY_STEPS)
        .constant("MAX_QUERY_CHARS", desk::MAX_QUERY_CHARS)
        .constant("MAX_VIEW_NAME_CHARS", desk::MAX_VIEW_NAME_CHARS)
        .disable_serde_phases()
        // Our only f64s stand for whole milliseconds and counters, which are never NaN.
        .semantic_types(semantic::Configuration::empty().enable_lossless_floats())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use specta_typescript::Typescript;

    const REFRESH: &str = "UPDATE_BINDINGS=1 cargo test -p patchcord bindings";

    #[test]
    fn bindings_are_fresh() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/bindings.ts");
        let exported = std::env::temp_dir().join(format!("patchcord-bindings-{}.ts", std::process::id()));
        let header = format!("// Generated from src-tauri/commands.rs. To refresh: {REFRESH}\n");
        super::bindings().export(Typescript::default().header(header), &exported).unwrap();
        let fresh = std::fs::read_to_string(&exported).unwrap();
        std::fs::remove_file(&exported).unwrap();
        if std::env::var_os("UPDATE_BINDINGS").is_some() {
            std::fs::write(&committed, &fresh).unwrap();
        }
        let kept = std::fs::read_to_string(&committed).unwrap_or_default();
        assert!(kept == fresh, "ui/src/bindings.ts is stale. To refresh: {REFRESH}");
    }
}
