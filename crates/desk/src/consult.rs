//! Speaking with a colleague about a caller who waits: what the phone strip shows of it.

use protocol::{
    CallState, Denied, LiveRow, Timestamp, TransferKind, TransferProgress, TransferRight, TransferStage, UserId,
};

use crate::{ConsultStage, ConsultView};

/// The consultation that `me` leads about this call, if one goes on. `before` is what was shown of it until now.
pub(crate) fn of(row: &LiveRow, me: &UserId, before: Option<&ConsultView>) -> Option<ConsultView> {
    let transfer = row.call.transfer.as_ref()?;
    if transfer.kind != TransferKind::Consult || transfer.by.id != *me {
        return None;
    }
    let (stage, with) = match &transfer.stage {
        TransferStage::ConsultRinging { .. } => (ConsultStage::Ringing, &transfer.target),
        TransferStage::Consulting { with } => (ConsultStage::WithColleague, with),
        TransferStage::Swapped { with } => (ConsultStage::WithCaller, with),
        // Completed before the colleague answered: a transfer like any other.
        TransferStage::Holding
        | TransferStage::Ringing { .. }
        | TransferStage::Recalling { .. }
        | TransferStage::NextAgent { .. }
        | TransferStage::Queued { .. }
        | TransferStage::Voicemail { .. } => return None,
    };
    let before = before.filter(|before| before.transfer == transfer.id);
    Some(ConsultView {
        transfer: transfer.id.clone(),
        with: with.name().to_owned(),
        stage,
        waiting_since: waiting_since(row, transfer, stage, before),
        complete_right: row.complete_right.clone().unwrap_or_else(|| Err(Denied::NotConsulting).into()),
        swap_right: swap_right(stage),
    })
}

/// The caller waits from the beginning until the first swap; after a swap, the other one since then.
fn waiting_since(
    row: &LiveRow,
    transfer: &TransferProgress,
    stage: ConsultStage,
    before: Option<&ConsultView>,
) -> Timestamp {
    match (stage, before.map(|before| (before.stage, before.waiting_since))) {
        (ConsultStage::Ringing, _) | (ConsultStage::WithColleague, Some((ConsultStage::Ringing, _))) => transfer.since,
        (now, Some((then, since))) if now == then => since,
        (ConsultStage::WithColleague | ConsultStage::WithCaller, Some(_) | None) => row.call.state_since,
    }
}

fn swap_right(stage: ConsultStage) -> TransferRight {
    match stage {
        ConsultStage::Ringing => Err(Denied::NotConnectedYet).into(),
        ConsultStage::WithColleague | ConsultStage::WithCaller => TransferRight::Allowed,
    }
}

/// The caller talks with `me`, and with nobody in between.
pub(crate) fn handed_to(row: &LiveRow, me: &UserId) -> bool {
    row.call.transfer.is_none()
        && match &row.call.state {
            CallState::Talking { with } | CallState::Held { by: with } => with.id == *me,
            CallState::Ringing { .. }
            | CallState::TalkingOutside { .. }
            | CallState::Transferring
            | CallState::Queued { .. }
            | CallState::Voicemail { .. }
            | CallState::Closing => false,
        }
}
