//! Calls whose packets cross, are lost, doubled and overtaken.

use super::*;
use crate::{EndedBy, ReasonHeader};

/// All verbs in one call; what each side is told must be the same as in a perfect network, each thing once.
fn a_whole_call(seed: u64) {
    let mut world = World::new(2, Impairment { loss: 5, duplicate: 5, reorder: 5, seed });
    let (a, b) = (world.endpoint(0), world.endpoint(1));
    let out = a.invite(world.invite(0, 1));
    let inward = world.incoming(1).leg;
    b.ring(inward);
    b.answer(inward, ANSWER.into());
    let mut told = world.of(0, out);
    // 180 may be lost or come too late.
    if told == LegEvent::Ringing {
        told = world.of(0, out);
    }
    assert_eq!(told, LegEvent::Answered { sdp: ANSWER.into() }, "seed {seed}");
    assert_eq!(world.of(1, inward), LegEvent::Confirmed { sdp: None }, "seed {seed}");
    a.offer(out, format!("{OFFER}a=sendonly\r\n"));
    assert!(matches!(world.of(1, inward), LegEvent::Offer { .. }), "seed {seed}");
    b.answer_offer(inward, Ok(ANSWER.into()));
    assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: ANSWER.into() }, "seed {seed}");
    for digit in ['1', '2', '3'] {
        a.info_dtmf(out, digit);
    }
    for digit in ['1', '2', '3'] {
        assert_eq!(world.of(1, inward), LegEvent::Dtmf { digit }, "seed {seed}");
    }
    a.refer(out, "sip:mina@10.0.0.9".into(), None);
    assert!(matches!(world.of(1, inward), LegEvent::Refer { .. }), "seed {seed}");
    b.accept_refer(inward, true);
    b.notify_refer(inward, 180);
    b.notify_refer(inward, 200);
    b.hang_up(inward, None);
    assert_eq!(world.ended(1, inward), EndCause::new(EndedBy::Us, None, None), "seed {seed}");
    for wanted in [100, 180, 200] {
        let mut told = world.of(0, out);
        // The first NOTIFYs may overtake the 202.
        if wanted == 180 && told == (LegEvent::ReferProgress { status: 100 }) {
            told = world.of(0, out);
        }
        let LegEvent::ReferProgress { status } = told else { panic!("seed {seed}: {told:?}") };
        if status == 200 {
            break;
        }
    }
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Them, None, None), "seed {seed}");
    world.all_over();
}

#[test]
fn loss_duplication_and_reordering_change_nothing_of_a_call() {
    (0..150).for_each(a_whole_call);
}

