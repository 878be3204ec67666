//! Keys for SRTP in SDP (RFC 4568, RFC 7714 section 14.2).

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Crypto lines that are looked at.
const MAX_LINES: usize = 16;

/// Some leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a stream is protected, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
}

/// The key with which its writer sends: master key, then master salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    pub tag: u32,
    pub suite: Suite,
    pub key: Vec<u8>,
}

/// Whether sound is encrypted, with keys of ours: one for each suite, in the order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protection {
    /// No keys are offered or taken: the way that they would go is open.
    #[default]
    Off,
    /// Offered and taken; without them it goes on in the clear (RFC 8643).
    Possible(Vec<Crypto>),
    /// No sound in the clear.
    Required(Vec<Crypto>),
}

/// What is known of the far end's key: nothing before anything was agreed, then the key, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TheirKey(Option<Option<Crypto>>);

impl TheirKey {
    /// After an offer or answer of theirs.
    pub fn learn(&mut self, srtp: Option<&SrtpKeys>) {
        self.0 = Some(srtp.map(|keys| keys.receive.clone()));
    }

    pub(super) fn is_replaced_by(&self, srtp: Option<&SrtpKeys>) -> bool {
        let now = srtp.map(|keys| &keys.receive);
        now.is_some() && self.0.as_ref().is_some_and(|before| before.as_ref() != now)
    }
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    pub send: Crypto,
    pub receive: Crypto,
}

impl Suite {
    pub const ALL: [Self; 4] =
        [Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of master key and salt.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32 + 12,
            Self::AeadAes128Gcm => 16 + 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16 + 14,
        }
    }
}

/// Whether whoever reads this description has a key to the sound.
pub(crate) fn has_keys(sdp: &str) -> bool {
    sdp.lines().any(names_key)
}

/// Whether a line of SDP does.
pub(crate) fn names_key(line: &str) -> bool {
    line.get(..9).is_some_and(|name| name.eq_ignore_ascii_case("a=crypto:"))
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crypto({} {}, …)", self.tag, self.suite.name())
    }
}

impl Crypto {
    /// A fresh key for each suite.
    #[must_use]
    pub fn fresh() -> Vec<Self> {
        let key = |suite: Suite| (0..suite.key_len()).map(|_| rand::random()).collect();
        (1..).zip(Suite::ALL).map(|(tag, suite)| Self { tag, suite, key: key(suite) }).collect()
    }

    /// Reads what follows `a=crypto:`. `None` if we can't use it: RFC 4568 section 6.1 has it ignored then.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|t| t.len() <= 9)?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name))?;
        let key = inline_key(words.next()?, suite)?;
        words.all(may_be_ignored).then_some(Self { tag, suite, key })
    }

    pub(super) fn line(&self) -> String {
        format!("a=crypto:{} {} inline:{}\r\n", self.tag, self.suite.name(), BASE64.encode(&self.key))
    }
}

/// `inline:KEY[|LIFETIME]`. A key with an identifier (MKI) makes packets longer in a way that we do not read, and several keys
/// in a line need one.
fn inline_key(params: &str, suite: Suite) -> Option<Vec<u8>> {
    let (method, info) = params.split_once(':')?;
    let mut parts = info.split('|');
    let key = parts.next().filter(|key| key.len() <= 64)?;
    let lifetime = parts.next().is_none_or(is_lifetime);
    if !method.eq_ignore_ascii_case("inline") || !lifetime || parts.next().is_some() || info.contains(';') {
        return None;
    }
    BASE64.decode(key).ok().filter(|key| key.len() == suite.key_len())
}

/// Packets, as a number or a power of two; not `MKI:LENGTH`.
fn is_lifetime(text: &str) -> bool {
    match text.strip_prefix("2^") {
        Some(power) => power.parse::<u8>().is_ok_and(|p| (1..=48).contains(&p)),
        None => text.parse::<u64>().is_ok_and(|n| n > 0),
    }
}

/// Session parameters: a hint for the window, and what its writer says may be ignored (RFC 4568 sections 6.3.6, 6.3.7).
fn may_be_ignored(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=")
}

/// The usable keys of a media line.
pub(super) fn read(media: &sdp_types::Media) -> Vec<Crypto> {
    let lines = media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("crypto")).take(MAX_LINES);
    lines.filter_map(|a| Crypto::parse(a.value.as_deref()?)).collect()
}

impl Protection {
    /// Our keys.
    #[must_use]
    pub fn keys(&self) -> &[Crypto] {
        match self {
            Self::Off => &[],
            Self::Possible(keys) | Self::Required(keys) => keys,
        }
    }

    /// The key that an answer of ours went out with keeps its tag, should that answer be offered again.
    pub fn answered(&mut self, srtp: Option<&SrtpKeys>) {
        let (Self::Possible(keys) | Self::Required(keys), Some(SrtpKeys { send, .. })) = (self, srtp) else { return };
        let highest = keys.iter().map(|key| key.tag).max().unwrap_or_default().max(send.tag);
        for (next, key) in (highest.saturating_add(1)..).zip(keys) {
            key.tag = if key.suite == send.suite { send.tag } else { next };
        }
    }

    /// Fresh keys in place of these.
    #[must_use]
    pub fn renewed(&self) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Possible(_) => Self::Possible(Crypto::fresh()),
            Self::Required(_) => Self::Required(Crypto::fresh()),
        }
    }

    pub(super) fn is_required(&self) -> bool {
        match self {
            Self::Off | Self::Possible(_) => false,
            Self::Required(_) => true,
        }
    }

    /// Our answer to offered keys: the first that we have one for, under its tag (RFC 4568 section 5.1.2).
    pub(super) fn answer(&self, offered: &[Crypto]) -> Option<SrtpKeys> {
        offered.iter().find_map(|theirs| {
            let ours = self.keys().iter().find(|ours| ours.suite == theirs.suite)?;
            Some(SrtpKeys { send: Crypto { tag: theirs.tag, ..ours.clone() }, receive: theirs.clone() })
        })
    }

    /// What an answer to our keys chose: by its tag, with the suite unchanged (RFC 4568 section 5.1.3).
    pub(super) fn accept(&self, answered: &[Crypto]) -> Option<SrtpKeys> {
        let theirs = answered.first()?;
        let ours = self.keys().iter().find(|ours| (ours.tag, ours.suite) == (theirs.tag, theirs.suite))?;
        Some(SrtpKeys { send: ours.clone(), receive: theirs.clone() })
    }
}
