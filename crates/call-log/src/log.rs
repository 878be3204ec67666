//! The log from outside.

use std::path::{Path, PathBuf};

use protocol::{CallId, CallRecord, DispositionId, Remarks, Timestamp};
use serde::{Deserialize, Serialize};

use crate::mine::{Mine, columns, drafts, heard};
use crate::records::Records;
use crate::{
    Column, Counts, Cursor, Draft, Error, Filter, MAX_SOUND_BYTES, Row, SavedView, Unsent, calls, meta, open, sounds,
};

/// The log, open. Owned by one thread.
pub struct CallLog {
    pub(crate) records: Records,
    pub(crate) mine: Mine,
}

/// What [`CallLog::open`] found.
pub struct Opened {
    pub log: CallLog,
    /// Where the damaged file of records went that was here before; the log is new and empty then.
    pub set_aside: Option<PathBuf>,
    /// Where a damaged file of unsent remarks and views went; what could still be read of it is kept.
    pub mine_set_aside: Option<PathBuf>,
}

/// Where to go on fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Every record change up to this `seq` is in the log.
    pub after: u64,
    /// Why all records were removed, if they were.
    pub emptied: Option<Emptied>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptied {
    /// The exchange has another store than before: it was set up anew, or its data were replaced.
    OtherStore,
    /// The reader may see other calls than before.
    OtherScope,
}

/// Where a page ended; the next one goes on from here, whatever was added meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(pub(crate) i64);

/// Some calls, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// How a person decides between what they wrote and what somebody else wrote meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Sent again, now as an answer to theirs.
    Mine,
    /// What was written here is given up.
    Theirs,
}

impl CallLog {
    /// Opens the log, making it if it is not there, readable by its owner only. A damaged file is renamed and reported.
    ///
    /// # Errors
    /// [`Error::Newer`] if a later version wrote it; [`Error::Open`] or [`Error::Database`] if the disk refuses.
    pub fn open(path: &Path) -> Result<Opened, Error> {
        open::open(path)
    }

