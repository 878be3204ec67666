//! Recording.

use std::collections::VecDeque;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use media::{FRAME, RATE, Resampler, stretch};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::{Kind, SoundError, device, drift::Drift, fake::FakeSource, stream::Open};

/// What a ring can hold: 200 ms.
const CAPACITY_MS: usize = 200;
/// Kept back when starting, and after each time the ring ran dry: room for a late callback. 10 ms.
const LEAD: usize = 480;
/// What is left after a pull, on average: 15 ms.
const TARGET_MS: f32 = 15.0;
/// Beyond 50 ms, more has come at once than drifting clocks make: take a little out.
const MUCH: usize = 2400;
/// Beyond 120 ms nobody pulled for a while: forget the oldest.
const TOO_MUCH: usize = 5760;
/// So many pulls in a row that got nothing, 2 s: the device has stopped.
const STALLED: u32 = 100;

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
            Inner::Device(recording) => recording.open.trouble().or_else(|| recording.tap.trouble()),
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
    ring: Producer<i16>,
    trouble: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error>
where
    i16: FromSample<S>,
{
    let mut take = taker(config.channels, ring);
    device.build_input_stream(config, move |pcm: &[S], _: &cpal::InputCallbackInfo| take(pcm), trouble, None)
}

/// What the system calls with each buffer, of whatever size: no lock, no allocation, no log.
fn taker<S: SizedSample>(channels: u16, mut ring: Producer<i16>) -> impl FnMut(&[S]) + Send + 'static
where
    i16: FromSample<S>,
{
    let channels = usize::from(channels.max(1));
    move |pcm| {
        for frame in pcm.chunks_exact(channels) {
            let sum: i32 = frame.iter().map(|&sample| i32::from(i16::from_sample_(sample))).sum();
            // Full while nobody pulls: the newest is left out.
            let _ = ring.push((sum / channels as i32) as i16);
        }
    }
}

/// The pulling end of a microphone's ring: resamples, and keeps what waits short.
struct Tap {
    ring: Consumer<i16>,
    resampler: Resampler,
    fresh: Vec<i16>,
    waiting: VecDeque<i16>,
    /// Enough has been kept back.
    running: bool,
    drift: Drift,
    /// Pulls in a row that got nothing.
    dry: u32,
    /// How often sound was taken out at once.
    splices: u32,
}

impl Tap {
    fn new(ring: Consumer<i16>, rate: u32) -> Self {
        Self {
            ring,
            resampler: Resampler::bendable(rate, RATE),
            fresh: Vec::with_capacity(RATE as usize / 2),
            waiting: VecDeque::with_capacity(RATE as usize / 2),
            running: false,
            drift: Drift::new(TARGET_MS),
            dry: 0,
            splices: 0,
        }
    }

    fn trouble(&self) -> Option<SoundError> {
        (self.dry >= STALLED).then_some(SoundError::Stopped(Kind::Microphone))
    }

    fn pull(&mut self, out: &mut [i16]) -> usize {
        self.fetch();
        let needed = out.len() + if self.running { 0 } else { LEAD };
        self.running = self.waiting.len() >= needed;
        if !self.running {
            self.dry = self.dry.saturating_add(1);
            return 0;
        }
        self.dry = 0;
        let count = out.len();
        for (slot, sample) in out.iter_mut().zip(self.waiting.drain(..count)) {
            *slot = sample;
        }
        self.resampler.bend(self.drift.ppm(self.waiting.len() as f32 * 1000.0 / RATE as f32));
        count
    }

