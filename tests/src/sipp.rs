//! SIPp, from Debian, as a peer that does exactly what its scenario says, also what no good phone would.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use crate::golden::Lane;
use crate::office::Office;
use crate::ports::free_port;
use crate::program::{PATIENCE, bound_to_us};
use crate::sound::repository;

/// How often a port is looked at again: SIPp has no way to say that it listens.
const GLANCE: Duration = Duration::from_millis(20);

/// What a peer plays: a file of `tests/flows/sipp` and the words that it leaves open.
pub struct Scenario<'a> {
    pub file: &'a str,
    pub words: &'a [(&'a str, &'a str)],
}

impl Scenario<'_> {
    /// SIPp's own `-key` does not reach status codes.
    fn written(&self, file: &Path) -> Result<PathBuf> {
        let text = std::fs::read_to_string(repository().join("tests/flows/sipp").join(self.file))?;
        let text = self.words.iter().fold(text, |text, (word, value)| text.replace(&format!("[{word}]"), value));
        std::fs::write(file, text)?;
        Ok(file.to_owned())
    }
}

/// A SIPp that plays one call of its scenario. What it hears it sends back.
pub struct Sipp {
    name: String,
    child: Child,
    messages: PathBuf,
}

impl Sipp {
    /// Plays `scenario` as `name` on `host:port`, towards `remote` if it is the one who calls.
    pub async fn play(dir: &Path, name: &str, at: (&str, u16), scenario: Scenario<'_>, remote: &str) -> Result<Self> {
        let messages = dir.join(format!("{name}.messages"));
        let mut command = sipp(dir, "u1");
        command.arg("-sf").arg(scenario.written(&dir.join(format!("{name}.xml")))?);
        command.args(["-m", "1", "-i", at.0, "-p", &at.1.to_string(), "-rtp_echo", "-mi", at.0]);
        command
            .args(["-mp", &free_port(&[at.0.parse::<IpAddr>()?])?.to_string(), "-trace_msg", "-message_file"])
            .arg(&messages);
        command.arg(remote).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting SIPp")?;
        let listening = async {
            while UdpSocket::bind(at).is_ok() && child.try_wait()?.is_none() {
                tokio::time::sleep(GLANCE).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, listening).await.with_context(|| format!("{name} never listened"))??;
        Ok(Self { name: name.to_owned(), child, messages })
    }

    /// A registered device of `user` that plays `scenario`.
    pub async fn device(office: &Office, user: &str, scenario: Scenario<'_>) -> Result<Self> {
        let account = office.exchange.device(user).await?;
        let fields = office.dir().join(format!("{user}.csv"));
        let digest = format!("[authentication username={} password={}]", account.auth_user, account.password);
        std::fs::write(&fields, format!("SEQUENTIAL\n{user};{digest}\n"))?;
        let port = free_port(&[Ipv4Addr::LOCALHOST])?;
        let mut register = sipp(office.dir(), "u1");
        register.arg("-sf").arg(repository().join("tests/flows/sipp/register.xml")).arg("-inf").arg(&fields);
        register.args(["-m", "1", "-i", "127.0.0.1", "-p", &port.to_string(), &office.exchange.sip.to_string()]);
        let registered = finished(register).await?;
        ensure!(registered.status.success(), "{}", said(&registered));
        Self::play(office.dir(), user, ("127.0.0.1", port), scenario, &office.exchange.sip.to_string()).await
    }

    /// Waits until the scenario has been played to its end, and gives what went over the wire.
    pub async fn finished(self) -> Result<Lane> {
        let Self { name, child, messages } = self;
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.with_context(|| format!("{name} never ended"))??;
        let seen = || std::fs::read_to_string(&messages).unwrap_or_default();
        ensure!(output.status.success(), "{name} did not go as written: {}\n{}", said(&output), seen());
        Lane::sipp(&name, &messages)
    }
}

/// A SIPp command that gives up before we do.
pub fn sipp(dir: &Path, transport: &str) -> Command {
    let mut command = bound_to_us("sipp");
    command.current_dir(dir).args(["-t", transport, "-nostdin", "-timeout", "50", "-timeout_error", "-trace_err"]);
    command
}

/// A SIPp that answers so many calls at `at` and sends back what it hears.
pub fn answers(dir: &Path, at: SocketAddr, calls: usize) -> Result<Command> {
    let host = at.ip().to_string();
    let mut command = sipp(dir, "u1");
    command.args(["-sn", "uas", "-m", &calls.to_string(), "-i", &host, "-p", &at.port().to_string()]);
    command.args(["-rtp_echo", "-mi", &host, "-mp", &free_port(&[at.ip()])?.to_string()]);
    Ok(command)
}

pub async fn finished(mut command: Command) -> Result<Output> {
    tokio::time::timeout(PATIENCE, command.output()).await.context("it never ended")?.context("starting it")
}

/// What a program wrote, for a person.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!("{}\n{}", text(&output.stderr), text(&output.stdout))
}
