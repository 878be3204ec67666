//! Devices that want to know what a line does or what waits in a mailbox (RFC 4235, RFC 3842): the lamps of a telephone. The
//! engine only knows whose device asks; what it may be told is for others to say.

use protocol::{DeviceId, UserId};
use sip::{Endpoint, Notice, Package, Watch, WatcherKey};
use tokio::sync::mpsc;

use super::core::Core;

/// What becomes of a lamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lamp {
    /// A device of `user` asks for it: [`Lamps::show`] or [`Lamps::refuse`] must follow. `whose` is what it dialled.
    Asked {
        lamp: WatcherKey,
        user: UserId,
        package: Package,
        whose: String,
    },
    Gone(WatcherKey),
}

/// The other end.
pub struct Lamps {
    pub(super) endpoint: Endpoint,
    pub(super) asks: mpsc::UnboundedReceiver<Lamp>,
}

impl Lamps {
    /// `None` when the engine has ended.
    pub async fn next(&mut self) -> Option<Lamp> {
        self.asks.recv().await
    }

    pub fn show(&self, lamp: WatcherKey, notice: Notice) {
        self.endpoint.notify(lamp, notice);
    }

    pub fn refuse(&self, lamp: WatcherKey, status: u16) {
        self.endpoint.refuse_watcher(lamp, status);
    }
}

impl Core {
    pub(super) fn watch(&self, watch: &Watch) {
        let device = DeviceId(watch.authenticated_as.clone());
        // A trunk is nobody whose rights could be looked up.
        let owner = if watch.authenticated_as.is_empty() { None } else { self.secrets.secret(device.as_str()) };
        let Some((user, _)) = owner else { return self.endpoint.refuse_watcher(watch.watcher, 403) };
        let (lamp, package, whose) = (watch.watcher, watch.package, watch.user.clone());
        self.ask_lamps(Lamp::Asked { lamp, user, package, whose });
    }

    pub(super) fn ask_lamps(&self, lamp: Lamp) {
        if let Err(mpsc::error::SendError(Lamp::Asked { lamp, .. })) = self.lamps.send(lamp) {
            // Nobody is there who knows.
            self.endpoint.refuse_watcher(lamp, 480);
        }
    }
}
