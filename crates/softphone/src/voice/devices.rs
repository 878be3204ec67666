//! Opening microphone and speaker, on a thread of its own: that may take seconds, and the voice thread has 20 ms.
//!
//! While a call needs sound, what is plugged in is looked at again and again: the chosen device is taken up again when it is
//! back, the system's default is followed, and whatever is there is better than silence.

use std::io;
use std::sync::{Weak, mpsc};
use std::time::Duration;

use audio::{Kind, Microphone, Sound, SoundError, Speaker, Watch};
use media::{Frame, Processor, SILENCE};
use tokio::sync::mpsc::UnboundedSender;

use super::Order;
use crate::config::SoundChoice;
use crate::event::PhoneEvent;

/// Between two looks at what is plugged in, where that costs next to nothing.
const LOOK: Duration = Duration::from_millis(200);
/// Between two tries to open what is wanted and not there, where looking is dear.
const RETRY: Duration = Duration::from_secs(2);

pub(super) enum Wish {
    /// Devices are open only while a call needs them.
    Wanted(bool),
    Choose(SoundChoice),
    /// The voice thread has lost one.
    Lost(Kind),
}

/// The side that wishes. The thread ends when all are dropped.
#[derive(Clone)]
pub(super) struct Opener {
    wishes: mpsc::Sender<Wish>,
}

impl Opener {
    /// # Errors
    /// If the thread can't be started.
    pub(super) fn start(
        sound: Sound,
        choice: SoundChoice,
        voice: Weak<mpsc::Sender<Order>>,
        events: UnboundedSender<PhoneEvent>,
    ) -> io::Result<Self> {
        let (wishes, inbox) = mpsc::channel();
        let watch = sound.watch();
        let cupboard = Cupboard {
            sound,
            watch,
            choice,
            wanted: false,
            microphone: None,
            speaker: None,
            complete: true,
            trouble: None,
            voice,
            events,
        };
        std::thread::Builder::new().name("sound-opener".to_owned()).spawn(move || cupboard.run(&inbox))?;
        Ok(Self { wishes })
    }

    pub(super) fn wish(&self, wish: Wish) {
        // The thread outlives its wishes.
        let _ended = self.wishes.send(wish);
    }
}

/// What the thread owns.
struct Cupboard {
    sound: Sound,
    watch: Watch,
    choice: SoundChoice,
    wanted: bool,
    /// What is open.
    microphone: Option<Opened>,
    speaker: Option<Opened>,
    /// All that is wanted is open.
    complete: bool,
    trouble: Option<String>,
    voice: Weak<mpsc::Sender<Order>>,
    events: UnboundedSender<PhoneEvent>,
}

/// Which device, and the how manieth time that it was plugged in: a stream whose device was gone for a moment goes on
/// elsewhere.
#[derive(PartialEq, Eq)]
struct Opened {
    id: String,
    instance: u32,
}

impl Cupboard {
    fn run(mut self, inbox: &mpsc::Receiver<Wish>) {
        loop {
            let pause = if self.watch.is_cheap() { LOOK } else { RETRY };
            let wish = match self.wanted {
                true => inbox.recv_timeout(pause),
                false => inbox.recv().map_err(mpsc::RecvTimeoutError::from),
            };
            match wish {
                Ok(Wish::Wanted(wanted)) => self.wanted = wanted,
                Ok(Wish::Choose(choice)) => self.choice = choice,
                Ok(Wish::Lost(kind)) => *self.open(kind) = None,
                Err(mpsc::RecvTimeoutError::Timeout) if self.complete && !self.watch.is_cheap() => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if self.wanted {
                self.arrange();
            } else {
                self.close();
            }
        }
    }

    fn open(&mut self, kind: Kind) -> &mut Option<Opened> {
        match kind {
            Kind::Microphone => &mut self.microphone,
            Kind::Speaker => &mut self.speaker,
        }
    }

    fn close(&mut self) {
        for kind in [Kind::Microphone, Kind::Speaker] {
            if self.open(kind).take().is_some() {
                self.hand_over(kind, None);
            }
        }
        self.report(None);
    }

    /// Opens what is wanted and not open yet.
    fn arrange(&mut self) {
        let devices = self.watch.devices();
        let mut trouble = None;
        for kind in [Kind::Speaker, Kind::Microphone] {
            let wanted = match kind {
                Kind::Microphone => self.choice.microphone.clone(),
                Kind::Speaker => self.choice.speaker.clone(),
            };
            let Some(device) = devices.preferred(kind, wanted.as_deref()) else {
                // A list that is empty for a moment takes away nothing that works.
                if self.open(kind).is_none() {
                    trouble = Some(SoundError::None(kind).to_string());
                }
                continue;
            };
            let missing = wanted.filter(|wanted| !audio::same(wanted, &device.id));
            let there = Opened { id: device.id.clone(), instance: device.instance };
            if self.open(kind).as_ref() != Some(&there)
                && let Err(error) = self.take(kind, there)
            {
                trouble = Some(error.to_string());
            } else if let Some(id) = missing {
                trouble =
                    Some(format!("{} {:?} is used meanwhile.", SoundError::NotConnected { kind, id }, device.name));
            }
        }
        self.complete = trouble.is_none();
        self.report(trouble);
    }

    /// What was open is let go only when the other is there.
    fn take(&mut self, kind: Kind, there: Opened) -> Result<(), SoundError> {
        let id = Some(there.id.as_str());
        let gear = match kind {
            Kind::Microphone => Gear::Microphone(self.sound.microphone(id)?),
            Kind::Speaker => Gear::Speaker(self.sound.speaker(id)?),
        };
        *self.open(kind) = Some(there);
        self.hand_over(kind, Some(gear));
        Ok(())
    }

    fn hand_over(&self, kind: Kind, gear: Option<Gear>) {
        if let Some(voice) = self.voice.upgrade() {
            // The voice thread ends before we do.
            let _ended = voice.send(Order::Device { kind, gear });
        }
    }

    fn report(&mut self, trouble: Option<String>) {
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            // Whoever dropped the stream does not want to know.
            let _nobody_listens = self.events.send(PhoneEvent::SoundTrouble(trouble));
        }
    }
}

