//! The jitter buffer's playing side: which packet is played when, what is made up, and how the delay follows its target.

use super::{
    delay::{Delay, MS},
    noise::Noise,
    slack::Slack,
    source::Placed,
    store::Store,
};
use crate::{Codec, Decoder, FRAME, Frame, stretch};

const FRAME_SAMPLES: i64 = FRAME as i64;
/// A frame less of delay must leave this much more than the target at once, or it would soon be asked for again; what was never
/// needed for seconds need not.
const SPARE: i64 = 4 * MS;
/// Delay above the target is taken away in every frame if it is this much, else in one of five, so that it goes unheard.
const MUCH_SPARE: i64 = 80 * MS;
const EVERY: u32 = 5;
/// More than this above the target is thrown away unheard: nobody called `frame` for a while.
const BACKLOG: i64 = 500 * MS;
/// After this long without a packet there is silence, and it no longer counts as concealment.
const GIVE_UP: i64 = 400 * MS;

pub(crate) struct Playout {
    store: Store,
    decoders: [Option<Decoder>; Codec::ALL.len()],
    delay: Option<Delay>,
    slack: Slack,
    /// Decoded, not yet played.
    pcm: Vec<i16>,
    /// What comes next; `None` until the first packet has waited long enough.
    next: Option<Placed>,
    codec: Option<Codec>,
    /// What the other side asked for in place of sound until it sends some again.
    noise: Option<Noise>,
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
            slack: Slack::default(),
            pcm: Vec::with_capacity(8 * FRAME),
            next: None,
            codec: None,
            noise: None,
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
        self.delay.get_or_insert_with(|| Delay::new(now, placed.at)).learn(now, placed.at, codec == Codec::Opus);
        if self.is_late(placed) {
            self.late += 1;
            if let Some(delay) = &mut self.delay {
                delay.found();
            }
        } else {
            self.store.insert(placed.sequence, placed.at, Some(codec), payload);
        }
    }

    /// Takes a packet without sound: its number is not missing. `comfort` is the payload if it tells of comfort noise.
    pub(crate) fn fill_place(&mut self, placed: Placed, comfort: &[u8]) {
        if !self.is_late(placed) {
            self.store.insert(placed.sequence, placed.at, None, comfort);
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
        self.slack.forget();
        self.next = None;
        self.noise = None;
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

    /// By how many microseconds the next frame is best taken sooner than 20 ms after this one; negative: later.
    pub(crate) fn sooner(&self, ahead: bool) -> i64 {
        self.slack.sooner(ahead)
    }

    fn fill_frame(&mut self, now: i64) {
        while self.pcm.len() < FRAME {
            self.fill(now);
        }
    }

    /// Stretches the newest sound towards the target delay.
    fn steer(&mut self, now: i64) {
        let (Some(next), 0) = (self.next, self.stalled) else { return };
        let left = self.pcm.len() - FRAME;
        let frames_left = (left / FRAME) as i64;
        let spare = self.may_be_late(now + (1 + frames_left) * FRAME_SAMPLES, next.at) - self.target;
        self.slack.note(now, spare);
        let often = spare > MUCH_SPARE || self.frames_since_shortened >= EVERY;
        let too_much = spare > FRAME_SAMPLES + SPARE || self.slack.least() > FRAME_SAMPLES;
        if spare < 0 {
            stretch::lengthen(&mut self.pcm);
        } else if often && too_much && self.has_next(next) {
            self.shorten(usize::MAX);
        } else if often {
            // What is left over for the next frame only makes it wait.
            self.shorten(left);
        }
    }

    fn shorten(&mut self, at_most: usize) {
        if stretch::shorten_by(&mut self.pcm, at_most) > 0 {
            self.frames_since_shortened = 0;
        }
    }

    fn has_next(&mut self, next: Placed) -> bool {
        self.store.first().is_some_and(|first| first.sequence == next.sequence)
    }

    /// How late the packet with timestamp `at` may be if it must be there at `taken`.
    fn may_be_late(&self, taken: i64, at: i64) -> i64 {
        taken - at - self.delay.as_ref().map_or(0, Delay::base)
    }

    /// How long a sample with timestamp `at` will have waited if it is played right after what is decoded.
    fn delay_of(&self, now: i64, at: i64) -> i64 {
        self.may_be_late(now + self.pcm.len() as i64, at)
    }

    /// Appends something to `pcm`; or takes a packet away that is not to be played.
    fn fill(&mut self, now: i64) {
        let Some(first) = self.store.first() else { return self.stall() };
        let sound = first.codec.is_some();
        let first = Placed { sequence: first.sequence, at: first.at };
        if !sound || self.delay_of(now, first.at) > self.target + BACKLOG {
            return self.pass_over(first);
        }
        let in_time = self.may_be_late(now, first.at) >= self.target;
        match self.next {
            None if in_time => self.play(first),
            None => self.stall(),
            Some(next) => self.approach(now, next, first, in_time),
        }
    }

    /// Nothing is there. Time stands still: what is missing may only be late, and then it is played after all.
    fn stall(&mut self) {
        if self.next.is_none() {
            self.pcm.resize(FRAME, 0);
        } else if self.stalled >= GIVE_UP && self.noise.is_none() {
            self.pcm.resize(FRAME, 0);
            self.stalled = (self.stalled + FRAME_SAMPLES).min(i64::MAX / 4);
        } else {
            self.stalled = (self.stalled + self.conceal(FRAME_SAMPLES)).min(i64::MAX / 4);
        }
    }

    fn pass_over(&mut self, first: Placed) {
        if let Some(next) = &mut self.next {
            next.sequence = first.sequence + 1;
        }
        if let Some(noise) =
            self.store.first().filter(|first| first.codec.is_none()).and_then(|f| Noise::read(&f.payload))
        {
            self.noise = Some(noise);
        }
        self.store.remove_first();
    }

    /// A packet is there: is it its turn, and if not, what comes before it?
    fn approach(&mut self, now: i64, next: Placed, first: Placed, in_time: bool) {
        let lost = first.sequence > next.sequence;
        // What was made up while waiting stands for what never came.
        let paid = self.stalled.min((first.at - next.at).max(0));
        let gap = first.at - next.at - paid;
        // A pause in which nothing was sent is no concealment.
        if self.noise.is_none() && (lost || paid == 0) {
            self.concealed += self.stalled.min(GIVE_UP) as u64;
        }
        self.stalled = 0;
        self.next = Some(Placed { at: next.at + paid, ..next });
        if gap <= 2 * MS {
            self.give_up(first.sequence - next.sequence);
            self.play(first);
        } else if !lost || gap > GIVE_UP {
            self.pause(first, gap, in_time);
        } else if self.may_be_late(now, next.at) + FRAME_SAMPLES <= self.target {
            // There is too little delay anyway: the missing packet may still come while it grows.
            self.concealed += self.conceal(FRAME_SAMPLES) as u64;
        } else {
            self.bridge(first, gap);
        }
    }

    /// The sender paused (DTX, DTMF, or a long loss): the pause lasts as long as the delay needs to be right again.
    fn pause(&mut self, first: Placed, gap: i64, in_time: bool) {
        if in_time {
            return self.play(first);
        }
        let waited = self.conceal(gap.min(FRAME_SAMPLES));
        self.advance(waited);
    }

    /// Makes up for lost packets before `first`: a frame at a time, the last with help of `first`.
    fn bridge(&mut self, first: Placed, gap: i64) {
        let before = self.pcm.len();
        if gap > FRAME_SAMPLES + 2 * MS {
            let made_up = self.conceal(FRAME_SAMPLES);
            self.advance(made_up);
        } else {
            self.recover(gap);
            if let Some(next) = self.next.replace(first) {
                self.give_up(first.sequence - next.sequence);
            }
        }
        self.concealed += (self.pcm.len() - before) as u64;
    }

    fn give_up(&mut self, packets: i64) {
        if let Some(delay) = &mut self.delay {
            (0..packets.min(50)).for_each(|_| delay.lost());
        }
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
        if let Some(noise) = &mut self.noise {
            noise.fill(samples as usize, &mut self.pcm);
            return samples;
        }
        match self.codec.and_then(|codec| decoder(&mut self.decoders, codec)) {
            Some(decoder) => decoder.conceal(samples as usize, &mut self.pcm),
            None => self.pcm.resize(before + samples as usize, 0),
        }
        (self.pcm.len() - before) as i64
    }

    /// Decodes the first packet.
    fn play(&mut self, placed: Placed) {
        self.noise = None;
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
