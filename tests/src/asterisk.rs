//! A real Asterisk 22 with a small office on free ports, run unprivileged from the folder into which the set-up unpacked it.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context, Result, ensure};
use protocol::SipAccount;
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::phone::{Phone, PhoneSpec};
use crate::ports::free_port;
use crate::program::{PATIENCE, bound_to_us};
use crate::sound::{Heard, repository, voice};

/// Desks of the office and who sits there, with what more their endpoints are.
const DESKS: &[(&str, &str, &str)] = &[
    ("201", "Ravi Kumar", ""),
    ("202", "Tom Okafor", ""),
    ("203", "Mina Park", ""),
    ("204", "Lena Fischer", ""),
    ("205", "Omar Haddad", ",strict"),
    ("206", "Sam Adams", ",sdes"),
    ("207", "Alex Brandt", ",sdes"),
    ("208", "The other office", ""),
    ("209", "Maya Direct", ",direct"),
];

pub struct Asterisk {
    child: Child,
    dir: TempDir,
    /// Where it listens by UDP and TCP, also on `[::1]` …
    pub sip: SocketAddr,
    /// … and by TLS.
    pub tls: SocketAddr,
    /// Of its certificate: SHA-256 in pairs of hexadecimal digits.
    pub fingerprint: String,
}

/// Plays `scene` on an Asterisk of its own, which is gone afterwards; its log comes with what went wrong. Where no Asterisk
/// could be had the test is skipped, loudly and counted.
pub async fn with_asterisk(scene: impl AsyncFnOnce(&mut Asterisk) -> Result<()>) -> Result<()> {
    if !program().is_file() {
        return skip();
    }
    let mut asterisk = Asterisk::start().await?;
    let played = scene(&mut asterisk).await;
    played.map_err(|error| anyhow::anyhow!("{error:#}\n{}", asterisk.log()))?;
    asterisk.stop().await
}

fn unpacked() -> PathBuf {
    repository().join("target/peers/asterisk")
}

fn program() -> PathBuf {
    unpacked().join("bin/asterisk")
}

/// `cargo xtask test` counts the names at its end.
fn skip() -> Result<()> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("SKIPPED {test}: no Asterisk in {}; cargo xtask setup fetches it", unpacked().display());
    std::fs::create_dir_all(repository().join("target/peers"))?;
    let names = repository().join("target/peers/asterisk.skipped");
    let mut names = OpenOptions::new().create(true).append(true).open(names)?;
    Ok(names.write_all(format!("{test}\n").as_bytes())?)
}

