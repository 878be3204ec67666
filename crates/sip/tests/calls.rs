//! Calls between two endpoints over loopback sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{ANSWER, OFFER, Peer, both, talk};
use sip::{CallHeaders, EndCause, EndedBy, LegEvent, NameAddr, ReasonHeader, Transport, Uri};

const EACH: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

fn ended(by: EndedBy) -> EndCause {
    EndCause::new(by, None, None)
}

#[tokio::test]
async fn a_call_rings_is_answered_and_hung_up_by_the_caller() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let out = a.endpoint.invite(a.invite(&b));
        let call = b.incoming().await;
        assert_eq!(call.from.display.as_deref(), Some("Alice \"A\" Ågren"));
        assert_eq!((call.request_uri.user(), call.sdp.as_deref()), ("bob", Some(OFFER)));
        b.endpoint.ring(call.leg);
        assert_eq!(a.of(out).await, LegEvent::Ringing);
        b.endpoint.answer(call.leg, ANSWER.into());
        assert_eq!(a.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
        assert_eq!(b.of(call.leg).await, LegEvent::Confirmed { sdp: None });
        a.endpoint.hang_up(out, None);
        assert_eq!(a.ended(out).await, ended(EndedBy::Us));
        assert_eq!(b.ended(call.leg).await, ended(EndedBy::Them));
    }
}

#[tokio::test]
async fn the_called_side_hangs_up_with_a_reason() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let (out, inward) = talk(&mut a, &mut b).await;
        let reason = ReasonHeader { protocol: "Q.850".into(), cause: 16, text: "said \"bye\"; so".into() };
        b.endpoint.hang_up(inward, Some(reason.clone()));
        assert_eq!(b.ended(inward).await.by, EndedBy::Us);
        assert_eq!(a.ended(out).await, EndCause::new(EndedBy::Them, None, Some(reason)));
    }
}

#[tokio::test]
async fn calls_go_both_ways_at_once() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let first = talk(&mut a, &mut b).await;
    let second = talk(&mut b, &mut a).await;
    a.endpoint.hang_up(first.0, None);
    assert_eq!(a.ended(first.0).await.by, EndedBy::Us);
    assert_eq!(b.ended(first.1).await.by, EndedBy::Them);
    a.endpoint.hang_up(second.1, None);
    assert_eq!(a.ended(second.1).await.by, EndedBy::Us);
    assert_eq!(b.ended(second.0).await.by, EndedBy::Them);
}

#[tokio::test]
async fn answered_elsewhere_is_told_with_the_cancel() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let out = a.endpoint.invite(a.invite(&b));
        let call = b.incoming().await;
        b.endpoint.ring(call.leg);
        assert_eq!(a.of(out).await, LegEvent::Ringing);
        a.endpoint.hang_up(out, Some(ReasonHeader::answered_elsewhere()));
        assert_eq!(a.ended(out).await.by, EndedBy::Us);
        let cause = b.ended(call.leg).await;
        assert_eq!((cause.status, cause.by), (Some(487), EndedBy::Them));
        assert!(cause.reason.unwrap().is_answered_elsewhere());
    }
}

#[tokio::test]
async fn a_cancel_before_any_answer_waits_for_the_first() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let out = a.endpoint.invite(a.invite(&b));
    a.endpoint.hang_up(out, None);
    assert_eq!(a.ended(out).await.by, EndedBy::Us);
    let call = b.incoming().await;
    assert_eq!(b.ended(call.leg).await.status, Some(487));
}

#[tokio::test]
async fn an_answer_that_crosses_the_cancel_is_ended_by_bye() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let out = a.endpoint.invite(a.invite(&b));
    let call = b.incoming().await;
    // Both orders are given before either task can act: the 200 and the CANCEL cross, or the CANCEL comes first.
    a.endpoint.hang_up(out, None);
    b.endpoint.answer(call.leg, ANSWER.into());
    assert_eq!(a.ended(out).await.by, EndedBy::Us);
    let mut last = b.of(call.leg).await;
    if let LegEvent::Confirmed { .. } = last {
        last = b.of(call.leg).await;
    }
    assert!(matches!(last, LegEvent::Ended { cause } if cause.by == EndedBy::Them));
}

