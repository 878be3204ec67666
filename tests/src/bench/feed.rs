//! 50 desks that watch every call of an account: what a change costs to deliver, with few and with many calls.
//!
//! The exchange (API, switchboard, store, feeds) is real and runs in this process around an engine that carries
//! everything out at once; the desks are a process of their own, so that their reading is not counted.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use exchange::config;
use exchange::engine::Engine;
use exchange::serve::{Exchange, SipAddresses, listen};
use exchange::store::Store;
use flows::exchange::http;
use flows::story::now_ms;
use futures::StreamExt;
use futures::future::BoxFuture;
use protocol::{Change, FeedMessage, LegId, Party, Session};
use serde_json::{Value, json};
use switchboard::{EngineEvent, Order, Origin};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::figures::{cpu_ms, spread};

const DESKS: usize = 50;
const CHANGES_PER_SECOND: u32 = 50;
const SECONDS: u32 = 20;
/// Agents of one department.
const TEAM: usize = 10;
const PASSWORD: &str = "correct horse 42";

pub async fn run() -> Result<Value> {
    let (few, many) = (measure(10).await?, measure(1_000).await?);
    let ratio = many["cpu_us_per_delivered_change"].as_f64().zip(few["cpu_us_per_delivered_change"].as_f64());
    Ok(json!({
        "desks": DESKS,
        "changes_per_second": CHANGES_PER_SECOND,
        "calls_10": few,
        "calls_1000": many,
        "cpu_per_change_1000_over_10": ratio.map(|(many, few)| many / few),
    }))
}

async fn measure(calls: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut office = Office::open(dir.path(), calls).await?;
    let tokens = office.sign_in(dir.path()).await?;
    for call in 0..calls {
        office.talk(call).await?;
    }
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("watch").arg(&office.exchange.ready.api).arg(&tokens).kill_on_drop(true);
    let mut desks = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(desks.stdout.take().context("no output")?).lines();
    said.next_line().await?.context("the desks did not get their snapshots")?;
    let me = std::process::id();
    let before = cpu_ms(me)?;
    let changes = SECONDS * CHANGES_PER_SECOND;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / CHANGES_PER_SECOND);
    for n in 0..changes {
        pace.tick().await;
        let (leg, held) = (office.agents[n as usize % calls], (n as usize / calls).is_multiple_of(2));
        office.events.send(EngineEvent::Held { leg, held })?;
    }
    let mut input = desks.stdin.take().context("no input")?;
    input.write_all(format!("{}\n", changes as usize * DESKS).as_bytes()).await?;
    let report: Value = serde_json::from_str(&said.next_line().await?.context("the desks said nothing")?)?;
    let spent = cpu_ms(me)? - before;
    let delivered = report["delivered"].as_f64().context("nothing delivered")?;
    let report = json!({
        "calls": calls,
        "delivered_changes": delivered,
        "cpu_us_per_delivered_change": spent * 1_000.0 / delivered,
        "bytes_per_change": report["bytes"].as_f64().unwrap_or(f64::NAN) / delivered,
        "change_to_desk_ms": report["delay_ms"],
    });
    desks.wait().await?;
    office.exchange.stop().await;
    eprintln!("{calls} calls: {} µs of CPU a delivered change", report["cpu_us_per_delivered_change"]);
    Ok(report)
}

