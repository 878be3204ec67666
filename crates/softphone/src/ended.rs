//! How a call ended, in words.

use std::time::Duration;

use sip::{EndCause, EndedBy};

use crate::event::Ended;

/// `talked` is absent if the call was never answered. `arrived`, how long ago an incoming call did, tells a missed one from a
/// vain one.
pub(crate) fn ended(cause: &EndCause, arrived: Option<Duration>, talked: Option<Duration>) -> Ended {
    let incoming = arrived.is_some();
    let answered_elsewhere =
        incoming && talked.is_none() && cause.reason.as_ref().is_some_and(sip::ReasonHeader::is_answered_elsewhere);
    let words = match (talked, cause.by, arrived) {
        _ if answered_elsewhere => "answered elsewhere".to_owned(),
        (Some(_), EndedBy::Us, _) => "hung up".to_owned(),
        (Some(_), EndedBy::Them, _) => "hung up by the other side".to_owned(),
        (Some(_), EndedBy::Network, _) if cause.status == Some(481) => "the other side has lost this call".to_owned(),
        (Some(_), EndedBy::Network, _) => "the connection was lost: no sound and no answer".to_owned(),
        (None, EndedBy::Us, Some(rang)) => match cause.status {
            Some(480) => format!("rang {} unanswered", length(rang)),
            Some(504) => "the connection to the caller was lost".to_owned(),
            Some(_) | None => "declined".to_owned(),
        },
        (None, EndedBy::Us, None) => "given up".to_owned(),
        (None, EndedBy::Them, Some(_)) => "the caller gave up".to_owned(),
        (None, EndedBy::Them, None) => match &cause.foreign_realm {
            Some(realm) => asked_as(realm),
            None => refusal(cause.status),
        },
        (None, EndedBy::Network, Some(_)) => "the connection to the caller was lost".to_owned(),
        (None, EndedBy::Network, None) => "the network did not answer".to_owned(),
    };
    Ended { cause: words, status: cause.status, answered_elsewhere, talked }
}

fn length(time: Duration) -> String {
    match (time.as_secs(), time.as_secs() / 60) {
        (seconds, 0) => format!("{seconds} s"),
        (_, 1) => "1 minute".to_owned(),
        (_, minutes) => format!("{minutes} minutes"),
    }
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
        let arrived = Some(Duration::ZERO);
        assert!(ended(&cause, arrived, None).answered_elsewhere);
        assert!(!ended(&cause, None, None).answered_elsewhere, "only for who was called");
        assert!(!ended(&cause, arrived, Some(Duration::from_secs(1))).answered_elsewhere, "it was answered here");
    }

    #[test]
    fn a_missed_call_says_who_ended_the_ringing() {
        let words =
            |who, status, rang| ended(&by(who, Some(status), None), Some(Duration::from_secs(rang)), None).cause;
        assert_eq!(words(EndedBy::Us, 480, 180), "rang 3 minutes unanswered");
        assert_eq!(words(EndedBy::Us, 480, 119), "rang 1 minute unanswered");
        assert_eq!(words(EndedBy::Us, 480, 59), "rang 59 s unanswered");
        assert_eq!(words(EndedBy::Us, 603, 180), "declined");
        assert_eq!(words(EndedBy::Us, 504, 32), "the connection to the caller was lost");
        assert_eq!(words(EndedBy::Them, 487, 180), "the caller gave up");
    }

    #[test]
    fn a_call_that_was_lost_says_how() {
        let words = |status| ended(&by(EndedBy::Network, Some(status), None), None, Some(Duration::ZERO)).cause;
        assert_eq!(words(481), "the other side has lost this call");
        assert_eq!(words(408), "the connection was lost: no sound and no answer");
    }

    #[test]
    fn a_password_that_was_kept_says_why_and_what_to_do() {
        let refused = by(EndedBy::Them, Some(407), None);
        let kept = EndCause { foreign_realm: Some("elsewhere".into()), ..refused.clone() };
        let words = |cause| ended(cause, None, None).cause;
        assert!(words(&kept).contains("“elsewhere”") && words(&kept).contains("ask your provider"), "{}", words(&kept));
        assert_eq!(words(&refused), "not permitted");
    }

    #[test]
    fn refusals_are_told_apart() {
        let words = |status| ended(&by(EndedBy::Them, Some(status), None), None, None).cause;
        assert_eq!(words(486), "busy");
        assert_eq!(words(603), "declined");
        assert_eq!(words(404), "no such number");
        assert_eq!(words(599), "refused (599)");
    }
}
