//! Half-typed remarks: kept as a person types, at a calm pace, so that neither a crash nor a restart takes more than the
//! last words.

use std::time::Duration;

use call_log::Draft;
use protocol::{CallId, MAX_REMARK_CHARS};

use super::LogHappening;
use crate::owner::{Happening, Owner};

/// Each write waits for the disk.
const PACE: Duration = Duration::from_secs(1);
/// What is too long is refused when it is saved, and must not be cut under the person's hands.
const MAX_CHARS: usize = 4 * MAX_REMARK_CHARS;

impl Owner {
    /// `None`: given up.
    pub(crate) fn draft_remarks(&mut self, call: CallId, draft: Option<Draft>) {
        let draft = draft.map(|draft| Draft { note: draft.note.chars().take(MAX_CHARS).collect(), ..draft });
        let Some(logs) = self.logs() else { return };
        logs.drafts.insert(call, draft);
        if std::mem::replace(&mut logs.drafts_due, true) {
            return;
        }
        self.begin(async {
            tokio::time::sleep(PACE).await;
            Happening::Logs(LogHappening::DraftsDue)
        });
    }

    pub(super) fn drafts_due(&mut self) {
        if let Some(logs) = self.logs() {
            logs.drafts_due = false;
        }
        self.keep_drafts();
    }

    /// Writes what waits for its pace.
    pub(crate) fn keep_drafts(&mut self) {
        let drafts = self.logs().map(|logs| std::mem::take(&mut logs.drafts)).unwrap_or_default();
        if drafts.is_empty() {
            return;
        }
        self.on_log(
            move |log| {
                drafts.into_iter().try_for_each(|(call, draft)| match draft {
                    Some(draft) => log.keep_draft(&draft),
                    None => log.forget_draft(&call),
                })
            },
            LogHappening::Drafted,
        );
    }
}
