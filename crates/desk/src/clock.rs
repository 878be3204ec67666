use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::Timestamp;
use tokio::time::Instant;

/// The wall may be ahead of the count by so much without the machine having slept.
const JUMP_MS: u64 = 5_000;

/// Wall time that never runs backwards: read once, then counted on. The count stands still while the machine sleeps, so it
/// catches up with a wall that is far ahead.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    since: Instant,
    slept_ms: Cell<u64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self::from(wall())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at(millis(self.since.elapsed()), wall())
    }

    fn from(start: Timestamp) -> Self {
        Self { start, since: Instant::now(), slept_ms: Cell::new(0) }
    }

    fn at(&self, awake_ms: u64, wall: Timestamp) -> Timestamp {
        let counted = self.start.plus_ms(awake_ms).plus_ms(self.slept_ms.get());
        if wall <= counted.plus_ms(JUMP_MS) {
            return counted;
        }
        self.slept_ms.set(wall.ms_since(self.start).saturating_sub(awake_ms));
        wall
    }
}

/// What the machine's clock says, for what a person calls today.
pub(crate) fn wall() -> Timestamp {
    Timestamp(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_catches_up_after_a_sleep_and_never_runs_backwards() {
        let clock = Clock::from(Timestamp(1_000_000));
        let at = |awake_ms, wall| clock.at(awake_ms, Timestamp(wall)).0;
        assert_eq!(at(1_000, 1_001_000), 1_001_000);
        assert_eq!(at(2_000, 1_006_500), 1_002_000, "put right a little");
        assert_eq!(at(3_000, 4_603_000), 4_603_000, "an hour asleep");
        assert_eq!(at(4_000, 4_604_000), 4_604_000);
        assert_eq!(at(5_000, 1_000_000), 4_605_000, "put back");
        assert_eq!(at(6_000, 8_000_000), 8_000_000, "asleep again");
    }
}
