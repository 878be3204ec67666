//! The command line.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use softphone::{
    Account, AnswerMode, Codec, Encryption, Fingerprint, Identity, Impairment, Names, PhoneConfig, Play, Secret, Sound,
    SoundChoice, Trace, Transport, Trust,
};

/// What to do, read and checked.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) phone: PhoneConfig,
    pub(crate) on_ring: OnRing,
}

/// What happens by itself when a call rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRing {
    Wait,
    Answer(Duration),
    Decline(Duration),
    Busy,
}

/// Why the program does not start.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was asked for its help or version.
    Help(String),
    Wrong(String),
}

/// Softphone without a window: commands on standard input, JSON events on standard output.
///
/// Commands: call URI, answer, decline, hangup, hold, resume, rekey, mute, unmute, dtmf DIGITS, dtmf-info DIGITS, transfer URI,
/// refer-replaces CALL OTHER [early], divert CALL URI, watch NUMBER, unwatch NUMBER,
/// watch-messages, quit. The others take the number of a call as last word, but for
/// call and quit.
#[derive(Debug, Parser)]
#[command(name = "patchcord-phone", version)]
struct Raw {
    /// Where SIP listens; port 0 takes a free one, told in the event `ready`
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:0")]
    listen: SocketAddr,
    /// With `auto`, what the registrar's DNS records or its address ask for
    #[arg(long, value_parser = transport, default_value = "udp", value_name = "udp|tcp|tls|auto")]
    transport: Transport,
    /// Encrypt sound: over TLS, with whoever can; or refuse calls that can't be encrypted
    #[arg(long, value_parser = encryption, default_value = "possible", value_name = "off|possible|required")]
    encryption: Encryption,
    /// Accept this certificate of servers, and no other; without it, those that this machine trusts
    #[arg(long, value_name = "SHA-256")]
    tls_fingerprint: Option<Fingerprint>,
    /// Register there and call through it; without it the phone is a direct peer
    #[arg(long, value_name = "sip:HOST[:PORT]", requires_all = ["user", "password_file"])]
    registrar: Option<String>,
    /// Send the account's requests there first
    #[arg(long, value_name = "sip:HOST[:PORT]", requires = "registrar")]
    outbound_proxy: Option<String>,
    /// Ask this STUN server for the address that the far end of a call is told
    #[arg(long, value_name = "HOST[:PORT]")]
    stun: Option<String>,
    /// User part of the account's address
    #[arg(long, requires = "registrar")]
    user: Option<String>,
    /// User name for authentication, if it is not the user
    #[arg(long, requires = "registrar")]
    auth_user: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE", requires = "registrar")]
    password_file: Option<PathBuf>,
    /// Name to present
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// Number to present, of a phone without registrar
    #[arg(long, value_name = "NUMBER", conflicts_with = "registrar")]
    from: Option<String>,
    /// Codecs in the order of preference: opus, g722, pcmu, pcma
    #[arg(long, value_delimiter = ',', value_parser = codec, value_name = "CODEC,…")]
    codec: Vec<Codec>,
    /// Answer calls, after so many milliseconds
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    #[arg(conflicts_with_all = ["decline", "busy"])]
    auto_answer: Option<u64>,
    /// Decline calls, after so many milliseconds
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    #[arg(conflicts_with = "busy")]
    decline: Option<u64>,
    /// Refuse calls as busy
    #[arg(long)]
    busy: bool,
    /// Answer calls that ask for it (Answer-Mode: Auto)
    #[arg(long)]
    auto_answer_mode: bool,
    /// Let far ends have this phone call numbers outside its account's system, which can cost money
    #[arg(long)]
    follow_outside: bool,
    /// What to say: a WAV file (again and again), `tone` or `silence`
    #[arg(long, value_name = "WAV|tone|silence", conflicts_with = "loopback")]
    play: Option<PathBuf>,
    /// Write what is heard; later calls go to FILE-2.wav, FILE-3.wav, …
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// Send back what is heard
    #[arg(long)]
    loopback: bool,
    /// Ask the far end of a call whether it is still there after so long a silence
    #[arg(long, value_name = "MS", default_value = "10000")]
    patience: u64,
    /// Write every SIP message, one JSON object a line, without credentials
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Percent of SIP datagrams, both ways, that are lost, doubled or overtaken: loss=5,dup=5,reorder=5,seed=7
    #[arg(long, value_name = "SPEC")]
    impair: Option<Impairment>,
    /// Look names of servers up here instead: naptr NAME ORDER PREFERENCE SERVICE REPLACEMENT; srv NAME PRIORITY WEIGHT PORT
    /// TARGET; host NAME ADDRESS; …
    #[arg(long, value_name = "RECORDS")]
    names: Option<Names>,
    /// Microphone by its id: `pulseaudio:` and the name that `pactl list sources short` shows; else the system's default
    #[arg(long, value_name = "ID")]
    microphone: Option<String>,
    /// Speaker by its id
    #[arg(long, value_name = "ID")]
    speaker: Option<String>,
    /// What rings, by its id
    #[arg(long, value_name = "ID")]
    ringer: Option<String>,
    /// Touch no sound device (implied by --play, --record and --loopback)
    #[arg(long)]
    no_audio_device: bool,
}

