//! Handing over a call of a plain account: by REFER, at once or after speaking with the colleague. What happens when nobody
//! answers is up to that account's system; what we see to is that a refusal brings the caller back.

use protocol::{
    CallId, JourneyEvent, Presence, Reason, Target, TargetRef, TransferId, TransferKind, TransferRequest,
    TransferRight, TransferTarget, TransferWay,
};

use softphone::IncomingCall;

use super::calls::{Moving, OwnCall};
use super::record::refusal;
use super::{WatchedState, WatchedView};
use crate::device::Device;
use crate::owner::Owner;
use crate::phone::dialled;
use crate::phones::LineNo;
use crate::rings::name;
use crate::steps::Step;
use crate::{DialogBody, NumberAnswer, PhoneCallId, Tone, TypedNumber};

const NO_MAILBOX: &str =
    "Sending a caller to a mailbox needs a Patchcord exchange. Transfer to the mailbox's own number instead.";

/// Random: unique among those of any exchange.
pub(super) fn new_id() -> TransferId {
    TransferId(format!("own-{:032x}", rand::random::<u128>()))
}

impl Owner {
    /// What the dialog says of a call's own system; `None` if it is a call of the exchange.
    pub(crate) fn own_system(&self, call: &CallId) -> Option<String> {
        let (_, own) = self.own_of(call)?;
        Some(format!(
            "A call of {}: its own system moves it. What happens if nobody answers is up to that system; if it refuses, the caller is back with you.",
            own.account
        ))
    }

    /// The lines that are watched; `None` if it is no call of a plain account.
    pub(crate) fn own_targets(&self, call: &CallId) -> Option<DialogBody> {
        let (id, own) = self.own_of(call)?;
        let account = self.accounts.of_line(id.line())?;
        let targets = account.watched_view().iter().map(|line| target_row(line, &own.account)).collect();
        Some(DialogBody::Ready { targets, outside: TransferRight::Allowed })
    }

    /// A watched line has changed: an open dialog shows it.
    pub(super) fn refresh_own_targets(&mut self) {
        let Some(call) = self.view.dialog.as_ref().map(|dialog| dialog.call.clone()) else { return };
        let body = self.own_targets(&call);
        if let (Some(dialog), Some(body)) = (&mut self.view.dialog, body) {
            dialog.body = body;
        }
    }

    /// Answers at once what would become of the call at a typed number; says whether it is a call of a plain account.
    pub(crate) fn own_number(&mut self, call: &CallId) -> bool {
        let Some(account) = self.own_of(call).map(|(_, own)| own.account.clone()) else { return false };
        if let Some(TypedNumber { number, answer }) =
            self.view.dialog.as_mut().and_then(|dialog| dialog.number.as_mut())
        {
            let target = Box::new(outside_row(number, &account));
            *answer = NumberAnswer::Ready { target };
        }
        true
    }

    /// Begins to hand over a call of a plain account; says whether it is one.
    pub(crate) fn own_transfer(&mut self, call: &CallId, request: &TransferRequest) -> bool {
        let Some((id, own)) = self.own_of(call) else { return false };
        let refused = match (&own.moving, own.answered_at) {
            (Moving::No, Some(_)) => None,
            (Moving::No, None) => Some("Nobody has answered this call yet. Wait until somebody has."),
            (Moving::Blind { .. } | Moving::Consult(_) | Moving::Followed { .. } | Moving::Done, _) => {
                Some("This call is being transferred already.")
            }
        };
        let to = match &request.target {
            Target::User(number) => number.0.clone(),
            Target::Department(number) => number.0.clone(),
            Target::Outside(number) => dialled(number),
        };
        let refused = refused.or(to.is_empty().then_some("Write to whom the call goes."));
        let refused = refused.or((request.kind == TransferKind::Voicemail).then_some(NO_MAILBOX));
        if let Some(sentence) = refused {
            if let Some(dialog) = &mut self.view.dialog {
                dialog.error = Some(sentence.to_owned());
            }
            return true;
        }
        self.view.dialog = None;
        match request.kind {
            TransferKind::Consult => self.begin_consult(id, &to),
            TransferKind::Blind | TransferKind::Voicemail => self.begin_blind(id, to),
        }
        true
    }

    fn begin_blind(&mut self, id: PhoneCallId, to: String) {
        let (line, key) = LineNo::of(id);
        let (now, transfer) = (self.clock.now(), new_id());
        let Some(device) = self.device(line) else { return };
        device.transfer(key, &to);
        if let Some(own) = self.own.get_mut(&id) {
            own.started_moving(now, transfer.clone(), &to, TransferKind::Blind);
            own.moving = Moving::Blind { id: transfer, to, since: now, rings: false };
        }
    }

