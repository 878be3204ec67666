//! Speaking with the target first, and every way in which that can go.

use protocol::{
    AuditAction, AuditOutcome, CallId, CallState, Denied, JourneyEvent, LegId, Reason, TargetRef, TransferId,
    TransferStage,
};

use super::stage;
use crate::{
    EngineEvent, Order, Refusal, RingKind,
    testkit::{Office, account, to_department, to_user},
};

/// Ravi talks with a caller and asks Tom.
struct Asking {
    office: Office,
    caller: LegId,
    ravi: LegId,
    tom: LegId,
    call: CallId,
    transfer: TransferId,
}

impl Asking {
    fn ringing() -> Self {
        let mut office = Office::with(&["ravi", "tom", "mina"]);
        let (caller, ravi, call) = office.talking_with("ravi");
        let transfer = office.consult("ravi", &call, to_user("tom")).unwrap();
        let tom = office.rung("tom-desk");
        Self { office, caller, ravi, tom, call, transfer }
    }

    fn speaking() -> Self {
        let mut asking = Self::ringing();
        asking.office.answer(asking.tom);
        asking
    }

    fn swapped() -> Self {
        let mut asking = Self::speaking();
        asking.office.swap("ravi", &asking.transfer).unwrap();
        asking
    }

    fn ends_back(mut self, rule: &str) {
        assert!(self.office.ordered(&Order::Bridge { a: self.caller, b: self.ravi }));
        assert!(matches!(&self.office.only_call().state, CallState::Talking { with } if with.id.as_str() == "ravi"));
        assert_eq!(ended(&self.office), (AuditOutcome::FellBack, rule.to_owned()));
        self.office.drain().unwrap();
    }

    fn ends_with_tom(mut self) {
        assert!(self.office.ordered(&Order::Bridge { a: self.caller, b: self.tom }));
        assert_eq!(ended(&self.office), (AuditOutcome::Completed, "talking with Tom Okafor".to_owned()));
        assert_eq!(self.office.only_call().agent.unwrap().id.as_str(), "tom");
        self.office.end(self.caller, Reason::CallerGone);
        let agents: Vec<_> = self.office.records[0].agents.iter().map(|a| a.id.to_string()).collect();
        assert_eq!(agents, ["ravi", "tom"]);
        self.office.drain().unwrap();
    }

    fn becomes_blind(mut self) {
        assert!(self.office.ears.of(self.ravi).is_none());
        assert!(matches!(stage(&self.office), TransferStage::Ringing { .. }));
        self.office.wait(20);
        assert!(matches!(stage(&self.office), TransferStage::Recalling { because: Reason::NoAnswer, .. }));
        let back = self.office.rung("ravi-desk");
        assert_eq!(self.office.cards[&back].back_from.as_ref().unwrap().seconds, 20);
        self.office.answer(back);
        let rule = "no answer after 20 s; back with Ravi Kumar";
        assert_eq!(ended(&self.office), (AuditOutcome::FellBack, rule.to_owned()));
        self.office.drain().unwrap();
    }
}

fn ended(office: &Office) -> (AuditOutcome, String) {
    let over = |e: &&protocol::AuditEntry| {
        e.action == AuditAction::Consult && matches!(e.outcome, AuditOutcome::Completed | AuditOutcome::FellBack)
    };
    let entry = office.trail.iter().rfind(over).unwrap();
    (entry.outcome, entry.rule.clone())
}

/// The chain of those whom Ravi's call reached in vain.
fn why_back(office: &Office) -> Vec<String> {
    let with_ravi =
        |c: &&protocol::LiveCall| matches!(&c.state, CallState::Talking { with } if with.id.as_str() == "ravi");
    let call = office.shown.values().find(with_ravi).unwrap();
    call.bounces.iter().map(|b| format!("{}: {}", b.target.name(), b.reason.phrase())).collect()
}

fn denied(denied: Denied) -> Result<(), Refusal> {
    Err(Refusal::Denied(denied))
}

