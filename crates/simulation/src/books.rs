//! Our own bookkeeping: what must become of each call and transfer, from what was seen to happen. Compared with what
//! the switchboard says, and with its records and its audit trail.

use std::collections::{BTreeMap, VecDeque};

use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallOutcome, CallRecord, CallState, JourneyEvent, LegId, LiveCall,
    Reason, TargetRef, TransferId, TransferKind, TransferProgress, UserId, UserRef,
};
use switchboard::Refusal;

use crate::{report::Tally, rng::mix};

/// How many looks back a slow reader may be.
const LOOKS: usize = 4;
/// How many audit entries a record keeps.
const AUDITS: usize = 200;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Somebody who had not hung up was cut off, forgotten or heard nothing.
    pub caller_lost: bool,
    pub what: String,
}

impl Violation {
    pub fn lost(what: impl Into<String>) -> Self {
        Self { caller_lost: true, what: what.into() }
    }

    pub fn other(what: impl Into<String>) -> Self {
        Self { caller_lost: false, what: what.into() }
    }
}

pub type Checked = Result<(), Violation>;

/// Fails with `what` unless `right`.
pub fn check(right: bool, what: impl FnOnce() -> String) -> Checked {
    if right { Ok(()) } else { Err(Violation::other(what())) }
}

/// One call as we saw it.
#[derive(Debug)]
pub struct Case {
    pub id: CallId,
    /// The leg of the party being served.
    pub caller: LegId,
    pub legs: Vec<LegId>,
    pub shown: Option<LiveCall>,
    pub was_shown: bool,
    /// The last looks at it: revision, and what makes a decision stale.
    pub looks: VecDeque<(u32, Look)>,
    /// The transfer that goes on.
    pub open: Option<Open>,
    pub begun: usize,
    /// Everyone the caller was connected with, in order; not kept for a call that was turned round.
    pub agents: Vec<UserId>,
    pub turned: bool,
    /// Numbers of the entries in the trail that are about it.
    pub audits: Vec<u64>,
    pub caller_left: Option<Reason>,
    pub message: bool,
    pub draft: Option<Box<CallRecord>>,
    /// The leg that has just answered a transfer, and until when its end does not end the call.
    pub given: Option<(LegId, u64)>,
}

/// What a person decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub agent: Option<UserId>,
    pub transfer: Option<TransferId>,
    /// Where the caller is, as far as it matters.
    pub place: u8,
    /// How often any of these has changed.
    pub moves: u32,
}

#[derive(Debug)]
pub struct Open {
    pub by: UserId,
    /// It rang at them, and they have not taken it back since.
    pub sent_on: bool,
    pub progress: Option<TransferProgress>,
    /// Why the caller was gone when it was settled.
    left: Option<Reason>,
}

/// What the switchboard said in one step.
#[derive(Debug, Default)]
pub struct Said {
    pub transfer_answers: Vec<Result<TransferId, Refusal>>,
    pub step_answers: Vec<Result<(), Refusal>>,
    pub audits: Vec<AuditEntry>,
    /// Transfers settled in this step, to be judged when it is over.
    pub settled: Vec<(u32, Open, AuditOutcome)>,
    pub gone: Vec<u32>,
    pub orders: usize,
    pub answered_late: bool,
}

#[derive(Debug)]
pub struct Books {
    pub cases: BTreeMap<u32, Case>,
    pub ids: BTreeMap<CallId, u32>,
    pub of_leg: BTreeMap<LegId, u32>,
    pub ended: VecDeque<CallId>,
    pub last_transfer: Option<TransferId>,
    pub trail: (u64, String),
    pub records: u64,
    next: u32,
    pub digest: u64,
    pub tally: Tally,
}