    /// What the transferee reports of the target.
    pub(crate) fn own_progress(&mut self, id: PhoneCallId, status: u16) {
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&id) else { return };
        let caller = name(own.other());
        let mut left = None;
        let (transfer, to) = match &mut own.moving {
            Moving::Blind { rings, .. } if status < 200 => {
                *rings = *rings || status >= 180;
                return;
            }
            Moving::Blind { id, to, .. } => (id.clone(), to.clone()),
            Moving::Consult(consult) if status >= 200 => {
                left = Some(consult.other);
                (consult.id.clone(), consult.to.clone())
            }
            Moving::Consult(_) | Moving::No | Moving::Followed { .. } | Moving::Done => return,
        };
        own.moving = Moving::Done;
        own.step(now, JourneyEvent::TransferDoneOutside { transfer, number: to.clone() });
        // Whoever has been replaced ends that call by themselves; one that does not is ended here (RFC 5589 section 7.1).
        if let Some(other) = left {
            self.with_phone_of(other, Device::hang_up);
        }
        self.announce(Tone::Good, format!("{to} has the call with {caller}."));
    }

    /// The target of a transfer of ours could not be had, and the system rings us with the caller. Gives that transfer.
    pub(super) fn transfer_came_back(
        &mut self,
        line: LineNo,
        ring: &IncomingCall,
        reason: Reason,
    ) -> Option<TransferId> {
        let now = self.clock.now();
        let from = &ring.back.as_ref()?.from.number;
        self.own.iter_mut().filter(|(id, _)| id.line() == line).find_map(|(_, own)| {
            let Moving::Blind { id, to, .. } = &own.moving else { return None };
            if to != from || own.other().number != ring.caller.number {
                return None;
            }
            let (transfer, target) = (id.clone(), TargetRef::Outside { number: to.clone() });
            own.moving = Moving::Done;
            own.step(now, JourneyEvent::TransferBounced { transfer: transfer.clone(), target, reason });
            Some(transfer)
        })
    }

    /// The phone takes the caller back by itself. Answers whether it is a call of a plain account.
    pub(crate) fn own_transfer_failed(&mut self, id: PhoneCallId, status: u16) -> bool {
        let now = self.clock.now();
        let gone = self.own.get(&id).and_then(OwnCall::consult).is_some_and(|c| !self.own.contains_key(&c.other));
        let Some(own) = self.own.get_mut(&id) else { return false };
        let caller = name(own.other());
        let (transfer, to) = match &mut own.moving {
            Moving::Consult(consult) if !gone => {
                consult.joining = false;
                let sentence = format!(
                    "{} could not be connected with {caller} ({status}). You have both calls: press Complete again, or Cancel.",
                    consult.to
                );
                self.announce(Tone::Bad, sentence);
                return true;
            }
            Moving::Consult(consult) => (consult.id.clone(), consult.to.clone()),
            Moving::Blind { id, to, .. } => (id.clone(), to.clone()),
            Moving::No | Moving::Followed { .. } | Moving::Done => return true,
        };
        let reason = refusal(Some(status));
        let target = TargetRef::Outside { number: to.clone() };
        own.step(now, JourneyEvent::TransferBounced { transfer, target, reason });
        own.moving = Moving::No;
        let why = match reason {
            Reason::Failed => format!("the transfer was refused ({status})"),
            other => other.phrase().to_owned(),
        };
        self.announce(Tone::Bad, format!("{to}: {why}. {caller} is back with you."));
        true
    }

    /// Complete, swap, cancel; says whether it is a transfer of a plain account's call.
    pub(crate) fn own_step(&mut self, transfer: &TransferId, step: Step) -> bool {
        let found = self.own.iter().find(|(_, own)| own.consult().is_some_and(|consult| consult.id == *transfer));
        let Some(id) = found.map(|(id, _)| *id) else { return false };
        self.step_consult(id, step);
        true
    }
}

fn target_row(line: &WatchedView, account: &str) -> TransferTarget {
    let words = match line.state {
        WatchedState::Free => "free",
        WatchedState::Ringing => "being rung",
        WatchedState::OnCall => "on a call",
        WatchedState::Unknown => "not known whether free",
    };
    TransferTarget {
        target: Target::User(line.number.as_str().into()),
        departments: vec![words.to_owned()],
        presence: (line.state == WatchedState::Free).then_some(Presence::Available),
        ..row(Target::Outside(String::new()), &line.name, &line.number, account)
    }
}

fn outside_row(number: &str, account: &str) -> TransferTarget {
    row(Target::Outside(number.to_owned()), number, "", account)
}

fn row(target: Target, name: &str, extension: &str, account: &str) -> TransferTarget {
    let blind = format!("Asks the system of {account} to ring {name}; if it refuses, the caller is back with you.");
    let way = |kind, refused: Option<&str>, line: &str| TransferWay {
        kind,
        refused: refused.map(str::to_owned),
        line: line.to_owned(),
    };
    TransferTarget {
        target,
        name: name.to_owned(),
        extension: extension.to_owned(),
        departments: Vec::new(),
        presence: None,
        ineligible: None,
        forecast: Vec::new(),
        ways: vec![
            way(TransferKind::Blind, None, &blind),
            way(
                TransferKind::Consult,
                None,
                &format!("Holds the caller and rings {name}; then you complete, swap or cancel."),
            ),
            way(TransferKind::Voicemail, Some(NO_MAILBOX), ""),
        ],
        forecast_line: blind,
    }
}
