//! baresip, from Debian, as a phone of somebody else's making that answers by itself.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::SipAccount;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::golden::Lane;
use crate::office::Office;
use crate::ports::free_port;
use crate::program::{PATIENCE, bound_to_us};
use crate::sound::{Heard, voice};

/// How often it is asked again whether it has a call.
const GLANCE: Duration = Duration::from_millis(20);

pub struct Baresip {
    name: String,
    child: Child,
    control: u16,
    trace: PathBuf,
    /// Where it can be called.
    pub listen: SocketAddr,
}

impl Baresip {
    /// A registered device of the exchange that plays `speaker`'s sentence.
    pub fn device(office: &Office, account: &SipAccount, speaker: &str) -> Result<Self> {
        let line = format!(
            "<sip:{}@{};transport=udp>;auth_user={};auth_pass={};answermode=auto;regint=60",
            account.user, office.exchange.sip, account.auth_user, account.password
        );
        Self::start(office.dir(), speaker, &line, &[])
    }

    /// With a line of its `accounts` file, and commands that it carries out first.
    pub fn start(dir: &Path, speaker: &str, account: &str, commands: &[&str]) -> Result<Self> {
        let dir = dir.join(format!("baresip-{speaker}"));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(&[Ipv4Addr::LOCALHOST])?));
        let control = configure(&dir, speaker, account, listen)?;
        let trace = dir.join("trace");
        let mut command = bound_to_us("baresip");
        command.arg("-s").arg("-f").arg(&dir);
        for line in commands {
            command.args(["-e", line]);
        }
        command.stdout(File::create(&trace)?).stderr(Stdio::null());
        let child = command.spawn().context("starting baresip")?;
        Ok(Self { name: speaker.to_owned(), child, control, trace, listen })
    }

    /// Has it carry out a command (module ctrl_tcp: a JSON object as a netstring), and gives its answer.
    pub async fn say(&self, command: &str, params: &str) -> Result<String> {
        let mut control = TcpStream::connect(("127.0.0.1", self.control)).await.context("baresip's control port")?;
        let command = serde_json::json!({ "command": command, "params": params }).to_string();
        control.write_all(format!("{}:{command},", command.len()).as_bytes()).await?;
        // It hangs up on us with what it has not read yet: wait for its answer.
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(PATIENCE, control.read(&mut answer)).await??;
        ensure!(read > 0, "baresip did not take {command}");
        Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    }

    /// Once its last call is over, it signs off; what went over the wire.
    pub async fn leave(mut self) -> Result<Lane> {
        let idle = async {
            while !self.say("listcalls", "").await?.contains("calls (0)") {
                tokio::time::sleep(GLANCE).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, idle).await.with_context(|| format!("{}'s call never ended", self.name))??;
        let id = self.child.id().with_context(|| format!("{}'s baresip is gone", self.name))?;
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context("baresip did not end on SIGTERM")??;
        Lane::baresip(&self.name, &self.trace)
    }
}

/// A configuration folder: G.711 only, sound from a file. The port on which it takes commands.
fn configure(dir: &Path, speaker: &str, account: &str, listen: SocketAddr) -> Result<u16> {
    std::fs::create_dir_all(dir)?;
    let wav = dir.join("voice.wav");
    // Said again and again: baresip hangs up when the file ends. G.711 carries 8 kHz.
    let sentence = Heard::read(Path::new(&voice(speaker)), 0)?.samples.repeat(12);
    std::fs::write(&wav, media::wav::write(&sentence, 8_000))?;
    let control = free_port(&[Ipv4Addr::LOCALHOST])?;
    let mut config = "poll_method epoll\nmodule_path /usr/lib/baresip/modules\n\
         module g711.so\nmodule aufile.so\nmodule_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n\
         module_app ctrl_tcp.so\n"
        .to_owned();
    config += &format!("sip_listen {listen}\n");
    config += &format!("ctrl_tcp_listen 127.0.0.1:{control}\n");
    config +=
        &format!("audio_source aufile,{}\naudio_player aufile,{}\n", wav.display(), dir.join("out.wav").display());
    std::fs::write(dir.join("config"), config)?;
    std::fs::write(dir.join("accounts"), format!("{account}\n"))?;
    Ok(control)
}
