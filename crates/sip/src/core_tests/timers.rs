//! RFC 3261 section 17's timers, to the millisecond.

use super::*;
use crate::EndedBy;

/// 500 ms, doubled each time.
const DOUBLING: [u64; 7] = [0, 500, 1500, 3500, 7500, 15_500, 31_500];
/// The same, but at most 4 s apart.
const CAPPED: [u64; 11] = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

fn since(times: &[u64]) -> Vec<u64> {
    times.iter().map(|t| t - times[0]).collect()
}

#[test]
fn an_invite_into_the_void_is_sent_seven_times_and_ends_after_32_s() {
    let mut world = World::perfect(2);
    world.loses = Box::new(|_| true);
    let out = world.endpoint(0).invite(world.invite(0, 1));
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(408), None));
    assert_eq!(world.times(0, "INVITE"), DOUBLING, "timer A");
    assert_eq!(world.seconds(), 32, "timer B");
    world.all_over();
}

#[test]
fn a_request_within_the_dialog_is_sent_for_32_s_and_the_next_waits_for_it() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.loses = Box::new(|p| p.from == 0 && p.what() == "INFO" && p.text.contains("Signal=1"));
    world.endpoint(0).info_dtmf(out, '1');
    world.endpoint(0).info_dtmf(out, '2');
    assert_eq!(world.of(1, inward), LegEvent::Dtmf { digit: '2' });
    let sent = since(&world.times(0, "INFO"));
    assert_eq!(sent[..11], CAPPED, "timer E");
    assert_eq!(sent[11..], [32_000], "timer F");
    world.endpoint(0).hang_up(out, None);
    world.ended(0, out);
    world.ended(1, inward);
    world.all_over();
}

#[test]
fn an_invite_that_rings_is_not_sent_again_and_may_ring_for_long() {
    let mut world = World::perfect(2);
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let call = world.incoming(1).leg;
    world.endpoint(1).ring(call);
    assert_eq!(world.of(0, out), LegEvent::Ringing);
    world.pass(Duration::from_secs(600));
    assert_eq!(world.times(0, "INVITE"), [0]);
    world.endpoint(0).hang_up(out, None);
    world.ended(0, out);
    assert_eq!(world.ended(1, call).status, Some(487));
    world.all_over();
}

#[test]
fn a_refusal_is_repeated_until_its_ack_or_for_32_s() {
    let mut world = World::perfect(2);
    let mut acks = 0;
    world.loses = Box::new(move |p| {
        acks += usize::from(p.what() == "ACK");
        p.what() == "ACK" && acks < 4
    });
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let call = world.incoming(1).leg;
    world.endpoint(1).refuse(call, 486, None);
    assert_eq!(world.ended(0, out).status, Some(486));
    world.ended(1, call);
    while world.step() {}
    assert_eq!(since(&world.times(1, "486 INVITE")), [0, 500, 1500, 3500], "timer G");
    assert_eq!(world.times(0, "ACK").len(), 4, "every repetition is acknowledged again: timer D");
    world.all_over();

    let mut world = World::perfect(2);
    world.loses = Box::new(|p| p.what() == "ACK");
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let call = world.incoming(1).leg;
    world.endpoint(1).refuse(call, 486, None);
    world.ended(0, out);
    world.ended(1, call);
    while world.step() {}
    assert_eq!(since(&world.times(1, "486 INVITE")), CAPPED, "timer H");
    world.all_over();
}

#[test]
fn an_answer_is_repeated_until_its_ack_and_a_call_that_nobody_acknowledges_ends() {
    let mut world = World::perfect(2);
    let mut acks = 0;
    world.loses = Box::new(move |p| {
        acks += usize::from(p.what() == "ACK");
        p.what() == "ACK" && acks < 3
    });
    let (out, inward) = world.talk();
    assert_eq!(since(&world.times(1, "200 INVITE")), [0, 500, 1500]);
    assert_eq!(world.times(0, "ACK").len(), 3);
    world.endpoint(1).hang_up(inward, None);
    world.ended(1, inward);
    world.ended(0, out);
    world.all_over();

    let mut world = World::perfect(2);
    world.loses = Box::new(|p| p.what() == "ACK");
    let out = world.endpoint(0).invite(world.invite(0, 1));
    let call = world.incoming(1).leg;
    world.endpoint(1).answer(call, ANSWER.into());
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(world.ended(1, call), EndCause::new(EndedBy::Network, Some(408), None));
    assert_eq!(since(&world.times(1, "200 INVITE")), CAPPED);
    assert_eq!(world.ended(0, out).by, EndedBy::Them, "told by BYE");
    world.all_over();
}

#[test]
fn a_repeated_request_is_answered_again_and_told_once() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    // The answers are lost: the request is repeated, timer J has the answer at hand.
    let mut lost = 0;
    world.loses = Box::new(move |p| {
        lost += usize::from(p.what() == "200 INFO");
        p.what() == "200 INFO" && lost < 6
    });
    world.endpoint(0).info_dtmf(out, '5');
    assert_eq!(world.of(1, inward), LegEvent::Dtmf { digit: '5' });
    world.pass(Duration::from_secs(20));
    world.endpoint(0).hang_up(out, None);
    world.ended(0, out);
    world.ended(1, inward);
    assert_eq!(world.times(1, "200 INFO").len(), 6);
    assert_eq!(world.times(0, "INFO").len(), 6);
    world.all_over();
}
