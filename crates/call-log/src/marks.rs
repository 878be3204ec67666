//! Where a search found what it looked for, in the text as it is shown.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::fold::{self, Word};
use crate::index::text;
use crate::number;
use crate::row::Row;
use crate::terms::Term;

/// A piece of a shown text. Counted in characters (Unicode scalar values) of the original, whatever folding made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Mark {
    pub field: Field,
    /// For [`Field::Agent`], which one; else 0.
    pub item: u32,
    pub from: u32,
    /// The first character after it.
    pub to: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    CallerName,
    CallerNumber,
    Dialled,
    Department,
    Agent,
    Note,
    Excerpt,
}

/// What was found in the texts of one page that must be folded: most recur from row to row.
#[derive(Default)]
pub(crate) struct Seen(HashMap<String, Vec<(u32, u32)>>);

impl Seen {
    fn each_piece(&mut self, text: &str, terms: &[Term], tell: impl FnMut((u32, u32))) {
        if is_plain(text) {
            return in_text(text, terms).into_iter().for_each(tell); // sooner than looking it up
        }
        if !self.0.contains_key(text) {
            self.0.insert(text.to_owned(), in_text(text, terms));
        }
        self.0.get(text).into_iter().flatten().copied().for_each(tell);
    }
}

/// Marks the row's texts in which something was found ([`text`]), and chooses the line of `told` that it shows.
pub(crate) fn mark(row: &mut Row, told: &str, terms: &[Term], (found_in, seen): (u8, &mut Seen)) {
    let has = |texts: u8| found_in & texts != 0;
    let mut marks = Vec::new();
    let mut see = |field: Field, item: usize, text: &str| {
        seen.each_piece(text, terms, |(from, to)| marks.push(Mark { field, item: item as u32, from, to }));
    };
    if has(text::CALLER) {
        see(Field::CallerName, 0, &row.caller.name);
        see(Field::CallerNumber, 0, &row.caller.number);
    }
    if has(text::DIALLED) {
        see(Field::Dialled, 0, &row.dialled);
    }
    if has(text::DEPARTMENT) {
        see(Field::Department, 0, row.department.as_ref().map_or("", |d| &d.name));
    }
    if has(text::CREW) {
        row.agents.iter().enumerate().for_each(|(item, agent)| see(Field::Agent, item, &agent.name));
    }
    if has(text::NOTE) {
        see(Field::Note, 0, &row.note);
        if let Some(line) = told.lines().find(|line| !in_text(line, terms).is_empty()) {
            see(Field::Excerpt, 0, line);
            row.excerpt = Some(line.to_owned());
        }
    }
    row.marks = marks;
}

/// The pieces that the terms find, in order, joined where they touch.
fn in_text(text: &str, terms: &[Term]) -> Vec<(u32, u32)> {
    if text.is_empty() {
        return Vec::new();
    }
    let plain = is_plain(text);
    let folded = if plain { Vec::new() } else { fold::words(text) };
    let in_words = |typed: &[Word]| if plain { in_plain(text, typed) } else { in_words(&folded, typed) };
    let mut found = Vec::new();
    for term in terms {
        match term {
            Term::Words(typed) => found.extend(in_words(typed)),
            Term::Number { digits, words: typed } => match in_number(text, digits) {
                Some(piece) => found.push(piece),
                None => found.extend(in_words(typed)),
            },
        }
    }
    found.sort_unstable();
    found.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1;
        kept.1 = if touches { kept.1.max(next.1) } else { kept.1 };
        touches
    });
    found
}

/// Nothing in the text folds to anything but its own lower case.
fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.contains('\'')
}

/// As [`in_words`], without folding.
fn in_plain(text: &str, typed: &[Word]) -> Vec<(u32, u32)> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    for typed in typed {
        let (before, typed) = (all.len(), typed.text.as_bytes());
        let mut in_word = false;
        for (at, byte) in bytes.iter().enumerate() {
            let begins = !std::mem::replace(&mut in_word, byte.is_ascii_alphanumeric());
            let end = at + typed.len();
            if begins && bytes.get(at..end).is_some_and(|here| here.eq_ignore_ascii_case(typed)) {
                all.push((at as u32, end as u32));
            }
        }
        if all.len() == before {
            return Vec::new();
        }
    }
    all
}

/// If every typed word begins a word here, where they all do.
fn in_words(words: &[Word], typed: &[Word]) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    for typed in typed {
        let before = all.len();
        all.extend(words.iter().flat_map(|word| in_word(word, typed)));
        if all.len() == before {
            return Vec::new();
        }
    }
    all
}

fn in_word(word: &Word, typed: &Word) -> Vec<(u32, u32)> {
    let starts = word.text.char_indices().map(|(at, _)| at).enumerate().take(if word.run { usize::MAX } else { 1 });
    let found = starts.filter(|(_, at)| word.text[*at..].starts_with(&typed.text));
    found.map(|(first, _)| piece(&word.at[first..first + typed.at.len()])).collect()
}

fn in_number(text: &str, typed: &number::Digits) -> Option<(u32, u32)> {
    if !number::looks_like_one(text) {
        return None;
    }
    let kept = number::parse(text);
    let found = typed.find_in(&kept.digits, kept.country)?;
    let digits = text.chars().zip(0u32..).filter(|(c, _)| fold::digit(*c).is_some());
    let at: Vec<u32> = digits.map(|(_, at)| at).collect();
    let skipped = at.len() - kept.digits.len(); // trunk zero or 00
    Some(piece(at.get(skipped + found.start..skipped + found.end)?))
}

fn piece(at: &[u32]) -> (u32, u32) {
    (at.first().copied().unwrap_or(0), at.last().map_or(0, |last| last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::{self, Query};

    #[track_caller]
    fn marked(text: &str, typed: &str) -> String {
        let Query::All(terms) = terms::parse(typed) else { panic!("something is typed") };
        let pieces = in_text(text, &terms);
        let mut shown = String::new();
        for (at, c) in (0u32..).zip(text.chars()) {
            pieces.iter().filter(|(from, _)| *from == at).for_each(|_| shown.push('['));
            shown.push(c);
            pieces.iter().filter(|(_, to)| *to == at + 1).for_each(|_| shown.push(']'));
        }
        shown
    }

    #[test]
    fn marks_are_in_the_original_text() {
        assert_eq!(marked("João Pereira", "per joa"), "[Joã]o [Per]eira");
        assert_eq!(marked("Groß Straße", "strass"), "Groß [Straß]e");
        assert_eq!(marked("Æsop's fables", "aes"), "[Æs]op's fables");
        assert_eq!(marked("王小明", "小明"), "王[小明]");
        assert_eq!(marked("प्रिया नायर", "नाय"), "प्रिया [नाय]र");
        assert_eq!(marked("Nobody", "x"), "Nobody");
        assert_eq!(marked("Ann-Mary ANN, joann", "ann"), "[Ann]-Mary [ANN], joann");
        assert_eq!(marked("Ann-Mary", "ann-ma"), "[Ann]-[Ma]ry");
    }

    #[test]
    fn numbers_are_marked_as_they_are_written() {
        assert_eq!(marked("+91 98123-45678", "098123"), "+91 [98123]-45678");
        assert_eq!(marked("0091 98123 45678", "+91 98"), "00[91 98]123 45678");
        assert_eq!(marked("098123 45678", "+91 98123"), "0[98123] 45678");
        assert_eq!(marked("+91 98123-45678", "345"), "+91 9812[3-45]678");
        assert_eq!(marked("invoice 4711 of 2024", "47"), "invoice [47]11 of 2024");
    }
}
