//! A real `patchcord-exchange` with the sample office, and people who use its API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use protocol::{
    ApiError, AuditEntry, CallId, CallRecord, Change, Delta, FeedMessage, LiveRow, RecordPage, SipAccount, Target,
    TransferAccepted, TransferId, TransferKind, TransferTargets, User,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::program::{PATIENCE, Program, bound_to_us, built};

pub struct Exchange {
    pub program: Program,
    /// `http://127.0.0.1:PORT`
    pub api: String,
    /// SIP over UDP.
    pub sip: SocketAddr,
    pub sip_tcp: SocketAddr,
    passwords: BTreeMap<String, String>,
    config: PathBuf,
    _dir: Option<TempDir>,
}

impl Exchange {
    /// The sample office in a folder of its own; `edit` may change the configuration first.
    pub async fn start(edit: impl FnOnce(&mut toml::Table)) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("patchcord-exchange-").tempdir()?;
        let mut exchange = Self::start_in(dir.path(), edit).await?;
        exchange._dir = Some(dir);
        Ok(exchange)
    }

    /// The same in a given, empty folder.
    pub async fn start_in(dir: &Path, edit: impl FnOnce(&mut toml::Table)) -> Result<Self> {
        let mut init = Command::new(built("patchcord-exchange")?);
        init.args(["init", "--sample", "--loopback", "--dir"]).arg(dir);
        let output = init.output().await?;
        if !output.status.success() {
            bail!("init: {}", String::from_utf8_lossy(&output.stderr));
        }
        let config = dir.join("patchcord.toml");
        let mut table: toml::Table = std::fs::read_to_string(&config)?.parse()?;
        edit(&mut table);
        std::fs::write(&config, table.to_string())?;
        let passwords = serde_json::from_slice(&std::fs::read(dir.join("passwords.json"))?)?;
        let Serving { program, api, sip, sip_tcp } = serve(&config).await?;
        Ok(Self { program, api, sip, sip_tcp, passwords, config, _dir: None })
    }

    pub fn password(&self, user: &str) -> Result<&str> {
        self.passwords.get(user).map(String::as_str).with_context(|| format!("{user} has no password"))
    }

    /// SIP credentials for one more device of `user`.
    pub async fn device(&self, user: &str) -> Result<SipAccount> {
        let output = self.run(&["device", "--user", user, "--name", "simulated"]).await?;
        if !output.status.success() {
            bail!("device: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("device credentials")
    }

    /// Runs another verb of the program on this exchange's configuration.
    pub async fn run(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(built("patchcord-exchange")?);
        Ok(command.args(arguments).arg("--config").arg(&self.config).output().await?)
    }

    /// Signs `user` in to the API.
    pub async fn person(&self, user: &str) -> Result<Person> {
        let http = http();
        let body = json!({ "user": user, "password": self.password(user)?, "device_name": "script" });
        let answer = http.post(format!("{}/v1/session", self.api)).json(&body).send().await?;
        let session: Value = read(answer).await?.map_err(|e| anyhow::anyhow!(e.message))?;
        let token = session["token"].as_str().context("no token")?.to_owned();
        Ok(Person { http, api: self.api.clone(), token })
    }

    /// `HOST:PORT` of the API.
    pub fn api_address(&self) -> String {
        self.api.trim_start_matches("http://").to_owned()
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The recording of the message that `call` left.
    pub fn voicemail(&self, call: &CallId) -> Result<PathBuf> {
        let folder = self.config.parent().context("no folder")?;
        let wanted = format!("{call}.wav");
        let found = find(folder, &wanted)?;
        found.with_context(|| format!("no {wanted} below {}", folder.display()))
    }

    /// Kills the program with SIGKILL, in the middle of whatever it does.
    pub async fn kill(&mut self) -> Result<()> {
        let mut table: toml::Table = std::fs::read_to_string(&self.config)?.parse()?;
        // The next run has the addresses of this one: that is where the phones look for it.
        set(&mut table, "api", "bind", self.api_address().into());
        set(&mut table, "sip", "udp", vec![self.sip.to_string()].into());
        set(&mut table, "sip", "tcp", vec![self.sip_tcp.to_string()].into());
        std::fs::write(&self.config, table.to_string())?;
        self.program.kill().await
    }

    /// Starts it again after [`Self::kill`], on the same addresses and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.program = serve(&self.config).await?.program;
        Ok(())
    }

    pub async fn stop(self) -> Result<()> {
        let status = self.program.stop().await?;
        anyhow::ensure!(status.success(), "the exchange ended with {status}");
        Ok(())
    }
}

fn set(table: &mut toml::Table, section: &str, key: &str, value: toml::Value) {
    if let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut) {
        section.insert(key.to_owned(), value);
    }
}

struct Serving {
    program: Program,
    api: String,
    sip: SocketAddr,
    sip_tcp: SocketAddr,
}

async fn serve(config: &Path) -> Result<Serving> {
    // Where a test limits the length of files, writing more is an error, as on a full disk, and not the end.
    let mut command = bound_to_us("env");
    command.arg("--ignore-signal=XFSZ").arg(built("patchcord-exchange")?).args(["serve", "--config"]).arg(config);
    let program = Program::start("exchange", command)?;
    let ready = program.next("ready", |line| line["ready"] == true).await?;
    let api = ready["api"].as_str().context("no api address")?.to_owned();
    let address = |key: &str| ready[key].as_str().and_then(|a| a.parse().ok()).with_context(|| format!("no {key}"));
    let (sip, sip_tcp) = (address("sip_udp")?, address("sip_tcp")?);
    Ok(Serving { program, api, sip, sip_tcp })
}

