//! Column `calls.people`: who talked, in order, and whom else the journey names, as LEB128 numbers.

use protocol::{CallRecord, TargetRef};
use rusqlite::Connection;

use crate::atoms::Atoms;
use crate::{Error, calls, parties};

/// An atom, or a party that is an outside number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Atom(u32),
    Party(u32),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct People {
    /// Atoms of users.
    pub talked: Vec<u32>,
    pub named: Vec<Named>,
}

impl People {
    pub fn of(db: &Connection, atoms: &mut Atoms, record: &CallRecord) -> Result<Self, Error> {
        let talked = record.agents.iter().map(|user| atoms.intern(db, user)).collect::<Result<Vec<_>, _>>()?;
        let (targets, mailboxes) = calls::named(record);
        let mut named = Vec::new();
        for target in &targets {
            named.push(match target {
                TargetRef::User(user) if record.agents.contains(user) => continue,
                TargetRef::User(user) => Named::Atom(atoms.intern(db, user)?),
                TargetRef::Department(department) if record.department.as_ref() == Some(department) => continue,
                TargetRef::Department(department) => Named::Atom(atoms.intern(db, department)?),
                TargetRef::Outside { number } => Named::Party(parties::intern(db, number, "")?.0),
            });
        }
        for mailbox in mailboxes {
            named.push(Named::Atom(atoms.intern(db, &mailbox)?));
        }
        named.sort_by_key(|n| pack_named(*n));
        named.dedup();
        Ok(Self { talked, named })
    }

    pub fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(2 + 2 * (self.talked.len() + self.named.len()));
        put(&mut packed, self.talked.len() as u64);
        self.talked.iter().for_each(|atom| put(&mut packed, u64::from(*atom)));
        self.named.iter().for_each(|named| put(&mut packed, pack_named(*named)));
        packed
    }

    pub fn unpack(packed: &[u8]) -> Result<Self, Error> {
        let mut rest = packed;
        let talked = take_talked(&mut rest)?;
        let mut named = Vec::new();
        while !rest.is_empty() {
            let number = take(&mut rest)?;
            let place = u32::try_from(number >> 1).map_err(|_| broken())?;
            named.push(if number & 1 == 0 { Named::Atom(place) } else { Named::Party(place) });
        }
        Ok(Self { talked, named })
    }

    /// Only those who talked.
    pub fn talked(mut packed: &[u8]) -> Result<Vec<u32>, Error> {
        take_talked(&mut packed)
    }
}

fn take_talked(rest: &mut &[u8]) -> Result<Vec<u32>, Error> {
    let count = take(rest)?;
    (0..count).map(|_| u32::try_from(take(rest)?).map_err(|_| broken())).collect()
}

fn pack_named(named: Named) -> u64 {
    match named {
        Named::Atom(atom) => u64::from(atom) << 1,
        Named::Party(party) => u64::from(party) << 1 | 1,
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, left) = rest.split_first().ok_or_else(broken)?;
        *rest = left;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(broken())
}

fn broken() -> Error {
    Error::damaged("the people of a call can't be unpacked".into())
}
