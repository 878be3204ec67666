//! How often somebody may try to sign in. Time comes in as a value.

use std::{collections::HashMap, net::IpAddr};

use protocol::Timestamp;

/// Failed sign-ins, by source and by user. Each has some to spend and gets one back every few seconds.
#[derive(Default)]
pub(super) struct Attempts {
    sources: Buckets<IpAddr>,
    users: Buckets<String>,
}

/// An office behind one address mistypes more often than one person.
const OF_SOURCE: Limit = Limit { spare: 20, refill_ms: 3_000 };
const OF_USER: Limit = Limit { spare: 5, refill_ms: 12_000 };

impl Attempts {
    /// Counts an attempt as failed; [`Attempts::succeeded`] takes that back. So attempts at once can't slip through.
    ///
    /// # Errors
    /// Seconds until the next attempt is allowed.
    pub fn begin(&mut self, source: IpAddr, user: &str, now: Timestamp) -> Result<(), u64> {
        let (source, user) = (network(source), user.to_lowercase());
        let wait = self.sources.wait_ms(&OF_SOURCE, &source, now).max(self.users.wait_ms(&OF_USER, &user, now));
        if wait > 0 {
            return Err(wait.div_ceil(1000));
        }
        self.sources.spend(&OF_SOURCE, source, now);
        self.users.spend(&OF_USER, user, now);
        Ok(())
    }

    pub fn succeeded(&mut self, source: IpAddr, user: &str) {
        self.sources.refund(&OF_SOURCE, &network(source));
        self.users.refund(&OF_USER, &user.to_lowercase());
    }
}

/// One household's IPv6 addresses count as one: the first 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
    }
}

struct Limit {
    spare: u64,
    refill_ms: u64,
}

/// For each key the moment at which it will have all its spare attempts back: one number says how many are left.
struct Buckets<K>(HashMap<K, u64>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + std::hash::Hash> Buckets<K> {
    /// More keys than this are forgotten, fullest first: memory is bounded whatever comes.
    const MAX: usize = 10_000;

    fn wait_ms(&self, limit: &Limit, key: &K, now: Timestamp) -> u64 {
        let full_at = self.0.get(key).copied().unwrap_or(0);
        let missing = full_at.saturating_sub(now.0);
        (missing + limit.refill_ms).saturating_sub(limit.spare * limit.refill_ms)
    }

    fn spend(&mut self, limit: &Limit, key: K, now: Timestamp) {
        if self.0.len() >= Self::MAX {
            self.0.retain(|_, full_at| *full_at > now.0);
        }
        if self.0.len() >= Self::MAX && !self.0.contains_key(&key) {
            let mut ends: Vec<_> = self.0.values().copied().collect();
            let (_, median, _) = ends.select_nth_unstable(Self::MAX / 2);
            let median = *median;
            self.0.retain(|_, full_at| *full_at > median);
        }
        let full_at = self.0.entry(key).or_default();
        *full_at = (*full_at).max(now.0) + limit.refill_ms;
    }

    fn refund(&mut self, limit: &Limit, key: &K) {
        if let Some(full_at) = self.0.get_mut(key) {
            *full_at = full_at.saturating_sub(limit.refill_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_user_has_five_attempts_and_then_one_every_twelve_seconds() {
        let mut attempts = Attempts::default();
        let t = |s: u64| Timestamp(1_000_000 + s * 1000);
        for n in 1..=5 {
            // From anywhere: it is the user who is protected.
            assert_eq!(attempts.begin(ip(&format!("192.0.2.{n}")), "ravi", t(0)), Ok(()));
        }
        assert_eq!(attempts.begin(ip("192.0.2.9"), "Ravi", t(0)), Err(12));
        assert_eq!(attempts.begin(ip("192.0.2.9"), "mina", t(0)), Ok(()));
        assert_eq!(attempts.begin(ip("192.0.2.9"), "ravi", t(11)), Err(1));
        assert_eq!(attempts.begin(ip("192.0.2.9"), "ravi", t(12)), Ok(()));
        assert_eq!(attempts.begin(ip("192.0.2.9"), "ravi", t(12)), Err(12));
    }

    #[test]
    fn a_source_has_twenty_and_success_costs_nothing() {
        let mut attempts = Attempts::default();
        let now = Timestamp(5);
        for n in 0..20 {
            assert_eq!(attempts.begin(ip(&format!("2001:db8::{n}")), &format!("u{n}"), now), Ok(()));
        }
        assert_eq!(attempts.begin(ip("2001:db8::ffff"), "other", now), Err(3), "the same /64");
        for _ in 0..100 {
            assert_eq!(attempts.begin(ip("::ffff:192.0.2.1"), "mina", now), Ok(()));
            attempts.succeeded(ip("192.0.2.1"), "mina");
        }
    }

    #[test]
    fn memory_is_bounded_and_whoever_failed_most_is_remembered() {
        let mut buckets = Buckets::<u32>::default();
        for _ in 0..5 {
            buckets.spend(&OF_USER, 0, Timestamp(0));
        }
        for key in 1..50_000 {
            buckets.spend(&OF_USER, key, Timestamp(0));
        }
        assert!(buckets.0.len() <= Buckets::<u32>::MAX);
        assert!(buckets.wait_ms(&OF_USER, &0, Timestamp(0)) > 0);
    }
}
