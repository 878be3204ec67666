//! The codecs, each from and to 48 kHz mono.

use audio_codec::{g722, pcma, pcmu};
use opusic_c::{Application, Bitrate, Channels, InbandFec, SampleRate, Signal};

use crate::{FRAME, RATE, Resampler, g711_plc::Concealer};

/// What a call's sound is encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 6716/7587, 48 kHz, in-band FEC.
    Opus,
    /// ITU-T G.722 at 64 kbit/s, 16 kHz.
    G722,
    /// ITU-T G.711 µ-law, 8 kHz.
    Pcmu,
    /// ITU-T G.711 A-law, 8 kHz.
    Pcma,
}

impl Codec {
    /// All, best first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// The encoding name as SDP writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// By encoding name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The RTP timestamp's clock, hertz. G.722's is 8000 by an old mistake that RFC 3551 section 4.5.2 keeps.
    #[must_use]
    pub fn rtp_clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// What the codec itself samples at, hertz.
    #[must_use]
    pub fn sample_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// The payload type that needs no rtpmap (RFC 3551 table 4); none for Opus.
    #[must_use]
    pub fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// By payload type, for those that need no rtpmap.
    #[must_use]
    pub fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }
}

/// A payload that can't be decoded, or a codec that can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("opus: {0}")]
    Opus(&'static str),
    #[error("{0} samples are too much for one packet; encode at most 60 ms at a time")]
    TooMuch(usize),
    #[error("{codec} payload of {bytes} bytes is not sound")]
    Payload { codec: &'static str, bytes: usize },
}

impl From<opusic_c::ErrorCode> for CodecError {
    fn from(code: opusic_c::ErrorCode) -> Self {
        Self::Opus(code.message())
    }
}

/// The longest payload anyone may send us: 120 ms, Opus's longest packet (RFC 6716 section 2.1.4).
const MAX_SAMPLES: usize = 6 * FRAME;
/// The longest sound that is encoded at once: 60 ms.
const MOST_AT_ONCE: usize = 3 * FRAME;
/// libopus conceals in steps of 2.5 ms.
const OPUS_UNIT: usize = 120;
/// What one encoded frame takes at most: Opus's largest single-frame packet (RFC 6716 section 3.2.1).
const MAX_PAYLOAD: usize = 1275;

/// What is expected until the other side has reported, of 100 packets.
pub(crate) const EXPECTED_LOSS: u8 = 10;
const LEAST_LOSS: u8 = 5;
/// Beyond this so much goes into repairs that what is repaired sounds no better.
const MOST_LOSS: u8 = 30;

/// Encodes 10 to 60 ms at a time.
pub struct Encoder(Encoding);

enum Encoding {
    Opus(opusic_c::Encoder),
    G722(Box<g722::G722Encoder>, Resampler),
    Pcmu(pcmu::PcmuEncoder, Resampler),
    Pcma(pcma::PcmaEncoder, Resampler),
}

impl Encoder {
    /// # Errors
    /// If libopus can't be set up.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let down = || Resampler::new(RATE, codec.sample_rate());
        Ok(Self(match codec {
            Codec::Opus => Encoding::Opus(opus_encoder()?),
            Codec::G722 => Encoding::G722(Box::default(), down()),
            Codec::Pcmu => Encoding::Pcmu(pcmu::PcmuEncoder::new(), down()),
            Codec::Pcma => Encoding::Pcma(pcma::PcmaEncoder::new(), down()),
        }))
    }

    /// Makes sound ready for so many of 100 packets to be lost; only Opus can. Less than [`LEAST_LOSS`] counts as that: the
    /// first loss should find the next packet prepared.
    pub fn expect_loss(&mut self, percent: u8) {
        if let Encoding::Opus(opus) = &mut self.0 {
            // Should libopus refuse, it stays prepared for what it was.
            let _ = opus.set_packet_loss(percent.clamp(LEAST_LOSS, MOST_LOSS));
        }
    }

    /// What Opus is ready for, of 100 packets.
    #[cfg(test)]
    pub(crate) fn expected_loss(&mut self) -> Option<u8> {
        match &mut self.0 {
            Encoding::Opus(opus) => opus.get_packet_loss().ok(),
            Encoding::G722(..) | Encoding::Pcmu(..) | Encoding::Pcma(..) => None,
        }
    }

    /// Appends the payload of `pcm` to `out`: of 10, 20, 40 or 60 ms, and of any other ten up to 60 where that is not Opus.
    ///
    /// # Errors
    /// If libopus refuses, or it is too much.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if pcm.len() > MOST_AT_ONCE {
            return Err(CodecError::TooMuch(pcm.len()));
        }
        let start = out.len();
        out.resize(start + MAX_PAYLOAD, 0);
        let written = match &mut self.0 {
            Encoding::Opus(opus) => {
                let mut unsigned = [0_u16; MOST_AT_ONCE];
                for (to, from) in unsigned.iter_mut().zip(pcm) {
                    *to = from.cast_unsigned();
                }
                opus.encode_to_slice(&unsigned[..pcm.len()], &mut out[start..]).map_err(CodecError::from)
            }
            Encoding::G722(codec, down) => resample_and_encode(&mut **codec, down, pcm, &mut out[start..]),
            Encoding::Pcmu(codec, down) => resample_and_encode(codec, down, pcm, &mut out[start..]),
            Encoding::Pcma(codec, down) => resample_and_encode(codec, down, pcm, &mut out[start..]),
        };
        out.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(drop)
    }
}

