//! The caller comes back: to an agent who is still on the line at once, to another by ringing.

use protocol::{AuditOutcome, JourneyEvent, Reason, UserId, UserRef};

use crate::{
    Order, ReferProgress, RingKind, Switchboard,
    call::{Call, Kept, Other, Stage, State, Taken, Transfer},
    talk::why,
};

impl Switchboard {
    /// Undo: the caller returns to whom they came from.
    pub(crate) fn take_back(&mut self, call: &mut Call, by: &UserId) {
        let State::Transferring { mut transfer, stage } = self.take(call) else { return };
        let rung = match &stage {
            Stage::Ringing(ring) | Stage::NextAgent(ring) | Stage::Recalling(ring) => Some(ring),
            Stage::Queued(wait) => wait.offer.as_ref(),
            Stage::Holding | Stage::Dialling(_) => None,
        };
        // Who has just been told that the call is gone is not rung for it again, except to take it back.
        let rung = rung.into_iter().flat_map(|r| &r.towards).map(|u| u.id.clone());
        let rung: Vec<_> = rung.filter(|u| !transfer.course.gave_away(u)).collect();
        transfer.course.taken_back(by);
        transfer.course.in_vain.extend(rung);
        if transfer.from.as_ref().is_some_and(|from| from.id == *by) {
            transfer.answers_itself = transfer.device.clone();
        }
        self.end_stage(stage, Reason::Cancelled);
        self.step_failed(call, transfer, Reason::Cancelled);
    }

    /// Back to `user`: connected if they are on the line, rung if not.
    pub(crate) fn recall(&mut self, call: &mut Call, mut transfer: Box<Transfer>, user: UserRef, seconds: u32) {
        self.step(call, JourneyEvent::Recalled { transfer: transfer.id.clone(), user: user.clone() });
        if let Some(kept) = transfer.kept.take_if(|k| k.agent.user == user) {
            if !kept.held {
                return self.back_on_line(call, *transfer, kept);
            }
            // Who holds us would not hear the caller.
            self.hang_up(kept.agent.leg, Reason::AnsweredElsewhere);
        }
        let ring = self.start_ring(call, vec![user], seconds, Some((&transfer, RingKind::Recall)));
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Recalling(ring) });
    }

    fn back_on_line(&mut self, call: &mut Call, transfer: Transfer, kept: Kept) {
        let because = transfer.because;
        if kept.by_refer {
            self.order(Order::ReferProgress { leg: kept.agent.leg, progress: ReferProgress::Failed(because) });
        }
        let name = &kept.agent.user.name;
        call.news = Some(format!("{} transferred it, and it is back with {name}", transfer.by.name));
        let rule = format!("{}; back with {name}", why(&transfer));
        let settled = self.settle(call, transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
        self.answer_caller(call);
        self.talk_on(call, Other::Agent(kept.agent), false);
        self.remember_given(call, Some(settled).filter(|_| kept.by_refer), Taken::NeverLeft);
    }
}
