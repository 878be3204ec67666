//! Who may do what to whose call. The rules themselves are in [`crate::rules`].

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use protocol::{
    CallId, CallRecord, Denied, DepartmentId, DepartmentRef, Direction, JourneyEvent, LiveCall, Role, Target,
    TransferKind, UserId,
};

use crate::{
    OutsideRule, Switchboard,
    call::{Call, State},
    directory::UserState,
    rules::{Cell, Kind, Lack, Switch, Towards, Whose, cell},
    transfer::{Request, may_consult},
};

/// What a user may do to a call now; each with the reason if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Transfer it to a colleague, or divert it while it rings or waits.
    pub transfer: Result<(), Denied>,
    /// Speak with a colleague first.
    pub consult: Result<(), Denied>,
    /// Transfer it to an outside number.
    pub outside: Result<(), Denied>,
    /// Take it back; set while a transfer goes on.
    pub undo: Option<Result<(), Denied>>,
    /// Complete and swap; set while a consultation goes on.
    pub complete: Option<Result<(), Denied>>,
}

/// Those whose call it is, and the department it is in.
#[derive(Default)]
struct Stake<'a> {
    owners: BTreeSet<&'a UserId>,
    department: Option<&'a DepartmentId>,
    /// Users who handle the call; their departments count where the call's own does not cover them.
    handlers: BTreeSet<&'a UserId>,
}

impl Switchboard {
    /// What `user` may do to `call` now.
    #[must_use]
    pub fn rights(&self, user: &UserId, call: &CallId) -> Rights {
        let call = self.find(call);
        let transfer = self.may_move(user, call, TransferKind::Blind, Towards::OwnDepartment).map(drop);
        let outside = self.may_move(user, call, TransferKind::Blind, Towards::Outside).map(drop);
        let trunk = if self.directory.has_trunk { Ok(()) } else { Err(Denied::OutsideNotAllowed) };
        let going = call.filter(|call| call.state.transfer().is_some());
        Rights {
            transfer,
            consult: self.may_move(user, call, TransferKind::Consult, Towards::OwnDepartment).map(drop),
            outside: outside.and(trunk),
            undo: going.map(|call| self.may_step(user, call, Request::Cancel).map(drop)),
            complete: going
                .filter(|call| matches!(call.state, State::Consulting { .. }))
                .map(|call| self.may_step(user, call, Request::Complete).map(drop)),
        }
    }

    /// Whether `user` may transfer `call` now.
    ///
    /// # Errors
    /// Why not: first what the user lacks, then what the call's state forbids.
    pub fn may_transfer(&self, user: &UserId, call: &CallId) -> Result<(), Denied> {
        self.may_move(user, self.find(call), TransferKind::Blind, Towards::OwnDepartment).map(drop)
    }

    /// Whether `user` may see the live call.
    #[must_use]
    pub fn may_see(&self, user: &UserId, call: &LiveCall) -> bool {
        let Some(reader) = self.directory.users.get(user) else { return false };
        let mut stake = Stake { department: call.department.as_ref().map(|d| &d.id), ..Stake::default() };
        stake.owners.extend(call.agent.iter().map(|a| &a.id));
        stake.handlers.clone_from(&stake.owners);
        if let Some(known) = self.find(&call.id) {
            stake.add_live(known);
            stake.add_rung(known);
        }
        may_see(reader, self.whose(reader, &stake))
    }

    /// Whether `user` may see the record of a finished call.
    #[must_use]
    pub fn may_see_record(&self, user: &UserId, record: &CallRecord) -> bool {
        let Some(reader) = self.directory.users.get(user) else { return false };
        may_see(reader, self.whose_record(reader, record))
    }

    /// As [`Self::may_see_record`], with the deciding rule, or with what is written down about who may not.
    pub(crate) fn rule_to_see(&self, user: &UserId, record: &CallRecord) -> Result<String, Denied> {
        let reader = self.directory.users.get(user).ok_or(Denied::UnknownUser)?;
        let whose = self.whose_record(reader, record);
        match cell(reader.config.role, whose, Kind::See, Towards::OwnDepartment) {
            _ if reader.config.disabled => Err(Denied::Disabled),
            Cell::Yes => Ok(rule(reader, whose, record.department.as_ref())),
            Cell::OtherDepartment => Err(Denied::OtherDepartment),
            Cell::If(_) | Cell::NotYourCall | Cell::NotOnCall | Cell::NotOutside => Err(Denied::NotYourCall),
        }
    }

