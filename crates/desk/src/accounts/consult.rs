//! Speaking with a colleague about a caller before handing them over (RFC 5589 section 7), on the phone of one account.

use protocol::Denied;
use protocol::{JourneyEvent, Party, Reason, TargetRef, Timestamp, TransferId, TransferKind, TransferRight};
use softphone::Ended;

use super::calls::{Moving, OwnCall};
use super::record::refusal;
use crate::owner::Owner;
use crate::phones::LineNo;
use crate::rings::name;
use crate::steps::Step;
use crate::{ConsultStage, ConsultView, PhoneCallId, Tone};

/// A consultation that goes on about a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Consult {
    pub id: TransferId,
    /// The call with the colleague.
    pub other: PhoneCallId,
    pub to: String,
    pub since: Timestamp,
    pub stage: ConsultStage,
    /// Since when whoever is not spoken with waits.
    pub waiting_since: Timestamp,
    /// Complete was pressed, and the far end has not said what became of it.
    pub joining: bool,
}

impl Owner {
    /// Calls the colleague; the phone holds the caller meanwhile.
    pub(super) fn begin_consult(&mut self, id: PhoneCallId, to: &str) {
        let Some(other) = self.place(id.line(), to) else { return };
        let (now, transfer) = (self.clock.now(), super::transfer::new_id());
        if let Some(call) = self.own.get_mut(&other) {
            call.about = Some(id);
        }
        let Some(own) = self.own.get_mut(&id) else { return };
        own.started_moving(now, transfer.clone(), to, TransferKind::Consult);
        own.moving = Moving::Consult(Consult {
            id: transfer,
            other,
            to: to.to_owned(),
            since: now,
            stage: ConsultStage::Ringing,
            waiting_since: now,
            joining: false,
        });
    }

    pub(super) fn consult_answered(&mut self, other: PhoneCallId) {
        let now = self.clock.now();
        let Some(own) = self.own.get(&other).and_then(|call| call.about).and_then(|about| self.own.get_mut(&about))
        else {
            return;
        };
        let Some(consult) = own.consult_mut() else { return };
        consult.stage = ConsultStage::WithColleague;
        let (transfer, with) = (consult.id.clone(), TargetRef::Outside { number: consult.to.clone() });
        own.step(now, JourneyEvent::Consulted { transfer, with });
    }

    /// The phone says whom it holds: that tells who is spoken with, however that came about.
    pub(crate) fn consult_held(&mut self, id: PhoneCallId, held: bool) {
        let now = self.clock.now();
        let Some(consult) = self.own.get_mut(&id).and_then(OwnCall::consult_mut) else { return };
        let stage = match (consult.stage, held) {
            (ConsultStage::Ringing, _) => return,
            (ConsultStage::WithColleague | ConsultStage::WithCaller, true) => ConsultStage::WithColleague,
            (ConsultStage::WithColleague | ConsultStage::WithCaller, false) => ConsultStage::WithCaller,
        };
        if stage != consult.stage {
            consult.stage = stage;
            consult.waiting_since = now;
        }
    }

    pub(super) fn step_consult(&mut self, id: PhoneCallId, step: Step) {
        let Some(consult) = self.own.get(&id).and_then(OwnCall::consult).cloned() else { return };
        let ((line, key), (_, other)) = (LineNo::of(id), LineNo::of(consult.other));
        let Some(device) = self.device(line) else { return };
        match (step, consult.stage) {
            (_, _) if consult.joining => {}
            (Step::Cancel, _) => {
                device.hang_up(other);
                device.hold(key, false);
                self.cancel_consult(id, consult);
            }
            (Step::Swap, ConsultStage::Ringing) => {}
            (Step::Swap, ConsultStage::WithColleague) => device.hold(key, false),
            (Step::Swap, ConsultStage::WithCaller) => device.hold(other, false),
            // A call that rings can't be replaced from here (RFC 3891 section 3): it becomes a transfer like any other.
            (Step::Complete, ConsultStage::Ringing) => {
                device.hang_up(other);
                device.transfer(key, &consult.to);
                let rings = false;
                let blind = Moving::Blind { id: consult.id, to: consult.to, since: consult.since, rings };
                self.set_moving(id, blind);
            }
            (Step::Complete, ConsultStage::WithColleague | ConsultStage::WithCaller) => {
                device.connect(key, other);
                if let Some(consult) = self.own.get_mut(&id).and_then(OwnCall::consult_mut) {
                    consult.joining = true;
                }
            }
        }
    }

