//! Who is watching, and what each of them may see. A change is written out once for all who may do the same about it:
//! with fifty watchers of a thousand calls, that is what a change costs.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::{CallId, Change, Denied, Directory, LiveCall, LiveRow, Snapshot, Timestamp, UserId};
use switchboard::{Fact, Rights, Switchboard};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::store::sessions::hashed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedId(u64);

/// The reader's end of a feed.
pub struct Feed {
    pub id: FeedId,
    /// Ends when the exchange stops.
    pub messages: mpsc::Receiver<Told>,
    /// The reader was too slow and has missed something: once it has read what is queued, it asks for a snapshot.
    pub behind: Arc<AtomicBool>,
}

/// One message of a feed.
#[derive(Debug)]
pub enum Told {
    Snapshot(Box<Snapshot>),
    /// A [`protocol::FeedMessage::Delta`] as JSON, with its number.
    Delta {
        number: u32,
        json: String,
    },
}

/// Digits of a scope: it is only ever compared with the one before.
const SCOPE: usize = 16;

/// Messages that wait for a slow reader. More than that, and a snapshot is the shorter story.
const QUEUE: usize = 256;

struct Watcher {
    id: FeedId,
    user: UserId,
    /// Number of the newest message.
    number: u32,
    /// Calls that the reader knows of.
    sees: HashSet<CallId>,
    out: mpsc::Sender<Told>,
    behind: Arc<AtomicBool>,
}

pub(super) struct Feeds {
    watchers: Vec<Watcher>,
    next: u64,
    store: String,
    records_seq: u64,
    trouble: Option<String>,
}

impl Feeds {
    pub fn new(store: String, records_seq: u64) -> Self {
        Self { watchers: Vec::new(), next: 1, store, records_seq, trouble: None }
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
        let Some(watcher) = self.watchers.iter_mut().find(|w| w.id == feed) else { return };
        let live = rows(switchboard, &watcher.user);
        watcher.sees = live.iter().map(|row| row.call.id.clone()).collect();
        watcher.behind.store(false, Ordering::SeqCst);
        watcher.send(Told::Snapshot(Box::new(Snapshot {
            number: watcher.number,
            at: now,
            store: self.store.clone(),
            scope: scope(switchboard, &watcher.user),
            records_seq: self.records_seq,
            me: watcher.user.clone(),
            live,
            trouble: self.trouble.clone(),
            directory: directory(switchboard),
        })));
    }

    pub fn tell(&mut self, switchboard: &Switchboard, fact: Fact, now: Timestamp) {
        match fact {
            Fact::CallChanged(call) => self.call_changed(switchboard, &call, now),
            Fact::CallGone(id) => self.gone(&id, now),
            Fact::Record(record) => {
                self.records_seq = self.records_seq.max(record.seq);
                let readers = |w: &Watcher| switchboard.may_see_record(&w.user, &record);
                let readers: Vec<bool> = self.watchers.iter().map(readers).collect();
                if readers.contains(&true) {
                    let told = Written::new(&Change::Record(*record));
                    let mut may = readers.into_iter();
                    self.each(|_| may.next().unwrap_or(false).then_some(&told), now);
                }
            }
            Fact::UserChanged(user) => self.everyone(&Change::User(user), now),
            Fact::DepartmentChanged(department) => self.everyone(&Change::Department(department), now),
            Fact::Audit(_)
            | Fact::Draft(_)
            | Fact::Measured { .. }
            | Fact::TransferAnswer { .. }
            | Fact::StepAnswer { .. } => {}
        }
    }

    /// What is wrong with the exchange itself; `None`: nothing any more.
    pub fn trouble(&mut self, trouble: Option<String>, now: Timestamp) {
        self.trouble.clone_from(&trouble);
        self.everyone(&Change::Trouble(trouble), now);
    }

    fn call_changed(&mut self, switchboard: &Switchboard, call: &LiveCall, now: Timestamp) {
        // Few combinations of rights in any office: a list is searched faster than a map.
        let mut written: Vec<(RowRights, Written)> = Vec::new();
        let gone = Written::new(&Change::CallGone(call.id.clone()));
        self.watchers.retain_mut(|watcher| {
            if switchboard.may_see(&watcher.user, call) {
                let rights = RowRights::of(switchboard.rights(&watcher.user, &call.id));
                let known = written.iter().position(|(known, _)| *known == rights).unwrap_or_else(|| {
                    let row = rights.clone().row(call.clone());
                    written.push((rights, Written::new(&Change::Call(row))));
                    written.len() - 1
                });
                if !watcher.sees.contains(&call.id) {
                    watcher.sees.insert(call.id.clone());
                }
                if let Some((_, told)) = written.get(known) {
                    watcher.delta(told, now);
                }
            } else if watcher.sees.remove(&call.id) {
                // A call that moved out of sight is gone for this reader.
                watcher.delta(&gone, now);
            }
            !watcher.out.is_closed()
        });
    }

