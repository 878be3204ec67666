//! What can be found by words: parties, atoms (people, departments, mailboxes) and notes.

use std::collections::{BTreeMap, HashMap};

use super::bits::Bits;
use crate::fold::{self, Word};
use crate::number::{self, Digits};
use crate::terms::Term;

/// A thing is its place in its own list, with its kind in the top two bits.
type Thing = u32;
const KIND_SHIFT: u32 = 30;
const PARTY: u32 = 0;
const ATOM: u32 = 1;
const NOTE: u32 = 2;
const GRAMS: usize = 1_000;

/// The things that have what one term asks for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub parties: Bits,
    pub atoms: Bits,
    pub notes: Bits,
}

#[derive(Debug, Default)]
pub(crate) struct Things {
    words: BTreeMap<Box<str>, Vec<Thing>>,
    numbers: Numbers,
    ends: [usize; 3],
}

/// The digits of the parties' numbers.
#[derive(Debug, Default)]
struct Numbers {
    text: String,
    /// By party: where its digits begin in `text`, how many there are, and how many of them are the country code.
    spans: Vec<(u32, u8, u8)>,
    /// By three digits: the parties that have them in a row, in order.
    grams: HashMap<u16, Vec<u32>>,
}

impl Things {
    pub fn party(&mut self, party: u32, name: &str, number: &str) {
        if self.numbers.knows(party) {
            return;
        }
        self.add(PARTY, party, name);
        // A user's name on an internal call, where outside there would be a number.
        if number.chars().any(|c| fold::digit(c).is_none() && c.is_alphabetic()) {
            self.add(PARTY, party, number);
        }
        self.numbers.add(party, &number::parse(number));
    }

    pub fn knows_party(&self, party: u32) -> bool {
        self.numbers.knows(party)
    }

    pub fn parties(&self) -> impl Iterator<Item = u32> {
        (0..self.numbers.spans.len() as u32).filter(|party| self.numbers.knows(*party))
    }

    /// Its words stay and lead to no call: a party's place is never given to another.
    pub fn forget_party(&mut self, party: u32) {
        self.numbers.spans[party as usize].0 = u32::MAX;
    }

    pub fn atom(&mut self, atom: u32, name: &str) {
        self.add(ATOM, atom, name);
    }

    pub fn note(&mut self, note: u32, text: &str) {
        self.add(NOTE, note, text);
    }

    pub fn find(&self, term: &Term) -> Found {
        let mut found = Found {
            parties: Bits::below(self.ends[PARTY as usize]),
            atoms: Bits::below(self.ends[ATOM as usize]),
            notes: Bits::below(self.ends[NOTE as usize]),
        };
        let (Term::Words(words) | Term::Number { words, .. }) = term;
        self.each_with_all(words, |thing| {
            let place = thing & ((1 << KIND_SHIFT) - 1);
            match thing >> KIND_SHIFT {
                PARTY => found.parties.add(place),
                ATOM => found.atoms.add(place),
                _ => found.notes.add(place),
            }
        });
        if let Term::Number { digits, .. } = term {
            self.numbers.each_with(digits, |party| found.parties.add(party));
        }
        found
    }

    fn add(&mut self, kind: u32, place: u32, text: &str) {
        let end = &mut self.ends[kind as usize];
        *end = (*end).max(place as usize + 1);
        let thing = kind << KIND_SHIFT | place;
        fold::each_index_word(text, |word| match self.words.get_mut(word) {
            Some(things) if things.last() == Some(&thing) => {}
            Some(things) => things.push(thing),
            None => {
                self.words.insert(word.into(), vec![thing]);
            }
        });
    }

    fn each_with_all(&self, words: &[Word], mut tell: impl FnMut(Thing)) {
        let mut prefixes = Vec::new();
        for word in words {
            fold::each_prefix(word, |prefix| prefixes.push(prefix.to_owned()));
        }
        let Some((first, others)) = prefixes.split_first() else { return };
        if others.is_empty() {
            return self.each_with(first, tell);
        }
        let sorted = |prefix: &str| {
            let mut things = Vec::new();
            self.each_with(prefix, |thing| things.push(thing));
            things.sort_unstable();
            things.dedup();
            things
        };
        let mut all = sorted(first);
        for prefix in others {
            let more = sorted(prefix);
            all.retain(|thing| more.binary_search(thing).is_ok());
        }
        all.into_iter().for_each(&mut tell);
    }

    fn each_with(&self, prefix: &str, mut tell: impl FnMut(Thing)) {
        let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
        for (_, things) in self.words.range::<str, _>(from).take_while(|(word, _)| word.starts_with(prefix)) {
            things.iter().copied().for_each(&mut tell);
        }
    }
}

impl Numbers {
    fn knows(&self, party: u32) -> bool {
        self.spans.get(party as usize).is_some_and(|(at, _, _)| *at != u32::MAX)
    }

    fn add(&mut self, party: u32, number: &Digits) {
        let place = party as usize;
        if self.spans.len() <= place {
            self.spans.resize(place + 1, (u32::MAX, 0, 0));
        }
        let digits = &number.digits[..number.digits.len().min(usize::from(u8::MAX))];
        self.spans[place] = (self.text.len() as u32, digits.len() as u8, number.country as u8);
        self.text.push_str(digits);
        for gram in digits.as_bytes().windows(number::MIN_FRAGMENT) {
            let parties = self.grams.entry(gram_of(gram)).or_default();
            if parties.last().is_none_or(|last| *last < party) {
                parties.push(party);
            } else if let Err(place) = parties.binary_search(&party) {
                parties.insert(place, party);
            }
        }
    }

    fn each_with(&self, typed: &Digits, mut tell: impl FnMut(u32)) {
        let mut check = |party: u32| {
            let (at, len, country) = self.spans[party as usize];
            if at != u32::MAX {
                let kept = &self.text[at as usize..at as usize + usize::from(len)];
                if typed.find_in(kept, usize::from(country)).is_some() {
                    tell(party);
                }
            }
        };
        if typed.digits.len() < number::MIN_FRAGMENT {
            return (0..self.spans.len() as u32).for_each(check);
        }
        let mut looked_for: Vec<&str> = Vec::new();
        for text in typed.wanted() {
            if !looked_for.contains(&text) {
                looked_for.push(text);
                self.with_grams_of(text).into_iter().for_each(&mut check);
            }
        }
    }

    /// The parties that have every three digits in a row that these have.
    fn with_grams_of(&self, digits: &str) -> Vec<u32> {
        let grams = digits.as_bytes().windows(number::MIN_FRAGMENT).map(|gram| self.grams.get(&gram_of(gram)));
        let mut lists: Vec<&[u32]> = grams.map(|list| list.map_or(&[][..], Vec::as_slice)).collect();
        lists.sort_unstable_by_key(|list| list.len());
        let Some((rarest, others)) = lists.split_first() else { return Vec::new() };
        let mut parties = rarest.to_vec();
        for list in others {
            parties.retain(|party| list.binary_search(party).is_ok());
        }
        parties
    }
}

fn gram_of(three: &[u8]) -> u16 {
    let number = three.iter().fold(0, |number, digit| number * 10 + u16::from(digit.wrapping_sub(b'0')));
    number % GRAMS as u16
}
