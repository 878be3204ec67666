//! Our reasons and SIP's: statuses and Reason headers (RFC 3326).

use protocol::Reason;
use sip::{EndCause, EndedBy, ReasonHeader};

/// Which end of a conversation a leg is; decides who "hung up".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Caller,
    Colleague,
}

/// Why a call of ours was not answered. `rang`: it had said that it rings.
pub fn unanswered(cause: &EndCause, rang: bool) -> Reason {
    match (cause.status, cause.by) {
        _ if elsewhere(cause) => Reason::AnsweredElsewhere,
        (Some(status), _) => cause.reason.as_ref().and_then(cause_code).unwrap_or_else(|| from_status(status, rang)),
        (None, EndedBy::Network) => Reason::Unreachable,
        (None, EndedBy::Them | EndedBy::Us) => Reason::Failed,
    }
}

/// Why a leg ended that called us or was talking, if we did not end it.
pub fn gone(cause: &EndCause, side: Side) -> Reason {
    match (cause.by, side) {
        _ if elsewhere(cause) => Reason::AnsweredElsewhere,
        (EndedBy::Network, _) => Reason::Unreachable,
        (EndedBy::Them | EndedBy::Us, Side::Caller) => Reason::CallerGone,
        (EndedBy::Them | EndedBy::Us, Side::Colleague) => Reason::AgentGone,
    }
}

fn elsewhere(cause: &EndCause) -> bool {
    cause.reason.as_ref().is_some_and(ReasonHeader::is_answered_elsewhere)
}

/// Behind a gateway, the telephone network's own cause is nearer to the truth than the status it was turned into
/// (RFC 3398 section 7.2.4.1).
fn cause_code(reason: &ReasonHeader) -> Option<Reason> {
    if !reason.protocol.eq_ignore_ascii_case("Q.850") {
        return None;
    }
    match reason.cause {
        1..=3 | 18 | 20 | 22 | 27 | 28 => Some(Reason::Unreachable),
        17 => Some(Reason::Busy),
        19 => Some(Reason::NoAnswer),
        21 => Some(Reason::Declined),
        _ => None,
    }
}

/// What a final refusal of our INVITE means. 480 and 408 after ringing are a phone that gave up ringing.
fn from_status(status: u16, rang: bool) -> Reason {
    match status {
        486 | 600 => Reason::Busy,
        // Sent elsewhere, where we do not follow.
        300..=399 | 603 | 607 | 608 | 403 => Reason::Declined,
        408 | 480 if rang => Reason::NoAnswer,
        404 | 408 | 410 | 430 | 480 | 484 | 503 | 604 => Reason::Unreachable,
        487 => Reason::Cancelled,
        _ => Reason::Failed,
    }
}

/// The status with which a leg that arrived is refused.
pub fn status(reason: Reason) -> u16 {
    match reason {
        Reason::NoAnswer
        | Reason::NobodyFree
        | Reason::Unreachable
        | Reason::Away
        | Reason::AnsweredElsewhere
        | Reason::SentToVoicemail => 480,
        Reason::Busy | Reason::DoNotDisturb => 486,
        Reason::Declined | Reason::HungUpAtOnce => 603,
        Reason::Failed | Reason::ExchangeFailed | Reason::AppStopped => 500,
        Reason::CallerGone | Reason::AgentGone | Reason::OutsideGone | Reason::Cancelled | Reason::Joined => 487,
        Reason::Shutdown => 503,
    }
}

/// What a CANCEL or BYE says about why. A plain hang-up says nothing.
pub fn header(reason: Reason) -> Option<ReasonHeader> {
    match reason {
        Reason::AnsweredElsewhere => Some(ReasonHeader::answered_elsewhere()),
        Reason::CallerGone
        | Reason::AgentGone
        | Reason::OutsideGone
        | Reason::HungUpAtOnce
        | Reason::SentToVoicemail
        | Reason::Joined => None,
        Reason::NoAnswer
        | Reason::Busy
        | Reason::Declined
        | Reason::Unreachable
        | Reason::Failed
        | Reason::NobodyFree
        | Reason::Cancelled
        | Reason::DoNotDisturb
        | Reason::Away
        | Reason::ExchangeFailed
        | Reason::AppStopped
        | Reason::Shutdown => {
            Some(ReasonHeader { protocol: "SIP".into(), cause: status(reason), text: reason.phrase().into() })
        }
    }
}

/// The `reason` of a Diversion header (RFC 5806 section 4). It has no word for whoever took the call and dropped it, a mailbox
/// outside for example: that one is our own, as its grammar allows.
pub fn diversion(reason: Reason) -> &'static str {
    match reason {
        Reason::NoAnswer => "no-answer",
        Reason::Busy => "user-busy",
        Reason::Declined => "deflection",
        Reason::HungUpAtOnce => "hung-up-at-once",
        Reason::Unreachable => "unavailable",
        Reason::DoNotDisturb => "do-not-disturb",
        Reason::Away => "away",
        Reason::Failed
        | Reason::NobodyFree
        | Reason::CallerGone
        | Reason::AgentGone
        | Reason::OutsideGone
        | Reason::Cancelled
        | Reason::AnsweredElsewhere
        | Reason::SentToVoicemail
        | Reason::Joined
        | Reason::ExchangeFailed
        | Reason::AppStopped
        | Reason::Shutdown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> EndCause {
        EndCause::new(EndedBy::Them, Some(status), None)
    }

    #[test]
    fn refusals_become_reasons() {
        let table = [
            (486, false, Reason::Busy),
            (600, true, Reason::Busy),
            (603, true, Reason::Declined),
            (480, false, Reason::Unreachable),
            (480, true, Reason::NoAnswer),
            (408, false, Reason::Unreachable),
            (408, true, Reason::NoAnswer),
            (404, false, Reason::Unreachable),
            (302, true, Reason::Declined),
            (488, false, Reason::Failed),
            (500, true, Reason::Failed),
        ];
        for (status, rang, reason) in table {
            assert_eq!(unanswered(&refused(status), rang), reason, "{status} {rang}");
        }
    }

    #[test]
    fn the_telephone_network_s_own_cause_counts() {
        for (cause, reason) in
            [(17, Reason::Busy), (19, Reason::NoAnswer), (21, Reason::Declined), (1, Reason::Unreachable)]
        {
            let header = ReasonHeader { protocol: "Q.850".into(), cause, text: String::new() };
            assert_eq!(unanswered(&EndCause::new(EndedBy::Them, Some(480), Some(header)), false), reason, "{cause}");
        }
        let unknown = ReasonHeader { protocol: "Q.850".into(), cause: 127, text: String::new() };
        assert_eq!(unanswered(&EndCause::new(EndedBy::Them, Some(486), Some(unknown)), false), Reason::Busy);
    }

    #[test]
    fn hang_ups_name_who_hung_up() {
        let bye = EndCause::new(EndedBy::Them, None, None);
        assert_eq!(gone(&bye, Side::Caller), Reason::CallerGone);
        assert_eq!(gone(&bye, Side::Colleague), Reason::AgentGone);
        assert_eq!(gone(&refused(487), Side::Caller), Reason::CallerGone);
        let elsewhere = EndCause { reason: Some(ReasonHeader::answered_elsewhere()), ..refused(487) };
        assert_eq!(unanswered(&elsewhere, false), Reason::AnsweredElsewhere);
        assert_eq!(header(Reason::AnsweredElsewhere), Some(ReasonHeader::answered_elsewhere()));
    }
}
