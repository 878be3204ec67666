//! For each value of a column, the slots that have it, so that the calls of one caller are found without looking at all
//! others.

const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Postings {
    /// The slots that were there at [`Postings::settle`], by value and then in order.
    settled: Vec<u32>,
    /// By value: the end of its part of `settled`, which begins where the part before it ends.
    ends: Vec<u32>,
    /// By value: the last slot that came since, and how many slots have the value and live.
    last: Vec<(u32, u32)>,
    /// By slot that came since: the slot before it with the same value.
    before: Vec<u32>,
}

impl Postings {
    /// The next slot has this value.
    pub fn push(&mut self, value: u32) {
        let slot = (self.settled.len() + self.before.len()) as u32;
        if self.last.len() <= value as usize {
            self.last.resize(value as usize + 1, (NONE, 0));
        }
        let (last, count) = &mut self.last[value as usize];
        self.before.push(std::mem::replace(last, slot));
        *count += 1;
    }

    /// Lays the slots of each value side by side. `values` are those of all slots, and all live: links lead from one place
    /// in memory to the next, and each of these ways has to be waited for.
    pub fn settle(&mut self, values: impl ExactSizeIterator<Item = u32>) {
        self.settled = vec![0; values.len()];
        self.ends.clear();
        let mut end = 0;
        for (last, count) in &mut self.last {
            *last = NONE;
            self.ends.push(end); // where it begins, until it is filled
            end += *count;
        }
        for (slot, value) in (0..).zip(values) {
            let next = &mut self.ends[value as usize];
            self.settled[*next as usize] = slot;
            *next += 1;
        }
        self.before = Vec::new();
    }

    /// The slot is dead: it keeps its value and does not count.
    pub fn discount(&mut self, value: u32) {
        let (_, count) = &mut self.last[value as usize];
        *count -= 1;
    }

    /// How many slots have the value, without dead ones.
    pub fn count(&self, value: u32) -> usize {
        self.last.get(value as usize).map_or(0, |(_, count)| *count as usize)
    }

    /// Adds all slots that have the value, dead ones too.
    pub fn add_slots(&self, value: u32, slots: &mut Vec<u32>) {
        let value = value as usize;
        if let Some(end) = self.ends.get(value) {
            let begin = value.checked_sub(1).map_or(0, |before| self.ends[before]);
            slots.extend_from_slice(&self.settled[begin as usize..*end as usize]);
        }
        let mut at = self.last.get(value).map_or(NONE, |(last, _)| *last);
        while at != NONE {
            slots.push(at);
            at = self.before[at as usize - self.settled.len()];
        }
    }

    /// Values below this are in use.
    pub fn end(&self) -> usize {
        self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_slots_and_later_ones_are_found_alike() {
        let values = [3, 0, 3, 1, 3, 1, 7, 0];
        for settled in 0..=values.len() {
            let mut postings = Postings::default();
            values[..settled].iter().for_each(|value| postings.push(*value));
            postings.settle(values[..settled].iter().copied());
            values[settled..].iter().for_each(|value| postings.push(*value));
            for value in 0..9 {
                let mut slots = Vec::new();
                postings.add_slots(value, &mut slots);
                slots.sort_unstable();
                let all = (0..).zip(values).filter(|(_, v)| *v == value).map(|(slot, _)| slot);
                assert_eq!(slots, all.collect::<Vec<u32>>(), "{value}, {settled} settled");
                assert_eq!(postings.count(value), slots.len());
            }
        }
    }
}
