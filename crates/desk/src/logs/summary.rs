//! Sums over a stretch of time that the screen names: it knows where the person's day begins.

use call_log::CallLog;
use protocol::Timestamp;

use super::{LogError, LogHappening, SummaryView};
use crate::owner::Owner;

impl Owner {
    pub(crate) fn summarise(&mut self, stretch: Option<(Timestamp, Timestamp)>) {
        let Some(logs) = self.logs() else { return };
        logs.stretch = stretch;
        if stretch.is_none() {
            self.view.logs.head.summary = None;
        }
        self.sum_again();
    }

    /// The calls have changed, or are there now.
    pub(super) fn sum_again(&mut self) {
        let Some((from, until)) = self.logs().and_then(|logs| logs.stretch) else { return };
        let work = move |log: &mut CallLog| Ok(SummaryView { from, until, sums: log.summary(from, until)? });
        self.on_log(work, LogHappening::Summed);
    }

    pub(super) fn summed(&mut self, summary: Result<SummaryView, LogError>) {
        match summary {
            // The person may not want them any more.
            Ok(summary) if self.logs().is_some_and(|logs| logs.stretch == Some((summary.from, summary.until))) => {
                self.view.logs.head.summary = Some(summary);
            }
            Ok(_) => {}
            Err(error) => self.log_failed(&error),
        }
    }
}
