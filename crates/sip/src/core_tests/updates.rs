//! UPDATE (RFC 3311) and who is at the other end (RFC 3325, RFC 4916).

use super::*;

const NEW_OFFER: &str =
    "v=0\r\no=- 9 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";

/// 0 calls 1, which rings with sound, reliably or not, and takes UPDATE.
fn early(reliable: bool) -> (World, LegKey, String) {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    let reliable = if reliable { "Require: 100rel\nRSeq: 1\n" } else { "" };
    let more = format!(
        "Contact: <sip:bob@10.0.0.2:5060>\nAllow: INVITE, UPDATE\n{reliable}Content-Type: application/sdp\n\n{ANSWER}"
    );
    world.says(&answer(&invite, "183 Session Progress", &more));
    assert_eq!(world.of(0, out), LegEvent::Ringing);
    assert_eq!(world.of(0, out), LegEvent::EarlyMedia { sdp: ANSWER.into() });
    (world, out, invite)
}

fn update(invite: &str, number: u32, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    within(invite, "UPDATE", number, kind, body)
}

#[test]
fn a_call_that_rings_is_changed_by_update_from_either_side() {
    let (mut world, out, invite) = early(true);
    world.says(&update(&invite, 1, NEW_OFFER));
    assert_eq!(world.of(0, out), LegEvent::Offer { sdp: NEW_OFFER.into() });
    world.endpoint(0).answer_offer(out, Ok(OFFER.into()));
    assert!(world.last().starts_with("SIP/2.0 200 ") && world.last().ends_with(OFFER));
    world.endpoint(0).offer(out, OFFER.into());
    let ours = world.last();
    assert!(ours.starts_with("UPDATE sip:bob@10.0.0.2:5060 ") && ours.ends_with(OFFER), "{ours}");
    world.says(&update(&invite, 2, NEW_OFFER));
    assert!(world.last().starts_with("SIP/2.0 491 "), "ours is under way");
    world.says(&answer(&ours, "491 Request Pending", ""));
    world.pass(Duration::from_secs(5));
    let again = world.last();
    assert!(again.starts_with("UPDATE ") && header(&again, "CSeq") != header(&ours, "CSeq"), "{again}");
    world.says(&answer(&again, "200 OK", &format!("Content-Type: application/sdp\n\n{NEW_OFFER}")));
    assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: NEW_OFFER.into() });
    // The answer at last says nothing new: what they said last counts.
    world.says(&answer(&invite, "200 OK", "Contact: <sip:bob@10.0.0.2:5060>\n"));
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: NEW_OFFER.into() });
}

#[test]
fn before_the_first_answer_nothing_can_be_changed() {
    let (mut world, out, invite) = early(false);
    world.says(&update(&invite, 1, NEW_OFFER));
    assert!(world.last().starts_with("SIP/2.0 491 "));
    world.says(&update(&invite, 2, ""));
    assert!(world.last().starts_with("SIP/2.0 200 "), "only the target is refreshed");
    world.endpoint(0).offer(out, OFFER.into());
    assert_eq!(world.of(0, out), LegEvent::OfferFailed { status: 491 });

    let mut world = World::perfect(2);
    let (call, _) = world.call_0("");
    world.endpoint(0).ring(call);
    let ours = tag(&world.last(), "To");
    world.says(&request("UPDATE", "theirs", 2, &ours, "Content-Type: application/sdp\n", NEW_OFFER));
    let refused = world.last();
    assert!(refused.starts_with("SIP/2.0 500 ") && header(&refused, "Retry-After") == "1", "{refused}");
    world.says(&request("UPDATE", "theirs", 3, &ours, "P-Asserted-Identity: <sip:300@10.0.0.2>\n", ""));
    assert!(world.last().starts_with("SIP/2.0 200 "));
    let LegEvent::Identity { who } = world.of(0, call) else { panic!() };
    assert_eq!(who.uri.user(), "300", "the caller has been transferred while it rings here");
}

#[test]
fn somebody_else_is_shown_as_soon_as_they_say_so() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("P-Asserted-Identity: \"Bob\" <sip:200@10.0.0.2>\n");
    world.endpoint(0).answer(call, ANSWER.into());
    let ours = tag(&world.last(), "To");
    world.says(&request("ACK", "theirs", 1, &ours, "", ""));
    assert_eq!(world.of(0, call), LegEvent::Confirmed { sdp: None });
    let mina = "\"Mina\" <sip:300@10.0.0.2>";
    for (number, more, told) in [
        (2, "P-Asserted-Identity: \"Bob\" <sip:200@other.example>;x=y\n".to_owned(), None),
        (3, String::new(), None),
        (4, format!("P-Asserted-Identity: {mina}\n"), Some(("Mina", "300"))),
        (5, format!("P-Asserted-Identity: {mina}\n"), None),
        (6, "P-Asserted-Identity: <sip:300@10.0.0.2>\n".to_owned(), None),
        (7, "Remote-Party-ID: \"Tom\" <sip:400@10.0.0.2>;party=calling\n".to_owned(), Some(("Tom", "400"))),
        (8, "Remote-Party-ID: \"Eve\" <sip:500@10.0.0.2>;privacy=full\n".to_owned(), None),
        (9, "Privacy: id\nP-Asserted-Identity: \"Eve\" <sip:500@10.0.0.2>\n".to_owned(), None),
    ] {
        world.says(&request("UPDATE", "theirs", number, &ours, &more, ""));
        assert!(world.last().starts_with("SIP/2.0 200 "));
        let event = world.nodes[0].events.try_recv().ok();
        let who = event.map(|event| match event {
            Event::Leg { event: LegEvent::Identity { who }, .. } => (who.display.unwrap(), who.uri.user.unwrap()),
            other => panic!("{other:?}"),
        });
        assert_eq!(who, told.map(|(name, number)| (name.to_owned(), number.to_owned())), "{more}");
    }
    // RFC 4916: another From.
    let other = request("UPDATE", "theirs", 10, &ours, "", "").replace("\"Bob\" <sip:bob@", "\"Zoe\" <sip:600@");
    world.says(&other);
    let LegEvent::Identity { who } = world.of(0, call) else { panic!() };
    assert_eq!(who.display.as_deref(), Some("Zoe"));
}

#[test]
fn who_answered_is_shown_if_their_system_says_so() {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    let more = format!(
        "Contact: <sip:bob@10.0.0.2:5060>\nP-Asserted-Identity: \"Mina Shah\" <sip:bob@10.0.0.2>\n\
         Content-Type: application/sdp\n\n{ANSWER}"
    );
    world.says(&answer(&invite, "200 OK", &more));
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
    let LegEvent::Identity { who } = world.of(0, out) else { panic!() };
    assert_eq!((who.display.as_deref(), who.uri.user()), (Some("Mina Shah"), "bob"));
}

#[test]
fn what_is_required_and_unknown_is_refused_within_a_dialog_too() {
    let mut world = World::perfect(2);
    let (call, _) = world.call_0("");
    world.endpoint(0).answer(call, ANSWER.into());
    let ours = tag(&world.last(), "To");
    world.says(&request("ACK", "theirs", 1, &ours, "", ""));
    world.says(&request("UPDATE", "theirs", 2, &ours, "Require: timer, teleport\n", ""));
    let refused = world.last();
    assert!(refused.starts_with("SIP/2.0 420 ") && header(&refused, "Unsupported") == "teleport", "{refused}");
    world.says(&request("BYE", "theirs", 3, &ours, "Require: teleport\n", ""));
    assert!(world.last().starts_with("SIP/2.0 200 "), "but who wants to go may");
}