#[test]
fn the_caller_hears_music_the_agent_ringing_and_the_target_is_asked() {
    let asking = Asking::ringing();
    let Asking { mut office, caller, ravi, tom, .. } = asking;
    assert!(matches!(stage(&office), TransferStage::ConsultRinging { ref towards, .. } if towards.len() == 1));
    assert_eq!(office.only_call().state, CallState::Transferring);
    let card = &office.cards[&tom];
    assert_eq!((card.kind, card.note.as_deref()), (RingKind::Consult, Some("needs an invoice")));
    assert_eq!(card.transferred_by.as_ref().unwrap().name, "Ravi Kumar");
    office.answer(tom);
    assert!(office.ordered(&Order::Bridge { a: ravi, b: tom }));
    assert!(matches!(stage(&office), TransferStage::Consulting { with: TargetRef::User(u) } if u.id.as_str() == "tom"));
    assert!(office.board.users().iter().filter(|u| u.on_call).count() == 2);
    office.end(caller, Reason::CallerGone);
    assert!([ravi, tom].iter().all(|leg| office.hung_up(*leg) == Some(Reason::CallerGone)));
    assert_eq!(ended(&office), (AuditOutcome::FellBack, "the caller hung up".into()));
    assert!(office.records[0].journey.iter().any(|s| matches!(s.what, JourneyEvent::Consulted { .. })));
    office.drain().unwrap();
}

#[test]
fn complete_connects_caller_and_target() {
    let mut asking = Asking::speaking();
    asking.office.complete("ravi", &asking.transfer).unwrap();
    assert!(asking.office.hung_up(asking.ravi).is_some());
    asking.ends_with_tom();
}

#[test]
fn complete_after_a_swap_connects_them_too() {
    let mut asking = Asking::swapped();
    asking.office.complete("ravi", &asking.transfer).unwrap();
    asking.ends_with_tom();
}

#[test]
fn complete_while_the_target_rings_goes_on_as_a_blind_transfer() {
    let mut asking = Asking::ringing();
    asking.office.complete("ravi", &asking.transfer).unwrap();
    assert!(asking.office.hung_up(asking.ravi).is_some());
    asking.becomes_blind();
}

#[test]
fn an_agent_who_hangs_up_while_the_target_rings_lets_the_transfer_go_on() {
    for reason in [Reason::AgentGone, Reason::Failed] {
        let mut asking = Asking::ringing();
        asking.office.end(asking.ravi, reason);
        asking.becomes_blind();
    }
}

#[test]
fn the_agent_hanging_up_hands_the_caller_over() {
    for reason in [Reason::AgentGone, Reason::Unreachable] {
        for mut asking in [Asking::speaking(), Asking::swapped()] {
            asking.office.end(asking.ravi, reason);
            asking.ends_with_tom();
        }
    }
}

#[test]
fn swap_goes_to_and_fro() {
    let mut asking = Asking::swapped();
    let Asking { office, caller, ravi, tom, transfer, .. } = &mut asking;
    assert!(office.ordered(&Order::PlayMusic { leg: *tom }) && office.ordered(&Order::Bridge { a: *ravi, b: *caller }));
    assert!(matches!(office.only_call().state, CallState::Talking { .. }));
    assert!(matches!(stage(office), TransferStage::Swapped { .. }));
    office.swap("ravi", transfer).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: *caller }) && office.ordered(&Order::Bridge { a: *ravi, b: *tom }));
    assert!(matches!(stage(office), TransferStage::Consulting { .. }));
    asking.office.drain().unwrap();
}

#[test]
fn cancel_brings_the_caller_back_at_every_stage() {
    for mut asking in [Asking::ringing(), Asking::speaking(), Asking::swapped()] {
        asking.office.cancel("ravi", &asking.transfer).unwrap();
        assert_eq!(asking.office.hung_up(asking.tom), Some(Reason::Cancelled));
        assert!(why_back(&asking.office).is_empty(), "as wished");
        asking.ends_back("cancelled; back with Ravi Kumar");
    }
}

