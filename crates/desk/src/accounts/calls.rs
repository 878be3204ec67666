//! Calls of plain accounts. No exchange tells of them, so the desk itself knows who, when and what became of them: the
//! rows of the live list and the records of the log are made from this.

use protocol::{
    CallId, Direction, JourneyEvent, JourneyStep, Party, Reason, TargetRef, Timestamp, TransferId, TransferKind,
    UserRef,
};
use softphone::{Ended, IncomingCall, QualityReport, RingKind};

use super::consult::Consult;
use crate::PhoneCallId;
use crate::owner::Owner;
use crate::phones::LineNo;

/// What the desk knows of one call.
#[derive(Clone)]
pub(crate) struct OwnCall {
    pub id: CallId,
    /// "Shop": stands where a call of an exchange has its department.
    pub account: String,
    pub account_key: String,
    pub me: UserRef,
    pub direction: Direction,
    pub with: Party,
    /// Who is there instead by now.
    pub now: Option<Party>,
    pub dialled: String,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub journey: Vec<JourneyStep>,
    pub codec: Option<String>,
    pub quality: Option<QualityReport>,
    /// When anything was heard of it last.
    pub seen_at: Timestamp,
    pub declined: bool,
    pub moving: Moving,
    /// It is the consultation about this call: no call of its own as long as that goes on.
    pub about: Option<PhoneCallId>,
}

/// How a call is being handed over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Moving {
    No,
    /// REFER: on hold until the far end has said what became of it.
    Blind {
        id: TransferId,
        to: String,
        since: Timestamp,
        rings: bool,
    },
    Consult(Consult),
    /// The other side has us call somebody else, by the call `next`, which is part of this one until that has answered.
    Followed {
        next: PhoneCallId,
        id: TransferId,
        to: Party,
    },
    /// The far ends have been connected, or the caller is on the way back by a call of its own.
    Done,
}

impl Owner {
    /// Notes a call that rings here.
    pub(crate) fn own_incoming(&mut self, line: LineNo, call: &IncomingCall) {
        let Some(account) = self.accounts.of_line(line) else { return };
        let dialled = account.settings.address.clone();
        let Some(mut own) = self.new_own(line, Direction::Inbound, call.caller.clone(), dialled.clone()) else {
            return;
        };
        let at = own.started_at;
        own.step(at, JourneyEvent::Arrived { dialled });
        let me = own.me.clone();
        for what in self.came_by(line, call, &me) {
            own.step(at, what);
        }
        own.step(at, JourneyEvent::Rang { users: vec![me] });
        self.own.insert(line.id(call.key), own);
    }

    /// What the ring says of where the call has been. A recall ends the transfer that it comes from: that call's other side has
    /// nothing left to tell but that *we* answered.
    fn came_by(&mut self, line: LineNo, call: &IncomingCall, me: &UserRef) -> Vec<JourneyEvent> {
        match (call.kind, &call.back, &call.transferred_by, &call.forwarded) {
            (RingKind::Recall, Some(back), _, _) => {
                let reason = back.because.unwrap_or(Reason::Failed);
                let transfer = self.transfer_came_back(line, call, reason).unwrap_or_else(super::transfer::new_id);
                let target = TargetRef::Outside { number: crate::rings::name(&back.from) };
                let bounced = JourneyEvent::TransferBounced { transfer: transfer.clone(), target, reason };
                vec![bounced, JourneyEvent::Recalled { transfer, user: me.clone() }]
            }
            (_, _, Some(by), _) => {
                let (transfer, kind) = (super::transfer::new_id(), TransferKind::Blind);
                let to = TargetRef::User(me.clone());
                vec![JourneyEvent::TransferStarted { transfer, by: person(by), from: None, to, kind, note: None }]
            }
            (_, _, None, Some(forwarded)) => {
                let (from, because) = (crate::rings::name(&forwarded.from), forwarded.because);
                vec![JourneyEvent::Forwarded { from, because }]
            }
            (_, _, None, None) => Vec::new(),
        }
    }

    /// Notes a call that we place, unless it is noted already.
    pub(crate) fn own_calling(&mut self, id: PhoneCallId, to: &Party) {
        if let Some(own) = self.own.get_mut(&id) {
            own.with = to.clone();
            return;
        }
        let Some(mut own) = self.new_own(id.line(), Direction::Outbound, to.clone(), to.number.clone()) else { return };
        own.step(own.started_at, JourneyEvent::Arrived { dialled: to.number.clone() });
        self.own.insert(id, own);
    }

    /// The other side has got a name, or somebody else is there now: the log keeps who called, and that they went.
    pub(crate) fn own_identity(&mut self, id: PhoneCallId, party: &Party) {
        let at = self.clock.now();
        let Some(own) = self.own.get_mut(&id) else { return };
        match &mut own.moving {
            Moving::Followed { next, to, .. } if *next == id => to.clone_from(party),
            Moving::No | Moving::Blind { .. } | Moving::Consult(_) | Moving::Followed { .. } | Moving::Done => {
                // A number that we dialled is called by the name of whoever it is.
                if own.direction == Direction::Outbound && own.with.name.is_empty() && own.now.is_none() {
                    own.with.clone_from(party);
                } else {
                    own.is_with(party, at);
                }
            }
        }
    }

    /// Somebody else takes the place of the other side.
    pub(crate) fn own_replaced(&mut self, id: PhoneCallId, by: PhoneCallId, with: &Party) {
        let at = self.clock.now();
        if let Some(own) = self.own.get_mut(&id) {
            own.is_with(with, at);
        }
        self.own_goes_on_as(id, by);
    }

