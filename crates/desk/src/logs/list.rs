//! The list: searching, paging, counting, saved views.

use call_log::{Counts, Error, Filter, Page, Place, Row, SavedView};
use jiff::tz::TimeZone;
use protocol::{CallId, CallRecord, Timestamp};

use super::counting::{self, After};
use super::{DetailsView, Found, LogError, LogHappening, SyncView};
use crate::Tone;
use crate::clock;
use crate::owner::{Happening, Owner};

const PAGE: u32 = 100;
pub const MAX_QUERY_CHARS: usize = 200;
pub const MAX_VIEW_NAME_CHARS: usize = 60;
const MAX_VIEWS: usize = 50;

impl Owner {
    pub(crate) fn log_opened(&mut self, result: Result<Found, Error>) {
        match result {
            Ok(found) => {
                if let Some(aside) = found.set_aside {
                    let aside = aside.display();
                    self.note(
                        Tone::Bad,
                        format!("The call log was damaged. It is put aside as {aside} and filled again."),
                    );
                }
                if let Some(aside) = found.mine_set_aside {
                    let aside = aside.display();
                    let sentence = format!(
                        "The file of your unsent notes was damaged. It is put aside as {aside}; what could be read is kept."
                    );
                    self.note(Tone::Bad, sentence);
                }
                self.begin_list();
                self.copy_own_calls();
            }
            Err(error) => {
                if let Some(logs) = self.logs() {
                    logs.closed = Some(error.to_string());
                }
                self.log_failed(&LogError::Closed);
            }
        }
    }

    /// Reads all that is shown of a log.
    pub(super) fn begin_list(&mut self) {
        self.on_log(call_log::CallLog::as_of, |at| LogHappening::AsOf(at.unwrap_or_default()));
        self.reload_logs();
        self.on_log(|log| log.views(), LogHappening::Saved);
        self.on_log(|log| log.columns(), LogHappening::Columns);
        self.look_for_unsent();
        self.retain_logs();
        self.sum_again();
    }

    pub(crate) fn search(&mut self, mut filter: Filter) {
        filter.text = filter.text.chars().take(MAX_QUERY_CHARS).collect();
        let head = &mut self.view.logs.head;
        head.counts_outdated |= head.filter != filter;
        head.filter = filter;
        if let Some(logs) = self.logs() {
            logs.search = logs.search.wrapping_add(1);
            (logs.next, logs.more) = (None, false);
        }
        self.reload_logs();
    }

    /// The filter as it is meant now.
    pub(super) fn settled_filter(&mut self) -> Filter {
        let (now, zone) = (clock::wall(), TimeZone::system());
        let head = &mut self.view.logs.head;
        head.stretch = head.filter.stretch(now, &zone);
        head.filter.clone().settled(now, &zone)
    }

    /// Shows the list from its beginning, as the log has it now.
    pub(super) fn reload_logs(&mut self) {
        self.ask_page(None);
    }

    pub(crate) fn more_logs(&mut self) {
        if let Some(next) = self.logs().and_then(|logs| logs.next) {
            self.ask_page(Some(next));
        }
    }

    fn ask_page(&mut self, from: Option<Place>) {
        let filter = self.settled_filter();
        let Some(logs) = self.logs() else { return };
        if logs.asking {
            logs.stale |= from.is_none();
            logs.more |= from.is_some();
            return;
        }
        logs.asking = true;
        let (search, added) = (logs.search, from.is_some());
        self.on_log(move |log| log.page(&filter, from, PAGE), move |page| LogHappening::Page { search, added, page });
    }

