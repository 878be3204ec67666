//! A bad network on purpose: datagrams lost, doubled and overtaken, the same ones for the same seed.

use std::{str::FromStr, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// How bad the network is, for UDP datagrams in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Impairment {
    /// Percent that never arrive.
    pub loss: u8,
    /// Percent that arrive twice.
    pub duplicate: u8,
    /// Percent that are held back, so that later ones overtake them.
    pub reorder: u8,
    pub seed: u64,
}

/// What is wrong with a text that should describe an [`Impairment`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of loss=PERCENT, dup=PERCENT, reorder=PERCENT, seed=NUMBER")]
pub struct ImpairmentError(String);

impl FromStr for Impairment {
    type Err = ImpairmentError;

    /// `loss=5,dup=5,reorder=5,seed=7`; what is left out is 0.
    fn from_str(text: &str) -> Result<Self, ImpairmentError> {
        let mut read = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let wrong = || ImpairmentError(part.chars().take(40).collect());
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let number: u64 = value.trim().parse().map_err(|_| wrong())?;
            let percent = || u8::try_from(number).ok().filter(|p| *p <= 100).ok_or_else(wrong);
            match name.trim() {
                "loss" => read.loss = percent()?,
                "dup" => read.duplicate = percent()?,
                "reorder" => read.reorder = percent()?,
                "seed" => read.seed = number,
                _ => return Err(wrong()),
            }
        }
        Ok(read)
    }
}

/// One direction of an impaired network.
pub(crate) struct Impaired {
    how: Impairment,
    chance: StdRng,
}

/// How long a datagram is held back that others shall overtake, milliseconds.
const HELD_BACK: std::ops::Range<u64> = 5..60;

impl Impaired {
    /// `stream` tells directions of the same seed apart.
    pub fn new(how: Impairment, stream: u64) -> Self {
        Self { how, chance: StdRng::seed_from_u64(how.seed.wrapping_mul(31).wrapping_add(stream)) }
    }

    /// After which delays one datagram arrives: not at all, once, or twice.
    pub fn fate(&mut self) -> Vec<Duration> {
        if self.hits(self.how.loss) {
            return Vec::new();
        }
        let copies = if self.hits(self.how.duplicate) { 2 } else { 1 };
        (0..copies).map(|_| self.delay()).collect()
    }

    fn delay(&mut self) -> Duration {
        if self.hits(self.how.reorder) {
            Duration::from_millis(self.chance.random_range(HELD_BACK))
        } else {
            Duration::ZERO
        }
    }

    fn hits(&mut self, percent: u8) -> bool {
        self.chance.random_range(0..100) < percent
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_impairment_is_read_or_its_fault_named() {
        let read: Impairment = "loss=5, dup=6,reorder=7,seed=8".parse().unwrap();
        assert_eq!(read, Impairment { loss: 5, duplicate: 6, reorder: 7, seed: 8 });
        assert_eq!("".parse(), Ok(Impairment::default()));
        for bad in ["loss", "loss=101", "dup=-1", "speed=3", "reorder=x"] {
            assert!(bad.parse::<Impairment>().unwrap_err().to_string().contains(bad), "{bad}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_about_as_often_as_asked() {
        let how = Impairment { loss: 10, duplicate: 20, reorder: 30, seed: 7 };
        let fates = |stream| {
            let mut network = Impaired::new(how, stream);
            (0..10_000).map(|_| network.fate()).collect::<Vec<_>>()
        };
        assert_eq!(fates(0), fates(0));
        assert_ne!(fates(0), fates(1));
        let all = fates(0);
        let share = |wanted: fn(&Vec<Duration>) -> bool| all.iter().filter(|f| wanted(f)).count();
        assert!((900..1100).contains(&share(Vec::is_empty)));
        assert!((1600..2000).contains(&share(|f| f.len() == 2)));
        assert!((2800..3900).contains(&share(|f| f.iter().any(|d| !d.is_zero()))));
    }
}
