//! How often something may be done, for each of many. Pure: time comes in, counted from any fixed moment.

use std::{collections::HashMap, hash::Hash, time::Duration};

use crate::memory::slim;

/// So many at once, and one more after each `refill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub spare: u32,
    pub refill: Duration,
}

/// A token bucket for each key. What is kept is only the moment at which a key has all its tokens back (GCRA, as in
/// ITU-T I.371): that one number says how many are left, and a key that has them all needs no place.
#[derive(Debug)]
pub struct Buckets<K> {
    limit: Limit,
    full_at: HashMap<K, Duration>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// More keys than this are forgotten, the fullest buckets first: memory is bounded whatever comes.
    pub const MAX: usize = 10_000;

    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self { limit, full_at: HashMap::new() }
    }

    /// How long until there is a token; zero if there is one.
    #[must_use]
    pub fn wait(&self, key: &K, now: Duration) -> Duration {
        let missing = self.full_at.get(key).map_or(Duration::ZERO, |at| at.saturating_sub(now));
        (missing + self.limit.refill).saturating_sub(self.limit.refill * self.limit.spare)
    }

    /// Takes a token, even one that is not there.
    pub fn spend(&mut self, key: K, now: Duration) {
        if self.full_at.len() >= Self::MAX && !self.full_at.contains_key(&key) {
            make_room(&mut self.full_at, Self::MAX, |at| at <= now);
        }
        let full_at = self.full_at.entry(key).or_default();
        *full_at = (*full_at).max(now) + self.limit.refill;
    }

    /// Takes a token if there is one.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&mut self, key: K, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(&key, now);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.spend(key, now);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.full_at.len()
    }

    /// Keys that have all their tokens need no place.
    pub(crate) fn forget_full(&mut self, now: Duration) {
        self.full_at.retain(|_, at| *at > now);
        slim(&mut self.full_at);
    }

    /// Gives tokens back.
    pub fn refund(&mut self, key: &K, tokens: u32) {
        if let Some(full_at) = self.full_at.get_mut(key) {
            *full_at = full_at.saturating_sub(self.limit.refill * tokens);
        }
    }
}

/// Forgets what is over and, should more than half of `most` be left, the earlier half of that: enough room, so that this
/// is not done for each message of a flood from everywhere.
pub(crate) fn make_room<K: Eq + Hash>(
    times: &mut HashMap<K, Duration>,
    most: usize,
    is_over: impl Fn(Duration) -> bool,
) {
    times.retain(|_, at| !is_over(*at));
    if times.len() > most / 2 {
        let mut all: Vec<_> = times.values().copied().collect();
        let (_, median, _) = all.select_nth_unstable(times.len() / 2);
        let median = *median;
        times.retain(|_, at| *at > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Limit = Limit { spare: 5, refill: Duration::from_secs(12) };

    #[test]
    fn what_is_spent_comes_back_one_by_one() {
        let mut buckets = Buckets::new(FIVE);
        let s = Duration::from_secs;
        for _ in 0..5 {
            assert_eq!(buckets.take("ravi", s(100)), Ok(()));
        }
        assert_eq!(buckets.take("ravi", s(100)), Err(s(12)));
        assert_eq!(buckets.take("mina", s(100)), Ok(()));
        assert_eq!(buckets.take("ravi", s(111)), Err(s(1)));
        assert_eq!(buckets.take("ravi", s(112)), Ok(()));
        buckets.refund(&"ravi", 2);
        assert_eq!((buckets.take("ravi", s(112)), buckets.take("ravi", s(112))), (Ok(()), Ok(())));
        assert_eq!(buckets.take("ravi", s(112)), Err(s(12)));
    }

    #[test]
    fn memory_is_bounded_and_whoever_spent_most_is_remembered() {
        let mut buckets = Buckets::<u32>::new(FIVE);
        for _ in 0..5 {
            buckets.spend(0, Duration::ZERO);
        }
        for key in 1..50_000 {
            buckets.spend(key, Duration::ZERO);
        }
        assert!(buckets.full_at.len() <= Buckets::<u32>::MAX);
        assert!(buckets.wait(&0, Duration::ZERO) > Duration::ZERO);
    }
}
