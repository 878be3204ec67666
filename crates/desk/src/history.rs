//! Past calls: the list from the cache, one call's details, and keeping the cache in step.

use std::path::PathBuf;

use call_log::{CallLog, Filter, Place};
use protocol::{CallId, CallRecord, Timestamp};
use tokio::task::AbortHandle;

use crate::control::ControlError;
use crate::log_room::LogError;
use crate::owner::{Happening, Owner};
use crate::session::State;
use crate::sync::{self, Goal, SyncError};
use crate::{DetailsView, LogFilter, SyncView, Tone};

const PAGE: u32 = 100;
const MAX_QUERY_CHARS: usize = 200;

/// What is going on with the log.
#[derive(Default)]
pub(crate) struct History {
    /// Where the shown rows end.
    next: Option<Place>,
    /// Counts searches: an answer to an older one is not shown.
    search: u32,
    /// A page has been asked for and is not here yet.
    asking: bool,
    /// Something changed since it was asked for.
    stale: bool,
    sync: Option<AbortHandle>,
    /// Once a session, damage is repaired by fetching all again.
    repaired: bool,
    /// What the exchange last said it has.
    goal: Option<(String, String, u64, Timestamp)>,
}

/// Some records, newest first.
pub(crate) struct RecordPage {
    rows: Vec<CallRecord>,
    next: Option<Place>,
}

impl Owner {
    pub(crate) fn log_opened(&mut self, result: Result<Option<PathBuf>, call_log::Error>) {
        match result {
            Ok(set_aside) => {
                if let Some(aside) = set_aside {
                    let aside = aside.display();
                    self.note(
                        Tone::Bad,
                        format!("The call log was damaged. It is put aside as {aside} and filled again."),
                    );
                }
                self.ask_as_of();
                self.refresh_logs();
            }
            Err(error) => {
                self.view.logs.sync = SyncView::Failed { sentence: error.to_string() };
            }
        }
    }

    fn ask_as_of(&mut self) {
        let State::In(session) = &self.state else { return };
        let Some(log) = session.log.clone() else { return };
        self.begin(async move { Happening::LogAsOf(log.with(CallLog::as_of).await.unwrap_or_default()) });
    }

    pub(crate) fn search(&mut self, query: &str, filter: LogFilter) {
        self.view.logs.query = query.chars().take(MAX_QUERY_CHARS).collect();
        self.view.logs.filter = filter;
        if let State::In(session) = &mut self.state {
            session.history.search = session.history.search.wrapping_add(1);
            session.history.next = None;
        }
        self.refresh_logs();
    }

    /// Shows the list as the cache has it now, as long as it was.
    pub(crate) fn refresh_logs(&mut self) {
        let shown = u32::try_from(self.view.logs.rows.len()).unwrap_or(u32::MAX);
        self.ask_page(None, shown.max(PAGE));
    }

    pub(crate) fn more_logs(&mut self) {
        let State::In(session) = &self.state else { return };
        if let Some(next) = session.history.next {
            self.ask_page(Some(next), PAGE);
        }
    }

    fn ask_page(&mut self, from: Option<Place>, limit: u32) {
        let State::In(session) = &mut self.state else { return };
        let Some(log) = session.log.clone() else { return };
        let history = &mut session.history;
        if history.asking {
            history.stale |= from.is_none();
            return;
        }
        history.asking = true;
        let (search, added) = (history.search, from.is_some());
        let filter = filter(&self.view.logs.query, &self.view.logs.filter);
        self.begin(async move {
            let page = log.with(move |log| records(log, &filter, from, limit)).await;
            Happening::LogPage { search, added, page }
        });
    }

    pub(crate) fn log_page(&mut self, search: u32, added: bool, page: Result<RecordPage, LogError>) {
        let State::In(session) = &mut self.state else { return };
        let history = &mut session.history;
        history.asking = false;
        let stale = std::mem::take(&mut history.stale) || search != history.search;
        match page {
            Ok(page) if search == history.search => {
                self.view.logs.more = page.next.is_some();
                history.next = page.next;
                if added {
                    self.view.logs.rows.extend(page.rows);
                } else {
                    self.view.logs.rows = page.rows;
                }
            }
            Ok(_) => {}
            Err(error) => self.log_failed(&error),
        }
        if stale {
            self.refresh_logs();
        }
    }

    /// A finished call, from the feed.
    pub(crate) fn record(&mut self, record: CallRecord, at: Timestamp) {
        if let Some(DetailsView::Ready { record: shown }) = &mut self.view.details
            && shown.id == record.id
            && shown.seq < record.seq
        {
            **shown = record.clone();
        }
        let State::In(session) = &self.state else { return };
        let Some(log) = &session.log else { return };
        // Before the cache is complete, the cursor must not jump over what is still missing.
        let up_to_date = matches!(self.view.logs.sync, SyncView::UpToDate);
        // Queued now, so that records are kept in the order of their arrival.
        let kept = log.begin(move |log| {
            log.keep(std::slice::from_ref(&record), up_to_date)?;
            if up_to_date { log.set_as_of(at) } else { Ok(()) }
        });
        if up_to_date {
            self.view.logs.as_of = Some(at);
        }
        self.begin(async move { Happening::RecordKept(kept.await.unwrap_or(Err(LogError::Closed))) });
    }

    pub(crate) fn record_kept(&mut self, result: Result<(), LogError>) {
        match result {
            Ok(()) => self.refresh_logs(),
            Err(error) => self.log_failed(&error),
        }
    }

