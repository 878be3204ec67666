//! Records of calls that are over, changed: what people remark, who has listened to a message, how a leg sounded whose
//! end was not confirmed yet.

use protocol::{
    AuditAction, AuditOutcome, CallId, CallRecord, Denied, DispositionId, Heard, LegQuality, Remarks, SetRemarks,
    Timestamp, UserId,
};

use crate::{
    Refusal, Switchboard,
    audit::{self, Attempt},
    quality,
    transfer::rule_of,
};

/// A change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    Remarks {
        by: UserId,
        said: SetRemarks,
    },
    /// Has listened to the message that the caller left. The first who does is kept.
    Heard {
        by: UserId,
    },
    /// How a leg sounded that ended after the record was said.
    Quality(LegQuality),
}

/// Why a record stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAmended {
    NoSuchCall,
    /// Not theirs to see.
    Denied(Denied),
    NoVoicemail,
    UnknownDisposition,
    /// Not what is there now was seen, but something else. Holds what is there.
    Conflict(Option<Box<Remarks>>),
}

impl Switchboard {
    /// Changes `record`, the newest of `call` (`None` if there is none), at `now`. If it is changed, that is a
    /// [`crate::Fact::Record`] with a new `seq`. Gives the record as it is then. Drain [`Self::poll_output`] afterwards.
    ///
    /// # Errors
    /// Why it stays as it is.
    pub fn amend(
        &mut self,
        now: Timestamp,
        call: &CallId,
        record: Option<CallRecord>,
        amendment: Amendment,
    ) -> Result<CallRecord, NotAmended> {
        self.pass_time(now);
        match amendment {
            Amendment::Remarks { by, said } => self.remark(call, record, &by, said),
            Amendment::Heard { by } => self.listened(record.ok_or(NotAmended::NoSuchCall)?, &by),
            Amendment::Quality(of) => {
                let mut record = record.ok_or(NotAmended::NoSuchCall)?;
                Ok(if quality::keep(&mut record.quality, of) { self.say_record(record) } else { record })
            }
        }
    }

    fn remark(
        &mut self,
        call: &CallId,
        record: Option<CallRecord>,
        by: &UserId,
        said: SetRemarks,
    ) -> Result<CallRecord, NotAmended> {
        let target = said.disposition.as_ref().map(|id| self.disposition_name(id));
        let entry = |board: &mut Self, outcome, rule| {
            let attempt = Attempt { user: by, action: AuditAction::SetRemarks, target, outcome, rule };
            board.audit(Some(call.clone()), attempt)
        };
        let judged = record.ok_or(NotAmended::NoSuchCall).and_then(|record| {
            let rule = self.rule_to_see(by, &record).map_err(NotAmended::Denied)?;
            Ok((self.judge(&record, by, &said)?, rule, record))
        });
        match judged {
            Err(refused) => {
                entry(self, AuditOutcome::Refused, refused.rule());
                Err(refused)
            }
            Ok((Judged::SaidAlready, _, record)) => Ok(record),
            Ok((Judged::New, rule, mut record)) => {
                let entry = entry(self, AuditOutcome::Accepted, rule);
                audit::keep(&mut record.audit, entry);
                let by = self.directory.user_ref(by);
                let SetRemarks { base, note, disposition } = said;
                record.remarks =
                    Some(Remarks { revision: base.saturating_add(1), note, disposition, by, at: self.now });
                Ok(self.say_record(record))
            }
        }
    }

    fn judge(&self, record: &CallRecord, by: &UserId, said: &SetRemarks) -> Result<Judged, NotAmended> {
        let present = record.remarks.as_ref();
        let revision = present.map_or(0, |p| p.revision);
        let same = present.is_some_and(|p| p.by.id == *by && p.note == said.note && p.disposition == said.disposition);
        // The answer to the first time may have been lost on its way.
        if same && (said.base == revision || said.base.checked_add(1) == Some(revision)) {
            return Ok(Judged::SaidAlready);
        }
        if said.base != revision {
            return Err(NotAmended::Conflict(record.remarks.clone().map(Box::new)));
        }
        // What is no longer configured can be left as it is.
        let stays = |id: &DispositionId| present.is_some_and(|p| p.disposition.as_ref() == Some(id));
        match &said.disposition {
            Some(id) if !self.directory.dispositions.iter().any(|d| d.id == *id) && !stays(id) => {
                Err(NotAmended::UnknownDisposition)
            }
            Some(_) | None => Ok(Judged::New),
        }
    }

