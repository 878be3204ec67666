//! What comes over the feed: the link's state, the live list, the directory, and what became of transfers.

use protocol::{CallState, Change, Delta, Department, LiveRow, Snapshot, TransferProgress, TransferStage, User};

use crate::feed::FeedEvent;
use crate::owner::Owner;
use crate::rings::name;
use crate::{LinkState, SessionView, SyncView, Tone};

impl Owner {
    pub(crate) fn feed(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Connecting => self.connecting(),
            FeedEvent::Down { why, retry_in } => self.down(why, retry_in),
            FeedEvent::Snapshot(snapshot) => self.snapshot(*snapshot),
            FeedEvent::Delta(delta) => self.delta(*delta),
            FeedEvent::Alive(at) => self.view.live.as_of = Some(at),
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

    fn down(&mut self, why: String, retry_in: std::time::Duration) {
        let now = self.clock.now();
        if self.online() {
            self.history_offline();
        }
        let since = match &self.view.link.control {
            LinkState::Down { since, .. } => *since,
            LinkState::Off | LinkState::Connecting | LinkState::Up => now,
        };
        let retry_at = Some(now.plus_ms(u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX)));
        self.view.link.control = LinkState::Down { since, why, retry_at };
        if !matches!(self.view.logs.sync, SyncView::Failed { .. }) {
            self.view.logs.sync = SyncView::Offline;
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) {
        self.view.link.control = LinkState::Up;
        let before = std::mem::take(&mut self.view.live.calls);
        for row in snapshot.live {
            self.view.live.put(row);
        }
        self.view.live.as_of = Some(snapshot.at);
        for row in &before {
            let after = self.view.live.row(&row.call.id).cloned();
            self.tell_outcome(row, after.as_ref());
        }
        if let Some(me) = snapshot.directory.users.iter().find(|user| user.id == snapshot.me) {
            self.set_me(me.clone());
        }
        self.view.directory = snapshot.directory;
        self.view.link.exchange = snapshot.trouble;
        self.begin_sync(snapshot.store, snapshot.records_seq, snapshot.at);
        self.live_changed();
        self.directory_changed();
    }

    fn delta(&mut self, delta: Delta) {
        self.view.live.as_of = Some(delta.at);
        match delta.change {
            Change::Trouble(trouble) => self.view.link.exchange = trouble,
            Change::Call(row) => {
                let before = self.view.live.row(&row.call.id).cloned();
                self.view.live.put(row.clone());
                if let Some(before) = before {
                    self.tell_outcome(&before, Some(&row));
                }
                self.live_changed();
            }
            Change::CallGone(call) => {
                let before = self.view.live.row(&call).cloned();
                self.view.live.calls.retain(|row| row.call.id != call);
                if let Some(before) = before {
                    self.tell_outcome(&before, None);
                }
                self.live_changed();
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

    /// Says what became of a transfer that this user began.
    fn tell_outcome(&mut self, before: &LiveRow, after: Option<&LiveRow>) {
        let Some(transfer) = &before.call.transfer else { return };
        if self.me() != Some(&transfer.by.id) {
            return;
        }
        let caller = name(&before.call.caller);
        let outcome = match after {
            None => Some((
                Tone::Plain,
                format!("The call with {caller} ended during the transfer to {}.", transfer.target.name()),
            )),
            Some(row) => match &row.call.transfer {
                Some(now) if now.id == transfer.id => self.stage_outcome(transfer, now, &caller),
                Some(_) | None => self.settled(transfer, row, &caller),
            },
        };
        if let Some((tone, sentence)) = outcome {
            self.announce(tone, sentence);
        }
    }

    /// A step of a transfer that goes on.
    fn stage_outcome(&self, before: &TransferProgress, now: &TransferProgress, caller: &str) -> Option<(Tone, String)> {
        if std::mem::discriminant(&before.stage) == std::mem::discriminant(&now.stage) {
            return None;
        }
        let target = now.target.name();
        match &now.stage {
            TransferStage::Holding
            | TransferStage::Ringing { .. }
            | TransferStage::ConsultRinging { .. }
            | TransferStage::Consulting { .. }
            | TransferStage::Swapped { .. } => None,
            TransferStage::Recalling { towards, because, .. } => {
                let whom = if self.me() == Some(&towards.id) { "you" } else { &towards.name };
                Some((Tone::Bad, format!("{target}: {}. {caller} goes back to {whom}.", because.phrase())))
            }
            TransferStage::NextAgent { because, .. } => Some((
                Tone::Plain,
                format!("{target}: {}. The next free colleague is rung for {caller}.", because.phrase()),
            )),
            TransferStage::Queued { department, .. } => {
                Some((Tone::Plain, format!("{caller} waits in {} for the next free colleague.", department.name)))
            }
            TransferStage::Voicemail { because, .. } => {
                Some((Tone::Plain, format!("{target}: {}. {caller} may leave a message.", because.phrase())))
            }
        }
    }

    /// The transfer is over and the call goes on.
    fn settled(&self, transfer: &TransferProgress, row: &LiveRow, caller: &str) -> Option<(Tone, String)> {
        match &row.call.state {
            CallState::Talking { with } if self.me() == Some(&with.id) => {
                Some((Tone::Plain, format!("{caller} is back with you.")))
            }
            CallState::Talking { with } => Some((Tone::Good, format!("{} has the call with {caller}.", with.name))),
            CallState::TalkingOutside { with } => {
                Some((Tone::Good, format!("{} has the call with {caller}.", name(with))))
            }
            CallState::Queued { department, .. } => {
                Some((Tone::Plain, format!("{caller} waits in {}.", department.name)))
            }
            CallState::Voicemail { .. } => Some((
                Tone::Plain,
                format!("{} could not take the call. {caller} may leave a message.", transfer.target.name()),
            )),
            CallState::Closing => {
                Some((Tone::Bad, format!("Nobody could take the call of {caller}; it is being closed.")))
            }
            CallState::Ringing { .. } | CallState::Held { .. } | CallState::Transferring => None,
        }
    }
}

fn put<T>(list: &mut Vec<T>, new: T, same: impl Fn(&T, &T) -> bool) {
    match list.iter_mut().find(|old| same(old, &new)) {
        Some(old) => *old = new,
        None => list.push(new),
    }
}
