//! A filter made ready: which rows pass, newest first.

use std::ops::Range;

use super::bits::Bits;
use super::things::Found;
use super::{DEAD, Entry, Index, NO_NOTE};
use crate::atoms::Atoms;
use crate::calls::{self, DIRECTIONS, OUTCOMES, flag};
use crate::terms::{Query, Term};
use crate::{Filter, VoicemailFilter};

/// What it costs to find a row by its term and sort it, and then to look at it, where looking at one row after the other
/// costs 1 for each.
const FETCH_COST: f64 = 1.0;
const LOOK_COST: f64 = 4.0;

/// So many things say well enough how often all of them are in calls.
const SAMPLE: usize = 500;

/// The facets of a filter, as bits of what a row fails.
pub(crate) mod facet {
    pub const DIRECTION: u16 = 1;
    pub const OUTCOME: u16 = 1 << 1;
    pub const DEPARTMENT: u16 = 1 << 2;
    pub const ANSWERED_BY: u16 = 1 << 3;
    pub const TRANSFERRED: u16 = 1 << 4;
    pub const CAME_BACK: u16 = 1 << 5;
    pub const VOICEMAIL: u16 = 1 << 6;
    pub const TALK: u16 = 1 << 7;
    pub const QUALITY: u16 = 1 << 8;
    pub const DISPOSITION: u16 = 1 << 9;
}

/// A row that passes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub row: i64,
    /// In which of its texts something was found, as bits of [`text`].
    pub found_in: u8,
}

/// What has texts of its own in a row.
pub(crate) mod text {
    pub const CALLER: u8 = 1;
    pub const DIALLED: u8 = 1 << 1;
    pub const DEPARTMENT: u8 = 1 << 2;
    pub const CREW: u8 = 1 << 3;
    pub const NOTE: u8 = 1 << 4;
}

/// A filter against one index.
pub(crate) struct Search<'a> {
    index: &'a Index,
    terms: Vec<Matcher>,
    /// Nothing can be found.
    nothing: bool,
    /// Rows of the wanted dates.
    rows: Range<i64>,
    /// The facets that are asked for at all.
    asked: u16,
    directions: u8,
    outcomes: u8,
    departments: Vec<u32>,
    /// By crew.
    answered_by: Bits,
    voicemail: u16,
    talk: Range<u64>,
    quality_below: u16,
    dispositions: Vec<u32>,
}

/// The rows of one term, by column.
struct Matcher {
    found: Found,
    crews: Bits,
    rows: usize,
}

impl<'a> Search<'a> {
    pub fn new(index: &'a Index, atoms: &Atoms, filter: &Filter, query: &Query) -> Self {
        debug_assert!(filter.range.is_none(), "a filter is settled first");
        let terms = match query {
            Query::All(terms) => terms.iter().map(|term| index.matcher(term)).collect(),
            Query::Everything | Query::Nothing => Vec::new(),
        };
        let talk = filter.talk_at_least_ms.unwrap_or(0)..filter.talk_below_ms.unwrap_or(u64::MAX);
        let rows = filter.from.map_or(i64::MIN, calls::first_near)..filter.until.map_or(i64::MAX, calls::first_near);
        let set = |facet: u16, asked: bool| if asked { facet } else { 0 };
        Self {
            index,
            nothing: *query == Query::Nothing || rows.is_empty() || terms.iter().any(|term: &Matcher| term.rows == 0),
            terms,
            rows,
            asked: set(facet::DIRECTION, !filter.directions.is_empty())
                | set(facet::OUTCOME, !filter.outcomes.is_empty())
                | set(facet::DEPARTMENT, !filter.departments.is_empty())
                | set(facet::ANSWERED_BY, !filter.answered_by.is_empty())
                | set(facet::TRANSFERRED, filter.transferred)
                | set(facet::CAME_BACK, filter.came_back)
                | set(facet::VOICEMAIL, filter.voicemail != VoicemailFilter::Any)
                | set(facet::TALK, talk != (0..u64::MAX))
                | set(facet::QUALITY, filter.quality_below.is_some())
                | set(facet::DISPOSITION, !filter.dispositions.is_empty()),
            directions: places(&DIRECTIONS, &filter.directions),
            outcomes: places(&OUTCOMES, &filter.outcomes),
            departments: atoms_with_id(atoms, |id| filter.departments.iter().any(|d| d.as_str() == id)),
            answered_by: index
                .crews_of(&atoms_with_id(atoms, |id| filter.answered_by.iter().any(|u| u.as_str() == id))),
            voicemail: match filter.voicemail {
                VoicemailFilter::Any => 0,
                VoicemailFilter::Left => flag::VOICEMAIL,
                VoicemailFilter::Unheard => flag::UNHEARD,
            },
            talk,
            quality_below: filter.quality_below.unwrap_or(u16::MAX),
            dispositions: atoms
                .values()
                .filter(|(_, value)| {
                    value.as_str().is_some_and(|id| filter.dispositions.iter().any(|d| d.as_str() == id))
                })
                .map(|(atom, _)| atom)
                .collect(),
        }
    }