/// Speech, 40 kbit/s, with FEC for a tenth of packets lost (RFC 7587 section 3.1 recommends 28–40 kbit/s for fullband speech).
fn opus_encoder() -> Result<opusic_c::Encoder, opusic_c::ErrorCode> {
    let mut encoder = opusic_c::Encoder::new(Channels::Mono, SampleRate::Hz48000, Application::Voip)?;
    encoder.set_bitrate(Bitrate::Value(40_000))?;
    encoder.set_inband_fec(InbandFec::Mode1)?;
    encoder.set_packet_loss(EXPECTED_LOSS)?;
    // Keeps libopus to the modes that have FEC.
    encoder.set_signal(Signal::Voice)?;
    encoder.set_complexity(5)?;
    Ok(encoder)
}

fn resample_and_encode(
    codec: &mut dyn audio_codec::Encoder,
    down: &mut Resampler,
    pcm: &[i16],
    out: &mut [u8],
) -> Result<usize, CodecError> {
    // 16 kHz at most.
    let mut narrow = [0_i16; MOST_AT_ONCE / 3];
    let count = down.resample_into(pcm, &mut narrow);
    codec.encode_into(&narrow[..count], out).map_err(|_| CodecError::Payload { codec: "G.7xx", bytes: out.len() })
}

/// Decodes payloads, and makes up for missing ones.
pub struct Decoder(Decoding);

enum Decoding {
    Opus(opusic_c::Decoder),
    G722(Box<g722::G722Decoder>, Narrow),
    Pcmu(pcmu::PcmuDecoder, Narrow),
    Pcma(pcma::PcmaDecoder, Narrow),
}

/// What codecs without concealment of their own need.
struct Narrow {
    codec: Codec,
    up: Resampler,
    concealer: Concealer,
}

