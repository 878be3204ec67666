//! Sums over a stretch of time, for "today".

use protocol::{CallOutcome, Direction, Timestamp};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::calls::{self, flag};
use crate::{CallLog, Error};

const HOUR_MS: u64 = 3_600_000;
/// A month of hours; later ones are only in the total.
const MAX_HOURS: u64 = 31 * 24;

/// What happened between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LogSummary {
    /// Calls that started in this time, of all directions.
    pub calls: u32,
    /// Incoming and internal calls that somebody answered.
    pub answered: u32,
    /// Incoming and internal calls that nobody answered, whatever came after: voicemail, an announcement, nothing.
    pub missed: u32,
    pub outbound: u32,
    pub transferred: u32,
    /// A transfer bounced or was recalled.
    pub came_back: u32,
    /// Somebody left a message.
    pub voicemails: u32,
    /// From start to answer, over those of `answered`; `None` if there is none.
    #[specta(type = Option<f64>)]
    pub average_wait_ms: Option<u64>,
    /// Each hour from the beginning on, those without calls too.
    pub hours: Vec<HourSummary>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HourSummary {
    pub from: Timestamp,
    pub calls: u32,
    pub answered: u32,
    pub missed: u32,
    pub transferred: u32,
}

impl CallLog {
    /// Sums the calls that started at `from` or later and before `until`. Give the beginning of a local day for hours of
    /// that day.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn summary(&mut self, from: Timestamp, until: Timestamp) -> Result<LogSummary, Error> {
        let hours = until.ms_since(from).div_ceil(HOUR_MS).min(MAX_HOURS);
        let empty =
            |hour| HourSummary { from: from.plus_ms(hour * HOUR_MS), calls: 0, answered: 0, missed: 0, transferred: 0 };
        let mut sum = LogSummary { hours: (0..hours).map(empty).collect(), ..LogSummary::default() };
        let mut waits = 0u64;
        let range = (calls::first_near(from), calls::first_near(until));
        self.guarded(|log| {
            calls::each_between(&log.records.db, range, |row, flags, waited| {
                waits = waits.saturating_add(sum.add(from, row, flags, waited));
            })
        })?;
        sum.average_wait_ms = waits.checked_div(u64::from(sum.answered));
        Ok(sum)
    }
}

impl LogSummary {
    /// Answers how long the caller waited, if that counts.
    fn add(&mut self, from: Timestamp, row: i64, flags: u16, waited: Option<i64>) -> u64 {
        let Some((direction, outcome)) = calls::direction_and_outcome(flags) else { return 0 };
        let is_for_us = direction != Direction::Outbound;
        let answered = u32::from(is_for_us && outcome == CallOutcome::Answered);
        let missed = u32::from(is_for_us && outcome != CallOutcome::Answered);
        let transferred = u32::from(flags & flag::TRANSFERRED != 0);
        self.calls += 1;
        self.answered += answered;
        self.missed += missed;
        self.outbound += u32::from(!is_for_us);
        self.transferred += transferred;
        self.came_back += u32::from(flags & flag::CAME_BACK != 0);
        self.voicemails += u32::from(flags & flag::VOICEMAIL != 0);
        let hour = calls::started_at(row).ms_since(from) / HOUR_MS;
        if let Some(hour) = usize::try_from(hour).ok().and_then(|hour| self.hours.get_mut(hour)) {
            hour.calls += 1;
            hour.answered += answered;
            hour.missed += missed;
            hour.transferred += transferred;
        }
        if answered == 1 { waited.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0) } else { 0 }
    }
}