impl Books {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            cases: BTreeMap::new(),
            ids: BTreeMap::new(),
            of_leg: BTreeMap::new(),
            ended: VecDeque::new(),
            last_transfer: None,
            trail: (0, String::new()),
            records: 0,
            next: 0,
            digest: mix(seed),
            tally: Tally::default(),
        }
    }

    pub fn note(&mut self, x: u64) {
        self.digest = mix(self.digest.rotate_left(7) ^ x);
    }

    pub fn case_of(&self, leg: LegId) -> Option<&Case> {
        self.cases.get(self.of_leg.get(&leg)?)
    }

    /// A call is first heard of: only an arriving leg may start one.
    pub fn open_case(&mut self, id: &CallId, caller: LegId, other: Option<LegId>) -> u32 {
        self.next += 1;
        let key = self.next;
        self.ids.insert(id.clone(), key);
        let case = Case {
            id: id.clone(),
            caller,
            legs: Vec::new(),
            shown: None,
            was_shown: false,
            looks: VecDeque::new(),
            open: None,
            begun: 0,
            agents: Vec::new(),
            turned: false,
            audits: Vec::new(),
            caller_left: None,
            message: false,
            draft: None,
            given: None,
        };
        self.cases.insert(key, case);
        self.tally.calls += 1;
        self.attach(key, caller);
        other.into_iter().for_each(|leg| self.attach(key, leg));
        key
    }

    pub fn attach(&mut self, key: u32, leg: LegId) {
        if let Some(old) = self.of_leg.insert(leg, key).and_then(|old| self.cases.get_mut(&old)) {
            old.legs.retain(|l| *l != leg);
        }
        if let Some(case) = self.cases.get_mut(&key) {
            case.legs.push(leg);
        }
    }

    pub fn changed(&mut self, key: u32, call: LiveCall) -> Checked {
        let Some(case) = self.cases.get_mut(&key) else { return Ok(()) };
        let expected = case.shown.as_ref().map_or(1, |old| old.revision + 1);
        check(call.revision == expected && (case.shown.is_some() || !case.was_shown), || {
            format!("{} shows revision {} after {}", call.id, call.revision, expected - 1)
        })?;
        if let (Some(open), Some(progress)) = (&mut case.open, &call.transfer) {
            open.progress = Some(progress.clone());
        }
        if case.looks.len() == LOOKS {
            case.looks.pop_back();
        }
        let look = Look::of(&call, case.looks.front().map(|(_, look)| look));
        case.looks.push_front((call.revision, look));
        case.was_shown = true;
        case.shown = Some(call);
        Ok(())
    }

    pub fn gone(&mut self, id: &CallId, said: &mut Said) -> Checked {
        let case = self.ids.get(id).copied().and_then(|key| Some((key, self.cases.get_mut(&key)?)));
        let Some((key, case)) = case else { return Err(Violation::other(format!("{id} went but never came"))) };
        check(case.shown.take().is_some(), || format!("{id} went twice"))?;
        said.gone.push(key);
        Ok(())
    }

    pub fn audit(&mut self, entry: &AuditEntry, said: &mut Said) -> Checked {
        let (seq, previous) = &self.trail;
        check(entry.seq == seq + 1 && entry.hash == entry.chained(previous), || {
            format!("the audit trail is broken at {} after {seq}", entry.seq)
        })?;
        self.note(u64::from_str_radix(entry.hash.get(..16).unwrap_or_default(), 16).unwrap_or(0));
        self.trail = (entry.seq, entry.hash.clone());
        let key = entry.call.as_ref().and_then(|id| self.ids.get(id)).copied();
        if let Some((key, case)) = key.and_then(|key| Some((key, self.cases.get_mut(&key)?))) {
            case.audits.push(entry.seq);
            settle(key, case, entry, said)?;
        }
        if entry.outcome == AuditOutcome::Refused {
            self.tally.refused += 1;
        }
        said.audits.push(entry.clone());
        Ok(())
    }

    /// The one record of a call: compared with all that we saw of it.
    pub fn record(&mut self, record: &CallRecord) -> Checked {
        self.put_away(record)?.compare(record)
    }

    /// The record of a call that was cut off: as true as what was kept of it.
    pub fn recovered(&mut self, record: &CallRecord) -> Checked {
        let case = self.put_away(record)?;
        check(case.open.is_none(), || format!("{} was cut off, and its transfer has no outcome", case.id))?;
        let begun = count_begun(record);
        check(begun == case.begun, || format!("{}: {} transfers, {begun} in the record", case.id, case.begun))?;
        check(ended_as_said(record), || format!("{}: the journey does not end as the record says", case.id))
    }

    fn put_away(&mut self, record: &CallRecord) -> Result<Case, Violation> {
        self.records += 1;
        check(record.seq == self.records, || format!("record {} has seq {}", self.records, record.seq))?;
        let Some(case) = self.ids.remove(&record.id).and_then(|key| self.cases.remove(&key)) else {
            return Err(Violation::other(format!("a record of {}, which never was or has one", record.id)));
        };
        for leg in &case.legs {
            self.of_leg.remove(leg);
        }
        self.ended.push_front(record.id.clone());
        self.ended.truncate(8);
        self.note(bytes(&serde_json::to_vec(record).unwrap_or_default()));
        Ok(case)
    }
}

