//! The feature code: an agent presses it and an extension in a call, and the call is transferred there.

use protocol::{LegId, Target, TransferKind, UserId};

use super::Wish;
use crate::{
    Order, Prompt, Switchboard,
    call::{Call, State, Typed},
};

/// How long after a key the next one is waited for.
const KEY_MS: u64 = 3_000;

/// What keys pressed so far mean.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    /// No code, and none can come of it.
    Nothing,
    /// More keys may follow.
    Begun,
    Extension(String),
}

impl Switchboard {
    pub(crate) fn key_pressed(&mut self, call: &mut Call, leg: LegId, key: char) {
        // Only a user's device has the right; the far end's keys are its own affair.
        let Some(by) = self.legs.get(&leg).and_then(|of| of.user.clone()) else { return };
        let State::Talking { with, typed, .. } = &mut call.state else { return };
        if leg != call.caller.leg && leg != with.leg() {
            return;
        }
        let before = typed.take().filter(|t| t.leg == leg).map(|t| t.keys).unwrap_or_default();
        let mut keys = format!("{before}{key}");
        let mut reading = self.read(&keys);
        if reading == Reading::Nothing && !before.is_empty() {
            // A mistyped beginning does not spoil the code that follows it.
            keys = key.to_string();
            reading = self.read(&keys);
        }
        match reading {
            Reading::Nothing => {}
            Reading::Begun => {
                let State::Talking { typed, .. } = &mut call.state else { return };
                *typed = Some(Typed { leg, keys, until: self.now.plus_ms(KEY_MS) });
            }
            Reading::Extension(extension) => self.go_to(call, leg, &by, &extension),
        }
    }

    /// No further key came.
    pub(crate) fn keys_end(&mut self, call: &mut Call) {
        let State::Talking { typed, .. } = &mut call.state else { return };
        let Some(Typed { leg, keys, .. }) = typed.take() else { return };
        let Some(by) = self.legs.get(&leg).and_then(|of| of.user.clone()) else { return };
        let code = self.directory.policy.feature_code.as_deref().unwrap_or_default();
        if let Some(extension) = keys.strip_prefix(code).filter(|e| !e.is_empty()).map(ToOwned::to_owned) {
            self.go_to(call, leg, &by, &extension);
        }
    }

    fn read(&self, keys: &str) -> Reading {
        let Some(code) = self.directory.policy.feature_code.as_deref().filter(|code| !code.is_empty()) else {
            return Reading::Nothing;
        };
        let Some(extension) = keys.strip_prefix(code) else {
            return if code.starts_with(keys) { Reading::Begun } else { Reading::Nothing };
        };
        match extension.strip_suffix('#') {
            Some("") => return Reading::Nothing,
            Some(whole) => return Reading::Extension(whole.to_owned()),
            None => {}
        }
        // Alone, it is known or there is nothing it could become: unknown ones are refused at once.
        if extension.is_empty() || self.directory.extension_goes_on(extension) {
            Reading::Begun
        } else {
            Reading::Extension(extension.to_owned())
        }
    }

    fn go_to(&mut self, call: &mut Call, leg: LegId, by: &UserId, extension: &str) {
        let target = self.directory.inside(extension).unwrap_or_else(|| Target::User(extension.into()));
        let wish = Wish { by, target: &target, kind: TransferKind::Blind, revision: None };
        match self.may_begin(call, &wish) {
            Ok(rule) => {
                let asked = self.accept(call, &wish, None, rule);
                self.begin(call, asked);
            }
            Err(refusal) => {
                self.refuse(Some(call), &wish, &refusal, None);
                self.order(Order::Notice { leg, prompt: Prompt::NotPossible });
            }
        }
    }
}
