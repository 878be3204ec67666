//! The desk's screen: windows, tray and notifications, each told what concerns it.

use desk::{Notice, RingView, Screen, SessionView, ViewPatch};
use tauri::AppHandle;
use tauri_specta::Event;

use crate::commands::ViewChanged;
use crate::{notify, tray, windows};

/// What the command line filled in for sign-in.
#[derive(Debug, Clone, Default)]
pub struct Prefill {
    pub address: Option<String>,
    pub user: Option<String>,
}

impl Prefill {
    /// Writes the given address and user into a sign-in that nothing was typed into yet.
    pub fn fill(&self, session: &mut SessionView) {
        if let SessionView::SignedOut { address, user, error: None } = session {
            if let Some(given) = &self.address {
                address.clone_from(given);
            }
            if let Some(given) = &self.user {
                user.clone_from(given);
            }
        }
    }
}

/// The real screen. The desk calls it from its own task; whatever touches a window is posted to the main thread.
pub struct Windows {
    app: AppHandle,
    prefill: Prefill,
    /// `None` where no tray can be had.
    tray: Option<tray::Tray>,
}

impl Windows {
    pub fn new(app: AppHandle, prefill: Prefill, tray: Option<tray::Tray>) -> Self {
        Self { app, prefill, tray }
    }

    fn on_main_thread(&self, act: impl FnOnce(&AppHandle) + Send + 'static) {
        let app = self.app.clone();
        if let Err(error) = self.app.run_on_main_thread(move || act(&app)) {
            tracing::warn!(%error, "the window's thread is gone");
        }
    }
}

impl Screen for Windows {
    fn publish(&self, mut patch: ViewPatch) {
        if let Some(session) = &mut patch.session {
            self.prefill.fill(session);
        }
        if let Some(tray) = self.tray.clone()
            && (patch.link.is_some() || patch.session.is_some())
        {
            let (link, session) = (patch.link.clone(), patch.session.clone());
            self.on_main_thread(move |_| tray.show(link.as_ref(), session.as_ref()));
        }
        if let Err(error) = ViewChanged(patch).emit(&self.app) {
            tracing::error!(%error, "a change did not reach the windows");
        }
    }

    fn ring(&self, rings: &[RingView]) {
        let notes: Vec<bool> = rings.iter().map(|ring| ring.note.is_some()).collect();
        self.on_main_thread(move |app| windows::show_rings(app, &notes));
    }

    fn notify(&self, notice: &Notice) {
        if !windows::main_has_focus(&self.app) {
            notify::show(&notice.sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_out(error: Option<&str>) -> SessionView {
        SessionView::SignedOut { address: "typed:1".into(), user: String::new(), error: error.map(Into::into) }
    }

    #[test]
    fn fills_sign_in_until_something_was_tried() {
        let prefill = Prefill { address: Some("https://desk:7443".into()), user: None };
        let mut fresh = signed_out(None);
        prefill.fill(&mut fresh);
        let filled = SessionView::SignedOut { address: "https://desk:7443".into(), user: String::new(), error: None };
        assert_eq!(fresh, filled);
        let mut tried = signed_out(Some("Wrong password."));
        prefill.fill(&mut tried);
        assert_eq!(tried, signed_out(Some("Wrong password.")));
    }
}
