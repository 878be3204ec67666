//! What a live endpoint does with bytes that no honest peer sends, or that arrive twice.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{net::SocketAddr, time::Duration};

use common::{ANSWER, OFFER, Peer, talk};
use sip::{LegEvent, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

/// A peer made of bytes.
struct Raw {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Raw {
    async fn towards(peer: &Peer) -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), to: peer.addr() }
    }

    async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket.send_to(bytes.as_ref(), self.to).await.unwrap();
    }

    async fn receive(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let wait = self.socket.recv(&mut buffer);
        let n = tokio::time::timeout(Duration::from_secs(20), wait).await.expect("a packet in time").unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    fn request(&self, method: &str, branch: &str, extra: &str, body: &str) -> String {
        let at = self.socket.local_addr().unwrap();
        format!(
            "{method} sip:bob@{} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:raw@{at}>;tag=raw\r\nTo: <sip:bob@{}>\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:raw@{at}>\r\n{extra}\r\n{body}",
            self.to, self.to
        )
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    message.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap_or_default()
}

#[tokio::test]
async fn strange_requests_get_the_answer_they_deserve() {
    let peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let table = [
        ("JUGGLE", "", "405"),
        ("MESSAGE", "", "405"),
        ("SUBSCRIBE", "", "405"),
        ("OPTIONS", "", "200"),
        ("OPTIONS", "Content-Length: -1\r\n", "400"),
        ("OPTIONS", "Content-Length: 500\r\n", "400"),
        ("OPTIONS", "CSeq: 2 OPTIONS\r\n", "400"),
        ("BYE", "", "481"),
        ("NOTIFY", "Event: message-summary\r\n", "481"),
        ("NOTIFY", "Event: check-sync\r\n", "489"),
        ("REFER", "Refer-To: <sip:x@y>\r\n", "403"),
        ("INVITE", "Require: 100rel, teleport\r\n", "420"),
        ("CANCEL", "", "481"),
        ("REGISTER", "Contact: *\r\n", "400"),
    ];
    for (at, (method, extra, status)) in table.into_iter().enumerate() {
        raw.send(raw.request(method, &format!("s{at}"), extra, "")).await;
        let answer = raw.receive().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{method} {extra:?}: {answer}");
        if status == "405" {
            assert!(header(&answer, "Allow").contains("INVITE"), "{answer}");
        }
        assert!(header(&answer, "Via").contains(";rport="), "{answer}");
        if method == "INVITE" {
            raw.send(raw.request("ACK", &format!("s{at}"), "", "")).await;
        }
    }
}

#[tokio::test]
async fn a_body_without_length_and_a_latin_1_name_come_through() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let text = raw.request("INVITE", "latin", "Subject: Jo\u{1}o\r\nX-After: there\r\n", OFFER);
    let bytes: Vec<u8> = text.bytes().map(|b| if b == 1 { 0xe3 } else { b }).collect();
    raw.send(bytes).await;
    let call = peer.incoming().await;
    assert_eq!(call.sdp.as_deref(), Some(OFFER));
    assert_eq!(call.headers.subject.as_deref(), Some("João"));
    assert_eq!(call.headers.call_info, [("X-After".to_owned(), "there".to_owned())]);
}

#[tokio::test]
async fn a_repeated_invite_is_one_call_and_the_answer_is_repeated_until_its_ack() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let invite = raw.request("INVITE", "twice", "Content-Type: application/sdp\r\n", OFFER);
    raw.send(&invite).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 100 "));
    let call = peer.incoming().await;
    raw.send(&invite).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 100 "), "the last answer again");
    peer.endpoint.answer(call.leg, ANSWER.into());
    let ok = raw.receive().await;
    assert!(ok.starts_with("SIP/2.0 200 "));
    assert_eq!(raw.receive().await, ok, "no ACK yet: sent again");
    let ack = raw.request("ACK", "ack", "", "").replace("Call-ID: ack", "Call-ID: twice");
    let to = header(&ok, "To").to_owned();
    let ack = ack.replace(&format!("To: <sip:bob@{}>", raw.to), &format!("To: {to}"));
    raw.send(&ack).await;
    assert_eq!(peer.of(call.leg).await, LegEvent::Confirmed { sdp: None });
    raw.send(&ack).await;
    let bye = ack.replace("ACK", "BYE").replace("CSeq: 1", "CSeq: 2").replace("z9hG4bKack", "z9hG4bKbye");
    raw.send(&bye).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 200 "));
    assert!(matches!(peer.of(call.leg).await, LegEvent::Ended { .. }));
    raw.send(&bye).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 200 "), "a repeated BYE gets its answer again");
}