    fn cancel_consult(&mut self, id: PhoneCallId, consult: Consult) {
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&id) else { return };
        let (transfer, target) = (consult.id, TargetRef::Outside { number: consult.to });
        own.step(now, JourneyEvent::TransferBounced { transfer, target, reason: Reason::Cancelled });
        own.moving = Moving::No;
    }

    pub(super) fn set_moving(&mut self, id: PhoneCallId, moving: Moving) {
        if let Some(own) = self.own.get_mut(&id) {
            own.moving = moving;
        }
    }

    /// A call of a consultation has ended: `gone` is not in the list any more.
    pub(super) fn consult_call_ended(&mut self, gone: &OwnCall, id: PhoneCallId, ended: &Ended) {
        match (gone.consult(), gone.about) {
            (Some(consult), _) => self.caller_left(gone, consult),
            (None, Some(about)) => self.colleague_left(about, id, ended),
            (None, None) => {}
        }
    }

    /// Whom we consulted stays: a call like any other from now on, unless both were connected.
    fn caller_left(&mut self, gone: &OwnCall, consult: &Consult) {
        if consult.joining {
            return;
        }
        if let Some(other) = self.own.get_mut(&consult.other) {
            other.about = None;
            let sentence = format!("{} has hung up. You still have {}.", name(&gone.with), name(&other.with));
            self.announce(Tone::Plain, sentence);
        }
    }

    fn colleague_left(&mut self, about: PhoneCallId, other: PhoneCallId, ended: &Ended) {
        let (line, key) = LineNo::of(about);
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&about) else { return };
        let Some(consult) = own.consult().filter(|consult| consult.other == other && !consult.joining).cloned() else {
            return;
        };
        let (reason, why) = match ended.talked {
            Some(_) => (Reason::AgentGone, "hung up".to_owned()),
            None => (refusal(ended.status), ended.cause.clone()),
        };
        let target = TargetRef::Outside { number: consult.to.clone() };
        own.step(now, JourneyEvent::TransferBounced { transfer: consult.id, target, reason });
        own.moving = Moving::No;
        let caller = name(own.other());
        if let Some(device) = self.device(line) {
            device.hold(key, false);
        }
        self.announce(Tone::Bad, format!("{}: {why}. {caller} is back with you.", consult.to));
    }

    /// What the phone strip shows of the consultation about this call.
    pub(super) fn consult_view(&self, id: PhoneCallId) -> Option<ConsultView> {
        let consult = self.own.get(&id).and_then(OwnCall::consult)?;
        Some(ConsultView {
            transfer: consult.id.clone(),
            with: consult.to.clone(),
            stage: consult.stage,
            waiting_since: consult.waiting_since,
            complete_right: TransferRight::Allowed,
            swap_right: match consult.stage {
                ConsultStage::Ringing => Err(Denied::NotConnectedYet).into(),
                ConsultStage::WithColleague | ConsultStage::WithCaller => TransferRight::Allowed,
            },
        })
    }

    /// About whom the colleague on this call is asked.
    pub(super) fn consulted_about(&self, id: PhoneCallId) -> Option<Party> {
        let about = self.own.get(&id)?.about?;
        let about = self.own.get(&about)?;
        about.consult().map(|_| about.with.clone())
    }
}

impl OwnCall {
    pub(super) fn consult(&self) -> Option<&Consult> {
        match &self.moving {
            Moving::Consult(consult) => Some(consult),
            Moving::No | Moving::Blind { .. } | Moving::Followed { .. } | Moving::Done => None,
        }
    }

    pub(super) fn consult_mut(&mut self) -> Option<&mut Consult> {
        match &mut self.moving {
            Moving::Consult(consult) => Some(consult),
            Moving::No | Moving::Blind { .. } | Moving::Followed { .. } | Moving::Done => None,
        }
    }
}