#[test]
fn refused_and_given_up_calls_survive_a_bad_network() {
    for seed in 0..100 {
        let mut world = World::new(2, Impairment { loss: 5, duplicate: 5, reorder: 5, seed });
        let out = world.endpoint(0).invite(world.invite(0, 1));
        let inward = world.incoming(1).leg;
        if seed % 2 == 0 {
            world.endpoint(1).refuse(inward, 486, None);
            assert_eq!(world.ended(0, out).status, Some(486), "seed {seed}");
            assert_eq!(world.ended(1, inward).by, EndedBy::Us, "seed {seed}");
        } else {
            world.endpoint(0).hang_up(out, Some(ReasonHeader::answered_elsewhere()));
            assert_eq!(world.ended(0, out).by, EndedBy::Us, "seed {seed}");
            assert!(world.ended(1, inward).reason.unwrap().is_answered_elsewhere(), "seed {seed}");
        }
        // 100 Trying of the refused one may be told late.
        while world.step() {}
        while let Ok(Event::Leg { event: LegEvent::Trying, .. }) = world.nodes[0].events.try_recv() {}
        world.all_over();
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended_by_bye() {
    let mut world = World::perfect(2);
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let inward = world.incoming(1).leg;
    world.endpoint(1).ring(inward);
    assert_eq!(world.of(0, out), LegEvent::Ringing);
    // Both at once: the packets cross.
    world.endpoint(0).hang_up(out, None);
    world.endpoint(1).answer(inward, ANSWER.into());
    assert_eq!(world.ended(0, out).by, EndedBy::Us);
    assert_eq!(world.of(1, inward), LegEvent::Confirmed { sdp: None });
    assert_eq!(world.ended(1, inward).by, EndedBy::Them);
    let caller: Vec<_> = world.sent_by(0).into_iter().map(|(_, what)| what).collect();
    assert_eq!(caller, ["INVITE", "CANCEL", "ACK", "BYE"]);
    let callee: Vec<_> = world.sent_by(1).into_iter().map(|(_, what)| what).collect();
    assert_eq!(callee, ["100 INVITE", "180 INVITE", "200 INVITE", "200 CANCEL", "200 BYE"]);
    world.all_over();
}

#[test]
fn a_cancel_finds_its_call_among_many_and_only_that() {
    let mut world = World::perfect(2);
    let mut calls = Vec::new();
    for _ in 0..50 {
        let out = world.endpoint(0).invite(world.invite(0, 1));
        calls.push((out, world.incoming(1).leg));
    }
    world.pass(Duration::from_millis(50));
    while world.nodes[0].events.try_recv().is_ok() {}
    let (out, inward) = calls[17];
    world.endpoint(0).hang_up(out, None);
    assert_eq!(world.ended(1, inward).status, Some(487));
    assert_eq!(world.ended(0, out).by, EndedBy::Us);
    assert_eq!(world.nodes[1].core.legs.len(), 49);
}

#[test]
fn two_offers_that_cross_are_refused_and_tried_again_the_callers_later() {
    for _ in 0..20 {
        let mut world = World::perfect(2);
        let (out, inward) = world.talk();
        let begun = world.now;
        world.endpoint(0).offer(out, OFFER.into());
        world.endpoint(1).offer(inward, ANSWER.into());
        assert_eq!(world.of(0, out), LegEvent::Offer { sdp: ANSWER.into() });
        let waited = world.now - begun;
        assert!(waited <= Duration::from_millis(2000 + 3 * 10), "who was called is first: {waited:?}");
        world.endpoint(0).answer_offer(out, Ok(OFFER.into()));
        assert_eq!(world.of(1, inward), LegEvent::OfferAnswered { sdp: OFFER.into() });
        assert_eq!(world.of(1, inward), LegEvent::Offer { sdp: OFFER.into() });
        world.endpoint(1).answer_offer(inward, Ok(ANSWER.into()));
        assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: ANSWER.into() });
        assert_eq!(world.times(0, "491 INVITE").len() + world.times(1, "491 INVITE").len(), 2);
        assert!(world.now - begun < Duration::from_millis(4100));
    }
}

#[test]
fn the_last_word_of_a_transfer_comes_before_the_goodbye() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.endpoint(0).refer(out, "sip:mina@10.0.0.9".into(), None);
    assert!(matches!(world.of(1, inward), LegEvent::Refer { .. }));
    world.endpoint(1).accept_refer(inward, true);
    assert_eq!(world.of(0, out), LegEvent::ReferProgress { status: 100 });
    let mut lost = 0;
    world.loses = Box::new(move |p| {
        lost += usize::from(p.what() == "NOTIFY");
        p.what() == "NOTIFY" && lost < 4
    });
    world.endpoint(1).notify_refer(inward, 200);
    world.endpoint(1).hang_up(inward, None);
    assert_eq!(world.of(0, out), LegEvent::ReferProgress { status: 200 });
    assert_eq!(world.ended(0, out).by, EndedBy::Them);
    world.ended(1, inward);
    world.all_over();
}

#[test]
fn a_peer_that_answers_nothing_delays_the_goodbye_by_4_s_at_most() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.loses = Box::new(|p| p.what() == "200 INFO");
    world.endpoint(0).info_dtmf(out, '1');
    assert_eq!(world.of(1, inward), LegEvent::Dtmf { digit: '1' });
    let begun = world.now;
    world.endpoint(0).hang_up(out, None);
    assert_eq!(world.ended(0, out).by, EndedBy::Us);
    assert_eq!(world.ended(1, inward).by, EndedBy::Them);
    assert_eq!(world.now - begun, Duration::from_secs(4) + LATENCY);
    world.all_over();
}

