//! Dialogs that name each other: attended transfers, `Replaces`, diversions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{ANSWER, Peer, both, talk};
use sip::{CallHeaders, EndedBy, Endpoint, EndpointConfig, Invite, LegEvent, LegKey, Replaced, Replaces, Transport};

const EACH: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

async fn replaced(peer: &mut Peer, leg: LegKey) -> Replaced {
    match peer.of(leg).await {
        LegEvent::Refer { to, replaces: Some(replaced), .. } => {
            assert_eq!(to.uri.headers, None);
            replaced
        }
        other => panic!("no REFER with Replaces: {other:?}"),
    }
}

/// As between a phone and its exchange: both dialogs are with the same endpoint.
#[tokio::test]
async fn a_refer_names_the_other_dialog_answered_or_ringing() {
    for transport in EACH {
        let (mut phone, mut exchange) = both(transport).await;
        let (first, first_there) = talk(&mut phone, &mut exchange).await;
        let (second, second_there) = talk(&mut exchange, &mut phone).await;
        phone.endpoint.refer_replacing(first, second_there, false, None);
        let named = replaced(&mut exchange, first_there).await;
        assert_eq!((named.leg, named.dialog.early_only), (Some(second), false));
        exchange.endpoint.accept_refer(first_there, false);
        assert_eq!(phone.of(first).await, LegEvent::ReferProgress { status: 603 });

        let ringing = phone.endpoint.invite(phone.invite(&exchange));
        let call = exchange.incoming().await.leg;
        exchange.endpoint.ring(call);
        assert_eq!(phone.of(ringing).await, LegEvent::Ringing);
        phone.endpoint.refer_replacing(first, ringing, true, Some("<sip:ravi@127.0.0.1>".into()));
        let named = replaced(&mut exchange, first_there).await;
        assert_eq!((named.leg, named.dialog.early_only), (Some(call), true));
        exchange.endpoint.refuse_refer(first_there, 486);
        assert_eq!(phone.of(first).await, LegEvent::ReferProgress { status: 486 });
    }
}

#[tokio::test]
async fn a_dialog_that_has_ended_is_named_by_nobody() {
    let (mut phone, mut exchange) = both(Transport::Udp).await;
    let (first, first_there) = talk(&mut phone, &mut exchange).await;
    let (second, second_there) = talk(&mut phone, &mut exchange).await;
    phone.endpoint.refer_replacing(first, second, false, None);
    let named = replaced(&mut exchange, first_there).await;
    assert_eq!(named.leg, Some(second_there));
    exchange.endpoint.accept_refer(first_there, false);
    assert_eq!(phone.of(first).await, LegEvent::ReferProgress { status: 603 });
    exchange.endpoint.hang_up(second_there, None);
    assert_eq!(exchange.ended(second_there).await.by, EndedBy::Us);
    assert_eq!(phone.ended(second).await.by, EndedBy::Them);
    // We know that it is gone, and so does the far end if it is asked all the same.
    phone.endpoint.refer_replacing(first, second, false, None);
    assert_eq!(phone.of(first).await, LegEvent::ReferProgress { status: 400 });
    let Replaces { call_id, to_tag, from_tag, .. } = named.dialog;
    let gone = format!("sip:x@127.0.0.1?Replaces={call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}");
    phone.endpoint.refer(first, gone, None);
    assert_eq!(replaced(&mut exchange, first_there).await.leg, None);
}

