//! Session timers (RFC 4028).

use super::*;
use crate::EndedBy;

/// 0 calls 1, which the test plays and which answers with these header lines.
fn up(more: &str) -> (World, LegKey, String) {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    let more = format!("Contact: <sip:bob@10.0.0.2:5060>\n{more}Content-Type: application/sdp\n\n{ANSWER}");
    world.says(&answer(&invite, "200 OK", &more));
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
    (world, out, invite)
}

/// Plays time on for so long, answering every refresh of 0; gives how often it refreshed, and by what.
fn refreshes(world: &mut World, time: Duration, status: &str, more: &str) -> Vec<(u64, String)> {
    let until = world.now + time;
    let (mut seen, mut found) = (world.sent.len(), Vec::new());
    while world.now < until {
        world.pass(Duration::from_secs(1));
        let new: Vec<_> = world.sent[seen..].iter().filter(|p| p.from == 0).cloned().collect();
        seen = world.sent.len();
        for packet in new {
            if ["INVITE", "UPDATE"].contains(&packet.what().as_str()) {
                found.push((packet.at.as_secs(), packet.text.lines().next().unwrap()[..6].to_owned()));
                world.says(&answer(&packet.text, status, more));
            }
        }
    }
    found
}

#[test]
fn an_invite_asks_for_half_an_hour_and_both_of_us_refresh_as_agreed() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    let invite = world.sent.iter().find(|p| p.what() == "INVITE").unwrap().text.clone();
    assert_eq!((header(&invite, "Session-Expires"), header(&invite, "Supported")), ("1800", "100rel, timer"));
    let ok = world.sent.iter().find(|p| p.what() == "200 INVITE").unwrap().text.clone();
    assert_eq!((header(&ok, "Session-Expires"), header(&ok, "Require")), ("1800;refresher=uac", "timer"));
    world.pass(Duration::from_secs(4000));
    assert_eq!(world.times(0, "UPDATE").len(), 4, "at half the time, each 900 s");
    assert!(world.times(1, "UPDATE").is_empty() && world.times(0, "INVITE").len() == 1);
    world.endpoint(0).hang_up(out, None);
    world.ended(0, out);
    world.ended(1, inward);
    world.all_over();
}

#[test]
fn after_a_flood_only_calls_that_go_on_are_waited_for() {
    let mut world = World::perfect(2);
    for _ in 0..100 {
        let (out, inward) = world.talk();
        world.endpoint(0).hang_up(out, None);
        world.ended(0, out);
        world.ended(1, inward);
    }
    let _goes_on = world.talk();
    let begun = world.seconds();
    let waits = |world: &World| world.nodes[0].core.io.timers.of_legs();
    assert!(waits(&world) > 100, "{}", waits(&world));
    world.nodes[0].core.slim();
    assert!((1..=5).contains(&waits(&world)), "{}", waits(&world));
    world.pass(Duration::from_secs(4000));
    assert_eq!(world.times(0, "UPDATE").iter().filter(|at| **at > begun).count(), 4, "every 900 s, as before");
}

#[test]
fn a_refresher_that_dies_ends_the_call_shortly_before_the_time_is_up() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.loses = Box::new(|_| true);
    // 1 waits for the refresh of 0, asks itself at 1080 s, and gives up 32 s before the end (section 10).
    assert_eq!(world.ended(1, inward), EndCause::new(EndedBy::Network, Some(408), None));
    assert_eq!(world.seconds(), 1768);
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(408), None));
    assert_eq!(world.seconds(), 1800);
    assert!(world.times(1, "UPDATE")[0] / 1000 == 1080 && !world.times(1, "BYE").is_empty());
    world.all_over();
}

#[test]
fn a_network_that_is_away_for_some_minutes_ends_no_call() {
    let mut world = World::perfect(2);
    let (out, inward) = world.talk();
    world.pass(Duration::from_secs(890));
    world.loses = Box::new(|_| true);
    world.pass(Duration::from_secs(300));
    assert!(world.times(0, "UPDATE").len() > 20, "tried again and again");
    world.loses = Box::new(|_| false);
    world.pass(Duration::from_secs(2000));
    assert!(world.nodes.iter_mut().all(|n| n.events.try_recv().is_err()), "nobody noticed");
    world.endpoint(0).hang_up(out, None);
    world.ended(0, out);
    world.ended(1, inward);
    world.all_over();
}

#[test]
fn a_far_end_without_update_is_refreshed_by_what_stands() {
    let (mut world, out, _) = up("Session-Expires: 200;refresher=uac\nAllow: INVITE, ACK, BYE\n");
    let ok = format!("Session-Expires: 200;refresher=uac\nContent-Type: application/sdp\n\n{ANSWER}");
    let found = refreshes(&mut world, Duration::from_secs(210), "200 OK", &ok);
    assert_eq!(found, [(100, "INVITE".to_owned()), (200, "INVITE".to_owned())]);
    assert!(world.sent.iter().rfind(|p| p.what() == "INVITE").unwrap().text.ends_with(OFFER));
    assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: ANSWER.into() });
}

