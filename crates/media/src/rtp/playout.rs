//! The jitter buffer's playing side: which packet is played when, what is made up, and how the delay follows its target.

use super::{
    delay::{Delay, MS},
    source::Placed,
    store::Store,
};
use crate::{Codec, Decoder, FRAME, Frame, stretch};

const FRAME_SAMPLES: i64 = FRAME as i64;
/// More delay than this above the target is taken away by shortening; every frame, or one in five when it is little.
const SPARE: i64 = 15 * MS;
const MUCH_SPARE: i64 = 80 * MS;
const EVERY: u32 = 5;
/// Less delay than this below the target is added by lengthening.
const SHORT: i64 = 5 * MS;
/// More than this above the target is thrown away unheard: nobody called `frame` for a while.
const BACKLOG: i64 = 500 * MS;
/// After this long without a packet there is silence, and it no longer counts as concealment.
const GIVE_UP: i64 = 400 * MS;

pub(crate) struct Playout {
    store: Store,
    decoders: [Option<Decoder>; Codec::ALL.len()],
    delay: Option<Delay>,
    /// Decoded, not yet played.
    pcm: Vec<i16>,
    /// What comes next; `None` until the first packet has waited long enough.
    next: Option<Placed>,
    codec: Option<Codec>,
    /// Made up while nothing was there, in the hope that what is missing still comes.
    stalled: i64,
    frames_since_shortened: u32,
    pub(crate) concealed: u64,
    pub(crate) late: u64,
    pub(crate) played_delay: i64,
    pub(crate) target: i64,
}

impl Playout {
    pub(crate) fn new() -> Self {
        Self {
            store: Store::new(),
            decoders: [const { None }; Codec::ALL.len()],
            delay: None,
            pcm: Vec::with_capacity(8 * FRAME),
            next: None,
            codec: None,
            stalled: 0,
            frames_since_shortened: 0,
            concealed: 0,
            late: 0,
            played_delay: 0,
            target: 0,
        }
    }

    /// Takes a packet of sound.
    pub(crate) fn insert(&mut self, now: i64, placed: Placed, codec: Codec, payload: &[u8]) {
        self.delay.get_or_insert_with(|| Delay::new(now, placed.at)).learn(now, placed.at);
        if self.is_late(placed) {
            self.late += 1;
        } else {
            self.store.insert(placed.sequence, placed.at, Some(codec), payload);
        }
    }

    /// Takes a packet without sound: its number is not missing.
    pub(crate) fn fill_place(&mut self, placed: Placed) {
        if !self.is_late(placed) {
            self.store.insert(placed.sequence, placed.at, None, &[]);
        }
    }

    fn is_late(&self, placed: Placed) -> bool {
        self.next.is_some_and(|next| placed.sequence < next.sequence)
    }

    /// Another source begins: nothing of the old one is kept but what is already decoded.
    pub(crate) fn restart(&mut self) {
        self.store.clear();
        self.decoders = [const { None }; Codec::ALL.len()];
        self.delay = None;
        self.next = None;
        self.stalled = 0;
    }

    /// The next 20 ms.
    pub(crate) fn frame(&mut self, now: i64, out: &mut Frame) {
        self.target = self.delay.as_ref().map_or(0, |delay| delay.target(now));
        self.frames_since_shortened = self.frames_since_shortened.saturating_add(1);
        self.fill_frame(now);
        self.steer(now);
        self.fill_frame(now);
        if let (Some(next), 0) = (self.next, self.stalled) {
            self.played_delay = self.delay_of(now, next.at);
        }
        out.copy_from_slice(&self.pcm[..FRAME]);
        self.pcm.drain(..FRAME);
    }

    fn fill_frame(&mut self, now: i64) {
        while self.pcm.len() < FRAME {
            self.fill(now);
        }
    }

    /// Stretches the newest sound towards the target delay.
    fn steer(&mut self, now: i64) {
        let (Some(next), 0) = (self.next, self.stalled) else { return };
        let spare = self.delay_of(now, next.at) - self.target;
        if spare > MUCH_SPARE || (spare > SPARE && self.frames_since_shortened >= EVERY) {
            if stretch::shorten(&mut self.pcm) > 0 {
                self.frames_since_shortened = 0;
            }
        } else if spare < -SHORT {
            stretch::lengthen(&mut self.pcm);
        }
    }

    /// How long a sample with timestamp `at` will have waited if it is played right after what is decoded.
    fn delay_of(&self, now: i64, at: i64) -> i64 {
        let base = self.delay.as_ref().map_or(0, Delay::base);
        now + self.pcm.len() as i64 - at - base
    }

    /// Appends something, however little, to `pcm`; or takes a packet away that is not to be played.
    fn fill(&mut self, now: i64) {
        let room = FRAME_SAMPLES - self.pcm.len() as i64;
        let Some(first) = self.store.first() else { return self.stall(room) };
        let sound = first.codec.is_some();
        let first = Placed { sequence: first.sequence, at: first.at };
        let delay = self.delay_of(now, first.at);
        if !sound || delay > self.target + BACKLOG {
            return self.pass_over(first);
        }
        match self.next {
            None => self.begin(first, delay, room),
            Some(next) => self.approach(next, first, delay, room),
        }
    }

