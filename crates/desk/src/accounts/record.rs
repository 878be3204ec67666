//! What the log keeps of a call of a plain account.

use protocol::{CallOutcome, CallRecord, DepartmentRef, Direction, JourneyEvent, LegQuality, Reason, Timestamp};
use softphone::Ended;

use super::calls::{Moving, OwnCall};

impl OwnCall {
    /// `end`: how the phone said that it ended, and whether that was our wish; `None` if the phone itself was ended.
    pub(super) fn record(self, now: Timestamp, end: Option<(&Ended, bool)>) -> CallRecord {
        let because = self.because(end);
        let quality = self.leg_quality();
        let answered_elsewhere = end.is_some_and(|(ended, _)| ended.answered_elsewhere);
        let mut journey = self.journey;
        if self.moving != Moving::Done {
            journey.push(protocol::JourneyStep { at: now, what: JourneyEvent::Ended { because } });
        }
        CallRecord {
            id: self.id,
            seq: 1,
            direction: self.direction,
            caller: self.with,
            dialled: self.dialled,
            department: Some(DepartmentRef {
                id: format!("account-{}", self.account_key).as_str().into(),
                name: self.account,
            }),
            agents: if self.answered_at.is_some() { vec![self.me] } else { Vec::new() },
            started_at: self.started_at,
            answered_at: self.answered_at,
            ended_at: now,
            outcome: outcome(self.answered_at.is_some() || answered_elsewhere, self.direction, because),
            ended_because: because,
            journey,
            audit: Vec::new(),
            voicemail: None,
            remarks: None,
            quality,
        }
    }

    fn because(&self, end: Option<(&Ended, bool)>) -> Reason {
        let Some((ended, by_us)) = end else { return Reason::AppStopped };
        if self.moving == Moving::Done {
            return Reason::Joined;
        }
        let inbound = self.direction == Direction::Inbound;
        match (self.answered_at.is_some(), ended.answered_elsewhere) {
            (false, true) => Reason::AnsweredElsewhere,
            (true, _) if by_us => Reason::AgentGone,
            (true, _) if inbound => Reason::CallerGone,
            (true, _) => Reason::OutsideGone,
            (false, false) if self.declined => Reason::Declined,
            (false, false) if by_us => Reason::Cancelled,
            // Only a phone that has rung for long enough says so.
            (false, false) if inbound && ended.status == Some(480) => Reason::NoAnswer,
            (false, false) if inbound => Reason::CallerGone,
            (false, false) => refusal(ended.status),
        }
    }

    fn leg_quality(&self) -> Vec<LegQuality> {
        let Some(report) = &self.quality else { return Vec::new() };
        let rounded = |value: f32| value.round().clamp(0.0, f32::from(u16::MAX)) as u16;
        let all = (report.received + report.lost).max(1);
        vec![LegQuality {
            party: crate::rings::name(self.other()),
            user: None,
            codec: self.codec.clone().unwrap_or_default(),
            score: rounded(report.mos * 100.0),
            lost_permille: ((report.lost * 1000 / all).min(1000) as u16).max(report.missed_permille.unwrap_or(0)),
            jitter_ms: rounded(report.jitter_ms),
            round_trip_ms: report.round_trip_ms.map(rounded),
            trouble: report.trouble,
            encrypted: Some(report.encrypted),
        }]
    }
}

/// RFC 3261 section 21, as far as the log tells apart.
pub(super) fn refusal(status: Option<u16>) -> Reason {
    match status {
        Some(486 | 600) => Reason::Busy,
        Some(603) => Reason::Declined,
        Some(408 | 480) => Reason::NoAnswer,
        Some(404 | 410 | 502 | 503 | 504 | 604) => Reason::Unreachable,
        Some(_) | None => Reason::Failed,
    }
}

fn outcome(answered: bool, direction: Direction, because: Reason) -> CallOutcome {
    match (answered, direction, because) {
        (true, _, _) => CallOutcome::Answered,
        (false, Direction::Outbound, Reason::Failed | Reason::Unreachable | Reason::AppStopped) => CallOutcome::Failed,
        (false, _, _) => CallOutcome::Missed,
    }
}
