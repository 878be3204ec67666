use std::fmt;

use crate::{
    Credentials, Flow, Instance, NameAddr, RegistrationKey, Replaces, Uri,
    address::quote,
    auth::hex,
    history,
    message::{Message, first_of_list, param_of, split_list},
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
    /// The topmost Diversion (RFC 5806), or what a History-Info (RFC 7044) says of the last one who passed the call on.
    /// The parameter `reason` is in [`NameAddr::params`].
    pub diversion: Option<NameAddr>,
    /// Of the Alert-Infos the first `urn:alert:…` (RFC 7462); else the parameter `info` as many devices know it
    /// (`alert-internal`), else the first without its angle brackets.
    pub alert_info: Option<String>,
    /// User-to-User (RFC 7433), decoded text; sent as `<hex>;encoding=hex`.
    pub user_to_user: Option<String>,
    /// Session-ID (RFC 7989) as it came. Of a call that is placed only the first half counts; it has one anyhow.
    pub session_id: Option<String>,
    pub subject: Option<String>,
    /// `Answer-Mode: Auto` (RFC 5373), or what older systems say instead in Call-Info (`answer-after`) and Alert-Info: the
    /// caller asks the device to answer by itself. Whether it may is its owner's decision.
    pub auto_answer: bool,
    /// The dialog of the called side that this call shall replace (RFC 3891). Only sent: of an INVITE that arrives,
    /// [`crate::Incoming::replaces`] tells.
    pub replaces: Option<Replaces>,
    /// Other headers, `X-…`: name and value.
    pub call_info: Vec<(String, String)>,
}

