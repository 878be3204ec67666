//! Mutated SIP messages on the wire, as many as wanted, the same for the same seed: at the exchange and at a phone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, UdpSocket};

use crate::office::{Office, SUPPORT, TRUNK};
use crate::phone::Phone;
use crate::program::{PATIENCE, Program};
use crate::sound::repository;

/// Messages between two signs of life, few enough to fit into a socket's buffer.
const BATCH: u64 = 100;
/// Batches from one address, so that none is ignored for sending too much.
const BATCHES_OF_ONE: u64 = 4;
/// How much more memory a program may use afterwards.
const MAY_GROW_KB: u64 = 2048;
/// How long after the flood the last transactions, and the calls that it made, may take to end: those wait for an agent
/// and then leave a message.
const SETTLES: Duration = Duration::from_secs(180);

/// Sends `messages`, three quarters of them at the exchange and the rest at a phone that is registered there, and makes
/// a call right after that. `measured`: also waits until both have put everything away, and compares their memory.
pub async fn run(messages: u64, seed: u64, measured: bool) -> Result<Value> {
    let office = Office::open().await?;
    let mut ravi = office.colleague("ravi", &[]).await?;
    call(&office, &mut ravi).await?;
    let mut flood = Flood::new(seed)?;
    let programs = |ravi: &Phone| [resident_kb(&office.exchange.program), resident_kb(&ravi.program)];
    let mut before = vec![];
    if measured {
        // What is allocated once, whatever comes after.
        flood.of(&office, &ravi, messages / 10).await?;
        let (exchange, phone) = (&office.exchange.program, &ravi.program);
        before.extend(<[_; 2]>::from(tokio::try_join!(settled(exchange, None), settled(phone, None))?));
    }
    let begun = std::time::Instant::now();
    flood.of(&office, &ravi, messages).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let aborts = programs(&ravi).iter().filter(|resident| resident.is_err()).count();
    call(&office, &mut ravi).await.context("the call after the flood")?;
    let mut grown = vec![];
    for (program, before) in [&office.exchange.program, &ravi.program].into_iter().zip(before) {
        let after = settled(program, Some(before + MAY_GROW_KB)).await?;
        grown.push(json!({
            "program": program.name(), "resident_kb_before": before, "resident_kb_after": after,
            "growth_kb": after.saturating_sub(before), "goal_kb": MAY_GROW_KB, "met": after <= before + MAY_GROW_KB,
        }));
    }
    ravi.stop().await?;
    office.exchange.stop().await?;
    let per_second = (messages as f64 / seconds).round();
    Ok(json!({
        "case": "flood", "messages": messages, "seed": seed, "seconds": seconds, "messages_per_second": per_second,
        "aborts": aborts, "call_afterwards": true, "memory": grown,
    }))
}

/// Priya calls support, ravi answers, she hangs up.
async fn call(office: &Office, ravi: &mut Phone) -> Result<()> {
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    let hers = |line: &Value| line["event"] == "incoming" && line["caller"]["number"] == "+919812345678";
    let rings = ravi.program.next("her call", hers).await?;
    ravi.say(&format!("answer {}", rings["call"])).await?;
    priya.event("answered").await?;
    priya.say("hangup").await?;
    priya.event("ended").await?;
    priya.stop().await
}

