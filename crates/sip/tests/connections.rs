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
    let (mut exchange, mut phone, cable, invite) = cabled().await;
    let out = exchange.endpoint.invite(invite);
    let inward = phone.incoming().await.leg;
    phone.endpoint.answer(inward, ANSWER.into());
    assert_eq!(exchange.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(phone.of(inward).await, LegEvent::Confirmed { sdp: None });

    cable.cut();
    // Whoever asks meanwhile is answered when it is back.
    exchange.endpoint.probe(out);
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

/// A phone that is registered through a cable, and where the exchange reaches it.
async fn cabled() -> (Peer, Peer, Cable, sip::Invite) {
    let (mut exchange, mut phone) = (Peer::exchange(Transport::Tcp).await, Peer::open(Transport::Tcp).await);
    let cable = Cable::to(exchange.addr()).await;
    let mut registration = phone.registration(&exchange, "right");
    registration.registrar = sip::Uri::at("", cable.address, Transport::Tcp);
    let _ = phone.endpoint.register(registration);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    let asked = exchange.register_request().await;
    let mut invite = exchange.invite(&phone);
    invite.to = asked.contacts[0].uri.clone();
    invite.via_flow = Some(asked.flow);
    exchange.endpoint.accept_register(asked.request, asked.contacts);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 60, secure: false });
    (exchange, phone, cable, invite)
}

#[tokio::test]
async fn how_a_transfer_went_is_told_over_the_next_connection() {
    let (mut exchange, mut phone, cable, invite) = cabled().await;
    let out = exchange.endpoint.invite(invite);
    let inward = phone.incoming().await.leg;
    phone.endpoint.answer(inward, ANSWER.into());
    assert_eq!(exchange.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(phone.of(inward).await, LegEvent::Confirmed { sdp: None });
    phone.endpoint.refer(inward, "sip:mina@127.0.0.1".into(), None);
    assert!(matches!(exchange.of(out).await, LegEvent::Refer { .. }));
    exchange.endpoint.accept_refer(out, true);
    assert_eq!(phone.of(inward).await, LegEvent::ReferProgress { status: 100 });
    cable.cut();
    // Said while there is no way to the phone, in this order.
    exchange.endpoint.notify_refer(out, 200);
    exchange.endpoint.hang_up(out, None);
    assert_eq!(exchange.ended(out).await.by, EndedBy::Us);
    let mut told = Vec::new();
    while told.len() < 2 {
        tokio::select! {
            event = exchange.next() => match event {
                Event::Register(asked) => exchange.endpoint.accept_register(asked.request, asked.contacts),
                other => panic!("{other:?}"),
            },
            event = phone.next() => match event {
                Event::Leg { event: LegEvent::ReferProgress { status }, .. } => told.push(Some(status)),
                Event::Leg { event: LegEvent::Ended { cause }, .. } => {
                    assert_eq!(cause.by, EndedBy::Them);
                    told.push(None);
                }
                Event::Registration { .. } => {}
                other => panic!("{other:?}"),
            },
        }
    }
    assert_eq!(told, [Some(200), None]);
}

#[tokio::test]
async fn a_call_that_rings_when_the_connection_is_cut_stops_ringing_at_both_ends() {
    let (mut exchange, mut phone, cable, invite) = cabled().await;
    let out = exchange.endpoint.invite(invite);
    let inward = phone.incoming().await.leg;
    phone.endpoint.ring(inward);
    assert_eq!(exchange.of(out).await, LegEvent::Ringing);
    cable.cut();
    let cause = exchange.ended(out).await;
    assert_eq!((cause.status, cause.by), (Some(503), EndedBy::Network));
    let cause = loop {
        match phone.next().await {
            Event::Leg { leg, event: LegEvent::Ended { cause } } if leg == inward => break cause,
            Event::Registration { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(cause.by, EndedBy::Network);

    // And a call of the phone's own.
    let (mut a, mut b) = common::both(Transport::Tcp).await;
    let cable = Cable::to(b.addr()).await;
    let mut invite = a.invite(&b);
    invite.to = sip::Uri::at("bob", cable.address, Transport::Tcp);
    let out = a.endpoint.invite(invite);
    let call = b.incoming().await.leg;
    b.endpoint.ring(call);
    assert_eq!(a.of(out).await, LegEvent::Ringing);
    cable.cut();
    assert_eq!((a.ended(out).await.by, b.ended(call).await.by), (EndedBy::Network, EndedBy::Network));
}

/// As Asterisk does for a moment while it starts.
#[tokio::test]
async fn a_registrar_that_swallows_what_comes_while_it_starts_is_asked_again_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut phone = Peer::open(Transport::Tcp).await;
    let mut registration = phone.registration(&phone, "right");
    registration.registrar = sip::Uri::at("", listener.local_addr().unwrap(), Transport::Tcp);
    let _ = phone.endpoint.register(registration);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    // Taken, and never answered. Less than the 32 s of a transaction is what `next` waits.
    let _taken = listener.accept().await.unwrap();
    assert!(matches!(phone.registration_state().await, RegistrationState::Failed { status: 408, .. }));
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
}
