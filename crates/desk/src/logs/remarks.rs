//! Notes and dispositions: written down here first, whether the exchange can be reached or not, and sent once when it can.

use std::collections::HashSet;

use call_log::{Resolution, Unsent};
use protocol::{CallId, DispositionId, MAX_REMARK_CHARS, SetRemarks};

use super::{LogError, LogHappening, LogRoom};
use crate::Tone;
use crate::accounts::is_own_id;
use crate::control::{Control, ControlError, RemarksRefused};
use crate::owner::{Happening, Owner};
use crate::session::State;

/// What came of sending.
#[derive(Default)]
pub(crate) struct Delivered {
    /// Calls whose rows have changed.
    sent: Vec<CallId>,
    /// Somebody else wrote others.
    conflicts: Vec<CallId>,
    /// The exchange does not take them, and why.
    refused: Vec<(CallId, String)>,
    /// Sending stopped here; it goes on when the link is back.
    stopped: Option<ControlError>,
    failed: Option<LogError>,
}

impl Owner {
    pub(crate) fn write_remarks(&mut self, call: CallId, base: u32, note: &str, disposition: Option<DispositionId>) {
        let note = as_kept(note);
        if is_own_id(&call) {
            return self.write_own_remarks(&call, note, disposition);
        }
        let (at, written) = (self.clock.now(), call.clone());
        if let Some(logs) = self.logs() {
            logs.drafts.remove(&call);
        }
        self.on_log(
            move |log| log.write_remarks(&call, base, &note, disposition.as_ref(), at),
            move |result| LogHappening::Written { call: written, result },
        );
    }

    pub(crate) fn resolve_remarks(&mut self, call: CallId, resolution: Resolution) {
        let resolved = call.clone();
        self.on_log(
            move |log| log.resolve(&call, resolution),
            move |result| LogHappening::Written { call: resolved, result },
        );
    }

    pub(super) fn remarks_written(&mut self, call: &CallId, result: Result<(), LogError>) {
        if let Err(error) = result {
            return self.note(Tone::Bad, format!("Your note could not be kept. {error}"));
        }
        if let Some(logs) = self.logs() {
            logs.refused.remove(call);
        }
        self.remarks_changed(call);
        self.look_for_unsent();
        self.send_remarks();
    }

    fn remarks_changed(&mut self, call: &CallId) {
        if self.view.details.as_ref().is_some_and(|details| details.call() == call) {
            self.read_details(call.clone());
        }
        self.refresh_logs(Some(call));
    }

    pub(super) fn look_for_unsent(&mut self) {
        self.on_log(|log| Ok(log.unsent()), LogHappening::Unsent);
    }

    pub(super) fn show_unsent(&mut self, unsent: Result<Vec<Unsent>, LogError>) {
        let Ok(unsent) = unsent else { return };
        let mut conflicts = unsent.iter().filter(|unsent| unsent.theirs.is_some());
        let head = &mut self.view.logs.head;
        head.conflict = conflicts.next().map(|unsent| unsent.call.clone());
        head.conflicts = conflicts.count() as u32 + u32::from(head.conflict.is_some());
        head.unsent = unsent.len() as u32 - head.conflicts;
    }

    /// Sends what waits, if the exchange can be reached; one after the other, one time at a time.
    pub(crate) fn send_remarks(&mut self) {
        if !self.online() {
            return;
        }
        let State::In(session) = &mut self.state else { return };
        let Some(log) = self.log.clone() else { return };
        if std::mem::replace(&mut self.logs.sending, true) {
            self.logs.send_again = true;
            return;
        }
        let (control, skipped) = (session.control.clone(), self.logs.refused.keys().cloned().collect());
        self.begin(async move { Happening::Logs(LogHappening::Delivered(deliver(&control, &log, skipped).await)) });
    }

    pub(super) fn remarks_delivered(&mut self, delivered: Delivered) {
        let Some(logs) = self.logs() else { return };
        logs.sending = false;
        let again = std::mem::take(&mut logs.send_again);
        logs.refused.extend(delivered.refused.iter().cloned());
        let refused = delivered.refused.iter().map(|(call, _)| call);
        for call in delivered.sent.iter().chain(&delivered.conflicts).chain(refused) {
            self.remarks_changed(call);
        }
        if !delivered.conflicts.is_empty() {
            let sentence = "Somebody else wrote another note on a call meanwhile. Open it and choose which to keep.";
            self.note(Tone::Bad, sentence);
        }
        for (_, why) in delivered.refused {
            self.note(Tone::Bad, format!("A note of yours was not taken: {why} It is kept on this computer."));
        }
        if let Some(error) = delivered.failed {
            self.note(Tone::Bad, error.to_string());
        }
        match delivered.stopped {
            Some(error) if error.is_unauthorized() => return self.expel(),
            // The link says so by itself, and sending goes on when it is back.
            Some(_) | None => {}
        }
        self.look_for_unsent();
        if again {
            self.send_remarks();
        }
    }
}

async fn deliver(control: &Control, log: &LogRoom, mut skipped: HashSet<CallId>) -> Delivered {
    let mut delivered = Delivered::default();
    loop {
        let next = log
            .with(|log| Ok(log.unsent()))
            .await
            .map(|all| all.into_iter().find(|unsent| unsent.theirs.is_none() && !skipped.contains(&unsent.call)));
        let done = match next {
            Ok(Some(unsent)) => deliver_one(control, log, unsent, &mut skipped, &mut delivered).await,
            Ok(None) => return delivered,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            delivered.failed = Some(error);
        }
        if delivered.failed.is_some() || delivered.stopped.is_some() {
            return delivered;
        }
    }
}

async fn deliver_one(
    control: &Control,
    log: &LogRoom,
    unsent: Unsent,
    skipped: &mut HashSet<CallId>,
    delivered: &mut Delivered,
) -> Result<(), LogError> {
    let Unsent { call, base, note, disposition, .. } = unsent;
    let answer = control.set_remarks(&call, &SetRemarks { base, note, disposition }).await;
    let about = call.clone();
    match answer {
        Ok(taken) => {
            log.with(move |log| log.sent(&about, &taken)).await?;
            delivered.sent.push(call);
        }
        Err(RemarksRefused::Conflict(Some(theirs))) => {
            log.with(move |log| log.refused(&about, &theirs)).await?;
            delivered.conflicts.push(call);
        }
        // They were removed: what was written here stands on nothing now.
        Err(RemarksRefused::Conflict(None)) if base > 0 => {
            log.with(move |log| match log.unsent_of(&about).cloned() {
                Some(mine) => log.write_remarks(&about, 0, &mine.note, mine.disposition.as_ref(), mine.at),
                None => Ok(()),
            })
            .await?;
        }
        Err(RemarksRefused::Conflict(None)) => {
            skipped.insert(call.clone());
            delivered.refused.push((call, "The exchange contradicts itself.".into()));
        }
        Err(RemarksRefused::Other(error @ ControlError::Refused { status: 400 | 403 | 404 | 413, .. })) => {
            skipped.insert(call.clone());
            delivered.refused.push((call, error.to_string()));
        }
        Err(RemarksRefused::Other(error)) => delivered.stopped = Some(error),
    }
    Ok(())
}

/// As the exchange keeps it: no blanks around it, and no control characters but line feeds.
fn as_kept(note: &str) -> String {
    let lines = note.replace("\r\n", "\n").replace('\r', "\n");
    let plain: String = lines.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let kept: String = plain.trim().chars().take(MAX_REMARK_CHARS).collect();
    kept.trim_end().to_owned()
}