#[tokio::test]
async fn a_refusal_carries_status_and_reason() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let out = a.endpoint.invite(a.invite(&b));
        let call = b.incoming().await;
        let reason = ReasonHeader { protocol: "Q.850".into(), cause: 17, text: "User busy".into() };
        b.endpoint.refuse(call.leg, 486, Some(reason.clone()));
        let expected = |by| EndCause::new(by, Some(486), Some(reason.clone()));
        assert_eq!(b.ended(call.leg).await, expected(EndedBy::Us));
        assert_eq!(a.ended(out).await, expected(EndedBy::Them));
    }
}

#[tokio::test]
async fn hold_and_resume_go_either_way() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let (out, inward) = talk(&mut a, &mut b).await;
        let (hold, held) = (format!("{OFFER}a=sendonly\r\n"), format!("{ANSWER}a=recvonly\r\n"));
        a.endpoint.offer(out, hold.clone());
        assert_eq!(b.of(inward).await, LegEvent::Offer { sdp: hold });
        b.endpoint.answer_offer(inward, Ok(held.clone()));
        assert_eq!(a.of(out).await, LegEvent::OfferAnswered { sdp: held });
        b.endpoint.offer(inward, ANSWER.into());
        assert_eq!(a.of(out).await, LegEvent::Offer { sdp: ANSWER.into() });
        a.endpoint.answer_offer(out, Err(488));
        assert_eq!(b.of(inward).await, LegEvent::OfferFailed { status: 488 });
        b.endpoint.hang_up(inward, None);
        assert_eq!(b.ended(inward).await.by, EndedBy::Us);
        assert_eq!(a.ended(out).await.by, EndedBy::Them);
    }
}

#[tokio::test]
async fn two_offers_at_once_both_get_through_in_the_end() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let (out, inward) = talk(&mut a, &mut b).await;
    a.endpoint.offer(out, OFFER.into());
    b.endpoint.offer(inward, ANSWER.into());
    let (mut a_done, mut b_done) = (false, false);
    while !(a_done && b_done) {
        tokio::select! {
            event = a.of(out) => match event {
                LegEvent::Offer { .. } => a.endpoint.answer_offer(out, Ok(OFFER.into())),
                LegEvent::OfferAnswered { .. } => a_done = true,
                other => panic!("{other:?}"),
            },
            event = b.of(inward) => match event {
                LegEvent::Offer { .. } => b.endpoint.answer_offer(inward, Ok(ANSWER.into())),
                LegEvent::OfferAnswered { .. } => b_done = true,
                other => panic!("{other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn hanging_up_before_the_ack_waits_for_it() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let out = a.endpoint.invite(a.invite(&b));
    let call = b.incoming().await;
    b.endpoint.answer(call.leg, ANSWER.into());
    b.endpoint.hang_up(call.leg, None);
    assert_eq!(b.ended(call.leg).await.by, EndedBy::Us);
    assert_eq!(a.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(a.ended(out).await.by, EndedBy::Them);
}

#[tokio::test]
async fn a_refer_is_followed_to_its_success() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let (out, inward) = talk(&mut a, &mut b).await;
        a.endpoint.refer(out, "sip:ravi@127.0.0.1".into(), Some("\"Mina\" <sip:mina@127.0.0.1>".into()));
        let LegEvent::Refer { to, referred_by, replaces: None } = b.of(inward).await else { panic!("no REFER") };
        assert_eq!((to.uri.user(), referred_by.unwrap().display.as_deref()), ("ravi", Some("Mina")));
        b.endpoint.accept_refer(inward, true);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 100 });
        b.endpoint.notify_refer(inward, 180);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 180 });
        b.endpoint.notify_refer(inward, 200);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 200 });
        // The subscription is over, the dialog is not: a second REFER may follow.
        a.endpoint.refer(out, "<sip:tom@127.0.0.1>".into(), None);
        assert!(matches!(b.of(inward).await, LegEvent::Refer { to, referred_by: None, .. } if to.uri.user() == "tom"));
        b.endpoint.accept_refer(inward, true);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 100 });
        b.endpoint.notify_refer(inward, 486);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 486 });
        a.endpoint.refer(out, "sip:lena@127.0.0.1".into(), None);
        assert!(matches!(b.of(inward).await, LegEvent::Refer { .. }));
        b.endpoint.accept_refer(inward, false);
        assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 603 });
    }
}

