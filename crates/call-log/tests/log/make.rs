//! Records to try things with.

use std::path::Path;

use call_log::{CallLog, Filter};
use protocol::{
    CallOutcome, CallRecord, DepartmentRef, Direction, JourneyEvent, JourneyStep, LegQuality, Party, Reason, Remarks,
    TargetRef, Timestamp, TransferKind, UserRef, VoicemailRef,
};

pub fn user(id: &str, name: &str) -> UserRef {
    UserRef { id: id.into(), name: name.into() }
}

pub fn record(id: &str, seq: u64, started_at: u64) -> CallRecord {
    CallRecord {
        id: id.into(),
        seq,
        direction: Direction::Inbound,
        caller: Party { name: "Priya Nair".into(), number: "+919812345678".into() },
        dialled: "+442079460200".into(),
        department: Some(DepartmentRef { id: "support".into(), name: "Support".into() }),
        agents: vec![user("mina", "Mina Shah")],
        started_at: Timestamp(started_at),
        answered_at: Some(Timestamp(started_at + 5)),
        ended_at: Timestamp(started_at + 50),
        outcome: CallOutcome::Answered,
        ended_because: Reason::CallerGone,
        journey: vec![],
        audit: vec![],
        voicemail: None,
        remarks: None,
        quality: Vec::new(),
    }
}

pub fn from(mut record: CallRecord, name: &str, number: &str) -> CallRecord {
    record.caller = Party { name: name.into(), number: number.into() };
    record
}

pub fn with_transfer(mut record: CallRecord, note: &str) -> CallRecord {
    record.journey.push(JourneyStep {
        at: record.started_at,
        what: JourneyEvent::TransferStarted {
            transfer: "t1".into(),
            by: user("maya", "Maya Lindqvist"),
            from: None,
            to: TargetRef::User(user("ravi", "Ravi Kumar")),
            kind: TransferKind::Blind,
            note: (!note.is_empty()).then(|| note.into()),
        },
    });
    record
}

pub fn that_came_back(mut record: CallRecord) -> CallRecord {
    record = with_transfer(record, "");
    record.journey.push(JourneyStep {
        at: record.started_at,
        what: JourneyEvent::Recalled { transfer: "t1".into(), user: user("maya", "Maya Lindqvist") },
    });
    record
}

pub fn with_voicemail(mut record: CallRecord, heard: bool) -> CallRecord {
    record.outcome = CallOutcome::Voicemail;
    record.agents.clear();
    record.answered_at = None;
    let heard = heard.then(|| protocol::Heard { by: user("ravi", "Ravi Kumar"), at: Timestamp(9) });
    record.voicemail = Some(VoicemailRef { mailbox: "support".into(), duration_ms: 4_000, heard });
    record
}

pub fn with_quality(mut record: CallRecord, scores: &[u16]) -> CallRecord {
    record.quality = scores
        .iter()
        .map(|score| LegQuality {
            party: "Priya Nair".into(),
            user: Some("mina".into()),
            codec: "opus".into(),
            score: *score,
            lost_permille: 3,
            jitter_ms: 7,
            round_trip_ms: None,
            trouble: None,
            encrypted: None,
        })
        .collect();
    record
}

pub fn remarks(revision: u32, note: &str, disposition: Option<&str>) -> Remarks {
    Remarks {
        revision,
        note: note.into(),
        disposition: disposition.map(Into::into),
        by: user("maya", "Maya Lindqvist"),
        at: Timestamp(77),
    }
}

pub fn with_remarks(record: CallRecord, remarks: Remarks) -> CallRecord {
    CallRecord { remarks: Some(remarks), ..record }
}

pub fn open(path: &Path) -> CallLog {
    let opened = CallLog::open(path).unwrap();
    assert_eq!((opened.set_aside, opened.mine_set_aside), (None, None));
    opened.log
}

pub fn ids(log: &mut CallLog, filter: &Filter) -> Vec<String> {
    log.page(filter, None, 100).unwrap().rows.into_iter().map(|r| r.id.0).collect()
}

pub fn all(log: &mut CallLog) -> Vec<String> {
    ids(log, &Filter::default())
}

pub fn search(log: &mut CallLog, text: &str) -> Vec<String> {
    ids(log, &Filter { text: text.into(), ..Filter::default() })
}
