//! Table `parties`: who called and who was called, each name with its number once.

use std::cell::RefCell;

use protocol::Party;
use rusqlite::{Connection, OptionalExtension};

use crate::Error;

/// `AUTOINCREMENT`: a number that was given up is never given to somebody else while the index may still name it.
pub(crate) const SCHEMA: &str = "
CREATE TABLE parties (
    party INTEGER PRIMARY KEY AUTOINCREMENT,
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (number, name)
) STRICT;
";

/// The party's place in the table, and whether it is new there.
pub(crate) fn intern(db: &Connection, number: &str, name: &str) -> Result<(u32, bool), Error> {
    let known: Option<u32> = db
        .prepare_cached("SELECT party FROM parties WHERE number = ?1 AND name = ?2")?
        .query_row((number, name), |row| row.get(0))
        .optional()?;
    if let Some(party) = known {
        return Ok((party, false));
    }
    db.prepare_cached("INSERT INTO parties (number, name) VALUES (?1, ?2)")?.execute((number, name))?;
    let party = u32::try_from(db.last_insert_rowid()).map_err(|_| Error::damaged("too many parties".into()))?;
    Ok((party, true))
}

pub(crate) fn get(db: &Connection, party: u32) -> Result<Party, Error> {
    let found = db
        .prepare_cached("SELECT name, number FROM parties WHERE party = ?1")?
        .query_row([party], |row| Ok(Party { name: row.get(0)?, number: row.get(1)? }))
        .optional()?;
    found.ok_or_else(|| Error::damaged(format!("a call names party {party}, which is not there")))
}

pub(crate) fn remove(db: &Connection, party: u32) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM parties WHERE party = ?1")?.execute([party])?;
    Ok(())
}

/// The table in memory: what was read of it so far. What a party's number means never changes.
#[derive(Debug, Default)]
pub(crate) struct Parties(RefCell<Texts>);

#[derive(Debug, Default)]
struct Texts {
    /// Name and number of one after the other.
    text: String,
    /// By party: where its name begins, where its number does, and where that ends; all 0 if it was not read.
    at: Vec<[u32; 3]>,
}

impl Parties {
    pub fn get(&self, db: &Connection, party: u32) -> Result<Party, Error> {
        if let Some(known) = self.0.borrow().get(party) {
            return Ok(known);
        }
        let read = get(db, party)?;
        self.know(party, &read.name, &read.number);
        Ok(read)
    }

    pub fn know(&self, party: u32, name: &str, number: &str) {
        let Texts { text, at } = &mut *self.0.borrow_mut();
        let place = party as usize;
        if at.len() <= place {
            at.resize(place + 1, [0; 3]);
        }
        // Beyond four gigabytes it is read each time.
        if at[place] == [0; 3] && u32::try_from(text.len() + name.len() + number.len()).is_ok() {
            let from = text.len() as u32;
            text.push_str(name);
            text.push_str(number);
            at[place] = [from, from + name.len() as u32, text.len() as u32];
        }
    }
}

impl Texts {
    fn get(&self, party: u32) -> Option<Party> {
        let [name, number, end] = self.at.get(party as usize).filter(|at| **at != [0; 3])?.map(|at| at as usize);
        Some(Party { name: self.text[name..number].to_owned(), number: self.text[number..end].to_owned() })
    }
}
