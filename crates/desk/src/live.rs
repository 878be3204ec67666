//! What comes over the feed: the link's state, the live list, the directory.

use std::time::Duration;

use protocol::{Change, Delta, Department, LiveRow, Snapshot, Timestamp, User};

use crate::accounts::is_own;
use crate::device::Device;
use crate::feed::FeedEvent;
use crate::logs::Goal;
use crate::owner::Owner;
use crate::{LinkState, SessionView, SyncView};

impl Owner {
    pub(crate) fn feed(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Connecting => self.connecting(),
            FeedEvent::Down { why, retry_in } => self.down(why, retry_in),
            FeedEvent::Snapshot(snapshot) => self.snapshot(*snapshot),
            FeedEvent::Delta(delta) => self.delta(*delta),
            FeedEvent::Alive(at) => self.told(at),
            FeedEvent::Unauthorized => self.expel(),
        }
    }

    fn connecting(&mut self) {
        match &mut self.view.link.control {
            // Trying again does not make it better: since when and why stay.
            LinkState::Down { retry_at, .. } => *retry_at = None,
            control @ (LinkState::Off | LinkState::Connecting | LinkState::Up) => *control = LinkState::Connecting,
        }
    }

    /// The exchange has just said what is so, by its own clock.
    fn told(&mut self, at: Timestamp) {
        self.view.live.as_of = Some(at);
        self.heard = self.clock.now();
    }

    fn down(&mut self, why: String, retry_in: Option<Duration>) {
        let now = self.clock.now();
        if self.online() {
            self.logs_offline();
        }
        let since = match &self.view.link.control {
            LinkState::Down { since, .. } => *since,
            // As old as what is shown is now.
            LinkState::Up => self.heard,
            LinkState::Off | LinkState::Connecting => now,
        };
        let retry_at = retry_in.map(|wait| now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        self.view.link.control = LinkState::Down { since, why, retry_at };
        if !matches!(self.view.logs.head.sync, SyncView::Failed { .. }) {
            self.view.logs.head.sync = SyncView::Offline;
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) {
        if matches!(std::mem::replace(&mut self.view.link.control, LinkState::Up), LinkState::Down { .. }) {
            // An exchange that was started anew does not know this phone any more.
            self.with_phone(Device::register_now);
        }
        let (own, before) = std::mem::take(&mut self.view.live.calls).into_iter().partition(is_own);
        let before: Vec<LiveRow> = before;
        self.view.live.calls = own;
        for row in snapshot.live {
            self.view.live.put(row);
        }
        self.told(snapshot.at);
        for row in &before {
            let after = self.view.live.row(&row.call.id).cloned();
            self.tell_outcome(row, after.as_ref());
        }
        if let Some(me) = snapshot.directory.users.iter().find(|user| user.id == snapshot.me) {
            self.set_me(me.clone());
        }
        self.view.directory = snapshot.directory;
        self.view.link.exchange = snapshot.trouble;
        let (store, scope) = (snapshot.store, snapshot.scope);
        self.begin_sync(Goal { store, scope, records_seq: snapshot.records_seq, at: snapshot.at });
        self.offer_undos();
        self.dialog_follows(&before);
        self.directory_changed();
    }

    fn delta(&mut self, delta: Delta) {
        self.told(delta.at);
        match delta.change {
            Change::Trouble(trouble) => {
                self.view.link.exchange = trouble;
                self.send_remarks();
            }
            Change::Call(row) => {
                let before = self.view.live.row(&row.call.id).cloned();
                self.view.live.put(row.clone());
                if let Some(before) = &before {
                    self.tell_outcome(before, Some(&row));
                }
                self.offer_undos();
                self.dialog_follows(before.as_slice());
            }
            Change::CallGone(call) => {
                let before = self.view.live.row(&call).cloned();
                self.view.live.calls.retain(|row| row.call.id != call);
                if let Some(before) = &before {
                    self.tell_outcome(before, None);
                }
                self.offer_undos();
                self.dialog_follows(before.as_slice());
            }
            Change::User(user) => {
                if self.me() == Some(&user.id) {
                    self.set_me(user.clone());
                }
                put(&mut self.view.directory.users, user, |a: &User, b| a.id == b.id);
                self.directory_changed();
            }
            Change::Department(department) => {
                put(&mut self.view.directory.departments, department, |a: &Department, b| a.id == b.id);
                self.directory_changed();
            }
            Change::Record(record) => self.record(record, delta.at),
        }
    }

    fn set_me(&mut self, user: User) {
        if let SessionView::SignedIn { me, .. } = &mut self.view.session {
            *me = user;
        }
    }
}

fn put<T>(list: &mut Vec<T>, new: T, same: impl Fn(&T, &T) -> bool) {
    match list.iter_mut().find(|old| same(old, &new)) {
        Some(old) => *old = new,
        None => list.push(new),
    }
}
