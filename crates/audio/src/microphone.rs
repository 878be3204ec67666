//! Recording.

use std::collections::VecDeque;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use media::{FRAME, RATE, Resampler, stretch};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{Kind, SoundError, device, fake::FakeSource, stream::Open};

/// What a ring can hold: 200 ms.
const CAPACITY_MS: usize = 200;
/// Kept back when starting, and after each time the ring ran dry: room for a late callback. 10 ms.
const LEAD: usize = 480;
/// Beyond 50 ms, the device is faster than we pull: take a little out.
const MUCH: usize = 2400;
/// Beyond 120 ms nobody pulled for a while: forget the oldest.
const TOO_MUCH: usize = 5760;

/// An open microphone. Pull 20 ms every 20 ms.
pub struct Microphone(Inner);

enum Inner {
    Device(Box<Recording>),
    Fake(FakeSource),
}

struct Recording {
    open: Open,
    tap: Tap,
}

impl Microphone {
    /// Takes mono sound at 48 kHz and says how many samples there were: all that were asked for, or, while too little has
    /// come, none. Never blocks.
    pub fn pull(&mut self, out: &mut [i16]) -> usize {
        match &mut self.0 {
            Inner::Device(recording) => recording.tap.pull(out),
            Inner::Fake(source) => source.pull(out),
        }
    }

    /// Set once the device is lost; open another then.
    #[must_use]
    pub fn trouble(&self) -> Option<SoundError> {
        match &self.0 {
            Inner::Device(recording) => recording.open.trouble(),
            Inner::Fake(source) => source.trouble(),
        }
    }

    /// Small faults (overruns and the like) since it was opened.
    #[must_use]
    pub fn glitches(&self) -> u32 {
        match &self.0 {
            Inner::Device(recording) => recording.open.glitches(),
            Inner::Fake(_) => 0,
        }
    }

    pub(crate) fn fake(source: FakeSource) -> Self {
        Self(Inner::Fake(source))
    }
}

pub(crate) fn open(id: Option<&str>) -> Result<Microphone, SoundError> {
    let device = device::find(Kind::Microphone, id)?;
    let (config, format) = device::config(Kind::Microphone, &device, id.unwrap_or("default"))?;
    let (producer, consumer) = RingBuffer::new(config.sample_rate as usize * CAPACITY_MS / 1000);
    let open = Open::start(Kind::Microphone, move |health| {
        let trouble = move |error| health.note(&error);
        let built = match format {
            SampleFormat::I16 => build::<i16>(&device, config, producer, trouble),
            SampleFormat::F32 => build::<f32>(&device, config, producer, trouble),
            _ => build::<i32>(&device, config, producer, trouble), // `device::config` lets through no other
        };
        built.map_err(|error| device::refused(Kind::Microphone, "device", &error))
    })?;
    Ok(Microphone(Inner::Device(Box::new(Recording { open, tap: Tap::new(consumer, config.sample_rate) }))))
}

fn build<S: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    mut ring: Producer<i16>,
    trouble: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error>
where
    i16: FromSample<S>,
{
    let channels = usize::from(config.channels.max(1));
    let take = move |pcm: &[S], _: &cpal::InputCallbackInfo| {
        for frame in pcm.chunks_exact(channels) {
            let sum: i32 = frame.iter().map(|&sample| i32::from(i16::from_sample_(sample))).sum();
            // Full while nobody pulls: the newest is left out.
            let _ = ring.push((sum / channels as i32) as i16);
        }
    };
    device.build_input_stream(config, take, trouble, None)
}

/// The pulling end of a microphone's ring: resamples, and keeps what waits short.
struct Tap {
    ring: Consumer<i16>,
    resampler: Resampler,
    fresh: Vec<i16>,
    waiting: VecDeque<i16>,
    /// Enough has been kept back.
    running: bool,
}

impl Tap {
    fn new(ring: Consumer<i16>, rate: u32) -> Self {
        Self {
            ring,
            resampler: Resampler::new(rate, RATE),
            fresh: Vec::with_capacity(RATE as usize / 2),
            waiting: VecDeque::with_capacity(RATE as usize / 2),
            running: false,
        }
    }

    fn pull(&mut self, out: &mut [i16]) -> usize {
        self.fetch();
        let needed = out.len() + if self.running { 0 } else { LEAD };
        self.running = self.waiting.len() >= needed;
        if !self.running {
            return 0;
        }
        let count = out.len();
        for (slot, sample) in out.iter_mut().zip(self.waiting.drain(..count)) {
            *slot = sample;
        }
        count
    }

    fn fetch(&mut self) {
        self.fresh.clear();
        while let Ok(sample) = self.ring.pop() {
            self.resampler.resample(&[sample], &mut self.fresh);
        }
        if self.waiting.len() + self.fresh.len() > MUCH && self.fresh.len() >= FRAME {
            stretch::shorten(&mut self.fresh);
        }
        self.waiting.extend(self.fresh.iter());
        if self.waiting.len() > TOO_MUCH {
            self.waiting.drain(..self.waiting.len() - MUCH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::tones;

    #[test]
    fn drifting_clocks_neither_pile_up_nor_leave_many_holes() {
        for (rate, ppm) in [(48_000_i64, 500_i64), (44_100, 500), (16_000, -500), (48_000, 0)] {
            let (mut producer, consumer) = RingBuffer::new(rate as usize / 5);
            let mut tap = Tap::new(consumer, rate as u32);
            let tone = tones::sine(200.0, 1000, -6.0);
            let (mut owed, mut sent, mut most, mut holes) = (0, 0, 0, 0);
            for i in 0..120 * 50 {
                owed += rate * (1_000_000 + ppm) / 50;
                while owed >= 1_000_000 {
                    owed -= 1_000_000;
                    let _ = producer.push(tone[sent * 48_000 / rate as usize % 48_000]);
                    sent += 1;
                }
                let mut out = [0; FRAME];
                holes += usize::from(tap.pull(&mut out) == 0 && i > 5);
                most = most.max(tap.waiting.len());
            }
            // A slow microphone must pause now and then: 60 ms are missing in two minutes.
            assert!(most <= MUCH + FRAME && holes <= 5, "{rate} Hz {ppm} ppm: {most}, {holes} holes");
        }
    }

    #[test]
    fn after_an_absence_only_the_present_is_heard() {
        let (mut producer, consumer) = RingBuffer::new(9600);
        let mut tap = Tap::new(consumer, 48_000);
        for i in 0..9600 {
            let _ = producer.push(i as i16);
        }
        let mut out = [0; FRAME];
        assert_eq!(tap.pull(&mut out), FRAME);
        assert!(out[0] > 6000, "{}", out[0]);
    }
}
