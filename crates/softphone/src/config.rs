use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use media::Codec;
use serde::{Deserialize, Serialize};
use sip::{Impairment, Names, Trace, Trust};
use specta::Type;

/// What a phone needs to know before it starts.
#[derive(Debug, Clone)]
pub struct PhoneConfig {
    /// Where SIP listens; port 0 takes a free one. RTP uses free ports of the same address.
    pub listen: SocketAddr,
    pub transport: Transport,
    pub encryption: Encryption,
    /// The account to register with. Without one the phone is a direct peer.
    pub account: Option<Account>,
    /// `host[:port]` of a STUN server (RFC 8489), which is asked for each call from where its sound seems to come.
    pub stun: Option<String>,
    /// How long a call waits for it, at most.
    pub stun_limit: Duration,
    /// How a phone without an account presents itself.
    pub identity: Identity,
    /// Codecs in the order of preference; the first that both sides know is used.
    pub codecs: Vec<Codec>,
    pub sound: Sound,
    pub answer_mode: AnswerMode,
    /// After so long without a packet the far end of a call, talking or ringing, is asked whether it is still there; if
    /// it is not, or does not answer for 8 s, the call ends.
    pub patience: Duration,
    /// How long a call rings here, unless it is one of our own exchange, which looks after that itself: whoever calls is then
    /// told that nobody takes it.
    pub rings_at_most: Duration,
    /// Which certificates to accept of servers, over TLS.
    pub trust: Trust,
    /// Is shown every SIP message.
    pub trace: Option<Trace>,
    /// Whether a REFER may have this phone call a number outside the account's own system, which can cost money.
    pub follows_outside: bool,
    /// Where names of servers are looked up, instead of the system's name service. For tests.
    pub names: Option<Names>,
    /// Makes SIP over UDP as bad as this, both ways. For tests.
    pub impairment: Option<Impairment>,
}

/// Whose wish that a call answers itself (`Answer-Mode: Auto`, RFC 5373) is granted, as long as nobody is talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnswerMode {
    /// Of calls that [`crate::Phone::expect`] named.
    #[default]
    Expected,
    /// Everybody's.
    Always,
}

impl PhoneConfig {
    /// A direct peer on `listen` with every codec and no sound of its own.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            transport: Transport::Udp,
            encryption: Encryption::default(),
            account: None,
            stun: None,
            stun_limit: Duration::from_millis(500),
            identity: Identity::default(),
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma],
            sound: Sound::SILENT,
            answer_mode: AnswerMode::default(),
            patience: Duration::from_secs(10),
            // The least that the telephone network waits for an answer (ITU-T Q.931 section 9.1, T301).
            rings_at_most: Duration::from_secs(180),
            trust: Trust::System,
            trace: None,
            follows_outside: false,
            names: None,
            impairment: None,
        }
    }
}

/// How SIP goes out. Over TCP and UDP it is also heard on [`PhoneConfig::listen`]; over TLS, calls come over the
/// connection that the phone keeps to its registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
    /// What the registrar's DNS records, or its address, ask for (RFC 3263); UDP if they ask for nothing.
    Auto,
}

/// Whether sound is encrypted. Keys are agreed on only over TLS: elsewhere whoever hears the sound could have read them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    Off,
    /// Offered first; who knows none is spoken to in the clear.
    #[default]
    WhenPossible,
    /// A call that can't be encrypted is refused.
    Required,
}

/// An account at a registrar. Its calls go through the registrar too.
#[derive(Debug, Clone)]
pub struct Account {
    /// `sip:host[:port]` or `host[:port]`; `sips:` means TLS.
    pub registrar: String,
    /// Where requests of the account go first, written as the registrar.
    pub outbound_proxy: Option<String>,
    /// Whether it is asked again, ever more seldom, though the registrar refuses the user name or the password: a machine
    /// made them, so nobody could type others. Otherwise it is asked no more, lest it lock the account.
    pub insists: bool,
    /// User part of the address of record.
    pub user: String,
    /// User name for digest authentication; `user` if absent.
    pub auth_user: Option<String>,
    pub password: Secret,
    pub display: Option<String>,
    /// What this device is called, so that its registrar knows it again at another address (RFC 5626); the same after a
    /// restart, and no other device's.
    pub device: Option<String>,
}

/// A caller's own name and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub number: String,
    pub display: Option<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { number: "anonymous".to_owned(), display: None }
    }
}

/// A password: never in a log, never in `Debug`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where sound comes from and goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    Devices(SoundChoice),
    /// No sound device is touched.
    Files {
        play: Play,
        /// What is heard, as WAV. Later calls get `-2`, `-3`, … before the extension.
        record: Option<PathBuf>,
        /// Sends back what it hears instead of `play`.
        loopback: bool,
    },
}

impl Sound {
    pub const SILENT: Self = Self::Files { play: Play::Silence, record: None, loopback: false };
}

/// What a phone without a microphone says once a call is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    Silence,
    /// 1 kHz at −14 dBFS, without end.
    Tone,
    /// A WAV file, again and again with a pause of one second.
    Wav(PathBuf),
}

/// How a call from outside rings, so that one account can be told from another. Transfers and recalls have tones of
/// their own, which mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum RingTone {
    #[default]
    Bell,
    Chime,
    Marimba,
    Classic,
}

/// Chosen sound devices by id; `None` is the system's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoundChoice {
    pub microphone: Option<String>,
    pub speaker: Option<String>,
    pub ringer: Option<String>,
    /// Calls ring on the speaker too.
    pub ring_both: bool,
    /// What is done to what the microphone hears.
    pub processing: media::Processing,
}

impl SoundChoice {
    /// The speakers to ring on.
    pub(crate) fn bells(&self) -> Vec<Option<String>> {
        let mut bells = vec![self.ringer.clone()];
        if self.ring_both && self.speaker != self.ringer {
            bells.push(self.speaker.clone());
        }
        bells
    }
}