/// The desks: one line when all have their snapshots; then, told how many changes to expect, one line when all came.
pub async fn watch(api: &str, tokens: &Path) -> Result<()> {
    let tokens: Vec<String> = serde_json::from_str(&std::fs::read_to_string(tokens)?)?;
    let (seen, mut news) = mpsc::unbounded_channel();
    for token in &tokens {
        let mut request = format!("{}/v1/feed", api.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("Authorization", format!("Bearer {token}").parse()?);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        tokio::spawn(desk(socket, seen.clone()));
    }
    for _ in &tokens {
        anyhow::ensure!(matches!(news.recv().await, Some(News::Ready)), "a desk got no snapshot");
    }
    println!("ready");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let expected = input.next_line();
    tokio::pin!(expected);
    let (mut wanted, mut bytes, mut delays) = (usize::MAX, 0, Vec::new());
    while delays.len() < wanted {
        tokio::select! {
            line = &mut expected, if wanted == usize::MAX => wanted = line?.context("no number")?.parse()?,
            Some(News::Change { delay_ms, length }) = news.recv() => {
                delays.push(delay_ms);
                bytes += length;
            }
        }
    }
    println!("{}", json!({ "delivered": delays.len(), "bytes": bytes, "delay_ms": spread(delays) }));
    Ok(())
}

enum News {
    Ready,
    /// From the exchange's decision to the parsed change at the desk.
    Change {
        delay_ms: f64,
        length: usize,
    },
}

async fn desk(
    mut socket: tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    seen: mpsc::UnboundedSender<News>,
) {
    while let Some(Ok(frame)) = socket.next().await {
        let Message::Text(text) = frame else { continue };
        let news = match serde_json::from_str(&text) {
            Ok(FeedMessage::Snapshot(_)) => News::Ready,
            Ok(FeedMessage::Delta(delta)) if matches!(delta.change, Change::Call(_)) => {
                News::Change { delay_ms: now_ms() as f64 - delta.at.0 as f64, length: text.len() }
            }
            Ok(FeedMessage::Delta(_) | FeedMessage::Alive { .. }) | Err(_) => continue,
        };
        // The other end is gone only when the measurement is over.
        let _ = seen.send(news);
    }
}

/// Carries everything out at once, and tells whom it rings.
struct Perfect {
    rung: mpsc::UnboundedSender<LegId>,
    events: mpsc::UnboundedSender<EngineEvent>,
}

impl Engine for Perfect {
    fn carry_out(&self, order: Order) {
        // A closed channel means that the measurement is over.
        let _ = match order {
            Order::Ring { leg, .. } => self.rung.send(leg).is_ok(),
            Order::HangUp { leg, reason } => self.events.send(EngineEvent::Ended { leg, reason }).is_ok(),
            _ => true,
        };
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Office {
    exchange: Exchange,
    events: mpsc::UnboundedSender<EngineEvent>,
    rung: mpsc::UnboundedReceiver<LegId>,
    /// The agents' legs, by call.
    agents: Vec<LegId>,
}

impl Office {
    async fn open(dir: &Path, calls: usize) -> Result<Self> {
        let teams = calls.div_ceil(TEAM).max(1) * 2;
        let config = config::parse(&dir.join("patchcord.toml"), &text(teams)?)?;
        let (events, inbox) = mpsc::unbounded_channel();
        let (said, rung) = mpsc::unbounded_channel();
        let engine = Arc::new(Perfect { rung: said, events: events.clone() });
        let (listener, store) = (listen(&config)?, Store::open(&config.data)?);
        let exchange = Exchange::assemble(config, store, engine, inbox, listener, SipAddresses::default()).await?;
        for agent in 0..teams * TEAM {
            let (user, device) = (format!("u{agent}").as_str().into(), format!("d{agent}").as_str().into());
            events.send(EngineEvent::DeviceRegistered { user, device })?;
        }
        Ok(Self { exchange, events, rung, agents: Vec::new() })
    }

    /// Signs the desks' users in; where their tokens are.
    async fn sign_in(&self, dir: &Path) -> Result<std::path::PathBuf> {
        let (client, mut tokens) = (http(), Vec::new());
        for desk in 0..DESKS {
            let body = json!({ "user": format!("boss{desk}"), "password": PASSWORD, "device_name": "bench" });
            let url = format!("{}/v1/session", self.exchange.ready.api);
            let session: Session = client.post(url).json(&body).send().await?.error_for_status()?.json().await?;
            tokens.push(session.token);
        }
        let file = dir.join("tokens.json");
        std::fs::write(&file, serde_json::to_string(&tokens)?)?;
        Ok(file)
    }

    /// One more call, answered.
    async fn talk(&mut self, n: usize) -> Result<()> {
        let caller = Party { name: "Priya Nair".into(), number: format!("+4420{n:08}") };
        let (leg, dialled) = (LegId(n as u64 * 2 + 1), number(n / TEAM));
        self.events.send(EngineEvent::Arrived { leg, origin: Origin::Trunk, caller, dialled })?;
        let agent = self.rung.recv().await.context("nobody was rung")?;
        self.events.send(EngineEvent::Answered { leg: agent })?;
        self.agents.push(agent);
        Ok(())
    }
}

fn number(team: usize) -> String {
    format!("+44207{team:07}")
}

fn text(teams: usize) -> Result<String> {
    let hash = config::hash_password(PASSWORD)?;
    let mut text = String::from(
        "[account]\nname = \"Bench\"\n[api]\nbind = \"127.0.0.1:0\"\n[sip]\nudp = [\"127.0.0.1:0\"]\n[rtp]\n\
         bind = \"127.0.0.1\"\nports = [0, 0]\n[data]\ndir = \"data\"\n",
    );
    let mut user = HashMap::new();
    for desk in 0..DESKS {
        user.insert(format!("boss{desk}"), ("administrator", String::new(), 10_000 + desk));
    }
    for team in 0..teams {
        text += &format!(
            "[[department]]\nid = \"t{team}\"\nname = \"Team {team}\"\nextension = \"{}\"\nnumbers = [\"{}\"]\n\
             strategy = \"longest idle\"\n",
            50_000 + team,
            number(team)
        );
        for agent in team * TEAM..(team + 1) * TEAM {
            user.insert(format!("u{agent}"), ("agent", format!("\"t{team}\""), 20_000 + agent));
        }
    }
    for (id, (role, departments, extension)) in user {
        text += &format!(
            "[[user]]\nid = \"{id}\"\nname = \"{id}\"\nrole = \"{role}\"\nextension = \"{extension}\"\n\
             departments = [{departments}]\npassword_hash = \"{hash}\"\n"
        );
    }
    Ok(text)
}
