//! Those who subscribed to something here.

use std::{collections::HashMap, sync::atomic::Ordering};

use super::Core;
use crate::{Flow, WatcherKey, io::Io, message::Message, notifier, notifier::Watcher};

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
        if self.watchers.all.values().filter(|(_, of)| *of == user).count() >= MOST_OF_ONE {
            return self.io.refuse(tx, 480);
        }
        let key = WatcherKey(self.keys.fetch_add(1, Ordering::Relaxed));
        match Watcher::ask(key, (tx, flow), request, user.clone(), &mut self.io) {
            Ok(watcher) => {
                self.watchers.dialogs.insert(watcher.dialog(), key);
                self.watchers.all.insert(key, (watcher, user));
            }
            Err(status) => notifier::refuse(tx, status, &mut self.io),
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
        for key in self.watchers.all.keys().copied().collect::<Vec<_>>() {
            // It is told to ask again: we may be back in a moment.
            self.with_watcher(key, |watcher, io| watcher.stop("deactivated", io));
        }
    }
}
