//! Playing.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use media::{RATE, Resampler, stretch};
use rtrb::{Producer, RingBuffer};

use crate::{
    Kind, SoundError, device,
    drift::Drift,
    fake::FakeSink,
    stream::{Health, Open},
};

/// What a ring can hold: 200 ms.
const CAPACITY_MS: usize = 200;
/// Put in front of the first sound, and after each time the ring ran dry: room for a late push.
const LEAD_MS: usize = 25;
/// Beyond this, more has come at once than drifting clocks make: take a little out of it.
const MUCH_MS: usize = 45;
/// Beyond this, whole pushes are left out.
const TOO_MUCH_MS: usize = 60;
/// Below this, something is late: put a little in.
const LITTLE_MS: usize = 10;
/// So many pushes in a row that found no room, 2 s: the device has stopped.
const STALLED: u32 = 100;

/// An open speaker. Push 20 ms every 20 ms; what waits stays under 60 ms whatever the clocks do.
pub struct Speaker(Inner);

enum Inner {
    Device(Box<Playing>),
    Fake(FakeSink),
}

struct Playing {
    open: Open,
    ring: Queue,
}

impl Speaker {
    /// Queues mono sound at 48 kHz. Never blocks. False if it was left out, since too much waits already.
    pub fn push(&mut self, pcm: &[i16]) -> bool {
        match &mut self.0 {
            Inner::Device(playing) => playing.ring.push(pcm),
            Inner::Fake(sink) => sink.push(pcm),
        }
    }

    /// How many samples (at 48 kHz) wait to be played.
    #[must_use]
    pub fn queued(&self) -> usize {
        match &self.0 {
            Inner::Device(playing) => playing.ring.queued_ms() * RATE as usize / 1000,
            Inner::Fake(_) => 0,
        }
    }

    /// Set once the device is lost; open another then.
    #[must_use]
    pub fn trouble(&self) -> Option<SoundError> {
        match &self.0 {
            Inner::Device(playing) => playing.open.trouble().or_else(|| playing.ring.trouble()),
            Inner::Fake(sink) => sink.trouble(),
        }
    }

    /// Small faults (underruns and the like) since it was opened.
    #[must_use]
    pub fn glitches(&self) -> u32 {
        match &self.0 {
            Inner::Device(playing) => playing.open.glitches(),
            Inner::Fake(_) => 0,
        }
    }

    pub(crate) fn fake(sink: FakeSink) -> Self {
        Self(Inner::Fake(sink))
    }
}

pub(crate) fn open(id: Option<&str>) -> Result<Speaker, SoundError> {
    let (device, config, format) = prepare(id)?;
    let (producer, mut consumer) = RingBuffer::new(config.sample_rate as usize * CAPACITY_MS / 1000);
    let ring = Queue::new(producer, config.sample_rate);
    let open = play(device, config, format, move || consumer.pop().ok())?;
    Ok(Speaker(Inner::Device(Box::new(Playing { open, ring }))))
}

/// Finds the device and how to open it.
pub(crate) fn prepare(id: Option<&str>) -> Result<(cpal::Device, StreamConfig, SampleFormat), SoundError> {
    let device = device::find(Kind::Speaker, id)?;
    let (config, format) = device::config(Kind::Speaker, &device, id.unwrap_or("default"))?;
    Ok((device, config, format))
}

/// Plays what `next` gives, on all channels; silence while it has nothing.
pub(crate) fn play(
    device: cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    next: impl FnMut() -> Option<i16> + Send + 'static,
) -> Result<Open, SoundError> {
    Open::start(Kind::Speaker, move |health| {
        let built = match format {
            SampleFormat::I16 => build::<i16>(&device, config, next, &health),
            SampleFormat::F32 => build::<f32>(&device, config, next, &health),
            _ => build::<i32>(&device, config, next, &health), // `device::config` lets through no other
        };
        built.map_err(|error| device::refused(Kind::Speaker, "device", &error))
    })
}