impl CallHeaders {
    pub(crate) fn read(m: &Message) -> Self {
        let text = |name| m.get(name).filter(|v| !v.is_empty() && v.len() <= MAX_VALUE).map(str::to_owned);
        Self {
            asserted_identity: presented(m),
            referred_by: m.name_addr("Referred-By"),
            diversion: m.name_addr("Diversion").or_else(|| history::passed_on_by(m)),
            alert_info: alert_info(m),
            user_to_user: m.get("User-to-User").and_then(decode_note),
            session_id: text("Session-ID"),
            subject: text("Subject"),
            auto_answer: asks_to_be_answered(m),
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

fn alert_info(m: &Message) -> Option<String> {
    let all: Vec<&str> = m.all("Alert-Info").flat_map(split_list).take(16).collect();
    let bare =
        |value: &&str| value.trim_start_matches('<').split(['>', ';']).next().unwrap_or_default().trim().to_owned();
    let urn = all.iter().map(bare).find(|v| v.get(..10).is_some_and(|v| v.eq_ignore_ascii_case("urn:alert:")));
    let info = || all.iter().find_map(|v| param_of(v, "info")).map(str::to_owned);
    let found = urn.or_else(info).or_else(|| all.first().map(bare));
    found.filter(|v| !v.is_empty() && v.len() <= MAX_VALUE)
}

fn asks_to_be_answered(m: &Message) -> bool {
    let is_auto = |mode: &str| mode.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("Auto");
    let mode = ["Answer-Mode", "Priv-Answer-Mode"].into_iter().filter_map(|name| m.get(name)).any(is_auto);
    let after = m.all("Call-Info").flat_map(split_list).any(|v| param_of(v, "answer-after").is_some());
    // "Auto Answer", "alert-autoanswer", "Ring Answer" and the like.
    let info = |v: &str| param_of(v, "info").is_some_and(|info| info.to_ascii_lowercase().contains("answer"));
    mode || after || m.all("Alert-Info").flat_map(split_list).any(info)
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
    /// What it has to pass on that flow: the path of that REGISTER (RFC 3327).
    pub routes: Vec<String>,
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
    /// Whether it is asked again, ever more seldom, though the registrar refuses the user name or the password: a machine
    /// made them, so nobody could type others. Otherwise it is asked no more, lest it lock the account.
    pub insists: bool,
    /// Address of record; goes into From and To.
    pub aor: NameAddr,
    pub credentials: Option<Credentials>,
    /// What tells this device from others of the same account. Never shared: the one that comes later takes the place of
    /// the other.
    pub instance: Option<Instance>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rsipstack::sip::Method;

    use super::*;

    fn read(headers: &[(&str, &str)]) -> CallHeaders {
        let mut m = Message::request(Method::Invite, "sip:x".into());
        headers.iter().for_each(|(name, value)| m.add(name, *value));
        CallHeaders::read(&m)
    }

    #[test]
    fn the_ring_tone_that_is_asked_for_is_found_in_every_spelling() {
        for (value, found) in [
            ("<urn:alert:source:internal>", "urn:alert:source:internal"),
            ("<http://x/ring.wav>;info=x, <URN:alert:service:recall:hold>", "URN:alert:service:recall:hold"),
            ("urn:alert:source:external;x=y", "urn:alert:source:external"),
            ("<http://www.notused.com>;info=alert-internal;x-line-id=0", "alert-internal"),
            ("<http://x/ring.wav>", "http://x/ring.wav"),
            ("Bellcore-dr2", "Bellcore-dr2"),
        ] {
            assert_eq!(read(&[("Alert-Info", value)]).alert_info.as_deref(), Some(found), "{value}");
        }
        assert_eq!(read(&[("Alert-Info", "<>")]).alert_info, None);
    }

    #[test]
    fn a_wish_to_be_answered_is_heard_in_every_spelling() {
        for (name, value) in [
            ("Answer-Mode", "Auto;require"),
            ("Priv-Answer-Mode", "auto"),
            ("Call-Info", "<sip:x>;purpose=icon, <sip:x>;answer-after=0"),
            ("Alert-Info", "<http://x>;info=\"Auto Answer\""),
            ("Alert-Info", "<http://x>;info=alert-autoanswer;delay=0"),
        ] {
            assert!(read(&[(name, value)]).auto_answer, "{name}: {value}");
        }
        for (name, value) in [
            ("Answer-Mode", "Manual"),
            ("Call-Info", "<sip:x>;purpose=icon"),
            ("Alert-Info", "<urn:alert:source:internal>"),
        ] {
            assert!(!read(&[(name, value)]).auto_answer, "{name}: {value}");
        }
    }

    #[test]
    fn who_wants_to_stay_unknown_does() {
        let pai = ("P-Asserted-Identity", "\"Priya\" <sip:200@x>, <tel:+4930>");
        let who = |more: &[(&str, &str)]| {
            let asserted = read(&[&[pai], more].concat()).asserted_identity;
            asserted.map(|who| who.uri.user().to_owned())
        };
        assert_eq!(who(&[]).as_deref(), Some("200"));
        assert_eq!(who(&[("Privacy", "none")]).as_deref(), Some("200"));
        for privacy in ["id", "header;id", "user; critical", "ID"] {
            assert_eq!(who(&[("Privacy", privacy)]), None, "{privacy}");
        }
        let older = read(&[("Remote-Party-ID", "\"Priya\" <sip:200@x>;party=calling;privacy=off;screen=yes")]);
        assert_eq!(older.asserted_identity.unwrap().uri.user(), "200");
        assert_eq!(read(&[("Remote-Party-ID", "<sip:200@x>;privacy=full")]).asserted_identity, None);
    }

    #[test]
    fn the_topmost_diversion_counts_before_any_history() {
        let headers = read(&[
            ("Diversion", "<sip:300@x>;reason=user-busy, <sip:400@x>;reason=no-answer"),
            ("History-Info", "<sip:500@x?Reason=SIP;cause=408>;index=1, <sip:200@x>;index=1.1"),
        ]);
        assert_eq!(headers.diversion.unwrap().to_string(), "<sip:300@x>;reason=user-busy");
    }
}
