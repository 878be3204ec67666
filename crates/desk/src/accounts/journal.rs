//! What the log would have of the calls that go on if the app were killed now. The next start puts it there: nobody else
//! knows of a plain account's calls.

use std::path::{Path, PathBuf};

use call_log::CallLog;
use protocol::CallRecord;

use crate::owner::Owner;
use crate::secrets::{read_bounded, write_private};

const FILE: &str = "calls-own-open.json";
/// More than that many calls at once would ever fill.
const MAX_FILE: u64 = 4 << 20;
/// How old it may be while nothing happens but talk: so much of a call's length is lost.
const STALE_MS: u64 = 30_000;

/// What is in the file.
#[derive(Default)]
pub(crate) struct Journal {
    calls: Vec<CallRecord>,
}

impl Owner {
    pub(crate) fn journal_file(&self) -> PathBuf {
        self.config.data_dir.join(FILE)
    }

    /// Writes down the calls that go on, if they are others or have come a step further, or were last written long ago.
    /// The log's thread does it, after the records of calls that ended.
    pub(crate) fn keep_journal(&mut self) {
        let Some(log) = &self.own_log else { return };
        let goes_on = self.own.values().filter(|own| own.about.is_none());
        let calls: Vec<CallRecord> = goes_on.map(|own| own.clone().record(own.seen_at, None)).collect();
        if !differ(&self.journal.calls, &calls) {
            return;
        }
        let (file, text) = (self.journal_file(), serde_json::to_vec(&calls));
        self.journal.calls = calls;
        drop(log.begin(move |_| {
            let written = text.map_err(std::io::Error::other).and_then(|text| write_private(&file, &text));
            if let Err(error) = written {
                tracing::warn!(%error, "the calls that go on can't be written down");
            }
            Ok(())
        }));
    }
}

fn differ(written: &[CallRecord], now: &[CallRecord]) -> bool {
    let same = |(old, new): (&CallRecord, &CallRecord)| {
        old.id == new.id && old.journey.len() == new.journey.len() && new.ended_at.ms_since(old.ended_at) < STALE_MS
    };
    written.len() != now.len() || !written.iter().zip(now).all(same)
}

/// Puts into the log what went on when the app was stopped without a word.
///
/// # Errors
/// Whatever the log says.
pub(crate) fn close_journal(log: &mut CallLog, file: &Path) -> Result<(), call_log::Error> {
    let calls = match read_bounded(file, MAX_FILE) {
        Ok(None) => return Ok(()),
        Ok(Some(text)) => serde_json::from_str::<Vec<CallRecord>>(&text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let calls = calls.unwrap_or_else(|error| {
        tracing::warn!(error, "what was written down of the last calls can't be read");
        Vec::new()
    });
    let mut lost = Vec::new();
    for call in calls {
        // It ended as it should, and the app died before it could say so here.
        if log.details(&call.id)?.is_none() {
            lost.push(call);
        }
    }
    log.keep(&lost, false)?;
    if let Err(error) = std::fs::remove_file(file) {
        tracing::warn!(%error, "what was written down of the last calls can't be removed");
    }
    Ok(())
}