impl Arguments {
    pub(crate) fn read() -> Result<Self, Stop> {
        Self::from(std::env::args_os())
    }

    fn from(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, Stop> {
        let raw = Raw::try_parse_from(words).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Help(error.to_string()),
            _ => Stop::Wrong(sentence(&error)),
        })?;
        let on_ring = on_ring(&raw);
        Ok(Self { phone: phone(raw).map_err(Stop::Wrong)?, on_ring })
    }
}

/// clap explains in paragraphs; the first says what is wrong.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let words: Vec<&str> = first.split_whitespace().collect();
    format!("{}. Try --help.", words.join(" "))
}

fn on_ring(raw: &Raw) -> OnRing {
    match (raw.auto_answer, raw.decline, raw.busy) {
        (Some(ms), _, _) => OnRing::Answer(Duration::from_millis(ms)),
        (None, Some(ms), _) => OnRing::Decline(Duration::from_millis(ms)),
        (None, None, true) => OnRing::Busy,
        (None, None, false) => OnRing::Wait,
    }
}

fn phone(raw: Raw) -> Result<PhoneConfig, String> {
    let sound = sound(&raw);
    let mut phone = PhoneConfig::new(raw.listen);
    phone.transport = raw.transport;
    phone.encryption = raw.encryption;
    phone.trust = raw.tls_fingerprint.map_or(Trust::System, Trust::Pinned);
    phone.sound = sound;
    phone.impairment = raw.impair;
    phone.names = raw.names;
    phone.patience = Duration::from_millis(raw.patience);
    phone.trace = raw.trace.as_deref().map(trace).transpose()?;
    if raw.auto_answer_mode {
        phone.answer_mode = AnswerMode::Always;
    }
    if !raw.codec.is_empty() {
        phone.codecs = raw.codec;
    }
    if let Some(number) = raw.from {
        phone.identity.number = number;
    }
    phone.follows_outside = raw.follow_outside;
    phone.stun = raw.stun;
    phone.identity = Identity { display: raw.display.clone(), ..phone.identity };
    phone.account = match (raw.registrar, raw.user, raw.password_file) {
        (Some(registrar), Some(user), Some(file)) => {
            let password = password(&file)?;
            Some(Account {
                registrar,
                outbound_proxy: raw.outbound_proxy,
                insists: false,
                user,
                auth_user: raw.auth_user,
                password,
                display: raw.display,
                // Who starts it twice wants two.
                device: None,
            })
        }
        _ => None,
    };
    Ok(phone)
}

/// Appends nothing: a trace begins with its phone.
fn trace(path: &Path) -> Result<Trace, String> {
    let cannot = |error| format!("cannot write the trace to {}: {error}.", path.display());
    let file = Mutex::new(File::create(path).map_err(cannot)?);
    Ok(Trace::new(move |way, text| {
        let line = format!("{}\n", super::json::message(way, text));
        if let Ok(mut file) = file.lock() {
            // A full disk ends the trace, not the call.
            let _lost = file.write_all(line.as_bytes());
        }
    }))
}

fn password(file: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the password from {}: {error}.", file.display()))?;
    match text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()) {
        Some(password) => Ok(Secret::new(password)),
        None => Err(format!("the first line of {} is empty; the password must be there.", file.display())),
    }
}

