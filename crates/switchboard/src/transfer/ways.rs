//! The three ways to move a call to a target, in sentences. Whether one is refused is asked of what decides when it is
//! chosen.

use protocol::{Target, TransferKind, TransferWay, UserId};

use super::{Step, Wish, forecast};
use crate::{
    Refusal, Switchboard,
    call::{Call, State},
    strategy::Past,
};

impl Switchboard {
    /// `forecast`: what Go would do, as one line.
    pub(super) fn ways(&self, by: &UserId, call: &Call, target: &Target, forecast: &str) -> Vec<TransferWay> {
        let way = |kind| {
            let refused = self.refused(by, call, kind, target);
            let line = match (&refused, kind) {
                (Some(_), _) => String::new(),
                (None, TransferKind::Blind) => forecast.to_owned(),
                (None, TransferKind::Consult) => self.consult_line(by, call, target),
                (None, TransferKind::Voicemail) => {
                    format!("{} goes straight to the voicemail of {}.", moved(by, call), self.target_ref(target).name())
                }
            };
            TransferWay { kind, refused, line }
        };
        [TransferKind::Blind, TransferKind::Consult, TransferKind::Voicemail].map(way).into()
    }

    fn refused(&self, by: &UserId, call: &Call, kind: TransferKind, target: &Target) -> Option<String> {
        match (self.may_begin(call, &Wish { by, target, kind, revision: None }).err()?, target, kind) {
            (Refusal::Denied(_), Target::Outside(_), TransferKind::Voicemail) => {
                Some("An outside number has no mailbox here.".to_owned())
            }
            (Refusal::Denied(denied), _, _) => Some(denied.sentence()),
            (Refusal::Ineligible(why), _, _) => Some(why.sentence(self.target_ref(target).name())),
            (Refusal::UnknownCall | Refusal::UnknownTransfer, _, _) => Some("This call has ended.".to_owned()),
        }
    }

    /// The first step of a consultation; nothing follows it.
    fn consult_line(&self, by: &UserId, call: &Call, target: &Target) -> String {
        let Some(mut course) = self.course_of(by, call, target) else { return String::new() };
        course.waits = None;
        let (caller, name) = (moved(by, call), course.target.name().to_owned());
        match self.next_step(call, &mut course, &Past::so_far(call, self.now)) {
            step @ (Step::Ring { .. } | Step::Dial { .. }) => format!(
                "{}; you speak first. {caller} hears music, and is back with you if nobody answers.",
                forecast::line(&[step.forecast(false)])
            ),
            Step::Line { .. }
            | Step::Recall { .. }
            | Step::NextAgent { .. }
            | Step::Queue { .. }
            | Step::Voicemail { .. }
            | Step::Announcement => format!("nobody can be rung for {name} now; {caller} stays with you."),
        }
    }
}

/// Whom `by` would move: who places a call moves the other side.
fn moved<'a>(by: &UserId, call: &'a Call) -> &'a str {
    let caller = &call.caller;
    match &call.state {
        State::Talking { with, .. } if caller.user.as_ref() == Some(by) => with.name(),
        _ if !caller.party.name.is_empty() => &caller.party.name,
        _ if !caller.party.number.is_empty() => &caller.party.number,
        _ => "The caller",
    }
}
