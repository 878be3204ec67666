//! Asking PulseAudio itself (or PipeWire, which speaks the same): cpal does not tell whether a device with the same name is the
//! same device still, and a stream whose device has vanished goes on elsewhere without a word.

use std::ffi::{CStr, CString};

use futures::executor::block_on;
use pulseaudio::Client;

use crate::device::{Device, Devices, is_worth_choosing};

/// A connection that is kept for looking often.
pub(crate) struct Server(Client);

impl Server {
    /// `None` if there is no such server.
    pub(crate) fn connect() -> Option<Self> {
        pulseaudio::socket_path_from_env()?;
        let name = CString::new(format!("patchcord-{}", std::process::id())).ok()?;
        Client::from_env(name).ok().map(Self)
    }

    /// `None` if the server is gone.
    pub(crate) fn devices(&self) -> Option<Devices> {
        let server = block_on(self.0.server_info()).ok()?;
        let sinks = block_on(self.0.list_sinks()).ok()?.into_iter();
        let sources = block_on(self.0.list_sources()).ok()?.into_iter();
        let (speaker, microphone) = (server.default_sink_name, server.default_source_name);
        Some(Devices {
            microphones: listed(
                sources.map(|source| (source.index, source.name, source.description)),
                microphone.as_deref(),
            ),
            speakers: listed(sinks.map(|sink| (sink.index, sink.name, sink.description)), speaker.as_deref()),
        })
    }
}

fn listed(all: impl Iterator<Item = (u32, CString, Option<CString>)>, default: Option<&CStr>) -> Vec<Device> {
    let text = |text: &CStr| text.to_string_lossy().into_owned();
    let devices = all.map(|(instance, name, description)| Device {
        default: Some(name.as_c_str()) == default,
        // As cpal writes it.
        id: format!("pulseaudio:{}", text(&name)),
        name: text(description.as_ref().unwrap_or(&name)),
        instance,
    });
    devices.filter(|device| device.default || is_worth_choosing(&device.id)).collect()
}
