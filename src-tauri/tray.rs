//! The tray icon: the two lines in words, presence, show, quit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use desk::{DeskHandle, LinkState, LinkView, SessionView, Wish};
use protocol::Presence;
use tauri::menu::{CheckMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};

use crate::windows;

const PRESENCES: [(Presence, &str, &str); 3] = [
    (Presence::Available, "available", "Available"),
    (Presence::Away, "away", "Away"),
    (Presence::DoNotDisturb, "do_not_disturb", "Do not disturb"),
];

/// What of the tray changes.
#[derive(Clone)]
pub struct Tray {
    icon: TrayIcon,
    exchange: MenuItem<Wry>,
    phone: MenuItem<Wry>,
    presences: Vec<(Presence, CheckMenuItem<Wry>)>,
}

/// `None` where the desktop has no tray: everything in it can be done in the window too.
pub fn build(app: &AppHandle) -> Option<Tray> {
    // The indicator library is looked for at run time, and its absence is a panic, not an error.
    match catch_unwind(AssertUnwindSafe(|| try_build(app))) {
        Ok(Ok(tray)) => Some(tray),
        Ok(Err(error)) => {
            tracing::info!(%error, "no tray icon");
            None
        }
        Err(_) => {
            tracing::info!("no tray icon: the indicator library is not installed");
            None
        }
    }
}

fn try_build(app: &AppHandle) -> tauri::Result<Tray> {
    let exchange = MenuItem::new(app, line("Exchange", &LinkState::Off), false, None::<&str>)?;
    let phone = MenuItem::new(app, line("Phone", &LinkState::Off), false, None::<&str>)?;
    let menu = Menu::with_items(app, &[&exchange, &phone, &PredefinedMenuItem::separator(app)?])?;
    let mut presences = Vec::new();
    for (presence, id, name) in PRESENCES {
        let item = CheckMenuItem::with_id(app, id, name, false, false, None::<&str>)?;
        menu.append(&item)?;
        presences.push((presence, item));
    }
    menu.append(&PredefinedMenuItem::separator(app)?)?;
    menu.append(&MenuItem::with_id(app, "show", "Show Patchcord", true, None::<&str>)?)?;
    menu.append(&MenuItem::with_id(app, "quit", "Quit", true, None::<&str>)?)?;
    let mut builder = TrayIconBuilder::with_id("patchcord").menu(&menu).tooltip("Patchcord").on_menu_event(chosen);
    if let Some(icon) = app.default_window_icon() {
        builder = builder.icon(icon.clone());
    }
    Ok(Tray { icon: builder.build(app)?, exchange, phone, presences })
}

#[allow(clippy::needless_pass_by_value, reason = "tauri hands the event over by value")]
fn chosen(app: &AppHandle, event: MenuEvent) {
    let id = event.id().as_ref();
    if id == "show" {
        windows::show_main(app);
    } else if id == "quit" {
        app.exit(0);
    } else if let Some((presence, ..)) = PRESENCES.iter().find(|(_, of, _)| *of == id)
        && let Some(desk) = app.try_state::<DeskHandle>()
    {
        desk.wish(Wish::SetPresence { presence: *presence });
    }
}

impl Tray {
    /// Says how things stand. On the main thread.
    pub fn show(&self, link: Option<&LinkView>, session: Option<&SessionView>) {
        if let Err(error) = self.try_show(link, session) {
            tracing::debug!(%error, "the tray could not be changed");
        }
    }

    fn try_show(&self, link: Option<&LinkView>, session: Option<&SessionView>) -> tauri::Result<()> {
        if let Some(link) = link {
            let (exchange, phone) = (line("Exchange", &link.control), line("Phone", &link.registration));
            self.icon.set_tooltip(Some(format!("Patchcord\n{exchange}\n{phone}")))?;
            self.exchange.set_text(exchange)?;
            self.phone.set_text(phone)?;
        }
        if let Some(session) = session {
            let mine = match session {
                SessionView::SignedIn { me, .. } => Some(me.presence),
                SessionView::Starting
                | SessionView::SignedOut { .. }
                | SessionView::SigningIn { .. }
                | SessionView::ConfirmFingerprint { .. } => None,
            };
            for (presence, item) in &self.presences {
                item.set_enabled(mine.is_some())?;
                item.set_checked(mine == Some(*presence))?;
            }
        }
        Ok(())
    }
}

fn line(name: &str, state: &LinkState) -> String {
    match state {
        LinkState::Off => format!("{name}: off"),
        LinkState::Connecting => format!("{name}: connecting"),
        LinkState::Up if name == "Phone" => format!("{name}: ready"),
        LinkState::Up => format!("{name}: connected"),
        LinkState::Down { why, .. } => format!("{name}: not connected. {why}"),
    }
}
