use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::Timestamp;
use tokio::time::Instant;

/// The exchange's clock: the wall is read once, then monotonic time is counted, so it never runs backwards.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    unix_ms: u64,
    start: Instant,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix_ms: ms(unix), start: Instant::now() }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.unix_ms + ms(self.start.elapsed()))
    }

    /// When `at` is due.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.start + Duration::from_millis(at.0.saturating_sub(self.unix_ms))
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
