//! Devices that exist in this process only, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Device, Devices, Kind, Microphone, SoundError, Speaker};

/// The ids of the made-up devices that are there from the beginning, as the system's defaults.
const MICROPHONE: &str = "fake:microphone";
const SPEAKER: &str = "fake:speaker";

/// A microphone to speak into and a speaker to listen to, and more if they are plugged in. Clones are the same devices.
#[derive(Clone, Default)]
pub struct FakeDevices(Arc<Mutex<State>>);

struct State {
    plugged: Devices,
    /// What the microphones still have to say.
    spoken: VecDeque<i16>,
    /// What the speakers played.
    heard: BTreeMap<String, Vec<i16>>,
    ringing: BTreeMap<String, Vec<i16>>,
    instances: u32,
    unplugged: bool,
    jammed: bool,
    echo: Option<Echo>,
}

/// The way through the air.
struct Echo {
    gain: f32,
    on_its_way: VecDeque<i16>,
}

impl Default for State {
    fn default() -> Self {
        let device =
            |id: &str, name: &str| vec![Device { id: id.into(), name: name.into(), default: true, instance: 0 }];
        let plugged = Devices {
            microphones: device(MICROPHONE, "Made-up microphone"),
            speakers: device(SPEAKER, "Made-up speaker"),
        };
        Self {
            plugged,
            spoken: VecDeque::new(),
            heard: BTreeMap::new(),
            ringing: BTreeMap::new(),
            instances: 0,
            unplugged: false,
            jammed: false,
            echo: None,
        }
    }
}

impl State {
    fn of(&mut self, kind: Kind) -> &mut Vec<Device> {
        match kind {
            Kind::Microphone => &mut self.plugged.microphones,
            Kind::Speaker => &mut self.plugged.speakers,
        }
    }

    fn is_there(&self, kind: Kind, id: &str) -> bool {
        !self.unplugged && self.plugged.of(kind).iter().any(|device| device.id == id)
    }
}

impl FakeDevices {
    /// Lets the microphone hear `pcm`, after what it has not delivered yet; silence otherwise.
    pub fn speak(&self, pcm: &[i16]) {
        self.state().spoken.extend(pcm);
    }

    /// What the speakers played since the last call.
    #[must_use]
    pub fn take_heard(&self) -> Vec<i16> {
        std::mem::take(&mut self.state().heard).into_values().flatten().collect()
    }

    /// What this speaker played since the last call.
    #[must_use]
    pub fn take_heard_on(&self, id: &str) -> Vec<i16> {
        self.state().heard.remove(id).unwrap_or_default()
    }

    /// The tone that rings now, on whatever speaker.
    #[must_use]
    pub fn ringing(&self) -> Option<Vec<i16>> {
        self.state().ringing.values().next().cloned()
    }

    /// The speakers that ring now.
    #[must_use]
    pub fn ringing_on(&self) -> Vec<String> {
        self.state().ringing.keys().cloned().collect()
    }

    /// Takes all devices away, or gives them back.
    pub fn unplug(&self, unplugged: bool) {
        self.state().unplugged = unplugged;
    }

    /// Makes the speakers take no sound.
    pub fn jam(&self) {
        self.state().jammed = true;
    }

    /// Another device, which is not the default.
    pub fn plug_in(&self, kind: Kind, id: &str) {
        let mut state = self.state();
        state.instances += 1;
        let device = Device { id: id.into(), name: format!("Made-up {id}"), default: false, instance: state.instances };
        state.of(kind).push(device);
    }

    pub fn pull_out(&self, kind: Kind, id: &str) {
        self.state().of(kind).retain(|device| device.id != id);
    }

    /// From now on the microphones hear what the speakers play, this much later and this much louder.
    pub fn echo(&self, delay_ms: usize, gain_db: f32) {
        let on_its_way = VecDeque::from(vec![0; delay_ms * media::RATE as usize / 1000]);
        self.state().echo = Some(Echo { gain: 10_f32.powf(gain_db / 20.0), on_its_way });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the device that is meant.
    fn find(&self, kind: Kind, id: Option<&str>) -> Result<String, SoundError> {
        let state = self.state();
        match id {
            Some(id) if state.is_there(kind, id) => Ok(id.to_owned()),
            Some(id) => Err(SoundError::NotConnected { kind, id: id.to_owned() }),
            None if state.unplugged => Err(SoundError::None(kind)),
            None => state.plugged.preferred(kind, None).map(|device| device.id.clone()).ok_or(SoundError::None(kind)),
        }
    }

    pub(crate) fn list(&self) -> Devices {
        let state = self.state();
        if state.unplugged { Devices::default() } else { state.plugged.clone() }
    }

    pub(crate) fn speaker(&self, id: Option<&str>) -> Result<Speaker, SoundError> {
        Ok(Speaker::fake(FakeSink { id: self.find(Kind::Speaker, id)?, devices: self.clone() }))
    }

    pub(crate) fn microphone(&self, id: Option<&str>) -> Result<Microphone, SoundError> {
        Ok(Microphone::fake(FakeSource { id: self.find(Kind::Microphone, id)?, devices: self.clone() }))
    }

    /// Gives the id of the speaker that rings.
    pub(crate) fn ring(&self, id: Option<&str>, pcm: &[i16]) -> Result<String, SoundError> {
        let id = self.find(Kind::Speaker, id)?;
        self.state().ringing.insert(id.clone(), pcm.to_vec());
        Ok(id)
    }

    pub(crate) fn stop_ringing(&self, id: &str) {
        self.state().ringing.remove(id);
    }

    pub(crate) fn trouble(&self, kind: Kind, id: &str) -> Option<SoundError> {
        (!self.state().is_there(kind, id)).then_some(SoundError::Gone(kind))
    }
}

pub(crate) struct FakeSink {
    id: String,
    devices: FakeDevices,
}

impl FakeSink {
    pub(crate) fn push(&mut self, pcm: &[i16]) -> bool {
        let state = &mut *self.devices.state();
        if state.jammed || !state.is_there(Kind::Speaker, &self.id) {
            return false;
        }
        state.heard.entry(self.id.clone()).or_default().extend_from_slice(pcm);
        if let Some(echo) = &mut state.echo {
            echo.on_its_way.extend(pcm.iter().map(|&sample| (f32::from(sample) * echo.gain) as i16));
        }
        true
    }

    pub(crate) fn trouble(&self) -> Option<SoundError> {
        self.devices.trouble(Kind::Speaker, &self.id)
    }
}

pub(crate) struct FakeSource {
    id: String,
    devices: FakeDevices,
}

impl FakeSource {
    pub(crate) fn pull(&mut self, out: &mut [i16]) -> usize {
        let state = &mut *self.devices.state();
        if !state.is_there(Kind::Microphone, &self.id) {
            return 0;
        }
        for sample in out.iter_mut() {
            let echo = state.echo.as_mut().and_then(|echo| echo.on_its_way.pop_front()).unwrap_or(0);
            *sample = state.spoken.pop_front().unwrap_or(0).saturating_add(echo);
        }
        out.len()
    }

    pub(crate) fn trouble(&self) -> Option<SoundError> {
        self.devices.trouble(Kind::Microphone, &self.id)
    }
}
