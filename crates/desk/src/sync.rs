//! Fetching the records that this machine does not have yet.

use protocol::{CallRecord, Timestamp};

use crate::control::{Control, ControlError};
use crate::log_room::{LogError, LogRoom};

/// Few enough to show progress, enough to be quick.
const PAGE: u32 = 200;

/// Why fetching stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What the exchange said it has.
pub(crate) struct Goal {
    pub store: String,
    pub scope: String,
    pub records_seq: u64,
    pub at: Timestamp,
}

/// Fetches page after page until the cache equals the exchange, calling `progress` with the number kept so far.
pub(crate) async fn run(
    control: Control,
    log: LogRoom,
    goal: Goal,
    progress: impl Fn(u32) + Send,
) -> Result<Timestamp, SyncError> {
    let (mut store, mut scope) = (goal.store, goal.scope);
    let mut after = follow(&log, &store, &scope).await?;
    let mut done = 0;
    let mut more = after < goal.records_seq;
    while more {
        let page = control.records(after, PAGE).await?;
        if page.store != store || page.scope != scope {
            (store, scope) = (page.store, page.scope);
            after = follow(&log, &store, &scope).await?;
            continue;
        }
        let newest = page.records.iter().map(|record| record.seq).max();
        // An exchange that answers without end and without progress must not keep us here.
        more = page.more && newest.is_some_and(|seq| seq > after);
        after = newest.unwrap_or(after).max(after);
        done += u32::try_from(page.records.len()).unwrap_or(u32::MAX);
        keep(&log, page.records).await?;
        progress(done);
    }
    log.with(move |log| log.set_as_of(goal.at)).await?;
    Ok(goal.at)
}

async fn follow(log: &LogRoom, store: &str, scope: &str) -> Result<u64, LogError> {
    let (store, scope) = (store.to_owned(), scope.to_owned());
    log.with(move |log| log.follow(&store, &scope).map(|followed| followed.after)).await
}

async fn keep(log: &LogRoom, records: Vec<CallRecord>) -> Result<(), LogError> {
    log.with(move |log| log.keep(&records, true)).await
}
