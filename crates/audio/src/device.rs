//! Finding devices.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, SampleFormat, StreamConfig, SupportedStreamConfigRange};

use crate::{Kind, SoundError, Source, pulse::Server};

/// A device that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// Stays the same when the machine is restarted.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whether it is the system's default.
    pub default: bool,
    /// Another when it was plugged in anew, where the system tells.
    #[serde(skip)]
    pub instance: u32,
}

/// All devices that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Devices {
    pub microphones: Vec<Device>,
    /// Also those to ring on.
    pub speakers: Vec<Device>,
}

impl Devices {
    #[must_use]
    pub fn of(&self, kind: Kind) -> &[Device] {
        match kind {
            Kind::Microphone => &self.microphones,
            Kind::Speaker => &self.speakers,
        }
    }

    /// The one to use: the wanted one if it is there, else the system's default, else any.
    #[must_use]
    pub fn preferred(&self, kind: Kind, wanted: Option<&str>) -> Option<&Device> {
        let all = self.of(kind);
        let named = wanted.and_then(|wanted| {
            all.iter().find(|device| device.id == wanted).or_else(|| all.iter().find(|device| same(&device.id, wanted)))
        });
        named.or_else(|| all.iter().find(|device| device.default)).or_else(|| all.first())
    }
}

/// Whether two ids name the same device. A Bluetooth headset comes back under another name when it changes between music
/// and speech (`bluez_output.00_11_22_33_44_55.a2dp-sink`, `….headset-head-unit`): its address stays.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a == b || bluetooth_address(a).is_some_and(|address| Some(address) == bluetooth_address(b))
}

fn bluetooth_address(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once("bluez_")?;
    let (_, address) = rest.split_once('.')?;
    let address = address.get(..17)?;
    let right =
        |(i, byte): (usize, u8)| if i % 3 == 2 { matches!(byte, b'_' | b':') } else { byte.is_ascii_hexdigit() };
    address.bytes().enumerate().all(right).then_some(address)
}

/// Looks again and again what is plugged in, over one connection to the sound server.
pub struct Watch {
    source: Source,
    server: Option<Server>,
}

impl Watch {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, server: None }
    }

    /// What can be chosen from now; nothing if the sound server is gone. Blocks for some milliseconds.
    pub fn devices(&mut self) -> Devices {
        match &self.source {
            Source::Fake(fake) => fake.list(),
            Source::System => {
                let told = self.server.as_ref().and_then(Server::devices).or_else(|| {
                    // The server may have been started anew.
                    self.server = Server::connect();
                    self.server.as_ref().and_then(Server::devices)
                });
                told.unwrap_or_else(|| list(&cpal::default_host()))
            }
        }
    }

    /// Whether looking costs next to nothing. ALSA opens every device to answer, which may disturb the one that plays.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        match &self.source {
            Source::Fake(_) => true,
            Source::System => self.server.is_some(),
        }
    }
}

pub(crate) fn list(host: &cpal::Host) -> Devices {
    let all: Vec<cpal::Device> = host.devices().map(Iterator::collect).unwrap_or_default();
    let of = |kind, default: Option<cpal::Device>| {
        let default = default.and_then(|device| id(&device));
        let entries = all.iter().filter(|device| is(kind, device)).filter_map(|device| {
            let id = id(device)?;
            let name = device.description().map_or_else(|_| id.clone(), |description| description.name().to_owned());
            Some(Device { default: Some(&id) == default.as_ref(), id, name, instance: 0 })
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
pub(crate) fn is_worth_choosing(id: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn speakers(ids: &[&str], default: &str) -> Devices {
        let device = |id: &&str| Device { id: (*id).into(), name: (*id).into(), default: *id == default, instance: 0 };
        Devices { microphones: Vec::new(), speakers: ids.iter().map(device).collect() }
    }

    fn preferred<'a>(devices: &'a Devices, wanted: Option<&str>) -> Option<&'a str> {
        devices.preferred(Kind::Speaker, wanted).map(|device| device.id.as_str())
    }

    #[test]
    fn the_wanted_one_then_the_default_then_any() {
        let both = speakers(&["card", "headset"], "card");
        assert_eq!(preferred(&both, Some("headset")), Some("headset"));
        assert_eq!(preferred(&both, Some("gone")), Some("card"));
        assert_eq!(preferred(&both, None), Some("card"));
        assert_eq!(preferred(&speakers(&["card"], ""), None), Some("card"));
        assert_eq!(preferred(&Devices::default(), Some("card")), None);
        assert_eq!(both.preferred(Kind::Microphone, None), None);
    }

    #[test]
    fn a_bluetooth_headset_is_the_same_in_each_of_its_profiles() {
        let music = "pulseaudio:bluez_sink.00_1B_66_A1_B2_C3.a2dp_sink";
        let speech = "pulseaudio:bluez_sink.00_1B_66_A1_B2_C3.handsfree_head_unit";
        let other = "pulseaudio:bluez_sink.00_1B_66_A1_B2_C4.a2dp_sink";
        assert!(same(music, speech) && !same(music, other));
        assert_eq!(preferred(&speakers(&["card", other, speech], "card"), Some(music)), Some(speech));
        for odd in
            ["bluez_sink", "bluez_sink.short", "bluez_sink.zz_1B_66_A1_B2_C3.a2dp", "bluez_sink.é_1B_66_A1_B2_C3x"]
        {
            assert!(!same(odd, music) && same(odd, odd));
        }
    }
}
