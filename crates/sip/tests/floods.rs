//! What connections may do, over real sockets in a time that runs by itself when nothing else does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Office, Peer};
use sip::{Endpoint, EndpointConfig, Event, Limits, RegistrationState, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::Instant,
};

fn options(number: u32) -> String {
    format!(
        "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:x@b>\r\nCall-ID: {number}\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn answered(stream: &mut TcpStream, number: u32) {
    stream.write_all(options(number).as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let n = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&buffer[..n]));
}

/// Reads until the peer closes.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
}

/// The seconds that it takes until a connection is closed over which `bytes` were sent.
async fn lives(transport: Transport, bytes: &[u8]) -> u64 {
    let peer = Peer::open(transport).await;
    let mut stream = TcpStream::connect(peer.addr()).await.unwrap();
    let begun = Instant::now();
    stream.write_all(bytes).await.unwrap();
    closed(&mut stream).await;
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_brings_no_whole_message_is_closed() {
    for bytes in [&b""[..], b"\r\n\r\n", b"OPTIONS sip:x SIP/2.0\r\nVia:"] {
        assert_eq!(lives(Transport::Tcp, bytes).await, 20, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(lives(Transport::Tls, b"\x16\x03\x01").await, 5, "a handshake that is not finished");
}

#[tokio::test(start_paused = true)]
async fn a_message_begun_after_a_whole_one_must_end_in_time_and_silence_in_between_is_no_fault() {
    let peer = Peer::open(Transport::Tcp).await;
    let mut stream = TcpStream::connect(peer.addr()).await.unwrap();
    answered(&mut stream, 1).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    answered(&mut stream, 2).await;
    let begun = Instant::now();
    stream.write_all(b"OPTIONS sip:x SIP").await.unwrap();
    closed(&mut stream).await;
    assert_eq!(begun.elapsed().as_secs(), 20);
}

async fn bounded(limits: Limits) -> Peer {
    let any = "127.0.0.1:0".parse().unwrap();
    let challenge = Some(Arc::new(Office) as _);
    let config = EndpointConfig { tcp: vec![any], limits, challenge, ..EndpointConfig::default() };
    let (endpoint, events) = Endpoint::bind(config).await.unwrap();
    Peer { endpoint, events, transport: Transport::Tcp }
}

#[tokio::test(start_paused = true)]
async fn an_address_has_only_so_many_connections_and_another_is_served() {
    let exchange = bounded(Limits { connections: 2, ..Limits::default() }).await;
    let mut first = TcpStream::connect(exchange.addr()).await.unwrap();
    let mut second = TcpStream::connect(exchange.addr()).await.unwrap();
    answered(&mut first, 1).await;
    answered(&mut second, 2).await;
    let begun = Instant::now();
    closed(&mut TcpStream::connect(exchange.addr()).await.unwrap()).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "closed at once");
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    answered(&mut other.connect(exchange.addr()).await.unwrap(), 3).await;
    answered(&mut first, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_nobody_signs_in_is_closed_and_one_of_a_phone_stays() {
    let mut exchange = bounded(Limits::default()).await;
    let mut phone = Peer::open(Transport::Tcp).await;
    let _kept = phone.endpoint.register(phone.registration(&exchange, "right"));
    let asked = exchange.register_request().await;
    exchange.endpoint.accept_register(asked.request, asked.contacts);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 60, secure: false });

    let mut stranger = TcpStream::connect(exchange.addr()).await.unwrap();
    let begun = Instant::now();
    answered(&mut stranger, 1).await;
    closed(&mut stranger).await;
    assert!((60..=90).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    // A refresh over the same connection: it has not been lost.
    let Event::Register(again) = exchange.next().await else { panic!("not a REGISTER") };
    assert_eq!(again.flow, asked.flow);
}

#[tokio::test(start_paused = true)]
async fn a_flood_over_a_connection_ends_it() {
    let exchange = bounded(Limits::default()).await;
    let mut stream = TcpStream::connect(exchange.addr()).await.unwrap();
    let flood = async {
        let (mut reader, mut writer) = stream.split();
        let read = async {
            let mut buffer = vec![0; 65_536];
            while reader.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
        };
        let write = async {
            for number in 1..=10_000 {
                if writer.write_all(options(number).as_bytes()).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! { () = read => {}, () = write => {} }
    };
    tokio::time::timeout(Duration::from_secs(30), flood).await.expect("closed");
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    answered(&mut other.connect(exchange.addr()).await.unwrap(), 1).await;
}
