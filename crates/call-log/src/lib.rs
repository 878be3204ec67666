//! The desktop's own copy of the call records, readable with the network gone.
//!
//! One SQLite file per user and exchange. It is a cache: the exchange has the originals, so a damaged file is put aside
//! and filled again, and a change of the exchange's store empties it. Calls block; keep the log on a thread of its own.

mod calls;
mod meta;
mod open;
mod text;

use std::path::{Path, PathBuf};

use protocol::{CallId, CallOutcome, CallRecord, Direction, Timestamp};
use rusqlite::Connection;

pub use calls::{Page, Place};
pub use meta::Cursor;

/// The cache, open. Owned by one thread.
pub struct CallLog {
    db: Connection,
}

/// What [`CallLog::open`] found.
pub struct Opened {
    pub log: CallLog,
    /// Where the damaged file went that was here before; the log is new and empty then.
    pub set_aside: Option<PathBuf>,
}

/// Which calls a page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words that must all occur in names, numbers, departments or notes, anywhere in a word, in any case.
    pub text: String,
    pub outcome: Option<CallOutcome>,
    pub direction: Option<Direction>,
    /// Only calls that somebody transferred.
    pub transferred: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The call log {path} was written by a newer Patchcord. Update this app, or remove that file.")]
    Newer { path: PathBuf },
    #[error("The call log {path} can't be opened ({source}). Check that the folder can be written and has room.")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("The call log is damaged: {what}. It is put aside and filled again when it is next opened.")]
    Damaged { what: String },
    #[error("The exchange sent a call with {field} out of range: {value}.")]
    OutOfRange { field: &'static str, value: u64 },
    #[error("The call log can't be used: {0}. Check that the disk has room.")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { what: error.to_string() },
            _ => Self::Database(error),
        }
    }
}

impl CallLog {
    /// Opens the cache, making it if it is not there. A damaged file is renamed and reported, not lost.
    ///
    /// # Errors
    /// [`Error::Newer`] if a later version wrote it; [`Error::Open`] or [`Error::Database`] if the disk refuses.
    pub fn open(path: &Path) -> Result<Opened, Error> {
        open::open(path)
    }

    /// How far this cache follows the exchange; `None` before the first page.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn cursor(&self) -> Result<Option<Cursor>, Error> {
        meta::cursor(&self.db)
    }

    /// Says which store the coming records are from. If it is another one than before, the cache is emptied first.
    /// Answers the sequence number to go on from.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn follow(&mut self, store: &str) -> Result<u64, Error> {
        let tx = self.db.transaction()?;
        if let Some(cursor) = meta::cursor(&tx)? {
            if cursor.store == store {
                return Ok(cursor.seq);
            }
            calls::wipe(&tx)?;
            meta::wipe(&tx)?;
        }
        meta::set_cursor(&tx, &Cursor { store: store.to_owned(), seq: 0 })?;
        tx.commit()?;
        Ok(0)
    }

    /// Keeps records; of two with one id the one with the larger `seq` stays, in whatever order they come.
    /// With `advance`, the cursor moves to the largest `seq` kept: only right if nothing before it is missing.
    ///
    /// # Errors
    /// Any fault of the file; nothing is kept then.
    pub fn keep(&mut self, records: &[CallRecord], advance: bool) -> Result<(), Error> {
        let tx = self.db.transaction()?;
        for record in records {
            calls::upsert(&tx, record)?;
        }
        let newest = records.iter().map(|record| record.seq).max();
        if let (true, Some(seq), Some(cursor)) = (advance, newest, meta::cursor(&tx)?) {
            meta::set_cursor(&tx, &Cursor { seq: cursor.seq.max(seq), ..cursor })?;
        }
        tx.commit()?;
        Ok(())
    }

    /// When the cache was last equal to the exchange's records.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn as_of(&self) -> Result<Option<Timestamp>, Error> {
        meta::as_of(&self.db)
    }

    /// # Errors
    /// Any fault of the file.
    pub fn set_as_of(&mut self, at: Timestamp) -> Result<(), Error> {
        meta::set_as_of(&self.db, at)
    }

    /// At most `limit` records that fit the filter, newest first, from the place where an earlier page ended.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn page(&self, filter: &Filter, from: Option<&Place>, limit: u32) -> Result<Page, Error> {
        calls::page(&self.db, filter, from, limit)
    }

    /// One record, whole.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn details(&self, id: &CallId) -> Result<Option<CallRecord>, Error> {
        calls::details(&self.db, id)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn wipe(&mut self) -> Result<(), Error> {
        let tx = self.db.transaction()?;
        calls::wipe(&tx)?;
        meta::wipe(&tx)?;
        Ok(tx.commit()?)
    }
}
