//! The programs that are measured, as direct peers without a sound device.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use flows::ports::free_port;
use flows::program::{PATIENCE, Program, bound_to_us, built};
use media::Codec;
use tokio::process::{Child, Command};

/// What a phone does with what it hears.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ear {
    /// Writes it to a file.
    Records,
    /// Sends it back.
    Echoes,
}

pub enum Phone {
    Ours(Program),
    Baresip(Child),
}

pub struct Measured {
    pub phone: Phone,
    pub address: SocketAddr,
    /// A file, or the folder that it is in.
    recording: PathBuf,
}

impl Measured {
    /// `patchcord-phone` that answers at once.
    pub async fn ours(dir: &Path, name: &str, codec: Codec, ear: Ear) -> Result<Self> {
        let recording = dir.join(format!("{name}.wav"));
        let mut more = vec!["--auto-answer", "--codec", codec.name()];
        let file = recording.display().to_string();
        match ear {
            Ear::Records => more.extend(["--record", &file]),
            Ear::Echoes => more.push("--loopback"),
        }
        let (program, address) = ours(name, &more).await?;
        Ok(Self { phone: Phone::Ours(program), address, recording })
    }

    pub fn baresip(dir: &Path, name: &str, codec: Codec, ear: Ear) -> Result<Self> {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(&[Ipv4Addr::LOCALHOST])?));
        // Its aufile can't record; sndfile writes what goes to the player.
        let (bridge, tap) = match ear {
            Ear::Echoes => ("loop", ""),
            Ear::Records => ("nobody", "module sndfile.so\n"),
        };
        // Its concealment is for mono only, and would stop the recording of Opus, which conceals by itself.
        let (codecs, conceal) =
            if codec == Codec::Opus { ("opus/48000/2", "") } else { ("PCMU/8000/1", "module plc.so\n") };
        let folder = dir.display();
        let config = format!(
            "sip_listen {address}\n{conceal}module aubridge.so\n{tap}audio_source aubridge,{bridge}\n\
             audio_player aubridge,{bridge}\nsnd_path {folder}\n"
        );
        let account = format!("<sip:phone@127.0.0.1>;regint=0;answermode=auto;audio_codecs={codecs}\n");
        let mut command = baresip(&dir, &config, &account)?;
        Ok(Self { phone: Phone::Baresip(command.spawn().context("starting baresip")?), address, recording: dir })
    }

    pub fn id(&self) -> Result<u32> {
        let id = match &self.phone {
            Phone::Ours(program) => program.id(),
            Phone::Baresip(child) => child.id(),
        };
        id.context("the phone has ended")
    }

    /// Ends it, and gives what it recorded, at 48 kHz.
    pub async fn stop(self) -> Result<Vec<i16>> {
        match self.phone {
            Phone::Ours(program) => drop(program.stop().await?),
            Phone::Baresip(mut child) => {
                let id = child.id().context("baresip has ended")?;
                Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
                tokio::time::timeout(PATIENCE, child.wait()).await.context("baresip does not end")??;
            }
        }
        // baresip names its file by the time.
        let heard = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let inside =
            std::fs::read_dir(&self.recording).into_iter().flatten().flatten().map(|entry| entry.path()).find(heard);
        let recorded = std::fs::read(inside.unwrap_or(self.recording)).ok();
        Ok(recorded.and_then(|bytes| media::wav::parse(&bytes).ok()).unwrap_or_default())
    }
}

/// A baresip that registers with `registrar` as user `bench`.
pub fn baresip_of(dir: &Path, registrar: SocketAddr) -> Result<Child> {
    let account = format!("<sip:bench@{registrar}>;auth_pass=secret;regint=3600;audio_codecs=PCMU/8000/1\n");
    let config = "sip_listen 127.0.0.1:0\nmodule aubridge.so\naudio_source aubridge,loop\naudio_player aubridge,loop\n";
    baresip(&dir.join("baresip-registered"), config, &account)?.spawn().context("starting baresip")
}

/// A baresip with the codecs that we compare, and more of a configuration.
fn baresip(dir: &Path, config: &str, account: &str) -> Result<Command> {
    std::fs::create_dir_all(dir)?;
    let config = format!(
        "poll_method epoll\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule opus.so\n{config}\
         module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n"
    );
    std::fs::write(dir.join("config"), config)?;
    std::fs::write(dir.join("accounts"), account)?;
    let mut command = bound_to_us("baresip");
    command.arg("-f").arg(dir).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// `patchcord-phone` and where it listens.
pub async fn ours(name: &str, more: &[&str]) -> Result<(Program, SocketAddr)> {
    let mut command = bound_to_us(built("patchcord-phone")?);
    command.args(["--listen", "127.0.0.1:0", "--no-audio-device"]).args(more);
    let program = Program::start(name, command)?;
    let ready = program.event("ready").await?;
    let address = ready["listen"].as_str().context("listens nowhere")?.parse()?;
    Ok((program, address))
}
