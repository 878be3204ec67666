//! Playing.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use media::{RATE, Resampler, stretch};
use rtrb::{Producer, RingBuffer};

use crate::{
    Kind, SoundError, device,
    fake::FakeSink,
    stream::{Health, Open},
};

/// What a ring can hold: 200 ms.
const CAPACITY_MS: usize = 200;
/// Put in front of the first sound, and after each time the ring ran dry: room for a late push.
const LEAD_MS: usize = 25;
/// Beyond this, the device is slower than the sound that comes: take a little out of it.
const MUCH_MS: usize = 45;
/// Beyond this, whole pushes are left out.
const TOO_MUCH_MS: usize = 60;
/// Below this, the device is faster: put a little in.
const LITTLE_MS: usize = 10;

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
            Inner::Device(playing) => playing.open.trouble(),
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
    mut next: impl FnMut() -> Option<i16> + Send + 'static,
    health: &Arc<Health>,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(config.channels.max(1));
    let (dry, failed) = (health.clone(), health.clone());
    let mut had_sound = false;
    let fill = move |out: &mut [S], _: &cpal::OutputCallbackInfo| {
        for frame in out.chunks_mut(channels) {
            let sample = next();
            if had_sound && sample.is_none() {
                dry.glitch();
            }
            had_sound = sample.is_some();
            frame.fill(S::from_sample(sample.unwrap_or(0)));
        }
    };
    device.build_output_stream(config, fill, move |error| failed.note(&error), None)
}

/// The pushing end of a speaker's ring: resamples, and keeps the ring neither empty nor full.
struct Queue {
    ring: Producer<i16>,
    rate: usize,
    resampler: Resampler,
    pcm: Vec<i16>,
    out: Vec<i16>,
}

impl Queue {
    fn new(ring: Producer<i16>, rate: u32) -> Self {
        Self {
            ring,
            rate: rate as usize,
            resampler: Resampler::new(RATE, rate),
            pcm: Vec::with_capacity(RATE as usize / 10),
            out: Vec::with_capacity(RATE as usize / 5),
        }
    }

    fn queued_ms(&self) -> usize {
        (self.ring.buffer().capacity() - self.ring.slots()) * 1000 / self.rate
    }

    fn push(&mut self, pcm: &[i16]) -> bool {
        let waiting = self.queued_ms();
        if waiting > TOO_MUCH_MS {
            return false;
        }
        self.pcm.clear();
        self.pcm.extend_from_slice(pcm);
        if waiting > MUCH_MS {
            stretch::shorten(&mut self.pcm);
        } else if waiting > 0 && waiting < LITTLE_MS {
            stretch::lengthen(&mut self.pcm);
        }
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
mod tests {
    use super::*;
    use media::{FRAME, tones};

    /// Plays `ppm` faster or slower than it is fed for `seconds`; gives the most that waited, and how often it ran dry.
    fn drift(rate: u32, ppm: i64, seconds: usize) -> (usize, usize) {
        let (producer, mut consumer) = RingBuffer::new(rate as usize * CAPACITY_MS / 1000);
        let mut queue = Queue::new(producer, rate);
        let tone = tones::sine(200.0, 1000, -6.0);
        let (mut most, mut dry, mut owed) = (0, 0, 0);
        for i in 0..seconds * 50 {
            queue.push(&tone[i % 40 * FRAME..][..FRAME]);
            if i > 50 {
                most = most.max(queue.queued_ms());
            }
            owed += i64::from(rate) * (1_000_000 + ppm) / 50;
            while owed >= 1_000_000 {
                owed -= 1_000_000;
                if consumer.pop().is_err() && i > 50 {
                    dry += 1;
                }
            }
        }
        (most, dry)
    }

    #[test]
    fn drifting_clocks_neither_pile_up_nor_run_dry() {
        for rate in [48_000, 44_100] {
            for ppm in [-500, 0, 500] {
                let (most, dry) = drift(rate, ppm, 120);
                assert!(most <= 65 && dry == 0, "{rate} Hz {ppm} ppm: {most} ms, {dry} missing");
            }
        }
    }

    #[test]
    fn a_speaker_that_stands_still_blocks_nobody() {
        let (producer, _consumer) = RingBuffer::new(9600);
        let mut queue = Queue::new(producer, 48_000);
        for _ in 0..100 {
            queue.push(&[1; FRAME]);
        }
        assert!(queue.queued_ms() <= TOO_MUCH_MS + 20);
    }
}
