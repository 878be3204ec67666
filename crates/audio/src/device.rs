//! Finding devices.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, SampleFormat, StreamConfig, SupportedStreamConfigRange};

use crate::{Kind, SoundError};

/// A device that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// Stays the same when the machine is restarted.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whether it is the system's default.
    pub default: bool,
}

/// All devices that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Devices {
    pub microphones: Vec<Device>,
    /// Also those to ring on.
    pub speakers: Vec<Device>,
}

pub(crate) fn list() -> Devices {
    let host = cpal::default_host();
    let all: Vec<cpal::Device> = host.devices().map(Iterator::collect).unwrap_or_default();
    let of = |kind, default: Option<cpal::Device>| {
        let default = default.and_then(|device| id(&device));
        let entries = all.iter().filter(|device| is(kind, device)).filter_map(|device| {
            let id = id(device)?;
            let name = device.description().map_or_else(|_| id.clone(), |description| description.name().to_owned());
            Some(Device { default: Some(&id) == default.as_ref(), id, name })
        });
        entries.filter(|device| device.default || is_worth_choosing(&device.id)).collect()
    };
    Devices {
        microphones: of(Kind::Microphone, host.default_input_device()),
        speakers: of(Kind::Speaker, host.default_output_device()),
    }
}

/// The device with this id; the default if none is given.
pub(crate) fn find(kind: Kind, wanted: Option<&str>) -> Result<cpal::Device, SoundError> {
    let host = cpal::default_host();
    let Some(wanted) = wanted else {
        let default = match kind {
            Kind::Microphone => host.default_input_device(),
            Kind::Speaker => host.default_output_device(),
        };
        return default.ok_or(SoundError::None(kind));
    };
    let mut all = host.devices().map_err(|error| refused(kind, wanted, &error))?;
    all.find(|device| is(kind, device) && id(device).as_deref() == Some(wanted))
        .ok_or_else(|| SoundError::NotConnected { kind, id: wanted.to_owned() })
}

pub(crate) fn refused(kind: Kind, name: &str, error: &cpal::Error) -> SoundError {
    SoundError::Refused { kind, name: name.to_owned(), why: error.to_string() }
}

fn id(device: &cpal::Device) -> Option<String> {
    device.id().ok().map(|id| id.to_string())
}

fn is(kind: Kind, device: &cpal::Device) -> bool {
    match kind {
        Kind::Microphone => device.supports_input(),
        Kind::Speaker => device.supports_output(),
    }
}

/// What a speaker plays is no microphone, and ALSA lists each card a dozen times: one plain entry is enough.
fn is_worth_choosing(id: &str) -> bool {
    match id.split_once(':') {
        Some(("alsa", pcm)) => pcm.starts_with("plughw:") || matches!(pcm, "default" | "pulse" | "pipewire"),
        Some(_) | None => !id.ends_with(".monitor"),
    }
}

/// How to open a device: our rate if it can, as few channels as it can, 20 ms at a time: with 10 ms, a busy
/// machine was measured to leave a hole in every tenth buffer.
pub(crate) fn config(
    kind: Kind,
    device: &cpal::Device,
    name: &str,
) -> Result<(StreamConfig, SampleFormat), SoundError> {
    let ranges: Vec<SupportedStreamConfigRange> = match kind {
        Kind::Microphone => device.supported_input_configs().map(Iterator::collect),
        Kind::Speaker => device.supported_output_configs().map(Iterator::collect),
    }
    .map_err(|error| refused(kind, name, &error))?;
    let best = ranges.iter().filter(|range| rank(range.sample_format()).is_some()).min_by_key(|range| {
        let rate = nearest_rate(range);
        (rate.abs_diff(media::RATE), rank(range.sample_format()), range.channels())
    });
    let range = best.ok_or_else(|| SoundError::Refused {
        kind,
        name: name.to_owned(),
        why: "it offers no sample format that this program knows".into(),
    })?;
    let sample_rate = nearest_rate(range);
    // Never the default size: PulseAudio's is 2 s.
    let config =
        StreamConfig { channels: range.channels(), sample_rate, buffer_size: BufferSize::Fixed(sample_rate / 50) };
    Ok((config, range.sample_format()))
}

fn nearest_rate(range: &SupportedStreamConfigRange) -> u32 {
    media::RATE.clamp(range.min_sample_rate(), range.max_sample_rate().max(range.min_sample_rate()))
}

fn rank(format: SampleFormat) -> Option<u8> {
    match format {
        SampleFormat::I16 => Some(0),
        SampleFormat::F32 => Some(1),
        SampleFormat::I32 => Some(2),
        _ => None, // cpal's list is open-ended
    }
}