    fn whose_record(&self, reader: &UserState, record: &CallRecord) -> Whose {
        let mut stake = Stake { department: record.department.as_ref().map(|d| &d.id), ..Stake::default() };
        stake.handlers.extend(record.agents.iter().map(|u| &u.id));
        stake.owners.clone_from(&stake.handlers);
        for step in &record.journey {
            if let JourneyEvent::Rang { users } = &step.what {
                stake.owners.extend(users.iter().map(|u| &u.id));
            }
            if let JourneyEvent::TransferStarted { by, to, .. } = &step.what {
                stake.owners.insert(&by.id);
                if let protocol::TargetRef::User(to) = to {
                    stake.owners.insert(&to.id);
                }
            }
        }
        let called = record.direction == Direction::Internal
            && (record.caller.number == reader.config.extension
                || record.dialled == reader.config.extension
                || record.dialled == reader.config.id.as_str());
        if called {
            stake.owners.insert(&reader.config.id);
        }
        self.whose(reader, &stake)
    }

    /// Whether `user` may move `call` to `target` so; with the deciding rule. Whether the target can take it is
    /// another question: [`Self::eligible`].
    pub(crate) fn may_send(
        &self,
        user: &UserId,
        call: Option<&Call>,
        kind: TransferKind,
        target: &Target,
    ) -> Result<String, Denied> {
        self.may_move(user, call, kind, self.towards(user, target))
    }

    /// Whether `user` may bring whoever is in `call` together with somebody they talk with in another one.
    pub(crate) fn may_consult(&self, user: &UserId, call: &Call) -> Result<String, Denied> {
        self.may_move(user, Some(call), TransferKind::Consult, Towards::OwnDepartment)
    }

    pub(crate) fn may_move(
        &self,
        user: &UserId,
        call: Option<&Call>,
        kind: TransferKind,
        towards: Towards,
    ) -> Result<String, Denied> {
        let arriving = call.is_some_and(|c| arriving(&c.state));
        let row = match kind {
            TransferKind::Blind if arriving => Kind::Divert,
            TransferKind::Blind => Kind::Transfer,
            TransferKind::Consult => Kind::Consult,
            TransferKind::Voicemail => Kind::Voicemail,
        };
        let rule = match self.lookup(user, call, row, towards) {
            Ok(rule) => rule,
            Err(Lack::Denied(denied)) => return Err(denied),
            // Said of the target, not of the user: see `Switchboard::eligible`.
            Err(Lack::Across(rule)) => rule,
        };
        let call = call.ok_or(Denied::Ended)?;
        movable(&call.state)?;
        match kind {
            TransferKind::Consult => may_consult(call, user)?,
            TransferKind::Blind | TransferKind::Voicemail => {}
        }
        Ok(rule)
    }

    /// Whether the user may do this with a transfer that goes on. Taking back is allowed to who pressed Go, whatever has
    /// become of their rights.
    pub(crate) fn may_touch(&self, user: &UserId, call: Option<&Call>, kind: Kind) -> Result<String, Denied> {
        let enabled = self.directory.users.get(user).is_some_and(|u| !u.config.disabled);
        let own = call.and_then(|call| call.state.transfer()).is_some_and(|t| t.by.id == *user);
        match (kind, self.lookup(user, call, kind, Towards::OwnDepartment)) {
            (Kind::TakeBack | Kind::Complete, _) if enabled && own => Ok("who transferred".to_owned()),
            (Kind::Complete, Ok(_)) => Err(Denied::NotOnCall),
            (_, Ok(rule) | Err(Lack::Across(rule))) => Ok(rule),
            (_, Err(Lack::Denied(denied))) => Err(denied),
        }
    }

    /// Whether the account keeps `user` from moving `call` there.
    pub(crate) fn too_far(&self, user: &UserId, call: &Call, towards: Towards) -> bool {
        matches!(self.lookup(user, Some(call), Kind::Transfer, towards), Err(Lack::Across(_)))
    }

    /// Finds the cell of the table and asks the account about its conditions.
    fn lookup(&self, user: &UserId, call: Option<&Call>, kind: Kind, towards: Towards) -> Result<String, Lack> {
        let Some(mover) = self.directory.users.get(user) else { return Err(Lack::Denied(Denied::UnknownUser)) };
        if mover.config.disabled {
            return Err(Lack::Denied(Denied::Disabled));
        }
        let Some(call) = call else { return Err(Lack::Denied(Denied::Ended)) };
        let mut stake = Stake { department: call.department.as_ref().map(|d| &d.id), ..Stake::default() };
        stake.handlers.extend(call.agent.iter().map(|a| &a.id));
        stake.add_live(call);
        // Whoever is asked first may send it elsewhere; a transfer that rings them is not theirs to end but by declining.
        if arriving(&call.state) {
            stake.add_rung(call);
        }
        let whose = self.whose(mover, &stake);
        let rule = rule(mover, whose, call.department.as_ref());
        let switches = match cell(mover.config.role, whose, kind, towards) {
            Cell::Yes => &[][..],
            Cell::If(switches) => switches,
            Cell::OtherDepartment => return Err(Lack::Denied(Denied::OtherDepartment)),
            Cell::NotYourCall => return Err(Lack::Denied(Denied::NotYourCall)),
            Cell::NotOnCall => return Err(Lack::Denied(Denied::NotOnCall)),
            Cell::NotOutside => return Err(Lack::Denied(Denied::OutsideNotAllowed)),
        };
        for switch in switches {
            match switch {
                Switch::AgentsMayTransfer if !self.directory.policy.agents_may_transfer => {
                    return Err(Lack::Denied(Denied::AgentsMayNotTransfer));
                }
                Switch::AcrossDepartments if !self.directory.policy.transfer_across_departments => {
                    return Err(Lack::Across(rule));
                }
                Switch::Outside if !self.may_outside(mover) => return Err(Lack::Denied(Denied::OutsideNotAllowed)),
                Switch::AgentsMayTransfer | Switch::AcrossDepartments | Switch::Outside => {}
            }
        }
        Ok(rule)
    }

