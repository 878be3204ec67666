//! How many calls there would be with one filter changed, all in one look at the rows.

use std::collections::HashMap;

use super::query::{Search, facet};
use super::{Entry, Index};
use crate::atoms::Atoms;
use crate::calls::{DIRECTIONS, OUTCOMES, flag};
use crate::{Count, Counts, Error, QUALITY_STEPS, TALK_STEPS_MS};

/// Counts by place in the column's own terms; names come last.
#[derive(Default)]
struct Tally {
    total: u32,
    directions: [u32; DIRECTIONS.len()],
    outcomes: [u32; OUTCOMES.len()],
    departments: Vec<u32>,
    crews: Vec<u32>,
    transferred: u32,
    came_back: u32,
    left: u32,
    unheard: u32,
    talk: [u32; TALK_STEPS_MS.len()],
    quality: [u32; QUALITY_STEPS.len()],
    dispositions: HashMap<u32, u32>,
}

impl Search<'_> {
    pub fn counts(&self, index: &Index, atoms: &Atoms) -> Result<Counts, Error> {
        let mut tally = Tally {
            departments: vec![0; index.department.end()],
            crews: vec![0; index.crew.end()],
            ..Tally::default()
        };
        self.each_with_text(|slot| tally.add(index, slot, self.fails(slot)));
        tally.named(index, atoms)
    }
}

impl Tally {
    /// A row counts for a facet if it fails no other.
    fn add(&mut self, index: &Index, slot: u32, fails: u16) {
        if fails & fails.wrapping_sub(1) != 0 {
            return;
        }
        let at = slot as usize;
        let Entry { flags, score, department, crew, .. } = index.entries[at];
        let counts_for = |facet: u16| fails & !facet == 0;
        let one_if = |yes: bool| u32::from(yes);
        self.total += one_if(fails == 0);
        if counts_for(facet::DIRECTION)
            && let Some(count) = self.directions.get_mut(usize::from(flags & flag::DIRECTION))
        {
            *count += 1;
        }
        if counts_for(facet::OUTCOME)
            && let Some(count) = self.outcomes.get_mut(usize::from((flags & flag::OUTCOME) >> flag::OUTCOME_SHIFT))
        {
            *count += 1;
        }
        if counts_for(facet::DEPARTMENT) {
            self.departments[department as usize] += 1;
        }
        if counts_for(facet::ANSWERED_BY) {
            self.crews[crew as usize] += 1;
        }
        self.transferred += one_if(counts_for(facet::TRANSFERRED) && flags & flag::TRANSFERRED != 0);
        self.came_back += one_if(counts_for(facet::CAME_BACK) && flags & flag::CAME_BACK != 0);
        if counts_for(facet::VOICEMAIL) {
            self.left += one_if(flags & flag::VOICEMAIL != 0);
            self.unheard += one_if(flags & flag::UNHEARD != 0);
        }
        if counts_for(facet::TALK) {
            let talk = u64::from(index.talk_ms[at]);
            self.talk.iter_mut().zip(TALK_STEPS_MS).for_each(|(count, step)| *count += one_if(talk >= step));
        }
        if counts_for(facet::QUALITY) {
            self.quality.iter_mut().zip(QUALITY_STEPS).for_each(|(count, step)| *count += one_if(score < step));
        }
        if counts_for(facet::DISPOSITION) && index.disposition[at] != 0 {
            *self.dispositions.entry(index.disposition[at]).or_default() += 1;
        }
    }

    fn named(self, index: &Index, atoms: &Atoms) -> Result<Counts, Error> {
        let mut people: HashMap<u32, u32> = HashMap::new();
        for (talked, calls) in index.talked.iter().zip(self.crews).filter(|(_, calls)| *calls > 0) {
            for (at, user) in talked.iter().enumerate() {
                if !talked[..at].contains(user) {
                    *people.entry(*user).or_default() += calls;
                }
            }
        }
        let departments = (0..).zip(self.departments).filter(|(atom, calls)| *atom != 0 && *calls > 0);
        Ok(Counts {
            total: self.total,
            directions: listed(&DIRECTIONS, &self.directions),
            outcomes: listed(&OUTCOMES, &self.outcomes),
            departments: by_id(atoms, departments, |d: &protocol::DepartmentRef| d.id.0.clone())?,
            answered_by: by_id(atoms, people.into_iter(), |u: &protocol::UserRef| u.id.0.clone())?,
            transferred: self.transferred,
            came_back: self.came_back,
            voicemail_left: self.left,
            voicemail_unheard: self.unheard,
            talk_at_least_ms: listed(&TALK_STEPS_MS, &self.talk),
            quality_below: listed(&QUALITY_STEPS, &self.quality),
            dispositions: by_id(atoms, self.dispositions.into_iter(), |d: &protocol::DispositionId| d.0.clone())?,
        })
    }
}

fn listed<T: Copy>(values: &[T], calls: &[u32]) -> Vec<Count<T>> {
    values.iter().zip(calls).map(|(value, calls)| Count { value: *value, calls: *calls }).collect()
}

/// Most calls first. Who was renamed is counted once, under the newest name.
fn by_id<T: serde::de::DeserializeOwned>(
    atoms: &Atoms,
    counted: impl Iterator<Item = (u32, u32)>,
    id: impl Fn(&T) -> String,
) -> Result<Vec<Count<T>>, Error> {
    let mut counted: Vec<(u32, u32)> = counted.collect();
    counted.sort_unstable();
    let mut by_id: std::collections::BTreeMap<String, Count<T>> = std::collections::BTreeMap::new();
    for (atom, calls) in counted {
        let value: T = atoms.read(atom)?;
        let key = id(&value);
        let before = by_id.get(&key).map_or(0, |count| count.calls);
        by_id.insert(key, Count { value, calls: before + calls });
    }
    let mut list: Vec<Count<T>> = by_id.into_values().collect();
    list.sort_by_key(|count| std::cmp::Reverse(count.calls));
    Ok(list)
}
