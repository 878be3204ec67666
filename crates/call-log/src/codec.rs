//! What of a record no list shows, packed: any JSON, so that a record may grow fields without this noticing.
//!
//! Each value begins with one LEB128 number: its kind in the low four bits, above them a small payload (a length, an atom,
//! a number). People, departments and the protocol's words are atoms; a text that the record has said before is a
//! reference to it; a moment is its distance from the moment before; a hash is its bytes.

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::{Map, Number, Value};

use crate::Error;
use crate::atoms::Atoms;

/// Numbers from here on are moments in milliseconds (this is in 2004).
const MOMENTS: u64 = 1 << 40;
const HASH_HEX: usize = 64;
const MAX_ATOM_LEN: usize = 80;
/// More nesting than any record has.
const MAX_DEPTH: u32 = 32;

/// Fields whose texts come from the configuration or the protocol, so that they recur.
const RECURRING: [&str; 13] = [
    "event",
    "kind",
    "codec",
    "rule",
    "mailbox",
    "because",
    "reason",
    "action",
    "outcome",
    "ended_because",
    "user",
    "user_name",
    "disposition",
];

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Simple = 0,
    Positive,
    Negative,
    Float,
    Moment,
    Text,
    Again,
    Hash,
    Array,
    Object,
    Atom,
}

const KINDS: [Kind; 11] = [
    Kind::Simple,
    Kind::Positive,
    Kind::Negative,
    Kind::Float,
    Kind::Moment,
    Kind::Text,
    Kind::Again,
    Kind::Hash,
    Kind::Array,
    Kind::Object,
    Kind::Atom,
];

/// Packs a value. `said` are texts that the reader will know beforehand, `moment` the time it will count from.
pub(crate) fn pack(
    (db, atoms): (&Connection, &mut Atoms),
    said: &[&str],
    moment: u64,
    value: &Value,
) -> Result<Vec<u8>, Error> {
    let mut packer = Packer { db, atoms, said: HashMap::new(), moment, out: Vec::with_capacity(128) };
    said.iter().for_each(|text| packer.say(text));
    packer.value("", value)?;
    Ok(packer.out)
}

pub(crate) fn unpack<'a>(atoms: &'a Atoms, said: &[&'a str], moment: u64, packed: &'a [u8]) -> Result<Value, Error> {
    let mut unpacker = Unpacker { atoms, said: Vec::with_capacity(16), moment, rest: packed };
    said.iter().for_each(|text| unpacker.say(text));
    let value = unpacker.value(0)?;
    if unpacker.rest.is_empty() { Ok(value) } else { Err(broken()) }
}

struct Packer<'a> {
    db: &'a Connection,
    atoms: &'a mut Atoms,
    said: HashMap<String, u64>,
    moment: u64,
    out: Vec<u8>,
}