    /// The user's own right, else what the account says of their role.
    fn may_outside(&self, user: &UserState) -> bool {
        user.config.may_transfer_outside.unwrap_or(match (self.directory.policy.outside, user.config.role) {
            (OutsideRule::Nobody, _) => false,
            (OutsideRule::Administrators, role) => role == Role::Administrator,
            (OutsideRule::Managers, role) => role != Role::Agent,
            (OutsideRule::Everyone, _) => true,
        })
    }

    pub(crate) fn towards(&self, user: &UserId, target: &Target) -> Towards {
        let mine = self.directory.users.get(user).map_or(&[][..], |u| &u.config.departments);
        let shared = match target {
            Target::Outside(_) => return Towards::Outside,
            Target::Department(department) => mine.contains(department),
            Target::User(id) => {
                self.directory.users.get(id).is_some_and(|u| u.config.departments.iter().any(|d| mine.contains(d)))
            }
        };
        if shared { Towards::OwnDepartment } else { Towards::OtherDepartment }
    }

    fn whose(&self, user: &UserState, stake: &Stake<'_>) -> Whose {
        if stake.owners.contains(&user.config.id) {
            return Whose::Own;
        }
        let mine = &user.config.departments;
        if stake.department.is_some_and(|d| mine.contains(d)) {
            return Whose::Department;
        }
        let shares = stake.handlers.iter().any(|handler| {
            let theirs = self.directory.users.get(*handler).map_or(&[][..], |h| &h.config.departments);
            let covered = stake.department.is_some_and(|d| theirs.contains(d));
            !covered && theirs.iter().any(|d| mine.contains(d))
        });
        if shares { Whose::Department } else { Whose::Other }
    }
}

impl<'a> Stake<'a> {
    fn add_live(&mut self, call: &'a Call) {
        self.owners.extend(call.parties());
        self.handlers.extend(&call.caller.user);
        if let Some(transfer) = call.state.transfer() {
            self.owners.insert(&transfer.by.id);
            self.owners.extend(transfer.from.iter().map(|from| &from.id));
        }
    }

    fn add_rung(&mut self, call: &'a Call) {
        self.owners.extend(call.state.ring().into_iter().flat_map(|r| &r.towards).map(|u| &u.id));
    }
}

/// Whether nobody has taken the call yet.
fn arriving(state: &State) -> bool {
    matches!(state, State::Ringing { .. } | State::Queued(_))
}

/// Whether a call in this state can be transferred at all.
pub(crate) fn movable(state: &State) -> Result<(), Denied> {
    match state {
        State::Talking { .. } | State::Ringing { .. } | State::Queued(_) => Ok(()),
        State::Dialling { .. } => Err(Denied::NotAnsweredYet),
        State::Transferring { transfer, .. } | State::Consulting { transfer, .. } => {
            Err(Denied::AlreadyTransferring { by: transfer.by.clone(), to: transfer.target.name().to_owned() })
        }
        State::Voicemail { .. } | State::Closing { .. } => Err(Denied::Leaving),
        State::AwaitingRecording { .. } | State::Over { .. } => Err(Denied::Ended),
    }
}

/// Whether a reader may see calls that stand to them so.
pub(crate) fn may_see(reader: &UserState, whose: Whose) -> bool {
    !reader.config.disabled && cell(reader.config.role, whose, Kind::See, Towards::OwnDepartment) == Cell::Yes
}

fn rule(user: &UserState, whose: Whose, department: Option<&DepartmentRef>) -> String {
    let role = match user.config.role {
        Role::Administrator => "administrator",
        Role::Manager => "manager",
        Role::Agent => "agent",
    };
    match (whose, department.map(|d| d.id.as_str())) {
        (Whose::Own, _) => format!("role {role}, own call"),
        (Whose::Department, Some(department)) => format!("role {role}, department {department}"),
        (Whose::Department, None) => format!("role {role}, department of the agent"),
        (Whose::Other, _) => format!("role {role}, any call"),
    }
}
