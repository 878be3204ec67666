//! Who is watching, and what each of them may see.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::{
    CallId, CallRecord, Change, Delta, Directory, FeedMessage, LiveCall, LiveRow, Snapshot, Timestamp, UserId,
};
use switchboard::{Fact, Switchboard};
use tokio::sync::mpsc::{self, error::TrySendError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedId(u64);

/// The reader's end of a feed.
pub struct Feed {
    pub id: FeedId,
    /// Ends when the exchange stops.
    pub messages: mpsc::Receiver<FeedMessage>,
    /// The reader was too slow and has missed something: once it has read what is queued, it asks for a snapshot.
    pub behind: Arc<AtomicBool>,
}

/// Messages that wait for a slow reader. More than that, and a snapshot is the shorter story.
const QUEUE: usize = 256;

struct Watcher {
    id: FeedId,
    user: UserId,
    /// Number of the newest message.
    number: u32,
    /// Calls that the reader knows of.
    sees: HashSet<CallId>,
    out: mpsc::Sender<FeedMessage>,
    behind: Arc<AtomicBool>,
}

pub(super) struct Feeds {
    watchers: Vec<Watcher>,
    next: u64,
    store: String,
    records_seq: u64,
}

impl Feeds {
    pub fn new(store: String, records_seq: u64) -> Self {
        Self { watchers: Vec::new(), next: 1, store, records_seq }
    }

    pub fn open(&mut self, switchboard: &Switchboard, user: UserId, now: Timestamp) -> Feed {
        let (out, messages) = mpsc::channel(QUEUE);
        let (id, behind) = (FeedId(self.next), Arc::new(AtomicBool::new(false)));
        self.next += 1;
        self.watchers.push(Watcher { id, user, number: 0, sees: HashSet::new(), out, behind: behind.clone() });
        self.snapshot(switchboard, id, now);
        Feed { id, messages, behind }
    }

    pub fn snapshot(&mut self, switchboard: &Switchboard, feed: FeedId, now: Timestamp) {
        let (store, records_seq) = (&self.store, self.records_seq);
        if let Some(watcher) = self.watchers.iter_mut().find(|w| w.id == feed) {
            watcher.send_snapshot(switchboard, store.clone(), records_seq, now);
        }
    }

    pub fn tell(&mut self, switchboard: &Switchboard, fact: &Fact, now: Timestamp) {
        if let Fact::Record(record) = fact {
            self.records_seq = self.records_seq.max(record.seq);
        }
        self.watchers.retain_mut(|watcher| {
            if let Some(change) = watcher.change(switchboard, fact) {
                watcher.send_delta(change, now);
            }
            !watcher.out.is_closed()
        });
    }
}

impl Watcher {
    /// What `fact` means to this reader; `None` if nothing.
    fn change(&mut self, switchboard: &Switchboard, fact: &Fact) -> Option<Change> {
        match fact {
            Fact::CallChanged(call) if switchboard.may_see(&self.user, call) => {
                self.sees.insert(call.id.clone());
                Some(Change::Call(row(switchboard, &self.user, call.clone())))
            }
            // A call that moved out of sight is gone for this reader.
            Fact::CallChanged(LiveCall { id, .. }) | Fact::CallGone(id) => {
                self.sees.remove(id).then(|| Change::CallGone(id.clone()))
            }
            Fact::Record(record) => self.may_see(switchboard, record).then(|| Change::Record(record.as_ref().clone())),
            Fact::UserChanged(user) => Some(Change::User(user.clone())),
            Fact::DepartmentChanged(department) => Some(Change::Department(department.clone())),
            Fact::Audit(_) | Fact::Draft(_) | Fact::TransferAnswer { .. } | Fact::StepAnswer { .. } => None,
        }
    }

    fn may_see(&self, switchboard: &Switchboard, record: &CallRecord) -> bool {
        switchboard.may_see_record(&self.user, record)
    }

    fn send_delta(&mut self, change: Change, now: Timestamp) {
        self.number = self.number.wrapping_add(1);
        self.send(FeedMessage::Delta(Delta { number: self.number, at: now, change }));
    }

    fn send_snapshot(&mut self, switchboard: &Switchboard, store: String, records_seq: u64, now: Timestamp) {
        let live = rows(switchboard, &self.user);
        self.sees = live.iter().map(|row| row.call.id.clone()).collect();
        self.behind.store(false, Ordering::SeqCst);
        self.send(FeedMessage::Snapshot(Snapshot {
            number: self.number,
            at: now,
            store,
            records_seq,
            me: self.user.clone(),
            live,
            trouble: None,
            directory: directory(switchboard),
        }));
    }

    fn send(&mut self, message: FeedMessage) {
        if self.behind.load(Ordering::SeqCst) {
            return;
        }
        match self.out.try_send(message) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => self.behind.store(true, Ordering::SeqCst),
        }
    }
}

/// The live calls that `user` may see, with what they may do to them.
#[must_use]
pub fn rows(switchboard: &Switchboard, user: &UserId) -> Vec<LiveRow> {
    let calls = switchboard.live_calls().into_iter().filter(|call| switchboard.may_see(user, call));
    calls.map(|call| row(switchboard, user, call)).collect()
}

fn row(switchboard: &Switchboard, user: &UserId, call: LiveCall) -> LiveRow {
    let transfer_right = switchboard.may_transfer(user, &call.id).into();
    LiveRow { transfer_right, undo_right: None, complete_right: None, call }
}

#[must_use]
pub fn directory(switchboard: &Switchboard) -> Directory {
    Directory { users: switchboard.users(), departments: switchboard.departments() }
}
