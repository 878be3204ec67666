//! Phones that ask a STUN server where their sound seems to come from. The server is one thread's work, and says what no
//! loopback would: an address of another network.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use softphone::CallEvent;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

mod common;

use common::{Desk, PATIENCE};

/// 203.0.113.7:40100 as XOR-MAPPED-ADDRESS.
const MAPPED: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xbd, 0xb6, 0xea, 0x12, 0xd5, 0x45];
/// 203.0.113.9:40100, of somebody who was not asked.
const FORGED: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xbd, 0xb6, 0xea, 0x12, 0xd5, 0x4b];
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

type Network = UnboundedReceiver<sip::Event>;

async fn far() -> (sip::Endpoint, Network) {
    let udp = vec!["127.0.0.1:0".parse().unwrap()];
    sip::Endpoint::bind(sip::EndpointConfig { udp, ..sip::EndpointConfig::default() }).await.unwrap()
}

/// A server, and a phone that asks it and waits that long.
async fn desk(limit: Duration) -> (UdpSocket, Desk) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stun = server.local_addr().unwrap().to_string();
    let desk = Desk::with(|config| (config.stun, config.stun_limit) = (Some(stun), limit)).await;
    (server, desk)
}

fn response(request: &[u8], mapped: [u8; 12]) -> Vec<u8> {
    [&[1, 1, 0, 12], &request[4..20], &mapped].concat()
}

async fn asked(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut request = [0; 100];
    let (length, from) = timeout(PATIENCE, server.recv_from(&mut request)).await.expect("not asked").unwrap();
    (request[..length].to_vec(), from)
}

async fn next<T>(network: &mut Network, wanted: impl Fn(sip::Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(network.recv().await.expect("the endpoint stopped")) {
                return found;
            }
        }
    };
    timeout(PATIENCE, search).await.expect("it never came")
}

async fn offered(network: &mut Network) -> String {
    next(network, |event| match event {
        sip::Event::Incoming(invite) => invite.sdp.clone(),
        _ => None,
    })
    .await
}

fn invite(far: &sip::Endpoint, desk: &Desk) -> sip::LegKey {
    far.invite(sip::Invite {
        to: desk.uri().parse().unwrap(),
        from: "<sip:mina@127.0.0.1>".parse().unwrap(),
        to_display: None,
        sdp: SDP.into(),
        via_flow: None,
        routes: Vec::new(),
        through: None,
        credentials: None,
        headers: sip::CallHeaders::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_says_the_address_that_the_asked_server_saw() {
    let ((server, desk), (far, mut network)) = (desk(PATIENCE).await, far().await);
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    desk.phone.call(&format!("sip:mina@{}", far.local_addr(sip::Transport::Udp).unwrap()));
    let (request, from) = asked(&server).await;
    stranger.send_to(&response(&request, FORGED), from).await.unwrap();
    let mut other = request.clone();
    other[19] ^= 1;
    server.send_to(&response(&other, FORGED), from).await.unwrap();
    server.send_to(&response(&request, MAPPED), from).await.unwrap();
    let sdp = offered(&mut network).await;
    assert!(sdp.contains("c=IN IP4 203.0.113.7\r\n") && sdp.contains("m=audio 40100 "), "{sdp}");
    desk.phone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_costs_the_call_nothing_but_a_word() {
    let ((_silent, mut desk), (far, mut network)) = (desk(Duration::from_millis(50)).await, far().await);
    let out = desk.phone.call(&format!("sip:mina@{}", far.local_addr(sip::Transport::Udp).unwrap()));
    let sdp = offered(&mut network).await;
    assert!(sdp.contains("c=IN IP4 127.0.0.1\r\n"), "{sdp}");
    let trouble = |e: &CallEvent| matches!(e, CallEvent::Trouble { sentence } if sentence.contains("STUN"));
    desk.call(out, "word of it", trouble).await;
    desk.phone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_before_the_server_answers_and_is_answered_after() {
    let ((server, mut desk), (far, mut network)) = (desk(PATIENCE).await, far().await);
    invite(&far, &desk);
    let (request, from) = asked(&server).await;
    let call = desk.rung().await.key;
    next(&mut network, |event| matches!(event, sip::Event::Leg { event: sip::LegEvent::Ringing, .. }).then_some(()))
        .await;
    desk.phone.answer(call);
    server.send_to(&response(&request, MAPPED), from).await.unwrap();
    let sdp = next(&mut network, |event| match event {
        sip::Event::Leg { event: sip::LegEvent::Answered { sdp }, .. } => Some(sdp),
        _ => None,
    })
    .await;
    assert!(sdp.contains("c=IN IP4 203.0.113.7\r\n") && sdp.contains("m=audio 40100 "), "{sdp}");
    desk.phone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_given_up_before_the_server_answers_is_never_placed() {
    let ((server, mut desk), (far, mut network)) = (desk(PATIENCE).await, far().await);
    let out = desk.phone.call(&format!("sip:mina@{}", far.local_addr(sip::Transport::Udp).unwrap()));
    asked(&server).await;
    desk.phone.hang_up(out);
    assert_eq!(desk.ended(out).await.cause, "given up");
    desk.phone.stop().await;
    assert!(network.try_recv().is_err());
}
