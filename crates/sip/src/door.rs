//! The guard, where packets and connections come in: before anything is read, so that a flood fills no queue.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::{
    EndpointConfig, Flow, Place, Places, Secrets,
    guard::{Guard, Kind, Refused},
};

/// Shared by the tasks that read and the one that decides.
#[derive(Clone)]
pub(crate) struct Door(Arc<Shared>);

struct Shared {
    guard: Mutex<Guard>,
    places: Places,
    secrets: Option<Arc<dyn Secrets>>,
    began: Instant,
}

impl Door {
    pub fn new(config: &EndpointConfig) -> Self {
        let guard = Mutex::new(Guard::new(config.limits));
        let places = Places::new(config.limits.connections);
        Self(Arc::new(Shared { guard, places, secrets: config.challenge.clone(), began: Instant::now() }))
    }

    /// Whether a message is looked at.
    pub fn admits(&self, now: Instant, flow: &Flow, kind: Kind) -> bool {
        self.trusts(flow.remote) || told(&self.guard().admit(self.since(now), flow, kind))
    }

    /// A place for a connection, until it is dropped; `None` if it is not taken.
    pub fn enter(&self, now: Instant, remote: SocketAddr) -> Option<Place> {
        if !self.trusts(remote) && !told(&self.guard().connects(self.since(now), remote.ip())) {
            return None;
        }
        let place = self.0.places.take(remote.ip());
        if place.is_none() {
            told(&Err(self.guard().is_full(self.since(now), remote.ip())));
        }
        place
    }

    pub fn vouch(&self, now: Instant, flow: &Flow) {
        self.guard().vouch(self.since(now), flow);
    }

    pub fn may_try(&self, now: Instant, flow: &Flow, user: &str) -> bool {
        self.guard().may_try(self.since(now), flow, user)
    }

    pub fn wrong_password(&self, now: Instant, flow: &Flow, user: &str) {
        let said = self.guard().wrong_password(self.since(now), flow, user);
        told(&Err(said));
    }

    pub fn is_stranger(&self, now: Instant, flow: &Flow) -> bool {
        !self.trusts(flow.remote) && !self.guard().is_known(self.since(now), flow)
    }

    pub fn forget(&self, flow: &Flow) {
        self.guard().forget(flow);
    }

    pub fn forget_old(&self, now: Instant) {
        self.guard().forget_old(self.since(now));
    }

    fn trusts(&self, source: SocketAddr) -> bool {
        self.0.secrets.as_ref().is_some_and(|secrets| secrets.trusted(source))
    }

    fn since(&self, now: Instant) -> std::time::Duration {
        now.saturating_duration_since(self.0.began)
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.0.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(judged: &Result<(), Refused>) -> bool {
    if let Err(Some(line)) = judged {
        tracing::warn!("{line}");
    }
    judged.is_ok()
}