#[tokio::test]
async fn nobody_helps_himself_to_a_call() {
    let (mut a, mut b) = both(Transport::Udp).await;
    let mut thief = Peer::open(Transport::Udp).await;
    let ringing = a.endpoint.invite(a.invite(&b));
    let call = b.incoming().await.leg;
    b.endpoint.ring(call);
    assert_eq!(a.of(ringing).await, LegEvent::Ringing);
    // The dialog's ids, as a REFER shows them.
    let (out, inward) = talk(&mut a, &mut b).await;
    a.endpoint.refer_replacing(out, ringing, false, None);
    let early = replaced(&mut b, inward).await.dialog;
    b.endpoint.accept_refer(inward, false);
    assert_eq!(a.of(out).await, LegEvent::ReferProgress { status: 603 });
    let unknown = Replaces { to_tag: "nobody".into(), ..early.clone() };
    let invite = thief.invite(&b);
    let mut refused = async |replaces: &Replaces, status| {
        let mut invite = invite.clone();
        invite.headers = CallHeaders { replaces: Some(replaces.clone()), ..CallHeaders::default() };
        let leg = thief.endpoint.invite(invite);
        assert_eq!(thief.ended(leg).await.status, Some(status), "{replaces}");
    };
    refused(&unknown, 481).await;
    refused(&early, 481).await; // it rings at B: only who calls can be handed over then (RFC 3891 section 3)
    b.endpoint.answer(call, ANSWER.into());
    assert_eq!(a.of(ringing).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(b.of(call).await, LegEvent::Confirmed { sdp: None });
    refused(&Replaces { early_only: true, ..early.clone() }, 486).await;
    refused(&early, 403).await;
}

#[tokio::test]
async fn a_ringing_call_is_diverted() {
    for transport in EACH {
        let (mut a, mut b) = both(transport).await;
        let out = a.endpoint.invite(a.invite(&b));
        let call = b.incoming().await.leg;
        b.endpoint.ring(call);
        assert_eq!(a.of(out).await, LegEvent::Ringing);
        b.endpoint.divert(call, "sip:mina@192.0.2.9".parse().unwrap());
        let cause = a.ended(out).await;
        assert_eq!((cause.status, cause.by), (Some(302), EndedBy::Them));
        assert_eq!(cause.diverted_to.unwrap().uri.user(), "mina");
        assert_eq!(b.ended(call).await.status, Some(302));
    }
}

/// B has called A and says so to C, who then takes B's place at A.
#[tokio::test]
async fn who_knows_the_dialog_takes_its_place_if_the_owner_lets_calls_be_replaced() {
    let open =
        EndpointConfig { udp: vec!["127.0.0.1:0".parse().unwrap()], replaceable: true, ..EndpointConfig::default() };
    let (endpoint, events) = Endpoint::bind(open).await.unwrap();
    let mut a = Peer { endpoint, events, transport: Transport::Udp };
    let (mut b, mut c) = both(Transport::Udp).await;
    let (out, at_a) = talk(&mut b, &mut a).await;
    let (to_c, at_c) = talk(&mut b, &mut c).await;
    b.endpoint.refer_replacing(to_c, out, false, None);
    let dialog = replaced(&mut c, at_c).await.dialog;
    let invite = c.invite(&a);
    let call = |c: &Peer, replaces: &Replaces| {
        let headers = CallHeaders { replaces: Some(replaces.clone()), ..CallHeaders::default() };
        c.endpoint.invite(Invite { headers, ..invite.clone() })
    };
    let Replaces { call_id, to_tag, from_tag, .. } = dialog.clone();
    for (guess, status) in [
        (Replaces { from_tag: "guessed".into(), ..dialog.clone() }, 481),
        (Replaces { to_tag: "guessed".into(), ..dialog.clone() }, 481),
        (Replaces { call_id: "guessed".into(), ..dialog.clone() }, 481),
        // The wrong way round: it is no dialog of A's.
        (Replaces { call_id, to_tag: from_tag, from_tag: to_tag, early_only: false }, 481),
        (Replaces { early_only: true, ..dialog.clone() }, 486),
    ] {
        let leg = call(&c, &guess);
        assert_eq!(c.ended(leg).await.status, Some(status), "{guess}");
    }
    let taking = call(&c, &dialog);
    let taken = a.incoming().await;
    assert_eq!(taken.replaces, Some(at_a));
    a.endpoint.answer(taken.leg, ANSWER.into());
    a.endpoint.hang_up(at_a, None);
    assert_eq!(c.of(taking).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(b.ended(out).await.by, EndedBy::Them);
    assert_eq!(a.ended(at_a).await.by, EndedBy::Us);
    // A second one comes too late, and is told that nobody is there to be rung instead.
    let late = call(&c, &dialog);
    assert_eq!(c.ended(late).await.status, Some(603));
}