    pub(crate) fn begin_sync(&mut self, store: String, scope: String, records_seq: u64, at: Timestamp) {
        let post = self.poster();
        let State::In(session) = &mut self.state else { return };
        let Some(log) = session.log.clone() else { return };
        let (control, history) = (session.control.clone(), &mut session.history);
        if let Some(running) = history.sync.take() {
            running.abort();
        }
        history.goal = Some((store.clone(), scope.clone(), records_seq, at));
        self.view.logs.sync = SyncView::Syncing { done: 0 };
        history.sync = Some(self.tasks.spawn(async move {
            let progress = post.clone();
            let goal = Goal { store, scope, records_seq, at };
            let result = sync::run(control, log, goal, move |done| progress(Happening::SyncProgress(done))).await;
            post(Happening::Synced(result));
        }));
    }

    pub(crate) fn sync_progress(&mut self, done: u32) {
        if matches!(self.view.logs.sync, SyncView::Syncing { .. }) {
            self.view.logs.sync = SyncView::Syncing { done };
        }
        self.refresh_logs();
    }

    pub(crate) fn synced(&mut self, result: Result<Timestamp, SyncError>) {
        match result {
            // An answer to a link that is down by now says nothing about what came after.
            Ok(at) => {
                self.view.logs.as_of = self.view.logs.as_of.max(Some(at));
                if self.online() {
                    self.view.logs.sync = SyncView::UpToDate;
                }
                self.refresh_logs();
            }
            Err(SyncError::Control(error)) if error.is_unauthorized() => self.expel(),
            Err(SyncError::Log(error)) => self.log_failed(&error),
            Err(error @ SyncError::Control(_)) => {
                self.view.logs.sync = SyncView::Failed { sentence: error.to_string() };
            }
        }
    }

    /// The link is lost: until its last word the cache was equal to the exchange.
    pub(crate) fn history_offline(&mut self) {
        let (State::In(session), Some(at)) = (&self.state, self.view.live.as_of) else { return };
        if !matches!(self.view.logs.sync, SyncView::UpToDate) {
            return;
        }
        self.view.logs.as_of = Some(at);
        if let Some(log) = &session.log {
            let kept = log.begin(move |log| log.set_as_of(at));
            self.begin(async move { Happening::RecordKept(kept.await.unwrap_or(Err(LogError::Closed))) });
        }
    }

    fn log_failed(&mut self, error: &LogError) {
        self.view.logs.sync = SyncView::Failed { sentence: error.to_string() };
        let State::In(session) = &mut self.state else { return };
        // Its thread has begun a new, empty file.
        if let (LogError::Log(call_log::Error::Damaged { .. }), false, Some((store, scope, seq, at))) =
            (error, session.history.repaired, session.history.goal.clone())
        {
            session.history.repaired = true;
            self.begin_sync(store, scope, seq, at);
        }
    }

    pub(crate) fn open_details(&mut self, call: CallId) {
        self.view.details = Some(DetailsView::Loading { call: call.clone() });
        let State::In(session) = &self.state else { return };
        let Some(log) = session.log.clone() else { return self.fetch_details(call) };
        self.begin(async move {
            let wanted = call.clone();
            Happening::DetailsCached { call, record: log.with(move |log| log.details(&wanted)).await }
        });
    }

    pub(crate) fn details_cached(&mut self, call: CallId, record: Result<Option<CallRecord>, LogError>) {
        match record {
            Ok(Some(record)) => self.show_details(&call, DetailsView::Ready { record: Box::new(record) }),
            Ok(None) => self.fetch_details(call),
            Err(error) => {
                self.log_failed(&error);
                self.fetch_details(call);
            }
        }
    }

    /// Not on this machine: the exchange may know it.
    fn fetch_details(&mut self, call: CallId) {
        let State::In(session) = &self.state else { return };
        let control = session.control.clone();
        self.begin(async move {
            let record = control.record(&call).await;
            Happening::DetailsFetched { call, record }
        });
    }

    pub(crate) fn details_fetched(&mut self, call: CallId, record: Result<CallRecord, ControlError>) {
        match record {
            Ok(record) => self.show_details(&call, DetailsView::Ready { record: Box::new(record) }),
            Err(error) if error.is_unauthorized() => self.expel(),
            Err(error) => {
                let sentence = match self.view.live.row(&call) {
                    Some(_) => "This call is going on. Its details are written when it ends.".into(),
                    None => error.to_string(),
                };
                self.show_details(&call.clone(), DetailsView::Missing { call, sentence });
            }
        }
    }

    /// Only if the person has not gone on to another call.
    fn show_details(&mut self, call: &CallId, details: DetailsView) {
        if matches!(&self.view.details, Some(DetailsView::Loading { call: wanted }) if wanted == call) {
            self.view.details = Some(details);
        }
    }
}

fn records(log: &mut CallLog, filter: &Filter, from: Option<Place>, limit: u32) -> Result<RecordPage, call_log::Error> {
    let page = log.page(filter, from, limit)?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        rows.extend(log.details(&row.id)?);
    }
    Ok(RecordPage { rows, next: page.next })
}

fn filter(query: &str, filter: &LogFilter) -> Filter {
    Filter {
        text: query.to_owned(),
        outcomes: filter.outcome.into_iter().collect(),
        directions: filter.direction.into_iter().collect(),
        transferred: filter.transferred,
        ..Filter::default()
    }
}