    /// Nothing is there. Time stands still: what is missing may only be late, and then it is played after all.
    fn stall(&mut self, room: i64) {
        let made_up = if self.next.is_none() || self.stalled >= GIVE_UP {
            self.pcm.resize(FRAME, 0);
            room
        } else {
            self.conceal(room)
        };
        self.stalled = (self.stalled + made_up).min(i64::MAX / 4);
    }

    fn pass_over(&mut self, first: Placed) {
        if let Some(next) = &mut self.next {
            next.sequence = first.sequence + 1;
        }
        self.store.remove_first();
    }

    /// The very first packet waits until its delay is right; sharp to the sample.
    fn begin(&mut self, first: Placed, delay: i64, room: i64) {
        let wait = (self.target - delay).clamp(0, room);
        self.pcm.resize(self.pcm.len() + wait as usize, 0);
        if delay + wait >= self.target {
            (self.next, self.stalled) = (Some(first), 0);
        }
        if wait == 0 {
            self.play(first);
        }
    }

    /// A packet is there: is it its turn, and if not, what comes before it?
    fn approach(&mut self, next: Placed, first: Placed, delay: i64, room: i64) {
        let lost = first.sequence > next.sequence;
        // What was made up while waiting stands for what never came.
        let paid = self.stalled.min((first.at - next.at).max(0));
        let gap = first.at - next.at - paid;
        // A pause in which nothing was sent is no concealment.
        if lost || paid == 0 {
            self.concealed += self.stalled.min(GIVE_UP) as u64;
        }
        self.stalled = 0;
        self.next = Some(Placed { at: next.at + paid, ..next });
        if gap <= 2 * MS {
            self.play(first);
        } else if !lost || gap > GIVE_UP {
            self.pause(first, gap, delay, room);
        } else if delay + gap + FRAME_SAMPLES <= self.target {
            // There is too little delay anyway: the missing packet may still come while it grows.
            self.concealed += self.conceal(room) as u64;
        } else {
            self.bridge(first, gap);
        }
    }

    /// The sender paused (DTX, DTMF, or a long loss): the pause lasts as long as the delay needs to be right again.
    fn pause(&mut self, first: Placed, gap: i64, delay: i64, room: i64) {
        let wait = (self.target - delay).min(gap).min(room);
        if wait <= 0 {
            return self.play(first);
        }
        let waited = self.conceal(wait);
        if delay + waited >= self.target {
            self.next = Some(first);
        } else {
            self.advance(waited);
        }
    }

    /// Makes up for lost packets before `first`: a frame at a time, the last with help of `first`.
    fn bridge(&mut self, first: Placed, gap: i64) {
        let before = self.pcm.len();
        if gap > FRAME_SAMPLES + 2 * MS {
            let made_up = self.conceal(FRAME_SAMPLES);
            self.advance(made_up);
        } else {
            self.recover(gap);
            self.next = Some(first);
        }
        self.concealed += (self.pcm.len() - before) as u64;
    }

    fn advance(&mut self, by: i64) {
        if let Some(next) = &mut self.next {
            next.at += by;
        }
    }

    fn recover(&mut self, samples: i64) {
        let Self { store, decoders, pcm, codec, .. } = self;
        let Some(first) = store.first() else { return };
        *codec = first.codec;
        match first.codec.and_then(|codec| decoder(decoders, codec)) {
            Some(decoder) => decoder.recover(&first.payload, samples as usize, pcm),
            None => pcm.resize(pcm.len() + samples as usize, 0),
        }
    }

    /// Makes up `samples`, or a little more, and says how many.
    fn conceal(&mut self, samples: i64) -> i64 {
        let before = self.pcm.len();
        match self.codec.and_then(|codec| decoder(&mut self.decoders, codec)) {
            Some(decoder) => decoder.conceal(samples as usize, &mut self.pcm),
            None => self.pcm.resize(before + samples as usize, 0),
        }
        (self.pcm.len() - before) as i64
    }

    /// Decodes the first packet.
    fn play(&mut self, placed: Placed) {
        let Self { store, decoders, pcm, codec, .. } = self;
        let Some(first) = store.first() else { return };
        let decoded = first.codec.and_then(|playing| {
            *codec = Some(playing);
            decoder(decoders, playing)?.decode(&first.payload, pcm).ok()
        });
        self.store.remove_first();
        let length = decoded.map_or_else(|| self.conceal(FRAME_SAMPLES), |samples| samples as i64);
        if decoded.is_none() {
            self.concealed += length as u64;
        }
        self.next = Some(Placed { sequence: placed.sequence + 1, at: placed.at + length });
    }
}

/// The stream's decoder for a codec, made when first needed.
fn decoder(decoders: &mut [Option<Decoder>; Codec::ALL.len()], codec: Codec) -> Option<&mut Decoder> {
    let slot = &mut decoders[codec as usize];
    if slot.is_none() {
        *slot = Decoder::new(codec).ok();
    }
    slot.as_mut()
}
