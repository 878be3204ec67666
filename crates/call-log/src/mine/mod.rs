//! What only this machine has, in a small file of its own: remarks and listenings that the exchange does not have yet, drafts
//! of remarks, saved views, and how the list's columns are liked.
//!
//! Nothing that happens to the records touches it. Every change is on the disk when the call returns.

pub(crate) mod columns;
pub(crate) mod drafts;
pub(crate) mod heard;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use protocol::{CallId, DispositionId, Remarks, Timestamp};
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::{Error, Filter, open};

const SCHEMA_1: &str = "
CREATE TABLE remarks (
    call TEXT PRIMARY KEY,
    base INTEGER NOT NULL,
    note TEXT NOT NULL,
    disposition TEXT,
    at INTEGER NOT NULL,
    theirs TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE views (name TEXT PRIMARY KEY, filter TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Never edit an entry that was released; add one.
static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    let later = [drafts::SCHEMA, heard::SCHEMA, columns::SCHEMA].map(M::up);
    Migrations::new([M::up(SCHEMA_1)].into_iter().chain(later).collect())
});

/// Remarks that a person wrote here and the exchange does not have yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Unsent {
    pub call: CallId,
    /// The revision that the person saw; 0 if there was none.
    pub base: u32,
    pub note: String,
    pub disposition: Option<DispositionId>,
    pub at: Timestamp,
    /// What somebody else wrote meanwhile. While it is here, nothing is to be sent: the person decides first.
    pub theirs: Option<Remarks>,
}

/// A filter that a person gave a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SavedView {
    pub name: String,
    pub filter: Filter,
}

pub(crate) struct Mine {
    pub db: Connection,
    unsent: HashMap<CallId, Unsent>,
}

impl Mine {
    /// Opens the file; a damaged one is put aside, and what of it can still be read is kept.
    pub fn open(path: &Path) -> Result<(Self, Option<PathBuf>), Error> {
        match Self::prepare(path) {
            Err(Error::Damaged { .. }) => {
                let aside = open::set_aside(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
                salvage(&aside, &Self::prepare(path)?.db);
                let mine = Self::prepare(path).or_else(|_| {
                    // What was saved of it is itself no good.
                    open::remove(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
                    Self::prepare(path)
                })?;
                Ok((mine, Some(aside)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn prepare(path: &Path) -> Result<Self, Error> {
        let mut db = open::connect(path)?;
        // What a person wrote is there only once.
        db.pragma_update(None, "synchronous", "FULL")?;
        open::check(&db)?;
        open::migrate(&mut db, &MIGRATIONS, path)?;
        let unsent = read_unsent(&db)?.into_iter().map(|unsent| (unsent.call.clone(), unsent)).collect();
        read_views(&db)?;
        Ok(Self { db, unsent })
    }

    pub fn unsent_of(&self, call: &CallId) -> Option<&Unsent> {
        self.unsent.get(call)
    }

    /// Oldest first.
    pub fn unsent(&self) -> Vec<Unsent> {
        let mut all: Vec<Unsent> = self.unsent.values().cloned().collect();
        all.sort_by(|a, b| (a.at, &a.call).cmp(&(b.at, &b.call)));
        all
    }

    pub fn write(&mut self, unsent: Unsent) -> Result<(), Error> {
        let theirs = unsent.theirs.as_ref().map(serde_json::to_string).transpose();
        self.db.execute(
            "INSERT OR REPLACE INTO remarks (call, base, note, disposition, at, theirs)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                unsent.call.as_str(),
                unsent.base,
                &unsent.note,
                unsent.disposition.as_ref().map(DispositionId::as_str),
                i64::try_from(unsent.at.0).map_err(|_| Error::OutOfRange { field: "at", value: unsent.at.0 })?,
                theirs.map_err(|error| Error::damaged(error.to_string()))?,
            ),
        )?;
        self.unsent.insert(unsent.call.clone(), unsent);
        Ok(())
    }

    pub fn forget(&mut self, call: &CallId) -> Result<(), Error> {
        self.db.execute("DELETE FROM remarks WHERE call = ?1", [call.as_str()])?;
        self.unsent.remove(call);
        Ok(())
    }

    pub fn views(&self) -> Result<Vec<SavedView>, Error> {
        read_views(&self.db)
    }

    pub fn save_view(&self, view: &SavedView) -> Result<(), Error> {
        let filter = serde_json::to_string(&view.filter).map_err(|error| Error::damaged(error.to_string()))?;
        self.db.execute("INSERT OR REPLACE INTO views (name, filter) VALUES (?1, ?2)", (&view.name, filter))?;
        Ok(())
    }

    pub fn remove_view(&self, name: &str) -> Result<(), Error> {
        self.db.execute("DELETE FROM views WHERE name = ?1", [name])?;
        Ok(())
    }
}

fn read_unsent(db: &Connection) -> Result<Vec<Unsent>, Error> {
    let mut statement = db.prepare("SELECT call, base, note, disposition, at, theirs FROM remarks")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let theirs: Option<String> = row.get(5)?;
        all.push(Unsent {
            call: CallId(row.get(0)?),
            base: row.get(1)?,
            note: row.get(2)?,
            disposition: row.get::<_, Option<String>>(3)?.map(DispositionId),
            at: Timestamp(row.get(4)?),
            // If it can't be read, the exchange refuses ours again and says theirs again.
            theirs: theirs.and_then(|json| serde_json::from_str(&json).ok()),
        });
    }
    Ok(all)
}

fn read_views(db: &Connection) -> Result<Vec<SavedView>, Error> {
    let mut statement = db.prepare("SELECT name, filter FROM views ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        // One that can't be read is not worth the others.
        if let Ok(filter) = serde_json::from_str(&row.get::<_, String>(1)?) {
            all.push(SavedView { name: row.get(0)?, filter });
        }
    }
    Ok(all)
}

/// Copies what can be read, row by row, until something can't.
fn salvage(from: &Path, to: &Connection) {
    let Ok(old) = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return };
    for (read, write) in [
        (
            "SELECT call, base, note, disposition, at, theirs FROM remarks",
            "INSERT OR IGNORE INTO remarks VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        ),
        ("SELECT name, filter FROM views", "INSERT OR IGNORE INTO views VALUES (?1, ?2)"),
        ("SELECT call, base, note, disposition FROM drafts", "INSERT OR IGNORE INTO drafts VALUES (?1, ?2, ?3, ?4)"),
        ("SELECT call FROM heard", "INSERT OR IGNORE INTO heard VALUES (?1)"),
        ("SELECT id, shown, width FROM columns", "INSERT OR IGNORE INTO columns VALUES (?1, ?2, ?3)"),
    ] {
        let Ok(mut statement) = old.prepare(read) else { continue };
        let Ok(mut rows) = statement.query([]) else { continue };
        let columns = write.matches('?').count();
        while let Ok(Some(row)) = rows.next() {
            let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect::<Result<Vec<_>, _>>();
            // A row of the wrong kind is what the damage left of it.
            let _refused = values.and_then(|values| to.execute(write, rusqlite::params_from_iter(values)));
        }
    }
}
