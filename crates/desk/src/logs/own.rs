//! The log of plain accounts' calls. No exchange has them, so what is written here is the original. While somebody is signed
//! in at an exchange, their log holds a copy, so that there is one list to search.

use call_log::Filter;
use protocol::{CallId, CallRecord, DispositionId, Remarks, UserRef};

use super::{Found, LogError, LogHappening, LogRoom, Logs, SyncView};
use crate::Tone;
use crate::accounts::close_journal;
use crate::owner::{Happening, Input, Owner};

const FILE: &str = "calls-own.sqlite";
/// Calls that are copied at a time, so that the list answers between.
const PAGE: u32 = 100;

impl Owner {
    /// Opens the log if there are plain accounts, or once were.
    pub(crate) fn open_own_log(&mut self) {
        let path = self.config.data_dir.join(FILE);
        if self.own_log.is_some() || (self.settings.accounts.is_empty() && !path.exists()) {
            return;
        }
        let (log, opened) = LogRoom::start(path);
        let inbox = self.inbox.clone();
        self.account_tasks.spawn(async move {
            if let Ok(result) = opened.await {
                // The desk that is gone has nothing left to learn.
                let _gone = inbox.send(Input::OwnLogOpened(result));
            }
        });
        let journal = self.journal_file();
        // Nobody waits: the list shows it when it is opened.
        drop(log.begin(move |log| close_journal(log, &journal)));
        self.own_log = Some(log);
    }

    pub(crate) fn own_log_opened(&mut self, result: Result<Found, call_log::Error>) {
        let sentence = match result {
            Ok(Found { set_aside: Some(aside), .. }) => format!(
                "The log of your SIP accounts' calls was damaged. It is put aside as {}, and a new one is begun.",
                aside.display()
            ),
            Ok(Found { set_aside: None, .. }) => return,
            Err(error) => error.to_string(),
        };
        self.note(Tone::Bad, sentence);
    }

    /// Without a session, the calls of plain accounts are the list.
    pub(crate) fn show_own_log(&mut self) {
        if self.is_signed_in() {
            return;
        }
        self.logs = Logs { stretch: self.logs.stretch, ..Logs::default() };
        self.log.clone_from(&self.own_log);
        if self.log.is_none() {
            return;
        }
        self.view.logs.head.sync = SyncView::Here;
        self.begin_list();
    }

    /// Copies what the session's log lacks.
    pub(super) fn copy_own_calls(&mut self) {
        let (Some(own), Some(log), true) = (self.own_log.clone(), self.log.clone(), self.is_signed_in()) else {
            return;
        };
        self.begin(async move { Happening::Logs(LogHappening::OwnCopied(copy(&own, &log).await)) });
    }

    pub(super) fn own_copied(&mut self, result: Result<u32, LogError>) {
        match result {
            Ok(0) => {}
            Ok(_) => self.reload_logs(),
            Err(error) => self.log_failed(&error),
        }
    }

    pub(crate) fn keep_own_record(&mut self, record: CallRecord) {
        let call = record.id.clone();
        self.on_own_logs(call, move |log| log.keep(std::slice::from_ref(&record), false));
    }

    /// Nobody else has this call, so nothing has to be sent and nothing can conflict.
    pub(super) fn write_own_remarks(&mut self, call: &CallId, note: String, disposition: Option<DispositionId>) {
        let (at, about) = (self.clock.now(), call.clone());
        let by = UserRef { id: "own".into(), name: "You".into() };
        let work = move |log: &mut call_log::CallLog| {
            let Some(mut record) = log.details(&about)? else { return Ok(()) };
            let revision = record.remarks.as_ref().map_or(0, |remarks| remarks.revision) + 1;
            record.seq += 1;
            let (note, disposition) = (note.clone(), disposition.clone());
            let says_something = !note.is_empty() || disposition.is_some();
            record.remarks = says_something.then(|| Remarks { revision, note, disposition, by: by.clone(), at });
            log.keep(&[record], false)
        };
        if self.is_signed_in()
            && let Some(own) = &self.own_log
        {
            drop(own.begin(work.clone()));
        }
        let written = call.clone();
        self.on_log(work, move |result| LogHappening::Written { call: written, result });
    }

    /// Does the same with the original and the copy.
    fn on_own_logs(
        &mut self,
        call: CallId,
        work: impl Fn(&mut call_log::CallLog) -> Result<(), call_log::Error> + Clone + Send + 'static,
    ) {
        if self.is_signed_in()
            && let Some(own) = &self.own_log
        {
            let (kept, copied) = (own.begin(work.clone()), call.clone());
            self.begin(async move {
                let result = kept.await.unwrap_or(Err(LogError::Closed));
                Happening::Logs(LogHappening::Kept { call: copied, result })
            });
        }
        self.on_log(work, move |result| LogHappening::Kept { call, result });
    }
}

/// Answers how many there were to copy.
async fn copy(own: &LogRoom, log: &LogRoom) -> Result<u32, LogError> {
    let (mut place, mut copied) = (None, 0);
    loop {
        let (records, next) = own
            .with(move |own| {
                let page = own.page(&Filter::default(), place, PAGE)?;
                let mut records = Vec::new();
                for row in &page.rows {
                    records.extend(own.details(&row.id)?);
                }
                Ok((records, page.next))
            })
            .await?;
        copied += log.with(move |log| keep_new(log, records)).await?;
        match next {
            Some(_) => place = next,
            None => return Ok(copied),
        }
    }
}

fn keep_new(log: &mut call_log::CallLog, mut records: Vec<CallRecord>) -> Result<u32, call_log::Error> {
    let mut missing = Vec::new();
    for record in records.drain(..) {
        if log.details(&record.id)?.is_none_or(|kept| kept.seq < record.seq) {
            missing.push(record);
        }
    }
    log.keep(&missing, false)?;
    Ok(missing.len() as u32)
}