#[test]
fn a_target_who_refuses_or_does_not_answer_gives_the_caller_back_at_once() {
    let mut asking = Asking::ringing();
    asking.office.end(asking.tom, Reason::Declined);
    assert_eq!(why_back(&asking.office), ["Tom Okafor: declined"]);
    asking.ends_back("declined; back with Ravi Kumar");
    let mut asking = Asking::ringing();
    asking.office.wait(20);
    assert_eq!(why_back(&asking.office), ["Tom Okafor: no answer"]);
    asking.ends_back("no answer after 20 s; back with Ravi Kumar");
    let mut asking = Asking::ringing();
    asking.office.vanish("tom", "desk");
    asking.ends_back("not reachable; back with Ravi Kumar");
}

#[test]
fn a_target_who_hangs_up_leaves_the_agent_with_the_caller() {
    for mut asking in [Asking::speaking(), Asking::swapped()] {
        asking.office.end(asking.tom, Reason::CallerGone);
        assert_eq!(why_back(&asking.office), ["Tom Okafor: the colleague hung up"]);
        asking.ends_back("the colleague hung up; back with Ravi Kumar");
    }
    let mut asking = Asking::speaking();
    asking.office.engine(EngineEvent::OrderFailed { leg: asking.tom, detail: "no sound".into(), fatal: true });
    asking.ends_back("the call could not be set up; back with Ravi Kumar");
}

#[test]
fn the_caller_hangs_up_at_every_stage() {
    for mut asking in [Asking::ringing(), Asking::speaking(), Asking::swapped()] {
        asking.office.end(asking.caller, Reason::CallerGone);
        assert!([asking.ravi, asking.tom].iter().all(|leg| asking.office.hung_up(*leg) == Some(Reason::CallerGone)));
        assert_eq!(asking.office.records.len(), 1);
        asking.office.drain().unwrap();
    }
}

#[test]
fn everyone_may_hold_at_every_stage() {
    for make in [Asking::ringing, Asking::speaking, Asking::swapped] {
        for first in 0..3 {
            for second in 0..3 {
                let mut asking = make();
                let legs = [asking.caller, asking.ravi, asking.tom];
                // Each hold, resume and swap is judged by what everyone hears.
                for (leg, held) in [(first, true), (second, true), (first, false), (second, false)] {
                    asking.office.engine(EngineEvent::Held { leg: legs[leg], held });
                }
                asking.office.engine(EngineEvent::Held { leg: legs[first], held: true });
                let swapped = asking.office.swap("ravi", &asking.transfer);
                assert_eq!(swapped.is_ok(), !matches!(stage(&asking.office), TransferStage::ConsultRinging { .. }));
                asking.office.cancel("ravi", &asking.transfer).unwrap();
                asking.office.drain().unwrap();
            }
        }
    }
}

#[test]
fn the_second_to_ask_and_the_wrong_ones_are_refused() {
    let Asking { mut office, call, transfer, .. } = Asking::ringing();
    assert_eq!(office.swap("ravi", &transfer), denied(Denied::NotConnectedYet));
    assert_eq!(office.complete("tom", &"t99".into()), Err(Refusal::UnknownTransfer));
    assert_eq!(office.cancel("mina", &transfer), denied(Denied::NotYourCall));
    let second = office.transfer("maya", &call, to_user("mina")).unwrap_err();
    let by = |d: &Denied| matches!(d, Denied::AlreadyTransferring { by, to } if by.id.as_str() == "ravi" && to == "Tom Okafor");
    assert!(matches!(&second, Refusal::Denied(d) if by(d)), "{second:?}");
    office.drain().unwrap();

    let Asking { mut office, transfer, .. } = Asking::speaking();
    office.complete("ravi", &transfer).unwrap();
    let outcome = "talking with Tom Okafor".to_owned();
    assert_eq!(office.cancel("ravi", &transfer), denied(Denied::Settled { outcome }));
    assert_eq!(office.complete("mina", &transfer), Err(Refusal::UnknownTransfer), "others learn nothing");
    office.drain().unwrap();
}

