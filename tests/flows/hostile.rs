//! What comes from outside may be anything; the next call works all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use flows::office::{Office, SUPPORT, TRUNK};
use flows::program::{PATIENCE, built};
use protocol::ApiError;
use tokio::net::UdpSocket;

/// Sends one datagram from the trunk's address and gives the first line of the answer.
async fn answer_to(socket: &UdpSocket, office: &Office, message: &[u8]) -> Result<String> {
    socket.send_to(message, office.exchange.sip).await?;
    let mut buffer = vec![0; 65_536];
    let (length, _) = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await.context("no answer")??;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn invite(socket: &UdpSocket, office: &Office, call: &str, body: &str) -> Result<String> {
    let (us, them) = (socket.local_addr()?, office.exchange.sip);
    Ok(format!(
        "INVITE sip:{SUPPORT}@{them} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:+1555@{us}>;tag={call}\r\nTo: <sip:{SUPPORT}@{them}>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:+1555@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_sip_and_sdp_get_an_answer_and_the_next_call_works() -> Result<()> {
    let office = Office::open().await?;
    let socket = UdpSocket::bind((TRUNK, 0)).await?;
    for garbage in
        [&b"\0\0\0\0"[..], b"\r\n\r\n", b"INVITE", b"SIP/2.0 200\r\n\r\n", &[0xff; 1400], b"GET / HTTP/1.1\r\n\r\n"]
    {
        socket.send_to(garbage, office.exchange.sip).await?;
    }
    let broken = invite(&socket, &office, "sdp", "v=0\r\nthis is no session\r\n")?;
    let mut status = answer_to(&socket, &office, broken.as_bytes()).await?;
    while status.starts_with("SIP/2.0 1") || status.contains("503") {
        status = answer_to(&socket, &office, b"\r\n\r\n").await?;
    }
    assert!(status.starts_with("SIP/2.0 4"), "{status}");
    let unknown = invite(&socket, &office, "method", "")?.replace("INVITE", "BREW");
    let status = answer_to(&socket, &office, unknown.as_bytes()).await?;
    assert!(status.starts_with("SIP/2.0 405") || status.starts_with("SIP/2.0 501"), "{status}");

    let ravi = office.colleague("ravi", &["--auto-answer"]).await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    priya.say("hangup").await?;
    ravi.event("ended").await?;
    office.exchange.stop().await
}

/// Sends REGISTERs and INVITEs as fast as it can until told to stop; gives how many went out and how many were answered.
fn flood(from: &str, office: &Office, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<(u64, u64)>>> {
    let socket = std::net::UdpSocket::bind((from, 0))?;
    socket.set_nonblocking(true)?;
    let (us, them) = (socket.local_addr()?, office.exchange.sip);
    Ok(std::thread::spawn(move || {
        let (mut sent, mut answered, mut buffer) = (0, 0, [0; 2048]);
        while !stop.load(Ordering::Relaxed) {
            let method = if sent % 2 == 0 { "REGISTER" } else { "INVITE" };
            let message = format!(
                "{method} sip:ravi@{them} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKflood{sent}\r\nMax-Forwards: 70\r\n\
                 From: <sip:ravi@{us}>;tag=f{sent}\r\nTo: <sip:ravi@{them}>\r\nCall-ID: flood{sent}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:ravi@{us}>\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n"
            );
            if socket.send_to(message.as_bytes(), them).is_ok() {
                sent += 1;
            }
            while socket.recv(&mut buffer).is_ok() {
                answered += 1;
            }
        }
        Ok((sent, answered))
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_address_floods_another_registers_and_calls() -> Result<()> {
    let office = Office::open().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let flood = flood("127.0.0.66", &office, stop.clone())?;
    let ravi = office.colleague("ravi", &["--auto-answer"]).await?;
    let mut maya = office.colleague("maya", &[]).await?;
    maya.say(&format!("call sip:103@{}", office.exchange.sip)).await?;
    ravi.event("answered").await?;
    maya.event("answered").await?;
    maya.say("hangup").await?;
    ravi.event("ended").await?;
    stop.store(true, Ordering::Relaxed);
    let (sent, answered) = flood.join().map_err(|_| anyhow::anyhow!("the flood failed"))??;
    assert!(sent > 10_000, "no flood: {sent}");
    assert!(answered < 8_000, "{answered} of {sent} were answered");
    office.exchange.stop().await
}

/// The short version of `cargo xtask bench flood`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_twenty_thousand_mutated_messages_a_call_works() -> Result<()> {
    let report = flows::flood::run(20_000, 20, false).await?;
    assert_eq!(report["call_afterwards"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_json_is_refused_with_its_place() -> Result<()> {
    let office = Office::open().await?;
    let http = flows::exchange::http();
    let post = http.post(format!("{}/v1/session", office.exchange.api)).header("Content-Type", "application/json");
    let answer = post.body("{\"user\": \"maya\",\n \"password\": }").send().await?;
    assert_eq!(answer.status(), 400);
    let error: ApiError = answer.json().await?;
    assert!(error.message.contains("line 2"), "{error:?}");
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_explained_and_never_served() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let exchange = built("patchcord-exchange")?;
    let run = async |arguments: &[&str]| tokio::process::Command::new(&exchange).args(arguments).output().await;
    let folder = dir.path().to_string_lossy().into_owned();
    assert!(run(&["init", "--sample", "--loopback", "--dir", &folder]).await?.status.success());
    let file = dir.path().join("patchcord.toml");
    let config = file.to_string_lossy().into_owned();
    let text = std::fs::read_to_string(&file)?;
    let line = text.lines().position(|line| line.contains("role = \"manager\"")).context("no manager")? + 1;
    std::fs::write(&file, text.replacen("role = \"manager\"", "role = \"boss\"", 1))?;
    for verb in ["check", "serve"] {
        let output = run(&[verb, "--config", &config]).await?;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&format!("patchcord.toml:{line}:")), "{said}");
        assert!(said.contains("use \"administrator\", \"manager\" or \"agent\""), "{said}");
    }
    Ok(())
}
