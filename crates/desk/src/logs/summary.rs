//! Sums over a stretch of time that the screen names: it knows where the person's day begins.

use call_log::CallLog;
use protocol::Timestamp;

use super::{LogError, LogHappening, SummaryView};
use crate::owner::Owner;

impl Owner {
    pub(crate) fn summarise(&mut self, stretch: Option<(Timestamp, Timestamp)>) {
        let Some((from, until)) = stretch else {
            self.view.logs.head.summary = None;
            return;
        };
        let work = move |log: &mut CallLog| Ok(SummaryView { from, until, sums: log.summary(from, until)? });
        self.on_log(work, LogHappening::Summed);
    }

    /// The calls have changed.
    pub(super) fn sum_again(&mut self) {
        if let Some(summary) = &self.view.logs.head.summary {
            self.summarise(Some((summary.from, summary.until)));
        }
    }

    pub(super) fn summed(&mut self, summary: Result<SummaryView, LogError>) {
        match summary {
            Ok(summary) => self.view.logs.head.summary = Some(summary),
            Err(error) => self.log_failed(&error),
        }
    }
}
