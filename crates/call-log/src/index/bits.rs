//! A set of small numbers.

#[derive(Debug, Default, Clone)]
pub(crate) struct Bits {
    /// Made when the first number comes: most sets of a search stay empty.
    words: Vec<u64>,
    room: usize,
    len: usize,
}

impl Bits {
    /// Room for numbers below `end`.
    pub fn below(end: usize) -> Self {
        Self { words: Vec::new(), room: end.div_ceil(64), len: 0 }
    }

    /// Makes room for one more number.
    pub fn grow(&mut self, number: u32) {
        self.room = self.room.max(number as usize / 64 + 1);
        if !self.words.is_empty() {
            self.words.resize(self.room, 0);
        }
    }

    pub fn add(&mut self, number: u32) {
        if self.words.is_empty() {
            self.words = vec![0; self.room];
        }
        let Some(word) = self.words.get_mut(number as usize / 64) else { return };
        let bit = 1 << (number % 64);
        self.len += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub fn has(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    at as u32 * 64 + bit
                })
            })
        })
    }
}
