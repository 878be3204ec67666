use std::time::Duration;

use protocol::{CallId, Party, Reason};
use sip::{CallHeaders, Incoming, NameAddr};

use crate::{CallKey, Security};

/// One incoming call, parsed once from its INVITE; nobody reads a header after that.
///
/// Every string came from outside: bounded and free of control characters, and still never to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    pub key: CallKey,
    pub kind: RingKind,
    pub caller: Party,
    /// Who pressed Go.
    pub transferred_by: Option<Party>,
    pub department: Option<String>,
    /// The transferor's note to the colleague.
    pub note: Option<String>,
    /// The account's call: the row in the live list.
    pub call_id: Option<CallId>,
    /// Of a recall: from whom it comes back, and why.
    pub back: Option<Recalled>,
    /// Whom it was for before it was passed on to this phone, and why.
    pub forwarded: Option<Recalled>,
    /// It asks to be answered by itself and may: that has been done.
    pub answers_itself: bool,
    /// Who can listen in once it is answered; `None`: only the answer decides.
    pub security: Option<Security>,
}

/// Which ring tone, and which words on the ring card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingKind {
    Outside,
    Internal,
    Transfer,
    Recall,
    /// A colleague wants to speak about a caller before handing them over.
    Consult,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    pub from: Party,
    pub because: Option<Reason>,
    /// How long it was tried there.
    pub after: Option<Duration>,
}

const MAX_NAME: usize = 80;
const MAX_NUMBER: usize = 64;
const MAX_NOTE: usize = 500;

impl IncomingCall {
    pub(crate) fn read(key: CallKey, invite: &Incoming) -> Self {
        let headers = &invite.headers;
        let transferred_by = headers.referred_by.as_ref().map(party);
        let kind = ring_kind(headers, transferred_by.is_some());
        Self {
            key,
            kind,
            caller: party(headers.asserted_identity.as_ref().unwrap_or(&invite.from)),
            transferred_by,
            department: text(headers.subject.as_deref(), MAX_NAME),
            note: text(headers.user_to_user.as_deref(), MAX_NOTE),
            call_id: call_id(headers),
            back: headers.diversion.as_ref().filter(|_| kind == RingKind::Recall).map(recalled),
            forwarded: headers.diversion.as_ref().filter(|_| kind != RingKind::Recall).map(recalled),
            answers_itself: false,
            security: None,
        }
    }
}

/// RFC 7462. A transfer says who referred, with or without an alert: Asterisk sends none by itself. A consultation says so in
/// a header of our own.
fn ring_kind(headers: &CallHeaders, referred: bool) -> RingKind {
    let urn = headers.alert_info.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    let internal = urn.starts_with("urn:alert:source:internal") || urn == "alert-internal";
    if urn.starts_with("urn:alert:service:recall") {
        RingKind::Recall
    } else if internal && own(headers, "X-Patchcord-Ring").is_some_and(|ring| ring.eq_ignore_ascii_case("consult")) {
        RingKind::Consult
    } else if referred && !urn.starts_with("urn:alert:source:external") {
        RingKind::Transfer
    } else if internal {
        RingKind::Internal
    } else {
        RingKind::Outside
    }
}

fn call_id(headers: &CallHeaders) -> Option<CallId> {
    text(own(headers, "X-Patchcord-Call"), MAX_NUMBER).map(CallId)
}

/// A header of our own.
fn own<'a>(headers: &'a CallHeaders, name: &str) -> Option<&'a str> {
    headers.call_info.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Longest time that is believed.
const MAX_TRIED: u64 = 24 * 60 * 60;

/// Why it comes back, from the Diversion's reason (RFC 5806 section 4) and our own parameter `tried`, in seconds.
fn recalled(diversion: &NameAddr) -> Recalled {
    let because = match diversion.param("reason").map(str::to_ascii_lowercase).as_deref() {
        Some("no-answer") => Some(Reason::NoAnswer),
        Some("user-busy") => Some(Reason::Busy),
        Some("unavailable") => Some(Reason::Unreachable),
        Some("deflection") => Some(Reason::Declined),
        Some("hung-up-at-once") => Some(Reason::HungUpAtOnce),
        Some("do-not-disturb") => Some(Reason::DoNotDisturb),
        Some("away") => Some(Reason::Away),
        _ => None,
    };
    let tried = diversion.param("tried").and_then(|s| s.parse().ok()).filter(|s| (1..=MAX_TRIED).contains(s));
    Recalled { from: party(diversion), because, after: tried.map(Duration::from_secs) }
}

/// Name and number to show. A withheld number (RFC 3323) is empty.
pub(crate) fn party(address: &NameAddr) -> Party {
    let number = cleaned(address.uri.user(), MAX_NUMBER);
    let withheld = number.eq_ignore_ascii_case("anonymous");
    Party {
        name: cleaned(address.display.as_deref().unwrap_or_default(), MAX_NAME),
        number: if withheld { String::new() } else { number },
    }
}

fn text(value: Option<&str>, max: usize) -> Option<String> {
    value.map(|v| cleaned(v, max)).filter(|v| !v.is_empty())
}

/// At most `max` characters, none of which controls a terminal or turns the direction of writing around: a caller's
/// name must not be able to look like another line of the ring card.
pub(crate) fn cleaned(value: &str, max: usize) -> String {
    let shown = |c: &char| !c.is_control() && !is_invisible_control(*c);
    value.trim().chars().filter(shown).take(max).collect::<String>().trim().to_owned()
}

