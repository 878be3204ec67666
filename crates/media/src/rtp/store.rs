//! Packets that wait to be played, in sequence order. Bounded: 128 slots whose memory is used again and again.

use crate::Codec;

const SLOTS: usize = 128;

/// A packet that waits.
pub(crate) struct Waiting {
    /// Sequence number, unwrapped.
    pub(crate) sequence: i64,
    /// Timestamp, unwrapped, in samples at 48 kHz.
    pub(crate) at: i64,
    /// `None` for a packet that holds no sound, such as a DTMF event: it only fills its place in the sequence, and its
    /// payload, if any, is comfort noise.
    pub(crate) codec: Option<Codec>,
    pub(crate) payload: Vec<u8>,
    occupied: bool,
}

pub(crate) struct Store {
    slots: Vec<Waiting>,
    occupied: usize,
    /// No packet that waits has a lower number.
    lowest: i64,
}

impl Store {
    pub(crate) fn new() -> Self {
        let empty = || Waiting { sequence: 0, at: 0, codec: None, payload: Vec::new(), occupied: false };
        Self { slots: std::iter::repeat_with(empty).take(SLOTS).collect(), occupied: 0, lowest: 0 }
    }

    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.occupied = false;
        }
        self.occupied = 0;
    }

    /// Puts a packet in. One that is 128 or more places newer than the oldest throws the oldest out.
    pub(crate) fn insert(&mut self, sequence: i64, at: i64, codec: Option<Codec>, payload: &[u8]) {
        let keep_from = sequence - SLOTS as i64 + 1;
        for slot in &mut self.slots {
            if slot.occupied && slot.sequence < keep_from {
                slot.occupied = false;
                self.occupied -= 1;
            }
        }
        self.lowest = if self.occupied == 0 { sequence } else { self.lowest.max(keep_from).min(sequence) };
        let slot = &mut self.slots[place(sequence)];
        if slot.occupied {
            return; // newer by a whole round: this packet is ancient
        }
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        (slot.sequence, slot.at, slot.codec, slot.occupied) = (sequence, at, codec, true);
        self.occupied += 1;
    }

    /// The waiting packet with the lowest number.
    pub(crate) fn first(&mut self) -> Option<&Waiting> {
        if self.occupied == 0 {
            return None;
        }
        while !self.slots[place(self.lowest)].occupied {
            self.lowest += 1;
        }
        Some(&self.slots[place(self.lowest)])
    }

    pub(crate) fn remove_first(&mut self) {
        if self.first().is_some() {
            self.slots[place(self.lowest)].occupied = false;
            self.occupied -= 1;
        }
    }
}

fn place(sequence: i64) -> usize {
    sequence.rem_euclid(SLOTS as i64) as usize
}