    /// At most `limit` rows that pass, newest first, all older than `before`.
    pub fn page(&self, before: i64, limit: usize) -> Vec<Hit> {
        let end = before.min(self.rows.end);
        if self.nothing || end <= self.rows.start {
            return Vec::new();
        }
        let Some(rarest) = self.rarest() else {
            return self.scanned(end, limit, usize::MAX).unwrap_or_default();
        };
        let (scanning, fetching) = self.costs(rarest, limit);
        // Terms that are never in one call make a scan long: after what fetching costs, it is fetched.
        let scanned = if scanning < fetching { self.scanned(end, limit, fetching as usize) } else { None };
        scanned.unwrap_or_else(|| self.fetched(rarest, end, limit))
    }

    /// The slots of the wanted dates whose text fits, in no order.
    pub fn each_with_text(&self, mut tell: impl FnMut(u32)) {
        if self.nothing {
            return;
        }
        let is_sooner = |rarest: &&Matcher| {
            let (scanning, fetching) = self.costs(rarest, usize::MAX);
            fetching < scanning
        };
        if let Some(rarest) = self.rarest().filter(is_sooner) {
            let mut slots = self.slots(rarest);
            slots.sort_unstable();
            slots.dedup();
            for slot in slots {
                if self.is_in(slot, self.rows.end) && self.has_text(slot) {
                    tell(slot);
                }
            }
            return;
        }
        let range = self.index.place(self.rows.start)..self.index.place(self.rows.end);
        for slot in &self.index.order[range] {
            if self.has_text(*slot) {
                tell(*slot);
            }
        }
    }

    /// The facets that the row fails.
    pub fn fails(&self, slot: u32) -> u16 {
        if self.asked == 0 {
            return 0;
        }
        let (index, at) = (self.index, slot as usize);
        let entry = &index.entries[at];
        let flags = entry.flags;
        let fail = |facet: u16, passes: bool| if self.asked & facet != 0 && !passes { facet } else { 0 };
        let talk = u64::from(index.talk_ms[at]);
        fail(facet::DIRECTION, self.directions >> (flags & flag::DIRECTION) & 1 == 1)
            | fail(facet::OUTCOME, self.outcomes >> ((flags & flag::OUTCOME) >> flag::OUTCOME_SHIFT) & 1 == 1)
            | fail(facet::TRANSFERRED, flags & flag::TRANSFERRED != 0)
            | fail(facet::CAME_BACK, flags & flag::CAME_BACK != 0)
            | fail(facet::VOICEMAIL, flags & self.voicemail != 0)
            | fail(facet::TALK, self.talk.contains(&talk))
            | fail(facet::QUALITY, entry.score < self.quality_below)
            | fail(facet::DEPARTMENT, self.departments.contains(&entry.department))
            | fail(facet::DISPOSITION, self.dispositions.contains(&index.disposition[at]))
            | fail(facet::ANSWERED_BY, self.answered_by.has(entry.crew))
    }

    fn rarest(&self) -> Option<&Matcher> {
        self.terms.iter().min_by_key(|term| term.rows)
    }

    /// About what it costs to look at all rows from the newest on until a page is full, and to fetch those of the rarest term.
    fn costs(&self, rarest: &Matcher, limit: usize) -> (f64, f64) {
        let all = self.index.order.len() as f64;
        let share_of = |term: &Matcher| (term.rows as f64 / all).min(1.0);
        // How much a filter leaves is not known; half is not far off for any of them.
        let of_filter = if self.asked == 0 { 1.0 } else { 0.5 };
        let share = self.terms.iter().map(share_of).product::<f64>() * of_filter;
        let rows = rarest.rows as f64;
        let looks = (limit as f64 / share * share_of(rarest)).min(rows);
        ((limit as f64 / share).min(all), rows * FETCH_COST + looks * LOOK_COST)
    }

    /// `None` if the page is not full after so many `looks`, and there are more rows.
    fn scanned(&self, end: i64, limit: usize, looks: usize) -> Option<Vec<Hit>> {
        let range = self.index.place(self.rows.start)..self.index.place(end);
        let all_seen = range.len() <= looks;
        let newest_first = self.index.order[range].iter().rev().take(looks);
        let passing = newest_first.filter(|slot| self.fails(**slot) == 0 && self.has_text(**slot));
        let page: Vec<Hit> = passing.take(limit).map(|slot| self.hit(*slot)).collect();
        (all_seen || page.len() == limit).then_some(page)
    }