/// Resident memory long after everything should have been put away, or as soon as it is at most `goal`.
async fn settled(program: &Program, goal: Option<u64>) -> Result<u64> {
    let begun = std::time::Instant::now();
    loop {
        let now = resident_kb(program)?;
        if goal.is_some_and(|goal| now <= goal) || begun.elapsed() > SETTLES {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn resident_kb(program: &Program) -> Result<u64> {
    let id = program.id().with_context(|| format!("{} has ended\n{}", program.name(), program.transcript()))?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS: it has ended")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

struct Flood {
    random: StdRng,
    examples: Vec<Vec<u8>>,
    number: u64,
}

impl Flood {
    fn new(seed: u64) -> Result<Self> {
        let mut examples = Vec::new();
        for folder in ["fuzz/corpus/sip_message", "crates/sip/tests/torture"] {
            let mut files: Vec<_> = std::fs::read_dir(repository().join(folder))?.collect::<std::io::Result<_>>()?;
            files.sort_by_key(std::fs::DirEntry::path);
            for file in files {
                examples.push(std::fs::read(file.path())?);
            }
        }
        ensure!(examples.len() > 50, "no examples to mutate");
        Ok(Self { random: StdRng::seed_from_u64(seed), examples, number: 0 })
    }

    async fn of(&mut self, office: &Office, ravi: &Phone, messages: u64) -> Result<()> {
        let (exchange, tcp) = (office.exchange.sip, office.exchange.sip_tcp);
        let mut batch = 0;
        let mut source = self.stranger().await?;
        let trunk = UdpSocket::bind((TRUNK, 0)).await?;
        let asking = UdpSocket::bind((TRUNK, 0)).await?;
        while batch * BATCH < messages {
            batch += 1;
            if batch % BATCHES_OF_ONE == 0 {
                source = self.stranger().await?;
            }
            match batch % 8 {
                0 | 1 => self.datagrams(&source, ravi.listen).await?,
                2 => self.datagrams(&trunk, exchange).await?,
                3 => self.stream(tcp).await?,
                _ => self.datagrams(&source, exchange).await?,
            }
            let to = if batch % 8 < 2 { ravi.listen } else { exchange };
            alive(&asking, to, batch).await.with_context(|| format!("after {} messages", batch * BATCH))?;
        }
        Ok(())
    }

    /// A socket with an address of its own.
    async fn stranger(&mut self) -> Result<UdpSocket> {
        self.number += 1;
        let [_, a, b, c] = u32::try_from(self.number % 0xff_0000).unwrap_or_default().to_be_bytes();
        Ok(UdpSocket::bind((Ipv4Addr::new(127, a | 1, b, c), 0)).await?)
    }

    async fn datagrams(&mut self, from: &UdpSocket, to: SocketAddr) -> Result<()> {
        for _ in 0..BATCH {
            let message = self.message(from.local_addr()?, to);
            from.send_to(&message, to).await?;
        }
        Ok(())
    }

    /// Each connection until the other end has had enough.
    async fn stream(&mut self, to: SocketAddr) -> Result<()> {
        let mut left = BATCH;
        while left > 0 {
            let socket = TcpSocket::new_v4()?;
            self.number += 1;
            let host = u8::try_from(self.number % 200).unwrap_or_default() + 20;
            socket.bind((IpAddr::from([127, 0, 3, host]), 0).into())?;
            let from = socket.connect(to).await;
            // Ignored for a while: the next one comes from another address.
            let Ok(mut stream) = from else { continue };
            let us = stream.local_addr()?;
            for _ in 0..5.min(left) {
                left -= 1;
                let message = self.message(us, to);
                if stream.write_all(&message).await.is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        let mut message = if self.random.random_bool(0.5) { self.plausible(from, to) } else { self.example() };
        for _ in 0..self.random.random_range(0..4) {
            self.mutate(&mut message);
        }
        message.truncate(60_000);
        message
    }

    fn example(&mut self) -> Vec<u8> {
        let at = self.random.random_range(0..self.examples.len());
        self.examples[at].clone()
    }

    /// What an honest peer could have sent.
    fn plausible(&mut self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        const METHODS: [&str; 12] = [
            "INVITE",
            "REGISTER",
            "OPTIONS",
            "ACK",
            "BYE",
            "CANCEL",
            "NOTIFY",
            "REFER",
            "UPDATE",
            "INFO",
            "PRACK",
            "SUBSCRIBE",
        ];
        self.number += 1;
        let n = self.number;
        let method = METHODS[self.random.random_range(0..METHODS.len())];
        // Some messages belong together: the same call, the same transaction.
        let (call, branch) = (n / self.random.random_range(1..5), n / self.random.random_range(1..3));
        let user = if self.random.random_bool(0.02) { SUPPORT } else { "nobody" };
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
                   a=rtpmap:101 telephone-event/8000\r\n";
        let more = match method {
            "REFER" => "Refer-To: <sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\r\n",
            "NOTIFY" | "SUBSCRIBE" => "Event: dialog\r\nSubscription-State: active;expires=60\r\n",
            "REGISTER" => {
                "Expires: 60\r\nAuthorization: Digest username=\"a\", realm=\"patchcord\", nonce=\"1.1.x\", uri=\"sip:x\", response=\"y\"\r\n"
            }
            "INVITE" => "Session-Expires: 1800\r\nSupported: timer, 100rel\r\nContent-Type: application/sdp\r\n",
            _ => "",
        };
        let body = if method == "INVITE" { sdp } else { "" };
        let start = match self.random.random_range(0..8) {
            0 => format!("SIP/2.0 {} Said", self.random.random_range(100..700)),
            _ => format!("{method} sip:{user}@{to} SIP/2.0"),
        };
        let tag = if self.random.random_bool(0.3) { ";tag=theirs" } else { "" };
        format!(
            "{start}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: \"Flood\" <sip:+1555@{from}>;tag={call}\r\nTo: <sip:{user}@{to}>{tag}\r\nCall-ID: {call}@flood\r\n\
             CSeq: {n} {method}\r\nContact: <sip:+1555@{from}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn mutate(&mut self, message: &mut Vec<u8>) {
        const WORDS: [&[u8]; 14] = [
            b"\r\n",
            b"\r\n\r\n",
            b"\0",
            b"\xff\xfe",
            b"%00",
            b"<",
            b">",
            b"\"",
            b";",
            b",",
            b"4294967296",
            b"-1",
            b"Content-Length: 99999\r\n",
            b"sip:[::1]:99999",
        ];
        let random = &mut self.random;
        let at = random.random_range(0..=message.len());
        let end = (at + random.random_range(1..40)).min(message.len());
        match random.random_range(0..6) {
            0 if at < message.len() => message[at] = random.random(),
            1 => drop(message.drain(at..end)),
            2 => {
                let piece = message[at..end].to_vec();
                let times = random.random_range(1..20);
                message.splice(at..at, piece.repeat(times));
            }
            3 => message.truncate(at),
            4 => {
                let other = self.example();
                let from = self.random.random_range(0..=other.len());
                message.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                message.splice(at..at, word.iter().copied());
            }
        }
    }
}

/// Asks until something is answered: all that was sent before has been read then.
async fn alive(from: &UdpSocket, to: SocketAddr, number: u64) -> Result<()> {
    let us = from.local_addr()?;
    let wanted = format!("z9hG4bKalive{number};");
    let options = format!(
        "OPTIONS sip:alive@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch={wanted}rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{us}>;tag=a\r\nTo: <sip:alive@{to}>\r\nCall-ID: alive{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let mut buffer = vec![0; 65_536];
    let asked = async {
        loop {
            from.send_to(options.as_bytes(), to).await?;
            let answer = async {
                loop {
                    let n = from.recv(&mut buffer).await?;
                    if String::from_utf8_lossy(&buffer[..n]).contains(&wanted) {
                        return Ok::<_, std::io::Error>(());
                    }
                }
            };
            // Lost in the flood: asked again.
            if let Ok(answered) = tokio::time::timeout(Duration::from_millis(500), answer).await {
                return answered;
            }
        }
    };
    Ok(tokio::time::timeout(PATIENCE, asked).await.with_context(|| format!("{to} does not answer any more"))??)
}
