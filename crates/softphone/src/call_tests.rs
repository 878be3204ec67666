//! The state machine, step by step.

use super::*;

fn answered(codec: Codec) -> Effect {
    Effect::Tell(CallEvent::Answered { codec })
}

fn tell(event: CallEvent) -> Effect {
    Effect::Tell(event)
}

/// A call that we placed and that was answered.
fn up() -> Call {
    let mut call = Call::outgoing();
    call.handle(Input::FarAnswered { codec: Codec::Opus, held_by_them: false });
    call
}

fn agreed(ours: bool, held_by_them: bool) -> Input {
    Input::Agreed { ours, held_by_them }
}

/// A call that we hold, with their agreement.
fn held() -> Call {
    let mut call = up();
    call.handle(Input::Hold { held: true });
    call.handle(agreed(true, false));
    call
}

#[test]
fn a_placed_call_rings_once_and_is_answered() {
    let mut call = Call::outgoing();
    assert_eq!(call.handle(Input::FarRings), [tell(CallEvent::Ringing)]);
    assert!(call.flow().ringback);
    assert_eq!(call.handle(Input::FarRings), []);
    let effects = call.handle(Input::FarAnswered { codec: Codec::G722, held_by_them: false });
    assert_eq!(effects, [Effect::TakeSound, answered(Codec::G722)]);
    assert_eq!(call.flow(), Flow { send: true, hear: true, ringback: false });
}

#[test]
fn an_arriving_call_takes_the_sound_before_it_is_accepted() {
    let mut call = Call::incoming();
    assert_eq!(call.handle(Input::Answer), [Effect::TakeSound, Effect::Accept]);
    let ack = Input::Acknowledged { codec: Codec::Pcmu, held_by_them: false };
    assert_eq!(call.handle(ack), [answered(Codec::Pcmu)]);
    assert_eq!(call.handle(Input::Answer), [], "pressed twice");
}

#[test]
fn a_call_that_loses_the_sound_before_its_ack_is_held_after_it() {
    let mut call = Call::incoming();
    call.handle(Input::Answer);
    assert_eq!(call.handle(Input::Hold { held: true }), [], "no re-INVITE before the ACK");
    assert!(!call.flow().send);
    let ack = Input::Acknowledged { codec: Codec::Pcmu, held_by_them: false };
    assert_eq!(call.handle(ack), [answered(Codec::Pcmu), Effect::Offer { hold: true }]);
}

#[test]
fn hold_silences_at_once_and_is_told_when_agreed() {
    let mut call = up();
    assert_eq!(call.handle(Input::Hold { held: true }), [Effect::Offer { hold: true }]);
    assert_eq!(call.flow(), Flow::default());
    assert_eq!(call.handle(agreed(true, false)), [tell(CallEvent::Held { by: HeldBy::Us })]);
    assert!(!call.has_sound());
}

#[test]
fn a_change_of_mind_waits_for_the_answer_to_the_offer() {
    let mut call = up();
    call.handle(Input::Hold { held: true });
    assert_eq!(call.handle(Input::Hold { held: false }), [Effect::TakeSound], "one offer at a time");
    let effects = call.handle(agreed(true, false));
    assert_eq!(effects, [tell(CallEvent::Held { by: HeldBy::Us }), Effect::Offer { hold: false }]);
    assert_eq!(call.handle(agreed(true, false)), [tell(CallEvent::Resumed { by: HeldBy::Us })]);
    assert!(call.flow().send);
}

#[test]
fn remote_hold_is_told_and_nothing_is_sent_meanwhile() {
    let mut call = up();
    assert_eq!(call.handle(agreed(false, true)), [tell(CallEvent::Held { by: HeldBy::Them })]);
    assert_eq!(call.flow(), Flow { send: false, hear: true, ringback: false });
    assert_eq!(call.handle(agreed(false, true)), [], "told once");
    assert_eq!(call.handle(agreed(false, false)), [tell(CallEvent::Resumed { by: HeldBy::Them })]);
}

#[test]
fn a_refused_hold_still_lets_nothing_out() {
    let mut call = up();
    call.handle(Input::Hold { held: true });
    assert!(matches!(call.handle(Input::OfferFailed { status: 488 })[..], [Effect::Tell(CallEvent::Trouble { .. })]));
    assert_eq!(call.flow(), Flow::default());
    assert_eq!(call.handle(Input::Hold { held: false }), [Effect::TakeSound], "nothing to take back on the wire");
    assert!(call.flow().send);
}

#[test]
fn a_transfer_holds_refers_and_says_goodbye() {
    let mut call = up();
    let to = ReferTo::Address("sip:tom@example.com".to_owned());
    assert_eq!(call.handle(Input::Transfer { to: to.clone() }), [Effect::Offer { hold: true }]);
    let effects = call.handle(agreed(true, false));
    assert_eq!(effects, [tell(CallEvent::Held { by: HeldBy::Us }), Effect::Refer { to }]);
    let progress = |status| Input::TransferProgress { status };
    assert_eq!(call.handle(progress(180)), [tell(CallEvent::TransferProgress { status: 180 })]);
    let effects = call.handle(progress(200));
    assert_eq!(effects, [tell(CallEvent::TransferProgress { status: 200 }), Effect::HangUp]);
    assert_eq!(*call.state(), State::Ending);
}

