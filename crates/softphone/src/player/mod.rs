//! Plays a recorded message, apart from any call.

mod message;
mod playback;

use std::io;
use std::ops::RangeInclusive;

use audio::Sound;
use media::wav::WavError;
use tokio::sync::mpsc;

use message::Message;
use playback::{Order, Playback};

/// A message that is being played. Cheap to clone; dropping the last one stops the sound.
///
/// Commands return at once; what becomes of them arrives as [`PlayerEvent`]s.
#[derive(Clone, Debug)]
pub struct Player {
    orders: mpsc::UnboundedSender<Order>,
    duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayerEvent {
    /// Where in the message the sound is, milliseconds: ten times a second while it plays, and at once after a pause, a
    /// seek and trouble.
    Position { ms: u64 },
    /// The message was played to its end, and stays there. A seek back plays it again.
    Ended,
    /// The speaker is not there any more, or can't be used; a sentence for the person. The message is paused where it was;
    /// going on, after another speaker was chosen or not, tries again.
    Trouble(String),
}

/// Why a message is not played.
#[derive(Debug, thiserror::Error)]
pub enum PlayerError {
    #[error("This message can't be played: {0}. Load it again; if that does not help, tell whoever runs the exchange.")]
    Wav(#[from] WavError),
    #[error("This message can't be played: {0}. Close other programs and try again.")]
    Thread(#[from] io::Error),
}

impl Player {
    /// Slowest and fastest, percent of the message's own speed.
    pub const SPEEDS: RangeInclusive<u32> = 50..=200;

    /// Plays `wav` (a WAV file of up to an hour) on the speaker with this id; `None`: the system's default. Reads all of
    /// it first, which for an hour takes a second: call it off the async threads.
    ///
    /// # Errors
    /// If it is no sound, or there is no thread to be had. A speaker that can't be opened is [`PlayerEvent::Trouble`].
    pub fn start(
        speaker: Option<String>,
        wav: Vec<u8>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<PlayerEvent>), PlayerError> {
        Self::start_on(Sound::system(), speaker, wav)
    }

    /// The same with other sound devices than this machine's: [`Sound::fake`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(
        sound: Sound,
        speaker: Option<String>,
        wav: Vec<u8>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<PlayerEvent>), PlayerError> {
        let message = Message::read(&wav)?;
        drop(wav);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (player, events, playback) = prepare(sound, speaker, message);
        std::thread::Builder::new().name("player".to_owned()).spawn(move || runtime.block_on(playback.run()))?;
        Ok((player, events))
    }

    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.duration_ms
    }

    pub fn pause(&self, paused: bool) {
        self.order(Order::Pause(paused));
    }

    /// Goes to a place in the message; beyond its end: to its end.
    pub fn seek(&self, ms: u64) {
        self.order(Order::Seek { ms });
    }

    /// Percent of the message's own speed, within [`Self::SPEEDS`]. The pitch stays.
    pub fn speed(&self, percent: u32) {
        self.order(Order::Speed { percent });
    }

    /// Goes on playing on another speaker; `None`: the system's default.
    pub fn speaker(&self, id: Option<String>) {
        self.order(Order::Speaker(id));
    }

    /// Ends the sound for good, whoever else has a handle. The events end.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        // After `stop` there is nobody left to obey, and nothing to obey about.
        let _stopped = self.orders.send(order);
    }
}

fn prepare(
    sound: Sound,
    speaker: Option<String>,
    message: Message,
) -> (Player, mpsc::UnboundedReceiver<PlayerEvent>, Playback) {
    let (orders, inbox) = mpsc::unbounded_channel();
    let (events, event_stream) = mpsc::unbounded_channel();
    let player = Player { orders, duration_ms: message.duration_ms() };
    (player, event_stream, Playback::new(message, sound, speaker, inbox, events))
}

#[cfg(test)]
mod tests;
