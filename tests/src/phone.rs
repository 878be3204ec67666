//! A `patchcord-phone` process: a simulated colleague, or a caller from outside.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use protocol::SipAccount;
use serde_json::Value;

use crate::program::{PATIENCE, Program, bound_to_us, built};
use crate::sound::{Heard, Library, Recognised};
use crate::story::now_ms;

/// How a phone is started.
#[derive(Default, Clone)]
pub struct PhoneSpec {
    pub name: String,
    /// Address without port; a free port is taken. `127.0.0.1` unless told.
    pub host: Option<String>,
    /// `wav`, `tone` or `silence`.
    pub play: Option<String>,
    pub record: Option<PathBuf>,
    /// Where the SIP messages go; see [`crate::golden`].
    pub trace: Option<PathBuf>,
    pub account: Option<(SipAccount, SocketAddr)>,
    /// PEM file of the authorities to believe, instead of the system's.
    pub authorities: Option<PathBuf>,
    pub more: Vec<String>,
}

pub struct Phone {
    pub program: Program,
    pub listen: SocketAddr,
    pub trace: Option<PathBuf>,
}

impl PhoneSpec {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub fn playing(mut self, what: impl Into<String>) -> Self {
        self.play = Some(what.into());
        self
    }

    pub fn recording(mut self, dir: &Path) -> Self {
        self.record = Some(dir.join(format!("{}.wav", self.name)));
        self
    }

    pub fn tracing(mut self, dir: &Path) -> Self {
        self.trace = Some(dir.join(format!("{}.trace", self.name)));
        self
    }

    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.more.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Starts the phone in `dir` (for its password file) and waits until it listens.
    pub async fn start(self, dir: &Path) -> Result<Phone> {
        let mut command = bound_to_us(built("patchcord-phone")?);
        let host = self.host.clone().unwrap_or_else(|| "127.0.0.1".into());
        command.args(["--listen", &format!("{host}:0"), "--no-audio-device"]);
        command.args(["--play", self.play.as_deref().unwrap_or("silence")]);
        if let Some(record) = &self.record {
            command.arg("--record").arg(record);
        }
        if let Some(trace) = &self.trace {
            command.arg("--trace").arg(trace);
        }
        if let Some((account, registrar)) = &self.account {
            let secret = dir.join(format!("{}.{}.secret", self.name, account.device));
            std::fs::write(&secret, &account.password)?;
            command.args(["--registrar", &format!("sip:{registrar}"), "--user", &account.user]);
            command.args(["--auth-user", &account.auth_user]).arg("--password-file").arg(&secret);
        }
        if let Some(authorities) = &self.authorities {
            command.env("SSL_CERT_FILE", authorities);
        }
        command.args(&self.more);
        let program = Program::start(&self.name, command)?;
        let ready = program.event("ready").await?;
        let listen = ready["listen"].as_str().unwrap_or_default();
        let listen = listen.parse().with_context(|| format!("{} listens at {listen:?}?", self.name))?;
        if self.account.is_some() {
            program.event("registered").await?;
        }
        Ok(Phone { program, listen, trace: self.trace })
    }
}

impl Phone {
    pub async fn say(&mut self, line: &str) -> Result<()> {
        self.program.say(line).await
    }

    pub async fn event(&self, name: &str) -> Result<Value> {
        self.program.event(name).await
    }

    /// Listens from now on until `source` is what is heard, three seconds at a time, at most five times: sentences have
    /// pauses, and machines hiccup; so each time all that was heard so far counts too. Anything else is an error that says
    /// what was heard instead.
    pub async fn hears(&self, library: &Library, source: &str) -> Result<Recognised> {
        let (mut all, mut heard) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let stretch = self.hears_for(3_000).await?;
            all.extend_from_slice(&stretch);
            for sound in [&stretch, &all] {
                let recognised = library.recognise(sound);
                if recognised.what.as_deref() == Some(source) {
                    return Ok(recognised);
                }
                heard.push(recognised);
            }
        }
        bail!("{} should hear {source}, but hears {heard:?}", self.program.name)
    }

    /// Listens from now on until `ms` milliseconds of sound have been recorded.
    pub async fn hears_for(&self, ms: u64) -> Result<Vec<i16>> {
        self.program.said("recording").await?;
        let from = now_ms();
        let listening = async {
            loop {
                // Each call has a file of its own, which a new one may only be about to name.
                let last = self.program.all().into_iter().rfind(|line| line["event"] == "recording");
                let last = last.context("this phone does not record")?;
                let (file, begun) = (last["path"].as_str().context("no path")?, last["t_ms"].as_u64());
                let heard = Heard::read(Path::new(file), begun.context("no time")?)?;
                if heard.end_ms() >= from + ms {
                    return Ok(heard.between(from, from + ms).to_vec());
                }
                // A file that another process writes can only be looked at again.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        heard.with_context(|| format!("{} recorded no more\n{}", self.program.name, self.program.transcript()))?
    }

    pub async fn stop(self) -> Result<()> {
        self.program.stop().await.map(drop)
    }
}
