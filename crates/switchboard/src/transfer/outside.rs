//! A transfer or consultation that goes to an outside number, through the trunk.

use protocol::{AuditOutcome, Party, Reason, TargetRef};

use crate::{
    Order, ReferProgress, Switchboard,
    call::{Call, Dial, Other, Stage, State, Taken},
};

impl Switchboard {
    pub(crate) fn dial_target(&mut self, call: &Call, number: String, seconds: u32) -> Dial {
        let leg = self.new_leg();
        self.know_outside_leg(leg, call.key, &Party { name: String::new(), number: number.clone() });
        self.order(Order::Dial { leg, number: number.clone(), from: call.caller.party.clone() });
        let until = self.now.plus_ms(u64::from(seconds.max(1)) * 1_000);
        Dial { leg, number, since: self.now, until }
    }

    /// The number that was dialled has answered.
    pub(crate) fn number_answered(&mut self, call: &mut Call) {
        let Some(dial) = call.state.dial() else { return };
        let party = Party { name: String::new(), number: dial.number.clone() };
        let side = Other::Outside { leg: dial.leg, party };
        if let State::Consulting { .. } = &call.state {
            return self.consult_answered(call, &side);
        }
        let State::Transferring { transfer, .. } = self.take(call) else { return };
        self.done_with(call, &transfer, &side);
        let rule = format!("answered by {}", side.name());
        let given = self.settle(call, *transfer, AuditOutcome::Completed, rule, ReferProgress::Done);
        self.talk(call, side, false);
        self.remember_given(call, Some(given), Taken::Answered);
    }

    /// The number that was dialled does not answer, or its leg, forgotten already, has ended.
    pub(crate) fn number_failed(&mut self, call: &mut Call, reason: Reason) {
        let Some(dial) = call.state.dial() else { return };
        let (number, since) = (dial.number.clone(), dial.since);
        self.note_bounce(call, TargetRef::Outside { number }, reason, since);
        if let State::Consulting { .. } = &call.state {
            return self.consult_failed(call, reason);
        }
        if let State::Transferring { transfer, stage: Stage::Dialling(_) } = self.take(call) {
            self.step_failed(call, transfer, reason);
        }
    }
}