fn build<S: SizedSample + FromSample<i16>>(
    device: &cpal::Device,
    config: StreamConfig,
    next: impl FnMut() -> Option<i16> + Send + 'static,
    health: &Arc<Health>,
) -> Result<cpal::Stream, cpal::Error> {
    let (mut fill, failed) = (filler(config.channels, next, health.clone()), health.clone());
    let fill = move |out: &mut [S], _: &cpal::OutputCallbackInfo| fill(out);
    device.build_output_stream(config, fill, move |error| failed.note(&error), None)
}

/// What the system calls for each buffer, of whatever size: no lock, no allocation, no log.
pub(crate) fn filler<S: SizedSample + FromSample<i16>>(
    channels: u16,
    mut next: impl FnMut() -> Option<i16> + Send + 'static,
    dry: Arc<Health>,
) -> impl FnMut(&mut [S]) + Send + 'static {
    let channels = usize::from(channels.max(1));
    let mut had_sound = false;
    move |out| {
        for frame in out.chunks_mut(channels) {
            let sample = next();
            if had_sound && sample.is_none() {
                dry.glitch();
            }
            had_sound = sample.is_some();
            frame.fill(S::from_sample(sample.unwrap_or(0)));
        }
    }
}

/// The pushing end of a speaker's ring: resamples, and keeps the ring neither empty nor full.
struct Queue {
    ring: Producer<i16>,
    rate: usize,
    resampler: Resampler,
    drift: Drift,
    /// Pushes in a row that were left out.
    left_out: u32,
    pcm: Vec<i16>,
    out: Vec<i16>,
    /// How often sound was taken out or put in at once.
    splices: u32,
}

impl Queue {
    fn new(ring: Producer<i16>, rate: u32) -> Self {
        Self {
            ring,
            rate: rate as usize,
            resampler: Resampler::bendable(RATE, rate),
            drift: Drift::new(LEAD_MS as f32),
            left_out: 0,
            splices: 0,
            pcm: Vec::with_capacity(RATE as usize / 10),
            out: Vec::with_capacity(RATE as usize / 5),
        }
    }

    fn queued_ms(&self) -> usize {
        self.queued() * 1000 / self.rate
    }

    fn queued(&self) -> usize {
        self.ring.buffer().capacity() - self.ring.slots()
    }

    fn trouble(&self) -> Option<SoundError> {
        (self.left_out >= STALLED).then_some(SoundError::Stopped(Kind::Speaker))
    }

