//! The one thread that writes. What nobody waits for is written in its order, however long that takes; calls never wait
//! for it.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use protocol::{CallId, CallRecord};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{
    StoreError,
    backlog::{Backlog, Kept, Unwritten, sentence},
    records,
};

/// Entries that wait in memory while nothing can be written: a working day of a busy office, at some kilobytes each.
const MOST_WAITING: usize = 50_000;
/// How long somebody who waits for an answer waits for a lock of the database.
const PATIENCE: Duration = Duration::from_secs(3);
/// As long for what nobody waits for; shorter while it is known that there is trouble.
const PATIENCE_TO_KEEP: Duration = Duration::from_secs(1);
const PATIENCE_IN_TROUBLE: Duration = Duration::from_millis(50);
/// After a failure it is tried again so soon, then twice as late each time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What stays to be said when the worst is over.
const LOST: &str = "Call records are written again, but some were lost. The audit trail goes on after a restart of the \
                    exchange.";

pub(super) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) enum Work {
    Keep(Kept),
    Job(Job),
    /// The newest record of a call, wherever it is.
    Find(CallId, oneshot::Sender<Result<Option<CallRecord>, StoreError>>),
    /// Write what waits, trying for that long, and give the rest up.
    Settle(Duration, oneshot::Sender<Unwritten>),
}

pub(super) struct Writer {
    connection: Connection,
    backlog: Backlog,
    trouble: watch::Sender<Option<String>>,
    /// After a failure: when to try again, and how long to wait after the next one.
    retry: Option<(Instant, Duration)>,
}

impl Writer {
    pub fn new(connection: Connection, trouble: watch::Sender<Option<String>>) -> Self {
        Self { connection, backlog: Backlog::new(MOST_WAITING), trouble, retry: None }
    }

    /// Works until nobody is left to give work.
    pub fn run(mut self, work: &Receiver<Work>) {
        loop {
            match self.next(work) {
                Ok(work) => self.take(work),
                Err(RecvTimeoutError::Timeout) => self.catch_up(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.catch_up();
        self.backlog.give_up();
    }

    /// The next piece of work; what is only to be kept is taken all at once, so that one transaction holds it.
    fn next(&mut self, work: &Receiver<Work>) -> Result<Work, RecvTimeoutError> {
        loop {
            match work.try_recv() {
                Ok(Work::Keep(kept)) => self.backlog.push(kept),
                Ok(other @ (Work::Job(_) | Work::Find(..) | Work::Settle(..))) => return Ok(other),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => match self.retry {
                    None if self.backlog.is_empty() => return work.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    None => return Err(RecvTimeoutError::Timeout),
                    Some((at, _)) => return work.recv_timeout(at.saturating_duration_since(Instant::now())),
                },
            }
        }
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Keep(kept) => self.backlog.push(kept),
            Work::Job(job) => {
                self.prepare();
                job(&mut self.connection);
            }
            Work::Find(call, reply) => {
                self.prepare();
                let found = match self.backlog.record(&call) {
                    Some(record) => Ok(Some(record.clone())),
                    None => records::find(&self.connection, &call),
                };
                // Whoever asked may have gone away.
                let _ = reply.send(found);
            }
            Work::Settle(limit, reply) => {
                // Whoever asked may have gone away.
                let _ = reply.send(self.settle(limit));
            }
        }
    }

    /// What was queued before somebody asked is written before they are answered, if it can be.
    fn prepare(&mut self) {
        if self.retry.is_none_or(|(at, _)| at <= Instant::now()) {
            self.catch_up();
        }
        self.wait_for_locks(PATIENCE);
    }

    fn settle(&mut self, limit: Duration) -> Unwritten {
        let end = Instant::now() + limit;
        self.catch_up();
        while !self.backlog.is_empty() && Instant::now() < end {
            std::thread::sleep(FIRST_RETRY);
            self.catch_up();
        }
        self.backlog.give_up()
    }

    /// Writes what waits, if it can be written.
    fn catch_up(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        self.wait_for_locks(if self.retry.is_some() { PATIENCE_IN_TROUBLE } else { PATIENCE_TO_KEEP });
        match self.backlog.write(&mut self.connection) {
            Ok(()) => self.all_is_well(),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &StoreError) {
        let wait = self.retry.map_or(FIRST_RETRY, |(_, wait)| wait);
        self.retry = Some((Instant::now() + wait, (2 * wait).min(LAST_RETRY)));
        let sentence = sentence(error, self.backlog.has_lost());
        tracing::debug!(%error, waiting = self.backlog.len(), "not written");
        self.trouble.send_if_modified(|trouble| {
            let news = trouble.as_ref() != Some(&sentence);
            if news {
                tracing::error!(%error, "{sentence}");
                *trouble = Some(sentence);
            }
            news
        });
    }

    fn all_is_well(&mut self) {
        if self.retry.take().is_some() {
            tracing::info!("call records are written again, and nothing waits any more");
            self.trouble.send_replace(self.backlog.has_lost().then(|| LOST.to_owned()));
        }
    }

    fn wait_for_locks(&self, patience: Duration) {
        // Never fails: SQLite only remembers the number.
        let _ = self.connection.busy_timeout(patience);
    }
}