impl Asterisk {
    async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("patchcord-asterisk-").tempdir()?;
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        let (sip, tls) = (free_port(&both)?, free_port(&both)?);
        furnish(dir.path(), sip, tls)?;
        let fingerprint = certify(&dir.path().join("lib"))?;
        let child = boot(dir.path()).await?;
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self { child, dir, sip: at(sip), tls: at(tls), fingerprint })
    }

    /// Recordings and secrets of this office's phones.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A registered desk phone that speaks `who`'s sentence.
    pub async fn phone(&self, desk: &str, who: &str, more: &[&str]) -> Result<Phone> {
        self.phone_at(self.sip, desk, who, more).await
    }

    /// The same that reaches us at one address of several.
    pub async fn phone_at(&self, registrar: SocketAddr, desk: &str, who: &str, more: &[&str]) -> Result<Phone> {
        let mut spec = PhoneSpec::new(who).playing(voice(who)).recording(self.dir()).tracing(self.dir()).with(more);
        spec.host = Some(if registrar.is_ipv6() { "[::1]".into() } else { "127.0.0.1".into() });
        spec.account = Some((account(desk), registrar));
        spec.start(self.dir()).await
    }

    /// Has it carry out a command of its console, and gives the answer.
    pub async fn console(&self, command: &str) -> Result<String> {
        let mut console = Command::new(program());
        console.arg("-C").arg(self.dir().join("etc/asterisk.conf")).args(["-rx", command]).kill_on_drop(true);
        let done = tokio::time::timeout(PATIENCE, console.output()).await.context("its console is silent")??;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Ends it as a power cut would.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Starts it again with the same office, which has forgotten its phones if `forget`.
    pub async fn start_again(&mut self, forget: bool) -> Result<()> {
        if forget {
            let memory = self.dir().join("lib/astdb.sqlite3");
            std::fs::remove_file(&memory).with_context(|| memory.display().to_string())?;
        }
        self.child = boot(self.dir()).await?;
        Ok(())
    }

    async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// Its log, without what it tells as it starts.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir().join("log/full")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("loader.c")).collect();
        format!("Asterisk's log:\n{}", lines[lines.len().saturating_sub(200)..].join("\n"))
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

fn account(desk: &str) -> SipAccount {
    SipAccount {
        device: desk.into(),
        registrar: String::new(),
        user: desk.to_owned(),
        auth_user: desk.to_owned(),
        password: password(desk),
        realm: "asterisk".into(),
    }
}

/// What a person at that desk types.
pub fn password(desk: &str) -> String {
    format!("secret of {desk}")
}

/// Its folders, settings, sounds and certificate.
fn furnish(dir: &Path, sip: u16, tls: u16) -> Result<()> {
    for folder in
        ["etc", "lib/music", "spool/tmp", "spool/voicemail", "run", "log", "lib/keys", "data/sounds/en/voices"]
    {
        std::fs::create_dir_all(dir.join(folder))?;
    }
    let library = std::fs::read_dir(unpacked().join("root/usr/lib"))?.flatten().map(|entry| entry.path());
    let library = library.into_iter().find(|path| path.join("asterisk").is_dir()).context("no modules of Asterisk")?;
    let words = [
        ("@RUN@", dir.display().to_string()),
        ("@LIBRARY@", library.display().to_string()),
        ("@SIP@", sip.to_string()),
        ("@TLS@", tls.to_string()),
    ];
    for entry in std::fs::read_dir(repository().join("tests/asterisk"))?.flatten() {
        let text = std::fs::read_to_string(entry.path())?;
        let mut text = words.iter().fold(text, |text, (word, value)| text.replace(word, value));
        if entry.file_name() == "pjsip.conf" {
            text += &DESKS.iter().map(|(number, name, more)| desk(number, name, more)).collect::<String>();
        }
        std::fs::write(dir.join("etc").join(entry.file_name()), text)?;
    }
    for unused in
        ["acl", "ccss", "cdr", "cel", "features", "indications", "manager", "pjproject", "queuerules", "udptl"]
    {
        std::fs::write(dir.join(format!("etc/{unused}.conf")), "[general]\n")?;
    }
    for parts in ["documentation", "rest-api"] {
        symlink(unpacked().join("root/usr/share/asterisk").join(parts), dir.join("data").join(parts))?;
    }
    for prompt in std::fs::read_dir(unpacked().join("root/usr/share/asterisk/sounds/en_US_f_Allison"))?.flatten() {
        symlink(prompt.path(), dir.join("data/sounds/en").join(prompt.file_name()))?;
    }
    let music = repository().join("crates/exchange/sounds/hold-music.wav");
    sound(&music, &dir.join("lib/music/hold-music.wav"))?;
    sound(Path::new(&voice("wanda")), &dir.join("data/sounds/en/voices/wanda.wav"))
}

fn desk(number: &str, name: &str, more: &str) -> String {
    format!(
        "\n[{number}](desk{more})\nauth = {number}\naors = {number}\ncallerid = \"{name}\" <{number}>\n\
         mailboxes = {number}@office\n[{number}](where)\n[{number}](password)\nusername = {number}\npassword = {}\n",
        password(number)
    )
}

/// A sound as Asterisk plays it: 8 kHz.
fn sound(from: &Path, to: &Path) -> Result<()> {
    let all = Heard::read(from, 0)?.samples;
    Ok(std::fs::write(to, media::wav::write(&all, 8_000))?)
}

/// A certificate of its own, and its fingerprint.
fn certify(folder: &Path) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    std::fs::write(folder.join("certificate.pem"), made.cert.pem())?;
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(softphone::Fingerprint::of(made.cert.der()).to_string())
}

/// Starts it, and waits for the word that it gives to service managers once it is up (sd_notify).
async fn boot(dir: &Path) -> Result<Child> {
    let bell = dir.join("run/notify");
    match std::fs::remove_file(&bell) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let listening = UnixDatagram::bind(&bell)?;
    let said = std::fs::File::create(dir.join("log/said"))?;
    let mut command = bound_to_us(program());
    command.arg("-f").arg("-C").arg(dir.join("etc/asterisk.conf")).env("NOTIFY_SOCKET", &bell);
    command.stdout(said.try_clone()?).stderr(said);
    let mut child = command.spawn().context("starting Asterisk")?;
    let ready = async {
        let mut word = [0; 256];
        loop {
            let length = listening.recv(&mut word).await?;
            if word[..length].starts_with(b"READY=1") {
                return anyhow::Ok(());
            }
        }
    };
    let ended: Option<ExitStatus> = tokio::select! {
        up = tokio::time::timeout(PATIENCE, ready) => {
            up.context("Asterisk is not up in time")??;
            None
        }
        ended = child.wait() => Some(ended?),
    };
    let said = || std::fs::read_to_string(dir.join("log/said")).unwrap_or_default();
    ensure!(ended.is_none(), "Asterisk did not start: {}", said());
    Ok(child)
}
