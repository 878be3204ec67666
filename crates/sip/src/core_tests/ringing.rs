//! How long a call rings: RFC 3261 sections 13.3.1 and 20.19, and a bound of our own.

use super::*;
use crate::EndedBy;

const MINUTE: u64 = 60_000;

#[test]
fn ringing_is_said_again_every_minute_until_the_answer() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("");
    world.endpoint(0).ring(call);
    world.pass(Duration::from_secs(150));
    assert_eq!(world.times(0, "180 INVITE"), [0, MINUTE, 2 * MINUTE]);
    world.endpoint(0).answer(call, ANSWER.into());
    world.pass(Duration::from_secs(30));
    assert_eq!(world.times(0, "180 INVITE").len(), 3, "it does not ring any more");
}

#[test]
fn nothing_is_said_of_a_call_that_does_not_ring_yet() {
    let mut world = World::perfect(2);
    world.call_0("");
    world.pass(Duration::from_secs(600));
    assert_eq!(world.sent_by(0), [(0, "100 INVITE".to_owned())]);
}

#[test]
fn ringing_that_was_acknowledged_is_said_again_under_the_next_number_and_less_often() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Require: 100rel\n");
    world.endpoint(0).ring(call);
    let mut number = 0;
    for at in [0, 150, 300] {
        world.pass(Duration::from_secs(at - world.seconds()));
        let ringing = world.last();
        assert_eq!(world.times(0, "180 INVITE").last(), Some(&(at * 1000)));
        let said: u32 = header(&ringing, "RSeq").parse().unwrap();
        assert!(at == 0 || said == number + 1, "{said} after {number}");
        number = said;
        let rack = format!("RAck: {number} 1 INVITE\n");
        let prack = request("PRACK", "theirs", 2 + number, &tag(&ringing, "To"), &rack, "");
        world.says(&prack);
        assert!(world.last().starts_with("SIP/2.0 200 "));
    }
    assert_eq!(world.times(0, "180 INVITE").len(), 3);
}

#[test]
fn a_caller_who_waits_for_so_long_only_is_told_when_that_time_is_over() {
    for rings in [false, true] {
        let mut world = World::perfect(2);
        let (call, _) = world.call_0("Expires: 90\n");
        if rings {
            world.endpoint(0).ring_at_most(call, Duration::from_secs(180));
        }
        assert_eq!(world.ended(0, call), EndCause::new(EndedBy::Them, Some(487), None));
        assert_eq!((world.seconds(), world.times(0, "487 INVITE")[0]), (90, 90_000));
        world.all_over_at(0);
    }
}

#[test]
fn an_answer_in_time_stands_whatever_the_invitation_says() {
    let mut world = World::perfect(2);
    let (call, invite) = world.call_0("Expires: 5\n");
    world.endpoint(0).ring_at_most(call, Duration::from_secs(5));
    world.pass(Duration::from_secs(4));
    world.endpoint(0).answer(call, ANSWER.into());
    let ok = world.last();
    world.says(&request("ACK", "theirs", 1, &tag(&ok, "To"), "", ""));
    assert_eq!(world.of(0, call), LegEvent::Confirmed { sdp: None }, "{invite}");
    world.pass(Duration::from_secs(600));
    assert!(world.nodes[0].events.try_recv().is_err(), "the call goes on");
}

#[test]
fn an_invitation_that_is_over_already_rings_nowhere() {
    let mut world = World::perfect(2);
    world.play_1();
    world.says(&request("INVITE", "theirs", 1, "", "Expires: 0\n", OFFER));
    assert!(world.last().starts_with("SIP/2.0 487 "), "{}", world.last());
    world.all_over_at(0);
}

#[test]
fn a_time_that_is_none_or_of_years_bounds_nothing_and_leaves_nothing() {
    for absurd in ["4294967295", "4294967296", "99999999999999999999", "-1", "+5", "5, 6", "5.5", "soon", ""] {
        let mut world = World::perfect(2);
        let (call, _) = world.call_0(&format!("Expires: {absurd}\n"));
        world.pass(Duration::from_secs(3600));
        assert!(world.nodes[0].events.try_recv().is_err(), "{absurd:?} ended the call");
        world.endpoint(0).hang_up(call, None);
        assert_eq!(world.ended(0, call).by, EndedBy::Us);
        world.all_over_at(0);
        assert!(world.seconds() < 2 * 3600, "{absurd:?} left a timer for {} s", world.seconds());
    }
}

#[test]
fn a_call_rings_as_long_as_it_may_and_no_longer() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Expires: 4294967295\n");
    world.endpoint(0).ring_at_most(call, Duration::from_secs(180));
    world.pass(Duration::from_secs(100));
    world.endpoint(0).ring_at_most(call, Duration::from_secs(180));
    assert_eq!(world.ended(0, call), EndCause::new(EndedBy::Us, Some(480), None));
    assert_eq!((world.seconds(), world.times(0, "480 INVITE")[0]), (180, 180_000));
    world.all_over_at(0);

    let mut world = World::perfect(2);
    let (call, _) = world.call_0("");
    world.endpoint(0).ring(call);
    world.pass(Duration::from_secs(3600));
    assert!(world.nodes[0].events.try_recv().is_err(), "whoever bounds it otherwise rings on");
    assert_eq!(world.times(0, "180 INVITE").len(), 61);
}