/// A device that was opened.
pub(crate) enum Gear {
    Microphone(Microphone),
    Speaker(Speaker),
}

/// The open devices, as the voice thread uses them.
pub(super) struct Devices {
    microphone: Option<Microphone>,
    speaker: Option<Speaker>,
    processor: Processor,
    /// What the speaker was given last.
    played: Frame,
}

impl Devices {
    pub(super) fn new(choice: &SoundChoice) -> Self {
        Self { microphone: None, speaker: None, processor: Processor::new(choice.processing), played: SILENCE }
    }

    pub(super) fn choose(&mut self, choice: &SoundChoice) {
        self.processor.set(choice.processing);
    }

    pub(super) fn replace(&mut self, kind: Kind, gear: Option<Gear>) {
        match (kind, gear) {
            (_, Some(Gear::Microphone(microphone))) => self.microphone = Some(microphone),
            (_, Some(Gear::Speaker(speaker))) => self.speaker = Some(speaker),
            (Kind::Microphone, None) => self.microphone = None,
            (Kind::Speaker, None) => self.speaker = None,
        }
    }

    /// What is to be sent: silence while there is no microphone, or it has nothing yet.
    pub(super) fn listen(&mut self) -> Frame {
        let mut said = SILENCE;
        if let Some(microphone) = &mut self.microphone {
            microphone.pull(&mut said);
            self.processor.process(&mut said, &self.played);
        }
        said
    }

    pub(super) fn play(&mut self, heard: &Frame) {
        // What no speaker has taken has no echo: to look for one would eat the person's voice.
        let taken = self.speaker.as_mut().is_some_and(|speaker| speaker.push(heard));
        self.played = if taken { *heard } else { SILENCE };
    }

    /// Lets go of what was disconnected, and says what it was.
    pub(super) fn drop_lost(&mut self) -> impl Iterator<Item = Kind> {
        let microphone = self.microphone.take_if(|m| m.trouble().is_some()).map(|_| Kind::Microphone);
        let speaker = self.speaker.take_if(|s| s.trouble().is_some()).map(|_| Kind::Speaker);
        microphone.into_iter().chain(speaker)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_echo_is_looked_for_only_of_what_a_speaker_has_taken() {
        let (sound, fake) = Sound::fake();
        let mut devices = Devices::new(&SoundChoice::default());
        let heard = [500; media::FRAME];
        devices.play(&heard);
        assert_eq!(devices.played, SILENCE, "there is no speaker");
        devices.replace(Kind::Speaker, Some(Gear::Speaker(sound.speaker(None).unwrap())));
        devices.play(&heard);
        assert_eq!(devices.played, heard);
        fake.unplug(true);
        devices.play(&heard);
        assert_eq!(devices.played, SILENCE, "it was pulled out");
        fake.unplug(false);
        devices.play(&heard);
        devices.replace(Kind::Speaker, None);
        devices.play(&heard);
        assert_eq!(devices.played, SILENCE, "it was put away");
    }
}
