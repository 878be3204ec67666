//! How often somebody may try to sign in. Time comes in as a value.

use std::{net::IpAddr, time::Duration};

use protocol::Timestamp;
use sip::{Buckets, Limit, network};

/// Failed sign-ins, by source and by user. Each has some to spend and gets one back every few seconds.
pub(super) struct Attempts {
    sources: Buckets<IpAddr>,
    users: Buckets<String>,
}

/// An office behind one address mistypes more often than one person.
const OF_SOURCE: Limit = Limit { spare: 20, refill: Duration::from_secs(3) };
const OF_USER: Limit = Limit { spare: 5, refill: Duration::from_secs(12) };

impl Default for Attempts {
    fn default() -> Self {
        Self { sources: Buckets::new(OF_SOURCE), users: Buckets::new(OF_USER) }
    }
}

impl Attempts {
    /// Counts an attempt as failed; [`Attempts::succeeded`] takes that back. So attempts at once can't slip through.
    ///
    /// # Errors
    /// Seconds until the next attempt is allowed.
    pub fn begin(&mut self, source: IpAddr, user: &str, now: Timestamp) -> Result<(), u64> {
        let (source, user, now) = (network(source), name(user), Duration::from_millis(now.0));
        let wait = self.sources.wait(&source, now).max(self.users.wait(&user, now));
        if !wait.is_zero() {
            return Err(wait.as_secs_f64().ceil() as u64);
        }
        self.sources.spend(source, now);
        self.users.spend(user, now);
        Ok(())
    }

    pub fn succeeded(&mut self, source: IpAddr, user: &str) {
        self.sources.refund(&network(source), 1);
        self.users.refund(&name(user), 1);
    }
}

/// A user's name as far as it can tell one from another; somebody may send a whole book.
fn name(user: &str) -> String {
    user.chars().take(64).flat_map(char::to_lowercase).collect()
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
}
