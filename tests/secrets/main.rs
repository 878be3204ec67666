//! Everything that is secret is used, everything that can be logged is logged, and nothing secret is found in it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use desk::{LinkState, SessionView, SipAccountSettings};
use flows::encrypted::Encrypted;
use flows::office::{Office, SUPPORT, TRUNK, of};
use flows::seat::Seat;
use md5::Digest;
use protocol::{SipAccount, Target};
use tokio::net::UdpSocket;

/// A key for sound, as RFC 4568 writes it.
const SOUND_KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const MISTYPED: &str = "correct-horse-batery";

/// What must be found nowhere, by what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 7, "{what} is too short to be looked for");
        self.0.push((what.to_owned(), secret.to_owned()));
    }

    /// A device's password, and what a digest makes of it first (RFC 7616 section 3.4.2).
    fn add_device(&mut self, account: &SipAccount) {
        self.add("the SIP password", &account.password);
        let a1 = format!("{}:{}:{}", account.auth_user, account.realm, account.password);
        self.add("HA1 (MD5)", &hex(&md5::Md5::digest(&a1)));
        self.add("HA1 (SHA-256)", &hex(&sha2::Sha256::digest(&a1)));
    }

    fn look_for_in(&self, dir: &Path) -> Result<()> {
        let mut read = 0;
        for file in std::fs::read_dir(dir)? {
            let file = file?.path();
            let text = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
            read += text.len();
            for (what, secret) in &self.0 {
                let found = text.lines().find(|line| line.contains(secret.as_str()));
                ensure!(found.is_none(), "{what} is in {}: {}", file.display(), found.unwrap_or_default());
            }
        }
        ensure!(read > 100_000, "only {read} bytes were logged: this test looks at the wrong place");
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The log of this process, and with it of the desk.
#[derive(Clone)]
struct Log(Arc<Mutex<std::fs::File>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log_to(dir: &Path) -> Result<()> {
    flows::program::log_all_to(dir.to_owned());
    let log = Log(Arc::new(Mutex::new(std::fs::File::create(dir.join("desk.log"))?)));
    let filter = tracing_subscriber::EnvFilter::new(desk::log_filter("trace"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || log.clone()).init();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_any_log() -> Result<()> {
    let logs = tempfile::tempdir()?;
    log_to(logs.path())?;
    let mut secrets = Secrets::default();
    signs_in_calls_and_transfers(&mut secrets, logs.path()).await?;
    speaks_over_tls(logs.path()).await?;
    // Keys that nobody can know beforehand, by what stands before them; and answers to challenges.
    secrets.add("a key for sound", "inline:");
    secrets.add("an answer to a challenge", "Digest username=");
    secrets.add("an answer to a challenge", "response=\"");
    secrets.add("a token", "authorization: Bearer ");
    secrets.add("a token", "Authorization: Bearer ");
    secrets.look_for_in(logs.path())
}

async fn signs_in_calls_and_transfers(secrets: &mut Secrets, logs: &Path) -> Result<()> {
    let office = Office::open().await?;
    let password = office.exchange.password("maya")?.to_owned();
    secrets.add("a password", &password);
    secrets.add("a mistyped password", MISTYPED);
    let data = tempfile::tempdir()?;
    let desk = Seat::take(data.path())?;
    desk.desk.sign_in(office.exchange.api.clone(), "maya".into(), MISTYPED.into());
    desk.until("a refusal", |view| matches!(&view.session, SessionView::SignedOut { error: Some(_), .. })).await?;
    desk.sign_in(&office.exchange.api, "maya", &password).await?;
    desk.registered().await?;
    let maya = office.exchange.person("maya").await?;
    secrets.add("a token", maya.token());
    for kept in kept_by(data.path())? {
        secrets.add("what the desk keeps", &kept);
    }

    // An account of another system: that it is ours makes no difference to the desk.
    let plain = office.exchange.device("tom").await?;
    secrets.add_device(&plain);
    let settings = SipAccountSettings {
        address: format!("tom@{}", office.exchange.sip),
        auth_user: plain.auth_user.clone(),
        ..SipAccountSettings::default()
    };
    desk.desk.save_account(settings, plain.password.clone());
    desk.until("the account", |view| view.accounts.list.iter().any(|a| a.state == LinkState::Up)).await?;

    let mut ravi = office.colleague("ravi", &["--auto-answer"]).await?;
    let mut priya = office.priya().await?;
    offers_a_key(office.exchange.sip, SUPPORT).await?;
    offers_a_key(ravi.listen, "ravi").await?;
    secrets.add("a key for sound", SOUND_KEY);
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let mut feed = maya.feed().await?;
    let call = feed.row("the call", of("+919812345678")).await?.call.id;
    maya.transfer(&call, Target::User("maya".into()), "a note").await?.map_err(|e| anyhow::anyhow!(e.message))?;
    desk.answers().await?;
    priya.say("hangup").await?;
    desk.until("the record", |view| !view.logs.rows.is_empty()).await?;
    ravi.say("quit").await?;
    desk.leave().await;
    for file in std::fs::read_dir(office.dir())? {
        let file = file?.path();
        if file.extension().is_some_and(|end| end == "trace") {
            std::fs::copy(&file, logs.join(file.file_name().context("no name")?))?;
        }
    }
    for (what, account) in secrets_of_devices(office.exchange.config())? {
        secrets.add(&format!("the SIP password of {what}"), &account);
    }
    office.exchange.stop().await
}

/// The longer texts of the file in which the desk keeps a sign-in when there is no keyring.
fn kept_by(data: &Path) -> Result<Vec<String>> {
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join("sign-in.json"))?)?;
    let text = kept.to_string();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let long: Vec<String> = words.filter(|word| word.len() >= 24).map(str::to_owned).collect();
    ensure!(!long.is_empty(), "no token is kept: {}", text.len());
    Ok(long)
}

/// The passwords of all devices of an exchange.
fn secrets_of_devices(config: &Path) -> Result<Vec<(String, String)>> {
    let file = config.parent().context("no folder")?.join("data/exchange.db");
    let database = rusqlite::Connection::open(&file).with_context(|| file.display().to_string())?;
    let mut found = database.prepare("SELECT id, secret FROM devices WHERE secret <> ''")?;
    let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
}

/// An INVITE with a key for sound, and what comes back.
async fn offers_a_key(to: std::net::SocketAddr, user: &str) -> Result<()> {
    let socket = UdpSocket::bind((TRUNK, 0)).await?;
    let us = socket.local_addr()?;
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {TRUNK}\r\ns=-\r\nc=IN IP4 {TRUNK}\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SOUND_KEY}\r\n"
    );
    let invite = format!(
        "INVITE sip:{user}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKkey\r\nMax-Forwards: 70\r\n\
         From: <sip:+1555@{us}>;tag=key\r\nTo: <sip:{user}@{to}>\r\nCall-ID: key-{user}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:+1555@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.send_to(invite.as_bytes(), to).await?;
    let answer = tokio::time::timeout(flows::program::PATIENCE, socket.recv(&mut [0; 4096])).await;
    answer.context("no answer to the INVITE with a key")??;
    Ok(())
}

async fn speaks_over_tls(logs: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, tom) = (encrypted.colleague("ravi").await?, encrypted.colleague("tom").await?);
    ravi.say("call tom").await?;
    for phone in [&ravi, &tom] {
        assert_eq!(phone.event("security").await?["security"], "pinned");
    }
    ravi.say("hangup").await?;
    tom.event("ended").await?;
    std::fs::copy(ravi.trace.as_deref().context("no trace")?, logs.join("tls.trace"))?;
    encrypted.office.exchange.stop().await
}
