//! What connections to the API may do. The time runs by itself when nothing else does.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, pause},
};

use crate::office::{CONFIG, Office};

async fn connect(office: &Office, from: &str) -> TcpStream {
    let api: SocketAddr = office.exchange.ready.api.trim_start_matches("http://").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.connect(api).await.unwrap()
}

/// All that comes until the other end closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // Reset, if something that we sent has not been read.
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

async fn healthy(stream: &mut TcpStream) -> bool {
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    let n = stream.read(&mut buffer).await.unwrap_or(0);
    buffer[..n].starts_with(b"HTTP/1.1 200 ")
}

#[tokio::test]
async fn a_request_that_does_not_come_to_its_end_is_ended() {
    let office = Office::open().await;
    let head = "POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    // What comes, how long the connection lives, and what it is told.
    let table = [("", 10, ""), ("GET / HTT", 10, ""), (head, 30, "too_slow")];
    pause();
    for (bytes, seconds, said) in table {
        let mut stream = connect(&office, "127.0.0.1:0").await;
        let begun = Instant::now();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        assert!((seconds..seconds + 2).contains(&begun.elapsed().as_secs()), "{bytes:?}: {:?}", begun.elapsed());
        assert!(String::from_utf8_lossy(&buffer[..n]).contains(said), "{bytes:?}");
    }
    let mut stream = connect(&office, "127.0.0.1:0").await;
    assert!(healthy(&mut stream).await);
    let begun = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(begun.elapsed() >= Duration::from_secs(59), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_and_another_is_served() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let config = CONFIG.replace("[data]", "[limits]\nconnections = 2\n[data]");
    let office = Office::open_in(dir, &config).await.unwrap();
    let mut kept = [connect(&office, "127.0.0.2:0").await, connect(&office, "127.0.0.2:0").await];
    for stream in &mut kept {
        assert!(healthy(stream).await);
    }
    assert_eq!(rest(&mut connect(&office, "127.0.0.2:0").await).await, "");
    assert!(healthy(&mut connect(&office, "127.0.0.3:0").await).await);
    assert!(healthy(&mut kept[0]).await);
    office.exchange.stop().await;
}
