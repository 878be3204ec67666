//! The account in memory: what a search, a filter or a count looks at, never the file.
//!
//! It is made from the file when it is first needed and follows every change after that; the file alone is the truth.
//! Rows have slots, in the order in which they came; a changed row gets a new slot. Measured against FTS5 in
//! docs/adr/0011.

mod bits;
mod counts;
mod postings;
mod query;
mod things;

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::Value;

use crate::atoms::Atoms;
use crate::calls::Columns;
use crate::notes::Notes;
use crate::parties::Parties;
use crate::people::{Named, People};
use crate::{Error, calls};
use bits::Bits;
use postings::Postings;
use things::Things;

pub(crate) use query::{Hit, Search, text};

/// A bit of the index's own beside [`calls::flag`]: the row has been removed, or has a newer slot.
const DEAD: u16 = 1 << 15;
const NO_NOTE: u32 = 0;
/// So many dead slots beside as many live ones, and the index is made anew.
const MAX_DEAD: usize = 20_000;

#[derive(Debug, Default)]
pub(crate) struct Index {
    things: Things,
    atoms: Bits,
    /// Who talked in a call, as atoms. With those it names they are its crew; most calls share theirs with others.
    talked: Vec<Box<[u32]>>,
    crew_of: HashMap<Box<[u8]>, u32>,
    /// By atom and by outside number: the crews that have it.
    crews_with_atom: HashMap<u32, Vec<u32>>,
    crews_with_party: HashMap<u32, Vec<u32>>,
    /// By note, from 1: the slot it belongs to.
    slot_of_note: Vec<u32>,
    dead: usize,
    /// All slots that live, oldest row first.
    order: Vec<u32>,
    /// Slots below this are in the order of their rows: those that were in the file when the index was made.
    settled: u32,
    // By slot.
    entries: Vec<Entry>,
    talk_ms: Vec<u32>,
    disposition: Vec<u32>,
    // By value: slots.
    caller: Postings,
    dialled: Postings,
    department: Postings,
    crew: Postings,
}

/// What a search looks at of one row, in half a cache line: rows found by a term lie apart.
#[derive(Debug)]
#[repr(align(32))]
struct Entry {
    row: i64,
    caller: u32,
    dialled: u32,
    /// 0 if it has none.
    department: u32,
    crew: u32,
    note: u32,
    flags: u16,
    /// [`u16::MAX`] if nothing was measured.
    score: u16,
}
const _: () = assert!(size_of::<Entry>() == 32);

impl Index {
    /// Reads all rows. `overlay` may change what it is told of a row: remarks not sent yet.
    pub fn load(
        db: &Connection,
        (atoms, known): (&Atoms, &Parties),
        mut overlay: impl FnMut(&mut Columns, &mut Notes),
    ) -> Result<Self, Error> {
        let mut index = Self { slot_of_note: vec![u32::MAX], ..Self::default() };
        index.reserve(db.query_row("SELECT count(*) FROM calls", [], |row| row.get(0))?);
        let mut statement = db.prepare("SELECT party, name, number FROM parties")?;
        let mut parties = statement.query([])?;
        while let Some(row) = parties.next()? {
            let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
            let (party, name, number) = (row.get(0)?, text(1)?, text(2)?);
            known.know(party, name, number);
            index.things.party(party, name, number);
        }
        let mut statement = db.prepare("SELECT row, told, remark FROM notes ORDER BY row")?;
        let mut notes = statement.query([])?;
        let mut next_note = None;
        let mut failed = Ok(());
        calls::each(db, |mut columns| {
            let note = loop {
                match &next_note {
                    Some((row, _)) if *row > columns.row => break None,
                    Some((row, _)) if *row == columns.row => break next_note.take().map(|(_, note)| note),
                    Some(_) | None => {}
                }
                match read_note(&mut notes) {
                    Ok(Some(note)) => next_note = Some(note),
                    Ok(None) => break None,
                    Err(error) => {
                        failed = Err(error);
                        break None;
                    }
                }
            };
            let mut note = note.unwrap_or_default();
            overlay(&mut columns, &mut note);
            if let Err(error) = index.put(atoms, &columns, &note) {
                failed = Err(error);
            }
        })?;
        index.settle();
        failed.map(|()| index)
    }

    /// Takes in a row, new or changed.
    pub fn put(&mut self, atoms: &Atoms, columns: &Columns, notes: &Notes) -> Result<(), Error> {
        self.remove(columns.row);
        let slot = self.entries.len() as u32;
        let crew = self.crew(atoms, &columns.people)?;
        if let Some(department) = columns.department {
            self.know_atom(atoms, department)?;
        }
        let note = self.add_note(slot, notes);
        let Columns { row, caller, dialled, flags, .. } = *columns;
        let department = columns.department.unwrap_or(0);
        let score = columns.score.unwrap_or(u16::MAX);
        self.entries.push(Entry { row, caller, dialled, department, crew, note, flags, score });
        self.caller.push(caller);
        self.dialled.push(dialled);
        self.department.push(department);
        self.crew.push(crew);
        self.talk_ms.push(u32::try_from(columns.talk_ms).unwrap_or(u32::MAX));
        self.disposition.push(columns.disposition.unwrap_or(0));
        let place = self.place(columns.row);
        self.order.insert(place, slot);
        Ok(())
    }