    /// The call goes on under another name.
    pub(super) fn own_goes_on_as(&mut self, id: PhoneCallId, by: PhoneCallId) {
        let Some(own) = self.own.remove(&id) else { return };
        self.own.insert(by, own);
        for own in self.own.values_mut() {
            if own.about == Some(id) {
                own.about = Some(by);
            }
            if let Some(consult) = own.consult_mut().filter(|consult| consult.other == id) {
                consult.other = by;
            }
        }
    }

    fn new_own(&self, line: LineNo, direction: Direction, with: Party, dialled: String) -> Option<OwnCall> {
        let account = self.accounts.of_line(line)?;
        Some(OwnCall {
            id: CallId(format!("own-{:032x}", rand::random::<u128>())),
            account: account.settings.shown_name().to_owned(),
            account_key: account.settings.key.0.clone(),
            me: UserRef { id: "own".into(), name: account.settings.me().to_owned() },
            direction,
            with,
            now: None,
            dialled,
            started_at: self.clock.now(),
            answered_at: None,
            journey: Vec::new(),
            codec: None,
            quality: None,
            seen_at: self.clock.now(),
            declined: false,
            moving: Moving::No,
            about: None,
        })
    }

    pub(crate) fn own_answered(&mut self, id: PhoneCallId, codec: &str) {
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&id) else { return };
        own.codec = Some(codec.to_owned());
        if own.answered_at.replace(now).is_none() {
            let by = match own.direction {
                Direction::Outbound => UserRef { id: "".into(), name: crate::rings::name(&own.with) },
                Direction::Inbound | Direction::Internal => own.me.clone(),
            };
            own.step(now, JourneyEvent::Answered { by });
        }
        self.consult_answered(id);
        self.follow_answered(id);
    }

    pub(crate) fn own_held(&mut self, id: PhoneCallId, held: bool) {
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&id) else { return };
        // Part of handing it over.
        if own.moving != Moving::No {
            return;
        }
        let by = own.me.clone();
        own.step(now, if held { JourneyEvent::Held { by } } else { JourneyEvent::Resumed { by } });
    }

    pub(crate) fn own_sounds(&mut self, id: PhoneCallId, report: &QualityReport) {
        let now = self.clock.now();
        if let Some(own) = self.own.get_mut(&id) {
            own.seen_at = now;
            own.quality = Some(report.clone());
        }
    }

    pub(crate) fn own_declined(&mut self, id: PhoneCallId) {
        if let Some(own) = self.own.get_mut(&id) {
            own.declined = true;
        }
    }

    /// The call is over: its record goes into the log.
    pub(crate) fn own_ended(&mut self, id: PhoneCallId, ended: &Ended, by_us: bool) {
        if self.goes_on_following(id) {
            return;
        }
        self.follow_ended(id, ended);
        let Some(own) = self.own.remove(&id) else { return };
        let now = self.clock.now();
        self.consult_call_ended(&own, id, ended);
        if own.about.is_none() {
            let record = own.record(now, Some((ended, by_us)));
            self.keep_own_record(record);
        }
    }

    /// The phone of this line ends before its calls have said how they did.
    pub(super) fn end_own_calls(&mut self, line: LineNo) {
        let now = self.clock.now();
        let gone: Vec<PhoneCallId> = self.own.keys().filter(|id| id.line() == line).copied().collect();
        for id in gone {
            if let Some(own) = self.own.remove(&id).filter(|own| own.about.is_none()) {
                let record = own.record(now, None);
                self.keep_own_record(record);
            }
        }
    }

    pub(crate) fn end_all_own_calls(&mut self) {
        let lines: Vec<LineNo> = self.accounts.all().map(|account| account.line).collect();
        lines.into_iter().for_each(|line| self.end_own_calls(line));
    }

    /// The call with this id, if it is one of a plain account that goes on.
    pub(crate) fn own_of(&self, call: &CallId) -> Option<(PhoneCallId, &OwnCall)> {
        self.own.iter().find(|(_, own)| own.id == *call).map(|(id, own)| (*id, own))
    }
}

/// Somebody of a plain account's system: it has no ids, so their number is one.
pub(super) fn person(party: &Party) -> UserRef {
    UserRef { id: format!("own-{}", party.number).as_str().into(), name: crate::rings::name(party) }
}

impl OwnCall {
    /// Who is at the other end.
    pub(super) fn other(&self) -> &Party {
        self.now.as_ref().unwrap_or(&self.with)
    }

    /// The other side is this person from now on.
    pub(super) fn is_with(&mut self, party: &Party, at: Timestamp) {
        let before = self.other().number.clone();
        if self.with.number == party.number {
            (self.with, self.now) = (party.clone(), None);
        } else {
            self.now = Some(party.clone());
        }
        if self.now.is_none() || self.answered_at.is_none() {
            return;
        }
        let named = crate::rings::name(party);
        if before != party.number {
            self.step(at, JourneyEvent::Joined { call: self.id.clone(), with: named });
        } else if let Some(JourneyStep { what: JourneyEvent::Joined { with, .. }, .. }) = self.journey.last_mut() {
            // Only the number was known when they came.
            *with = named;
        }
    }

    pub(super) fn step(&mut self, at: Timestamp, what: JourneyEvent) {
        self.seen_at = at;
        self.journey.push(JourneyStep { at, what });
    }

    pub(super) fn started_moving(&mut self, at: Timestamp, transfer: TransferId, to: &str, kind: TransferKind) {
        let (by, to) = (self.me.clone(), TargetRef::Outside { number: to.to_owned() });
        self.step(at, JourneyEvent::TransferStarted { transfer, from: Some(by.clone()), by, to, kind, note: None });
    }
}
