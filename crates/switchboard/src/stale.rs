//! Whether a command was decided on an old view of a call: only if who has it, or a transfer of it, has changed since.
//! Hold and resume, a place in a line, or who is just being rung do not count.

use protocol::{CallState, Denied, LiveCall, Party, TransferId, UserId};

use crate::call::{Call, Moved};

impl Call {
    /// Why a command decided on revision `seen` must be decided anew, if it must.
    pub(crate) fn stale(&self, seen: u32) -> Option<Denied> {
        let now = self.shown.as_ref().map_or(0, |shown| shown.revision);
        let old = seen < self.moved.revision || seen > now;
        old.then(|| Denied::Stale { now, what: self.moved.what.clone() })
    }

    /// Remembers, when `next` is about to be published, whether it shows a move.
    pub(crate) fn note_move(&mut self, next: &LiveCall) {
        let what = self.news.take();
        if self.shown.as_ref().is_none_or(|shown| who_has(shown) != who_has(next)) {
            self.moved = Moved { revision: next.revision, what };
        }
    }
}

#[derive(PartialEq, Eq)]
enum Where<'a> {
    Arriving,
    Talking(Option<&'a Party>),
    Moving,
    Leaving,
}

fn who_has(call: &LiveCall) -> (Option<&UserId>, Where<'_>, Option<&TransferId>) {
    let place = match &call.state {
        CallState::Ringing { .. } | CallState::Queued { .. } => Where::Arriving,
        CallState::Talking { .. } | CallState::Held { .. } => Where::Talking(None),
        CallState::TalkingOutside { with } => Where::Talking(Some(with)),
        CallState::Transferring => Where::Moving,
        CallState::Voicemail { .. } | CallState::Closing => Where::Leaving,
    };
    (call.agent.as_ref().map(|a| &a.id), place, call.transfer.as_ref().map(|t| &t.id))
}
