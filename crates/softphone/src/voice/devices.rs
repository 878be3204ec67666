//! Opening microphone and speaker, on a thread of its own: that may take seconds, and the voice thread has 20 ms.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use audio::{Microphone, Sound, SoundError, Speaker};
use tokio::sync::mpsc::{UnboundedSender, WeakUnboundedSender};

use super::Order;
use crate::config::SoundChoice;
use crate::event::PhoneEvent;

/// Between two tries to open what is wanted and not there.
const RETRY: Duration = Duration::from_secs(2);

pub(super) enum Wish {
    /// Devices are open only while a call needs them.
    Wanted(bool),
    Choose(SoundChoice),
    /// The voice thread has lost one.
    Lost,
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
        voice: WeakUnboundedSender<Order>,
        events: UnboundedSender<PhoneEvent>,
    ) -> io::Result<Self> {
        let (wishes, inbox) = mpsc::channel();
        let cupboard = Cupboard { sound, choice, wanted: false, complete: true, trouble: None, voice, events };
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
    choice: SoundChoice,
    wanted: bool,
    /// All that is wanted is open.
    complete: bool,
    trouble: Option<String>,
    voice: WeakUnboundedSender<Order>,
    events: UnboundedSender<PhoneEvent>,
}

impl Cupboard {
    fn run(mut self, inbox: &mpsc::Receiver<Wish>) {
        loop {
            match inbox.recv_timeout(RETRY) {
                Ok(Wish::Wanted(wanted)) if self.wanted == wanted => continue,
                Ok(Wish::Wanted(wanted)) => self.wanted = wanted,
                Ok(Wish::Choose(choice)) => self.choice = choice,
                Ok(Wish::Lost) => {}
                Err(mpsc::RecvTimeoutError::Timeout) if self.complete => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.open();
        }
    }

    fn open(&mut self) {
        let (mut microphone, mut speaker, mut trouble) = (None, None, None);
        if self.wanted {
            microphone = noted(self.sound.microphone(self.choice.microphone.as_deref()), &mut trouble);
            speaker = noted(self.sound.speaker(self.choice.speaker.as_deref()), &mut trouble);
        }
        self.complete = trouble.is_none();
        if let Some(voice) = self.voice.upgrade() {
            // The voice thread ends before we do.
            let _ended = voice.send(Order::Devices { microphone, speaker });
        }
        self.report(trouble);
    }

    fn report(&mut self, trouble: Option<String>) {
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            // Whoever dropped the stream does not want to know.
            let _nobody_listens = self.events.send(PhoneEvent::SoundTrouble(trouble));
        }
    }
}

fn noted<T>(opened: Result<T, SoundError>, trouble: &mut Option<String>) -> Option<T> {
    opened.map_err(|error| *trouble = Some(error.to_string())).ok()
}

/// The open devices, as the voice thread uses them.
#[derive(Default)]
pub(super) struct Devices {
    microphone: Option<Microphone>,
    speaker: Option<Speaker>,
}

impl Devices {
    pub(super) fn replace(&mut self, microphone: Option<Microphone>, speaker: Option<Speaker>) {
        *self = Self { microphone, speaker };
    }

    /// Silence while there is no microphone, or it has nothing yet.
    pub(super) fn listen(&mut self) -> media::Frame {
        let mut said = media::SILENCE;
        if let Some(microphone) = &mut self.microphone {
            microphone.pull(&mut said);
        }
        said
    }

    pub(super) fn play(&mut self, heard: &media::Frame) {
        if let Some(speaker) = &mut self.speaker {
            speaker.push(heard);
        }
    }

    /// Lets go of what was disconnected, and says whether anything was.
    pub(super) fn drop_lost(&mut self) -> bool {
        let lost = self.microphone.as_ref().is_some_and(|m| m.trouble().is_some())
            || self.speaker.as_ref().is_some_and(|s| s.trouble().is_some());
        if lost {
            *self = Self::default();
        }
        lost
    }
}
