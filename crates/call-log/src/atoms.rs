//! Table `atoms`: what recurs in the records of an account (people, departments, words of the protocol, shapes of its
//! objects), each kept once and named by a small number.

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::Value;

use crate::Error;

pub(crate) const SCHEMA: &str = "CREATE TABLE atoms (atom INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;";

/// An account has a few thousand; more would be a sender that never repeats itself, and is not worth remembering.
const MAX_VALUES: usize = 50_000;
/// Only a damaged file has its atoms further apart.
const MAX_GAP: usize = 1 << 20;

#[derive(Debug)]
enum Atom {
    Value(Value),
    /// A value that is an object with `id` and `name`: those two once more, as lists want them.
    Somebody(Value, String, String),
    /// The names of an object's fields.
    Shape(Vec<String>),
}

/// The table, in memory.
#[derive(Debug, Default)]
pub(crate) struct Atoms {
    by_text: HashMap<String, u32>,
    /// By number.
    all: Vec<Option<Atom>>,
    /// Where a value is written out to be looked up.
    buffer: Vec<u8>,
}

impl Atoms {
    pub fn load(db: &Connection) -> Result<Self, Error> {
        let mut atoms = Self::default();
        let mut statement = db.prepare("SELECT atom, text FROM atoms")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            atoms.remember(row.get(0)?, row.get(1)?)?;
        }
        Ok(atoms)
    }

    /// The number of a value that may recur; `None` if there are too many already.
    pub fn value(&mut self, db: &Connection, value: &Value) -> Result<Option<u32>, Error> {
        if self.all.len() >= MAX_VALUES {
            return Ok(self.by_text.get(&value.to_string()).copied());
        }
        self.intern(db, value).map(Some)
    }

    /// The number of a value that a column names, however many there are.
    pub fn intern(&mut self, db: &Connection, value: &impl serde::Serialize) -> Result<u32, Error> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, value).map_err(|error| Error::damaged(error.to_string()))?;
        let text = std::str::from_utf8(&self.buffer).map_err(|error| Error::damaged(error.to_string()))?;
        match self.by_text.get(text) {
            Some(atom) => Ok(*atom),
            None => self.add(db, text.to_owned()),
        }
    }

    /// A user or a department that a column names, as id and name.
    pub fn somebody(&self, atom: u32) -> Result<(String, String), Error> {
        match self.get(atom) {
            Some(Atom::Somebody(_, id, name)) => Ok((id.clone(), name.clone())),
            Some(Atom::Value(_) | Atom::Shape(_)) | None => Err(missing(atom)),
        }
    }

    pub fn find(&self, value: &impl serde::Serialize) -> Option<u32> {
        self.by_text.get(&serde_json::to_string(value).ok()?).copied()
    }

    /// What a column names.
    pub fn read<T: serde::de::DeserializeOwned>(&self, atom: u32) -> Result<T, Error> {
        T::deserialize(self.get_value(atom)?).map_err(|error| Error::damaged(format!("atom {atom}: {error}")))
    }

    pub fn shape(&mut self, db: &Connection, names: &[&str]) -> Result<u32, Error> {
        let text = format!(",{}", names.join(","));
        match self.by_text.get(&text) {
            Some(atom) => Ok(*atom),
            None => self.add(db, text),
        }
    }

    pub fn get_value(&self, atom: u32) -> Result<&Value, Error> {
        match self.get(atom) {
            Some(Atom::Value(value) | Atom::Somebody(value, _, _)) => Ok(value),
            Some(Atom::Shape(_)) | None => Err(missing(atom)),
        }
    }

    pub fn get_shape(&self, atom: u32) -> Result<&[String], Error> {
        match self.get(atom) {
            Some(Atom::Shape(names)) => Ok(names),
            Some(Atom::Value(_) | Atom::Somebody(..)) | None => Err(missing(atom)),
        }
    }

    pub fn values(&self) -> impl Iterator<Item = (u32, &Value)> {
        (0..).zip(&self.all).filter_map(|(atom, kept)| match kept {
            Some(Atom::Value(value) | Atom::Somebody(value, _, _)) => Some((atom, value)),
            Some(Atom::Shape(_)) | None => None,
        })
    }

    fn get(&self, atom: u32) -> Option<&Atom> {
        self.all.get(atom as usize)?.as_ref()
    }

    fn add(&mut self, db: &Connection, text: String) -> Result<u32, Error> {
        db.prepare_cached("INSERT INTO atoms (text) VALUES (?1)")?.execute([&text])?;
        let atom = u32::try_from(db.last_insert_rowid()).map_err(|_| missing(u32::MAX))?;
        self.remember(atom, text)?;
        Ok(atom)
    }

    fn remember(&mut self, atom: u32, text: String) -> Result<(), Error> {
        let kept = match text.strip_prefix(',') {
            Some(names) => Atom::Shape(names.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect()),
            None => {
                let value: Value =
                    serde_json::from_str(&text).map_err(|error| Error::damaged(format!("atom {atom}: {error}")))?;
                let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
                match text("id").zip(text("name")) {
                    Some((id, name)) => Atom::Somebody(value, id, name),
                    None => Atom::Value(value),
                }
            }
        };
        if self.all.len() <= atom as usize {
            if atom as usize > self.all.len() + MAX_GAP {
                return Err(missing(atom)); // numbers have no such gaps
            }
            self.all.resize_with(atom as usize + 1, || None);
        }
        self.all[atom as usize] = Some(kept);
        self.by_text.insert(text, atom);
        Ok(())
    }
}

fn missing(atom: u32) -> Error {
    Error::damaged(format!("a record names atom {atom}, which is not there"))
}