#[test]
fn only_who_is_on_the_call_can_ask_first() {
    let mut office = Office::with(&["ravi", "tom", "maya"]);
    let (_, _, call) = office.talking_with("ravi");
    let refused = office.consult("maya", &call, to_user("tom"));
    assert_eq!(refused, Err(Refusal::Denied(Denied::NotOnCall)));
    let transfer = office.transfer("maya", &call, to_user("tom")).unwrap();
    assert_eq!(office.complete("maya", &transfer), denied(Denied::NotConsulting));
    assert_eq!(office.swap("maya", &transfer), denied(Denied::NotConsulting));
    office.drain().unwrap();
}

#[test]
fn a_department_is_asked_and_nobody_free_means_back_at_once() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, ravi, call) = office.talking_with("ravi");
    let transfer = office.consult("ravi", &call, to_department("sales")).unwrap();
    let tom = office.rung("tom-desk");
    assert_eq!(office.cards[&tom].department.as_deref(), Some("Sales"));
    office.answer(tom);
    office.complete("ravi", &transfer).unwrap();
    assert_eq!(office.only_call().department.unwrap().name, "Sales");
    office.end(tom, Reason::CallerGone);

    let (_, _, second) = office.talking_with("ravi");
    office.device_call("tom", "+442079460999");
    office.consult("ravi", &second, to_department("sales")).unwrap();
    assert_eq!(ended(&office), (AuditOutcome::FellBack, "nobody free; back with Ravi Kumar".into()));
    assert_eq!(why_back(&office), ["Sales: nobody free"]);
    assert!(office.hung_up(caller).is_none() && office.hung_up(ravi).is_none());
    office.drain().unwrap();
}

#[test]
fn who_calls_a_colleague_asks_about_the_colleague() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let ravi = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    let call = office.only_call().id;
    let transfer = office.consult("ravi", &call, to_user("tom")).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: mina }) && office.ordered(&Order::PlayRingback { leg: ravi }));
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.complete("ravi", &transfer).unwrap();
    assert!(office.ordered(&Order::Bridge { a: mina, b: tom }));
    office.drain().unwrap();
}

#[test]
fn an_outside_number_is_asked() {
    let mut account = account();
    account.policy.outside = crate::OutsideRule::Everyone;
    let mut office = Office::of(account, &["ravi"]);
    let (caller, ravi, call) = office.talking_with("ravi");
    let number = protocol::Target::Outside("+44 20 7946 0999".into());
    let transfer = office.consult("ravi", &call, number.clone()).unwrap();
    assert!(matches!(stage(&office), TransferStage::ConsultRinging { towards, .. } if towards.is_empty()));
    let outside = office.dialled();
    office.answer(outside);
    assert!(office.ordered(&Order::Bridge { a: ravi, b: outside }));
    office.swap("ravi", &transfer).unwrap();
    office.complete("ravi", &transfer).unwrap();
    assert!(office.ordered(&Order::Bridge { a: caller, b: outside }));
    assert!(matches!(&office.only_call().state, CallState::TalkingOutside { with } if with.number == "+442079460999"));
    office.end(outside, Reason::CallerGone);
    assert_eq!(office.records[0].ended_because, Reason::OutsideGone);

    let (caller, ravi, call) = office.talking_with("ravi");
    office.consult("ravi", &call, number).unwrap();
    office.end(office.dialled(), Reason::Busy);
    assert!(office.ordered(&Order::Bridge { a: caller, b: ravi }));
    assert_eq!(ended(&office), (AuditOutcome::FellBack, "busy; back with Ravi Kumar".into()));
    office.drain().unwrap();
}
