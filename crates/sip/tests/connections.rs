//! TCP connections that are cut in mid-call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::net::SocketAddr;

use common::{ANSWER, OFFER, Peer, talk};
use sip::{EndedBy, Event, LegEvent, RegistrationState, Transport};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Carries connections to somebody until they are cut.
struct Cable {
    address: SocketAddr,
    cut: tokio::sync::watch::Sender<CancellationToken>,
}

impl Cable {
    async fn to(there: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, token) = tokio::sync::watch::channel(CancellationToken::new());
        tokio::spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                let token = token.borrow().clone();
                carried.spawn(async move {
                    let mut there = TcpStream::connect(there).await.unwrap();
                    token.run_until_cancelled(copy_bidirectional(&mut here, &mut there)).await;
                });
            }
        });
        Self { address, cut }
    }

    /// Cuts every connection; new ones are carried again.
    fn cut(&self) {
        self.cut.send_replace(CancellationToken::new()).cancel();
    }
}

/// Accepts what is asked until the phone is registered (again).
async fn registered(phone: &mut Peer, exchange: &mut Peer) {
    loop {
        tokio::select! {
            event = phone.next() => match event {
                Event::Registration { state: RegistrationState::Registered { .. }, .. } => return,
                Event::Registration { .. } => {}
                other => panic!("{other:?}"),
            },
            event = exchange.next() => match event {
                Event::Register(asked) => exchange.endpoint.accept_register(asked.request, asked.contacts),
                other => panic!("{other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn a_call_goes_on_over_the_connection_of_the_next_registration() {
    let (mut exchange, mut phone) = (Peer::exchange(Transport::Tcp).await, Peer::open(Transport::Tcp).await);
    let cable = Cable::to(exchange.addr()).await;
    let mut registration = phone.registration(&exchange, "right");
    registration.registrar = sip::Uri::at("", cable.address, Transport::Tcp);
    let _ = phone.endpoint.register(registration);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    let asked = exchange.register_request().await;
    let (flow, contact) = (asked.flow, asked.contacts[0].uri.clone());
    exchange.endpoint.accept_register(asked.request, asked.contacts);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 60 });
    let mut invite = exchange.invite(&phone);
    invite.to = contact;
    invite.via_flow = Some(flow);
    let out = exchange.endpoint.invite(invite);
    let inward = phone.incoming().await.leg;
    phone.endpoint.answer(inward, ANSWER.into());
    assert_eq!(exchange.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(phone.of(inward).await, LegEvent::Confirmed { sdp: None });

    cable.cut();
    registered(&mut phone, &mut exchange).await;
    // Both ways, over the new connection.
    exchange.endpoint.offer(out, OFFER.into());
    assert_eq!(phone.of(inward).await, LegEvent::Offer { sdp: OFFER.into() });
    phone.endpoint.answer_offer(inward, Ok(ANSWER.into()));
    assert_eq!(exchange.of(out).await, LegEvent::OfferAnswered { sdp: ANSWER.into() });
    phone.endpoint.info_dtmf(inward, '7');
    assert_eq!(exchange.of(out).await, LegEvent::Dtmf { digit: '7' });

    // Cut again; now the phone speaks first, on its own connection.
    cable.cut();
    phone.endpoint.hang_up(inward, None);
    let cause = loop {
        tokio::select! {
            event = exchange.next() => match event {
                Event::Register(asked) => exchange.endpoint.accept_register(asked.request, asked.contacts),
                Event::Leg { leg, event: LegEvent::Ended { cause } } if leg == out => break cause,
                other => panic!("{other:?}"),
            },
            _ = phone.next() => {}
        }
    };
    assert_eq!(cause.by, EndedBy::Them);
}

#[tokio::test]
async fn a_request_that_was_under_way_when_the_connection_was_cut_is_sent_again() {
    let (mut a, mut b) = common::both(Transport::Tcp).await;
    let cable = Cable::to(b.addr()).await;
    let mut invite = a.invite(&b);
    invite.to = sip::Uri::at("bob", cable.address, Transport::Tcp);
    let out = a.endpoint.invite(invite);
    let call = b.incoming().await.leg;
    b.endpoint.answer(call, ANSWER.into());
    assert_eq!(a.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(b.of(call).await, LegEvent::Confirmed { sdp: None });
    // The offer arrives and waits for its answer when the connection goes: it comes again over another.
    a.endpoint.offer(out, OFFER.into());
    assert_eq!(b.of(call).await, LegEvent::Offer { sdp: OFFER.into() });
    cable.cut();
    assert_eq!(a.of(out).await, LegEvent::OfferFailed { status: 500 }, "theirs is still pending there");
    a.endpoint.hang_up(out, None);
    assert_eq!(a.ended(out).await.by, EndedBy::Us);
    assert_eq!(b.ended(call).await.by, EndedBy::Them);
    talk(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_probe_of_a_far_end_that_is_gone_ends_the_call_at_once() {
    let (mut a, mut b) = common::both(Transport::Tcp).await;
    let cable = Cable::to(b.addr()).await;
    let mut invite = a.invite(&b);
    invite.to = sip::Uri::at("bob", cable.address, Transport::Tcp);
    let out = a.endpoint.invite(invite);
    let call = b.incoming().await.leg;
    b.endpoint.answer(call, ANSWER.into());
    assert_eq!(a.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(b.of(call).await, LegEvent::Confirmed { sdp: None });
    // The callee has only the connection that came in.
    cable.cut();
    b.endpoint.probe(call);
    let cause = b.ended(call).await;
    assert!(matches!(cause.status, Some(408 | 503)) && cause.by == EndedBy::Network, "{cause:?}");
}
