//! What is done to what the microphone heard before it is sent: the speaker's echo is taken out, noise lowered, and a voice
//! that is too soft or too loud brought to a usual level. The work is that of `sonora`, WebRTC's audio processing in Rust
//! (docs/adr/0014).

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, MaxProcessingRate, NoiseSuppression, NoiseSuppressionLevel,
    Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::{Frame, RATE};

/// Samples in 10 ms, the block that is worked on.
const BLOCK: usize = RATE as usize / 100;

/// What shall be done. With everything off, not a bit is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Processing {
    /// Takes out what the microphone hears of the speaker.
    pub echo: bool,
    /// Lowers steady noise by up to 18 dB.
    pub noise: bool,
    /// Brings the voice to a usual level, and keeps it from clipping.
    pub gain: bool,
}

impl Default for Processing {
    fn default() -> Self {
        Self { echo: true, noise: true, gain: true }
    }
}

impl Processing {
    pub const OFF: Self = Self { echo: false, noise: false, gain: false };

    fn config(self) -> Config {
        Config {
            // At 32 kHz everything above 16 kHz would be lost to Opus.
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            echo_canceller: self.echo.then(EchoCanceller::default),
            noise_suppression: self
                .noise
                .then(|| NoiseSuppression { level: NoiseSuppressionLevel::High, ..NoiseSuppression::default() }),
            gain_controller2: self.gain.then(|| GainController2 {
                // The usual 15 dB at the beginning would shout at the far end until the level is known.
                adaptive_digital: Some(AdaptiveDigital {
                    initial_gain_db: 3.0,
                    max_gain_db: 30.0,
                    ..AdaptiveDigital::default()
                }),
                ..GainController2::default()
            }),
            ..Config::default()
        }
    }
}

/// Works on one microphone; knows its speaker.
pub struct Processor {
    wanted: Processing,
    /// `None` while nothing is to be done.
    works: Option<Box<AudioProcessing>>,
}

impl Processor {
    #[must_use]
    pub fn new(wanted: Processing) -> Self {
        let works = (wanted != Processing::OFF).then(|| {
            let mono = StreamConfig::new(RATE, 1);
            let works =
                AudioProcessing::builder().config(wanted.config()).capture_config(mono).render_config(mono).build();
            Box::new(works)
        });
        Self { wanted, works }
    }

    /// Changes what is done from now on; what goes on being done keeps what it has learned.
    pub fn set(&mut self, wanted: Processing) {
        match &mut self.works {
            Some(works) if wanted != Processing::OFF => {
                if wanted != self.wanted {
                    works.apply_config(wanted.config());
                }
                self.wanted = wanted;
            }
            Some(_) | None if wanted == self.wanted => {}
            Some(_) | None => *self = Self::new(wanted),
        }
    }

    /// 20 ms: works on what the microphone `said`. `played` is what the speaker was given since the last time. How long it takes
    /// from one to the other, speaker, room and microphone together, is found out as it goes: measured to work from 25 to
    /// 500 ms.
    pub fn process(&mut self, said: &mut Frame, played: &Frame) {
        let Some(works) = &mut self.works else { return };
        let mut out = [0; BLOCK];
        let (blocks, _) = said.as_chunks_mut::<BLOCK>();
        for (near, far) in blocks.iter_mut().zip(played.as_chunks::<BLOCK>().0) {
            // Neither can fail: rate, channels and length are those it was made with.
            let _right = works.process_render_i16(far, &mut out);
            if works.process_capture_i16(near, &mut out).is_ok() {
                *near = out;
            }
        }
    }
}
