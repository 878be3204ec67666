//! The ring tone: a thread of its own, so that ringing waits for nothing and nothing waits for it.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use audio::{Ringer, Sound};
use media::{RATE, tones};
use tokio::sync::mpsc::UnboundedSender;

use crate::event::PhoneEvent;
use crate::incoming::RingKind;

/// How often a lost ring device is looked for while it should ring.
const LOOK: Duration = Duration::from_secs(1);

/// What should be heard from the ring device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    Tone(RingKind),
    /// Another call waits while the person talks.
    Waiting,
}

enum Order {
    Ring(Option<Ring>),
    Level(f32),
    Device(Option<String>),
}

/// The owner's side. The thread ends, and the ringing with it, when this is dropped.
pub(crate) struct Ringing {
    orders: mpsc::Sender<Order>,
    now: Option<Ring>,
}

impl Ringing {
    /// # Errors
    /// If the thread can't be started.
    pub(crate) fn start(sound: &Sound, id: Option<&str>, events: UnboundedSender<PhoneEvent>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let bell =
            Bell { sound: sound.clone(), ringer: sound.ringer(id), ring: None, level: 1.0, trouble: None, events };
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

    pub(crate) fn device(&self, id: Option<String>) {
        self.order(Order::Device(id));
    }

    fn order(&self, order: Order) {
        // The thread outlives its orders.
        let _ended = self.orders.send(order);
    }
}

/// What the thread owns.
struct Bell {
    sound: Sound,
    ringer: Ringer,
    ring: Option<Ring>,
    level: f32,
    trouble: Option<String>,
    events: UnboundedSender<PhoneEvent>,
}

impl Bell {
    fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(Order::Ring(ring)) => self.ring = ring,
                Ok(Order::Level(level)) => self.level = level,
                Ok(Order::Device(id)) => self.ringer = self.sound.ringer(id.as_deref()),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.ring.is_none() || (self.trouble.is_none() && self.ringer.trouble().is_none()) {
                        continue;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.sound_it();
        }
    }

    fn sound_it(&mut self) {
        let Some(ring) = self.ring else { return self.ringer.stop() };
        let pcm = tone(ring, self.level);
        let result = self.ringer.start(&pcm).or_else(|error| {
            // Better on another device than not at all.
            self.ringer = self.sound.ringer(None);
            self.ringer.start(&pcm).map_err(|_| error)
        });
        self.report(result.err().map(|error| error.to_string()));
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
        Ring::Tone(RingKind::Outside | RingKind::Internal) => tones::ring(tones::Ring::Outside),
        Ring::Tone(RingKind::Transfer | RingKind::Consult) => tones::ring(tones::Ring::Transfer),
        Ring::Tone(RingKind::Recall) => tones::ring(tones::Ring::Recall),
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