    fn gone(&mut self, call: &CallId, now: Timestamp) {
        let told = Written::new(&Change::CallGone(call.clone()));
        self.each(|watcher| watcher.sees.remove(call).then_some(&told), now);
    }

    fn everyone(&mut self, change: &Change, now: Timestamp) {
        let told = Written::new(change);
        self.each(|_| Some(&told), now);
    }

    /// Tells each what `told` gives for them, and forgets who has gone away.
    fn each<'a>(&mut self, mut told: impl FnMut(&mut Watcher) -> Option<&'a Written>, now: Timestamp) {
        self.watchers.retain_mut(|watcher| {
            if let Some(told) = told(watcher) {
                watcher.delta(told, now);
            }
            !watcher.out.is_closed()
        });
    }
}

impl Watcher {
    fn delta(&mut self, told: &Written, now: Timestamp) {
        self.number = self.number.wrapping_add(1);
        if !self.behind.load(Ordering::SeqCst) {
            self.send(Told::Delta { number: self.number, json: told.delta(self.number, now) });
        }
    }

    fn send(&mut self, message: Told) {
        match self.out.try_send(message) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => self.behind.store(true, Ordering::SeqCst),
        }
    }
}

/// The fields of a change as JSON, without the opening brace: what deltas have in common.
struct Written(String);

impl Written {
    fn new(change: &Change) -> Self {
        // Nothing in a change can fail to be written: no map has keys that are no strings.
        let mut json = serde_json::to_string(change).unwrap_or_default();
        if !json.is_empty() {
            json.remove(0);
        }
        Self(json)
    }

    /// The [`protocol::FeedMessage::Delta`].
    fn delta(&self, number: u32, at: Timestamp) -> String {
        format!(r#"{{"type":"delta","number":{number},"at":{},{}"#, at.0, self.0)
    }
}

/// What a row says about its reader.
#[derive(Clone, PartialEq)]
struct RowRights {
    transfer: Result<(), Denied>,
    undo: Option<Result<(), Denied>>,
    complete: Option<Result<(), Denied>>,
}

impl RowRights {
    fn of(Rights { transfer, undo, complete, consult: _, outside: _ }: Rights) -> Self {
        Self { transfer, undo, complete }
    }

    fn row(self, call: LiveCall) -> LiveRow {
        LiveRow {
            call,
            transfer_right: self.transfer.into(),
            undo_right: self.undo.map(Into::into),
            complete_right: self.complete.map(Into::into),
        }
    }
}

/// The live calls that `user` may see, with what they may do to them.
#[must_use]
pub fn rows(switchboard: &Switchboard, user: &UserId) -> Vec<LiveRow> {
    let calls = switchboard.live_calls().filter(|call| switchboard.may_see(user, call));
    calls.map(|call| RowRights::of(switchboard.rights(user, &call.id)).row(call.clone())).collect()
}

/// Stands for what `user` may see of the records: the same as long as that is the same.
#[must_use]
pub fn scope(switchboard: &Switchboard, user: &UserId) -> String {
    hashed(&switchboard.record_scope(user)).chars().take(SCOPE).collect()
}

#[must_use]
pub fn directory(switchboard: &Switchboard) -> Directory {
    Directory {
        users: switchboard.users(),
        departments: switchboard.departments(),
        dispositions: switchboard.dispositions().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::{Delta, FeedMessage};

    use super::*;

    #[test]
    fn what_is_put_together_is_what_the_protocol_writes() {
        let changes = [
            Change::CallGone("c-\"1\"".into()),
            Change::Trouble(Some("The disk is full.\n".into())),
            Change::Trouble(None),
        ];
        for (number, change) in (7..).zip(changes) {
            let delta = FeedMessage::Delta(Delta { number, at: Timestamp(1234), change: change.clone() });
            assert_eq!(Written::new(&change).delta(number, Timestamp(1234)), serde_json::to_string(&delta).unwrap());
        }
    }
}
