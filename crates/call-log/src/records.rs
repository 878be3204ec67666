//! The file of records with what is kept of it in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use protocol::{CallId, CallRecord, Remarks};
use rusqlite::Connection;

use crate::atoms::Atoms;
use crate::calls::{Columns, Summaries};
use crate::index::{Hit, Index, Search};
use crate::mine::{Mine, Unsent};
use crate::notes::Notes;
use crate::parties::Parties;
use crate::people::{Named, People};
use crate::row::Row;
use crate::terms::{self, Query};
use crate::{Counts, Error, Filter, Page, Place, calls, details, marks, meta, notes, open, parties, sounds};

pub(crate) struct Records {
    path: PathBuf,
    pub db: Connection,
    pub atoms: Atoms,
    parties: Parties,
    /// Made when it is first needed.
    index: Option<Index>,
}

/// What a record did to the tables.
pub(crate) struct Put {
    id: CallId,
    /// The row it had before, if that was another.
    left: Option<i64>,
    columns: Columns,
    notes: Notes,
}

impl Records {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let db = open::prepare(path)?;
        let atoms = Atoms::load(&db)?;
        Ok(Self { path: path.to_owned(), db, atoms, parties: Parties::default(), index: None })
    }

    /// Removes all records, by starting a new file: nothing of them stays in unused pages.
    pub fn empty(&mut self) -> Result<(), Error> {
        self.forget_memory();
        self.db = Connection::open_in_memory()?; // closes the file
        open::remove(&self.path).map_err(|source| Error::Open { path: self.path.clone(), source })?;
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// After a change that failed, memory may hold what the file does not.
    pub fn reload(&mut self) -> Result<(), Error> {
        self.forget_memory();
        self.atoms = Atoms::load(&self.db)?;
        Ok(())
    }

    fn forget_memory(&mut self) {
        self.index = None;
        self.atoms = Atoms::default();
        self.parties = Parties::default();
    }

    fn summaries(&self) -> Summaries<'_> {
        Summaries { db: &self.db, atoms: &self.atoms, parties: &self.parties }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn keep(&mut self, records: &[CallRecord], advance: bool, mine: &Mine) -> Result<(), Error> {
        let complete_from = meta::complete_from(&self.db)?;
        let tx = self.db.transaction()?;
        let mut done = Vec::new();
        for record in records {
            // What was removed to save room must not come back with a late change.
            let removed = complete_from.is_some_and(|from| record.started_at < from);
            if removed && calls::find(&tx, &record.id)?.is_none() {
                continue;
            }
            done.extend(put(&tx, &mut self.atoms, record)?);
        }
        let newest = records.iter().map(|record| record.seq).max();
        if let (true, Some(seq), Some(cursor)) = (advance, newest, meta::cursor(&tx)?)
            && seq > cursor.seq
        {
            meta::set_seq(&tx, seq)?;
        }
        tx.commit()?;
        self.index_all(done, mine)
    }

    /// Puts remarks that the exchange has answered with into the kept record, until the record itself comes.
    pub fn put_remarks(&mut self, call: &CallId, remarks: &Remarks, mine: &Mine) -> Result<(), Error> {
        let Some(mut record) = self.details(call)? else { return Ok(()) };
        if record.remarks.as_ref().is_none_or(|kept| kept.revision < remarks.revision) {
            record.remarks = Some(remarks.clone());
            let tx = self.db.transaction()?;
            let done = replace(&tx, &mut self.atoms, &record)?;
            tx.commit()?;
            return self.index_all(vec![done], mine);
        }
        self.refresh(call, mine)
    }

    /// Looks at the call anew, after a change of the remarks that are not sent.
    pub fn refresh(&mut self, call: &CallId, mine: &Mine) -> Result<(), Error> {
        let Some((row, _)) = calls::find(&self.db, call)? else { return Ok(()) };
        if self.index.is_some() {
            let (columns, notes) = (calls::columns(&self.db, row)?, notes::get(&self.db, row)?);
            self.index_all(vec![Put { id: call.clone(), left: None, columns, notes }], mine)?;
        }
        Ok(())
    }

    pub fn page(&mut self, filter: &Filter, from: Option<Place>, limit: u32, mine: &Mine) -> Result<Page, Error> {
        let before = from.map_or(i64::MAX, |place| place.0);
        let limit_and_one = limit.saturating_add(1); // one more tells whether there is more
        let query = terms::parse(&filter.text);
        let everything = *filter == Filter::default();
        let found = if everything { None } else { Some(self.find(filter, &query, before, limit_and_one, mine)?) };
        if found.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        // The file is locked once, not for each statement.
        let _reading = self.db.unchecked_transaction()?;
        let summaries = match &found {
            None => self.summaries().newest(before, limit_and_one)?,
            Some(hits) => self.summaries().all(&hits.iter().map(|hit| hit.row).collect::<Vec<_>>())?,
        };
        let more = summaries.len() > limit as usize;
        let mut seen = marks::Seen::default();
        let mut page = Page { rows: Vec::with_capacity(summaries.len()), next: None };
        for (at, mut summary) in summaries.into_iter().take(limit as usize).enumerate() {
            page.next = more.then_some(Place(summary.row));
            let told = std::mem::take(&mut summary.notes.told);
            let mut row = shown(summary, mine);
            if let (Query::All(terms), Some(hit)) = (&query, found.as_ref().and_then(|hits| hits.get(at))) {
                marks::mark(&mut row, &told, terms, (hit.found_in, &mut seen));
            }
            page.rows.push(row);
        }
        Ok(page)
    }

    /// The rows that pass, newest first.
    pub fn find(
        &mut self,
        filter: &Filter,
        query: &Query,
        before: i64,
        limit: u32,
        mine: &Mine,
    ) -> Result<Vec<Hit>, Error> {
        let (index, atoms) = self.index(mine)?;
        Ok(Search::new(index, atoms, filter, query).page(before, limit as usize))
    }

    pub fn counts(&mut self, filter: &Filter, mine: &Mine) -> Result<Counts, Error> {
        let query = terms::parse(&filter.text);
        let (index, atoms) = self.index(mine)?;
        Search::new(index, atoms, filter, &query).counts(index, atoms)
    }

    pub fn details(&self, call: &CallId) -> Result<Option<CallRecord>, Error> {
        let _reading = self.db.unchecked_transaction()?;
        let Some((row, _)) = calls::find(&self.db, call)? else { return Ok(None) };
        self.record(row).map(Some)
    }

    pub fn record(&self, row: i64) -> Result<CallRecord, Error> {
        details::get(&self.db, &self.atoms, self.summaries().one(row)?)
    }

    pub fn row_of(&self, row: i64, mine: &Mine) -> Result<Row, Error> {
        let summary = self.summaries().one(row)?;
        Ok(shown(summary, mine))
    }

    /// Makes the index if it is not there.
    pub fn index(&mut self, mine: &Mine) -> Result<(&mut Index, &Atoms), Error> {
        let index = match self.index.take().filter(|index| !index.is_worn()) {
            Some(index) => index,
            None => {
                let mut unsent: HashMap<i64, Unsent> = HashMap::new();
                for one in mine.unsent() {
                    if let Some((row, _)) = calls::find(&self.db, &one.call)? {
                        unsent.insert(row, one);
                    }
                }
                let atoms = &mut self.atoms;
                for one in unsent.values() {
                    one.disposition.as_ref().map(|id| atoms.intern(&self.db, id)).transpose()?;
                }
                Index::load(&self.db, (atoms, &self.parties), |columns, notes| {
                    if let Some(one) = unsent.get(&columns.row) {
                        overlay(atoms, columns, notes, one);
                    }
                })?
            }
        };
        Ok((self.index.insert(index), &self.atoms))
    }

    pub fn loaded_index(&mut self) -> Option<&mut Index> {
        self.index.as_mut()
    }

    fn index_all(&mut self, done: Vec<Put>, mine: &Mine) -> Result<(), Error> {
        let Some(index) = &mut self.index else { return Ok(()) };
        for Put { id, left, mut columns, mut notes } in done {
            if let Some(left) = left {
                index.remove(left);
            }
            let outside = People::unpack(&columns.people)?.named.into_iter().filter_map(|named| match named {
                Named::Party(party) => Some(party),
                Named::Atom(_) => None,
            });
            for party in [columns.caller, columns.dialled].into_iter().chain(outside) {
                if !index.knows_party(party) {
                    let known = parties::get(&self.db, party)?;
                    index.party(party, &known.name, &known.number);
                }
            }
            if let Some(unsent) = mine.unsent_of(&id) {
                unsent.disposition.as_ref().map(|id| self.atoms.intern(&self.db, id)).transpose()?;
                overlay(&self.atoms, &mut columns, &mut notes, unsent);
            }
            index.put(&self.atoms, &columns, &notes)?;
        }
        Ok(())
    }
}

