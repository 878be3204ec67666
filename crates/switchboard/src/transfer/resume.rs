//! Whoever answers a transfer and hangs up at once has not taken the call: the transfer goes on, under a new number, as
//! if they had declined. Nobody can have said a word by then; a wrong key, a headset or a machine took the call. And there
//! are telephones that hang up by themselves once their REFER has failed, when they have the caller back: these are rung.

use protocol::{AuditOutcome, JourneyEvent, Reason, TargetRef, TransferKind};

use super::{Step, action};
use crate::{
    Fault, Order, Switchboard,
    audit::Attempt,
    call::{Call, Given, Stage, State, Taken, Transfer},
    strategy::Past,
};

/// For how long after the answer a goodbye does not count as one.
const AT_ONCE_MS: u64 = 3_000;

impl Switchboard {
    /// The caller has just begun to talk because of the settled transfer.
    pub(crate) fn remember_given(&self, call: &mut Call, settled: Option<Transfer>, how: Taken) {
        if let State::Talking { given, .. } = &mut call.state {
            let until = self.now.plus_ms(AT_ONCE_MS);
            *given = settled.map(|transfer| Box::new(Given { transfer, until, how }));
            given.take_if(|_| self.planted(Fault::BelieveHastyGoodbye));
        }
    }

    /// The one to whom a transfer gave the caller is gone again; their leg has been forgotten.
    pub(crate) fn resume(&mut self, call: &mut Call, Given { transfer: settled, how, .. }: Given) {
        let State::Talking { with, .. } = &call.state else { return };
        let (gone, since) = (with.target(), call.state_since);
        self.order(Order::PlayMusic { leg: call.caller.leg });
        let mut transfer = Box::new(Transfer {
            id: self.number_transfer(call),
            kind: TransferKind::Blind,
            since: self.now,
            bounced_after_ms: None,
            answers_itself: None,
            ..settled
        });
        let target = Some(transfer.target.name().to_owned());
        let rule = match how {
            Taken::Answered => format!("{} hung up at once", gone.name()),
            Taken::NeverLeft => format!("the phone of {} hung up by itself", gone.name()),
        };
        call.news = Some(rule.clone());
        let (action, outcome) = (action(transfer.kind), AuditOutcome::Accepted);
        self.audit_call(call, Attempt { user: &transfer.by.id, action, target, outcome, rule });
        let (id, by, target) = (transfer.id.clone(), transfer.by.clone(), transfer.target.clone());
        self.step(call, JourneyEvent::TransferResumed { transfer: id, by, target });
        let rung_again = match (how, &gone) {
            (Taken::NeverLeft, TargetRef::User(user)) => Some(user.clone()),
            (Taken::NeverLeft, TargetRef::Department(_) | TargetRef::Outside { .. }) => None,
            (Taken::Answered, _) => {
                transfer.course.missed(Reason::HungUpAtOnce);
                if let TargetRef::User(user) = &gone {
                    call.bounced.insert(user.id.clone(), self.now);
                    transfer.course.in_vain.insert(user.id.clone());
                }
                self.note_bounce(call, gone, Reason::HungUpAtOnce, since);
                None
            }
        };
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Holding });
        self.publish(call);
        let State::Transferring { mut transfer, .. } = self.take(call) else { return };
        let first = rung_again.filter(|user| self.can_be_rung(call, &transfer.course, &user.id));
        let step = match first {
            Some(user) => Step::Recall { user, seconds: self.directory.policy.transfer_ring_seconds },
            None => self.next_step(call, &mut transfer.course, &Past::so_far(call, self.now)),
        };
        self.take_step(call, transfer, step);
    }
}
