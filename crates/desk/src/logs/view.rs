//! What a screen shows of past calls.

use call_log::{Column, Counts, Draft, Filter, LogSummary, Row, SavedView, Stretch, Unsent};
use protocol::{CallId, CallRecord, Timestamp};
use serde::{Deserialize, Serialize};
use specta::Type;

/// The list of past calls, from this machine's own log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct LogsView {
    pub head: LogsHead,
    /// Newest first. More can be had with [`crate::Wish::MoreLogs`].
    pub rows: Vec<Row>,
}

/// Everything about the list but its rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
pub struct LogsHead {
    pub filter: Filter,
    /// From when until when the filter's calls are.
    pub stretch: Stretch,
    pub more: bool,
    /// `None` until first counted.
    pub counts: Option<Counts>,
    /// They are of another filter than this, which is being counted.
    pub counts_outdated: bool,
    /// When the log was last known to equal the exchange's.
    pub as_of: Option<Timestamp>,
    pub sync: SyncView,
    pub saved: Vec<SavedView>,
    /// As the person likes them; those that are missing are as they come.
    pub columns: Vec<Column>,
    /// How many calls have remarks that wait to be sent.
    pub unsent: u32,
    /// Of how many of them somebody else wrote others meanwhile: the person has to decide. The first of them.
    pub conflicts: u32,
    pub conflict: Option<CallId>,
    /// Older calls than this were removed from this machine; `None`: none were.
    pub complete_from: Option<Timestamp>,
    pub summary: Option<SummaryView>,
    pub export: Option<ExportView>,
}

/// What changed of a [`LogsView`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
pub struct LogsPatch {
    pub head: Option<LogsHead>,
    pub rows: Option<RowsPatch>,
}

/// At place `at`, `removed` rows are replaced by these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct RowsPatch {
    pub at: u32,
    pub removed: u32,
    pub added: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncView {
    #[default]
    Offline,
    /// No exchange is behind it: these are the calls of plain accounts, and this is where they are.
    Here,
    /// `done` records fetched so far; `percent` of the exchange's sequence gone through.
    Syncing {
        done: u32,
        percent: u8,
    },
    /// Stopped by the person; goes on where it was.
    Stopped {
        done: u32,
        percent: u8,
    },
    UpToDate,
    Failed {
        sentence: String,
    },
}

/// What happened between two moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SummaryView {
    pub from: Timestamp,
    pub until: Timestamp,
    pub sums: LogSummary,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExportView {
    Going {
        done: u32,
        total: u32,
    },
    /// The whole file's path.
    Done {
        path: String,
        calls: u32,
    },
    Failed {
        sentence: String,
    },
}

/// A message that is listened to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct PlayerView {
    pub call: CallId,
    pub state: PlayerState,
    #[specta(type = f64)]
    pub position_ms: u64,
    /// 0 until the sound is here.
    #[specta(type = f64)]
    pub duration_ms: u64,
    /// Percent: 50 to 200.
    pub speed: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlayerState {
    Loading,
    Playing,
    /// Also at its end; playing on begins anew then.
    Paused,
    Failed {
        sentence: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time, and it is replaced whole")]
pub enum DetailsView {
    Loading {
        call: CallId,
    },
    Ready {
        record: Box<CallRecord>,
        /// What this person wrote and the exchange does not have yet.
        unsent: Option<Unsent>,
        /// Why the exchange does not take that.
        refused: Option<String>,
        /// What this person had begun to write when the app was last ended.
        draft: Option<Draft>,
        /// A plain account's call: nobody else has it, or sees what is written about it.
        only_here: bool,
    },
    Missing {
        call: CallId,
        sentence: String,
    },
}

impl DetailsView {
    pub(crate) fn call(&self) -> &CallId {
        match self {
            Self::Ready { record, .. } => &record.id,
            Self::Loading { call } | Self::Missing { call, .. } => call,
        }
    }
}

impl LogsView {
    pub fn apply(&mut self, patch: LogsPatch) {
        if let Some(head) = patch.head {
            self.head = head;
        }
        if let Some(RowsPatch { at, removed, added }) = patch.rows {
            let from = (at as usize).min(self.rows.len());
            let to = from.saturating_add(removed as usize).min(self.rows.len());
            self.rows.splice(from..to, added);
        }
    }

    /// What makes `self` of `old`; `None` if nothing does.
    pub(crate) fn since(&self, old: &Self) -> Option<LogsPatch> {
        let patch =
            LogsPatch { head: (self.head != old.head).then(|| self.head.clone()), rows: rows(&old.rows, &self.rows) };
        (patch != LogsPatch::default()).then_some(patch)
    }
}

/// The rows between the longest common beginning and end.
fn rows(old: &[Row], new: &[Row]) -> Option<RowsPatch> {
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[same..], &new[same..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let removed = old.len() - end;
    let added = new[..new.len() - end].to_vec();
    (removed > 0 || !added.is_empty()).then_some(RowsPatch { at: same as u32, removed: removed as u32, added })
}
