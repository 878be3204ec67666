//! Which call is meant when none is named.

use std::collections::BTreeMap;

use softphone::{CallEvent, CallKey, HeldBy, PhoneEvent};

/// The calls that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Book {
    calls: BTreeMap<CallKey, Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ringing,
    Active,
    /// By us.
    Held,
}

impl Book {
    pub(crate) fn note(&mut self, event: &PhoneEvent) {
        match event {
            PhoneEvent::Incoming(incoming) => {
                self.calls.insert(incoming.key, Stage::Ringing);
            }
            PhoneEvent::Call { call, event } => self.note_call(*call, event),
            PhoneEvent::Registration(_)
            | PhoneEvent::SoundTrouble(_)
            | PhoneEvent::Watched { .. }
            | PhoneEvent::Messages { .. } => {}
        }
    }

    fn note_call(&mut self, call: CallKey, event: &CallEvent) {
        match event {
            CallEvent::Calling { .. } | CallEvent::Answered { .. } | CallEvent::Resumed { by: HeldBy::Us } => {
                self.calls.insert(call, Stage::Active);
            }
            CallEvent::Held { by: HeldBy::Us } => {
                self.calls.insert(call, Stage::Held);
            }
            CallEvent::Ended(_) => {
                self.calls.remove(&call);
            }
            CallEvent::Ringing
            | CallEvent::CodecChanged { .. }
            | CallEvent::Held { by: HeldBy::Them }
            | CallEvent::Resumed { by: HeldBy::Them }
            | CallEvent::Muted { .. }
            | CallEvent::TransferProgress { .. }
            | CallEvent::TransferFailed { .. }
            | CallEvent::Following { .. }
            | CallEvent::Replaced { .. }
            | CallEvent::Identity { .. }
            | CallEvent::Security(_)
            | CallEvent::Dtmf { .. }
            | CallEvent::Recording { .. }
            | CallEvent::FirstAudio
            | CallEvent::Quality(_)
            | CallEvent::Level { .. }
            | CallEvent::Trouble { .. } => {}
        }
    }

    pub(crate) fn knows(&self, call: CallKey) -> bool {
        self.calls.contains_key(&call)
    }

    /// The newest that talks; else the newest on hold; else the newest that rings.
    pub(crate) fn current(&self) -> Option<CallKey> {
        self.newest(Stage::Active).or_else(|| self.newest(Stage::Held)).or_else(|| self.newest(Stage::Ringing))
    }

    /// The oldest that rings: first come, first served.
    pub(crate) fn ringing(&self) -> Option<CallKey> {
        self.calls.iter().find(|(_, stage)| **stage == Stage::Ringing).map(|(call, _)| *call)
    }

    /// The newest on hold; else the current one.
    pub(crate) fn held(&self) -> Option<CallKey> {
        self.newest(Stage::Held).or_else(|| self.current())
    }

    fn newest(&self, stage: Stage) -> Option<CallKey> {
        self.calls.iter().rev().find(|(_, s)| **s == stage).map(|(call, _)| *call)
    }
}

#[cfg(test)]
mod tests {
    use media::Codec;
    use softphone::Ended;

    use super::*;

    #[test]
    fn the_obvious_call_is_meant() {
        let mut book = Book::default();
        let (first, second) = (CallKey(1), CallKey(2));
        let mut note = |call, event| book.note(&PhoneEvent::Call { call, event });
        note(first, CallEvent::Answered { codec: Codec::Pcmu });
        note(first, CallEvent::Held { by: HeldBy::Us });
        note(second, CallEvent::Answered { codec: Codec::Pcmu });
        assert_eq!((book.current(), book.held(), book.ringing()), (Some(second), Some(first), None));
        let ended = Ended { cause: String::new(), status: None, answered_elsewhere: false, talked: None };
        book.note(&PhoneEvent::Call { call: second, event: CallEvent::Ended(ended) });
        assert_eq!((book.current(), book.knows(second)), (Some(first), false));
    }
}
