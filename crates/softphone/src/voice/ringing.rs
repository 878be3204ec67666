//! The ring tone: a thread of its own, so that ringing waits for nothing and nothing waits for it.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use audio::{Ringer, Sound, SoundError};
use media::{RATE, tones};
use tokio::sync::mpsc::UnboundedSender;

use crate::config::RingTone;
use crate::event::PhoneEvent;
use crate::incoming::RingKind;

/// How often a lost ring device is looked for while it should ring.
const LOOK: Duration = Duration::from_secs(1);

/// What should be heard from the ring device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    Tone(RingKind, RingTone),
    /// Another call waits while the person talks.
    Waiting,
}

enum Order {
    Ring(Option<Ring>),
    Level(f32),
    Devices(Vec<Option<String>>),
}

/// The owner's side. The thread ends, and the ringing with it, when this is dropped.
pub(crate) struct Ringing {
    orders: mpsc::Sender<Order>,
    now: Option<Ring>,
}

impl Ringing {
    /// # Errors
    /// If the thread can't be started.
    pub(crate) fn start(
        sound: &Sound,
        wanted: Vec<Option<String>>,
        events: UnboundedSender<PhoneEvent>,
    ) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let bell =
            Bell { sound: sound.clone(), wanted, ringers: Vec::new(), ring: None, level: 1.0, trouble: None, events };
        std::thread::Builder::new().name("ring".to_owned()).spawn(move || bell.run(&inbox))?;
        Ok(Self { orders, now: None })
    }

    pub(crate) fn ring(&mut self, ring: Option<Ring>) {
        if self.now != ring {
            self.now = ring;
            self.order(Order::Ring(ring));
        }
    }

    pub(crate) fn level(&self, level: f32) {
        self.order(Order::Level(level));
    }

    /// Where it rings; `None` is the system's default.
    pub(crate) fn devices(&self, ids: Vec<Option<String>>) {
        self.order(Order::Devices(ids));
    }

    fn order(&self, order: Order) {
        // The thread outlives its orders.
        let _ended = self.orders.send(order);
    }
}

/// What the thread owns.
struct Bell {
    sound: Sound,
    wanted: Vec<Option<String>>,
    /// What rings.
    ringers: Vec<Ringer>,
    ring: Option<Ring>,
    level: f32,
    trouble: Option<String>,
    events: UnboundedSender<PhoneEvent>,
}

impl Bell {
    fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        loop {
            match self.next(inbox) {
                Ok(Order::Ring(ring)) => self.ring = ring,
                Ok(Order::Level(level)) => self.level = level,
                Ok(Order::Devices(ids)) => self.wanted = ids,
                Err(mpsc::RecvTimeoutError::Timeout) if self.is_well() => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.sound_it();
        }
    }

    /// While nothing rings, there is nothing to look after and nothing wakes the computer up.
    fn next(&self, inbox: &mpsc::Receiver<Order>) -> Result<Order, mpsc::RecvTimeoutError> {
        if self.ring.is_some() { inbox.recv_timeout(LOOK) } else { Ok(inbox.recv()?) }
    }

    fn is_well(&self) -> bool {
        !self.ringers.is_empty() && self.ringers.iter().all(|ringer| ringer.trouble().is_none())
    }

    fn sound_it(&mut self) {
        self.ringers.clear();
        let Some(ring) = self.ring else { return };
        let pcm = tone(ring, self.level);
        let mut failed = None;
        for id in self.wanted.clone() {
            if let Err(error) = self.start(id.as_deref(), &pcm) {
                failed = Some(error);
            }
        }
        // Better on another device than not at all.
        if self.ringers.is_empty() && self.start(None, &pcm).is_ok() {
            failed = None;
        }
        self.report(failed.map(|error| error.to_string()));
    }

    fn start(&mut self, id: Option<&str>, pcm: &[i16]) -> Result<(), SoundError> {
        let mut ringer = self.sound.ringer(id);
        ringer.start(pcm)?;
        self.ringers.push(ringer);
        Ok(())
    }

    fn report(&mut self, trouble: Option<String>) {
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            // Whoever dropped the stream does not want to know.
            let _nobody_listens = self.events.send(PhoneEvent::SoundTrouble(trouble));
        }
    }
}

fn tone(ring: Ring, level: f32) -> Vec<i16> {
    let mut pcm = match ring {
        Ring::Tone(RingKind::Outside | RingKind::Internal, tone) => tones::ring(match tone {
            RingTone::Bell => tones::Ring::Outside,
            RingTone::Chime => tones::Ring::Chime,
            RingTone::Marimba => tones::Ring::Marimba,
            RingTone::Classic => tones::Ring::Classic,
        }),
        Ring::Tone(RingKind::Transfer | RingKind::Consult, _) => tones::ring(tones::Ring::Transfer),
        Ring::Tone(RingKind::Recall, _) => tones::ring(tones::Ring::Recall),
        Ring::Waiting => {
            let mut beep = tones::sine(440.0, 300, -24.0);
            // ITU-T E.180: about 0.3 s every 4 s or more.
            beep.resize(4 * RATE as usize, 0);
            beep
        }
    };
    for sample in &mut pcm {
        *sample = (f32::from(*sample) * level) as i16;
    }
    pcm
}
