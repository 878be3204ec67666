//! The desk from outside: a scripted exchange over real sockets, a recording screen, a phone that does as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod doubles;
mod exchange;
mod following;
mod handed_over;
mod headset;
mod history;
mod messages;
mod notes;
mod plain;
mod ringing;
mod signing_in;
mod sound;
mod steps;
mod system;
mod transferring;
mod without_an_exchange;

use std::sync::Arc;

use desk::{Desk, DeskConfig, DeskHandle, LinkState, SessionView};
use tempfile::TempDir;

use doubles::{FakePhones, Keys, Recorder};
use exchange::FakeExchange;

/// A desk with its surroundings.
struct Rig {
    desk: DeskHandle,
    screen: Arc<Recorder>,
    phones: Arc<FakePhones>,
    dir: TempDir,
}

impl Rig {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), None)
    }

    fn start_in(dir: TempDir, keys: Option<Arc<Keys>>) -> Self {
        let (screen, phones) = (Arc::new(Recorder::new()), Arc::new(FakePhones::default()));
        let desk = Desk::start(DeskConfig {
            data_dir: dir.path().join("data"),
            screen: Arc::<Recorder>::clone(&screen),
            keyring: keys.map(|keys| keys as Arc<dyn desk::Keyring>),
            device_name: "test".into(),
            sound: true,
            devices: Arc::<FakePhones>::clone(&phones),
        })
        .unwrap();
        Self { desk, screen, phones, dir }
    }

    /// Stops this desk and starts another on the same folder.
    async fn again(self) -> Self {
        self.desk.stop().await;
        Self::start_in(self.dir, None)
    }

    fn sign_in(&self, exchange: &FakeExchange) {
        self.desk.sign_in(exchange.address(), "maya".into(), "right".into());
    }

    /// Signed in and connected.
    async fn online(exchange: &FakeExchange) -> Self {
        let rig = Self::start();
        rig.sign_in(exchange);
        rig.up().await;
        rig
    }

    async fn up(&self) {
        self.screen
            .until("signed in and connected", |view| {
                matches!(view.session, SessionView::SignedIn { .. }) && view.link.control == LinkState::Up
            })
            .await;
    }

    /// Ends the desk, after seeing that the patches made the view that the desk has.
    async fn end(self) {
        self.desk.clone().stop().await;
        assert_eq!(self.screen.view(), self.desk.view(), "the patches add up to the view");
    }
}
