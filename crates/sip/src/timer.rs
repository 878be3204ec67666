//! Timers of the whole endpoint, in one heap. A timer is never taken out: whoever it belongs to knows when it is due,
//! and ignores one that comes at another time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tokio::time::Instant;

use crate::{LegKey, RegistrationKey, SubscriptionKey, WatcherKey};

/// RFC 3261 section 17.1.1.1: estimate of the round trip.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// Longest interval of retransmissions of non-INVITE requests and INVITE answers.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may live in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64·T1: when a transaction gives up (timers B, F, H, J, L, M).
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    ClientResend(u64),
    ClientEnd(u64),
    ServerResend(u64),
    ServerEnd(u64),
    Leg(LegKey),
    Registration(RegistrationKey),
    Subscription(SubscriptionKey),
    Watcher(WatcherKey),
    /// Throw away what the challenger remembers of old nonces.
    Nonces,
    /// Close connections over which nobody has signed in.
    Strangers,
    /// Give memory back after a flood.
    Memory,
    /// Waiting for peers to answer our goodbyes is over.
    ShutDown,
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub fn at(&mut self, when: Instant, timer: Timer) -> Instant {
        self.heap.push(Reverse((when, timer)));
        when
    }

    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        let Reverse((when, _)) = self.heap.peek()?;
        if *when > now {
            return None;
        }
        let due = self.heap.pop().map(|Reverse(due)| due);
        self.slim();
        due
    }

    /// Forgets those for which nobody waits any more.
    pub fn retain(&mut self, is_awaited: impl Fn(&Timer) -> bool) {
        self.heap.retain(|Reverse((_, timer))| is_awaited(timer));
        self.slim();
    }

    #[cfg(test)]
    pub fn of_legs(&self) -> usize {
        self.heap.iter().filter(|Reverse((_, timer))| matches!(timer, Timer::Leg(_))).count()
    }

    /// Gives back what a flood has made it take.
    fn slim(&mut self) {
        if self.heap.capacity() > 1024 && self.heap.len() < self.heap.capacity() / 8 {
            self.heap.shrink_to(self.heap.len() * 2);
        }
    }
}