/// Two proxies, or one on two ways, send the same INVITE: it must not ring twice.
#[tokio::test]
async fn an_invite_that_comes_on_two_ways_rings_once() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let invite = raw.request("INVITE", "merged", "Content-Type: application/sdp\r\n", OFFER);
    raw.send(&invite).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 100 "));
    let call = peer.incoming().await;
    raw.send(invite.replace("z9hG4bKmerged", "z9hG4bKother")).await;
    let refused = raw.receive().await;
    assert!(refused.starts_with("SIP/2.0 482 "), "{refused}");
    peer.endpoint.answer(call.leg, ANSWER.into());
    assert!(raw.receive().await.contains(" INVITE"));
}

#[tokio::test]
async fn a_repeated_200_is_acknowledged_again_and_a_fork_is_ended() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let mut invite = peer.invite(&peer);
    invite.to = format!("sip:bob@{}", raw.socket.local_addr().unwrap()).parse().unwrap();
    let out = peer.endpoint.invite(invite);
    let request = raw.receive().await;
    let answer = |tag: &str| {
        let copy = |name| format!("{name}: {}\r\n", header(&request, name));
        format!(
            "SIP/2.0 200 OK\r\n{}{}{}{}To: {};tag={tag}\r\nContact: <sip:bob@{}>\r\nContent-Type: application/sdp\r\n\r\n{ANSWER}",
            copy("Via"),
            copy("From"),
            copy("Call-ID"),
            copy("CSeq"),
            header(&request, "To"),
            raw.socket.local_addr().unwrap()
        )
    };
    raw.send(answer("one")).await;
    assert_eq!(peer.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
    let ack = raw.receive().await;
    assert!(ack.starts_with("ACK "));
    raw.send(answer("one")).await;
    assert_eq!(raw.receive().await, ack);
    raw.send(answer("two")).await;
    let (ack, bye) = (raw.receive().await, raw.receive().await);
    assert!(ack.starts_with("ACK ") && header(&ack, "To").ends_with("tag=two"), "{ack}");
    assert!(bye.starts_with("BYE ") && header(&bye, "To").ends_with("tag=two"), "{bye}");
    peer.endpoint.hang_up(out, None);
    assert!(header(&raw.receive().await, "To").ends_with("tag=one"));
}

#[tokio::test]
async fn a_replayed_answer_to_a_challenge_is_refused_as_stale() {
    let mut exchange = Peer::exchange(Transport::Udp).await;
    let phone = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&exchange).await;
    // A phone that registers with us in between: what it sends is recorded, then played again.
    let mut registration = phone.registration(&exchange, "right");
    registration.registrar = format!("sip:{}", raw.socket.local_addr().unwrap()).parse().unwrap();
    let _ = phone.endpoint.register(registration);
    let first = raw.receive().await;
    raw.send(&first).await;
    let challenge = raw.receive().await;
    assert!(challenge.starts_with("SIP/2.0 401 ") && challenge.contains("SHA-256") && challenge.contains("MD5"));
    let at_phone = phone.addr();
    raw.socket.send_to(challenge.as_bytes(), at_phone).await.unwrap();
    let second = raw.receive().await;
    assert!(header(&second, "Authorization").contains("algorithm=SHA-256"));
    raw.send(&second).await;
    let asked = exchange.register_request().await;
    assert_eq!(asked.auth_user, "ravi-desk");
    exchange.endpoint.accept_register(asked.request, asked.contacts);
    assert!(raw.receive().await.starts_with("SIP/2.0 200 "));
    raw.send(second.replace("branch=z9hG4bK", "branch=z9hG4bKagain")).await;
    let refused = raw.receive().await;
    assert!(refused.starts_with("SIP/2.0 401 ") && refused.contains("stale=true"), "{refused}");
}