impl Packer<'_> {
    fn value(&mut self, field: &str, value: &Value) -> Result<(), Error> {
        match value {
            Value::Null => self.head(Kind::Simple, 0),
            Value::Bool(yes) => self.head(Kind::Simple, 1 + u64::from(*yes)),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(field, text, value)?,
            Value::Array(items) => {
                self.head(Kind::Array, items.len() as u64);
                for item in items {
                    self.value(field, item)?;
                }
            }
            Value::Object(fields) => self.object(fields, value)?,
        }
        Ok(())
    }

    fn number(&mut self, number: &Number) {
        if let Some(positive) = number.as_u64() {
            if positive < MOMENTS || positive > i64::MAX as u64 {
                return self.head(Kind::Positive, positive);
            }
            let distance = positive.cast_signed().wrapping_sub(self.moment.cast_signed());
            self.moment = positive;
            return self.head(Kind::Moment, zigzag(distance));
        }
        if let Some(negative) = number.as_i64() {
            return self.head(Kind::Negative, negative.unsigned_abs());
        }
        self.head(Kind::Float, 0);
        self.out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
    }

    fn text(&mut self, field: &str, text: &str, value: &Value) -> Result<(), Error> {
        if let Some(place) = self.said.get(text) {
            let place = *place;
            self.head(Kind::Again, place);
            return Ok(());
        }
        if let Some(bytes) = hash(text) {
            self.head(Kind::Hash, 0);
            self.out.extend(bytes);
            return Ok(());
        }
        if RECURRING.contains(&field)
            && text.len() <= MAX_ATOM_LEN
            && let Some(atom) = self.atoms.value(self.db, value)?
        {
            self.head(Kind::Atom, u64::from(atom));
            return Ok(());
        }
        self.head(Kind::Text, text.len() as u64);
        self.out.extend(text.as_bytes());
        self.say(text);
        Ok(())
    }

    fn object(&mut self, fields: &Map<String, Value>, value: &Value) -> Result<(), Error> {
        if is_somebody(fields)
            && let Some(atom) = self.atoms.value(self.db, value)?
        {
            self.head(Kind::Atom, u64::from(atom));
            fields.values().filter_map(Value::as_str).for_each(|text| self.say(text));
            return Ok(());
        }
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let shape = self.atoms.shape(self.db, &names)?;
        self.head(Kind::Object, u64::from(shape));
        for (name, value) in fields {
            self.value(name, value)?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        let place = self.said.len() as u64;
        self.said.entry(text.to_owned()).or_insert(place);
    }

    fn head(&mut self, kind: Kind, payload: u64) {
        let mut rest = (u128::from(payload) << 4) | u128::from(kind as u8);
        while rest >= 0x80 {
            self.out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.push(rest as u8);
    }
}

struct Unpacker<'a> {
    atoms: &'a Atoms,
    said: Vec<&'a str>,
    moment: u64,
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    fn value(&mut self, depth: u32) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            return Err(broken());
        }
        let (kind, payload) = self.head()?;
        Ok(match kind {
            Kind::Simple => [Value::Null, Value::Bool(false), Value::Bool(true)]
                .into_iter()
                .nth(usize::try_from(payload).unwrap_or(usize::MAX))
                .ok_or_else(broken)?,
            Kind::Positive => payload.into(),
            Kind::Negative => 0i64.checked_sub_unsigned(payload).ok_or_else(broken)?.into(),
            Kind::Float => {
                let bytes = self.take(8)?.try_into().map_err(|_| broken())?;
                Number::from_f64(f64::from_le_bytes(bytes)).ok_or_else(broken)?.into()
            }
            Kind::Moment => {
                self.moment = self.moment.wrapping_add_signed(unzigzag(payload));
                self.moment.into()
            }
            Kind::Text => {
                let text = std::str::from_utf8(self.take(payload)?).map_err(|_| broken())?;
                self.say(text);
                text.into()
            }
            Kind::Again => {
                let place = usize::try_from(payload).unwrap_or(usize::MAX);
                (*self.said.get(place).ok_or_else(broken)?).into()
            }
            Kind::Hash => {
                let hex = self.take(HASH_HEX as u64 / 2)?.iter().map(|byte| format!("{byte:02x}"));
                hex.collect::<String>().into()
            }
            Kind::Array => {
                let count = usize::try_from(payload).ok().filter(|n| *n <= self.rest.len()).ok_or_else(broken)?;
                (0..count).map(|_| self.value(depth + 1)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Kind::Object => {
                let atoms = self.atoms;
                let names = atoms.get_shape(atom(payload)?)?;
                let fields = names.iter().map(|name| Ok((name.clone(), self.value(depth + 1)?)));
                Value::Object(fields.collect::<Result<_, Error>>()?)
            }
            Kind::Atom => {
                let value = self.atoms.get_value(atom(payload)?)?;
                for text in value.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_str) {
                    self.say(text);
                }
                value.clone()
            }
        })
    }

    fn say(&mut self, text: &'a str) {
        if !self.said.contains(&text) {
            self.said.push(text);
        }
    }

    fn head(&mut self) -> Result<(Kind, u64), Error> {
        let (mut number, mut shift) = (0u128, 0);
        loop {
            let (byte, rest) = self.rest.split_first().ok_or_else(broken)?;
            self.rest = rest;
            number |= u128::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 70 {
                return Err(broken());
            }
        }
        let kind = KINDS.get((number & 0xF) as usize).ok_or_else(broken)?;
        Ok((*kind, u64::try_from(number >> 4).map_err(|_| broken())?))
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], Error> {
        let count = usize::try_from(count).map_err(|_| broken())?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// A user, a department, or one of them as a target.
fn is_somebody(fields: &Map<String, Value>) -> bool {
    fields.contains_key("id")
        && fields.contains_key("name")
        && fields.iter().all(|(name, value)| {
            matches!(name.as_str(), "id" | "name" | "kind") && value.as_str().is_some_and(|v| v.len() <= MAX_ATOM_LEN)
        })
}

fn hash(text: &str) -> Option<Vec<u8>> {
    let lower_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if text.len() != HASH_HEX || !text.bytes().all(lower_hex) {
        return None;
    }
    (0..HASH_HEX).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn atom(payload: u64) -> Result<u32, Error> {
    u32::try_from(payload).map_err(|_| broken())
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn broken() -> Error {
    Error::damaged("a record can't be unpacked".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn there_and_back(value: &Value) -> Result<(), TestCaseError> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::atoms::SCHEMA).unwrap();
        let mut atoms = Atoms::default();
        let packed = pack((&db, &mut atoms), &["known", "known", "mina"], 1 << 41, value).unwrap();
        let read = Atoms::load(&db).unwrap();
        prop_assert_eq!(&unpack(&read, &["known", "known", "mina"], 1 << 41, &packed).unwrap(), value);
        for cut in 0..packed.len() {
            prop_assert!(unpack(&read, &["known", "mina"], 1 << 41, &packed[..cut]).is_err());
        }
        Ok(())
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![Just("known".to_owned()), Just("mina".to_owned()), "[0-9a-f]{64}", ".{0,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ((1u64 << 41)..(1 << 42)).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9f64..1e9).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        let name = prop::sample::select(vec!["id", "name", "kind", "event", "note", "at"]);
        leaf.prop_recursive(3, 30, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn anything_comes_back_as_it_was(value in json_value()) {
            there_and_back(&value)?;
        }
    }

    #[test]
    fn a_user_said_twice_costs_two_bytes_each_time() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::atoms::SCHEMA).unwrap();
        let mut atoms = Atoms::default();
        let mina = json!({"id": "mina", "name": "Mina Shah"});
        assert_eq!(pack((&db, &mut atoms), &[], 0, &json!([mina, mina, mina])).unwrap().len(), 4);
    }
}
