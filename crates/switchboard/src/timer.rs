//! Timers: an ordered set, so that the next one is always at hand, and each says why it runs.

use std::collections::BTreeSet;

use protocol::Timestamp;

use crate::call::CallKey;

/// Why a timer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// Ringing has gone on for as long as is allowed.
    RingEnds,
    /// The caller has waited in the queue for as long as the department allows.
    QueueEnds,
    /// An agent who let this call ring out may be asked again.
    QueueRetry,
    /// No further key of a feature code is expected.
    KeysEnd,
    /// The engine owes us the end of an announcement.
    ClosingOverdue,
    /// The engine owes us a recording.
    RecordingOverdue,
}

/// When a call must be looked at again, and why. Each call has at most one: it follows from its state.
pub(crate) type Deadline = (Timestamp, TimerReason);

#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Timestamp, CallKey, TimerReason)>,
}

impl Timers {
    pub(crate) fn start(&mut self, key: CallKey, (at, why): Deadline) {
        self.set.insert((at, key, why));
    }

    pub(crate) fn stop(&mut self, key: CallKey, (at, why): Deadline) {
        self.set.remove(&(at, key, why));
    }

    pub(crate) fn next(&self) -> Option<Deadline> {
        self.set.first().map(|(at, _, why)| (*at, *why))
    }

    /// The timers that are due, oldest first.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<(CallKey, Deadline)> {
        self.set.iter().take_while(|(at, ..)| *at <= now).map(|(at, key, why)| (*key, (*at, *why))).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CallKey, Deadline)> + '_ {
        self.set.iter().map(|(at, key, why)| (*key, (*at, *why)))
    }
}
