//! Fetching the records that this machine does not have yet.

use call_log::Emptied;
use protocol::{CallRecord, Timestamp};

use super::{LogError, LogHappening, LogRoom, SyncView};
use crate::Tone;
use crate::control::{Control, ControlError};
use crate::owner::{Happening, Owner};
use crate::session::State;

/// Few enough to show progress, enough to be quick.
const PAGE: u32 = 500;

/// Why fetching stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What the exchange said it has.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub store: String,
    pub scope: String,
    pub records_seq: u64,
    pub at: Timestamp,
}

impl Owner {
    pub(crate) fn begin_sync(&mut self, goal: Goal) {
        let post = self.poster();
        let State::In(session) = &mut self.state else { return };
        let Some(log) = self.log.clone() else { return };
        let (control, logs) = (session.control.clone(), &mut self.logs);
        if let Some(running) = logs.sync.take() {
            running.abort();
        }
        logs.goal = Some(goal.clone());
        if logs.stopped || logs.closed.is_some() {
            return;
        }
        self.view.logs.head.sync = SyncView::Syncing { done: 0, percent: 0 };
        logs.sync = Some(self.tasks.spawn(async move {
            let tell = post.clone();
            let result = run(control, log, goal, move |news| tell(Happening::Logs(news))).await;
            post(Happening::Logs(LogHappening::Synced(result)));
        }));
    }

    /// What has been fetched stays, and fetching goes on from there when the person wants.
    pub(crate) fn stop_sync(&mut self) {
        let SyncView::Syncing { done, percent } = self.view.logs.head.sync else { return };
        let Some(logs) = self.logs() else { return };
        logs.stopped = true;
        if let Some(running) = logs.sync.take() {
            running.abort();
        }
        self.view.logs.head.sync = SyncView::Stopped { done, percent };
    }

    pub(crate) fn go_on_with_sync(&mut self) {
        if !self.is_signed_in() {
            return self.show_own_log();
        }
        let Some(logs) = self.logs() else { return };
        logs.stopped = false;
        match logs.goal.clone() {
            Some(goal) if self.online() => self.begin_sync(goal),
            Some(_) | None => self.view.logs.head.sync = SyncView::Offline,
        }
    }

    pub(super) fn sync_progress(&mut self, done: u32, percent: u8) {
        if matches!(self.view.logs.head.sync, SyncView::Syncing { .. }) {
            self.view.logs.head.sync = SyncView::Syncing { done, percent };
        }
        self.reload_top();
    }

    pub(super) fn emptied(&mut self, why: Emptied) {
        let sentence = match why {
            Emptied::OtherStore => {
                "The exchange has another call store than before, so the list is fetched again. Your unsent notes are kept."
            }
            Emptied::OtherScope => {
                "What you may see has changed, so the list is fetched again. Your unsent notes are kept."
            }
        };
        self.note(Tone::Plain, sentence);
        self.copy_own_calls();
        self.search(self.view.logs.head.filter.clone());
    }

    pub(super) fn synced(&mut self, result: Result<Timestamp, SyncError>) {
        match result {
            // An answer to a link that is down by now says nothing about what came after.
            Ok(at) => {
                self.view.logs.head.as_of = self.view.logs.head.as_of.max(Some(at));
                if self.online() {
                    self.view.logs.head.sync = SyncView::UpToDate;
                }
                self.reload_top();
                self.send_remarks();
                self.tell_heard();
                self.retain_logs();
            }
            Err(SyncError::Control(error)) if error.is_unauthorized() => self.expel(),
            Err(SyncError::Log(error)) => self.log_failed(&error),
            Err(error @ SyncError::Control(_)) => {
                self.view.logs.head.sync = SyncView::Failed { sentence: error.to_string() };
            }
        }
    }

    /// The link is lost: until its last word the log was equal to the exchange.
    pub(crate) fn logs_offline(&mut self) {
        let Some(at) = self.view.live.as_of else { return };
        if !matches!(self.view.logs.head.sync, SyncView::UpToDate) {
            return;
        }
        self.view.logs.head.as_of = Some(at);
        self.on_log(move |log| log.set_as_of(at), move |_| LogHappening::AsOf(Some(at)));
    }
}

/// Fetches page after page until the log equals the exchange.
async fn run(
    control: Control,
    log: LogRoom,
    goal: Goal,
    tell: impl Fn(LogHappening) + Send,
) -> Result<Timestamp, SyncError> {
    let (mut store, mut scope) = (goal.store, goal.scope);
    let mut after = follow(&log, (&store, &scope), &tell).await?;
    let (first, mut done) = (after, 0);
    let mut more = after < goal.records_seq;
    while more {
        let page = control.records(after, PAGE).await?;
        if page.store != store || page.scope != scope {
            (store, scope) = (page.store, page.scope);
            after = follow(&log, (&store, &scope), &tell).await?;
            continue;
        }
        let newest = page.records.iter().map(|record| record.seq).max();
        // An exchange that answers without end and without progress must not keep us here.
        more = page.more && newest.is_some_and(|seq| seq > after);
        after = newest.unwrap_or(after).max(after);
        done += u32::try_from(page.records.len()).unwrap_or(u32::MAX);
        keep(&log, page.records).await?;
        tell(LogHappening::SyncProgress { done, percent: percent(first, after, goal.records_seq) });
    }
    log.with(move |log| log.set_as_of(goal.at)).await?;
    Ok(goal.at)
}

async fn follow(
    log: &LogRoom,
    (store, scope): (&str, &str),
    tell: &(impl Fn(LogHappening) + Send),
) -> Result<u64, LogError> {
    let (store, scope) = (store.to_owned(), scope.to_owned());
    let followed = log.with(move |log| log.follow(&store, &scope)).await?;
    if let Some(why) = followed.emptied {
        tell(LogHappening::Emptied(why));
    }
    Ok(followed.after)
}

async fn keep(log: &LogRoom, records: Vec<CallRecord>) -> Result<(), LogError> {
    log.with(move |log| log.keep(&records, true)).await
}

/// How much of the exchange's sequence, which others' calls are in too, has been gone through.
fn percent(first: u64, after: u64, goal: u64) -> u8 {
    let all = goal.saturating_sub(first).max(1);
    (after.saturating_sub(first).min(all) * 100 / all) as u8
}
