//! Sound on the wire and off it: codecs, RTP, RTCP, SRTP, STUN, the jitter buffer, DTMF, mixing, tones, WAV bytes, playing faster
//! and slower, and telling recordings apart.
//!
//! Nothing here has a socket, a file, a thread or a clock. Time comes in as a [`Duration`] since any epoch, as long as it
//! is always the same one. Sound is always mono `i16` at [`RATE`], in frames of 20 ms.

use std::time::Duration;

mod codec;
pub mod compare;
mod g711_plc;
mod level;
mod meter;
mod processing;
mod quality;
mod resample;
pub mod rtcp;
pub mod rtp;
mod sound_check;
mod srtp;
pub mod stretch;
pub mod stun;
pub mod tones;
pub mod wav;
mod wsola;

pub(crate) use codec::EXPECTED_LOSS;
pub use codec::{Codec, CodecError, Decoder, Encoder};
pub use level::{level_dbfs, mix};
pub use meter::{LegMeter, Sounded};
pub use processing::{Processing, Processor};
pub use quality::{Cause, Direction, Quality, Way, quality};
pub use resample::Resampler;
pub use rtp::{ReceiverConfig, RtpError, RtpReceiver, RtpSender, SenderConfig, Stats};
pub use sound_check::{MicrophoneCheck, MicrophoneVerdict, SpeakerCheck, SpeakerVerdict};
pub use srtp::{SrtpError, SrtpKey, SrtpReceiver, SrtpSender, SrtpSuite};
pub use wsola::Wsola;

/// Sample rate of all sound between rooms, in hertz.
pub const RATE: u32 = 48_000;
/// Samples in a frame of 20 ms.
pub const FRAME: usize = 960;
/// How long a frame lasts.
pub const FRAME_TIME: Duration = Duration::from_millis(20);
/// 20 ms of sound.
pub type Frame = [i16; FRAME];
/// A frame of silence.
pub const SILENCE: Frame = [0; FRAME];