    /// How far this log follows the exchange; `None` before the first page.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn cursor(&mut self) -> Result<Option<Cursor>, Error> {
        self.guarded(|log| meta::cursor(&log.records.db))
    }

    /// Says which store the coming records are from and what the reader may see. If either is another than before, all
    /// records are removed at once; remarks that are not sent yet are kept.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn follow(&mut self, store: &str, scope: &str) -> Result<Followed, Error> {
        self.guarded(|log| {
            let emptied = match meta::cursor(&log.records.db)? {
                Some(cursor) if cursor.store != store => Some(Emptied::OtherStore),
                Some(cursor) if cursor.scope.as_deref() != Some(scope) => Some(Emptied::OtherScope),
                Some(cursor) => return Ok(Followed { after: cursor.seq, emptied: None }),
                None => None,
            };
            if emptied.is_some() {
                log.records.empty()?;
            }
            let tx = log.records.db.transaction()?;
            meta::set_cursor(&tx, store, scope, 0)?;
            tx.commit()?;
            Ok(Followed { after: 0, emptied })
        })
    }

    /// Keeps records; of two with one id the one with the larger `seq` stays, in whatever order they come.
    /// With `advance`, the cursor moves to the largest `seq` among them: only right if nothing before it is missing.
    ///
    /// # Errors
    /// Any fault of the file; nothing is kept then.
    pub fn keep(&mut self, records: &[CallRecord], advance: bool) -> Result<(), Error> {
        self.guarded(|log| log.records.keep(records, advance, &log.mine))
    }

    /// When the log was last equal to the exchange's records.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn as_of(&mut self) -> Result<Option<Timestamp>, Error> {
        self.guarded(|log| meta::as_of(&log.records.db))
    }

    /// # Errors
    /// Any fault of the file.
    pub fn set_as_of(&mut self, at: Timestamp) -> Result<(), Error> {
        self.guarded(|log| meta::set_as_of(&log.records.db, at))
    }

    /// Makes the index in memory that searches, filters and counts need, so that the first of them need not wait: about
    /// a second for a million calls. An unfiltered page does without.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn warm(&mut self) -> Result<(), Error> {
        self.guarded(|log| log.records.index(&log.mine).map(drop))
    }

    /// At most `limit` calls that fit the filter, newest first, from the place where an earlier page ended.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn page(&mut self, filter: &Filter, from: Option<Place>, limit: u32) -> Result<Page, Error> {
        self.guarded(|log| log.records.page(filter, from, limit, &log.mine))
    }

    /// How many calls there would be with each choice of each filter.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn counts(&mut self, filter: &Filter) -> Result<Counts, Error> {
        self.guarded(|log| log.records.counts(filter, &log.mine))
    }

    /// One record, whole, as the exchange has it.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn details(&mut self, call: &CallId) -> Result<Option<CallRecord>, Error> {
        self.guarded(|log| log.records.details(call))
    }

    /// One call as a list shows it.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn row(&mut self, call: &CallId) -> Result<Option<Row>, Error> {
        self.guarded(|log| match calls::find(&log.records.db, call)? {
            Some((row, _)) => log.records.row_of(row, &log.mine).map(Some),
            None => Ok(None),
        })
    }

    /// Keeps what a person put on a call until the exchange has it. On the disk when this returns, and no draft any more.
    /// `base` is the revision that they saw, 0 if there was none.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn write_remarks(
        &mut self,
        call: &CallId,
        base: u32,
        note: &str,
        disposition: Option<&DispositionId>,
        at: Timestamp,
    ) -> Result<(), Error> {
        // While a conflict is open, writing on does not close it.
        let theirs = self.mine.unsent_of(call).and_then(|unsent| unsent.theirs.clone());
        self.change_mine(Unsent {
            call: call.clone(),
            base,
            note: note.to_owned(),
            disposition: disposition.cloned(),
            at,
            theirs: theirs.filter(|theirs| theirs.revision > base),
        })?;
        self.forget_draft(call)
    }

    /// Keeps what a person has typed so far, for when the app is started again.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn keep_draft(&mut self, draft: &Draft) -> Result<(), Error> {
        drafts::keep(&self.mine.db, draft)
    }

    /// # Errors
    /// Any fault of the file.
    pub fn draft(&self, call: &CallId) -> Result<Option<Draft>, Error> {
        drafts::get(&self.mine.db, call)
    }

    /// # Errors
    /// Any fault of the file.
    pub fn forget_draft(&mut self, call: &CallId) -> Result<(), Error> {
        drafts::forget(&self.mine.db, call)
    }

    /// The call's voicemail was listened to: kept until the exchange has been told.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn note_heard(&mut self, call: &CallId) -> Result<(), Error> {
        heard::put(&self.mine.db, call)
    }

    /// Of which calls the exchange has still to be told that their voicemail was listened to.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn heard(&self) -> Result<Vec<CallId>, Error> {
        heard::all(&self.mine.db)
    }

    /// The exchange has been told.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn told_heard(&mut self, call: &CallId) -> Result<(), Error> {
        heard::forget(&self.mine.db, call)
    }

    /// What the exchange does not have yet, oldest first; those with `theirs` wait for [`CallLog::resolve`].
    #[must_use]
    pub fn unsent(&self) -> Vec<Unsent> {
        self.mine.unsent()
    }

    /// What this person wrote on the call, if the exchange does not have it yet.
    #[must_use]
    pub fn unsent_of(&self, call: &CallId) -> Option<&Unsent> {
        self.mine.unsent_of(call)
    }

    /// The exchange has taken remarks of this desk and answered with these. What was written since stays unsent.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn sent(&mut self, call: &CallId, taken: &Remarks) -> Result<(), Error> {
        if let Some(unsent) = self.mine.unsent_of(call) {
            if unsent.note == taken.note && unsent.disposition == taken.disposition {
                self.mine.forget(call)?;
            } else {
                self.mine.write(Unsent { base: taken.revision, ..unsent.clone() })?;
            }
        }
        self.guarded(|log| log.records.put_remarks(call, taken, &log.mine))
    }

    /// The exchange has refused remarks of this desk because somebody else wrote others: both are kept.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn refused(&mut self, call: &CallId, theirs: &Remarks) -> Result<(), Error> {
        if let Some(unsent) = self.mine.unsent_of(call) {
            self.mine.write(Unsent { theirs: Some(theirs.clone()), ..unsent.clone() })?;
        }
        self.guarded(|log| log.records.put_remarks(call, theirs, &log.mine))
    }

    /// What the person decided of a conflict. Without one, nothing happens.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn resolve(&mut self, call: &CallId, resolution: Resolution) -> Result<(), Error> {
        let Some(unsent) = self.mine.unsent_of(call) else { return Ok(()) };
        let Some(theirs) = &unsent.theirs else { return Ok(()) };
        match resolution {
            Resolution::Mine => {
                let again = Unsent { base: theirs.revision, theirs: None, ..unsent.clone() };
                self.change_mine(again)
            }
            Resolution::Theirs => self.give_up(call),
        }
    }

    /// Gives up what was written here and the exchange does not have.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn give_up(&mut self, call: &CallId) -> Result<(), Error> {
        self.mine.forget(call)?;
        self.guarded(|log| log.records.refresh(call, &log.mine))
    }

    /// Saved views, by name.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn views(&self) -> Result<Vec<SavedView>, Error> {
        self.mine.views()
    }

    /// Saves a view, in place of one of the same name.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn save_view(&mut self, view: &SavedView) -> Result<(), Error> {
        self.mine.save_view(view)
    }

    /// # Errors
    /// Any fault of the file.
    pub fn remove_view(&mut self, name: &str) -> Result<(), Error> {
        self.mine.remove_view(name)
    }

    /// How this person likes the list's columns; nothing, at first.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn columns(&self) -> Result<Vec<Column>, Error> {
        columns::all(&self.mine.db)
    }

    /// # Errors
    /// Any fault of the file; what was chosen before stays then.
    pub fn set_columns(&mut self, columns: &[Column]) -> Result<(), Error> {
        columns::put(&mut self.mine.db, columns)
    }

    /// Keeps the sound of a call's voicemail, together at most [`MAX_SOUND_BYTES`]; the ones kept longest go first, and each
    /// goes with its record. Answers whether it is kept: not if the call is not here or the sound is too long.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn keep_sound(&mut self, call: &CallId, bytes: &[u8]) -> Result<bool, Error> {
        self.guarded(|log| {
            let Some((row, _)) = calls::find(&log.records.db, call)? else { return Ok(false) };
            let tx = log.records.db.transaction()?;
            let kept = sounds::put(&tx, row, bytes, MAX_SOUND_BYTES)?;
            tx.commit()?;
            Ok(kept)
        })
    }

    /// # Errors
    /// Any fault of the file.
    pub fn sound(&mut self, call: &CallId) -> Result<Option<Vec<u8>>, Error> {
        self.guarded(|log| match calls::find(&log.records.db, call)? {
            Some((row, _)) => sounds::get(&log.records.db, row),
            None => Ok(None),
        })
    }

    /// Forgets all records and how far they were followed. Unsent remarks and views stay.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn wipe(&mut self) -> Result<(), Error> {
        self.records.empty()
    }

    /// Closes the log and removes all its files, unsent remarks and views too: this person leaves this machine.
    ///
    /// # Errors
    /// [`Error::Open`] if a file can't be removed.
    pub fn remove(self) -> Result<(), Error> {
        let path = self.records.path().to_owned();
        drop(self);
        for file in [path.clone(), open::with(&path, ".mine")] {
            open::remove(&file).map_err(|source| Error::Open { path: file, source })?;
        }
        Ok(())
    }

    fn change_mine(&mut self, unsent: Unsent) -> Result<(), Error> {
        let call = unsent.call.clone();
        self.mine.write(unsent)?;
        self.guarded(|log| log.records.refresh(&call, &log.mine))
    }

    /// Damage is written down so that the next opening puts the file aside; after any other fault, memory is made anew.
    pub(crate) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let done = work(self);
        match &done {
            Ok(_) | Err(Error::Export(_) | Error::Newer { .. } | Error::Open { .. }) => {}
            Err(Error::Damaged { .. }) => open::suspect(self.records.path()),
            Err(Error::DiskFull | Error::OutOfRange { .. } | Error::Database(_)) => {
                if let Err(Error::Damaged { .. }) = self.records.reload() {
                    open::suspect(self.records.path());
                }
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use protocol::{CallOutcome, Direction, Party, Reason};

    fn record(n: u64) -> CallRecord {
        CallRecord {
            id: CallId(format!("c{n}")),
            seq: n + 1,
            direction: Direction::Inbound,
            caller: Party { name: format!("Caller {n}"), number: format!("+4420{n:08}") },
            dialled: "+442079460200".into(),
            department: None,
            agents: vec![],
            started_at: Timestamp(n),
            answered_at: None,
            ended_at: Timestamp(n + 9),
            outcome: CallOutcome::Missed,
            ended_because: Reason::CallerGone,
            journey: vec![],
            audit: vec![],
            voicemail: None,
            remarks: None,
            quality: vec![],
        }
    }

    #[test]
    fn a_full_disk_is_said_and_survived() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = CallLog::open(&dir.path().join("calls")).unwrap().log;
        log.keep(&[record(0)], true).unwrap();
        log.warm().unwrap();
        let pages: u32 = log.records.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        log.records.db.pragma_update(None, "max_page_count", pages + 4).unwrap();
        let many: Vec<CallRecord> = (1..3_000).map(record).collect();
        let full = log.keep(&many, true);
        assert!(matches!(full, Err(Error::DiskFull)), "{full:?}");
        assert!(full.unwrap_err().to_string().contains("make room"));
        let found = |log: &mut CallLog, text: &str| {
            log.page(&Filter { text: text.into(), ..Filter::default() }, None, 9_000).unwrap().rows.len()
        };
        assert_eq!((found(&mut log, "caller"), found(&mut log, "2999")), (1, 0));

        log.records.db.pragma_update(None, "max_page_count", 100_000).unwrap();
        log.keep(&many, true).unwrap();
        assert_eq!((found(&mut log, "caller"), found(&mut log, "2999")), (3_000, 1));
    }
}