impl Look {
    fn of(call: &LiveCall, before: Option<&Self>) -> Self {
        let place = match call.state {
            CallState::Ringing { .. } | CallState::Queued { .. } => 0,
            CallState::Talking { .. } | CallState::Held { .. } => 1,
            CallState::TalkingOutside { .. } => 2,
            CallState::Transferring => 3,
            CallState::Voicemail { .. } | CallState::Closing => 4,
        };
        let transfer = call.transfer.as_ref().map(|t| t.id.clone());
        let mut look = Self { agent: call.agent.as_ref().map(|a| a.id.clone()), transfer, place, moves: 0 };
        look.moves = before.map_or(0, |b| b.moves);
        if before.is_some_and(|b| *b != look) {
            look.moves += 1;
        }
        look
    }
}

/// Opens and closes transfers: each is begun once and settled once, and one at a time.
fn settle(key: u32, case: &mut Case, entry: &AuditEntry, said: &mut Said) -> Checked {
    if !matches!(entry.action, AuditAction::Transfer | AuditAction::Consult) {
        let back = entry.action == AuditAction::CancelTransfer && entry.outcome == AuditOutcome::Accepted;
        if let Some(open) = case.open.as_mut().filter(|open| back && open.by == entry.user) {
            open.sent_on = false;
        }
        return Ok(());
    }
    match entry.outcome {
        AuditOutcome::Refused => Ok(()),
        AuditOutcome::Accepted => {
            let state = case.shown.as_ref().map(|call| &call.state);
            let rung = |towards: &[UserRef]| towards.iter().any(|user| user.id == entry.user);
            let sent_on = matches!(state, Some(CallState::Ringing { towards, .. }) if rung(towards));
            let before = case.open.replace(Open { by: entry.user.clone(), sent_on, progress: None, left: None });
            case.begun += 1;
            case.given = None;
            check(before.is_none(), || format!("{}: a transfer begins while another goes on", case.id))
        }
        AuditOutcome::Completed | AuditOutcome::FellBack => match case.open.take() {
            Some(open) => {
                said.settled.push((key, Open { left: case.caller_left, ..open }, entry.outcome));
                Ok(())
            }
            None => Err(Violation::other(format!("{}: a transfer is settled that does not go on", case.id))),
        },
    }
}

impl Case {
    fn compare(&self, record: &CallRecord) -> Checked {
        let id = &self.id;
        check(self.shown.is_none(), || format!("{id} has its record and is still shown"))?;
        check(self.open.is_none(), || format!("{id} has its record, but a transfer has no outcome"))?;
        let kept: Vec<u64> = record.audit.iter().map(|e| e.seq).collect();
        check(kept.iter().eq(self.audits.iter().take(AUDITS)), || {
            format!("{id}: audit entries {:?}, in the record {kept:?}", self.audits)
        })?;
        let begun = count_begun(record);
        check(begun == self.begun, || format!("{id}: {} transfers, {begun} in the journey", self.begun))?;
        check(ended_as_said(record), || format!("{id}: the journey does not end as the record says"))?;
        if !self.turned {
            let agents: Vec<&UserId> = record.agents.iter().map(|a| &a.id).collect();
            check(agents.iter().copied().eq(&self.agents), || {
                format!("{id}: talked with {:?}, the record says {agents:?}", self.agents)
            })?;
        }
        check(record.agents.is_empty() || record.answered_at.is_some(), || format!("{id}: talked, never answered"))?;
        if self.caller_left == Some(Reason::CallerGone) && record.voicemail.is_none() {
            let because = record.ended_because;
            check(because == Reason::CallerGone || because == Reason::Shutdown, || {
                format!("{id}: the caller hung up, the record says {because:?}")
            })?;
        }
        let message = record.outcome == CallOutcome::Voicemail;
        check(message == record.voicemail.is_some() && (!message || self.message), || {
            format!("{id}: outcome {:?} with voicemail {:?}", record.outcome, record.voicemail)
        })
    }
}

