//! A plain SIP account as a person enters it, and what the phone makes of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use softphone::{Account, Codec, Encryption, PhoneConfig, RingTone, Secret, Sound, Transport, Trust};
use specta::Type;

use crate::phone::local_address;

/// Names a plain account on this machine, for as long as it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct AccountKey(pub String);

/// All of a plain account but its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SipAccountSettings {
    /// Empty: a new one.
    pub key: AccountKey,
    /// `ana@example.com`, with or without `sip:` before it and `:port` behind.
    pub address: String,
    /// What others see of the person; may be empty.
    pub display: String,
    /// What the account is called here: "Shop". Empty: its address.
    pub name: String,
    pub colour: AccountColour,
    pub tone: RingTone,
    /// For the digest, if it is not the user part of the address.
    pub auth_user: String,
    /// `host`, `host:port`; empty: the address's host.
    pub registrar: String,
    pub transport: SipTransport,
    #[serde(default)]
    pub encryption: SipEncryption,
    /// `host`, `host:port`; empty: none.
    pub outbound_proxy: String,
    /// `host`, `host:port` of the STUN server that is asked for the address of each call's sound; empty: none.
    #[serde(default)]
    pub stun: String,
    /// In the order of preference.
    pub codecs: Vec<SipCodec>,
    /// What is dialled to hear messages: `*97`. Empty: not known.
    pub mailbox: String,
    /// SHA-256 of the certificate that the person has accepted; empty: none.
    pub fingerprint: String,
    pub watched: Vec<WatchedLine>,
    /// Whether the other side of a call may have it moved to a number outside the account's system, which can cost money.
    #[serde(default)]
    pub follow_outside: bool,
}

/// A line whose state is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct WatchedLine {
    pub number: String,
    /// May be empty.
    pub name: String,
}

/// Set apart from the colours of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum AccountColour {
    #[default]
    Blue,
    Teal,
    Plum,
    Olive,
    Rust,
    Slate,
}

/// Whether sound is encrypted. Over UDP and TCP it never is: keys go over TLS alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SipEncryption {
    Off,
    #[default]
    WhenPossible,
    /// A call that can't be encrypted is refused.
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SipTransport {
    /// What the server's DNS records ask for (RFC 3263), or UDP.
    #[default]
    Auto,
    Udp,
    Tcp,
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SipCodec {
    Opus,
    G722,
    Pcma,
    Pcmu,
}

const ALL_CODECS: [SipCodec; 4] = [SipCodec::Opus, SipCodec::G722, SipCodec::Pcma, SipCodec::Pcmu];
/// More lines than fit on a screen; the phone watches no more. Another one is refused: what was chosen is not forgotten for it.
pub(super) const MAX_WATCHED: usize = 200;
const MAX_CHARS: usize = 200;

impl Default for SipAccountSettings {
    fn default() -> Self {
        Self {
            key: AccountKey::default(),
            address: String::new(),
            display: String::new(),
            name: String::new(),
            colour: AccountColour::default(),
            tone: RingTone::default(),
            auth_user: String::new(),
            registrar: String::new(),
            transport: SipTransport::default(),
            encryption: SipEncryption::default(),
            outbound_proxy: String::new(),
            stun: String::new(),
            codecs: ALL_CODECS.to_vec(),
            mailbox: String::new(),
            fingerprint: String::new(),
            watched: Vec::new(),
            follow_outside: false,
        }
    }
}

/// What is wrong with what was entered, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAccount {
    #[error("\"{0}\" is no SIP address. Write it as name@example.com.")]
    Address(String),
    #[error("\"{0}\" is no server. Write its name, or name:port: sip.example.com:5060.")]
    Server(String),
    #[error("\"{0}\" is no STUN server. Write its name, or name:port: stun.example.com:3478.")]
    Stun(String),
    #[error("Choose at least one codec, or no call can have sound.")]
    NoCodec,
    #[error("Write the account's password.")]
    NoPassword,
    #[error("{0} is here already. Change it instead of adding it again.")]
    Twice(String),
    #[error("There are {0} accounts, which is the most. Remove one first.")]
    TooMany(usize),
}

