use std::fmt;

use crate::{
    Credentials, Flow, NameAddr, RegistrationKey, Replaces, Uri,
    address::quote,
    auth::hex,
    message::{Message, first_of_list, param_of},
};

/// Longest value that is taken over from outside, bytes.
const MAX_VALUE: usize = 1024;

/// Headers the flows use, parsed once. From outside they come bounded (at most 1 KiB each), without control characters,
/// and as valid UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallHeaders {
    /// P-Asserted-Identity (RFC 3325), or Remote-Party-ID of older systems. Not read if Privacy (RFC 3323) withholds it.
    pub asserted_identity: Option<NameAddr>,
    /// Referred-By (RFC 3892).
    pub referred_by: Option<NameAddr>,
    /// The topmost Diversion (RFC 5806). The parameter `reason` is in [`NameAddr::params`].
    pub diversion: Option<NameAddr>,
    /// Alert-Info without its angle brackets, e.g. `urn:alert:source:internal` (RFC 7462).
    pub alert_info: Option<String>,
    /// User-to-User (RFC 7433), decoded text; sent as `<hex>;encoding=hex`.
    pub user_to_user: Option<String>,
    /// Session-ID (RFC 7989).
    pub session_id: Option<String>,
    pub subject: Option<String>,
    /// `Answer-Mode: Auto` (RFC 5373): the caller asks the device to answer by itself. Whether it may is its owner's
    /// decision.
    pub auto_answer: bool,
    /// The dialog of the called side that this call shall replace (RFC 3891). Only sent: an INVITE that arrives with
    /// one is refused.
    pub replaces: Option<Replaces>,
    /// Other headers, `X-…`: name and value.
    pub call_info: Vec<(String, String)>,
}

impl CallHeaders {
    pub(crate) fn read(m: &Message) -> Self {
        let text = |name| m.get(name).filter(|v| !v.is_empty() && v.len() <= MAX_VALUE).map(str::to_owned);
        let alert = m.get("Alert-Info").map(|v| v.trim_start_matches('<').split('>').next().unwrap_or_default());
        Self {
            asserted_identity: presented(m),
            referred_by: m.name_addr("Referred-By"),
            diversion: m.name_addr("Diversion"),
            alert_info: alert.filter(|v| !v.is_empty() && v.len() <= MAX_VALUE).map(str::to_owned),
            user_to_user: m.get("User-to-User").and_then(decode_note),
            session_id: text("Session-ID"),
            subject: text("Subject"),
            auto_answer: m.get("Answer-Mode").is_some_and(is_auto),
            replaces: None,
            call_info: m
                .headers
                .iter()
                .filter(|h| {
                    h.name().get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-")) && h.value().len() <= MAX_VALUE
                })
                .take(16)
                .map(|h| (h.name().to_owned(), h.value().to_owned()))
                .collect(),
        }
    }

    pub(crate) fn write(&self, m: &mut Message) {
        if let Some(v) = &self.asserted_identity {
            m.add("P-Asserted-Identity", v.to_string());
        }
        if let Some(v) = &self.referred_by {
            m.add("Referred-By", v.to_string());
        }
        if let Some(v) = &self.diversion {
            m.add("Diversion", v.to_string());
        }
        if let Some(v) = &self.alert_info {
            m.add("Alert-Info", format!("<{v}>"));
        }
        if let Some(v) = &self.user_to_user {
            m.add("User-to-User", format!("{};encoding=hex", hex(v.as_bytes())));
        }
        if let Some(v) = &self.session_id {
            m.add("Session-ID", v.clone());
        }
        if let Some(v) = &self.subject {
            m.add("Subject", v.clone());
        }
        if self.auto_answer {
            m.add("Answer-Mode", "Auto");
        }
        if let Some(v) = &self.replaces {
            m.add("Replaces", v.to_string());
        }
        for (name, value) in &self.call_info {
            m.add(name, value.clone());
        }
    }
}

