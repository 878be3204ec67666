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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::{AuditOutcome, CallState, LegId, Presence, Reason};

    use super::REPAIRS;
    use crate::{
        EngineEvent, FallbackStep, Order,
        testkit::{Office, account, to_user},
    };

    fn fails(office: &mut Office, leg: LegId) {
        office.engine(EngineEvent::OrderFailed { leg, detail: "no sound".into(), fatal: false });
    }

    #[test]
    fn what_a_caller_failed_to_hear_is_ordered_again() {
        let mut office = Office::with(&["ravi"]);
        let (caller, agent, call) = office.talking_with("ravi");
        fails(&mut office, agent);
        assert!(office.ordered(&Order::Bridge { a: caller, b: agent }));
        office.register("tom", "desk");
        office.transfer("ravi", &call, to_user("tom")).unwrap();
        fails(&mut office, caller);
        assert!(office.ordered(&Order::PlayMusic { leg: caller }));
    }

    #[test]
    fn an_engine_that_can_do_nothing_is_not_asked_for_ever() {
        let mut office = Office::with(&[]);
        let caller = office.outside_call("+442079460200");
        for _ in 0..REPAIRS {
            fails(&mut office, caller);
            assert!(office.ordered(&Order::PlayMusic { leg: caller }));
        }
        fails(&mut office, caller);
        assert_eq!(office.hung_up(caller), Some(Reason::Failed));
    }

    /// Whoever answers out of a fallback's line is not whom the caller was given to.
    #[test]
    fn an_answer_from_the_line_of_a_fallback_is_no_completion() {
        let mut config = account();
        config.policy.fallback.steps = vec![FallbackStep::Queue { department: Some("sales".into()), seconds: 60 }];
        let mut office = Office::of(config, &["ravi", "mina", "tom"]);
        office.presence("tom", Presence::Away);
        let (_, _, call) = office.talking_with("ravi");
        office.transfer("ravi", &call, to_user("mina")).unwrap();
        office.end(office.rung("mina-desk"), Reason::Declined);
        office.presence("tom", Presence::Available);
        office.answer(office.rung("tom-desk"));
        assert!(matches!(office.only_call().state, CallState::Talking { .. }));
        let last = office.trail.iter().rev().find(|e| e.rule.contains("answered by")).unwrap();
        assert_eq!(last.outcome, AuditOutcome::FellBack, "{}", last.rule);
        assert_eq!(last.rule, "declined; answered by Tom Okafor after waiting for Sales");
    }
}