    fn fetched(&self, rarest: &Matcher, end: i64, limit: usize) -> Vec<Hit> {
        let mut slots = self.slots(rarest);
        slots.sort_unstable_by(|a, b| b.cmp(a));
        slots.dedup();
        let (since, settled) = slots.split_at(slots.partition_point(|slot| *slot >= self.index.settled));
        let passes = |slot: &&u32| self.is_in(**slot, end) && self.has_text(**slot) && self.fails(**slot) == 0;
        let passing = since.iter().filter(passes).chain(settled.iter().filter(passes).take(limit));
        let mut hits: Vec<Hit> = passing.map(|slot| self.hit(*slot)).collect();
        hits.sort_unstable_by(|a, b| b.cmp(a));
        hits.truncate(limit);
        hits
    }

    fn hit(&self, slot: u32) -> Hit {
        let entry = &self.index.entries[slot as usize];
        Hit { row: entry.row, found_in: self.terms.iter().fold(0, |found, term| found | term.found_in(entry)) }
    }

    fn is_in(&self, slot: u32, end: i64) -> bool {
        let entry = &self.index.entries[slot as usize];
        (self.rows.start..end).contains(&entry.row) && entry.flags & DEAD == 0
    }

    fn has_text(&self, slot: u32) -> bool {
        let entry = &self.index.entries[slot as usize];
        self.terms.iter().all(|term| term.has(entry))
    }

    /// All slots of a term, dead ones too, some twice.
    fn slots(&self, term: &Matcher) -> Vec<u32> {
        let index = self.index;
        let mut slots = Vec::with_capacity(term.rows);
        for party in term.found.parties.iter() {
            index.caller.add_slots(party, &mut slots);
            index.dialled.add_slots(party, &mut slots);
        }
        for atom in term.found.atoms.iter() {
            index.department.add_slots(atom, &mut slots);
        }
        for crew in term.crews.iter() {
            index.crew.add_slots(crew, &mut slots);
        }
        slots.extend(term.found.notes.iter().map(|note| index.slot_of_note[note as usize]));
        slots
    }
}

impl Matcher {
    fn has(&self, entry: &Entry) -> bool {
        let found = &self.found;
        (!found.parties.is_empty() && (found.parties.has(entry.caller) || found.parties.has(entry.dialled)))
            || (!found.atoms.is_empty() && found.atoms.has(entry.department))
            || (!self.crews.is_empty() && self.crews.has(entry.crew))
            || (!found.notes.is_empty() && entry.note != NO_NOTE && found.notes.has(entry.note))
    }

    fn found_in(&self, entry: &Entry) -> u8 {
        let found = &self.found;
        let one_if = |yes: bool, text: u8| if yes { text } else { 0 };
        one_if(found.parties.has(entry.caller), text::CALLER)
            | one_if(found.parties.has(entry.dialled), text::DIALLED)
            | one_if(found.atoms.has(entry.department), text::DEPARTMENT)
            | one_if(self.crews.has(entry.crew), text::CREW)
            | one_if(found.notes.has(entry.note), text::NOTE)
    }
}

impl Index {
    fn matcher(&self, term: &Term) -> Matcher {
        let found = self.things.find(term);
        let mut crews = Bits::below(self.talked.len());
        if !found.atoms.is_empty() {
            for atom in found.atoms.iter() {
                self.crews_with_atom.get(&atom).into_iter().flatten().for_each(|crew| crews.add(*crew));
            }
        }
        for (party, with) in &self.crews_with_party {
            if found.parties.has(*party) {
                with.iter().for_each(|crew| crews.add(*crew));
            }
        }
        let parties = about(&found.parties, |party| self.caller.count(party) + self.dialled.count(party));
        let departments = about(&found.atoms, |atom| self.department.count(atom));
        let rows = parties + departments + about(&crews, |crew| self.crew.count(crew)) + found.notes.len();
        Matcher { found, crews, rows }
    }

    /// The crews in which one of these people talked.
    fn crews_of(&self, people: &[u32]) -> Bits {
        let mut crews = Bits::below(self.talked.len());
        for atom in people {
            for crew in self.crews_with_atom.get(atom).into_iter().flatten() {
                if self.talked[*crew as usize].contains(atom) {
                    crews.add(*crew);
                }
            }
        }
        crews
    }
}

/// The sum of all counts; of very many, from a sample, and never 0.
fn about(members: &Bits, count: impl Fn(u32) -> usize) -> usize {
    let sum: usize = members.iter().take(SAMPLE).map(count).sum();
    if members.len() <= SAMPLE { sum } else { (sum * members.len() / SAMPLE).max(1) }
}

/// The atoms of people and departments whose id is wanted; one who was renamed has several.
fn atoms_with_id(atoms: &Atoms, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let id = |value: &serde_json::Value| value.get("id").and_then(|id| id.as_str()).is_some_and(&wanted);
    atoms.values().filter(|(_, value)| id(value)).map(|(atom, _)| atom).collect()
}

/// One bit for each of `all` that is among `wanted`.
fn places<T: PartialEq>(all: &[T], wanted: &[T]) -> u8 {
    all.iter().enumerate().filter(|(_, one)| wanted.contains(one)).map(|(at, _)| 1 << at).sum()
}
