//! Legs whose far end has vanished without a goodbye. Whoever has sent nothing for long is offered the standing session
//! anew; an answer, whatever it is, is a sign of life (as in RFC 4028), and none is the end. Silence alone is not: a
//! gateway may send nothing while its caller listens.

use protocol::{LegId, Reason};
use tokio::time::Instant;

use super::calls::accept;
use super::core::{Core, LOOKS, Leg, Stage};

/// Whoever has us on hold may be silent this many times longer.
const HELD: u32 = 5;

impl Core {
    pub fn look_for_the_lost(&mut self) {
        self.next_look = Instant::now() + self.config.quiet / LOOKS;
        for (id, leg) in &self.legs {
            let patience = self.config.quiet * if leg.held { HELD } else { 1 };
            if let (Stage::Up, Some(line)) = (&leg.stage, &leg.line)
                && line.quiet() >= patience
            {
                tracing::info!(leg = %id, "nothing has come for {patience:?}; asking whether anybody is there");
                // Asked again only after as long a silence.
                line.lives();
                self.endpoint.offer(leg.key, leg.said.clone());
            }
        }
    }

    /// Our offer was answered.
    pub fn lives(&mut self, id: LegId, answer: &str) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match accept(leg, answer) {
            Ok(held) => self.held(id, held),
            Err(detail) => tracing::info!(leg = %id, "the answer can't be used, the call goes on as it was: {detail}"),
        }
    }

    /// Our offer was not answered. No answer at all, and that the far end knows nothing of a call, ends a leg by itself.
    pub fn offer_failed(&mut self, id: LegId, status: u16) {
        // The way there is gone.
        if status == 503
            && let Some(Leg { stage: Stage::Up, .. }) = self.legs.get(&id)
        {
            self.hang_up(id, Reason::Unreachable);
        }
    }
}
