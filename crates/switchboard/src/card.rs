//! What a ringing device is told.

use protocol::{DeviceId, Direction, Party, TargetRef};

use crate::{
    AnswerMode, BackFrom, RingCard, RingKind,
    call::{Call, Transfer},
};

/// The card for one device. `transfer` is the transfer that rings it, if one does.
pub(crate) fn ring_card(call: &Call, device: &DeviceId, transfer: Option<(&Transfer, RingKind)>) -> RingCard {
    let first = match call.direction {
        Direction::Inbound | Direction::Outbound => RingKind::Outside,
        Direction::Internal => RingKind::Internal,
    };
    let kind = transfer.map_or(first, |(_, kind)| kind);
    let recall = transfer.map(|(transfer, _)| transfer).filter(|_| kind == RingKind::Recall);
    let itself = recall.is_some_and(|t| t.answers_itself.as_ref() == Some(device));
    let department = transfer.and_then(|(transfer, kind)| match (&transfer.target, kind) {
        (TargetRef::Department(department), RingKind::Transfer | RingKind::Consult) => Some(department.name.clone()),
        (TargetRef::Department(_) | TargetRef::User(_) | TargetRef::Outside { .. }, _) => None,
    });
    RingCard {
        call: call.id.clone(),
        kind,
        caller: call.caller.party.clone(),
        department: department.or_else(|| call.department.as_ref().map(|d| d.name.clone())),
        transferred_by: transfer
            .map(|(transfer, _)| Party { name: transfer.by.name.clone(), number: transfer.by.id.to_string() }),
        note: transfer.and_then(|(transfer, _)| transfer.note.clone()),
        back_from: recall.map(back_from),
        answer: if itself { AnswerMode::Auto } else { AnswerMode::Manual },
    }
}

/// The target, however many were tried after it.
fn back_from(transfer: &Transfer) -> BackFrom {
    BackFrom {
        name: transfer.target.name().to_owned(),
        reason: transfer.because,
        seconds: (transfer.bounced_after_ms.unwrap_or(0) / 1_000) as u32,
    }
}
