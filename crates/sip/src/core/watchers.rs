//! Those who subscribed to something here.

use std::{collections::HashMap, sync::atomic::Ordering};

use tokio::time::Instant;

use super::Core;
use crate::{Flow, Uri, WatcherKey, io::Io, message::Message, notifier, notifier::Watcher};

/// At once, of all and of one device: a receptionist's telephone has a hundred lamps. One more is refused; none that is lit
/// goes out for it, since a device whose oldest lamp were ended would ask for it again and end another one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 250;

pub(super) struct Watchers {
    /// Whether there is anything to be told.
    notifies: bool,
    all: HashMap<WatcherKey, (Watcher, String)>,
    /// By Call-ID and our tag.
    dialogs: HashMap<(String, String), WatcherKey>,
}

impl Watchers {
    pub fn new(notifies: bool) -> Self {
        Self { notifies, all: HashMap::new(), dialogs: HashMap::new() }
    }

    fn of(&self, user: &str) -> impl Iterator<Item = (WatcherKey, &Watcher)> {
        self.all.iter().filter(move |(_, (_, of))| of == user).map(|(key, (watcher, _))| (*key, watcher))
    }

    /// What `newer` stands for from now on, since its device has been started anew. If that was wrong, the device asks again at
    /// once and is then left alone: what is not yet settled only goes if there is no room otherwise.
    fn repeated_by(&self, newer: &Watcher, user: &str, is_full: bool, now: Instant) -> Vec<WatcherKey> {
        let goes = |older: &Watcher| !newer.is_glance() && newer.repeats(older) && (is_full || older.is_settled(now));
        self.of(user).filter(|(_, older)| goes(older)).map(|(key, _)| key).collect()
    }

    #[cfg(test)]
    pub fn has(&self, key: WatcherKey) -> bool {
        self.all.contains_key(&key)
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.dialogs.is_empty()
    }
}

impl Core {
    pub(super) fn with_watcher(&mut self, key: WatcherKey, act: impl FnOnce(&mut Watcher, &mut Io)) {
        let Some((watcher, _)) = self.watchers.all.get_mut(&key) else { return };
        act(watcher, &mut self.io);
        if watcher.is_over() {
            self.watchers.dialogs.remove(&watcher.dialog());
            self.watchers.all.remove(&key);
        }
    }

    /// A first SUBSCRIBE.
    pub(super) fn subscribed(&mut self, tx: u64, flow: Flow, request: &Message) {
        if !self.watchers.notifies {
            return self.io.refuse(tx, 405);
        }
        if self.closing.is_some() || self.watchers.all.len() >= MOST {
            return self.io.refuse(tx, 503);
        }
        let Some(user) = self.authenticate(tx, flow, request) else { return };
        let key = WatcherKey(self.keys.fetch_add(1, Ordering::Relaxed));
        let watcher = match Watcher::read(key, (tx, flow), request, self.io.now) {
            Ok(watcher) => watcher,
            Err(status) => return notifier::refuse(tx, status, &mut self.io),
        };
        let is_full = self.watchers.of(&user).count() >= MOST_OF_ONE;
        let older = self.watchers.repeated_by(&watcher, &user, is_full, self.io.now);
        if is_full && older.is_empty() {
            return self.io.refuse(tx, 480);
        }
        self.end(&older);
        watcher.ask(user.clone(), &self.io);
        self.watchers.dialogs.insert(watcher.dialog(), key);
        self.watchers.all.insert(key, (watcher, user));
    }

    /// The devices that were reached there are gone.
    pub(super) fn end_watchers_at(&mut self, user: &str, contacts: &[Uri]) {
        let at_one = |watcher: &Watcher| contacts.iter().any(|contact| watcher.is_at(contact));
        let gone: Vec<_> = self.watchers.of(user).filter(|(_, w)| at_one(w)).map(|(key, _)| key).collect();
        self.end(&gone);
    }

    /// Whoever is still there is told to ask again (RFC 6665 section 4.1.3).
    fn end(&mut self, watchers: &[WatcherKey]) {
        for key in watchers {
            self.with_watcher(*key, |watcher, io| watcher.stop("deactivated", io));
        }
    }

    /// One within a dialog. Whoever has it must be who began it: a tag alone lets nobody move the lamp elsewhere.
    pub(super) fn subscribed_again(&mut self, tx: u64, flow: Flow, request: &Message) {
        let named = (request.call_id().to_owned(), request.tag_of_to().to_owned());
        let Some(key) = self.watchers.dialogs.get(&named).copied() else { return self.io.refuse(tx, 481) };
        let Some(user) = self.authenticate(tx, flow, request) else { return };
        if self.watchers.all.get(&key).is_none_or(|(_, of)| *of != user) {
            return self.io.refuse(tx, 403);
        }
        self.with_watcher(key, |watcher, io| watcher.asked_again((tx, flow), request, io));
    }

    pub(super) fn end_watchers(&mut self) {
        // We may be back in a moment.
        self.end(&self.watchers.all.keys().copied().collect::<Vec<_>>());
    }
}