impl Decoder {
    /// # Errors
    /// If libopus can't be set up.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let narrow = || Narrow { codec, up: Resampler::new(codec.sample_rate(), RATE), concealer: Concealer::new() };
        Ok(Self(match codec {
            Codec::Opus => Decoding::Opus(opus_decoder()?),
            Codec::G722 => Decoding::G722(Box::default(), narrow()),
            Codec::Pcmu => Decoding::Pcmu(pcmu::PcmuDecoder::new(), narrow()),
            Codec::Pcma => Decoding::Pcma(pcma::PcmaDecoder::new(), narrow()),
        }))
    }

    /// Appends the payload's sound to `out`, at most 120 ms of it, and says how many samples that was.
    ///
    /// # Errors
    /// If the payload is no sound of this codec; then nothing was appended.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<usize, CodecError> {
        match &mut self.0 {
            Decoding::Opus(opus) => decode_opus(opus, payload, MAX_SAMPLES, false, out),
            Decoding::G722(codec, narrow) => narrow.decode(&mut **codec, payload, out),
            Decoding::Pcmu(codec, narrow) => narrow.decode(codec, payload, out),
            Decoding::Pcma(codec, narrow) => narrow.decode(codec, payload, out),
        }
    }

    /// Appends `samples`, rounded up to 2.5 ms, in place of sound that is not there: Opus's own concealment, or the last
    /// pitch period repeated and faded.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let samples = samples.next_multiple_of(OPUS_UNIT);
        match &mut self.0 {
            Decoding::Opus(opus) => conceal_opus(opus, samples, out),
            Decoding::G722(_, narrow) | Decoding::Pcmu(_, narrow) | Decoding::Pcma(_, narrow) => {
                narrow.concealer.conceal(samples, out);
            }
        }
    }

    /// Appends `samples`, rounded up to 2.5 ms, that were lost just before `next`: from the FEC data in `next` if it has any, else concealed.
    pub fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        if let Decoding::Opus(opus) = &mut self.0 {
            let frame = opus.get_nb_samples(next).unwrap_or(0).min(MAX_SAMPLES);
            conceal_opus(opus, samples.saturating_sub(frame).next_multiple_of(OPUS_UNIT), out);
            let start = out.len();
            // libopus repairs whole frames only.
            if frame == 0 || decode_opus(opus, next, frame, true, out).is_err() {
                conceal_opus(opus, samples.min(frame).next_multiple_of(OPUS_UNIT), out);
            } else {
                out.drain(start..start + frame.saturating_sub(samples));
            }
        } else {
            self.conceal(samples, out);
        }
    }
}

/// From complexity 5 on, libopus makes up missing sound with a neural network (libopus 1.5's deep PLC).
fn opus_decoder() -> Result<opusic_c::Decoder, opusic_c::ErrorCode> {
    let mut decoder = opusic_c::Decoder::new(Channels::Mono, SampleRate::Hz48000)?;
    decoder.set_complexity(5)?;
    Ok(decoder)
}

fn decode_opus(
    opus: &mut opusic_c::Decoder,
    payload: &[u8],
    room: usize,
    fec: bool,
    out: &mut Vec<i16>,
) -> Result<usize, CodecError> {
    if payload.is_empty() {
        return Err(CodecError::Payload { codec: "opus", bytes: 0 });
    }
    let mut decoded = [0_u16; MAX_SAMPLES];
    let count = opus.decode_to_slice(payload, &mut decoded[..room], fec)?;
    out.extend(decoded[..count].iter().map(|&sample| sample.cast_signed()));
    Ok(count)
}

fn conceal_opus(opus: &mut opusic_c::Decoder, mut samples: usize, out: &mut Vec<i16>) {
    while samples > 0 {
        let mut made_up = [0_u16; FRAME];
        let part = samples.min(FRAME);
        // Should libopus refuse, this part stays silent.
        let _ = opus.decode_to_slice(&[], &mut made_up[..part], false);
        out.extend(made_up[..part].iter().map(|&sample| sample.cast_signed()));
        samples -= part;
    }
}

impl Narrow {
    fn decode(
        &mut self,
        codec: &mut dyn audio_codec::Decoder,
        payload: &[u8],
        out: &mut Vec<i16>,
    ) -> Result<usize, CodecError> {
        let error = || CodecError::Payload { codec: self.codec.name(), bytes: payload.len() };
        // 16 kHz at most.
        let mut pcm = [0_i16; MAX_SAMPLES / 3];
        // G.7xx payloads are one byte per 1/8 ms.
        if payload.is_empty() || payload.len() > 8 * 120 {
            return Err(error());
        }
        let count = codec.decode_into(payload, &mut pcm).map_err(|_| error())?;
        let start = out.len();
        self.up.resample(&pcm[..count], out);
        self.concealer.heard(&mut out[start..]);
        Ok(out.len() - start)
    }
}
