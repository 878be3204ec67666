//! What happened to the caller, step by step.

use protocol::{JourneyEvent, JourneyStep};

use crate::{Switchboard, call::Call};

/// More than any honest call needs; keeps a misbehaving device from filling memory with hold and resume.
const STEPS: usize = 1_000;

impl Switchboard {
    pub(crate) fn step(&self, call: &mut Call, what: JourneyEvent) {
        if call.journey.len() < STEPS || matches!(what, JourneyEvent::Ended { .. }) {
            call.journey.push(JourneyStep { at: self.now, what });
        }
    }
}
