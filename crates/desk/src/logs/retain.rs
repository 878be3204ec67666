//! Removing the oldest calls, so that the log never fills the disk.

use call_log::{Retained, Retention};

use super::{LogError, LogHappening};
use crate::Tone;
use crate::owner::Owner;

const DAY_MS: u64 = 24 * 3_600_000;

impl Owner {
    pub(crate) fn keep_logs(&mut self, days: Option<u32>, megabytes: u32) {
        self.settings.log_days = days.map(|days| days.max(1));
        self.settings.log_megabytes = megabytes.max(16);
        self.save_settings();
        self.show_keeping();
        self.retain_logs();
    }

    pub(crate) fn show_keeping(&mut self) {
        self.view.keeping = crate::Keeping { days: self.settings.log_days, megabytes: self.settings.log_megabytes };
    }

    /// Removes a few hundred calls at a time, if there are too many, so that the list answers between.
    pub(super) fn retain_logs(&mut self) {
        let retention = Retention {
            max_age_ms: self.settings.log_days.map(|days| u64::from(days) * DAY_MS),
            max_bytes: Some(u64::from(self.settings.log_megabytes) * 1_000_000),
        };
        let now = self.clock.now();
        let Some(logs) = self.logs() else { return };
        if !std::mem::replace(&mut logs.retaining, true) {
            self.on_log(move |log| log.retain(&retention, now), LogHappening::Retained);
        }
    }

    pub(super) fn retained(&mut self, step: Result<Retained, LogError>) {
        let Some(logs) = self.logs() else { return };
        logs.retaining = false;
        match step {
            Ok(step) => {
                self.view.logs.head.complete_from = step.complete_from;
                if step.more {
                    self.retain_logs();
                } else if step.removed > 0 {
                    self.search(self.view.logs.head.filter.clone());
                }
            }
            Err(error) => self.note(Tone::Bad, error.to_string()),
        }
    }
}
