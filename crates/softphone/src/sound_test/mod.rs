//! "Hear yourself": a beep, some seconds of the person's voice, and the same voice as callers hear it; then verdicts.

mod trial;

use std::io;

use audio::{Microphone, Sound, SoundError, Speaker};
use media::{FRAME_TIME, Frame, MicrophoneVerdict, SILENCE, SpeakerVerdict, level_dbfs};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::config::SoundChoice;
use trial::{Stage, Trial};

/// A clock that is this late starts afresh.
const TOO_LATE: std::time::Duration = std::time::Duration::from_millis(100);
/// Levels 12 times a second.
const TICKS_PER_LEVEL: u32 = 4;

/// A test of microphone and speaker. Dropping it ends it.
#[derive(Debug)]
pub struct SoundTest {
    _end: oneshot::Sender<()>,
}

/// What happens in a test. After [`SoundTestEvent::Done`] the events end.
#[derive(Debug, Clone, PartialEq)]
pub enum SoundTestEvent {
    /// The devices are open, and the speaker beeps.
    Beep,
    /// The person shall speak now.
    Listening,
    /// What was said is played.
    Playing,
    /// Of the last 80 ms, dBFS.
    Level { microphone: f32, speaker: f32 },
    /// What is to be said of each; a sentence if it could not be used at all.
    Done { microphone: Result<MicrophoneVerdict, String>, speaker: Result<SpeakerVerdict, String> },
}

impl SoundTest {
    /// Tests the chosen devices of this machine.
    ///
    /// # Errors
    /// If there is no thread to be had. Devices that can't be opened are reported by [`SoundTestEvent::Done`].
    pub fn start(choice: SoundChoice) -> io::Result<(Self, mpsc::UnboundedReceiver<SoundTestEvent>)> {
        Self::start_on(Sound::system(), choice)
    }

    /// The same with other sound devices than this machine's: [`Sound::fake`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(sound: Sound, choice: SoundChoice) -> io::Result<(Self, mpsc::UnboundedReceiver<SoundTestEvent>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (end, ended) = oneshot::channel();
        let (events, event_stream) = mpsc::unbounded_channel();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = run(&sound, &choice, &events) => {}
                    _ = ended => {}
                }
            });
        };
        std::thread::Builder::new().name("sound-test".to_owned()).spawn(run)?;
        Ok((Self { _end: end }, event_stream))
    }
}

/// Opens the devices, which may block, and goes through the test.
async fn run(sound: &Sound, choice: &SoundChoice, events: &mpsc::UnboundedSender<SoundTestEvent>) {
    let tell = |event| {
        // Whoever dropped the stream does not want to know.
        let _nobody_listens = events.send(event);
    };
    let mut speaker = sound.speaker(choice.speaker.as_deref());
    let mut microphone = sound.microphone(choice.microphone.as_deref());
    let mut trial = Trial::new(choice.processing);
    let (mut due, mut ticks) = (Instant::now(), 0_u32);
    while let Some(stage) = trial.stage().filter(|_| speaker.is_ok() || microphone.is_ok()) {
        if trial.is_new(stage) {
            tell(match stage {
                Stage::Beep => SoundTestEvent::Beep,
                Stage::Listening => SoundTestEvent::Listening,
                Stage::Playing => SoundTestEvent::Playing,
            });
        }
        let (said, played) = tick(&mut trial, &mut microphone, &mut speaker);
        ticks += 1;
        if ticks.is_multiple_of(TICKS_PER_LEVEL) {
            tell(SoundTestEvent::Level { microphone: level_dbfs(&said), speaker: level_dbfs(&played) });
        }
        due += FRAME_TIME;
        let now = Instant::now();
        if now > due + TOO_LATE {
            due = now;
        }
        sleep_until(due).await;
    }
    let (heard, spoke) = trial.verdicts();
    tell(SoundTestEvent::Done {
        microphone: microphone.map(|_| heard).map_err(|error| error.to_string()),
        speaker: speaker.map(|_| spoke).map_err(|error| error.to_string()),
    });
}

/// 20 ms. What was lost is an error from now on.
fn tick(
    trial: &mut Trial,
    microphone: &mut Result<Microphone, SoundError>,
    speaker: &mut Result<Speaker, SoundError>,
) -> (Frame, Frame) {
    if let Some(trouble) = microphone.as_ref().ok().and_then(Microphone::trouble) {
        *microphone = Err(trouble);
    }
    if let Some(trouble) = speaker.as_ref().ok().and_then(Speaker::trouble) {
        *speaker = Err(trouble);
    }
    let mut said = SILENCE;
    if let Ok(microphone) = microphone {
        microphone.pull(&mut said);
    }
    let played = trial.tick(&said);
    if let Ok(speaker) = speaker {
        trial.played(speaker.push(&played));
    }
    (said, played)
}

#[cfg(test)]
mod tests;
