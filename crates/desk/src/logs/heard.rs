//! Telling the exchange which messages were listened to here: once each, as soon as it can be reached.

use call_log::{CallLog, VoicemailMark};
use protocol::CallId;

use super::{LogError, LogHappening, LogRoom};
use crate::Tone;
use crate::accounts::is_own_id;
use crate::control::{Control, ControlError};
use crate::owner::{Happening, Owner};
use crate::session::State;

/// What came of telling.
pub(crate) enum Told {
    /// It goes on when the link is back.
    Stopped(ControlError),
    Failed(LogError),
    All,
}

impl Owner {
    pub(super) fn heard(&mut self, call: CallId) {
        if is_own_id(&call) {
            return; // no exchange has it
        }
        let work = move |log: &mut CallLog| match log.row(&call)? {
            Some(row) if row.voicemail == VoicemailMark::Heard => Ok(()),
            Some(_) | None => log.note_heard(&call),
        };
        self.on_log(work, LogHappening::HeardKept);
    }

    pub(super) fn heard_kept(&mut self, result: Result<(), LogError>) {
        match result {
            Ok(()) => self.tell_heard(),
            Err(error) => self.note(Tone::Bad, error.to_string()),
        }
    }

    /// Tells what waits, if the exchange can be reached; one time at a time.
    pub(super) fn tell_heard(&mut self) {
        if !self.online() {
            return;
        }
        let (State::In(session), Some(log)) = (&self.state, self.log.clone()) else { return };
        if std::mem::replace(&mut self.logs.telling, true) {
            self.logs.tell_again = true;
            return;
        }
        let control = session.control.clone();
        self.begin(async move { Happening::Logs(LogHappening::Heard(tell(&control, &log).await)) });
    }

    pub(super) fn heard_told(&mut self, told: Told) {
        let Some(logs) = self.logs() else { return };
        logs.telling = false;
        let again = std::mem::take(&mut logs.tell_again);
        match told {
            Told::Stopped(error) if error.is_unauthorized() => self.expel(),
            Told::Failed(error) => self.note(Tone::Bad, error.to_string()),
            Told::Stopped(_) => {}
            Told::All if again => self.tell_heard(),
            Told::All => {}
        }
    }
}

async fn tell(control: &Control, log: &LogRoom) -> Told {
    let calls = match log.with(|log| log.heard()).await {
        Ok(calls) => calls,
        Err(error) => return Told::Failed(error),
    };
    for call in calls {
        match control.heard(&call).await {
            // A message that is gone, or not for this person any more, needs no word.
            Ok(()) | Err(ControlError::Refused { status: 400 | 403 | 404 | 409 | 410, .. }) => {}
            Err(error) => return Told::Stopped(error),
        }
        if let Err(error) = log.with(move |log| log.told_heard(&call)).await {
            return Told::Failed(error);
        }
    }
    Told::All
}