#[tokio::test]
async fn garbage_does_not_disturb_a_call() {
    let (mut a, mut b) = common::both(Transport::Udp).await;
    let (out, inward) = talk(&mut a, &mut b).await;
    let raw = Raw::towards(&b).await;
    let good = raw.request("INVITE", "g", "Content-Type: application/sdp\r\n", OFFER).replace("sip:bob", "mailto:");
    let mut seed = 7_u64;
    for round in 0..400 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=(round % 5) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] = (seed >> 13) as u8;
        }
        bytes.truncate(1 + (seed >> 20) as usize % bytes.len());
        raw.send(&bytes).await;
    }
    for bad in ["", "\r\n\r\n", "\0", "SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 999 x\r\nVia: x\r\n\r\n", "INVITE\r\n\r\n"] {
        raw.send(bad).await;
    }
    a.endpoint.offer(out, OFFER.into());
    assert_eq!(b.of(inward).await, LegEvent::Offer { sdp: OFFER.into() });
    b.endpoint.answer_offer(inward, Ok(ANSWER.into()));
    assert_eq!(a.of(out).await, LegEvent::OfferAnswered { sdp: ANSWER.into() });
    talk(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_stream_without_frames_is_closed_and_others_go_on() {
    let (mut a, mut b) = common::both(Transport::Tcp).await;
    let mut stream = TcpStream::connect(b.addr()).await.unwrap();
    stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("closed in time");
    assert!(rest.is_empty());
    talk(&mut a, &mut b).await;
}

/// A raw peer calls and is answered; gives its ACK, for requests within the dialog to be made of.
async fn raw_call(peer: &mut Peer, raw: &Raw, name: &str) -> (sip::LegKey, String) {
    raw.send(raw.request("INVITE", name, "Content-Type: application/sdp\r\n", OFFER)).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 100 "));
    let call = peer.incoming().await.leg;
    peer.endpoint.answer(call, ANSWER.into());
    let ok = raw.receive().await;
    assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
    let to = format!("To: {}", header(&ok, "To"));
    let ack = raw.request("ACK", name, "", "").replace(&format!("To: <sip:bob@{}>", raw.to), &to);
    raw.send(&ack).await;
    assert_eq!(peer.of(call).await, LegEvent::Confirmed { sdp: None });
    (call, ack)
}

/// A request within the dialog of that ACK.
fn within(ack: &str, method: &str, number: u32, body: &str) -> String {
    let text = ack.replace("ACK", method).replace("CSeq: 1", &format!("CSeq: {number}"));
    let branch = format!("z9hG4bKwithin{method}{number}");
    let old = header(&text, "Via").split("branch=").nth(1).unwrap().to_owned();
    let text = text.replace(&format!("branch={old}"), &format!("branch={branch}"));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{}\r\n{kind}\r\n{body}", text.trim_end())
}

#[tokio::test]
async fn a_reinvite_without_an_offer_gets_ours_and_its_answer_comes_with_the_ack() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let (call, ack) = raw_call(&mut peer, &raw, "offerless").await;
    raw.send(within(&ack, "INVITE", 2, "")).await;
    assert_eq!(peer.of(call).await, LegEvent::Offer { sdp: String::new() });
    peer.endpoint.answer_offer(call, Ok(ANSWER.into()));
    let ok = raw.receive().await;
    assert!(ok.starts_with("SIP/2.0 200 ") && ok.ends_with(ANSWER), "what is offered: {ok}");
    assert_eq!(raw.receive().await, ok, "until it is acknowledged");
    raw.send(within(&ack, "ACK", 2, OFFER)).await;
    assert_eq!(peer.of(call).await, LegEvent::OfferAnswered { sdp: OFFER.into() });
    // The session is free for changes again.
    peer.endpoint.offer(call, ANSWER.into());
    assert!(raw.receive().await.starts_with("INVITE "));
}

