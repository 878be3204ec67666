//! The ring card as headers of an INVITE, so that a device can show everything while its control link is down.

use std::net::SocketAddr;

use protocol::{CallId, Party};
use sha2::{Digest, Sha256};
use sip::{CallHeaders, Host, NameAddr, Uri};
use switchboard::{AnswerMode, RingCard, RingKind};

use super::reasons;

/// Names the call across all its legs.
const CALL_HEADER: &str = "X-Patchcord-Call";
/// `consult`: a colleague wants to speak first. No `Alert-Info` says so.
const RING_HEADER: &str = "X-Patchcord-Ring";
/// In Diversion: for how long that one was rung, seconds.
const TRIED_PARAM: &str = "tried";

/// A party as this exchange presents it.
pub fn address(name: &str, number: &str, host: SocketAddr) -> NameAddr {
    let user = if number.is_empty() { "anonymous" } else { number };
    NameAddr::new(Some(name), Uri::sip(user, Host::Ip(host.ip()), Some(host.port())))
}

/// Everything of the card that is not in From.
pub fn headers(card: &RingCard, host: SocketAddr) -> CallHeaders {
    CallHeaders {
        asserted_identity: Some(address(&card.caller.name, &card.caller.number, host)),
        referred_by: card.transferred_by.as_ref().map(|p| address(&p.name, &p.number, host)),
        diversion: card.back_from.as_ref().map(|back| {
            let from = address(&back.name, &user_part(&back.name), host);
            from.with("reason", reasons::diversion(back.reason)).with(TRIED_PARAM, &back.seconds.to_string())
        }),
        alert_info: Some(alert(card.kind).to_owned()),
        user_to_user: card.note.clone(),
        session_id: Some(session_id(&card.call)),
        subject: card.department.clone(),
        auto_answer: card.answer == AnswerMode::Auto,
        replaces: None,
        call_info: own_headers(card),
    }
}

fn own_headers(card: &RingCard) -> Vec<(String, String)> {
    let mut own = vec![(CALL_HEADER.to_owned(), card.call.0.clone())];
    if card.kind == RingKind::Consult {
        own.push((RING_HEADER.to_owned(), "consult".to_owned()));
    }
    own
}

/// RFC 7462 section 7.
fn alert(kind: RingKind) -> &'static str {
    match kind {
        RingKind::Outside => "urn:alert:source:external",
        RingKind::Internal | RingKind::Transfer | RingKind::Consult => "urn:alert:source:internal",
        RingKind::Recall => "urn:alert:service:recall:transfer",
    }
}

/// RFC 7989: one id over all legs of a call, derived from ours; the far end's half is not known.
fn session_id(call: &CallId) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(call.as_str().as_bytes());
    let mut id = String::with_capacity(80);
    for byte in digest.iter().take(16) {
        let _ = write!(id, "{byte:02x}");
    }
    id.push_str(";remote=00000000000000000000000000000000");
    id
}

/// A display name has no number; a user part that says the same is better than none.
fn user_part(name: &str) -> String {
    let word = name.split_whitespace().next().unwrap_or_default();
    word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Who calls: P-Asserted-Identity before From (RFC 3325); nothing for an anonymous caller (RFC 3323).
pub fn caller(from: &NameAddr, headers: &CallHeaders) -> Party {
    let who = headers.asserted_identity.as_ref().unwrap_or(from);
    let number = who.uri.user();
    let withheld = number.eq_ignore_ascii_case("anonymous") || who.uri.host == Host::Name("anonymous.invalid".into());
    Party {
        name: who.display.clone().filter(|_| !withheld).unwrap_or_default(),
        number: if withheld { String::new() } else { number.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::Reason;

    use super::*;

    #[test]
    fn a_recall_carries_everything() {
        let host = "192.0.2.9:5060".parse().unwrap();
        let card = RingCard {
            call: "c-1".into(),
            kind: RingKind::Recall,
            caller: Party { name: "Priya Nair".into(), number: "+919812345678".into() },
            department: Some("Support".into()),
            transferred_by: Some(Party { name: "Ravi Kumar".into(), number: "103".into() }),
            note: Some("Grüße: bill 7".into()),
            back_from: Some(switchboard::BackFrom { name: "Mina Shah".into(), reason: Reason::NoAnswer, seconds: 20 }),
            answer: switchboard::AnswerMode::Manual,
        };
        let headers = headers(&card, host);
        assert_eq!(
            headers.asserted_identity.unwrap().to_string(),
            r#""Priya Nair" <sip:+919812345678@192.0.2.9:5060>"#
        );
        assert_eq!(headers.referred_by.unwrap().to_string(), r#""Ravi Kumar" <sip:103@192.0.2.9:5060>"#);
        assert_eq!(
            headers.diversion.unwrap().to_string(),
            r#""Mina Shah" <sip:mina@192.0.2.9:5060>;reason=no-answer;tried=20"#
        );
        assert!(!headers.auto_answer);
        assert_eq!(headers.alert_info.unwrap(), "urn:alert:service:recall:transfer");
        assert_eq!(headers.user_to_user.unwrap(), "Grüße: bill 7");
        assert_eq!(headers.subject.unwrap(), "Support");
        assert_eq!(headers.call_info, vec![("X-Patchcord-Call".to_owned(), "c-1".to_owned())]);
        let session = headers.session_id.unwrap();
        let (ours, theirs) = session.split_once(";remote=").unwrap();
        assert!(ours.len() == 32 && ours.bytes().all(|b| b.is_ascii_hexdigit()) && theirs == "0".repeat(32));
    }

    #[test]
    fn a_call_asked_back_and_a_question_say_so() {
        let host = "192.0.2.9:5060".parse().unwrap();
        let card = |kind, answer| RingCard {
            call: "c-1".into(),
            kind,
            caller: Party::default(),
            department: None,
            transferred_by: None,
            note: None,
            back_from: None,
            answer,
        };
        assert!(headers(&card(RingKind::Recall, AnswerMode::Auto), host).auto_answer);
        let consult = headers(&card(RingKind::Consult, AnswerMode::Manual), host);
        assert_eq!(consult.alert_info.unwrap(), "urn:alert:source:internal");
        assert!(consult.call_info.contains(&("X-Patchcord-Ring".to_owned(), "consult".to_owned())));
    }

    #[test]
    fn anonymous_callers_have_no_number() {
        let from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".parse().unwrap();
        assert_eq!(caller(&from, &CallHeaders::default()), Party::default());
    }
}