    pub(super) fn log_page(&mut self, search: u32, added: bool, page: Result<Page, LogError>) {
        let Some(stale) = self.page_is_here(search) else { return };
        match page {
            Ok(page) if self.is_of(search) => {
                self.view.logs.head.more = page.next.is_some();
                if let Some(logs) = self.logs() {
                    logs.next = page.next;
                }
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
            self.reload_logs();
        } else if !added {
            self.count();
        }
        self.go_on_reading();
    }

    /// Does what was asked for while an answer was awaited.
    fn go_on_reading(&mut self) {
        if self.logs().is_some_and(|logs| !logs.asking && std::mem::take(&mut logs.more)) {
            self.more_logs();
        }
        self.refresh_logs(None);
    }

    /// Notes that an answer is here; says whether the list must be read again, `None` without a session.
    fn page_is_here(&mut self, search: u32) -> Option<bool> {
        let logs = self.logs()?;
        logs.asking = false;
        Some(std::mem::take(&mut logs.stale) || search != logs.search)
    }

    fn is_of(&mut self, search: u32) -> bool {
        self.logs().is_some_and(|logs| logs.search == search)
    }

    /// Reads the newest rows again, and the row of `changed` wherever it is; what was paged in below stays.
    pub(super) fn refresh_logs(&mut self, changed: Option<&CallId>) {
        let filter = self.settled_filter();
        let Some(logs) = self.logs() else { return };
        logs.changed.extend(changed.cloned());
        logs.top_stale |= changed.is_some();
        if logs.asking || !logs.top_stale {
            return;
        }
        (logs.asking, logs.top_stale) = (true, false);
        let (search, changed) = (logs.search, std::mem::take(&mut logs.changed));
        let work = move |log: &mut call_log::CallLog| {
            let page = log.page(&filter, None, PAGE)?;
            let mut rows = Vec::new();
            for call in &changed {
                rows.extend(log.row(call)?);
            }
            Ok((page, rows))
        };
        self.on_log(work, move |head| LogHappening::Head { search, head });
    }

    /// Reads the newest rows again.
    pub(super) fn reload_top(&mut self) {
        if let Some(logs) = self.logs() {
            logs.top_stale = true;
        }
        self.refresh_logs(None);
    }

    pub(super) fn log_head(&mut self, search: u32, head: Result<(Page, Vec<Row>), LogError>) {
        let Some(stale) = self.page_is_here(search) else { return };
        match head {
            Ok((page, changed)) if self.is_of(search) => self.put_head(page, &changed),
            Ok(_) => {}
            Err(error) => self.log_failed(&error),
        }
        if stale {
            self.reload_logs();
        } else {
            self.count();
        }
        self.go_on_reading();
    }

    fn put_head(&mut self, page: Page, changed: &[Row]) {
        let old = std::mem::take(&mut self.view.logs.rows);
        let last = page.rows.last().map(|row| row.id.clone());
        let below = last.and_then(|last| old.iter().position(|row| row.id == last)).map(|place| place + 1);
        let mut rows = page.rows;
        match (page.next, below) {
            (Some(_), Some(below)) if below < old.len() => rows.extend(old.into_iter().skip(below)),
            (next, _) => {
                self.view.logs.head.more = next.is_some();
                if let Some(logs) = self.logs() {
                    logs.next = next;
                }
            }
        }
        for row in changed {
            // Where the search found its words is not looked for again.
            if let Some(shown) = rows.iter_mut().skip(PAGE as usize).find(|shown| shown.id == row.id) {
                *shown = row.clone();
            }
        }
        self.view.logs.rows = rows;
    }

    /// Counts what each filter would leave, as often as its pace allows.
    fn count(&mut self) {
        let filter = self.settled_filter();
        let Some(logs) = self.logs() else { return };
        let search = logs.search;
        if !logs.counting.ask(search) {
            return;
        }
        self.on_log(move |log| log.counts(&filter), move |counts| LogHappening::Counted { search, counts });
        self.sum_again();
    }

    pub(super) fn counted(&mut self, search: u32, counts: Result<Counts, LogError>) {
        let Some(logs) = self.logs() else { return };
        let of_now = logs.search == search;
        let after = logs.counting.done(search, logs.search);
        match counts {
            Ok(counts) if of_now => {
                let head = &mut self.view.logs.head;
                (head.counts, head.counts_outdated) = (Some(counts), false);
            }
            Ok(_) => {}
            Err(error) => self.log_failed(&error),
        }
        match after {
            After::Count => self.count(),
            After::Rest => self.begin(async {
                tokio::time::sleep(counting::REST).await;
                Happening::Logs(LogHappening::CountRested)
            }),
        }
    }

    pub(super) fn count_rested(&mut self) {
        if self.logs().is_some_and(|logs| logs.counting.rested()) {
            self.count();
        }
    }

    pub(crate) fn save_view(&mut self, name: &str) {
        let name: String = name.trim().chars().take(MAX_VIEW_NAME_CHARS).collect();
        let saved = &self.view.logs.head.saved;
        if name.is_empty() {
            return self.note(Tone::Bad, "A saved view needs a name.");
        }
        if saved.len() >= MAX_VIEWS && saved.iter().all(|view| view.name != name) {
            return self.note(Tone::Bad, format!("There are {MAX_VIEWS} saved views. Remove one first."));
        }
        let view = SavedView { name, filter: self.view.logs.head.filter.clone() };
        self.on_log(
            move |log| {
                log.save_view(&view)?;
                log.views()
            },
            LogHappening::Saved,
        );
    }

    pub(crate) fn remove_view(&mut self, name: String) {
        self.on_log(
            move |log| {
                log.remove_view(&name)?;
                log.views()
            },
            LogHappening::Saved,
        );
    }

    pub(super) fn saved(&mut self, views: Result<Vec<SavedView>, LogError>) {
        match views {
            Ok(views) => self.view.logs.head.saved = views,
            Err(error) => self.note(Tone::Bad, error.to_string()),
        }
    }

    /// A finished call, from the feed: new, or changed.
    pub(crate) fn record(&mut self, record: CallRecord, at: Timestamp) {
        if let Some(DetailsView::Ready { record: shown, .. }) = &mut self.view.details
            && shown.id == record.id
            && shown.seq < record.seq
        {
            **shown = record.clone();
        }
        // Before the log is complete, the cursor must not jump over what is still missing.
        let up_to_date = matches!(self.view.logs.head.sync, SyncView::UpToDate);
        if up_to_date {
            self.view.logs.head.as_of = Some(at);
        }
        let call = record.id.clone();
        let work = move |log: &mut call_log::CallLog| {
            log.keep(std::slice::from_ref(&record), up_to_date)?;
            if up_to_date { log.set_as_of(at) } else { Ok(()) }
        };
        self.on_log(work, move |result| LogHappening::Kept { call, result });
    }

    pub(super) fn record_kept(&mut self, call: &CallId, result: Result<(), LogError>) {
        match result {
            Ok(()) => self.refresh_logs(Some(call)),
            Err(error) => self.log_failed(&error),
        }
    }

    pub(super) fn log_failed(&mut self, error: &LogError) {
        let closed = self.logs().and_then(|logs| logs.closed.clone());
        let sentence = closed.unwrap_or_else(|| error.to_string());
        self.view.logs.head.sync = SyncView::Failed { sentence };
        if !self.is_signed_in() {
            return;
        }
        // Its thread has begun a new, empty file.
        if let (LogError::Log(Error::Damaged { .. }), false, Some(goal)) =
            (error, self.logs.repaired, self.logs.goal.clone())
        {
            self.logs.repaired = true;
            self.begin_sync(goal);
        }
    }
}
