//! A column whose equal values are linked, newest entry first, so that the calls of one caller are found without looking
//! at all others.

const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Linked {
    values: Vec<u32>,
    /// The slot before that has the same value.
    before: Vec<u32>,
    /// By value: the last slot that has it, and how many have it and live.
    last: Vec<(u32, u32)>,
}

impl Linked {
    pub fn push(&mut self, value: u32) {
        let slot = self.values.len() as u32;
        if self.last.len() <= value as usize {
            self.last.resize(value as usize + 1, (NONE, 0));
        }
        let (last, count) = &mut self.last[value as usize];
        self.before.push(std::mem::replace(last, slot));
        *count += 1;
        self.values.push(value);
    }

    pub fn get(&self, slot: u32) -> u32 {
        self.values[slot as usize]
    }

    /// The slot is dead: it stays linked and does not count.
    pub fn discount(&mut self, slot: u32) {
        let (_, count) = &mut self.last[self.values[slot as usize] as usize];
        *count -= 1;
    }

    /// How many slots have the value, without dead ones.
    pub fn count(&self, value: u32) -> usize {
        self.last.get(value as usize).map_or(0, |(_, count)| *count as usize)
    }

    pub fn slots(&self, value: u32) -> impl Iterator<Item = u32> {
        let mut at = self.last.get(value as usize).map_or(NONE, |(last, _)| *last);
        std::iter::from_fn(move || {
            let slot = at;
            (slot != NONE).then(|| {
                at = self.before[slot as usize];
                slot
            })
        })
    }

    /// Values below this are in use.
    pub fn end(&self) -> usize {
        self.last.len()
    }

    pub fn reserve(&mut self, slots: usize) {
        self.values.reserve_exact(slots);
        self.before.reserve_exact(slots);
    }
}