#[test]
fn a_transferee_that_falls_silent_is_given_up() {
    for (first, after) in [(true, 32), (false, 180)] {
        let mut world = World::perfect(2);
        let (out, inward) = world.talk();
        world.endpoint(0).refer(out, "sip:mina@10.0.0.9".into(), None);
        assert!(matches!(world.of(1, inward), LegEvent::Refer { .. }));
        let begun = world.seconds();
        world.loses = Box::new(move |p| p.what() == "NOTIFY" && (first || p.text.contains("SIP/2.0 200")));
        world.endpoint(1).accept_refer(inward, true);
        world.endpoint(1).notify_refer(inward, 200);
        assert_eq!(world.of(0, out), LegEvent::ReferProgress { status: 100 });
        assert_eq!(world.of(0, out), LegEvent::ReferProgress { status: 408 });
        assert_eq!(world.seconds() - begun, after);
        // The call is still there, and another transfer may be tried.
        world.loses = Box::new(|_| false);
        world.pass(Duration::from_secs(40));
        world.endpoint(0).refer(out, "sip:tom@10.0.0.9".into(), None);
        assert!(matches!(world.of(1, inward), LegEvent::Refer { .. }));
    }
}

#[test]
fn a_notify_after_the_goodbye_is_refused() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.endpoint(0).refer(out, "sip:mina@10.0.0.9".into(), None);
    assert!(matches!(world.of(1, inward), LegEvent::Refer { .. }));
    world.endpoint(1).accept_refer(inward, true);
    assert_eq!(world.of(0, out), LegEvent::ReferProgress { status: 100 });
    world.endpoint(0).hang_up(out, None);
    world.endpoint(1).notify_refer(inward, 180);
    assert_eq!(world.ended(0, out).by, EndedBy::Us);
    assert_eq!(world.ended(1, inward).by, EndedBy::Them);
    world.all_over();
    let refused = world.times(0, "481 NOTIFY").len() + world.times(0, "200 NOTIFY").len();
    assert_eq!(refused, world.times(1, "NOTIFY").len(), "every NOTIFY got an answer");
}

#[test]
fn a_probe_tells_the_living_from_the_dead_and_the_forgetful() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.endpoint(0).probe(out);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.times(1, "200 OPTIONS").len(), 1);
    assert!(world.nodes[0].events.try_recv().is_err(), "nothing to tell");
    // The other one dies.
    world.loses = Box::new(|p| p.from == 1);
    let begun = world.seconds();
    world.endpoint(0).probe(out);
    world.endpoint(0).probe(out);
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(408), None));
    assert_eq!(world.seconds() - begun, 8);
    // The one that is left notices in its turn that nobody knows the call any more.
    world.loses = Box::new(|_| false);
    world.pass(Duration::from_secs(40));
    world.endpoint(1).probe(inward);
    match world.of(1, inward) {
        LegEvent::Ended { cause } => assert!(cause.by == EndedBy::Them || cause.status == Some(481), "{cause:?}"),
        other => panic!("{other:?}"),
    }

    let mut world = World::perfect(2);
    let (out, _) = world.talk();
    world.restart(1);
    world.endpoint(0).probe(out);
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(481), None));
    world.all_over();
}

#[test]
fn a_dialog_that_the_far_end_has_forgotten_ends_with_the_first_request() {
    for act in
        [Endpoint::probe, |e: &Endpoint, leg| e.info_dtmf(leg, '1'), |e: &Endpoint, leg| e.offer(leg, OFFER.into())]
    {
        let mut world = World::perfect(2);
        let (out, _) = world.talk();
        world.restart(1);
        act(&world.endpoint(0), out);
        assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(481), None));
        world.all_over();
    }
}

