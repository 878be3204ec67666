//! Short sentences about what happened.

use protocol::TransferId;

use crate::owner::Owner;
use crate::{Notice, Tone};

/// More than this nobody reads; the oldest go.
const MOST: usize = 20;

impl Owner {
    /// Tells the person in the window.
    pub(crate) fn note(&mut self, tone: Tone, sentence: impl Into<String>) {
        self.push_notice(tone, sentence.into(), None);
    }

    /// Offers to take a transfer back for as long as that can be done.
    pub(crate) fn offer_undo(&mut self, sentence: String, transfer: TransferId) {
        self.push_notice(Tone::Plain, sentence, Some(transfer));
    }

    fn push_notice(&mut self, tone: Tone, sentence: String, undo: Option<TransferId>) {
        self.last_notice = self.last_notice.wrapping_add(1);
        let notice = Notice { id: self.last_notice, at: self.clock.now(), tone, sentence, undo };
        self.view.notices.push(notice);
        let surplus = self.view.notices.len().saturating_sub(MOST);
        self.view.notices.drain(..surplus);
    }

    /// Tells the person even if the window is hidden.
    pub(crate) fn announce(&mut self, tone: Tone, sentence: impl Into<String>) {
        self.note(tone, sentence);
        if let Some(notice) = self.view.notices.last() {
            self.config.screen.notify(notice);
        }
    }

    pub(crate) fn dismiss(&mut self, id: u32) {
        let Some(at) = self.view.notices.iter().position(|notice| notice.id == id) else { return };
        self.undo_dismissed.extend(self.view.notices.remove(at).undo);
    }
}
