//! Past calls: the list from this machine's log, one call's details, and keeping the log in step with the exchange.

mod columns;
mod counting;
mod details;
mod drafts;
mod export;
mod heard;
mod list;
mod own;
mod remarks;
mod retain;
mod room;
mod summary;
mod sync;
mod view;
mod voicemail;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use call_log::{Column, Counts, Draft, Page, Place, Retained, Row, SavedView, Unsent};
use protocol::{CallId, CallRecord, Timestamp};
use softphone::PlayerEvent;
use tokio::task::AbortHandle;

pub use view::*;

use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use counting::Counting;
pub(crate) use details::Mine;
pub(crate) use export::Exporting;
pub(crate) use heard::Told;
pub use list::{MAX_QUERY_CHARS, MAX_VIEW_NAME_CHARS};
pub(crate) use remarks::Delivered;
pub(crate) use room::{LogError, LogRoom};
pub(crate) use sync::{Goal, SyncError};

/// What is going on with the log.
#[derive(Default)]
pub(crate) struct Logs {
    /// Where the shown rows end.
    next: Option<Place>,
    /// Counts searches: an answer to an older one is not shown.
    search: u32,
    /// A page has been asked for and is not here yet.
    asking: bool,
    /// Something changed since it was asked for.
    stale: bool,
    /// The next page is wanted after it.
    more: bool,
    /// Calls whose rows have changed since the list was read.
    changed: HashSet<CallId>,
    /// Newer rows may have come.
    top_stale: bool,
    counting: Counting,
    /// Why it could not be opened.
    closed: Option<String>,
    sync: Option<AbortHandle>,
    /// The person stopped it.
    stopped: bool,
    /// Once a session, damage is repaired by fetching all again.
    repaired: bool,
    /// What the exchange last said it has.
    goal: Option<Goal>,
    /// Remarks are being sent; and there are more since.
    sending: bool,
    send_again: bool,
    /// Calls whose remarks the exchange does not take, and why, as it said already.
    refused: HashMap<CallId, String>,
    /// What was typed since drafts were last written; `None`: given up.
    drafts: HashMap<CallId, Option<Draft>>,
    drafts_due: bool,
    /// The exchange is being told what was listened to; and there is more since.
    telling: bool,
    tell_again: bool,
    exporting: bool,
    cancel_export: bool,
    retaining: bool,
    /// Whose sums are to be shown.
    stretch: Option<(Timestamp, Timestamp)>,
    /// The message that is listened to.
    message: Option<voicemail::Message>,
}

/// What becomes of the log's doings.
pub(crate) enum LogHappening {
    Opened(Result<Found, call_log::Error>),
    AsOf(Option<Timestamp>),
    Page { search: u32, added: bool, page: Result<Page, LogError> },
    Head { search: u32, head: Result<(Page, Vec<Row>), LogError> },
    Counted { search: u32, counts: Result<Counts, LogError> },
    CountRested,
    Saved(Result<Vec<SavedView>, LogError>),
    Columns(Result<Vec<Column>, LogError>),
    ColumnsKept(Result<(), LogError>),
    OwnCopied(Result<u32, LogError>),
    Kept { call: CallId, result: Result<(), LogError> },
    SyncProgress { done: u32, percent: u8 },
    Emptied(call_log::Emptied),
    Synced(Result<Timestamp, SyncError>),
    DetailsCached { call: CallId, found: Result<(Option<CallRecord>, Mine), LogError> },
    DetailsFetched { call: CallId, record: Result<CallRecord, ControlError>, mine: Mine },
    DraftsDue,
    Drafted(Result<(), LogError>),
    Written { call: CallId, result: Result<(), LogError> },
    Unsent(Result<Vec<Unsent>, LogError>),
    Delivered(Delivered),
    Summed(Result<SummaryView, LogError>),
    Exported(Result<Exporting, String>),
    Retained(Result<Retained, LogError>),
    SoundHere { call: CallId, sound: Result<Option<Vec<u8>>, LogError> },
    SoundFetched { call: CallId, sound: Result<Vec<u8>, ControlError> },
    SoundKept(Result<(), LogError>),
    Started { call: CallId, message: Result<crate::Message, String> },
    HeardKept(Result<(), LogError>),
    Heard(Told),
    Player { call: CallId, event: PlayerEvent },
}

/// What was found when a log was opened.
pub(crate) struct Found {
    /// Where damaged files went.
    pub set_aside: Option<PathBuf>,
    pub mine_set_aside: Option<PathBuf>,
}

impl Owner {
    pub(crate) fn logs_happened(&mut self, happening: LogHappening) {
        match happening {
            LogHappening::Opened(result) => self.log_opened(result),
            LogHappening::AsOf(at) => self.view.logs.head.as_of = self.view.logs.head.as_of.max(at),
            LogHappening::Page { search, added, page } => self.log_page(search, added, page),
            LogHappening::Head { search, head } => self.log_head(search, head),
            LogHappening::Counted { search, counts } => self.counted(search, counts),
            LogHappening::CountRested => self.count_rested(),
            LogHappening::Saved(result) => self.saved(result),
            LogHappening::Columns(result) => self.columns_read(result),
            LogHappening::ColumnsKept(result) => self.columns_kept(result),
            LogHappening::OwnCopied(result) => self.own_copied(result),
            LogHappening::Kept { call, result } => self.record_kept(&call, result),
            LogHappening::SyncProgress { done, percent } => self.sync_progress(done, percent),
            LogHappening::Emptied(why) => self.emptied(why),
            LogHappening::Synced(result) => self.synced(result),
            LogHappening::DetailsCached { call, found } => self.details_cached(call, found),
            LogHappening::DetailsFetched { call, record, mine } => self.details_fetched(call, record, mine),
            LogHappening::DraftsDue => self.drafts_due(),
            // The note is still in the window, which says that it is not saved.
            LogHappening::Drafted(result) => drop(result),
            LogHappening::Written { call, result } => self.remarks_written(&call, result),
            LogHappening::Unsent(result) => self.show_unsent(result),
            LogHappening::Delivered(delivered) => self.remarks_delivered(delivered),
            LogHappening::Summed(result) => self.summed(result),
            LogHappening::Exported(result) => self.exported(result),
            LogHappening::Retained(result) => self.retained(result),
            LogHappening::SoundHere { call, sound } => self.sound_here(call, sound),
            LogHappening::SoundFetched { call, sound } => self.sound_fetched(&call, sound),
            LogHappening::Started { call, message } => self.message_started(&call, message),
            // What can't be kept is fetched again the next time.
            LogHappening::SoundKept(result) => drop(result),
            LogHappening::HeardKept(result) => self.heard_kept(result),
            LogHappening::Heard(told) => self.heard_told(told),
            LogHappening::Player { call, event } => self.player_event(&call, event),
        }
    }

    /// Runs `work` on the log; nothing happens without a session.
    fn on_log<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut call_log::CallLog) -> Result<T, call_log::Error> + Send + 'static,
        then: impl FnOnce(Result<T, LogError>) -> LogHappening + Send + 'static,
    ) {
        let Some(log) = &self.log else { return };
        // Queued now, so that things are done in the order in which they were asked.
        let done = log.begin(work);
        self.begin(async move { Happening::Logs(then(done.await.unwrap_or(Err(LogError::Closed)))) });
    }

    fn logs(&mut self) -> Option<&mut Logs> {
        (self.log.is_some() || self.is_signed_in()).then_some(&mut self.logs)
    }
}
