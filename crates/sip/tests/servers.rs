//! Several servers of one name: the next one is asked when one is silent or cannot serve (RFC 3263).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{ANSWER, Peer};
use sip::{
    Answer, Credentials, EndCause, EndedBy, Endpoint, EndpointConfig, LegEvent, NameAddr, Naptr, Registration,
    RegistrationState, Srv, Transport, Uri, Zone,
};
use tokio::net::UdpSocket;

/// `office.test` is served over UDP at these ports of 127.0.0.1, the first one first.
struct Office(Vec<SocketAddr>);

impl Zone for Office {
    fn naptr<'a>(&'a self, _: &'a str) -> Answer<'a, Naptr> {
        Box::pin(async { vec![] })
    }
    fn srv<'a>(&'a self, name: &'a str) -> Answer<'a, Srv> {
        let record = |(priority, at): (u16, &SocketAddr)| Srv {
            priority,
            weight: 1,
            port: at.port(),
            target: "server.office.test".into(),
        };
        let all = if name == "_sip._udp.office.test" { (1..).zip(&self.0).map(record).collect() } else { vec![] };
        Box::pin(async { all })
    }
    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
        let known = name == "server.office.test";
        Box::pin(async move { known.then(|| IpAddr::from([127, 0, 0, 1])).into_iter().collect() })
    }
}

/// A server that takes every request, counts them, and answers 503 or nothing.
async fn broken(says_so: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 65_536];
        while let Ok((n, from)) = socket.recv_from(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            count.fetch_add(usize::from(!text.starts_with("ACK") && !text.trim().is_empty()), Ordering::Relaxed);
            if says_so && !text.starts_with("ACK") {
                let kept = |l: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|h| l.starts_with(h));
                let kept: Vec<&str> = text.lines().filter(kept).collect();
                let answer = format!("SIP/2.0 503 No\r\n{}\r\nRetry-After: 120\r\n\r\n", kept.join("\r\n"));
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
        }
    });
    (address, asked)
}

async fn phone(servers: Vec<SocketAddr>) -> Peer {
    let config = EndpointConfig {
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        zone: Some(Arc::new(Office(servers))),
        ..EndpointConfig::default()
    };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    Peer { endpoint, events, transport: Transport::Udp }
}

fn account() -> Registration {
    let at: Uri = "sip:office.test".parse().unwrap();
    Registration {
        registrar: at.clone(),
        outbound_proxy: None,
        instance: None,
        insists: false,
        aor: NameAddr::new(None, Uri { user: Some("ravi".into()), ..at }),
        credentials: Some(Credentials { user: "ravi-desk".into(), password: "right".into() }),
        expires: 60,
    }
}

#[tokio::test]
async fn a_registration_and_its_calls_go_to_the_server_that_answers() {
    for says_so in [false, true] {
        let (dead, asked) = broken(says_so).await;
        let mut alive = Peer::exchange(Transport::Udp).await;
        let mut phone = phone(vec![dead, alive.addr()]).await;
        let key = phone.endpoint.register(account());
        let register = alive.register_request().await;
        alive.endpoint.accept_register(register.request, register.contacts);
        assert_eq!(phone.registration_state().await, RegistrationState::Registering);
        assert_eq!(
            phone.registration_state().await,
            RegistrationState::Registered { expires: 60, secure: false },
            "no failure told"
        );
        let before = asked.load(Ordering::Relaxed);
        assert!(before > 0, "it was asked first");

        // The one that is down is remembered, by the account and by whoever calls without one.
        for through in [Some(key), None] {
            let mut invite = phone.invite(&alive);
            invite.to = "sip:200@office.test".parse().unwrap();
            invite.credentials = account().credentials;
            invite.through = through;
            let out = phone.endpoint.invite(invite);
            let call = alive.incoming().await;
            alive.endpoint.answer(call.leg, ANSWER.into());
            assert_eq!(phone.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
            assert_eq!(alive.of(call.leg).await, LegEvent::Confirmed { sdp: None });
            phone.endpoint.hang_up(out, None);
            alive.ended(call.leg).await;
            phone.ended(out).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), before);
    }
}

#[tokio::test]
async fn a_call_goes_to_the_server_that_answers() {
    for says_so in [false, true] {
        let (dead, asked) = broken(says_so).await;
        let mut alive = Peer::open(Transport::Udp).await;
        let mut phone = phone(vec![dead, alive.addr()]).await;
        let mut invite = phone.invite(&alive);
        invite.to = "sip:200@office.test".parse().unwrap();
        let out = phone.endpoint.invite(invite);
        let call = alive.incoming().await;
        assert!(asked.load(Ordering::Relaxed) > 0, "it was asked first");
        alive.endpoint.answer(call.leg, ANSWER.into());
        assert_eq!(phone.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
        assert_eq!(alive.of(call.leg).await, LegEvent::Confirmed { sdp: None });
        phone.endpoint.hang_up(out, None);
        alive.ended(call.leg).await;
    }
}

#[tokio::test]
async fn a_name_without_servers_is_unreachable() {
    let mut phone = phone(vec![]).await;
    let _ = phone.endpoint.register(account());
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert!(matches!(phone.registration_state().await, RegistrationState::Failed { status: 503, .. }));
}

/// The system itself says so, after 3.5 s; without that, a registration fails with 408 after 32 s of silence.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_closed_port_is_known() {
    tokio::join!(asks_a_closed_port("127.0.0.1:0"), asks_a_closed_port("[::1]:0"));
}

#[cfg(target_os = "linux")]
async fn asks_a_closed_port(here: &str) {
    // Connected to itself it hears nobody else: for them the port is closed, and nobody gets it meanwhile.
    let closed = UdpSocket::bind(here).await.unwrap();
    let address = closed.local_addr().unwrap();
    closed.connect(address).await.unwrap();
    let at = Uri::at("", address, Transport::Udp);

    let (mut phone, mut caller) = (peer(here).await, peer(here).await);
    let _ = phone.endpoint.register(Registration { registrar: at.clone(), ..account() });
    let out = caller.endpoint.invite(sip::Invite { to: at, ..caller.invite(&caller) });
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    let failed = phone.registration_state().await;
    assert!(matches!(failed, RegistrationState::Failed { status: 503, .. }), "{here}: {failed:?}");
    assert_eq!(caller.ended(out).await, EndCause::new(EndedBy::Network, Some(503), None), "{here}");
}

#[cfg(target_os = "linux")]
async fn peer(here: &str) -> Peer {
    let config = EndpointConfig { udp: vec![here.parse().unwrap()], ..EndpointConfig::default() };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    Peer { endpoint, events, transport: Transport::Udp }
}