impl SipAccountSettings {
    /// As it is kept: without blanks, `sip:` and what is twice.
    pub(crate) fn tidied(mut self) -> Result<Self, BadAccount> {
        let address = self.address.trim();
        let address = strip(address, "sip:").to_owned();
        let parts = address.split_once('@').filter(|(user, host)| is_user(user) && is_server(host));
        if parts.is_none() {
            return Err(BadAccount::Address(short(&self.address)));
        }
        self.address = address;
        for server in [&mut self.registrar, &mut self.outbound_proxy] {
            *server = strip(server.trim(), "sip:").to_owned();
            if !server.is_empty() && !is_server(server) {
                return Err(BadAccount::Server(short(server)));
            }
        }
        self.stun = strip(self.stun.trim(), "stun:").to_owned();
        if !self.stun.is_empty() && !is_server(&self.stun) {
            return Err(BadAccount::Stun(short(&self.stun)));
        }
        for text in [&mut self.display, &mut self.name, &mut self.auth_user, &mut self.mailbox] {
            *text = plain(text);
        }
        let mut kept = Vec::new();
        self.codecs.retain(|codec| {
            !kept.contains(codec) && {
                kept.push(*codec);
                true
            }
        });
        if self.codecs.is_empty() {
            return Err(BadAccount::NoCodec);
        }
        self.watched.truncate(MAX_WATCHED);
        Ok(self)
    }

    /// Somebody has written more into the file than the phone watches: those beyond are kept, and shown as unknown.
    pub(crate) fn watches_too_many(&self) -> Option<String> {
        let watched = self.watched.len();
        (watched > MAX_WATCHED).then(|| {
            let name = self.shown_name();
            format!("{name} has {watched} lines to watch, and no more than {MAX_WATCHED} can be: remove those that you need no more.")
        })
    }

    /// Whether a phone that was started with the one is right for the other too.
    pub(crate) fn same_phone(&self, other: &Self) -> bool {
        let phone_only = |account: &Self| Self {
            name: String::new(),
            colour: AccountColour::default(),
            tone: RingTone::default(),
            mailbox: String::new(),
            ..account.clone()
        };
        phone_only(self) == phone_only(other)
    }

    pub(crate) fn user(&self) -> &str {
        self.address.split_once('@').map_or("", |(user, _)| user)
    }

    fn host(&self) -> &str {
        self.address.split_once('@').map_or("", |(_, host)| host)
    }

    /// What the account is called on the screen.
    pub(crate) fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.address } else { &self.name }
    }

    /// How the person is called in a call's journey.
    pub(crate) fn me(&self) -> &str {
        if self.display.is_empty() { self.user() } else { &self.display }
    }

    /// The one place where an account becomes a phone's configuration.
    pub(crate) async fn phone(self, password: String, sound: Sound) -> PhoneConfig {
        // The address of record stays `user@host`; another registrar is a server that its requests go to first.
        let first = [&self.outbound_proxy, &self.registrar].into_iter().find(|server| !server.is_empty());
        let (host, port) = host_port(first.map_or(self.host(), String::as_str));
        // A domain that only names services (RFC 3263) has no address of its own: the phone then listens everywhere.
        let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let listen = local_address(host, port).await.unwrap_or(anywhere);
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let account = Account {
            registrar: format!("sip:{}", self.host()),
            outbound_proxy: first.map(|server| format!("sip:{server}")),
            insists: false,
            user: self.user().to_owned(),
            auth_user: filled(&self.auth_user),
            password: Secret::new(password),
            display: filled(&self.display),
            // Drawn when the account was added, and kept with it.
            device: filled(&self.key.0),
        };
        let transport = match self.transport {
            SipTransport::Udp => Transport::Udp,
            SipTransport::Tcp => Transport::Tcp,
            SipTransport::Tls => Transport::Tls,
            SipTransport::Auto => Transport::Auto,
        };
        let trust = self.fingerprint.parse().map_or(Trust::System, Trust::Pinned);
        let codecs = self.codecs.iter().map(|codec| codec.of_phone()).collect();
        let encryption = match self.encryption {
            SipEncryption::Off => Encryption::Off,
            SipEncryption::WhenPossible => Encryption::WhenPossible,
            SipEncryption::Required => Encryption::Required,
        };
        let follows_outside = self.follow_outside;
        let stun = filled(&self.stun);
        let config = PhoneConfig::new(listen);
        let account = Some(account);
        PhoneConfig { transport, encryption, trust, account, stun, codecs, sound, follows_outside, ..config }
    }
}

impl SipCodec {
    fn of_phone(self) -> Codec {
        match self {
            Self::Opus => Codec::Opus,
            Self::G722 => Codec::G722,
            Self::Pcma => Codec::Pcma,
            Self::Pcmu => Codec::Pcmu,
        }
    }
}