    fn fetch(&mut self) {
        self.fresh.clear();
        if let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) {
            let (first, rest) = chunk.as_slices();
            self.resampler.resample(first, &mut self.fresh);
            self.resampler.resample(rest, &mut self.fresh);
            chunk.commit_all();
        }
        if self.waiting.len() + self.fresh.len() > MUCH && self.fresh.len() >= FRAME {
            self.splices += u32::from(stretch::shorten(&mut self.fresh) > 0);
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
    use crate::led::Led;
    use media::tones;
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    #[test]
    fn drifting_clocks_neither_pile_up_nor_leave_holes() {
        for (rate, ppm, minutes) in [
            (48_000_i64, 0, 3),
            (48_000, 200, 60),
            (48_000, -200, 10),
            (44_100, 500, 5),
            (44_100, -500, 5),
            (16_000, -200, 5),
        ] {
            let (mut producer, consumer) = RingBuffer::new(rate as usize / 5);
            let mut tap = Tap::new(consumer, rate as u32);
            let tone = tones::sine(200.0, 1000, -6.0);
            let (mut owed, mut sent, mut most, mut holes) = (0, 0, 0, 0);
            for i in 0..minutes * 60 * 50 {
                owed += rate * (1_000_000 + ppm) / 50;
                // A device gives 10 ms at a time.
                while owed >= rate * 10_000 {
                    owed -= rate * 10_000;
                    for _ in 0..rate / 100 {
                        let _ = producer.push(tone[sent * 48_000 / rate as usize % 48_000]);
                        sent += 1;
                    }
                }
                let mut out = [0; FRAME];
                holes += usize::from(tap.pull(&mut out) == 0 && i > 5);
                most = most.max(tap.waiting.len());
            }
            println!("{rate} Hz {ppm} ppm: at most {} ms wait, {} splices, {holes} holes", most / 48, tap.splices);
            assert!(
                most <= MUCH + FRAME && holes == 0 && tap.splices == 0,
                "{rate} Hz {ppm} ppm: {most}, {holes} holes"
            );
        }
    }

    /// Who pulls goes by a clock that is led by the far end's.
    #[test]
    fn a_led_clock_and_a_drifting_device_together_leave_no_hole() {
        for (rate, far_ppm, device_ppm) in [(48_000_u32, 200.0, -200.0), (44_100, -200.0, 200.0)] {
            let (mut producer, consumer) = RingBuffer::new(rate as usize / 5);
            let (mut tap, mut call) = (Tap::new(consumer, rate), Led::new(far_ppm));
            let tone = tones::sine(200.0, 1000, -6.0);
            let (mut given, mut holes, mut most) = (0, 0, 0);
            for i in 0..1200 * 50 {
                let (now, _) = call.tick();
                let due = now.as_secs_f64() * f64::from(rate) * (1.0 + device_ppm * 1e-6);
                // A device gives 10 ms at a time.
                while ((given + rate as usize / 100) as f64) < due {
                    for _ in 0..rate / 100 {
                        let _ = producer.push(tone[given * 48_000 / rate as usize % 48_000]);
                        given += 1;
                    }
                }
                let mut out = [0; FRAME];
                holes += usize::from(tap.pull(&mut out) == 0 && i > 5);
                most = most.max(tap.waiting.len());
            }
            println!("{rate} Hz, {far_ppm} and {device_ppm} ppm: at most {} ms wait", most / 48);
            assert!(call.paces[0] > call.paces[1], "the clock is not led");
            assert!(most <= MUCH + FRAME && (holes, tap.splices) == (0, 0), "{most}, {holes}, {}", tap.splices);
        }
    }

    #[test]
    fn a_microphone_that_stands_still_is_noticed_after_two_seconds() {
        let (_producer, consumer) = RingBuffer::new(9600);
        let mut tap = Tap::new(consumer, 48_000);
        let mut out = [0; FRAME];
        for i in 0..100 {
            assert_eq!(tap.trouble(), None, "{i}");
            assert_eq!(tap.pull(&mut out), 0);
        }
        assert_eq!(tap.trouble(), Some(SoundError::Stopped(Kind::Microphone)));
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

    fn takes_all<S: SizedSample + FromSample<i16>>(channels: u16, sizes: &[usize]) -> Result<(), TestCaseError>
    where
        i16: FromSample<S>,
    {
        let (producer, mut consumer) = RingBuffer::new(70_000);
        let mut take = taker::<S>(channels, producer);
        let mut given = Vec::new();
        for frames in sizes {
            let first = given.len();
            given.extend((0..*frames).map(|i| ((first + i) as i16).wrapping_mul(7)));
            let of = |sample: &i16| std::iter::repeat_n(S::from_sample(*sample), channels.into());
            let buffer: Vec<S> = given[first..].iter().flat_map(of).collect();
            let counted = allocation_counter::measure(|| take(&buffer));
            prop_assert_eq!(counted.count_total, 0);
        }
        for expected in given {
            let sample = consumer.pop().map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!((i32::from(sample) - i32::from(expected)).abs() <= 1, "{sample} {expected}");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_callback_takes_every_format_and_size_without_allocating(
            channels in prop::sample::select(vec![1_u16, 2, 6]), sizes in prop::collection::vec(1..2048_usize, 1..30)
        ) {
            takes_all::<i16>(channels, &sizes)?;
            takes_all::<i32>(channels, &sizes)?;
            takes_all::<f32>(channels, &sizes)?;
        }
    }

    #[test]
    fn pulling_allocates_nothing_at_any_rate() {
        for rate in [8000_u32, 16_000, 44_100, 48_000, 96_000] {
            let (mut producer, consumer) = RingBuffer::new(rate as usize / 5);
            let mut tap = Tap::new(consumer, rate);
            let mut out = [0; FRAME];
            let counted = allocation_counter::measure(|| {
                for i in 0..5000 {
                    (0..rate / 50 + u32::from(i % 3 == 0)).for_each(|_| _ = producer.push(i as i16));
                    tap.pull(&mut out);
                }
            });
            assert_eq!(counted.count_total, 0, "{rate} Hz");
        }
    }
}