#[test]
fn a_failed_transfer_takes_the_caller_back() {
    let mut call = held();
    assert_eq!(
        call.handle(Input::Transfer { to: ReferTo::Address("sip:x@y".into()) }),
        [Effect::Refer { to: ReferTo::Address("sip:x@y".into()) }]
    );
    let effects = call.handle(Input::TransferProgress { status: 486 });
    let failed = tell(CallEvent::TransferFailed { status: 486 });
    assert_eq!(effects, [failed, Effect::TakeSound, Effect::Offer { hold: false }]);
    assert_eq!(call.handle(agreed(true, false)), [tell(CallEvent::Resumed { by: HeldBy::Us })]);
}

#[test]
fn a_transfer_that_cannot_hold_is_called_off() {
    let mut call = up();
    call.handle(Input::Transfer { to: ReferTo::Address("sip:x@y".into()) });
    let effects = call.handle(Input::OfferFailed { status: 500 });
    assert_eq!(effects.last(), Some(&tell(CallEvent::TransferFailed { status: 500 })));
    assert!(call.flow().send, "they go on talking");
}

#[test]
fn a_call_taken_back_by_hand_ignores_what_the_transferee_reports() {
    let mut call = held();
    call.handle(Input::Transfer { to: ReferTo::Address("sip:x@y".into()) });
    assert_eq!(call.handle(Input::Hold { held: false }), [Effect::TakeSound, Effect::Offer { hold: false }]);
    assert_eq!(call.handle(Input::TransferProgress { status: 200 }), []);
}

#[test]
fn a_consultation_ends_with_the_transfer_and_not_before() {
    let other = CallKey(7);
    for (status, ends) in [(180, false), (486, false), (200, true)] {
        let mut call = held();
        call.handle(Input::Transfer { to: ReferTo::Call { other, early_only: false } });
        let effects = call.handle(Input::TransferProgress { status });
        assert_eq!(effects.contains(&Effect::HangUpOther { call: other }), ends, "{status}: {effects:?}");
    }
}

#[test]
fn their_refer_is_followed_once_and_only_when_talking() {
    let refused = [Effect::AcceptRefer { accept: false }];
    assert_eq!(Call::incoming().handle(Input::Referred), refused);
    let mut call = up();
    assert_eq!(call.handle(Input::Referred), [Effect::AcceptRefer { accept: true }]);
    assert!(!call.has_sound(), "the new call has it");
    assert_eq!(call.handle(Input::Referred), refused);
    call.handle(Input::FollowFailed);
    assert!(call.has_sound());
}

#[test]
fn after_the_goodbye_nothing_counts_but_the_end() {
    let mut call = up();
    assert_eq!(call.handle(Input::HangUp), [Effect::HangUp]);
    for input in [Input::Hold { held: true }, agreed(false, true), Input::Referred, Input::HangUp] {
        assert_eq!(call.handle(input), []);
    }
    call.handle(Input::Gone);
    assert_eq!(*call.state(), State::Over);
}

#[test]
fn what_cannot_be_done_is_said() {
    let said = |effects: Vec<Effect>| matches!(effects[..], [Effect::Tell(CallEvent::Trouble { .. })]);
    assert!(said(Call::outgoing().handle(Input::Hold { held: true })));
    assert!(said(Call::incoming().handle(Input::Press { digits: "1".into() })));
    let mut call = held();
    call.handle(Input::Transfer { to: ReferTo::Address("sip:x@y".into()) });
    assert!(said(call.handle(Input::Transfer { to: ReferTo::Address("sip:z@y".into()) })));
}

#[test]
fn a_new_address_is_offered_once_and_holds_nobody() {
    let mut call = up();
    assert_eq!(call.handle(Input::Moved), [Effect::Offer { hold: false }]);
    assert_eq!(call.handle(Input::Moved), [], "while that offer is out");
    assert_eq!(call.handle(agreed(true, false)), [Effect::Offer { hold: false }], "moved again");
    assert_eq!(call.handle(agreed(true, false)), []);
    assert!(call.flow().send);

    assert_eq!(call.handle(Input::Moved), [Effect::Offer { hold: false }]);
    let [Effect::Tell(CallEvent::Trouble { sentence })] = &call.handle(Input::OfferFailed { status: 488 })[..] else {
        panic!("no word of it")
    };
    assert!(sentence.contains("488"), "{sentence}");
    assert!(call.flow().send, "the call goes on as it was");

    let mut call = held();
    assert_eq!(call.handle(Input::Moved), [Effect::Offer { hold: true }], "a held call stays held");
}
