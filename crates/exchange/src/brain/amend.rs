//! Records of calls that are over, changed: one change of a record after the other, each on top of the one before. The
//! records are in the store, the switchboard decides; in between the brain does not wait.

use std::collections::HashMap;

use protocol::{CallId, CallRecord};
use switchboard::{Amendment, NotAmended};
use tokio::sync::{mpsc, oneshot};

use super::{Stopping, Task};
use crate::store::StoreError;

pub(super) type Reply = oneshot::Sender<Result<Result<CallRecord, NotAmended>, Unanswered>>;

/// Why a change was not even judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error(transparent)]
    Stopping(#[from] Stopping),
    #[error("the record cannot be read; the log says why")]
    Unreadable,
}

/// The newest record of a call that is to be changed.
pub(super) struct Found {
    call: CallId,
    record: Result<Option<CallRecord>, StoreError>,
}

/// Changes that wait until their record has been found.
pub(super) struct Amending {
    waiting: HashMap<CallId, Vec<(Amendment, Reply)>>,
    found: mpsc::UnboundedSender<Found>,
}

impl Amending {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Found>) {
        let (found, finds) = mpsc::unbounded_channel();
        (Self { waiting: HashMap::new(), found }, finds)
    }

    /// Whether no change waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Task {
    pub(super) fn amend(&mut self, call: CallId, amendment: Amendment, reply: Reply) {
        let waiting = self.amending.waiting.entry(call.clone()).or_default();
        waiting.push((amendment, reply));
        if waiting.len() == 1 {
            let (store, found) = (self.store.clone(), self.amending.found.clone());
            tokio::spawn(async move {
                let record = store.record(call.clone()).await;
                // The brain may have stopped.
                let _ = found.send(Found { call, record });
            });
        }
    }

    pub(super) fn found(&mut self, Found { call, record }: Found) {
        let waiting = self.amending.waiting.remove(&call).unwrap_or_default();
        let mut newest = match record {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, %call, "a record can't be read, and is not changed");
                return waiting.into_iter().for_each(|(_, reply)| drop(reply.send(Err(Unanswered::Unreadable))));
            }
        };
        for (amendment, reply) in waiting {
            let now = self.clock.now();
            let answer = self.switchboard.amend(now, &call, newest.clone(), amendment);
            self.drain(now);
            if let Ok(record) = &answer {
                newest = Some(record.clone());
            }
            // Whoever asked may have gone away.
            let _ = reply.send(Ok(answer));
        }
    }
}
