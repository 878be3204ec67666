//! Sound: what is chosen, what is plugged in, and the test "hear yourself".

use std::sync::Arc;

use softphone::{
    MicrophoneVerdict, Processing, Sound, SoundChoice, SoundDevices, SoundTestEvent, SpeakerVerdict, same_device,
};

use crate::owner::{Input, Owner};
use crate::{Levels, PhoneCallState, SoundDevice, SoundSettings, SoundTestStage, SoundTestView, SoundVerdict, Tone};

/// The test that runs, if one does.
#[derive(Default)]
pub(crate) struct SoundTestSlot {
    /// What an earlier test still says is let go.
    number: u32,
    /// Ends when dropped.
    running: Option<Box<dyn Send + Sync>>,
}

impl Owner {
    pub(crate) fn sound(&self) -> Sound {
        if self.config.sound { Sound::Devices(self.choice()) } else { Sound::SILENT }
    }

    fn choice(&self) -> SoundChoice {
        let SoundSettings { microphone, speaker, ringer, ring_both, cancel_echo, reduce_noise, level_voice } =
            self.settings.sound.clone();
        let processing = Processing { echo: cancel_echo, noise: reduce_noise, gain: level_voice };
        SoundChoice { microphone, speaker, ringer, ring_both, processing }
    }

    pub(crate) fn choose_sound(&mut self, choice: SoundSettings) {
        self.settings.sound = choice;
        self.remember_names();
        self.save_settings();
        let choice = self.choice();
        self.each_phone(|phone| phone.choose_sound(choice.clone()));
        self.message_speaker();
        self.show_sound();
    }

    /// Shows the choice, and asks for the list anew.
    pub(crate) fn show_sound(&mut self) {
        self.show_choice();
        self.list_sound_devices();
    }

    pub(crate) fn list_sound_devices(&self) {
        if !self.config.sound {
            return;
        }
        let (devices, inbox) = (Arc::clone(&self.config.devices), self.inbox.clone());
        tokio::task::spawn_blocking(move || {
            // The desk that is gone shows no list.
            let _gone = inbox.send(Input::SoundDevices(devices.sound_devices()));
        });
    }

    pub(crate) fn sound_devices(&mut self, devices: SoundDevices) {
        let shown = |list: Vec<softphone::SoundDevice>| {
            list.into_iter().map(|device| SoundDevice { id: device.id, name: device.name }).collect()
        };
        self.view.sound.microphones = shown(devices.microphones);
        self.view.sound.speakers = shown(devices.speakers);
        self.follow_renamed();
        if self.remember_names() {
            self.save_settings();
        }
        self.show_choice();
    }

    /// A Bluetooth headset comes back under another id when it changes its profile: it is still the chosen one.
    fn follow_renamed(&mut self) {
        let crate::SoundView { microphones, speakers, .. } = &self.view.sound;
        let SoundSettings { microphone, speaker, ringer, .. } = &mut self.settings.sound;
        for (chosen, list) in [(microphone, microphones), (speaker, speakers), (ringer, speakers)] {
            let Some(id) = chosen else { continue };
            if !list.iter().any(|device| device.id == *id)
                && let Some(device) = list.iter().find(|device| same_device(&device.id, id))
            {
                id.clone_from(&device.id);
            }
        }
    }

    /// Keeps the names of what is chosen, to be said while it is not plugged in. Says whether one is new.
    fn remember_names(&mut self) -> bool {
        let SoundSettings { microphone, speaker, ringer, .. } = &self.settings.sound;
        let chosen: Vec<&String> = [microphone, speaker, ringer].into_iter().flatten().collect();
        let listed = self.view.sound.microphones.iter().chain(&self.view.sound.speakers);
        let mut names = self.settings.sound_names.clone();
        names.extend(listed.map(|device| (device.id.clone(), device.name.clone())));
        names.retain(|id, _| chosen.contains(&id));
        let new = names != self.settings.sound_names;
        self.settings.sound_names = names;
        new
    }

