//! Dates of the command line and of exported entries: the proleptic Gregorian calendar, UTC.

use protocol::Timestamp;
use toml::value::{Datetime, Offset};

const DAY_MS: i64 = 24 * 3600 * 1000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no date; write it as 2026-01-31, or with a time as 2026-01-31T17:30:00Z")]
pub struct BadDate(String);

/// The moment at which a day begins, and at which it ends (which belongs to the next); for a text with a time both are
/// that moment. Without an offset it is UTC.
///
/// # Errors
/// The text is neither.
pub fn day_or_moment(text: &str) -> Result<(Timestamp, Timestamp), BadDate> {
    let wrong = || BadDate(text.chars().take(40).collect());
    let parsed: Datetime = text.trim().parse().map_err(|_| wrong())?;
    let date = parsed.date.ok_or_else(wrong)?;
    let day = days(i64::from(date.year), i64::from(date.month), i64::from(date.day)) * DAY_MS;
    let moment = |ms: i64| u64::try_from(ms).map(Timestamp).map_err(|_| wrong());
    let Some(time) = parsed.time else { return Ok((moment(day)?, moment(day + DAY_MS)?)) };
    let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let ms = seconds * 1000 + i64::from(time.nanosecond.unwrap_or(0)) / 1_000_000;
    let offset = match parsed.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes) * 60_000,
        Some(Offset::Z) | None => 0,
    };
    let at = moment(day + ms - offset)?;
    Ok((at, at))
}

/// `2026-01-31T17:30:00.250Z`
pub(super) fn iso(at: Timestamp) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);
    let (seconds, ms) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day comes last; 400 years have 146,097 days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_day_of_six_centuries_is_there_and_back() {
        let mut expected = (1970, 1, 1);
        for day in 0..220_000 {
            assert_eq!(date(day), expected);
            assert_eq!(days(expected.0, expected.1, expected.2), day);
            let leap = expected.0 % 4 == 0 && (expected.0 % 100 != 0 || expected.0 % 400 == 0);
            let length = match expected.1 {
                4 | 6 | 9 | 11 => 30,
                2 => 28 + i64::from(leap),
                _ => 31,
            };
            expected.2 += 1;
            if expected.2 > length {
                expected = (expected.0, expected.1 + 1, 1);
            }
            if expected.1 > 12 {
                expected = (expected.0 + 1, 1, 1);
            }
        }
    }

    #[test]
    fn a_date_is_a_day_and_a_time_is_a_moment() {
        let ms = 1_769_880_600_250; // date -u -d 2026-01-31T17:30:00 +%s
        assert_eq!(iso(Timestamp(ms)), "2026-01-31T17:30:00.250Z");
        for text in ["2026-01-31T17:30:00.250Z", "2026-01-31T17:30:00.250", "2026-01-31T18:30:00.250+01:00"] {
            assert_eq!(day_or_moment(text).unwrap(), (Timestamp(ms), Timestamp(ms)), "{text}");
        }
        let (begins, ends) = day_or_moment("2026-01-31").unwrap();
        assert_eq!((iso(begins), iso(ends)), ("2026-01-31T00:00:00.000Z".into(), "2026-02-01T00:00:00.000Z".into()));
        for wrong in ["", "yesterday", "2026", "17:30:00", "2026-13-01", "2026-02-30", "1969-12-31", "31.1.2026"] {
            assert!(day_or_moment(wrong).is_err(), "{wrong:?}");
        }
    }
}
