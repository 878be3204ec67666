//! Reading one TOML table key by key: a key that has the wrong kind of value, is missing, or is never asked for, is a
//! mistake with a place.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::mistakes::Found;

pub(super) struct Section<'a, 'i> {
    /// As a person would call it: `[api]`, `[[user]] ravi`.
    pub name: String,
    /// The whole table, for what is missing.
    pub span: Range<usize>,
    table: Option<&'a DeTable<'i>>,
    asked: BTreeSet<&'static str>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub fn root(table: &'a Spanned<DeTable<'i>>) -> Self {
        Self { name: "the file".into(), span: 0..0, table: Some(table.get_ref()), asked: BTreeSet::new() }
    }

    fn of_value(name: String, value: &'a Spanned<DeValue<'i>>, found: &mut Found) -> Self {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let what = format!("{name} must be a table, not {}", kind_of(value.get_ref()));
            found.say(&value.span(), what, format!("write it as {name} on a line of its own, with its keys below"));
        }
        Self { name, span: value.span(), table, asked: BTreeSet::new() }
    }

    /// The table `[key]`; an empty one if it is absent, and then `None` in [`Section::table_if_present`].
    pub fn table(&mut self, found: &mut Found, key: &'static str) -> Section<'a, 'i> {
        self.table_if_present(found, key).unwrap_or(Section {
            name: format!("[{key}]"),
            span: self.span.clone(),
            table: None,
            asked: BTreeSet::new(),
        })
    }

    pub fn table_if_present(&mut self, found: &mut Found, key: &'static str) -> Option<Section<'a, 'i>> {
        let value = self.value(key)?;
        Some(Section::of_value(format!("[{key}]"), value, found))
    }

    /// The table `key = { … }` inside this one.
    pub fn sub_table_if_present(&mut self, found: &mut Found, key: &'static str) -> Option<Section<'a, 'i>> {
        let value = self.value(key)?;
        Some(Section::of_value(format!("`{key}` of {}", self.name), value, found))
    }

    /// Whether the key is there, whatever its value.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// The tables `[[key]]`, in order.
    pub fn tables(&mut self, found: &mut Found, key: &'static str) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let what = format!("`{key}` must be a list of tables, not {}", kind_of(value.get_ref()));
            found.say(&value.span(), what, format!("start each one with a line [[{key}]]"));
            return Vec::new();
        };
        array.iter().map(|v| Section::of_value(format!("[[{key}]]"), v, found)).collect()
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.asked.insert(key);
        self.table?.iter().find(|(k, _)| k.get_ref().as_ref() == key).map(|(_, v)| v)
    }

    /// The value of `key`, if it is there and of the right kind.
    pub fn get<T: FromToml>(&mut self, found: &mut Found, key: &'static str) -> Option<Spanned<T>> {
        let value = self.value(key)?;
        match T::read(value) {
            Ok(read) => Some(Spanned::new(value.span(), read)),
            Err(wrong) => {
                let what = format!("`{key}` in {} must be {}, not {}", self.name, T::KIND, wrong.is);
                found.say(&wrong.at, what, format!("write for example {key} = {}", T::EXAMPLE));
                None
            }
        }
    }

    pub fn get_or<T: FromToml>(&mut self, found: &mut Found, key: &'static str, default: T) -> Spanned<T> {
        let span = self.span.clone();
        self.get(found, key).unwrap_or_else(|| Spanned::new(span, default))
    }

    /// As [`Section::get`]; absence is a mistake, and `remedy` says what to add.
    pub fn need<T: FromToml>(&mut self, found: &mut Found, key: &'static str, remedy: &str) -> Option<Spanned<T>> {
        if self.value(key).is_none() {
            found.say(&self.span, format!("{} has no `{key}`", self.name), remedy);
            return None;
        }
        self.get(found, key)
    }

    /// Every key that nobody asked for is unknown.
    pub fn finish(self, found: &mut Found) {
        for (key, _) in self.table.into_iter().flatten() {
            if !self.asked.contains(key.get_ref().as_ref()) {
                let known = self.asked.iter().copied().collect::<Vec<_>>().join(", ");
                let name = short(key.get_ref());
                let what = format!("{} has no key `{name}`", self.name);
                found.say(&key.span(), what, format!("correct it or take it out; known here: {known}"));
            }
        }
    }
}

/// Text of the file in a message: without control characters and not endlessly long.
pub(super) fn short(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// What was found instead of what was wanted.
pub(super) struct Wrong {
    at: Range<usize>,
    is: String,
}

pub(super) trait FromToml: Sized {
    /// "a whole number"
    const KIND: &'static str;
    const EXAMPLE: &'static str;
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong>;
}

fn wrong(value: &Spanned<DeValue<'_>>) -> Wrong {
    Wrong { at: value.span(), is: kind_of(value.get_ref()) }
}

fn kind_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(s) => format!("\"{}\"", short(s)),
        DeValue::Integer(i) => short(i.as_str()),
        DeValue::Float(f) => short(f.as_str()),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

impl FromToml for String {
    const KIND: &'static str = "text in quotes";
    const EXAMPLE: &'static str = "\"text\"";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        value.get_ref().as_str().map(str::to_owned).ok_or_else(|| wrong(value))
    }
}

impl FromToml for bool {
    const KIND: &'static str = "true or false";
    const EXAMPLE: &'static str = "true";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        value.get_ref().as_bool().ok_or_else(|| wrong(value))
    }
}

impl FromToml for u32 {
    const KIND: &'static str = "a whole number that is not negative";
    const EXAMPLE: &'static str = "20";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let number = value.get_ref().as_integer();
        number.and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok()).ok_or_else(|| wrong(value))
    }
}

impl FromToml for u16 {
    const KIND: &'static str = "a whole number from 0 to 65535";
    const EXAMPLE: &'static str = "20000";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        u32::read(value).ok().and_then(|n| n.try_into().ok()).ok_or_else(|| wrong(value))
    }
}

impl FromToml for SocketAddr {
    const KIND: &'static str = "an IP address with a port";
    const EXAMPLE: &'static str = "\"192.0.2.7:5060\" or \"[2001:db8::7]:5060\"";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        value.get_ref().as_str().and_then(|s| s.parse().ok()).ok_or_else(|| wrong(value))
    }
}

impl FromToml for IpAddr {
    const KIND: &'static str = "an IP address";
    const EXAMPLE: &'static str = "\"192.0.2.7\"";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        value.get_ref().as_str().and_then(|s| s.parse().ok()).ok_or_else(|| wrong(value))
    }
}

/// A trunk peer: an address, from any port unless one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(pub SocketAddr);

impl FromToml for Peer {
    const KIND: &'static str = "an IP address, with or without a port";
    const EXAMPLE: &'static str = "\"192.0.2.7\"";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let any_port = || IpAddr::read(value).map(|ip| SocketAddr::new(ip, 0));
        SocketAddr::read(value).or_else(|_| any_port()).map(Self)
    }
}

impl<T: FromToml> FromToml for Vec<Spanned<T>> {
    const KIND: &'static str = "a list";
    const EXAMPLE: &'static str = "[]";
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let Some(array) = value.get_ref().as_array() else { return Err(wrong(value)) };
        let element = |v| {
            T::read(v)
                .map(|read| Spanned::new(v.span(), read))
                .map_err(|w| Wrong { at: w.at, is: format!("a list with {} in it where {} belongs", w.is, T::KIND) })
        };
        array.iter().map(element).collect()
    }
}