    fn show_choice(&mut self) {
        self.view.sound.choice = self.settings.sound.clone();
        let named = |(id, name): (&String, &String)| SoundDevice { id: id.clone(), name: name.clone() };
        self.view.sound.remembered = self.settings.sound_names.iter().map(named).collect();
    }

    pub(crate) fn test_sound(&mut self) {
        if self.in_call() {
            return self.note(Tone::Bad, "End the call first: the test needs the microphone for itself.");
        }
        let (devices, inbox, choice) = (Arc::clone(&self.config.devices), self.inbox.clone(), self.choice());
        let levels = self.levels.clone();
        self.sound_test.number += 1;
        let number = self.sound_test.number;
        match devices.test_sound(choice) {
            Ok((running, mut events)) => {
                self.sound_test.running = Some(running);
                self.view.sound.test = Some(SoundTestView { stage: SoundTestStage::Opening, verdicts: Vec::new() });
                tokio::spawn(async move {
                    while let Some(event) = events.recv().await {
                        if let SoundTestEvent::Level { microphone, speaker } = event {
                            levels.send_replace(Levels::new(microphone, speaker));
                        } else if inbox.send(Input::SoundTest(number, event)).is_err() {
                            return;
                        }
                    }
                });
            }
            Err(why) => self.note(Tone::Bad, why),
        }
    }

    pub(crate) fn end_sound_test(&mut self) {
        self.sound_test.running = None;
        self.view.sound.test = None;
    }

    pub(crate) fn sound_test_event(&mut self, number: u32, event: SoundTestEvent) {
        let Some(test) = self.view.sound.test.as_mut().filter(|_| number == self.sound_test.number) else { return };
        match event {
            SoundTestEvent::Beep => test.stage = SoundTestStage::Beep,
            SoundTestEvent::Listening => test.stage = SoundTestStage::Listening,
            SoundTestEvent::Playing => test.stage = SoundTestStage::Playing,
            SoundTestEvent::Level { .. } => {}
            SoundTestEvent::Done { microphone, speaker } => {
                test.stage = SoundTestStage::Done;
                test.verdicts = vec![of_microphone(microphone), of_speaker(speaker)];
                self.sound_test.running = None;
            }
        }
    }

    /// A call needs the devices, and the person.
    pub(crate) fn yield_sound_test(&mut self) {
        if self.sound_test.running.is_some() && (self.in_call() || !self.view.rings.is_empty()) {
            self.end_sound_test();
        }
    }

    fn in_call(&self) -> bool {
        self.view.phone.calls.iter().any(|call| call.state != PhoneCallState::Ending)
    }
}

fn of_microphone(verdict: Result<MicrophoneVerdict, String>) -> SoundVerdict {
    match verdict {
        Ok(MicrophoneVerdict::Well) => good(MicrophoneVerdict::Well.to_string()),
        Ok(
            trouble @ (MicrophoneVerdict::Silent
            | MicrophoneVerdict::HearsNothing
            | MicrophoneVerdict::TooQuiet
            | MicrophoneVerdict::Clipping
            | MicrophoneVerdict::Noisy),
        ) => bad(trouble.to_string()),
        Err(sentence) => bad(sentence),
    }
}

fn of_speaker(verdict: Result<SpeakerVerdict, String>) -> SoundVerdict {
    match verdict {
        Ok(SpeakerVerdict::Heard) => good(SpeakerVerdict::Heard.to_string()),
        Ok(SpeakerVerdict::Plays) => SoundVerdict { tone: Tone::Plain, sentence: SpeakerVerdict::Plays.to_string() },
        Ok(SpeakerVerdict::NoSound) => bad(SpeakerVerdict::NoSound.to_string()),
        Err(sentence) => bad(sentence),
    }
}

fn good(sentence: String) -> SoundVerdict {
    SoundVerdict { tone: Tone::Good, sentence }
}

fn bad(sentence: String) -> SoundVerdict {
    SoundVerdict { tone: Tone::Bad, sentence }
}