#[tokio::test]
async fn an_update_changes_the_session_or_only_refreshes_it() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let (call, ack) = raw_call(&mut peer, &raw, "update").await;
    raw.send(within(&ack, "UPDATE", 2, "")).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 200 "), "a refresh of the target");
    raw.send(within(&ack, "UPDATE", 3, OFFER)).await;
    assert_eq!(peer.of(call).await, LegEvent::Offer { sdp: OFFER.into() });
    // A second offer before the first is answered has to wait (RFC 3311 section 5.2).
    raw.send(within(&ack, "UPDATE", 4, OFFER)).await;
    let busy = raw.receive().await;
    assert!(busy.starts_with("SIP/2.0 500 ") && header(&busy, "Retry-After") == "1", "{busy}");
    peer.endpoint.answer_offer(call, Ok(ANSWER.into()));
    let ok = raw.receive().await;
    assert!(ok.starts_with("SIP/2.0 200 ") && ok.ends_with(ANSWER), "{ok}");
    raw.send(within(&ack, "UPDATE", 5, OFFER)).await;
    assert_eq!(peer.of(call).await, LegEvent::Offer { sdp: OFFER.into() });
    peer.endpoint.answer_offer(call, Err(488));
    assert!(raw.receive().await.starts_with("SIP/2.0 488 "));
    // Glare with an offer of ours.
    peer.endpoint.offer(call, OFFER.into());
    assert!(raw.receive().await.starts_with("INVITE "));
    raw.send(within(&ack, "UPDATE", 6, OFFER)).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 491 "));
}

#[tokio::test]
async fn a_request_that_was_overtaken_is_refused() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let (_, ack) = raw_call(&mut peer, &raw, "late").await;
    raw.send(within(&ack, "INFO", 9, "")).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 200 "));
    raw.send(within(&ack, "INFO", 5, "")).await;
    assert!(raw.receive().await.starts_with("SIP/2.0 500 "));
}

#[tokio::test]
async fn keys_in_every_spelling_of_info_are_heard() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let (call, ack) = raw_call(&mut peer, &raw, "keys").await;
    let spellings = [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5')),
        ("application/dtmf-relay", "Duration=1\r\nsignal = d\r\n", Some('D')),
        ("application/dtmf-relay;x=y", "Signal=*", Some('*')),
        ("application/dtmf-relay", "Signal=11", Some('#')),
        ("application/dtmf", "7", Some('7')),
        ("application/dtmf", "10\r\n", Some('*')),
        ("application/dtmf", "16", None),
        ("application/dtmf-relay", "Signal=", None),
        ("application/dtmf-relay", "nothing", None),
        ("Application/DTMF", "0", Some('0')),
    ];
    for (number, (kind, body, digit)) in (2..).zip(spellings) {
        let info = within(&ack, "INFO", number, body).replace("application/sdp", kind);
        raw.send(info).await;
        assert!(raw.receive().await.starts_with("SIP/2.0 200 "), "{body:?}");
        if let Some(digit) = digit {
            assert_eq!(peer.of(call).await, LegEvent::Dtmf { digit }, "{kind} {body:?}");
        }
    }
}

#[tokio::test]
async fn a_refer_that_cannot_be_read_is_refused() {
    let mut peer = Peer::open(Transport::Udp).await;
    let raw = Raw::towards(&peer).await;
    let (call, ack) = raw_call(&mut peer, &raw, "refer").await;
    let bad = [
        "",
        "Refer-To: <mailto:x@y>\r\n",
        "Refer-To: <sip:x@y>\r\nRefer-To: <sip:z@y>\r\n",
        "Refer-To: <sip:x@y?Replaces=>\r\n",
        "Refer-To: <sip:x@y?Replaces=a%3Bto-tag%3D1>\r\n",
        "Refer-To: <sip:x@y?Replaces=a%0d%0a%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n",
    ];
    for (number, extra) in (2..).zip(bad) {
        let text = within(&ack, "REFER", number, "").trim_end().to_owned();
        raw.send(format!("{text}\r\n{extra}\r\n")).await;
        assert!(raw.receive().await.starts_with("SIP/2.0 400 "), "{extra:?}");
    }
    let text = within(&ack, "REFER", 20, "").trim_end().to_owned();
    raw.send(format!("{text}\r\nRefer-To: <sip:x@y?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only>\r\n\r\n"))
        .await;
    let LegEvent::Refer { replaces: Some(replaced), .. } = peer.of(call).await else { panic!("no REFER") };
    assert_eq!((replaced.leg, replaced.dialog.call_id.as_str(), replaced.dialog.early_only), (None, "a@b", true));
}