    fn listened(&mut self, mut record: CallRecord, by: &UserId) -> Result<CallRecord, NotAmended> {
        self.rule_to_see(by, &record).map_err(NotAmended::Denied)?;
        let voicemail = record.voicemail.as_mut().ok_or(NotAmended::NoVoicemail)?;
        if voicemail.heard.is_some() {
            return Ok(record);
        }
        voicemail.heard = Some(Heard { by: self.directory.user_ref(by), at: self.now });
        Ok(self.say_record(record))
    }

    fn disposition_name(&self, id: &DispositionId) -> String {
        let known = self.directory.dispositions.iter().find(|d| d.id == *id);
        known.map_or_else(|| id.0.clone(), |d| d.name.clone())
    }
}

enum Judged {
    New,
    /// By the same person, in the same words.
    SaidAlready,
}

impl NotAmended {
    /// The rule of the audit entry.
    fn rule(&self) -> String {
        match self {
            Self::NoSuchCall => rule_of(&Refusal::UnknownCall),
            Self::Denied(denied) => rule_of(&Refusal::Denied(denied.clone())),
            Self::NoVoicemail => "no message".to_owned(),
            Self::UnknownDisposition => "no such disposition".to_owned(),
            Self::Conflict(Some(present)) => format!("conflict: changed by {} meanwhile", present.by.name),
            Self::Conflict(None) => "conflict: there are no remarks".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::Reason;

    use super::*;
    use crate::testkit::Office;

    /// An office in which Ravi has had a call of Support's, and its record.
    fn after_a_call() -> (Office, CallRecord) {
        let mut office = Office::with(&["ravi"]);
        let (caller, _, _) = office.talking_with("ravi");
        office.end(caller, Reason::CallerGone);
        let record = office.records.pop().unwrap();
        (office, record)
    }

    fn amend(
        office: &mut Office,
        record: &CallRecord,
        amendment: Amendment,
    ) -> (Result<CallRecord, NotAmended>, Vec<crate::Output>) {
        let answer = office.board.amend(office.now, &record.id, Some(record.clone()), amendment);
        (answer, std::iter::from_fn(|| office.board.poll_output()).collect())
    }

    fn says(by: &str, base: u32, note: &str, disposition: Option<&str>) -> Amendment {
        let said = SetRemarks { base, note: note.into(), disposition: disposition.map(Into::into) };
        Amendment::Remarks { by: by.into(), said }
    }

    fn entry(outputs: &[crate::Output]) -> &protocol::AuditEntry {
        match &outputs[0] {
            crate::Output::Fact(crate::Fact::Audit(entry)) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn remarks_make_a_newer_record_with_an_entry_in_the_trail() {
        let (mut office, record) = after_a_call();
        let (answer, outputs) = amend(&mut office, &record, says("maya", 0, "wants a quote", Some("call_back")));
        let newer = answer.unwrap();
        let remarks = newer.remarks.clone().unwrap();
        assert_eq!((remarks.revision, remarks.by.name.as_str()), (1, "Maya Lindqvist"));
        assert_eq!((remarks.note.as_str(), remarks.at), ("wants a quote", office.now));
        let accepted = entry(&outputs);
        assert_eq!((accepted.action, accepted.outcome), (AuditAction::SetRemarks, AuditOutcome::Accepted));
        assert_eq!(
            (accepted.target.as_deref(), accepted.rule.as_str()),
            (Some("Call back"), "role manager, department support")
        );
        let audit = [record.audit.clone(), vec![accepted.clone()]].concat();
        let expected = CallRecord { seq: record.seq + 1, remarks: Some(remarks), audit, ..record };
        assert_eq!(newer, expected);
        assert_eq!(outputs[1..], [crate::Output::Fact(crate::Fact::Record(Box::new(expected)))]);
    }

    #[test]
    fn what_is_said_again_is_answered_again_and_done_once() {
        let (mut office, record) = after_a_call();
        let first = amend(&mut office, &record, says("maya", 0, "done", None)).0.unwrap();
        for base in [0, 1] {
            let (again, outputs) = amend(&mut office, &first, says("maya", base, "done", None));
            assert_eq!((again, outputs), (Ok(first.clone()), Vec::new()));
        }
        let (other, outputs) = amend(&mut office, &first, says("ravi", 0, "done", None));
        assert_eq!(other, Err(NotAmended::Conflict(first.remarks.clone().map(Box::new))));
        let refused = entry(&outputs);
        assert_eq!((refused.outcome, outputs.len()), (AuditOutcome::Refused, 1));
        assert_eq!(refused.rule, "conflict: changed by Maya Lindqvist meanwhile");
        let (seen, _) = amend(&mut office, &first, says("ravi", 1, "not quite", None));
        assert_eq!(seen.unwrap().remarks.unwrap().revision, 2);
        // Remarks that never were: those of another exchange.
        let (never, _) = amend(&mut office, &record, says("maya", 3, "x", None));
        assert_eq!(never, Err(NotAmended::Conflict(None)));
    }

    #[test]
    fn only_who_sees_the_call_may_say_something_about_it() {
        let (mut office, record) = after_a_call();
        let cases = [("tom", Denied::NotYourCall), ("mina", Denied::NotYourCall), ("nobody", Denied::UnknownUser)];
        for (user, denied) in cases {
            // Whoever rings sees it: Mina was not there.
            let (answer, outputs) = amend(&mut office, &record, says(user, 0, "x", None));
            assert_eq!(answer, Err(NotAmended::Denied(denied)), "{user}");
            assert_eq!((entry(&outputs).outcome, outputs.len()), (AuditOutcome::Refused, 1));
            assert!(entry(&outputs).rule.starts_with("denied: "), "{}", entry(&outputs).rule);
            let (heard, outputs) = amend(&mut office, &record, Amendment::Heard { by: user.into() });
            assert!(matches!(heard, Err(NotAmended::Denied(_))) && outputs.is_empty());
        }
        let missing = office.board.amend(office.now, &"never".into(), None, says("alex", 0, "x", None));
        assert_eq!(missing, Err(NotAmended::NoSuchCall));
    }

    #[test]
    fn a_disposition_that_is_no_longer_configured_can_stay_but_not_come() {
        let (mut office, record) = after_a_call();
        let (answer, _) = amend(&mut office, &record, says("ravi", 0, "", Some("spam")));
        assert_eq!(answer, Err(NotAmended::UnknownDisposition));
        let marked = amend(&mut office, &record, says("ravi", 0, "", Some("resolved"))).0.unwrap();
        office.board.directory.dispositions.retain(|d| d.id.as_str() != "resolved");
        let noted = amend(&mut office, &marked, says("maya", 1, "as agreed", Some("resolved"))).0.unwrap();
        assert_eq!(noted.remarks.unwrap().disposition, Some("resolved".into()));
        let (answer, _) = amend(&mut office, &record, says("ravi", 0, "", Some("resolved")));
        assert_eq!(answer, Err(NotAmended::UnknownDisposition));
    }

    #[test]
    fn who_listens_first_is_kept() {
        let (mut office, mut record) = after_a_call();
        let heard = |by: &str| Amendment::Heard { by: by.into() };
        assert_eq!(amend(&mut office, &record, heard("ravi")).0, Err(NotAmended::NoVoicemail));
        record.voicemail = Some(protocol::VoicemailRef { mailbox: "Support".into(), duration_ms: 900, heard: None });
        let (first, outputs) = amend(&mut office, &record, heard("ravi"));
        let first = first.unwrap();
        assert_eq!(first.voicemail.as_ref().unwrap().heard.as_ref().unwrap().by.id.as_str(), "ravi");
        assert_eq!((first.seq, outputs.len()), (record.seq + 1, 1));
        assert_eq!(amend(&mut office, &first, heard("maya")), (Ok(first), Vec::new()));
    }
}
