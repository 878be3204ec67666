//! Go → INVITE: from the request that a desk sends to the INVITE at the target's phone, beside a bare request to the
//! same API in the same run.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use flows::office::{Office, SUPPORT};
use protocol::{CallState, Target};
use serde_json::{Value, json};

use crate::figures::spread;

const TRANSFERS: usize = 100;

pub async fn run() -> Result<Value> {
    let office = Office::open().await?;
    let names = ["ravi", "mina"];
    let phones =
        [office.colleague(names[0], &["--auto-answer"]).await?, office.colleague(names[1], &["--auto-answer"]).await?];
    let maya = office.exchange.person("maya").await?;
    let mut feed = maya.feed().await?;
    let mut priya = office.outsider("priya", "Priya Nair", "+919812345678").await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    let talks = |user: &'static str| move |row: &protocol::LiveRow| matches!(&row.call.state, CallState::Talking { with } if with.id.as_str() == user);
    let any = |row: &protocol::LiveRow| matches!(row.call.state, CallState::Talking { .. });
    let first = feed.row("somebody talking", any).await?;
    let CallState::Talking { with } = &first.call.state else { bail!("{:?}", first.call.state) };
    let mut holder = names.iter().position(|n| with.id.as_str() == *n).context("somebody else")?;
    let call = first.call.id.clone();
    let (mut to_ring, mut bare, mut to_talk) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TRANSFERS {
        let target = 1 - holder;
        let revision = maya.live().await?.first().context("no call")?.call.revision;
        let begun = Instant::now();
        maya.live().await?;
        bare.push(begun.elapsed().as_secs_f64() * 1e3);
        let body = json!({ "revision": revision, "target": Target::User(names[target].into()) });
        let begun = Instant::now();
        let answer: flows::exchange::Answer<Value> = maya.post(&format!("/v1/calls/{call}/transfer"), &body).await?;
        answer.map_err(|e| anyhow::anyhow!(e.message))?;
        phones[target].event("incoming").await?;
        to_ring.push(begun.elapsed().as_secs_f64() * 1e3);
        feed.row("the target talking", talks(names[target])).await?;
        to_talk.push(begun.elapsed().as_secs_f64() * 1e3);
        holder = target;
    }
    let ratio = |a: &Value, b: &Value| a["median"].as_f64().zip(b["median"].as_f64()).map(|(a, b)| a / b);
    let (ring, bare, talk) = (spread(to_ring), spread(bare), spread(to_talk));
    let report = json!({
        "go_to_invite_ms": ring,
        "bare_request_ms": bare,
        "go_to_talking_shown_ms": talk,
        "go_to_invite_over_bare_request": ratio(&ring, &bare),
    });
    office.exchange.stop().await?;
    Ok(report)
}
