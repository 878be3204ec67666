use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use media::Codec;
use protocol::{Party, SoundTrouble};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::IncomingCall;

/// One call of this phone, counted from 1 in the order of their beginning. Never used again in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub u32);

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}", self.0)
    }
}

/// Everything a phone reports.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "moved once, from the phone to its owner")]
pub enum PhoneEvent {
    Registration(RegistrationState),
    /// A call rings here. The ring tone has already been started.
    Incoming(IncomingCall),
    Call {
        call: CallKey,
        event: CallEvent,
    },
    /// What a line does that [`crate::Phone::watch`] named.
    Watched {
        number: String,
        state: WatchedState,
    },
    /// What waits in the account's mailbox. Systems that only light a lamp give no numbers.
    Messages {
        waiting: bool,
        new: Option<u32>,
        old: Option<u32>,
    },
    /// The sound devices do not work as asked: a sentence. `None`: they do again.
    SoundTrouble(Option<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchedState {
    Idle,
    Ringing,
    /// On the line, on hold, or just calling somebody.
    Talking,
    /// `why` is a sentence. It is tried again where that makes sense.
    Unknown {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    Registering,
    Registered,
    /// Not reachable by calls: why, and when it is tried again.
    Down {
        why: String,
        retry_in: Option<Duration>,
        /// If it is for the server's certificate: its fingerprint, which a person may allow ([`crate::Trust::Pinned`]).
        fingerprint: Option<String>,
    },
    /// Unregistered on our own wish.
    Off,
}

/// What becomes of one call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// An INVITE of ours is on its way.
    Calling {
        to: Party,
    },
    /// The far end rings.
    Ringing,
    /// Both sides talk.
    Answered {
        codec: Codec,
    },
    /// Both sides have agreed on another codec.
    CodecChanged {
        codec: Codec,
    },
    Held {
        by: HeldBy,
    },
    Resumed {
        by: HeldBy,
    },
    Muted {
        muted: bool,
    },
    /// A blind transfer of ours: what the transferee reports about the target (a SIP status).
    TransferProgress {
        status: u16,
    },
    /// The blind transfer failed; the call is taken back.
    TransferFailed {
        status: u16,
    },
    /// The far side moves us to somebody else: `call` is the new call that replaces this one.
    Following {
        call: CallKey,
        to: Party,
        referred_by: Option<Party>,
    },
    /// Somebody takes the place of the far side, which has handed us over: `by` is the new call, answered already, and
    /// this one ends.
    Replaced {
        by: CallKey,
        with: Party,
        referred_by: Option<Party>,
    },
    /// Somebody else is at the other end now, or it has got a name.
    Identity {
        party: Party,
    },
    /// Who can listen in, from now on. Said before [`Self::Answered`] at the latest, and again whenever it changes.
    Security(Security),
    /// The far side pressed a key.
    Dtmf {
        digit: char,
    },
    /// What is heard is written to this file from now on.
    Recording {
        path: PathBuf,
    },
    /// First sound above −50 dBFS in this call.
    FirstAudio,
    Quality(QualityReport),
    /// Peak of the last 100 ms or so, dBFS; only with sound devices.
    Level {
        microphone: f32,
        speaker: f32,
    },
    /// Something did not work and the call goes on: a sentence.
    Trouble {
        sentence: String,
    },
    Ended(Ended),
}

/// Who can listen in from here to the other end of this hop: the exchange, or whatever server or phone the call's signalling goes
/// to. Whatever lies behind it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Whoever is on the way: the sound is not encrypted, or its keys would have gone in the clear.
    Clear,
    /// Nobody else than who shows the pinned certificate ([`crate::Trust::Pinned`]): the sound is encrypted and its keys went over
    /// TLS, but no authority says whose certificate that is.
    Pinned,
    /// Nobody: as [`Self::Pinned`], with a certificate that an authority vouches for which this machine trusts.
    Verified,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    Us,
    Them,
}

/// How a call sounds, from what was received and what the far end reports of what it hears (RTCP): packets and losses of the
/// whole call, how it sounds of the last seconds, or of the whole call at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityReport {
    pub received: u64,
    pub lost: u64,
    /// What the far end misses of what we sent, in thousandths.
    pub missed_permille: Option<u16>,
    /// Interarrival jitter, RFC 3550 section 6.4.1.
    pub jitter_ms: f32,
    pub round_trip_ms: Option<f32>,
    /// Delay of the jitter buffer.
    pub delay_ms: f32,
    /// Mean opinion score by the E-model (ITU-T G.107), 1.0 to 4.5, of the worse direction.
    pub mos: f32,
    /// "good".
    pub word: &'static str,
    /// Whether it has been encrypted all the time.
    pub encrypted: bool,
    /// What spoils it, if it does not sound good: "from" is from the far end to here.
    pub trouble: Option<SoundTrouble>,
}

impl QualityReport {
    /// "good", "poor: 8 % loss from you to Ravi".
    #[must_use]
    pub fn words(&self, them: &str) -> String {
        match self.trouble {
            Some(trouble) => format!("{}: {}", self.word, trouble.words(them)),
            None => self.word.to_owned(),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In words: "hung up by the other side", "busy".
    pub cause: String,
    /// The SIP status that refused the call.
    pub status: Option<u16>,
    /// Another device took it: no missed call (RFC 3326).
    pub answered_elsewhere: bool,
    /// Was it ever answered, and for how long.
    pub talked: Option<Duration>,
}
