//! Two endpoints on loopback, waiting for events.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use sip::{
    CallHeaders, Credentials, EndCause, Endpoint, EndpointConfig, Event, Fingerprint, Incoming, Invite, LegEvent,
    LegKey, NameAddr, Register, Registration, RegistrationState, Secrets, Transport, Trust, Uri,
};
use tokio::sync::mpsc;

pub const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub const ANSWER: &str =
    "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

pub struct Peer {
    pub endpoint: Endpoint,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub transport: Transport,
}

/// Knows ravi; trusts nobody.
pub struct Office;

impl Secrets for Office {
    fn realm(&self) -> String {
        "north \"wind\"".into()
    }
    fn secret(&self, user: &str) -> Option<String> {
        (user == "ravi-desk").then(|| "right".into())
    }
    fn trusted(&self, _: SocketAddr) -> bool {
        false
    }
}

/// A certificate that nobody vouches for, its side of TLS, and its fingerprint.
pub fn certificate(name: &str) -> (Arc<ServerConfig>, Fingerprint) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (Arc::new(config), Fingerprint::of(made.cert.der()))
}

/// What peers that speak TLS show, and trust.
static OURS: LazyLock<(Arc<ServerConfig>, Fingerprint)> = LazyLock::new(|| certificate("office.test"));

impl Peer {
    pub async fn open(transport: Transport) -> Self {
        Self::with(transport, None).await
    }

    pub async fn exchange(transport: Transport) -> Self {
        Self::with(transport, Some(Arc::new(Office))).await
    }

    pub async fn with(transport: Transport, challenge: Option<Arc<dyn Secrets>>) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config = EndpointConfig {
            udp: if transport == Transport::Udp { vec![any] } else { vec![] },
            tcp: if transport == Transport::Tcp { vec![any] } else { vec![] },
            tls: if transport == Transport::Tls { vec![any] } else { vec![] },
            certificate: Some(OURS.0.clone()),
            trust: Trust::Pinned(OURS.1),
            user_agent: "test".into(),
            advertised: None,
            challenge,
            ..EndpointConfig::default()
        };
        let (endpoint, events) = Endpoint::bind(config).await.unwrap();
        Self { endpoint, events, transport }
    }

    pub fn addr(&self) -> SocketAddr {
        self.endpoint.local_addr(self.transport).unwrap()
    }

    pub fn uri(&self, user: &str) -> Uri {
        Uri::at(user, self.addr(), self.transport)
    }

    pub fn invite(&self, to: &Peer) -> Invite {
        Invite {
            to: to.uri("bob"),
            from: NameAddr::new(Some("Alice \"A\" Ågren"), self.uri("alice")),
            to_display: None,
            sdp: OFFER.into(),
            via_flow: None,
            routes: Vec::new(),
            through: None,
            credentials: None,
            headers: CallHeaders::default(),
        }
    }

    pub fn registration(&self, at: &Peer, password: &str) -> Registration {
        Registration {
            registrar: at.uri(""),
            aor: NameAddr::new(None, Uri::at("ravi", at.addr(), Transport::Udp)),
            credentials: Some(Credentials { user: "ravi-desk".into(), password: password.into() }),
            expires: 60,
            outbound_proxy: None,
            instance: None,
            insists: false,
        }
    }

    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(20), self.events.recv())
            .await
            .expect("an event within the time limit")
            .expect("an endpoint that lives")
    }

    pub async fn incoming(&mut self) -> Incoming {
        match self.next().await {
            Event::Incoming(incoming) => *incoming,
            other => panic!("not an incoming call: {other:?}"),
        }
    }

    pub async fn register_request(&mut self) -> Register {
        match self.next().await {
            Event::Register(register) => *register,
            other => panic!("not a REGISTER: {other:?}"),
        }
    }

    pub async fn registration_state(&mut self) -> RegistrationState {
        match self.next().await {
            Event::Registration { state, .. } => state,
            other => panic!("not of a registration: {other:?}"),
        }
    }

    /// The next event, which must be of this leg; 100 apart.
    pub async fn of(&mut self, leg: LegKey) -> LegEvent {
        loop {
            match self.next().await {
                Event::Leg { leg: of, event } if of == leg => match event {
                    LegEvent::Trying => {}
                    event => return event,
                },
                other => panic!("not of {leg:?}: {other:?}"),
            }
        }
    }

    pub async fn ended(&mut self, leg: LegKey) -> EndCause {
        match self.of(leg).await {
            LegEvent::Ended { cause } => cause,
            other => panic!("not the end: {other:?}"),
        }
    }
}

/// A call that has been answered: the caller's leg and the callee's.
pub async fn talk(a: &mut Peer, b: &mut Peer) -> (LegKey, LegKey) {
    let out = a.endpoint.invite(a.invite(b));
    let incoming = b.incoming().await;
    b.endpoint.answer(incoming.leg, ANSWER.into());
    assert_eq!(a.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(b.of(incoming.leg).await, LegEvent::Confirmed { sdp: None });
    (out, incoming.leg)
}

pub async fn both(transport: Transport) -> (Peer, Peer) {
    (Peer::open(transport).await, Peer::open(transport).await)
}
