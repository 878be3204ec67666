//! What the SIP library under the seam does wrong by itself, done right by the seam: one test each, live. Those of the
//! wire (a datagram without Content-Length, header lines that are not UTF-8, wrong lengths, unknown methods) are in
//! `hostile.rs` and `torture.rs`; session timers in `core_tests/sessions.rs`; 423 in `registration.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Peer, talk};
use sha2::{Digest, Sha256};
use sip::{Credentials, Event, NameAddr, Registration, RegistrationState, Transport, Uri};
use tokio::net::UdpSocket;

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    message.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap_or_default()
}

/// A registrar made of bytes, towards which `peer` registers with the password `s3cret`.
struct Registrar {
    socket: UdpSocket,
    peer: SocketAddr,
}

impl Registrar {
    async fn of(peer: &Peer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = Uri::at("", socket.local_addr().unwrap(), Transport::Udp);
        let _ = peer.endpoint.register(Registration {
            aor: NameAddr::new(None, Uri::at("ravi", socket.local_addr().unwrap(), Transport::Udp)),
            credentials: Some(Credentials { user: "ravi".into(), password: "s3cret".into() }),
            registrar: at,
            ..peer.registration(peer, "")
        });
        Self { socket, peer: peer.addr() }
    }

    async fn receive(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let wait = tokio::time::timeout(Duration::from_secs(20), self.socket.recv(&mut buffer));
        let n = wait.await.expect("a packet in time").unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    async fn answer(&self, request: &str, status: &str, more: &str) {
        let copy = |name| format!("{name}: {}\r\n", header(request, name));
        let same = ["Via", "From", "Call-ID", "CSeq"].map(copy).concat();
        let text = format!("SIP/2.0 {status}\r\n{same}To: {};tag=r\r\n{more}\r\n", header(request, "To"));
        self.socket.send_to(text.as_bytes(), self.peer).await.unwrap();
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn field<'a>(authorization: &'a str, name: &str) -> &'a str {
    let rest = authorization.split(&format!(" {name}=")).nth(1).unwrap_or_default();
    rest.trim_start_matches('"').split([',', '"']).next().unwrap_or_default()
}

/// SHA-256 digests failed; `qop="auth,auth-int"` was refused; an escaped quote in a realm broke the challenge.
#[tokio::test]
async fn a_challenge_with_sha_256_several_qops_and_a_quoted_realm_is_answered() {
    let mut peer = Peer::open(Transport::Udp).await;
    let registrar = Registrar::of(&peer).await;
    let first = registrar.receive().await;
    let challenge = "WWW-Authenticate: Digest realm=\"the \\\"big\\\" office, Köln\", nonce=\"n1\", algorithm=SHA-256, \
                     qop=\"auth,auth-int\", opaque=\"o\"\r\n";
    registrar.answer(&first, "401 Unauthorized", challenge).await;
    let second = registrar.receive().await;
    let answer = format!(" {}", header(&second, "Authorization"));
    assert!(answer.contains(r#"realm="the \"big\" office, Köln""#), "{answer}");
    assert_eq!((field(&answer, "algorithm"), field(&answer, "qop")), ("SHA-256", "auth"), "{answer}");
    let a1 = sha256("ravi:the \"big\" office, Köln:s3cret");
    let a2 = sha256(&format!("REGISTER:{}", field(&answer, "uri")));
    let wanted = sha256(&format!("{a1}:n1:{}:{}:auth:{a2}", field(&answer, "nc"), field(&answer, "cnonce")));
    assert_eq!(field(&answer, "response"), wanted);
    registrar.answer(&second, "200 OK", "Expires: 300\r\n").await;
    loop {
        if let Event::Registration { state: RegistrationState::Registered { .. }, .. } =
            peer.events.recv().await.unwrap()
        {
            return;
        }
    }
}

/// `Confirmed` fired again after a NOTIFY.
#[tokio::test]
async fn a_call_is_confirmed_once_whatever_comes_within_it() {
    let (mut a, mut b) = common::both(Transport::Udp).await;
    let (out, inward) = talk(&mut a, &mut b).await;
    a.endpoint.refer(out, "sip:mina@127.0.0.1".into(), None);
    assert!(matches!(b.of(inward).await, sip::LegEvent::Refer { .. }));
    b.endpoint.accept_refer(inward, true);
    b.endpoint.notify_refer(inward, 180);
    b.endpoint.notify_refer(inward, 200);
    a.endpoint.info_dtmf(out, '5');
    assert_eq!(b.of(inward).await, sip::LegEvent::Dtmf { digit: '5' }, "and nothing before it");
    a.endpoint.hang_up(out, None);
    assert!(matches!(b.of(inward).await, sip::LegEvent::Ended { .. }));
}

/// Its INFO records held whole messages with credentials. Here even at TRACE, and without any filter, nothing is said.
#[tokio::test]
async fn no_credential_reaches_the_log() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _while_here = tracing::subscriber::set_default(everything);
    tracing::info!("the log is heard");
    let peer = Peer::open(Transport::Udp).await;
    let registrar = Registrar::of(&peer).await;
    let first = registrar.receive().await;
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n0nce\", qop=\"auth\"\r\n";
    registrar.answer(&first, "401 Unauthorized", challenge).await;
    let second = registrar.receive().await;
    let answer = format!(" {}", header(&second, "Authorization"));
    let secrets = [field(&answer, "response"), field(&answer, "cnonce"), "s3cret", "Authorization:"];
    assert!(secrets.iter().all(|secret| secret.len() > 4), "{answer}");
    registrar.answer(&second, "403 Forbidden", "").await;
    peer.endpoint.clone().shut_down().await;
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("the log is heard"));
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