#[test]
fn a_call_that_rings_for_somebody_who_is_gone_stops_ringing() {
    // Towards us, and from us; the other side dies, or is started anew.
    for (restarted, status, after) in [(false, 408, 8), (true, 481, 0)] {
        let mut world = World::perfect(2);
        let out = world.endpoint(0).invite(world.invite(0, 1));
        let inward = world.incoming(1).leg;
        world.endpoint(1).ring(inward);
        assert_eq!(world.of(0, out), LegEvent::Ringing);
        world.endpoint(0).probe(out);
        world.endpoint(1).probe(inward);
        world.pass(Duration::from_secs(20));
        assert!(world.nodes.iter_mut().all(|n| n.events.try_recv().is_err()), "both live");
        let begun = world.seconds();
        if restarted {
            world.restart(0);
        } else {
            world.loses = Box::new(|_| true);
        }
        world.endpoint(1).probe(inward);
        assert_eq!(world.ended(1, inward), EndCause::new(EndedBy::Network, Some(status), None));
        assert_eq!(world.seconds() - begun, after);

        let mut world = World::perfect(2);
        let out = world.endpoint(0).invite(world.invite(0, 1));
        let inward = world.incoming(1).leg;
        world.endpoint(1).ring_at_most(inward, Duration::from_secs(180));
        assert_eq!(world.of(0, out), LegEvent::Ringing);
        if restarted {
            world.restart(1);
        } else {
            world.loses = Box::new(|_| true);
        }
        world.endpoint(0).probe(out);
        assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(status), None));
        world.all_over_at(0);
    }
}

#[test]
fn a_call_that_was_probed_while_it_rang_is_answered_as_ever() {
    let mut world = World::perfect(2);
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let inward = world.incoming(1).leg;
    world.endpoint(1).ring(inward);
    assert_eq!(world.of(0, out), LegEvent::Ringing);
    // The answers cross.
    world.endpoint(0).probe(out);
    world.endpoint(1).probe(inward);
    world.endpoint(1).answer(inward, ANSWER.into());
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(world.of(1, inward), LegEvent::Confirmed { sdp: None });
    for (from, leg, to, other) in [(0, out, 1, inward), (1, inward, 0, out)] {
        world.endpoint(from).info_dtmf(leg, '5');
        assert_eq!(world.of(to, other), LegEvent::Dtmf { digit: '5' });
    }
    world.endpoint(1).hang_up(inward, None);
    world.ended(1, inward);
    world.ended(0, out);
    world.all_over();
}

/// RFC 7989 section 9.1.
#[test]
fn both_ends_name_the_session_by_both_halves() {
    let mut world = World::perfect(2);
    let (_, call) = world.talk();
    world.endpoint(1).hang_up(call, None);
    world.pass(Duration::from_secs(1));
    let said = |what: &str| {
        let packet = world.sent.iter().find(|packet| packet.what() == what).unwrap();
        let (ours, theirs) = header(&packet.text, "Session-ID").split_once(";remote=").unwrap();
        (ours.to_owned(), theirs.to_owned())
    };
    let (caller, nobody) = said("INVITE");
    let (called, answered) = said("200 INVITE");
    assert!(nobody.bytes().all(|b| b == b'0') && answered == caller && called != caller);
    assert_eq!(said("ACK"), (caller.clone(), called.clone()));
    assert_eq!(said("BYE"), (called, caller.clone()));
    assert_eq!(said("200 BYE").0, caller);
}

#[test]
fn an_offer_that_takes_the_sound_away_is_refused_and_the_call_goes_on() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    let silent = OFFER.replace("m=audio 4000", "m=audio 0");
    assert_eq!(crate::sdp::Session::parse(&silent).unwrap_err(), crate::sdp::SdpError::NoAudio);
    world.endpoint(0).offer(out, silent.clone());
    assert_eq!(world.of(1, inward), LegEvent::Offer { sdp: silent });
    world.endpoint(1).answer_offer(inward, Err(488));
    assert_eq!(world.of(0, out), LegEvent::OfferFailed { status: 488 });
    world.endpoint(0).offer(out, OFFER.into());
    assert_eq!(world.of(1, inward), LegEvent::Offer { sdp: OFFER.into() }, "as it was, and it can change again");
    world.endpoint(1).answer_offer(inward, Ok(ANSWER.into()));
    assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: ANSWER.into() });
}