    fn push(&mut self, pcm: &[i16]) -> bool {
        let waiting = self.queued_ms();
        if waiting > TOO_MUCH_MS {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        self.left_out = 0;
        self.resampler.bend(self.drift.ppm(self.queued() as f32 * 1000.0 / self.rate as f32));
        self.pcm.clear();
        self.pcm.extend_from_slice(pcm);
        let taken = match waiting {
            _ if waiting > MUCH_MS => stretch::shorten(&mut self.pcm),
            1..LITTLE_MS => stretch::lengthen(&mut self.pcm),
            _ => 0,
        };
        self.splices += u32::from(taken > 0);
        self.out.clear();
        if waiting == 0 {
            self.out.resize(self.rate * LEAD_MS / 1000, 0);
        }
        self.resampler.resample(&self.pcm, &mut self.out);
        for &sample in &self.out {
            // A full ring: the rest is left out.
            if self.ring.push(sample).is_err() {
                break;
            }
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::led::Led;
    use media::{FRAME, tones};
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;
    use rtrb::Consumer;

    /// Plays `ppm` faster or slower than it is fed for `minutes`; gives what was played but the first 30 s, and how often it
    /// ran dry.
    fn drift(rate: u32, ppm: i64, minutes: usize, queue: &mut Queue, consumer: &mut Consumer<i16>) -> (Vec<i16>, u32) {
        let tone = tones::sine(1000.0, 3000, -6.0)[48_000..96_000].to_vec();
        let (mut played, mut dry, mut owed) = (Vec::new(), 0, 0);
        for i in 0..minutes * 60 * 50 {
            queue.push(&tone[i % 50 * FRAME..][..FRAME]);
            let settled = i > 30 * 50;
            if i == 30 * 50 {
                queue.splices = 0;
            }
            owed += i64::from(rate) * (1_000_000 + ppm) / 50;
            // A device takes 10 ms at a time.
            while owed >= i64::from(rate) * 10_000 {
                owed -= i64::from(rate) * 10_000;
                for _ in 0..rate / 100 {
                    let sample = consumer.pop();
                    dry += u32::from(sample.is_err() && settled);
                    if settled && i < 90 * 50 {
                        played.push(sample.unwrap_or(0));
                    }
                }
            }
        }
        (played, dry)
    }

    /// The largest jump of a slope from one sample to the next, beside what a 1 kHz tone at −6 dBFS has: 1 without a click.
    fn roughness(played: &[i16], rate: u32) -> f64 {
        let bends = played.windows(3).map(|w| f64::from(w[0]) - 2.0 * f64::from(w[1]) + f64::from(w[2]));
        let steepest = bends.map(f64::abs).fold(0.0, f64::max);
        steepest / (16_423.0 * (std::f64::consts::TAU * 1000.0 / f64::from(rate)).powi(2))
    }

    #[test]
    fn drifting_clocks_neither_pile_up_nor_run_dry_nor_click() {
        for (rate, ppm, minutes) in [
            (48_000, 0, 3),
            (48_000, 200, 60),
            (48_000, -200, 10),
            (44_100, 500, 5),
            (44_100, -500, 5),
            (16_000, 200, 5),
        ] {
            let (producer, mut consumer) = RingBuffer::new(rate as usize * CAPACITY_MS / 1000);
            let mut queue = Queue::new(producer, rate);
            let (played, dry) = drift(rate, ppm, minutes, &mut queue, &mut consumer);
            let (rough, waiting, splices) = (roughness(&played, rate), queue.queued_ms(), queue.splices);
            println!("{rate} Hz {ppm} ppm: {waiting} ms wait, {splices} splices, {dry} missing, roughness {rough:.2}");
            assert!((10..=65).contains(&waiting) && dry == 0 && splices == 0, "{rate} Hz {ppm} ppm");
            assert!(rough < 1.3, "{rate} Hz {ppm} ppm: {rough}");
        }
    }

    /// Three clocks: the far end's, ours, which is led by it, and the device's. 200 ppm are 720 ms in an hour.
    #[test]
    fn an_hour_of_a_led_clock_and_a_drifting_device_makes_no_click() {
        for (rate, far_ppm, device_ppm) in [(48_000_u32, 200.0, -200.0), (44_100, -200.0, 200.0)] {
            let (producer, mut consumer) = RingBuffer::new(rate as usize * CAPACITY_MS / 1000);
            let (mut queue, mut call) = (Queue::new(producer, rate), Led::new(far_ppm));
            let (mut taken, mut dry, mut last) = (0_u64, 0, [0; 2]);
            // The sharpest bend of the sound: in the first settled minute, and ever after it.
            let mut sharpest = [0; 2];
            for i in 0..3600 * 50 {
                let (now, heard) = call.tick();
                queue.push(&heard);
                let settled = i > 30 * 50;
                if i == 30 * 50 {
                    queue.splices = 0;
                }
                let due = now.as_secs_f64() * f64::from(rate) * (1.0 + device_ppm * 1e-6);
                // A device takes 10 ms at a time.
                while ((taken + u64::from(rate / 100)) as f64) < due {
                    taken += u64::from(rate / 100);
                    for _ in 0..rate / 100 {
                        let sample = consumer.pop();
                        dry += u32::from(sample.is_err() && settled);
                        let sample = i32::from(sample.unwrap_or(0));
                        let bend = (sample - 2 * last[1] + last[0]).abs();
                        last = [last[1], sample];
                        let worst = &mut sharpest[usize::from(i > 90 * 50)];
                        *worst = (*worst).max(bend * i32::from(settled));
                    }
                }
            }
            let (waiting, splices, late) = (queue.queued_ms(), queue.splices, call.late());
            println!(
                "{rate} Hz, {far_ppm} and {device_ppm} ppm: {waiting} ms wait, {sharpest:?}, paces {:?}",
                call.paces
            );
            assert!(call.paces[0] > call.paces[1], "the clock is not led");
            assert!((10..=65).contains(&waiting) && (dry, splices, late) == (0, 0, 0), "{dry} {splices} {late}");
            assert!(sharpest[1] <= 2 * sharpest[0], "a click of {} in a tone of {}", sharpest[1], sharpest[0]);
        }
    }

    #[test]
    fn a_speaker_that_stands_still_blocks_nobody() {
        let (producer, _consumer) = RingBuffer::new(9600);
        let mut queue = Queue::new(producer, 48_000);
        for _ in 0..50 {
            queue.push(&[1; FRAME]);
        }
        assert!(queue.queued_ms() <= TOO_MUCH_MS + 20 && queue.trouble().is_none());
        for _ in 0..60 {
            queue.push(&[1; FRAME]);
        }
        assert_eq!(queue.trouble(), Some(SoundError::Stopped(Kind::Speaker)));
    }

    /// Buffers of any size, of one, two or six channels, at any rate: everything is played once, in order.
    fn plays_all<S: SizedSample + FromSample<i16>>(
        channels: u16,
        sizes: &[usize],
        read: impl Fn(S) -> i16,
    ) -> Result<(), TestCaseError> {
        let (mut producer, mut consumer) = RingBuffer::new(20_000);
        let pcm: Vec<i16> = (0..19_000).map(|i| (i as i16).wrapping_mul(7)).collect();
        pcm.iter().for_each(|sample| producer.push(*sample).unwrap());
        let health = Arc::<Health>::default();
        let mut fill = filler::<S>(channels, move || consumer.pop().ok(), health.clone());
        let mut played = Vec::new();
        let mut buffer = vec![S::from_sample(0); 2048 * usize::from(channels)];
        for frames in sizes {
            let out = &mut buffer[..frames * usize::from(channels)];
            let counted = allocation_counter::measure(|| fill(out));
            prop_assert_eq!(counted.count_total, 0);
            for frame in out.chunks(channels.into()) {
                played.push(read(frame[0]));
                prop_assert!(frame.iter().all(|sample| read(*sample) == read(frame[0])));
            }
        }
        let all = played.len().min(pcm.len());
        prop_assert!(played[..all].iter().zip(&pcm).all(|(a, b)| (i32::from(*a) - i32::from(*b)).abs() <= 1));
        prop_assert!(played[all..].iter().all(|sample| *sample == 0));
        // One glitch when it ran dry, not one for every sample.
        prop_assert_eq!(health.glitches(), u32::from(played.len() > pcm.len()));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_callback_plays_in_every_format_and_size_without_allocating(
            channels in prop::sample::select(vec![1_u16, 2, 6]), sizes in prop::collection::vec(1..2048_usize, 1..30)
        ) {
            plays_all::<i16>(channels, &sizes, |s| s)?;
            plays_all::<i32>(channels, &sizes, i16::from_sample_)?;
            plays_all::<f32>(channels, &sizes, i16::from_sample_)?;
        }
    }

    /// The rings' own ends, which are called every 20 ms.
    #[test]
    fn pushing_allocates_nothing_at_any_rate() {
        for rate in [8000, 16_000, 44_100, 48_000, 96_000] {
            let (producer, mut consumer) = RingBuffer::new(rate as usize * CAPACITY_MS / 1000);
            let mut queue = Queue::new(producer, rate);
            let counted = allocation_counter::measure(|| {
                for i in 0..5000 {
                    queue.push(&[i as i16; FRAME]);
                    (0..rate / 50 + u32::from(i % 3 == 0)).for_each(|_| _ = consumer.pop());
                }
            });
            assert_eq!(counted.count_total, 0, "{rate} Hz");
        }
    }
}