/// Whom a message presents: P-Asserted-Identity (RFC 3325), or what older systems say instead. Nobody, if that is to be
/// kept private.
pub(crate) fn presented(m: &Message) -> Option<NameAddr> {
    let asserted = m.name_addr("P-Asserted-Identity").filter(|_| !is_private(m));
    asserted.or_else(|| m.name_addr("Remote-Party-ID").filter(|r| matches!(r.param("privacy"), None | Some("off"))))
}

/// RFC 3323 section 4.2 and RFC 3325 section 9.3.
fn is_private(m: &Message) -> bool {
    let private = |p: &str| ["id", "user", "header"].iter().any(|w| p.trim().eq_ignore_ascii_case(w));
    m.all("Privacy").any(|value| value.split([';', ',']).any(private))
}

fn is_auto(answer_mode: &str) -> bool {
    answer_mode.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("Auto")
}

/// The text of a User-to-User header; as it stands if it is not in hex.
fn decode_note(value: &str) -> Option<String> {
    let value = first_of_list(value);
    let data = value.split(';').next()?.trim().trim_matches('"');
    let is_hex = param_of(value, "encoding").is_some_and(|e| e.eq_ignore_ascii_case("hex"));
    let text = if is_hex {
        let digits: Option<Vec<u8>> = data
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        String::from_utf8_lossy(&digits?).chars().filter(|c| !c.is_control()).collect()
    } else {
        data.to_owned()
    };
    (!text.is_empty() && text.len() <= MAX_VALUE).then_some(text)
}

/// A Reason header (RFC 3326): `SIP;cause=200;text="Call completed elsewhere"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonHeader {
    /// `SIP` or `Q.850`.
    pub protocol: String,
    pub cause: u16,
    pub text: String,
}

impl ReasonHeader {
    /// The call was answered elsewhere: no missed call.
    #[must_use]
    pub fn answered_elsewhere() -> Self {
        Self { protocol: "SIP".into(), cause: 200, text: "Call completed elsewhere".into() }
    }

    /// Whether this says that the call was answered elsewhere (RFC 3326, section 3.1; also Q.850 cause 26).
    #[must_use]
    pub fn is_answered_elsewhere(&self) -> bool {
        (self.protocol.eq_ignore_ascii_case("SIP") && self.cause == 200)
            || (self.protocol.eq_ignore_ascii_case("Q.850") && self.cause == 26)
    }
}

impl fmt::Display for ReasonHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};cause={}", self.protocol, self.cause)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ";text={}", quote(&self.text)) }
    }
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The request target.
    pub to: Uri,
    /// Whom to present.
    pub from: NameAddr,
    pub to_display: Option<String>,
    /// The offer.
    pub sdp: String,
    /// Send over this flow (of a REGISTER that was received) instead of to the host of `to`.
    pub via_flow: Option<Flow>,
    /// Send the way that this registration of ours goes: its connection, outbound proxy and Service-Route (RFC 3608).
    pub through: Option<RegistrationKey>,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    pub headers: CallHeaders,
}

/// A registration to keep.
#[derive(Debug, Clone)]
pub struct Registration {
    /// `sip:host:port`, with `;transport=tcp` or `;transport=tls` if not UDP.
    pub registrar: Uri,
    /// Where requests of the account go first, written as the registrar.
    pub outbound_proxy: Option<Uri>,
    /// Address of record; goes into From and To.
    pub aor: NameAddr,
    pub credentials: Option<Credentials>,
    /// Wanted lifetime, seconds.
    pub expires: u32,
}

/// A subscription to keep (RFC 6665).
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Whose state is wanted; the request goes to its host.
    pub to: Uri,
    /// Who wants it: an address of record.
    pub from: NameAddr,
    pub package: Package,
    /// As [`Invite::through`].
    pub through: Option<RegistrationKey>,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Wanted lifetime, seconds.
    pub expires: u32,
}

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Package {
    /// What a line does (RFC 4235).
    Dialog,
    /// What waits in a mailbox (RFC 3842).
    MessageSummary,
}

impl Package {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    pub(crate) fn accept(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }
}