#[tokio::test]
async fn dtmf_by_info_arrives() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let (out, inward) = talk(&mut a, &mut b).await;
    a.endpoint.info_dtmf(out, '#');
    assert_eq!(b.of(inward).await, LegEvent::Dtmf { digit: '#' });
}

#[tokio::test]
async fn the_ring_card_arrives_as_it_was_sent() {
    let (a, mut b) = both(Transport::Udp).await;
    let party = |text: &str| Some(text.parse::<NameAddr>().unwrap());
    let headers = CallHeaders {
        asserted_identity: party("\"João Pereira\" <sip:+351912345678@127.0.0.1>"),
        referred_by: party("\"Ravi Kumar\" <sip:ravi@127.0.0.1>"),
        diversion: party("\"Mina Shah\" <sip:mina@127.0.0.1>;reason=no-answer"),
        alert_info: Some("urn:alert:service:recall:transfer".into()),
        user_to_user: Some("wants a refund; order 7, urgent ✓".into()),
        session_id: Some("0123456789abcdef0123456789abcdef;remote=00000000000000000000000000000000".into()),
        subject: Some("Suporte técnico".into()),
        auto_answer: true,
        replaces: None,
        call_info: vec![("X-Patchcord-Call".into(), "c-1".into())],
    };
    let mut invite = a.invite(&b);
    invite.headers = headers.clone();
    let _ = a.endpoint.invite(invite);
    let got = b.incoming().await.headers;
    assert_eq!(got.diversion.as_ref().and_then(|d| d.param("reason")), Some("no-answer"));
    assert_eq!(got, headers);
}

#[tokio::test]
async fn no_header_value_smuggles_in_a_line() {
    let (a, mut b) = both(Transport::Udp).await;
    let mut invite = a.invite(&b);
    invite.headers.subject = Some("x\r\nX-Evil: 1\r\n\r\nbody".into());
    let _ = a.endpoint.invite(invite);
    let got = b.incoming().await;
    assert_eq!(got.headers.subject.as_deref(), Some("xX-Evil: 1body"));
    assert!(got.headers.call_info.is_empty());
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_ends_the_call() {
    let mut a = Peer::open(Transport::Tcp).await;
    // Bound, but it does not listen: nobody else gets the port, not even our own connection to it.
    let gone = tokio::net::TcpSocket::new_v4().unwrap();
    gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = Uri::at("bob", gone.local_addr().unwrap(), Transport::Tcp);
    let out = a.endpoint.invite(sip::Invite { to, ..a.invite(&a) });
    assert_eq!(a.ended(out).await, EndCause::new(EndedBy::Network, Some(503), None));
}

#[tokio::test]
async fn names_are_looked_up() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let mut invite = a.invite(&b);
    invite.to = format!("sip:bob@localhost:{}", b.addr().port()).parse().unwrap();
    let out = a.endpoint.invite(invite);
    let call = b.incoming().await;
    b.endpoint.refuse(call.leg, 480, None);
    assert_eq!(a.ended(out).await.status, Some(480));
}

#[tokio::test]
async fn shutting_down_says_goodbye_to_everybody() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let (_, talking) = talk(&mut a, &mut b).await;
    let _ = a.endpoint.invite(a.invite(&b));
    let ringing = b.incoming().await.leg;
    b.endpoint.ring(ringing);
    a.endpoint.shut_down().await;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        match b.next().await {
            sip::Event::Leg { leg, event: LegEvent::Ended { cause } } => ended.push((leg, cause.by)),
            other => panic!("{other:?}"),
        }
    }
    ended.sort_by_key(|(leg, _)| *leg);
    assert_eq!(ended, [(talking, EndedBy::Them), (ringing, EndedBy::Them)]);
}