fn find(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// A client with the provider of cryptography that everything here uses.
pub fn http() -> reqwest::Client {
    // An error only says that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Somebody who is signed in to the control API.
#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    api: String,
    token: String,
}

/// What the API said: the thing asked for, or a refusal.
pub type Answer<T> = Result<T, ApiError>;

impl Person {
    /// What the requests are signed with.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>> {
        read(self.http.get(format!("{}{path}", self.api)).bearer_auth(&self.token).send().await?).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Answer<T>> {
        read(self.http.post(format!("{}{path}", self.api)).bearer_auth(&self.token).json(body).send().await?).await
    }

    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Answer<T>> {
        read(self.http.put(format!("{}{path}", self.api)).bearer_auth(&self.token).json(body).send().await?).await
    }

    pub async fn live(&self) -> Result<Vec<LiveRow>> {
        self.get("/v1/live").await?.map_err(|e| anyhow::anyhow!(e.message))
    }

    pub async fn targets(&self, call: &CallId) -> Result<TransferTargets> {
        let path = format!("/v1/calls/{call}/transfer-targets");
        self.get(&path).await?.map_err(|e| anyhow::anyhow!(e.message))
    }

    /// Presses Go on the call as it is now.
    pub async fn transfer(&self, call: &CallId, target: Target, note: &str) -> Result<Answer<TransferAccepted>> {
        self.transfer_as(TransferKind::Blind, call, target, note).await
    }

    /// The same for any kind of transfer.
    pub async fn transfer_as(
        &self,
        kind: TransferKind,
        call: &CallId,
        target: Target,
        note: &str,
    ) -> Result<Answer<TransferAccepted>> {
        let row = self.live().await?.into_iter().find(|row| &row.call.id == call);
        let revision = row.map_or(0, |row| row.call.revision);
        let body = json!({ "revision": revision, "target": target, "kind": kind, "note": note });
        self.post(&format!("/v1/calls/{call}/transfer"), &body).await
    }

    /// Cancels, completes or swaps a transfer: `step` is the verb of the API.
    pub async fn step(&self, transfer: &TransferId, step: &str) -> Result<Answer<Value>> {
        self.post(&format!("/v1/transfers/{transfer}/{step}"), &json!({})).await
    }

    pub async fn records(&self) -> Result<Vec<CallRecord>> {
        let page: Answer<RecordPage> = self.get("/v1/calls?after=0&limit=500").await?;
        Ok(page.map_err(|e| anyhow::anyhow!(e.message))?.records)
    }

    /// Opens the feed; see [`Feed`].
    pub async fn feed(&self) -> Result<Feed> {
        let mut request = format!("{}/v1/feed", self.api.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("Authorization", format!("Bearer {}", self.token).parse()?);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Feed { socket })
    }
}

async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> Result<Answer<T>> {
    let status = answer.status();
    let body = answer.bytes().await?;
    if status.is_success() {
        let body = if body.is_empty() { b"null".as_slice() } else { &body };
        return Ok(Ok(serde_json::from_slice(body).with_context(|| String::from_utf8_lossy(body).into_owned())?));
    }
    let error = serde_json::from_slice(&body)
        .with_context(|| format!("{status} without a sentence: {}", String::from_utf8_lossy(&body)))?;
    Ok(Err(error))
}

/// What the exchange tells about the calls as they change.
pub struct Feed {
    socket: tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
}

impl Feed {
    pub async fn message(&mut self) -> Result<FeedMessage> {
        let wait = async {
            loop {
                let frame = self.socket.next().await.context("the feed ended")??;
                if let Message::Text(text) = frame {
                    return Ok(serde_json::from_str(&text)?);
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.context("the feed is silent")?
    }

    /// Waits until a row, from the snapshot or a later change, satisfies `wanted`.
    pub async fn row(&mut self, what: &str, wanted: impl Fn(&LiveRow) -> bool) -> Result<LiveRow> {
        let mut last = Vec::new();
        let wait = async {
            loop {
                let rows = match self.message().await? {
                    FeedMessage::Snapshot(snapshot) => snapshot.live,
                    FeedMessage::Delta(delta) => match delta.change {
                        Change::Call(row) => vec![row],
                        _ => continue,
                    },
                    FeedMessage::Alive { .. } => continue,
                };
                if let Some(found) = rows.iter().find(|row| wanted(row)) {
                    return Ok(found.clone());
                }
                last = rows;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| bail!("no row ever showed {what}; the last: {last:?}"))
    }

    /// Waits until a colleague, from the snapshot or a later change, satisfies `wanted`.
    pub async fn user(&mut self, what: &str, wanted: impl Fn(&User) -> bool) -> Result<User> {
        loop {
            let users = match self.message().await.with_context(|| format!("waiting for {what}"))? {
                FeedMessage::Snapshot(snapshot) => snapshot.directory.users,
                FeedMessage::Delta(Delta { change: Change::User(user), .. }) => vec![user],
                FeedMessage::Delta(_) | FeedMessage::Alive { .. } => continue,
            };
            if let Some(found) = users.into_iter().find(&wanted) {
                return Ok(found);
            }
        }
    }

    /// Waits for the record of a finished call.
    pub async fn record(&mut self, call: &CallId) -> Result<CallRecord> {
        let wait = async {
            loop {
                if let FeedMessage::Delta(delta) = self.message().await?
                    && let Change::Record(record) = delta.change
                    && &record.id == call
                {
                    return Ok(record);
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.context("the call's record never came")?
    }
}

/// The audit lines of a record about transfers, as `(user, outcome)`.
pub fn transfers(audit: &[AuditEntry]) -> Vec<(String, protocol::AuditOutcome)> {
    let of_transfers = audit.iter().filter(|entry| entry.action == protocol::AuditAction::Transfer);
    of_transfers.map(|entry| (entry.user.0.clone(), entry.outcome)).collect()
}