fn shown(summary: calls::Summary, mine: &Mine) -> Row {
    let unsent = mine.unsent_of(&summary.id);
    Row::new(summary, unsent)
}

/// Writes the record if it is newer than what is kept; answers what that did.
pub(crate) fn put(db: &Connection, atoms: &mut Atoms, record: &CallRecord) -> Result<Option<Put>, Error> {
    match calls::find(db, &record.id)? {
        Some((_, seq)) if seq >= record.seq => Ok(None),
        Some(_) => replace(db, atoms, record).map(Some),
        None => insert(db, atoms, calls::place(db, record, None)?, None, record).map(Some),
    }
}

fn replace(db: &Connection, atoms: &mut Atoms, record: &CallRecord) -> Result<Put, Error> {
    let kept = calls::find(db, &record.id)?.map(|(row, _)| row);
    let row = calls::place(db, record, kept)?;
    let left = kept.filter(|kept| *kept != row);
    if let Some(kept) = kept {
        calls::remove(db, kept)?;
    }
    if let Some(left) = left {
        sounds::moved(db, left, row)?;
    }
    insert(db, atoms, row, left, record)
}

fn insert(db: &Connection, atoms: &mut Atoms, row: i64, left: Option<i64>, record: &CallRecord) -> Result<Put, Error> {
    let columns = calls::insert(db, atoms, row, record)?;
    details::put(db, atoms, row, record)?;
    let notes = calls::notes(record);
    notes::put(db, row, &notes)?;
    Ok(Put { id: record.id.clone(), left, columns, notes })
}

/// What this person wrote and the exchange does not have yet goes before what it has.
fn overlay(atoms: &Atoms, columns: &mut Columns, notes: &mut Notes, unsent: &Unsent) {
    notes.remark.clone_from(&unsent.note);
    columns.disposition = unsent.disposition.as_ref().and_then(|id| atoms.find(id));
}
