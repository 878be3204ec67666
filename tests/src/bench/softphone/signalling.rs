//! How quickly the phone registers, rings, and takes a caller back.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flows::program::{Program, bound_to_us, built};
use media::Codec;
use serde_json::{Value, json};
use tokio::process::Child;

use super::peer::{Message, Peer};
use super::{phones, quantile, row};

const STARTS: usize = 15;
const CALLS: usize = 100;
const TRANSFERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn rows(dir: &Path) -> Result<Vec<Value>> {
    eprintln!("signalling …");
    let [ours, baresip] = starts(dir).await?;
    let met = quantile(&ours, 0.5).is_some_and(|ms| ms <= 15.0);
    let figure = |all: &[f64]| json!({ "median_ms": quantile(all, 0.5), "p95_ms": quantile(all, 0.95) });
    let mut rows =
        vec![row("start to registered", figure(&ours), Value::Null, figure(&baresip), "≤ 15 ms median", met)];
    let rings = rings().await?;
    let (median, p95) = (quantile(&rings, 0.5), quantile(&rings, 0.95));
    let met = median.is_some_and(|ms| ms <= 0.5) && p95.is_some_and(|ms| ms <= 1.5);
    let ours = json!({ "median_ms": median, "p95_ms": p95 });
    let goal = "≤ 0.5 ms median, ≤ 1.5 ms p95";
    rows.push(row("INVITE in → 180 out", ours, Value::Null, Value::Null, goal, met));
    let resumed = transfers().await?;
    let worst = quantile(&resumed, 1.0);
    let ours = json!({ "resumed_ms": { "median": quantile(&resumed, 0.5), "worst": worst } });
    let met = worst.is_some_and(|ms| ms <= 5.0);
    let goal = "hold, REFER, progress shown, caller resumed ≤ 5 ms after the failure";
    rows.push(row("failed blind transfer", ours, Value::Null, Value::Null, goal, met));
    Ok(rows)
}

/// Registers a phone with `peer`, and says how long that took from the start of the process.
pub async fn registered(dir: &Path, peer: &Peer) -> Result<(Program, f64)> {
    let secret = dir.join("secret");
    std::fs::write(&secret, "secret\n")?;
    let mut command = bound_to_us(built("patchcord-phone")?);
    command.args(["--listen", "127.0.0.1:0", "--no-audio-device", "--user", "bench"]);
    command.args(["--registrar", &format!("sip:{}", peer.address()?)]).arg("--password-file").arg(&secret);
    let begun = Instant::now();
    let phone = Program::start("phone", command)?;
    register(peer)?;
    phone.event("registered").await?;
    Ok((phone, begun.elapsed().as_secs_f64() * 1e3))
}

/// The same for baresip, until its registration is answered: it tells nobody that it has understood.
pub fn baresip_registered(dir: &Path, peer: &Peer) -> Result<(Child, f64)> {
    let begun = Instant::now();
    let baresip = phones::baresip_of(dir, peer.address()?)?;
    register(peer)?;
    Ok((baresip, begun.elapsed().as_secs_f64() * 1e3))
}

/// Takes a registration.
fn register(peer: &Peer) -> Result<()> {
    let (_, from, asked) = tokio::task::block_in_place(|| request(peer, "REGISTER"))?;
    accept(peer, from, &asked)
}

/// Takes all registrations, and answers whoever asks whether it is there.
pub fn serve(peer: &Peer, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if let Some((_, from, asked)) = peer.next(left)?
            && asked.status().is_none()
        {
            accept(peer, from, &asked)?;
        }
    }
    Ok(())
}

fn accept(peer: &Peer, from: SocketAddr, asked: &Message) -> Result<()> {
    let contact = asked.header("contact");
    peer.respond(from, asked, "200 OK", &format!("Contact: {contact};expires=3600\r\nExpires: 3600\r\n"), "")
}

/// Ours and baresip's, one after the other.
async fn starts(dir: &Path) -> Result<[Vec<f64>; 2]> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let peer = Peer::new()?;
        let (mut phone, ms) = registered(dir, &peer).await?;
        ours.push(ms);
        phone.kill().await?;
        let (mut baresip, ms) = baresip_registered(dir, &Peer::new()?)?;
        theirs.push(ms);
        baresip.kill().await?;
    }
    Ok([ours, theirs])
}

async fn rings() -> Result<Vec<f64>> {
    let (phone, address) = phones::ours("ringing", &[]).await?;
    let mut all = Vec::new();
    for _ in 0..CALLS {
        let after = tokio::task::block_in_place(|| -> Result<_> {
            let peer = Peer::new()?;
            let dialog = peer.call(address, Codec::Pcmu, false)?;
            dialog.cancel()?;
            dialog.ringing_after.context("it did not ring")
        })?;
        all.push(after.as_secs_f64() * 1e3);
    }
    phone.stop().await?;
    Ok(all)
}

/// From the NOTIFY of the failure to the re-INVITE that takes the caller back.
async fn transfers() -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for _ in 0..TRANSFERS {
        let (mut phone, address) = phones::ours("transferor", &["--auto-answer"]).await?;
        let peer = Peer::new()?;
        let dialog = tokio::task::block_in_place(|| peer.call(address, Codec::Pcmu, true))?;
        phone.event("answered").await?;
        phone.say(&format!("transfer sip:nobody@{}", peer.address()?)).await?;
        let ms = tokio::task::block_in_place(|| -> Result<f64> {
            let held = request(&peer, "INVITE")?;
            if !held.2.body().contains("a=sendonly") {
                bail!("the caller is not held before the transfer");
            }
            dialog.answer_offer(held.1, &held.2)?;
            let refer = request(&peer, "REFER")?;
            peer.respond(refer.1, &refer.2, "202 Accepted", "", "")?;
            dialog.notify(2, "active;expires=60", "SIP/2.0 100 Trying\r\n")?;
            let failed = Instant::now();
            dialog.notify(3, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n")?;
            let (at, from, resume) = request(&peer, "INVITE")?;
            if resume.header("cseq") == held.2.header("cseq") || resume.body().contains("a=sendonly") {
                bail!("the caller is not taken back after the transfer has failed");
            }
            dialog.answer_offer(from, &resume)?;
            Ok((at - failed).as_secs_f64() * 1e3)
        })?;
        all.push(ms);
        tokio::task::block_in_place(|| dialog.bye())?;
        phone.stop().await?;
    }
    Ok(all)
}

/// The next request of `method`; retransmissions of others are passed over.
fn request(peer: &Peer, method: &str) -> Result<(Instant, SocketAddr, Message)> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(next) = peer.next(PATIENCE)?
            && next.2.method() == method
        {
            return Ok(next);
        }
    }
    bail!("no {method} came")
}