/// Bidirectional controls (Unicode UAX 9 section 2), line separators, and the byte order mark.
fn is_invisible_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sip::{Flow, LegKey, Transport};

    use super::*;

    fn invite(headers: CallHeaders) -> Incoming {
        let from: NameAddr = "\"Priya Nair\" <sip:+919812345678@example.com>".parse().unwrap();
        let any = "127.0.0.1:5060".parse().unwrap();
        Incoming {
            leg: LegKey(1),
            to: from.clone(),
            request_uri: from.uri.clone(),
            from,
            source: Flow { transport: Transport::Udp, local: any, remote: any, connection: 0 },
            headers,
            sdp: None,
            authenticated_as: None,
            replaces: None,
            from_stranger: false,
        }
    }

    fn read(headers: CallHeaders) -> IncomingCall {
        IncomingCall::read(CallKey(1), &invite(headers))
    }

    #[test]
    fn a_transfer_carries_all_its_facts() {
        let call = read(CallHeaders {
            alert_info: Some("urn:alert:source:internal".into()),
            referred_by: Some("\"Ravi Kumar\" <sip:ravi@example.com>".parse().unwrap()),
            user_to_user: Some("Wants the invoice of May".into()),
            subject: Some("Support".into()),
            call_info: vec![("x-patchcord-call".into(), "c-17".into())],
            ..CallHeaders::default()
        });
        assert_eq!(call.kind, RingKind::Transfer);
        assert_eq!(call.caller, Party { name: "Priya Nair".into(), number: "+919812345678".into() });
        assert_eq!(call.transferred_by, Some(Party { name: "Ravi Kumar".into(), number: "ravi".into() }));
        assert_eq!(call.note.as_deref(), Some("Wants the invoice of May"));
        assert_eq!(call.department.as_deref(), Some("Support"));
        assert_eq!(call.call_id, Some(CallId("c-17".into())));
        assert_eq!(call.back, None);
    }

    #[test]
    fn a_recall_says_from_whom_and_why() {
        let call = read(CallHeaders {
            alert_info: Some("URN:alert:service:recall:transfer".into()),
            diversion: Some("\"Mina Shah\" <sip:mina@example.com>;reason=user-busy;tried=20".parse().unwrap()),
            ..CallHeaders::default()
        });
        assert_eq!(call.kind, RingKind::Recall);
        let back = call.back.unwrap();
        assert_eq!((back.from.name.as_str(), back.because), ("Mina Shah", Some(Reason::Busy)));
        assert_eq!(back.after, Some(Duration::from_secs(20)));
        let because =
            |reason: &str| recalled(&format!("<sip:mina@example.com>;reason={reason}").parse().unwrap()).because;
        assert_eq!(because("away"), Some(Reason::Away));
        assert_eq!(because("do-not-disturb"), Some(Reason::DoNotDisturb));
        assert_eq!(because("deflection"), Some(Reason::Declined));
        assert_eq!(because("hung-up-at-once"), Some(Reason::HungUpAtOnce), "somebody took it, and dropped it");
        assert_eq!(because("follow-me"), None);
        for tried in ["0", "-1", "x", "99999999999999999999"] {
            let diversion: NameAddr = format!("<sip:mina@example.com>;tried={tried}").parse().unwrap();
            assert_eq!(recalled(&diversion).after, None, "{tried}");
        }
    }

    #[test]
    fn internal_and_outside_calls_ring_apart() {
        let ring = |alert: &str, own: Option<&str>, referred| {
            let own = own.map(|ring| ("x-patchcord-ring".to_owned(), ring.to_owned()));
            let alert_info = (!alert.is_empty()).then(|| alert.to_owned());
            ring_kind(&CallHeaders { alert_info, call_info: own.into_iter().collect(), ..Default::default() }, referred)
        };
        assert_eq!(ring("urn:alert:source:internal", None, false), RingKind::Internal);
        assert_eq!(ring("urn:alert:source:external", None, true), RingKind::Outside);
        assert_eq!(ring("", None, false), RingKind::Outside);
        assert_eq!(ring("", None, true), RingKind::Transfer, "Asterisk's own blind transfer");
        assert_eq!(ring("urn:alert:source:internal", Some("consult"), true), RingKind::Consult);
        assert_eq!(ring("urn:alert:source:external", Some("consult"), true), RingKind::Outside, "nobody's pretence");
    }

    /// What other systems' INVITEs say.
    #[test]
    fn a_forwarded_call_says_whom_it_was_for() {
        let call = read(CallHeaders {
            diversion: Some("\"Mina Shah\" <sip:300@pbx.example>;reason=user-busy".parse().unwrap()),
            alert_info: Some("alert-internal".into()),
            ..CallHeaders::default()
        });
        assert_eq!((call.kind, call.back), (RingKind::Internal, None));
        let forwarded = call.forwarded.unwrap();
        assert_eq!((forwarded.from.name.as_str(), forwarded.because), ("Mina Shah", Some(Reason::Busy)));
        assert_eq!(read(CallHeaders::default()).forwarded, None);
    }

    #[test]
    fn names_from_outside_are_bounded_and_cleaned() {
        let name = format!("Ev\u{1b}[31mil\u{202e}\r\nX{}", "a".repeat(5000));
        let shown = cleaned(&name, MAX_NAME);
        assert!(shown.starts_with("Ev[31milXaaa"), "{shown:?}");
        assert_eq!(shown.chars().count(), MAX_NAME);
    }

    #[test]
    fn a_withheld_number_is_empty() {
        let from: NameAddr = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".parse().unwrap();
        assert_eq!(party(&from).number, "");
    }
}
