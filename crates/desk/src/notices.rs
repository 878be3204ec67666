//! Short sentences about what happened.

use crate::owner::Owner;
use crate::{Notice, Tone};

/// More than this nobody reads; the oldest go.
const MOST: usize = 20;

impl Owner {
    /// Tells the person in the window.
    pub(crate) fn note(&mut self, tone: Tone, sentence: impl Into<String>) {
        self.last_notice = self.last_notice.wrapping_add(1);
        let notice = Notice { id: self.last_notice, at: self.clock.now(), tone, sentence: sentence.into(), undo: None };
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
        self.view.notices.retain(|notice| notice.id != id);
    }
}
