//! Which calls may answer themselves (RFC 5373).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::CallId;
use sip::CallHeaders;

use crate::config::AnswerMode;

/// How long a call that was asked for is waited for.
const EXPECTED: Duration = Duration::from_secs(30);
/// Calls that are waited for at once.
const MAX_EXPECTED: usize = 16;

#[derive(Debug)]
pub(crate) struct Answers {
    mode: AnswerMode,
    /// Calls that the person has asked for, and since when.
    expected: HashMap<CallId, Instant>,
}

impl Answers {
    pub(crate) fn new(mode: AnswerMode) -> Self {
        Self { mode, expected: HashMap::new() }
    }

    pub(crate) fn expect(&mut self, call: CallId) {
        self.expected.retain(|_, since| since.elapsed() < EXPECTED);
        if self.expected.len() < MAX_EXPECTED {
            self.expected.insert(call, Instant::now());
        }
    }

    /// Whether a call with these headers is to be answered at once. A call is expected once.
    pub(crate) fn itself(&mut self, headers: &CallHeaders, call: Option<&CallId>) -> bool {
        let expected = call.and_then(|call| self.expected.remove(call)).is_some_and(|since| since.elapsed() < EXPECTED);
        headers.auto_answer && (expected || self.mode == AnswerMode::Always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_and_was_asked_for_is_answered_once() {
        let (asks, does_not) = (CallHeaders { auto_answer: true, ..Default::default() }, CallHeaders::default());
        let call = CallId("c-1".into());
        let mut answers = Answers::new(AnswerMode::Expected);
        assert!(!answers.itself(&asks, Some(&call)));
        answers.expect(call.clone());
        assert!(!answers.itself(&asks, Some(&CallId("c-2".into()))));
        assert!(!answers.itself(&asks, None));
        assert!(answers.itself(&asks, Some(&call)));
        assert!(!answers.itself(&asks, Some(&call)), "once");
        answers.expect(call.clone());
        assert!(!answers.itself(&does_not, Some(&call)));
        let mut always = Answers::new(AnswerMode::Always);
        assert!(always.itself(&asks, None) && !always.itself(&does_not, None));
    }
}
