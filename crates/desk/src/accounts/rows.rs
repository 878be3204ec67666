//! Calls of plain accounts as rows of the live list, and their buttons in the phone strip.

use protocol::{
    CallState, Denied, DepartmentRef, LiveCall, LiveRow, TargetRef, Timestamp, TransferKind, TransferProgress,
    TransferRight, TransferStage,
};

use super::calls::{Moving, OwnCall};
use crate::owner::Owner;
use crate::{ConsultStage, PhoneCall, PhoneCallId, PhoneCallState};

impl Owner {
    /// Brings rows, buttons and consultations of plain accounts' calls up to date.
    pub(crate) fn show_own_calls(&mut self) {
        for at in 0..self.view.phone.calls.len() {
            let id = self.view.phone.calls[at].id;
            let Some(own) = self.own.get(&id) else { continue };
            let (call, right) = (own.id.clone(), own.transfer_right());
            let (consult, about) = (self.consult_view(id), self.consulted_about(id));
            let shown = &mut self.view.phone.calls[at];
            (shown.call, shown.transfer_right, shown.consult, shown.about) = (Some(call), Some(right), consult, about);
        }
        self.show_own_rows();
    }

    fn show_own_rows(&mut self) {
        let before: Vec<LiveRow> = self.view.live.calls.iter().filter(|row| is_own(row)).cloned().collect();
        let mut now: Vec<LiveRow> = self.own.iter().filter_map(|(id, own)| self.own_row(*id, own)).collect();
        for row in &mut now {
            match before.iter().find(|old| old.call.id == row.call.id) {
                Some(old) => {
                    (row.call.revision, row.call.state_since) = (old.call.revision, old.call.state_since);
                    if row.call.state != old.call.state {
                        row.call.state_since = self.clock.now();
                    }
                    if row != old {
                        row.call.revision += 1;
                    }
                }
                None => row.call.state_since = self.clock.now(),
            }
        }
        let gone = |row: &LiveRow| is_own(row) && now.iter().all(|other| other.call.id != row.call.id);
        self.view.live.calls.retain(|row| !gone(row));
        for row in now {
            self.view.live.put(row);
        }
        let changed: Vec<LiveRow> =
            before.into_iter().filter(|old| self.view.live.row(&old.call.id) != Some(old)).collect();
        if !changed.is_empty() {
            self.dialog_follows(&changed);
        }
    }

    fn own_row(&self, id: PhoneCallId, own: &OwnCall) -> Option<LiveRow> {
        if own.about.is_some() {
            return None; // part of the call that it is about
        }
        let shown = self.view.phone.calls.iter().find(|call| call.id == id);
        let rings = self.view.rings.iter().any(|ring| ring.id == id);
        if shown.is_none() && !rings {
            return None;
        }
        Some(LiveRow {
            call: LiveCall {
                id: own.id.clone(),
                revision: 1,
                direction: own.direction,
                caller: own.other().clone(),
                state: own.live_state(shown),
                state_since: own.started_at,
                agent: own.answered_at.map(|_| own.me.clone()),
                department: Some(DepartmentRef {
                    id: format!("account-{}", own.account_key).as_str().into(),
                    name: own.account.clone(),
                }),
                started_at: own.started_at,
                answered_at: own.answered_at,
                transfer: own.progress(),
                bounces: Vec::new(),
            },
            transfer_right: own.transfer_right(),
            undo_right: own.consult().map(|_| TransferRight::Allowed),
            complete_right: own.consult().map(|_| TransferRight::Allowed),
        })
    }
}

/// Ids of an exchange are not made like this.
pub(crate) fn is_own(row: &LiveRow) -> bool {
    is_own_id(&row.call.id)
}

pub(crate) fn is_own_id(call: &protocol::CallId) -> bool {
    call.as_str().starts_with("own-")
}

impl OwnCall {
    fn live_state(&self, shown: Option<&PhoneCall>) -> CallState {
        let with = self.me.clone();
        match (&self.moving, shown) {
            (Moving::Consult(consult), _) if consult.stage == ConsultStage::WithCaller => CallState::Talking { with },
            (Moving::Blind { .. } | Moving::Consult(_) | Moving::Followed { .. } | Moving::Done, _) => {
                CallState::Transferring
            }
            (Moving::No, None) => CallState::Ringing { towards: vec![with], until: self.started_at },
            (Moving::No, Some(call)) => match call.state {
                PhoneCallState::Dialling | PhoneCallState::Ringing => {
                    CallState::Ringing { towards: Vec::new(), until: self.started_at }
                }
                PhoneCallState::Talking | PhoneCallState::Ending if call.held => CallState::Held { by: with },
                PhoneCallState::Talking | PhoneCallState::Ending => CallState::Talking { with },
            },
        }
    }

    fn progress(&self) -> Option<TransferProgress> {
        let (id, to, since, kind, stage) = match &self.moving {
            Moving::No | Moving::Followed { .. } | Moving::Done => return None,
            Moving::Blind { id, to, since, rings: false } => {
                (id, to, *since, TransferKind::Blind, TransferStage::Holding)
            }
            Moving::Blind { id, to, since, rings: true } => {
                let stage = TransferStage::Ringing { towards: Vec::new(), until: *since };
                (id, to, *since, TransferKind::Blind, stage)
            }
            Moving::Consult(consult) => {
                let stage = consult_stage(consult.stage, &consult.to, consult.since);
                (&consult.id, &consult.to, consult.since, TransferKind::Consult, stage)
            }
        };
        Some(TransferProgress {
            id: id.clone(),
            by: self.me.clone(),
            from: Some(self.me.clone()),
            target: TargetRef::Outside { number: to.clone() },
            kind,
            stage,
            since,
            note: None,
        })
    }

    pub(super) fn transfer_right(&self) -> TransferRight {
        let to = match &self.moving {
            Moving::No if self.answered_at.is_some() => return TransferRight::Allowed,
            Moving::No => return Err(Denied::NotAnsweredYet).into(),
            Moving::Done => return Err(Denied::Ended).into(),
            Moving::Blind { to, .. } => to.clone(),
            Moving::Consult(consult) => consult.to.clone(),
            Moving::Followed { to, .. } => {
                let (by, to) = (super::calls::person(self.other()), crate::rings::name(to));
                return Err(Denied::AlreadyTransferring { by, to }).into();
            }
        };
        Err(Denied::AlreadyTransferring { by: self.me.clone(), to }).into()
    }
}

fn consult_stage(stage: ConsultStage, to: &str, since: Timestamp) -> TransferStage {
    let with = TargetRef::Outside { number: to.to_owned() };
    match stage {
        ConsultStage::Ringing => TransferStage::ConsultRinging { towards: Vec::new(), until: since },
        ConsultStage::WithColleague => TransferStage::Consulting { with },
        ConsultStage::WithCaller => TransferStage::Swapped { with },
    }
}
