//! Brings a message to a speaker, 20 ms every 20 ms.

use std::time::Duration;

use audio::{Sound, SoundError, Speaker};
use media::FRAME_TIME;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::PlayerEvent;
use super::message::Message;

/// A clock that is this late starts afresh: a speaker leaves out what comes in a heap, and of a message no word may be
/// missing.
const TOO_LATE: Duration = Duration::from_millis(40);
/// The speaker is kept open so long while nothing sounds: going on after a short pause is instant, and the last sound is
/// played out. In ticks: 2 s.
const STILL: u32 = 100;

pub(super) enum Order {
    Pause(bool),
    Seek { ms: u64 },
    Speed { percent: u32 },
    Speaker(Option<String>),
    Stop,
}

pub(super) struct Playback {
    message: Message,
    sound: Sound,
    choice: Option<String>,
    speaker: Option<Speaker>,
    /// Ticks without sound.
    still: u32,
    inbox: mpsc::UnboundedReceiver<Order>,
    events: mpsc::UnboundedSender<PlayerEvent>,
}

impl Playback {
    pub(super) fn new(
        message: Message,
        sound: Sound,
        choice: Option<String>,
        inbox: mpsc::UnboundedReceiver<Order>,
        events: mpsc::UnboundedSender<PlayerEvent>,
    ) -> Self {
        Self { message, sound, choice, speaker: None, still: 0, inbox, events }
    }

    /// Ends when it is told to stop, or nobody is left who could tell. Blocks while a speaker is opened.
    pub(super) async fn run(mut self) {
        let mut due = Instant::now();
        loop {
            let rests = !self.message.plays() && self.speaker.is_none();
            tokio::select! {
                biased;
                () = sleep_until(due), if !rests => {
                    self.tick();
                    due += FRAME_TIME;
                    let now = Instant::now();
                    if now > due + TOO_LATE {
                        due = now + FRAME_TIME;
                    }
                }
                order = self.inbox.recv() => match order {
                    Some(Order::Pause(paused)) => {
                        self.message.pause(paused);
                        self.tell_position();
                    }
                    Some(Order::Seek { ms }) => {
                        self.message.seek(ms);
                        self.tell_position();
                    }
                    Some(Order::Speed { percent }) => self.message.speed(percent),
                    Some(Order::Speaker(choice)) => {
                        self.choice = choice;
                        self.speaker = None;
                    }
                    Some(Order::Stop) | None => return,
                },
            }
        }
    }

    fn tick(&mut self) {
        if self.message.plays()
            && let Err(error) = self.ready()
        {
            self.speaker = None;
            self.message.pause(true);
            self.tell(PlayerEvent::Trouble(error.to_string()));
            self.tell_position();
            return;
        }
        let (frame, event) = self.message.tick();
        self.still = if frame.is_some() { 0 } else { self.still + 1 };
        if let (Some(frame), Some(speaker)) = (frame, &mut self.speaker) {
            speaker.push(&frame);
        }
        if self.still >= STILL {
            self.speaker = None;
        }
        if let Some(event) = event {
            self.tell(event);
        }
    }

    fn ready(&mut self) -> Result<(), SoundError> {
        match &self.speaker {
            Some(speaker) => speaker.trouble().map_or(Ok(()), Err),
            None => {
                self.speaker = Some(self.sound.speaker(self.choice.as_deref())?);
                Ok(())
            }
        }
    }

    fn tell_position(&self) {
        self.tell(PlayerEvent::Position { ms: self.message.position_ms() });
    }

    fn tell(&self, event: PlayerEvent) {
        // Whoever dropped the stream does not want to know.
        let _nobody_listens = self.events.send(event);
    }
}
