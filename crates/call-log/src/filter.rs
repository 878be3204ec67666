//! Which calls a list shows, and how many there are.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use protocol::{CallOutcome, DepartmentId, DepartmentRef, Direction, DispositionId, Timestamp, UserId, UserRef};
use serde::{Deserialize, Serialize};
use specta::Type;

/// Which calls a page, a count or an export has. All conditions must be met; of a list one is enough, and an empty list
/// is no condition.
///
/// A log does not know which day it is: whoever asks it says that first, by [`Filter::settled`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(default)]
pub struct Filter {
    /// What a person typed. Each word must begin a word of a name, department, agent, transfer note or remark of the call,
    /// whatever its case and accents; digits must be in a number, however that is written.
    pub text: String,
    /// Days by name, in place of `from` and `until`: a view that was saved with "today" shows today's calls on any day.
    pub range: Option<Range>,
    /// Started at this moment or later.
    pub from: Option<Timestamp>,
    /// Started before this moment.
    pub until: Option<Timestamp>,
    pub directions: Vec<Direction>,
    pub outcomes: Vec<CallOutcome>,
    /// One of these talked.
    pub answered_by: Vec<UserId>,
    pub departments: Vec<DepartmentId>,
    /// Somebody transferred it.
    pub transferred: bool,
    /// A transfer of it bounced or was recalled.
    pub came_back: bool,
    pub voicemail: VoicemailFilter,
    /// Milliseconds from answer to end; a call that nobody answered has 0.
    #[specta(type = Option<f64>)]
    pub talk_at_least_ms: Option<u64>,
    #[specta(type = Option<f64>)]
    pub talk_below_ms: Option<u64>,
    /// A leg was scored below this (mean opinion score × 100).
    pub quality_below: Option<u16>,
    /// With remarks that are not sent yet, those count.
    pub dispositions: Vec<DispositionId>,
}

/// Days that are others as time goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    Today,
    Yesterday,
    /// Today and the six days before.
    LastSevenDays,
    /// From the first of the month on.
    ThisMonth,
}

/// From this moment on, and before that one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Stretch {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Filter {
    /// What the filter means at `now` in this zone: with moments, and no range.
    #[must_use]
    pub fn settled(mut self, now: Timestamp, zone: &TimeZone) -> Self {
        let Stretch { from, until } = self.stretch(now, zone);
        (self.range, self.from, self.until) = (None, from, until);
        self
    }

    #[must_use]
    pub fn stretch(&self, now: Timestamp, zone: &TimeZone) -> Stretch {
        match self.range {
            Some(range) => range.at(now, zone),
            None => Stretch { from: self.from, until: self.until },
        }
    }
}

impl Range {
    fn at(self, now: Timestamp, zone: &TimeZone) -> Stretch {
        let today = i64::try_from(now.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .map(|now| now.to_zoned(zone.clone()).date());
        // A day may have no midnight: it begins when its clocks do.
        let midnight = |day: Option<Date>| {
            let begins = day?.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
            u64::try_from(begins).ok().map(Timestamp)
        };
        let before = |days: i64| midnight(today.and_then(|today| today.checked_sub(days.days()).ok()));
        match self {
            Self::Today => Stretch { from: midnight(today), until: None },
            Self::Yesterday => Stretch { from: before(1), until: midnight(today) },
            Self::LastSevenDays => Stretch { from: before(6), until: None },
            Self::ThisMonth => Stretch { from: midnight(today.map(Date::first_of_month)), until: None },
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum VoicemailFilter {
    #[default]
    Any,
    /// Somebody left a message.
    Left,
    /// … and nobody has heard it.
    Unheard,
}

/// The scores below which [`Counts::quality_below`] counts: of the scale of ITU-T G.107 annex B, the borders of
/// "nearly all dissatisfied", "many dissatisfied", "some dissatisfied" and "satisfied".
pub const QUALITY_STEPS: [u16; 4] = [258, 310, 360, 403];
/// The durations from which [`Counts::talk_at_least_ms`] counts: 1, 5, 15 and 60 minutes.
pub const TALK_STEPS_MS: [u64; 4] = [60_000, 300_000, 900_000, 3_600_000];

/// For each choice of each filter, how many calls there are with it and with all *other* filters as they are. Exact.
/// Lists of people, departments and dispositions have those with calls only, most calls first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Counts {
    /// With all filters as they are.
    pub total: u32,
    pub directions: Vec<Count<Direction>>,
    pub outcomes: Vec<Count<CallOutcome>>,
    pub departments: Vec<Count<DepartmentRef>>,
    /// A call counts for everyone who talked in it.
    pub answered_by: Vec<Count<UserRef>>,
    pub transferred: u32,
    pub came_back: u32,
    pub voicemail_left: u32,
    pub voicemail_unheard: u32,
    /// At [`TALK_STEPS_MS`].
    #[specta(type = Vec<Count<f64>>)]
    pub talk_at_least_ms: Vec<Count<u64>>,
    /// At [`QUALITY_STEPS`].
    pub quality_below: Vec<Count<u16>>,
    pub dispositions: Vec<Count<DispositionId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Count<T> {
    pub value: T,
    pub calls: u32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(moment: &str) -> Timestamp {
        let moment: jiff::Timestamp = moment.parse().unwrap();
        Timestamp(moment.as_millisecond().cast_unsigned())
    }

    #[track_caller]
    fn means(range: Range, (now, zone): (&str, &str), (from, until): (&str, Option<&str>)) {
        let filter = Filter { range: Some(range), from: Some(Timestamp(7)), text: "x".into(), ..Filter::default() };
        let settled = filter.settled(at(now), &TimeZone::get(zone).unwrap());
        let wanted = Filter { text: "x".into(), from: Some(at(from)), until: until.map(at), ..Filter::default() };
        assert_eq!(settled, wanted, "{range:?} at {now} in {zone}");
    }

    #[test]
    fn a_range_is_of_the_days_where_the_person_is() {
        let kolkata = ("2026-03-04T19:00:00Z", "Asia/Kolkata"); // half past midnight, the 5th
        means(Range::Today, kolkata, ("2026-03-04T18:30:00Z", None));
        means(Range::Yesterday, kolkata, ("2026-03-03T18:30:00Z", Some("2026-03-04T18:30:00Z")));
        means(Range::LastSevenDays, kolkata, ("2026-02-26T18:30:00Z", None));
        means(Range::ThisMonth, kolkata, ("2026-02-28T18:30:00Z", None));
    }

    #[test]
    fn a_day_is_not_always_24_hours_long() {
        let berlin = ("2026-03-29T12:00:00Z", "Europe/Berlin"); // clocks went forward this night
        means(Range::Today, berlin, ("2026-03-28T23:00:00Z", None));
        means(Range::Yesterday, berlin, ("2026-03-27T23:00:00Z", Some("2026-03-28T23:00:00Z")));
        // There, clocks go forward at midnight: the day begins at one.
        means(Range::Today, ("2026-04-24T12:00:00Z", "Africa/Cairo"), ("2026-04-23T22:00:00Z", None));
    }

    #[test]
    fn without_a_range_the_moments_are_meant() {
        let filter = Filter { until: Some(Timestamp(9)), ..Filter::default() };
        assert_eq!(filter.clone().settled(Timestamp(1), &TimeZone::UTC), filter);
    }
}
