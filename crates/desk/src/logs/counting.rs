//! When the calls are counted again. At a million calls a count keeps the log for some hundredths of a second, so that a
//! busy account's calls, each of which changes the counts, must not have one each.

use std::time::Duration;

/// Between two counts of one search.
pub(super) const REST: Duration = Duration::from_millis(400);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Counting {
    #[default]
    Idle,
    /// `again`: the calls have changed since it began.
    Going { again: bool },
    /// The counts of this search are fresh enough.
    Resting { search: u32, again: bool },
}

/// What follows a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Count,
    /// [`Counting::rested`] is to be said after [`REST`].
    Rest,
}

impl Counting {
    /// Counts are wanted. Answers whether to count now; another search than the last need not wait.
    pub(super) fn ask(&mut self, search: u32) -> bool {
        match self {
            Self::Going { again } => *again = true,
            Self::Resting { search: last, again } if *last == search => *again = true,
            Self::Resting { .. } | Self::Idle => {
                *self = Self::Going { again: false };
                return true;
            }
        }
        false
    }

    /// The counts of `search` are here, and what the list shows now is of `shown`.
    pub(super) fn done(&mut self, search: u32, shown: u32) -> After {
        let again = matches!(self, Self::Going { again: true });
        if search == shown {
            *self = Self::Resting { search, again };
            After::Rest
        } else {
            *self = Self::Idle;
            After::Count
        }
    }

    /// A rest is over, maybe that of an earlier search. Answers whether to ask for counts.
    pub(super) fn rested(&mut self) -> bool {
        match *self {
            Self::Resting { again, .. } => {
                *self = Self::Idle;
                again
            }
            Self::Idle | Self::Going { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_calls_change_one_count_follows_a_rest() {
        let mut counting = Counting::default();
        assert!(counting.ask(1));
        assert!((0..1_000).all(|_| !counting.ask(1)), "while it counts");
        assert_eq!(counting.done(1, 1), After::Rest);
        assert!((0..1_000).all(|_| !counting.ask(1)), "while it rests");
        assert!(counting.rested() && counting.ask(1), "the newest calls are counted");
        assert_eq!(counting.done(1, 1), After::Rest);
        assert!(!counting.rested(), "nothing has changed since");
        assert!(counting.ask(1), "so the next change need not wait");
    }

    #[test]
    fn another_search_waits_for_no_rest() {
        let mut counting = Counting::default();
        assert!(counting.ask(1));
        assert!(!counting.ask(2));
        assert_eq!(counting.done(1, 2), After::Count);
        assert!(counting.ask(2));
        assert_eq!(counting.done(2, 2), After::Rest);
        assert!(counting.ask(3), "while the counts of the last one rest");
        assert!(!counting.rested(), "its rest ends nothing now");
        assert_eq!(counting.done(3, 3), After::Rest);
    }
}
