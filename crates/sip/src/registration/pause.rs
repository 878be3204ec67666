//! How long a registration that has failed is left alone.

use std::time::Duration;

use rand::Rng;

use super::Client;

/// First and longest pause after the registrar refused …
const REFUSED: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(120)];
/// … if it was for a password that has been right …
const REFUSED_AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(3600)];
/// … and how often that is borne, about ten hours in all: a server that is in trouble refuses everybody.
const BORNE: u32 = 20;
/// … if it said that it has too much to do …
const BUSY: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];
/// … and after it could not be reached: most often it is just being started anew. No longer than between two packets of a REGISTER
/// that has no answer (RFC 3261 section 17.1.2.2, T2), so that whoever comes back has all phones within seconds.
const UNREACHED: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(4)];

/// Whether this status says that nobody answered, or nobody who could serve.
pub(super) fn is_unreached(status: u16) -> bool {
    matches!(status, 408 | 503)
}

impl Client {
    /// When to ask again; `None`: not by ourselves.
    pub(super) fn pause_after(&mut self, status: u16, busy: bool) -> Option<Duration> {
        let [least, most] = match status {
            401 | 403 | 407 if !self.registration.insists => {
                self.refusals += 1;
                if !self.was_welcome || self.refusals > BORNE {
                    return None;
                }
                REFUSED_AGAIN
            }
            _ if is_unreached(status) && busy => BUSY,
            _ if is_unreached(status) => UNREACHED,
            _ => REFUSED,
        };
        // Half of the pause is left to chance, so that a thousand phones do not come back at once.
        let pause = least.saturating_mul(1 << self.failures.min(12)).min(most);
        Some(pause.mul_f64(rand::rng().random_range(0.5..1.0)))
    }
}