fn strip<'a>(text: &'a str, scheme: &str) -> &'a str {
    match text.get(..scheme.len()) {
        Some(start) if start.eq_ignore_ascii_case(scheme) => &text[scheme.len()..],
        Some(_) | None => text,
    }
}

/// RFC 3261 section 25.1, `user`: what needs no escape. What else a person writes must not become a header or parameter.
fn is_user(user: &str) -> bool {
    !user.is_empty()
        && user.len() <= 64
        && user.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,%#".contains(c))
}

fn is_server(server: &str) -> bool {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (server, None),
    };
    let is_name = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && is_name(host),
    };
    good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

const SIP_PORT: u16 = 5060;

fn host_port(server: &str) -> (&str, u16) {
    match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(SIP_PORT)),
        Some(_) | None => (server, SIP_PORT),
    }
}

fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control() && !"<>\"".contains(*c)).take(MAX_CHARS).collect()
}

fn short(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn account(address: &str) -> SipAccountSettings {
        SipAccountSettings { address: address.into(), ..Default::default() }
    }

    #[test]
    fn an_address_is_all_that_is_needed() {
        for written in ["ana@example.com", " sip:ana@example.com ", "SIP:ana@example.com"] {
            let tidied = account(written).tidied().unwrap();
            assert_eq!(
                (tidied.address.as_str(), tidied.user(), tidied.host()),
                ("ana@example.com", "ana", "example.com")
            );
        }
        let other = SipAccountSettings { registrar: "sip:pbx.example.com:5070".into(), ..account("ana@[::1]:5062") };
        assert_eq!(other.tidied().unwrap().registrar, "pbx.example.com:5070");
    }

    #[test]
    fn what_could_become_a_header_is_refused_with_an_example() {
        for written in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "ana@a b",
            "ana@b;transport=tls",
            "a<b@c",
            "ana@b:0",
            "ana@b:x",
            "a\r\nX: y@b",
            "ana@[::1",
        ] {
            let sentence = account(written).tidied().unwrap_err().to_string();
            assert!(sentence.contains("name@example.com"), "{written}: {sentence}");
        }
        let proxy = SipAccountSettings { outbound_proxy: "proxy/x".into(), ..account("ana@b") };
        assert!(proxy.tidied().unwrap_err().to_string().contains("name:port"));
        let stun = SipAccountSettings { stun: "stun:x/y".into(), ..account("ana@b") };
        assert!(stun.tidied().unwrap_err().to_string().contains("\"x/y\" is no STUN server"));
    }

    #[test]
    fn codecs_keep_their_order_and_are_there_once() {
        let chosen = vec![SipCodec::Pcma, SipCodec::Opus, SipCodec::Pcma];
        let tidied = SipAccountSettings { codecs: chosen, ..account("ana@b") }.tidied().unwrap();
        assert_eq!(tidied.codecs, [SipCodec::Pcma, SipCodec::Opus]);
        assert_eq!(SipAccountSettings { codecs: vec![], ..account("ana@b") }.tidied(), Err(BadAccount::NoCodec));
    }

    #[tokio::test]
    async fn the_phone_registers_where_the_account_says() {
        let account = SipAccountSettings {
            registrar: "127.0.0.1:5070".into(),
            transport: SipTransport::Tcp,
            encryption: SipEncryption::Required,
            codecs: vec![SipCodec::G722],
            auth_user: "ana-7".into(),
            stun: " stun:stun.example.com:3479".into(),
            ..account("ana@example.com")
        };
        let phone = account.tidied().unwrap().phone("pw".into(), Sound::SILENT).await;
        assert_eq!(phone.stun.as_deref(), Some("stun.example.com:3479"));
        assert_eq!(phone.listen.ip(), Ipv4Addr::LOCALHOST);
        assert_eq!((phone.transport, phone.codecs), (Transport::Tcp, vec![Codec::G722]));
        assert_eq!(phone.encryption, Encryption::Required);
        assert!(matches!(phone.trust, Trust::System));
        let account = phone.account.unwrap();
        assert_eq!((account.registrar.as_str(), account.user.as_str()), ("sip:example.com", "ana"));
        assert_eq!(account.outbound_proxy.as_deref(), Some("sip:127.0.0.1:5070"));
        assert_eq!(account.auth_user.as_deref(), Some("ana-7"));
    }
}
