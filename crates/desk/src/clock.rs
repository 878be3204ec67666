use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Timestamp;
use tokio::time::Instant;

/// Wall time that never runs backwards: read once, then counted on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    since: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: wall(), since: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start.plus_ms(millis(self.since.elapsed()))
    }
}

/// What the machine's clock says: also right after it has slept, during which the other stood still.
pub(crate) fn wall() -> Timestamp {
    Timestamp(millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
