//! An order failed, but its leg lives: whoever should hear something hears nothing. What the state promises is ordered
//! again; a leg for which that goes wrong too often counts as broken.

use protocol::{LegId, Reason};

use crate::{
    Order, Switchboard,
    call::{Call, ConsultStage, State},
};

/// How many failed orders a call is forgiven. An engine that can do nothing any more must not be asked for ever.
const REPAIRS: u8 = 10;

impl Switchboard {
    pub(crate) fn order_failed(&mut self, call: &mut Call, leg: LegId) {
        call.repairs = call.repairs.saturating_add(1);
        if call.repairs > REPAIRS {
            return self.leg_broken(call, leg);
        }
        let caller = (call.caller.leg, call.caller.holds);
        let of_caller = leg == caller.0;
        match &call.state {
            State::Voicemail { .. } if of_caller => self.announce_closing(call, Reason::Failed),
            State::Closing { because, .. } if of_caller => {
                let because = *because;
                self.end(call, because);
            }
            State::Talking { with, held, .. } => self.pair(caller, (with.leg(), *held)),
            State::Ringing { .. } if of_caller && call.caller.up => self.order(Order::PlayRingback { leg }),
            State::Queued(_) if of_caller => self.order(Order::PlayMusic { leg }),
            State::Transferring { .. } if of_caller && call.caller.up => self.order(Order::PlayMusic { leg }),
            State::Transferring { transfer, .. } => {
                let kept = transfer.kept.as_ref().is_some_and(|k| k.agent.leg == leg && !k.held);
                if kept {
                    self.order(Order::PlayRingback { leg });
                }
            }
            State::Consulting { .. } => self.consult_again(call, leg),
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Queued(_)
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => {}
        }
    }

    /// The engine can't use the leg any more, but it may still be up at the far end.
    pub(crate) fn leg_broken(&mut self, call: &mut Call, leg: LegId) {
        self.order(Order::HangUp { leg, reason: Reason::Failed });
        self.ended(call, leg, Reason::Failed);
    }

    fn consult_again(&mut self, call: &mut Call, leg: LegId) {
        let State::Consulting { agent, held, stage, .. } = &call.state else { return };
        let (agent, caller) = ((agent.leg, *held), (call.caller.leg, call.caller.holds));
        match stage {
            ConsultStage::Ringing(_) | ConsultStage::Dialling(_) | ConsultStage::Speaking(_) if leg == caller.0 => {
                self.order(Order::PlayMusic { leg });
            }
            ConsultStage::Ringing(_) | ConsultStage::Dialling(_) if leg == agent.0 => {
                self.order(Order::PlayRingback { leg });
            }
            ConsultStage::Ringing(_) | ConsultStage::Dialling(_) => {}
            ConsultStage::Speaking(target) => self.pair(agent, (target.side.leg(), target.holds)),
            ConsultStage::Swapped(target) if leg == target.side.leg() => self.order(Order::PlayMusic { leg }),
            ConsultStage::Swapped(_) => self.pair(agent, caller),
        }
    }
}
