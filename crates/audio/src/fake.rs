//! Devices that exist in this process only, for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Device, Devices, Kind, Microphone, SoundError, Speaker};

/// The ids of the made-up devices.
const MICROPHONE: &str = "fake:microphone";
const SPEAKER: &str = "fake:speaker";

/// A microphone to speak into and a speaker to listen to. Clones are the same devices.
#[derive(Clone, Default)]
pub struct FakeDevices(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What the microphone still has to say.
    spoken: std::collections::VecDeque<i16>,
    /// What the speaker played.
    heard: Vec<i16>,
    ringing: Option<Vec<i16>>,
    unplugged: bool,
}

impl FakeDevices {
    /// Lets the microphone hear `pcm`, after what it has not delivered yet; silence otherwise.
    pub fn speak(&self, pcm: &[i16]) {
        self.state().spoken.extend(pcm);
    }

    /// What the speaker played since the last call.
    #[must_use]
    pub fn take_heard(&self) -> Vec<i16> {
        std::mem::take(&mut self.state().heard)
    }

    /// The tone that rings now.
    #[must_use]
    pub fn ringing(&self) -> Option<Vec<i16>> {
        self.state().ringing.clone()
    }

    /// Takes all devices away, or gives them back.
    pub fn unplug(&self, unplugged: bool) {
        self.state().unplugged = unplugged;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, kind: Kind, id: Option<&str>) -> Result<(), SoundError> {
        let known = match kind {
            Kind::Microphone => MICROPHONE,
            Kind::Speaker => SPEAKER,
        };
        match id {
            None if self.state().unplugged => Err(SoundError::None(kind)),
            Some(id) if id != known || self.state().unplugged => {
                Err(SoundError::NotConnected { kind, id: id.to_owned() })
            }
            None | Some(_) => Ok(()),
        }
    }

    pub(crate) fn list(&self) -> Devices {
        if self.state().unplugged {
            return Devices::default();
        }
        let device = |id: &str, name: &str| vec![Device { id: id.into(), name: name.into(), default: true }];
        Devices { microphones: device(MICROPHONE, "Made-up microphone"), speakers: device(SPEAKER, "Made-up speaker") }
    }

    pub(crate) fn speaker(&self, id: Option<&str>) -> Result<Speaker, SoundError> {
        self.check(Kind::Speaker, id)?;
        Ok(Speaker::fake(FakeSink(self.clone())))
    }

    pub(crate) fn microphone(&self, id: Option<&str>) -> Result<Microphone, SoundError> {
        self.check(Kind::Microphone, id)?;
        Ok(Microphone::fake(FakeSource(self.clone())))
    }

    pub(crate) fn ring(&self, id: Option<&str>, pcm: &[i16]) -> Result<(), SoundError> {
        self.check(Kind::Speaker, id)?;
        self.state().ringing = Some(pcm.to_vec());
        Ok(())
    }

    pub(crate) fn stop_ringing(&self) {
        self.state().ringing = None;
    }

    fn trouble(&self, kind: Kind) -> Option<SoundError> {
        self.state().unplugged.then_some(SoundError::Gone(kind))
    }
}

pub(crate) struct FakeSink(FakeDevices);

impl FakeSink {
    pub(crate) fn push(&mut self, pcm: &[i16]) {
        self.0.state().heard.extend_from_slice(pcm);
    }

    pub(crate) fn trouble(&self) -> Option<SoundError> {
        self.0.trouble(Kind::Speaker)
    }
}

pub(crate) struct FakeSource(FakeDevices);

impl FakeSource {
    pub(crate) fn pull(&mut self, out: &mut [i16]) -> usize {
        let mut state = self.0.state();
        out.fill_with(|| state.spoken.pop_front().unwrap_or(0));
        out.len()
    }

    pub(crate) fn trouble(&self) -> Option<SoundError> {
        self.0.trouble(Kind::Microphone)
    }
}
