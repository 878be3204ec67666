//! Whom a phone believes over TLS, and who may keep a connection open.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::net::SocketAddr;

use common::{ANSWER, OFFER, Office, Peer, certificate};
use sip::{
    ConnectError, ContactBinding, EndedBy, Endpoint, EndpointConfig, Event, LegEvent, Names, RegistrationState, Trace,
    Transport, Trust,
};
use tokio::{io::AsyncReadExt, net::UdpSocket, sync::mpsc};

/// An exchange whose certificate nobody knows.
async fn stranger() -> (Peer, sip::Fingerprint) {
    let (certificate, fingerprint) = certificate("stranger.test");
    let config = EndpointConfig {
        tls: vec!["127.0.0.1:0".parse().unwrap()],
        certificate: Some(certificate),
        challenge: Some(std::sync::Arc::new(Office)),
        ..EndpointConfig::default()
    };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    (Peer { endpoint, events, transport: Transport::Tls }, fingerprint)
}

/// A phone that listens nowhere.
async fn phone(trust: Trust) -> Peer {
    let (endpoint, events) = Endpoint::bind(EndpointConfig { trust, ..EndpointConfig::default() }).await.unwrap();
    Peer { endpoint, events, transport: Transport::Tls }
}

async fn refusal(exchange: &Peer, trust: Trust) -> ConnectError {
    let mut phone = phone(trust).await;
    let _ = phone.endpoint.register(phone.registration(exchange, "right"));
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    match phone.registration_state().await {
        RegistrationState::Failed { status: 503, retry_in_seconds: Some(_), why: Some(why) } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_named_by_its_fingerprint() {
    let (exchange, fingerprint) = stranger().await;
    let why = refusal(&exchange, Trust::System).await;
    assert!(matches!(why, ConnectError::UnknownCertificate { .. }), "{why:?}");
    assert_eq!(why.fingerprint(), Some(fingerprint.to_string().as_str()));
    assert!(why.to_string().ends_with("confirms its fingerprint"), "{why}");
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused() {
    let ((exchange, fingerprint), (_, pinned)) = (stranger().await, certificate("stranger.test"));
    let why = refusal(&exchange, Trust::Pinned(pinned)).await;
    assert!(matches!(why, ConnectError::OtherCertificate { .. }), "{why:?}");
    assert_eq!(why.fingerprint(), Some(fingerprint.to_string().as_str()));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_apart_from_none_at_all() {
    let mut plain = Peer::open(Transport::Tcp).await;
    let listens = plain.addr();
    plain.transport = Transport::Tls;
    let mut phone = phone(Trust::System).await;
    let mut registration = phone.registration(&stranger().await.0, "right");
    registration.registrar = sip::Uri::at("", listens, Transport::Tls);
    let _ = phone.endpoint.register(registration.clone());
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    let RegistrationState::Failed { why: Some(ConnectError::Handshake { .. } | ConnectError::Connect { .. }), .. } =
        phone.registration_state().await
    else {
        panic!("not told")
    };
    plain.endpoint.shut_down().await;
    let nobody = refusal_of(&mut phone).await;
    assert!(matches!(nobody, ConnectError::Connect { .. }), "{nobody:?}");
}

async fn refusal_of(phone: &mut Peer) -> ConnectError {
    loop {
        if let RegistrationState::Failed { why: Some(why @ ConnectError::Connect { .. }), .. } =
            phone.registration_state().await
        {
            return why;
        }
    }
}

/// Neither at once, nor when it is tried again, nor for a call.
#[tokio::test]
async fn whose_certificate_is_not_believed_is_not_spoken_to_in_the_clear() {
    let (exchange, _) = stranger().await;
    let plain = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tls = exchange.endpoint.local_addr(Transport::Tls).unwrap().port();
    let udp = plain.local_addr().unwrap().port();
    let names: Names = format!(
        "naptr office.test 1 1 SIPS+D2T tls; naptr office.test 2 1 SIP+D2U udp; srv tls 1 1 {tls} server; srv udp 1 1 {udp} \
         server; host server 127.0.0.1"
    )
    .parse()
    .unwrap();
    let config = EndpointConfig {
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        zone: Some(std::sync::Arc::new(names)),
        ..EndpointConfig::default()
    };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    let mut phone = Peer { endpoint, events, transport: Transport::Udp };
    let mut invite = phone.invite(&exchange);
    invite.to = "sip:bob@office.test".parse().unwrap();
    let mut registration = phone.registration(&exchange, "right");
    registration.registrar = "sip:office.test".parse().unwrap();
    let key = phone.endpoint.register(registration);
    for _ in 0..3 {
        while !matches!(phone.registration_state().await, RegistrationState::Failed { status: 503, .. }) {}
    }
    for through in [None, Some(key)] {
        let out = phone.endpoint.invite(sip::Invite { through, ..invite.clone() });
        while !matches!(phone.next().await, Event::Leg { leg, event: LegEvent::Ended { .. } } if leg == out) {}
    }
    assert!(plain.try_recv(&mut [0; 9]).is_err(), "something was sent in the clear");
}

/// The phone listens nowhere: what its Contact names is the connection that it keeps (RFC 5626, RFC 5923).
#[tokio::test]
async fn calls_come_over_the_connection_that_the_phone_keeps() {
    let (mut exchange, fingerprint) = stranger().await;
    let mut phone = phone(Trust::Pinned(fingerprint)).await;
    let _ = phone.endpoint.register(phone.registration(&exchange, "right"));
    let asked = exchange.register_request().await;
    let contact = asked.contacts[0].uri.clone();
    assert_eq!(contact.transport(), Transport::Tls);
    let named = SocketAddr::new("127.0.0.1".parse().unwrap(), contact.port.unwrap());
    assert_eq!(named, asked.flow.remote, "the Contact is our end of the connection");
    let granted = asked
        .contacts
        .iter()
        .map(|c| ContactBinding { uri: c.uri.clone(), instance: c.instance.clone(), expires: 60 })
        .collect();
    exchange.endpoint.accept_register(asked.request, granted);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 60, secure: true });

    // Whatever better way there may be: one that works is kept, and nobody hears of the change but by a question.
    phone.endpoint.network_changed();
    assert!(matches!(phone.next().await, Event::NetworkChanged));

    let mut invite = exchange.invite(&exchange);
    invite.to = contact;
    invite.via_flow = Some(asked.flow);
    let out = exchange.endpoint.invite(invite);
    let call = phone.incoming().await;
    assert_eq!(call.source.transport, Transport::Tls);
    phone.endpoint.answer(call.leg, ANSWER.into());
    assert_eq!(exchange.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(phone.of(call.leg).await, LegEvent::Confirmed { sdp: None });
}

/// Wherever their server turned out to be, or moves to.
#[tokio::test]
async fn keys_to_the_sound_never_go_where_they_can_be_read() {
    let (mut alice, mut bob) = common::both(Transport::Udp).await;
    let mut invite = alice.invite(&bob);
    invite.sdp = format!("{OFFER}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n");
    let out = alice.endpoint.invite(invite);
    let cause = alice.ended(out).await;
    assert_eq!((cause.by, cause.status), (EndedBy::Network, Some(503)));
    let _ = alice.endpoint.invite(alice.invite(&bob));
    assert_eq!(bob.incoming().await.sdp.as_deref(), Some(OFFER), "the first that was heard");
}

/// Not even who knows its tags: a new offer could ask for keys in the open.
#[tokio::test]
async fn nobody_brings_a_call_out_of_tls_into_the_open() {
    let (certificate, fingerprint) = certificate("stranger.test");
    let (heard, mut seen) = mpsc::unbounded_channel();
    let config = EndpointConfig {
        tls: vec!["127.0.0.1:0".parse().unwrap()],
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        certificate: Some(certificate),
        trace: Some(Trace::new(move |_, message| drop(heard.send(message.to_owned())))),
        ..EndpointConfig::default()
    };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    let mut far = Peer { endpoint, events, transport: Transport::Tls };
    let mut phone = phone(Trust::Pinned(fingerprint)).await;
    let mut invite = far.invite(&far);
    invite.to = far.uri("far");
    let out = phone.endpoint.invite(invite);
    let call = far.incoming().await.leg;
    far.endpoint.answer(call, ANSWER.into());
    assert_eq!(phone.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(far.of(call).await, LegEvent::Confirmed { sdp: None });

    let ack = loop {
        let message = seen.recv().await.unwrap();
        if message.starts_with("ACK") {
            break message;
        }
    };
    let line = |name: &str| ack.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let (from, to, id) = (line("From:"), line("To:"), line("Call-ID:"));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = format!(
        "INVITE sip:far@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bKopen\r\n{from}\r\n{to}\r\n{id}\r\n\
         CSeq: 4000 INVITE\r\nContact: <sip:phone@127.0.0.1>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{OFFER}",
        socket.local_addr().unwrap(),
        OFFER.len()
    );
    socket.send_to(request.as_bytes(), far.endpoint.local_addr(Transport::Udp).unwrap()).await.unwrap();
    let mut answer = [0; 2048];
    let n = socket.recv(&mut answer).await.unwrap();
    assert!(answer[..n].starts_with(b"SIP/2.0 403"), "{}", String::from_utf8_lossy(&answer[..n]));

    phone.endpoint.offer(out, OFFER.into());
    assert_eq!(far.of(call).await, LegEvent::Offer { sdp: OFFER.into() }, "over TLS it goes on");
}

/// Whoever connects and never shakes hands is shown the door.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_ended() {
    let (exchange, _) = stranger().await;
    let mut half_open = tokio::net::TcpStream::connect(exchange.addr()).await.unwrap();
    assert_eq!(half_open.read(&mut [0; 16]).await.unwrap(), 0, "closed");
}

#[tokio::test]
async fn tls_without_a_certificate_is_refused_at_the_start() {
    let config = EndpointConfig { tls: vec!["127.0.0.1:0".parse().unwrap()], ..EndpointConfig::default() };
    assert!(matches!(Endpoint::bind(config).await, Err(sip::Error::NoCertificate)));
}
