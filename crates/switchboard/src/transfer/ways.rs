//! The three ways to move a call to a target, in sentences. Whether one is refused is asked of what decides when it is
//! chosen.

use protocol::{Denied, Target, TransferKind, TransferWay, UserId};

use super::{Step, forecast};
use crate::{
    Switchboard,
    call::{Call, State},
    rules::Towards,
    strategy::Past,
};

/// What `by` may do with the call, whoever the target is: the same for all rows of a list.
pub(super) struct Rights {
    may: [(Towards, [Result<(), Denied>; 3]); 3],
    /// Whether the account keeps them from moving it there.
    too_far: [bool; 3],
}

const KINDS: [TransferKind; 3] = [TransferKind::Blind, TransferKind::Consult, TransferKind::Voicemail];
const TOWARDS: [Towards; 3] = [Towards::OwnDepartment, Towards::OtherDepartment, Towards::Outside];

impl Rights {
    pub(super) fn new(board: &Switchboard, by: &UserId, call: &Call) -> Self {
        let may = |towards| KINDS.map(|kind| board.may_move(by, Some(call), kind, towards).map(drop));
        Self {
            may: TOWARDS.map(|towards| (towards, may(towards))),
            too_far: TOWARDS.map(|towards| board.too_far(by, call, towards)),
        }
    }

    pub(super) fn too_far(&self, towards: Towards) -> bool {
        TOWARDS.iter().position(|t| *t == towards).is_some_and(|place| self.too_far[place])
    }

    /// Why it can't be moved so, if it can't.
    fn denied(&self, kind: TransferKind, towards: Towards) -> Option<&Denied> {
        let (_, may) = self.may.iter().find(|(t, _)| *t == towards)?;
        may[KINDS.iter().position(|k| *k == kind)?].as_ref().err()
    }
}

impl Switchboard {
    /// `forecast`: what Go would do, as one line.
    pub(super) fn ways(
        &self,
        (by, call): (&UserId, &Call),
        rights: &Rights,
        target: &Target,
        forecast: &str,
    ) -> Vec<TransferWay> {
        let towards = self.towards(by, target);
        let way = |kind| {
            let refused = self.refused(rights, call, (kind, towards), target);
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
        KINDS.map(way).into()
    }

    /// What [`Self::may_begin`] would say, as a sentence.
    fn refused(
        &self,
        rights: &Rights,
        call: &Call,
        (kind, towards): (TransferKind, Towards),
        target: &Target,
    ) -> Option<String> {
        match (rights.denied(kind, towards), target, kind) {
            (Some(_), Target::Outside(_), TransferKind::Voicemail) => {
                Some("An outside number has no mailbox here.".to_owned())
            }
            (Some(denied), _, _) => Some(denied.sentence()),
            (None, _, _) => {
                let why = self.eligible_at(rights.too_far(towards), call, kind, target).err()?;
                Some(why.sentence(self.target_ref(target).name()))
            }
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
                forecast::line(&[step.forecast(false)], by)
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