#[test]
fn a_far_end_that_claims_update_and_refuses_it_gets_a_reinvite() {
    let (mut world, _, _) = up("Session-Expires: 200;refresher=uac\nAllow: INVITE, UPDATE\n");
    let found = refreshes(&mut world, Duration::from_secs(105), "501 Not Implemented", "");
    let methods: Vec<_> = found.into_iter().map(|(_, m)| m).collect();
    assert_eq!(methods[..2], ["UPDATE", "INVITE"]);
}

#[test]
fn one_who_knows_no_timers_is_let_alone() {
    let (mut world, _, _) = up("");
    assert!(refreshes(&mut world, Duration::from_secs(7200), "200 OK", "").is_empty());
    assert!(world.nodes[0].events.try_recv().is_err());
}

#[test]
fn a_422_is_followed_by_a_longer_time() {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    world.says(&answer(&invite, "422 Session Interval Too Small", "Min-SE: 3600\n"));
    let again = world.last();
    assert!(again.starts_with("INVITE ") && header(&again, "CSeq") == "2 INVITE", "{again}");
    assert_eq!((header(&again, "Session-Expires"), header(&again, "Min-SE")), ("3600", "3600"));
    // No answer to what was asked: then it is a refusal like any other.
    world.says(&answer(&again, "422 Session Interval Too Small", "Min-SE: 3600\n"));
    assert_eq!(world.ended(0, out).status, Some(422));
}

#[test]
fn too_short_a_time_of_theirs_is_refused() {
    let mut world = World::perfect(2);
    world.play_1();
    world.says(&request("INVITE", "theirs", 1, "", "Supported: timer\nSession-Expires: 60\n", OFFER));
    let refused = world.last();
    assert!(refused.starts_with("SIP/2.0 422 ") && header(&refused, "Min-SE") == "90", "{refused}");
    assert!(world.nodes[0].events.try_recv().is_err(), "nothing rang");
}

/// Whoever knows no timers can't refresh: we do (section 9, table 2).
#[test]
fn who_refreshes_is_as_the_caller_can_and_wants() {
    for (more, granted, refreshes_itself) in [
        ("Supported: timer\nSession-Expires: 600\n", "600;refresher=uac", true),
        ("k: timer\nx: 600;refresher=uac\n", "600;refresher=uac", true),
        ("Supported: timer\nSession-Expires: 600;refresher=uas\n", "600;refresher=uas", false),
        ("Session-Expires: 600\n", "600;refresher=uas", false),
        ("Session-Expires: 20\n", "90;refresher=uas", false),
        ("Supported: timer\n", "", true),
        ("Supported: timer\nSession-Expires: soon\n", "", true),
    ] {
        let mut world = World::perfect(2);
        let (call, _) = world.call_0(&format!("Allow: UPDATE\n{more}"));
        world.endpoint(0).answer(call, ANSWER.into());
        let ok = world.last();
        assert_eq!(header(&ok, "Session-Expires"), granted, "{more}");
        assert_eq!(header(&ok, "Require") == "timer", more.contains("timer") && !granted.is_empty(), "{more}");
        world.says(&request("ACK", "theirs", 1, &tag(&ok, "To"), "", ""));
        world.pass(Duration::from_secs(310));
        assert_eq!(world.times(0, "UPDATE").is_empty(), refreshes_itself, "{more}");
    }
}

#[test]
fn their_refresh_keeps_the_call_and_its_lack_ends_it() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("Supported: timer\nSession-Expires: 90;refresher=uac\n");
    world.endpoint(0).answer(call, ANSWER.into());
    let ok = world.last();
    let ours = tag(&ok, "To");
    world.says(&request("ACK", "theirs", 1, &ours, "", ""));
    assert_eq!(world.of(0, call), LegEvent::Confirmed { sdp: None });
    for number in 2..12 {
        world.pass(Duration::from_secs(45));
        let refresh = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
        world.says(&request("UPDATE", "theirs", number, &ours, refresh, ""));
        let ok = world.last();
        assert!(ok.starts_with("SIP/2.0 200 ") && header(&ok, "Session-Expires") == "90;refresher=uac", "{ok}");
    }
    let before = world.seconds();
    assert_eq!(world.ended(0, call).by, EndedBy::Network);
    assert_eq!(world.seconds() - before, 60);
}

#[test]
fn a_hostile_time_makes_no_storm() {
    let (mut world, _, _) = up("Session-Expires: 1;refresher=uac\nAllow: UPDATE\n");
    let found = refreshes(&mut world, Duration::from_secs(150), "200 OK", "Session-Expires: 0;refresher=uac\n");
    assert!(found.len() <= 10, "{found:?}");
}
