//! A far end holds us or takes us back: whoever it talks with hears music meanwhile.

use protocol::{JourneyEvent, LegId};

use crate::{
    Order, Switchboard,
    call::{Call, ConsultStage, Other, State},
};

/// A leg, and whether its far end holds us.
type End = (LegId, bool);

impl Switchboard {
    pub(crate) fn held(&mut self, call: &mut Call, leg: LegId, now_held: bool) {
        if leg == call.caller.leg {
            if call.caller.holds == now_held {
                return;
            }
            call.caller.holds = now_held;
        } else if !note_hold(&mut call.state, leg, now_held) {
            return;
        }
        match &call.state {
            State::Talking { with, held, .. } => {
                let (with, held) = (with.clone(), *held);
                self.turn((call.caller.leg, call.caller.holds), (with.leg(), held), leg);
                if with.leg() == leg {
                    call.state_since = self.now;
                    self.tell_hold(call, &with, now_held);
                }
            }
            State::Transferring { transfer, .. } => {
                // Who holds must be rung to have the call back.
                let resumed = transfer.kept.as_ref().filter(|k| k.agent.leg == leg && !k.held).map(|k| k.agent.leg);
                resumed.inspect(|leg| self.order(Order::PlayRingback { leg: *leg }));
            }
            State::Consulting { agent, held, stage, .. } => {
                let agent = (agent.leg, *held);
                let caller = (call.caller.leg, call.caller.holds);
                match stage {
                    ConsultStage::Ringing(_) | ConsultStage::Dialling(_) if leg == agent.0 && !agent.1 => {
                        self.order(Order::PlayRingback { leg });
                    }
                    ConsultStage::Ringing(_) | ConsultStage::Dialling(_) => {}
                    ConsultStage::Speaking(target) => self.turn(agent, (target.side.leg(), target.holds), leg),
                    ConsultStage::Swapped(_) => self.turn(agent, caller, leg),
                }
            }
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Queued(_)
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => {}
        }
    }

    /// One of two who are connected has held us or come back.
    fn turn(&mut self, a: End, b: End, who: LegId) {
        let (other, me) = if who == a.0 { (b, a) } else { (a, b) };
        if who != me.0 {
            return;
        }
        match (me.1, other.1) {
            (true, _) => self.order(Order::PlayMusic { leg: other.0 }),
            (false, false) => self.order(Order::Bridge { a: a.0, b: b.0 }),
            (false, true) => self.order(Order::PlayMusic { leg: me.0 }),
        }
    }

    fn tell_hold(&self, call: &mut Call, with: &Other, held: bool) {
        if let Some(agent) = with.agent() {
            let by = agent.user.clone();
            self.step(call, if held { JourneyEvent::Held { by } } else { JourneyEvent::Resumed { by } });
        }
    }
}

/// Writes down that the far end of a leg other than the caller's holds us, or not; whether that is news.
fn note_hold(state: &mut State, leg: LegId, now: bool) -> bool {
    let held = match state {
        State::Talking { with, held, .. } if with.leg() == leg => held,
        State::Consulting { agent, held, .. } if agent.leg == leg => held,
        State::Consulting { stage: ConsultStage::Speaking(target) | ConsultStage::Swapped(target), .. }
            if target.side.leg() == leg =>
        {
            &mut target.holds
        }
        State::Transferring { transfer, .. } => {
            let Some(kept) = transfer.kept.as_mut().filter(|k| k.agent.leg == leg) else { return false };
            transfer.course.waits = (!now).then(|| kept.agent.user.id.clone());
            &mut kept.held
        }
        State::Talking { .. }
        | State::Consulting { .. }
        | State::Dialling { .. }
        | State::Ringing { .. }
        | State::Queued(_)
        | State::Voicemail { .. }
        | State::Closing { .. }
        | State::AwaitingRecording { .. }
        | State::Over { .. } => return false,
    };
    std::mem::replace(held, now) != now
}
