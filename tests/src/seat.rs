//! A desk with no window: the whole app but its screen.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use desk::{
    Desk, DeskConfig, DeskHandle, LinkState, Notice, PhoneCallState, RingView, Screen, SessionView, View, ViewPatch,
    Wish,
};
use tokio::sync::Notify;

use crate::program::{PATIENCE, look_at_each};

/// Somebody's desk, with a screen that only says that something changed.
pub struct Seat {
    pub desk: DeskHandle,
    changed: Arc<Notify>,
}

struct Bell(Arc<Notify>);

impl Screen for Bell {
    fn publish(&self, _: ViewPatch) {
        self.0.notify_waiters();
    }

    fn ring(&self, _: &[RingView]) {}

    fn notify(&self, _: &Notice) {}
}

impl Seat {
    /// With its data in `data`, no sound device and no keyring.
    pub fn take(data: &Path) -> Result<Self> {
        Self::furnished(data, |config| config.keyring = None)
    }

    /// The usual desk, without sound, changed by `furnish`.
    pub fn furnished(data: &Path, furnish: impl FnOnce(&mut DeskConfig)) -> Result<Self> {
        let changed = Arc::new(Notify::new());
        let mut config = DeskConfig::new(data.to_owned(), Arc::new(Bell(changed.clone())));
        config.sound = false;
        furnish(&mut config);
        Ok(Self { desk: Desk::start(config)?, changed })
    }

    pub async fn sign_in(&self, address: &str, user: &str, password: &str) -> Result<()> {
        self.desk.sign_in(address.to_owned(), user.to_owned(), password.to_owned());
        self.until("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await.map(drop)
    }

    /// Waits until the view satisfies `wanted`.
    pub async fn until(&self, what: &str, wanted: impl Fn(&View) -> bool) -> Result<View> {
        let look = || Some(self.desk.view()).filter(&wanted);
        match tokio::time::timeout(PATIENCE, look_at_each(&self.changed, look)).await {
            Ok(view) => Ok(view),
            Err(_) => bail!("the desk never showed {what}; it shows {:#?}", self.desk.view()),
        }
    }

    /// Waits until the device can be rung.
    pub async fn registered(&self) -> Result<()> {
        self.until("the device registered", |view| view.link.registration == LinkState::Up).await.map(drop)
    }

    /// Waits for a ring, answers it, and waits until sound flows.
    pub async fn answers(&self) -> Result<()> {
        let ring = self.until("a ring", |view| !view.rings.is_empty()).await?.rings[0].id;
        self.desk.wish(Wish::Answer { id: ring });
        let talking = |view: &View| view.phone.calls.iter().any(|call| call.state == PhoneCallState::Talking);
        self.until("talking", talking).await.map(drop)
    }

    pub async fn leave(self) {
        self.desk.stop().await;
    }
}
