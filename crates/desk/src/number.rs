//! The outside number that is typed in the dialog: what would become of the call there is asked as it is typed.

use std::time::Duration;

use protocol::{CallId, TransferTargets};

use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::session::State;
use crate::{NumberAnswer, TypedNumber};

/// Between two keys of somebody who types.
const TYPING: Duration = Duration::from_millis(250);

impl Owner {
    pub(crate) fn ask_number(&mut self, call: &CallId, number: Option<String>) {
        let Some(dialog) = self.view.dialog.as_mut().filter(|dialog| dialog.call == *call) else { return };
        if dialog.number.as_ref().map(|typed| &typed.number) == number.as_ref() {
            return;
        }
        dialog.number = number.clone().map(|number| TypedNumber { number, answer: NumberAnswer::Asking });
        if let Some(number) = number {
            self.begin(async {
                tokio::time::sleep(TYPING).await;
                Happening::NumberDue { number }
            });
        }
    }

    /// Asks, unless something else has been typed meanwhile.
    pub(crate) fn number_due(&mut self, number: &str) {
        let typed = self.view.dialog.as_ref().and_then(|dialog| dialog.number.as_ref());
        if typed.is_some_and(|typed| typed.number == number) {
            self.fetch_number();
        }
    }

    /// Asks for the row of the number that stands in the open dialog.
    pub(crate) fn fetch_number(&mut self) {
        if let Some(call) = self.view.dialog.as_ref().map(|dialog| dialog.call.clone())
            && self.own_number(&call)
        {
            return;
        }
        let (Some(dialog), State::In(session)) = (&self.view.dialog, &self.state) else { return };
        let Some(TypedNumber { number, .. }) = dialog.number.clone() else { return };
        let (control, call) = (session.control.clone(), dialog.call.clone());
        self.begin(async move {
            let answer = control.transfer_number(&call, &number).await;
            Happening::Number { call, number, answer }
        });
    }

    /// An answer. One for a number that does not stand there any more says nothing.
    pub(crate) fn number(&mut self, call: &CallId, number: &str, answer: Result<TransferTargets, ControlError>) {
        if answer.as_ref().is_err_and(ControlError::is_unauthorized) {
            return self.expel();
        }
        let dialog = self.view.dialog.as_mut().filter(|dialog| dialog.call == *call);
        let typed = dialog.and_then(|dialog| dialog.number.as_mut()).filter(|typed| typed.number == number);
        let Some(typed) = typed else { return };
        match answer.map(|answer| answer.targets.into_iter().next()) {
            Ok(Some(target)) => typed.answer = NumberAnswer::Ready { target: Box::new(target) },
            // A forecast that could not be refreshed is better than none.
            Ok(None) | Err(_) if matches!(typed.answer, NumberAnswer::Ready { .. }) => {}
            Ok(None) => {
                typed.answer = NumberAnswer::Failed { sentence: "The exchange said nothing about this number.".into() };
            }
            Err(error) => typed.answer = NumberAnswer::Failed { sentence: error.to_string() },
        }
    }
}
