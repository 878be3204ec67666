//! How a call ended, in words.

use std::time::Duration;

use sip::{EndCause, EndedBy};

use crate::event::Ended;

/// `talked` is absent if the call was never answered; `incoming` tells a missed call from a vain one.
pub(crate) fn ended(cause: &EndCause, incoming: bool, talked: Option<Duration>) -> Ended {
    let answered_elsewhere =
        incoming && talked.is_none() && cause.reason.as_ref().is_some_and(sip::ReasonHeader::is_answered_elsewhere);
    let words = match (talked, cause.by, incoming) {
        _ if answered_elsewhere => "answered elsewhere".to_owned(),
        (Some(_), EndedBy::Us, _) => "hung up".to_owned(),
        (Some(_), EndedBy::Them, _) => "hung up by the other side".to_owned(),
        (Some(_), EndedBy::Network, _) if cause.status == Some(481) => "the other side has lost this call".to_owned(),
        (Some(_), EndedBy::Network, _) => "the connection was lost: no sound and no answer".to_owned(),
        (None, EndedBy::Us, true) => "declined".to_owned(),
        (None, EndedBy::Us, false) => "given up".to_owned(),
        (None, EndedBy::Them, true) => "the caller gave up".to_owned(),
        (None, EndedBy::Them, false) => match &cause.foreign_realm {
            Some(realm) => asked_as(realm),
            None => refusal(cause.status),
        },
        (None, EndedBy::Network, true) => "the connection to the caller was lost".to_owned(),
        (None, EndedBy::Network, false) => "the network did not answer".to_owned(),
    };
    Ended { cause: words, status: cause.status, answered_elsewhere, talked }
}

/// The password was kept: whoever asks under another name than the registrar may be anybody behind it.
fn asked_as(realm: &str) -> String {
    format!(
        "the server asks for the password under another name (“{realm}”) than at sign-in, so it was not given; ask your \
         provider for a server that signs in and calls under the same name, and enter it in this account"
    )
}

/// RFC 3261 section 21, as far as a person wants to know.
fn refusal(status: Option<u16>) -> String {
    let Some(status) = status else { return "ended by the other side".to_owned() };
    match status {
        401 | 403 | 407 => "not permitted".to_owned(),
        404 | 410 | 484 | 604 => "no such number".to_owned(),
        408 => "no answer".to_owned(),
        480 | 502 | 503 | 504 => "not reachable".to_owned(),
        486 | 600 => "busy".to_owned(),
        487 => "given up".to_owned(),
        488 | 606 => "no codec in common".to_owned(),
        603 => "declined".to_owned(),
        other => format!("refused ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use sip::ReasonHeader;

    use super::*;

    fn by(by: EndedBy, status: Option<u16>, reason: Option<ReasonHeader>) -> EndCause {
        EndCause::new(by, status, reason)
    }

    #[test]
    fn a_ring_taken_elsewhere_is_no_missed_call() {
        let cause = by(EndedBy::Them, None, Some(ReasonHeader::answered_elsewhere()));
        assert!(ended(&cause, true, None).answered_elsewhere);
        assert!(!ended(&cause, false, None).answered_elsewhere, "only for who was called");
        assert!(!ended(&cause, true, Some(Duration::from_secs(1))).answered_elsewhere, "it was answered here");
    }

    #[test]
    fn a_call_that_was_lost_says_how() {
        let words = |status| ended(&by(EndedBy::Network, Some(status), None), false, Some(Duration::ZERO)).cause;
        assert_eq!(words(481), "the other side has lost this call");
        assert_eq!(words(408), "the connection was lost: no sound and no answer");
    }

    #[test]
    fn a_password_that_was_kept_says_why_and_what_to_do() {
        let refused = by(EndedBy::Them, Some(407), None);
        let kept = EndCause { foreign_realm: Some("elsewhere".into()), ..refused.clone() };
        let words = |cause| ended(cause, false, None).cause;
        assert!(words(&kept).contains("“elsewhere”") && words(&kept).contains("ask your provider"), "{}", words(&kept));
        assert_eq!(words(&refused), "not permitted");
    }

    #[test]
    fn refusals_are_told_apart() {
        let words = |status| ended(&by(EndedBy::Them, Some(status), None), false, None).cause;
        assert_eq!(words(486), "busy");
        assert_eq!(words(603), "declined");
        assert_eq!(words(404), "no such number");
        assert_eq!(words(599), "refused (599)");
    }
}
