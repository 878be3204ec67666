//! A call that takes another one's place: INVITE with `Replaces` (RFC 3891).

use std::collections::VecDeque;

use super::Core;
use crate::{Flow, LegKey, Replaces, message::Message};

/// Dialogs that are remembered after their end.
const REMEMBERED: usize = 64;

/// Dialogs that ended lately: whoever comes to take one over is told that it was hung up, and need not ring instead.
pub(super) struct Ended {
    /// Whether dialogs of this endpoint may be replaced at all.
    replaceable: bool,
    dialogs: VecDeque<(String, String)>,
}

impl Ended {
    pub fn new(replaceable: bool) -> Self {
        Self { replaceable, dialogs: VecDeque::new() }
    }

    pub fn note(&mut self, dialog: (String, String)) {
        if self.replaceable {
            self.dialogs.truncate(REMEMBERED - 1);
            self.dialogs.push_front(dialog);
        }
    }
}

impl Core {
    /// Section 3: whose place a new call takes, if it wants that; or the status that refuses it.
    pub(super) fn takes_over(&self, invite: &Message, flow: &Flow) -> Result<Option<LegKey>, u16> {
        let Some(value) = invite.get("Replaces") else { return Ok(None) };
        if invite.all("Replaces").count() > 1 || invite.get("Join").is_some() {
            return Err(400);
        }
        let replaces: Replaces = value.parse().map_err(|_| 400_u16)?;
        let named = (replaces.call_id.clone(), replaces.to_tag.clone());
        let Some((key, leg)) = self.dialogs.get(&named).and_then(|key| Some((*key, self.legs.get(key)?))) else {
            return Err(if self.ended.dialogs.contains(&named) { 603 } else { 481 });
        };
        leg.yields_to(&replaces, flow)?;
        // Where the owner decides by REFER who may take a call over, nobody helps himself.
        if self.ended.replaceable { Ok(Some(key)) } else { Err(403) }
    }
}