fn sound(raw: &Raw) -> Sound {
    if raw.play.is_none() && raw.record.is_none() && !raw.loopback && !raw.no_audio_device {
        let (microphone, speaker, ringer) = (raw.microphone.clone(), raw.speaker.clone(), raw.ringer.clone());
        return Sound::Devices(SoundChoice { microphone, speaker, ringer, ..SoundChoice::default() });
    }
    let play = match &raw.play {
        None => Play::Silence,
        Some(what) if what.as_os_str() == "silence" => Play::Silence,
        Some(what) if what.as_os_str() == "tone" => Play::Tone,
        Some(wav) => Play::Wav(wav.clone()),
    };
    Sound::Files { play, record: raw.record.clone(), loopback: raw.loopback }
}

fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        "auto" => Ok(Transport::Auto),
        _ => Err("it is udp, tcp, tls or auto".to_owned()),
    }
}

fn encryption(text: &str) -> Result<Encryption, String> {
    match text {
        "off" => Ok(Encryption::Off),
        "possible" => Ok(Encryption::WhenPossible),
        "required" => Ok(Encryption::Required),
        _ => Err("it is off, possible or required".to_owned()),
    }
}

fn codec(text: &str) -> Result<Codec, String> {
    Codec::from_name(text).ok_or_else(|| "the codecs are opus, g722, pcmu and pcma".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(line: &str) -> Result<Arguments, Stop> {
        Arguments::from(std::iter::once("patchcord-phone").chain(line.split_whitespace()).map(Into::into))
    }

    fn wrong(line: &str) -> String {
        match read(line).unwrap_err() {
            Stop::Wrong(sentence) => sentence,
            Stop::Help(text) => panic!("help instead of an error: {text}"),
        }
    }

    #[test]
    fn a_direct_peer_needs_no_more_than_an_address() {
        let arguments = read("--listen 127.0.0.1:5091 --from +919812345678 --codec opus,PCMU --auto-answer").unwrap();
        assert_eq!(arguments.phone.listen, "127.0.0.1:5091".parse().unwrap());
        assert_eq!(arguments.phone.identity.number, "+919812345678");
        assert_eq!(arguments.phone.codecs, [Codec::Opus, Codec::Pcmu]);
        assert_eq!(arguments.phone.sound, Sound::Devices(SoundChoice::default()));
        assert_eq!(arguments.on_ring, OnRing::Answer(Duration::ZERO));
    }

    #[test]
    fn an_account_takes_its_password_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\nrest\n").unwrap();
        let line = format!("--registrar sip:127.0.0.1:5060 --user ravi --password-file {}", file.path().display());
        let account = read(&line).unwrap().phone.account.unwrap();
        assert_eq!(account.user, "ravi");
        assert!(!format!("{account:?}").contains("s3cret"));
    }

    #[test]
    fn sound_from_files_touches_no_device() {
        let arguments = read("--play tone --record out.wav --auto-answer=250").unwrap();
        let record = Some(PathBuf::from("out.wav"));
        assert_eq!(arguments.phone.sound, Sound::Files { play: Play::Tone, record, loopback: false });
        assert_eq!(arguments.on_ring, OnRing::Answer(Duration::from_millis(250)));
        assert_eq!(read("--no-audio-device").unwrap().phone.sound, Sound::SILENT);
    }

    #[test]
    fn a_bad_network_and_willing_answers_are_asked_for() {
        let phone = read("--impair loss=5,dup=6,reorder=7,seed=8 --auto-answer-mode").unwrap().phone;
        let impairment = Impairment { loss: 5, duplicate: 6, reorder: 7, seed: 8 };
        assert_eq!((phone.impairment, phone.answer_mode), (Some(impairment), AnswerMode::Always));
    }

    #[test]
    fn every_mistake_is_one_sentence() {
        for (line, about) in [
            ("--listen nowhere", "--listen"),
            ("--codec opus,mp3", "mp3"),
            ("--transport ws", "udp, tcp, tls or auto"),
            ("--tls-fingerprint AB:CD", "32 pairs"),
            ("--outbound-proxy sip:h", "--registrar"),
            ("--registrar sip:127.0.0.1", "--user"),
            ("--user ravi", "--registrar"),
            ("--auto-answer --busy", "--busy"),
            ("--auto-answer=soon", "soon"),
            ("--frobnicate", "--frobnicate"),
            ("--impair loss=200", "loss=200"),
            ("--names pbx", "pbx"),
            ("--trace /nowhere/at/all", "/nowhere/at/all"),
            ("--registrar sip:h --user u --password-file /nowhere/at/all", "/nowhere/at/all"),
        ] {
            let sentence = wrong(line);
            assert!(sentence.contains(about) && !sentence.contains('\n'), "{line}: {sentence}");
        }
    }
}
