//! The course of a test, 20 ms at a time. No thread, no device, no clock.

use media::{
    FRAME, Frame, MicrophoneCheck, MicrophoneVerdict, Processing, Processor, SILENCE, SpeakerCheck, SpeakerVerdict,
    tones,
};

/// The beep takes 400 ms, and some 300 more until a microphone has heard it.
const BEEP: usize = 40;
/// Long enough for a sentence, short enough to be done again: 4 s.
pub(super) const LISTENING: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Beep,
    Listening,
    Playing,
}

pub(super) struct Trial {
    ticks: usize,
    told: Option<Stage>,
    beep: Vec<i16>,
    processor: Processor,
    /// What is sent of what was said.
    recorded: Vec<Frame>,
    microphone: MicrophoneCheck,
    speaker: SpeakerCheck,
    last: Frame,
}

impl Trial {
    pub(super) fn new(processing: Processing) -> Self {
        Self {
            ticks: 0,
            told: None,
            beep: tones::beep(),
            processor: Processor::new(processing),
            recorded: Vec::with_capacity(LISTENING),
            microphone: MicrophoneCheck::default(),
            speaker: SpeakerCheck::default(),
            last: SILENCE,
        }
    }

    /// `None` at its end.
    pub(super) fn stage(&self) -> Option<Stage> {
        match self.ticks {
            0..BEEP => Some(Stage::Beep),
            BEEP.. if self.ticks < BEEP + LISTENING => Some(Stage::Listening),
            BEEP.. if self.ticks < BEEP + 2 * LISTENING => Some(Stage::Playing),
            _ => None,
        }
    }

    /// Whether this stage is asked about for the first time.
    pub(super) fn is_new(&mut self, stage: Stage) -> bool {
        self.told.replace(stage) != Some(stage)
    }

    /// Takes what the microphone heard, and gives what the speaker shall play.
    pub(super) fn tick(&mut self, said: &Frame) -> Frame {
        let mut sent = *said;
        self.processor.process(&mut sent, &self.last);
        self.last = match self.stage() {
            Some(Stage::Beep) => {
                self.speaker.hear(said);
                let mut frame = SILENCE;
                let rest = self.beep.iter().skip(self.ticks * FRAME);
                frame.iter_mut().zip(rest).for_each(|(slot, sample)| *slot = *sample);
                frame
            }
            Some(Stage::Listening) => {
                self.microphone.hear(said);
                self.recorded.push(sent);
                SILENCE
            }
            Some(Stage::Playing) => {
                let at = self.ticks - BEEP - LISTENING;
                self.recorded.get(at).copied().unwrap_or(SILENCE)
            }
            None => SILENCE,
        };
        self.ticks += 1;
        self.last
    }

    /// Whether the speaker took what it was given.
    pub(super) fn played(&mut self, taken: bool) {
        self.speaker.played(taken);
    }

    pub(super) fn verdicts(&self) -> (MicrophoneVerdict, SpeakerVerdict) {
        (self.microphone.verdict(), self.speaker.verdict())
    }
}
