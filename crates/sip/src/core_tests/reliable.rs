//! Provisional answers that must arrive (RFC 3262).

use super::*;
use crate::EndedBy;

fn ringing(invite: &str, tag: &str, number: u32, more: &str) -> String {
    let contact = format!("Contact: <sip:{tag}@10.0.0.2:5060>\nRequire: 100rel\nRSeq: {number}\n{more}");
    answer(invite, "183 Session Progress", &contact).replace(";tag=theirs", &format!(";tag={tag}"))
}

#[test]
fn each_reliable_answer_is_acknowledged_once_and_in_order() {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    assert!(header(&invite, "Supported").contains("100rel"));
    let early = format!("Content-Type: application/sdp\n\n{ANSWER}");
    world.says(&ringing(
        &invite,
        "theirs",
        7,
        &format!("Record-Route: <sip:10.0.0.2;lr;one>, <sip:10.0.0.2;lr;two>\n{early}"),
    ));
    let prack = world.last();
    assert!(prack.starts_with("PRACK sip:theirs@10.0.0.2:5060 "), "{prack}");
    assert_eq!(header(&prack, "RAck"), "7 1 INVITE");
    let routes: Vec<_> = prack.lines().filter(|l| l.starts_with("Route: ")).collect();
    assert_eq!(routes, ["Route: <sip:10.0.0.2;lr;two>", "Route: <sip:10.0.0.2;lr;one>"]);
    assert_eq!(tag(&prack, "To"), "theirs");
    assert_eq!(world.of(0, out), LegEvent::Ringing);
    assert_eq!(world.of(0, out), LegEvent::EarlyMedia { sdp: ANSWER.into() });
    world.says(&answer(&prack, "200 OK", ""));
    // The same again, and one too early, are not heard; another phone counts for itself.
    world.says(&ringing(&invite, "theirs", 7, ""));
    world.says(&ringing(&invite, "theirs", 9, ""));
    assert_eq!(world.times(0, "PRACK").len(), 1);
    world.says(&ringing(&invite, "theirs", 8, ""));
    assert_eq!(header(&world.last(), "RAck"), "8 1 INVITE");
    world.says(&ringing(&invite, "second", 1, ""));
    let prack = world.last();
    assert_eq!((header(&prack, "RAck"), tag(&prack, "To").as_str()), ("1 1 INVITE", "second"));
    for rubbish in ["", "x", "4294967295"] {
        world.says(&ringing(&invite, "third", 1, "").replace("RSeq: 1", &format!("RSeq: {rubbish}")));
    }
    assert_eq!(world.times(0, "PRACK").len(), 3);
    world.says(&answer(&invite, "200 OK", &format!("Contact: <sip:theirs@10.0.0.2:5060>\n{early}")));
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
    let ack = world.last();
    assert_eq!(header(&ack, "CSeq"), "1 ACK", "of the INVITE, not of the PRACKs");
}

#[test]
fn a_lost_prack_is_sent_again() {
    let mut world = World::perfect(2);
    let (_, invite) = world.call_1();
    world.says(&ringing(&invite, "theirs", 1, ""));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.times(0, "PRACK"), [0, 500, 1500]);
}

#[test]
fn a_caller_who_requires_it_gets_ringing_until_it_is_acknowledged() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Require: 100rel\n");
    world.endpoint(0).ring(call);
    world.endpoint(0).ring(call);
    let ringing = world.last();
    assert!(ringing.starts_with("SIP/2.0 180 ") && header(&ringing, "Require") == "100rel", "{ringing}");
    let number: u32 = header(&ringing, "RSeq").parse().unwrap();
    world.pass(Duration::from_secs(4));
    assert_eq!(world.times(0, "180 INVITE"), [0, 500, 1500, 3500], "timers of section 3");
    let ours = tag(&ringing, "To");
    let prack = |at, number: u32, cseq: u32| {
        request("PRACK", "theirs", at, &ours, &format!("RAck: {number} {cseq} INVITE\n"), "")
    };
    for (at, wrong) in [(2, prack(2, number + 1, 1)), (3, prack(3, number, 2))] {
        world.says(&wrong);
        assert!(world.last().starts_with("SIP/2.0 481 "), "{at}");
    }
    world.says(&prack(4, number, 1));
    assert!(world.last().starts_with("SIP/2.0 200 "));
    let before = world.times(0, "180 INVITE").len();
    world.pass(Duration::from_secs(30));
    assert_eq!(world.times(0, "180 INVITE").len(), before, "silent from now on");
    world.says(&prack(5, number, 1));
    assert!(world.last().starts_with("SIP/2.0 481 "), "acknowledged already");
    world.endpoint(0).answer(call, ANSWER.into());
    assert!(world.last().starts_with("SIP/2.0 200 "));
}

#[test]
fn an_answer_does_not_wait_for_the_prack_of_the_ringing() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Require: 100rel\n");
    world.endpoint(0).ring(call);
    let ringing = world.last();
    world.endpoint(0).answer(call, ANSWER.into());
    let ok = world.last();
    assert!(ok.starts_with("SIP/2.0 200 "));
    let rack = format!("RAck: {} 1 INVITE\n", header(&ringing, "RSeq"));
    world.says(&request("PRACK", "theirs", 2, &tag(&ok, "To"), &rack, ""));
    assert!(world.last().starts_with("SIP/2.0 200 "));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.times(0, "180 INVITE").len(), 1);
}

#[test]
fn a_caller_who_never_acknowledges_the_ringing_is_refused() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Require: 100rel\n");
    world.endpoint(0).ring(call);
    assert_eq!(world.ended(0, call), EndCause::new(EndedBy::Us, Some(504), None));
    assert_eq!(world.seconds(), 32);
}

#[test]
fn an_offer_in_a_prack_comes_too_early() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Require: 100rel\n");
    world.endpoint(0).ring(call);
    let ringing = world.last();
    let rack = format!("RAck: {} 1 INVITE\nContent-Type: application/sdp\n", header(&ringing, "RSeq"));
    world.says(&request("PRACK", "theirs", 2, &tag(&ringing, "To"), &rack, OFFER));
    assert!(world.last().starts_with("SIP/2.0 488 "));
    assert!(world.nodes[0].events.try_recv().is_err());
}