    pub fn party(&mut self, party: u32, name: &str, number: &str) {
        self.things.party(party, name, number);
    }

    pub fn knows_party(&self, party: u32) -> bool {
        self.things.knows_party(party)
    }

    pub fn remove(&mut self, row: i64) {
        let place = self.place(row);
        if self.order.get(place).is_some_and(|slot| self.entries[*slot as usize].row == row) {
            let slot = self.order.remove(place);
            self.bury(slot);
        }
    }

    /// Removes these rows, oldest first and among the oldest of all.
    pub fn remove_oldest(&mut self, rows: &[i64]) {
        let Some(last) = rows.last() else { return };
        let end = self.place(last.saturating_add(1));
        let oldest: Vec<u32> = self.order[..end].to_vec();
        let is_removed = |index: &Self, slot: &u32| rows.binary_search(&index.entries[*slot as usize].row).is_ok();
        let (removed, kept): (Vec<u32>, Vec<u32>) = oldest.into_iter().partition(|slot| is_removed(self, slot));
        removed.into_iter().for_each(|slot| self.bury(slot));
        self.order.splice(..end, kept);
    }

    fn bury(&mut self, slot: u32) {
        let entry = &mut self.entries[slot as usize];
        entry.flags |= DEAD;
        self.dead += 1;
        self.caller.discount(entry.caller);
        self.dialled.discount(entry.dialled);
        self.department.discount(entry.department);
        self.crew.discount(entry.crew);
    }

    /// Holds so much that is gone that it should be made anew.
    pub fn is_worn(&self) -> bool {
        self.dead > MAX_DEAD && self.dead > self.order.len()
    }

    /// Whether a call names the party.
    pub fn names(&self, party: u32) -> bool {
        let crews = self.crews_with_party.get(&party);
        self.caller.count(party) + self.dialled.count(party) > 0
            || crews.is_some_and(|crews| crews.iter().any(|crew| self.crew.count(*crew) > 0))
    }

    pub fn parties(&self) -> impl Iterator<Item = u32> {
        self.things.parties()
    }

    /// No call names the party, and it is not in the file any more.
    pub fn forget_party(&mut self, party: u32) {
        self.things.forget_party(party);
    }

    /// Where in `order` the row is, or would be.
    fn place(&self, row: i64) -> usize {
        // Almost always it is the newest.
        match self.order.last() {
            Some(slot) if self.entries[*slot as usize].row < row => self.order.len(),
            Some(_) | None => self.order.partition_point(|slot| self.entries[*slot as usize].row < row),
        }
    }

    fn crew(&mut self, atoms: &Atoms, packed: &[u8]) -> Result<u32, Error> {
        if let Some(crew) = self.crew_of.get(packed) {
            return Ok(*crew);
        }
        let people = People::unpack(packed)?;
        let crew = self.talked.len() as u32;
        for atom in &people.talked {
            self.know_atom(atoms, *atom)?;
            self.crews_with_atom.entry(*atom).or_default().push(crew);
        }
        for named in &people.named {
            match named {
                Named::Atom(atom) => {
                    self.know_atom(atoms, *atom)?;
                    self.crews_with_atom.entry(*atom).or_default().push(crew);
                }
                Named::Party(party) => self.crews_with_party.entry(*party).or_default().push(crew),
            }
        }
        self.talked.push(people.talked.into());
        self.crew_of.insert(packed.into(), crew);
        Ok(crew)
    }

    fn know_atom(&mut self, atoms: &Atoms, atom: u32) -> Result<(), Error> {
        if self.atoms.has(atom) {
            return Ok(());
        }
        let value = atoms.get_value(atom)?;
        let name = value.get("name").or(Some(value)).and_then(Value::as_str).unwrap_or_default();
        self.things.atom(atom, name);
        self.atoms.grow(atom);
        self.atoms.add(atom);
        Ok(())
    }

    fn add_note(&mut self, slot: u32, notes: &Notes) -> u32 {
        if notes.is_empty() {
            return NO_NOTE;
        }
        let note = self.slot_of_note.len() as u32;
        self.slot_of_note.push(slot);
        self.things.note(note, &notes.told);
        self.things.note(note, &notes.remark);
        note
    }

    fn reserve(&mut self, rows: usize) {
        self.order.reserve_exact(rows);
        self.entries.reserve_exact(rows);
        self.talk_ms.reserve_exact(rows);
        self.disposition.reserve_exact(rows);
    }

    fn settle(&mut self) {
        self.settled = self.entries.len() as u32;
        self.caller.settle(self.entries.iter().map(|entry| entry.caller));
        self.dialled.settle(self.entries.iter().map(|entry| entry.dialled));
        self.department.settle(self.entries.iter().map(|entry| entry.department));
        self.crew.settle(self.entries.iter().map(|entry| entry.crew));
    }
}

fn read_note(notes: &mut rusqlite::Rows<'_>) -> Result<Option<(i64, Notes)>, Error> {
    let Some(row) = notes.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, Notes { told: row.get(1)?, remark: row.get(2)? })))
}
