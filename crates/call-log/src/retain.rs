//! Removing the oldest calls, so that the log never fills the disk.

use protocol::Timestamp;
use rusqlite::Connection;

use crate::mine::{Mine, drafts};
use crate::records::Records;
use crate::{CallLog, Error, calls, meta, parties, sounds};

/// Calls removed in one step: a few milliseconds.
const STEP: u32 = 500;
/// Pages given back to the disk in one step.
const STEP_PAGES: u32 = 256;

/// How much a log may keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Calls that started longer ago go.
    pub max_age_ms: Option<u64>,
    /// Of the file of records, sounds with it. The oldest calls go until it is smaller.
    pub max_bytes: Option<u64>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    pub removed: u32,
    /// There is more to do: take another step when nothing else is waiting.
    pub more: bool,
    /// Of the time before this, only calls with remarks that are unsent, or begun, are here. `None`: the log has what the exchange has.
    pub complete_from: Option<Timestamp>,
}

impl CallLog {
    /// Takes one small step towards what may be kept. A call with remarks that are unsent, or begun, stays. What was
    /// removed does not come back by [`CallLog::keep`]; to have it again, [`CallLog::wipe`] the log and fetch.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn retain(&mut self, retention: &Retention, now: Timestamp) -> Result<Retained, Error> {
        self.guarded(|log| log.records.retain(retention, now, &log.mine))
    }
}

impl Records {
    fn retain(&mut self, retention: &Retention, now: Timestamp, mine: &Mine) -> Result<Retained, Error> {
        let oldest_kept = retention.max_age_ms.map(|age| Timestamp(now.0.saturating_sub(age)));
        let too_old = oldest_kept.map_or(i64::MIN, calls::first_near);
        let too_big = retention.max_bytes.is_some_and(|max| used(&self.db).is_ok_and(|used| used > max));
        let before = if too_big { i64::MAX } else { too_old };
        let rows = self.removable(before, mine)?;
        let removed = self.remove_all(&rows, oldest_kept)?;
        if removed > 0 || self.loaded_index().is_some() {
            self.remove_unnamed(mine)?;
        }
        let given_back = give_back(&self.db)?;
        let more = removed > 0 || given_back;
        if !more {
            // Only then is the file on the disk as small as what is in it.
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(Retained { removed, more, complete_from: meta::complete_from(&self.db)? })
    }

    fn removable(&self, before: i64, mine: &Mine) -> Result<Vec<i64>, Error> {
        let mut wanted = Vec::new();
        for call in mine.unsent().into_iter().map(|unsent| unsent.call).chain(drafts::calls(&mine.db)?) {
            wanted.extend(calls::find(&self.db, &call)?.map(|(row, _)| row));
        }
        let ask = STEP.saturating_add(u32::try_from(wanted.len()).unwrap_or(u32::MAX));
        let mut rows = calls::oldest(&self.db, before, ask)?;
        rows.retain(|row| !wanted.contains(row));
        rows.truncate(STEP as usize);
        Ok(rows)
    }

    fn remove_all(&mut self, rows: &[i64], oldest_kept: Option<Timestamp>) -> Result<u32, Error> {
        let Some(last) = rows.last() else { return Ok(0) };
        let tx = self.db.transaction()?;
        for row in rows {
            calls::remove(&tx, *row)?;
            sounds::remove(&tx, *row)?;
        }
        let from = calls::started_at(*last).plus_ms(1).max(oldest_kept.unwrap_or_default());
        if meta::complete_from(&tx)?.is_none_or(|before| before < from) {
            meta::set_complete_from(&tx, from)?;
        }
        tx.commit()?;
        if let Some(index) = self.loaded_index() {
            index.remove_oldest(rows);
        }
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }

    /// Removes names and numbers that no call has any more.
    fn remove_unnamed(&mut self, mine: &Mine) -> Result<(), Error> {
        let (index, _) = self.index(mine)?;
        let unnamed: Vec<u32> = index.parties().filter(|party| !index.names(*party)).collect();
        let tx = self.db.transaction()?;
        for party in &unnamed {
            parties::remove(&tx, *party)?;
        }
        tx.commit()?;
        if let Some(index) = self.loaded_index() {
            unnamed.into_iter().for_each(|party| index.forget_party(party));
        }
        Ok(())
    }
}

/// Bytes of the file that hold something.
fn used(db: &Connection) -> Result<u64, Error> {
    let number = |pragma: &str| db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, u64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}

/// Gives unused pages back to the disk; answers whether there are more.
fn give_back(db: &Connection) -> Result<bool, Error> {
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(db.query_row("PRAGMA freelist_count", [], |row| row.get::<_, u64>(0))? > 0)
}