fn count_begun(record: &CallRecord) -> usize {
    record.journey.iter().filter(|s| begins(&s.what)).count()
}

fn begins(event: &JourneyEvent) -> bool {
    matches!(event, JourneyEvent::TransferStarted { .. } | JourneyEvent::TransferResumed { .. })
}

fn ended_as_said(record: &CallRecord) -> bool {
    let last = record.journey.last().map(|s| &s.what);
    matches!(last, Some(JourneyEvent::Ended { because }) if *because == record.ended_because)
}

/// How a transfer came out, judged by where the caller is after the step that settled it.
pub fn outcome(case: Option<&Case>, open: &Open, outcome: AuditOutcome) -> Result<&'static str, Violation> {
    let state = case.and_then(|c| c.shown.as_ref()).map(|call| &call.state);
    let progress = open.progress.as_ref();
    let kind = progress.map(|p| p.kind);
    match (outcome, state) {
        (AuditOutcome::Completed, Some(CallState::Talking { with } | CallState::Held { by: with })) => {
            // Held by the caller, an internal one, the name is theirs.
            let caller = case.and_then(|c| c.shown.as_ref()).is_some_and(|c| c.caller.name == with.name);
            let right = match progress.map(|p| &p.target) {
                _ if caller => true,
                Some(TargetRef::User(user)) => user.id == with.id,
                Some(TargetRef::Department(_)) | None => true,
                Some(TargetRef::Outside { .. }) => false,
            };
            check(right, || format!("a transfer is called completed, but the caller talks with {}", with.name))?;
            Ok(if kind == Some(TransferKind::Consult) { "consulted, then connected" } else { "answered by the target" })
        }
        (AuditOutcome::Completed, Some(CallState::TalkingOutside { .. })) => Ok("connected outside"),
        (AuditOutcome::Completed, Some(CallState::Voicemail { .. })) => Ok("voicemail, as asked"),
        (AuditOutcome::Completed, Some(_)) => Err(Violation::other("a transfer is called completed, but is not")),
        (AuditOutcome::Completed, None) => Ok("completed, and over at once"),
        (_, Some(CallState::Talking { with } | CallState::Held { by: with })) => {
            let back = with.id == open.by || progress.and_then(|p| p.from.as_ref()).is_some_and(|f| f.id == with.id);
            Ok(if back { "back with the transferor" } else { "next agent" })
        }
        (_, Some(CallState::TalkingOutside { .. })) => Ok("back with the outside party"),
        (_, Some(CallState::Voicemail { .. })) => Ok("voicemail"),
        (_, Some(CallState::Closing)) => Ok("closing announcement"),
        (_, Some(CallState::Ringing { .. } | CallState::Queued { .. } | CallState::Transferring)) => {
            Err(Violation::other("a transfer is settled while the caller waits"))
        }
        (_, None) => Ok(match open.left {
            Some(Reason::CallerGone) => "caller hung up",
            Some(_) => "the caller's line broke",
            None => "the exchange was stopped, or gave the caller's leg up",
        }),
    }
}

/// FNV-1a.
fn bytes(data: &[u8]) -> u64 {
    data.iter().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3))
}

impl Books {
    /// What would be left if the exchange died now, and whether it tells the truth.
    pub fn drafts(&self) -> Result<Vec<CallRecord>, Violation> {
        let mut drafts = Vec::new();
        for case in self.cases.values() {
            let Some(draft) = &case.draft else {
                return Err(Violation::other(format!("{}: nothing was kept of it", case.id)));
            };
            let begun = count_begun(draft);
            check(begun == case.begun, || format!("{}: {} transfers, {begun} kept", case.id, case.begun))?;
            drafts.push((**draft).clone());
        }
        Ok(drafts)
    }
}
