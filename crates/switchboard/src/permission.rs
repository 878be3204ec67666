//! Who may do what to whose call: one table.

use std::collections::BTreeSet;

use protocol::{CallRecord, Denied, DepartmentId, Direction, JourneyEvent, LiveCall, Role, UserId};

use crate::{
    Switchboard,
    call::{Call, State},
    directory::UserState,
};

/// How a call relates to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Department,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    See,
    /// Transfer, and cancel a transfer.
    Move,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Yes,
    IfAgentsMay,
    OtherDepartment,
    NotYours,
}

/// The rules, each row once. `whose_rules_are_complete` tests that no row is missing.
const RULES: [(Role, Whose, Kind, Verdict); 18] = [
    (Role::Administrator, Whose::Own, Kind::See, Verdict::Yes),
    (Role::Administrator, Whose::Department, Kind::See, Verdict::Yes),
    (Role::Administrator, Whose::Other, Kind::See, Verdict::Yes),
    (Role::Administrator, Whose::Own, Kind::Move, Verdict::Yes),
    (Role::Administrator, Whose::Department, Kind::Move, Verdict::Yes),
    (Role::Administrator, Whose::Other, Kind::Move, Verdict::Yes),
    (Role::Manager, Whose::Own, Kind::See, Verdict::Yes),
    (Role::Manager, Whose::Department, Kind::See, Verdict::Yes),
    (Role::Manager, Whose::Other, Kind::See, Verdict::OtherDepartment),
    (Role::Manager, Whose::Own, Kind::Move, Verdict::Yes),
    (Role::Manager, Whose::Department, Kind::Move, Verdict::Yes),
    (Role::Manager, Whose::Other, Kind::Move, Verdict::OtherDepartment),
    (Role::Agent, Whose::Own, Kind::See, Verdict::Yes),
    (Role::Agent, Whose::Department, Kind::See, Verdict::NotYours),
    (Role::Agent, Whose::Other, Kind::See, Verdict::NotYours),
    (Role::Agent, Whose::Own, Kind::Move, Verdict::IfAgentsMay),
    (Role::Agent, Whose::Department, Kind::Move, Verdict::NotYours),
    (Role::Agent, Whose::Other, Kind::Move, Verdict::NotYours),
];

fn verdict(role: Role, whose: Whose, kind: Kind) -> Verdict {
    let rule = RULES.iter().find(|(r, w, k, _)| (*r, *w, *k) == (role, whose, kind));
    // A missing row would be a bug; it must not open a door.
    rule.map_or(Verdict::NotYours, |(_, _, _, verdict)| *verdict)
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
    /// Whether `user` may transfer `call` now.
    ///
    /// # Errors
    /// Why not: first what the user lacks, then what the call's state forbids.
    pub fn may_transfer(&self, user: &UserId, call: &protocol::CallId) -> Result<(), Denied> {
        let call = self.find(call);
        self.mover(user, call).map(drop)?;
        call.map_or(Err(Denied::Ended), |call| movable(&call.state))
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
            // Whoever is rung sees what rings; it is not theirs to move yet.
            stake.owners.extend(known.state.ring().into_iter().flat_map(|r| &r.towards).map(|u| &u.id));
        }
        self.allows(reader, &stake, Kind::See)
    }

    /// Whether `user` may see the record of a finished call.
    #[must_use]
    pub fn may_see_record(&self, user: &UserId, record: &CallRecord) -> bool {
        let Some(reader) = self.directory.users.get(user) else { return false };
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
        self.allows(reader, &stake, Kind::See)
    }

    /// Whether the user's role and departments allow moving the call, whatever its state; with the deciding rule.
    pub(crate) fn mover(&self, user: &UserId, call: Option<&Call>) -> Result<String, Denied> {
        let Some(mover) = self.directory.users.get(user) else { return Err(Denied::UnknownUser) };
        if mover.config.disabled {
            return Err(Denied::Disabled);
        }
        let Some(call) = call else { return Err(Denied::Ended) };
        let mut stake = Stake { department: call.department.as_ref().map(|d| &d.id), ..Stake::default() };
        stake.handlers.extend(call.agent.iter().map(|a| &a.id));
        stake.add_live(call);
        // Whoever is asked first may send it elsewhere.
        if matches!(call.state, State::Ringing { .. } | State::Queued(_)) {
            stake.owners.extend(call.state.ring().into_iter().flat_map(|r| &r.towards).map(|u| &u.id));
        }
        let whose = self.whose(mover, &stake);
        match verdict(mover.config.role, whose, Kind::Move) {
            Verdict::Yes => Ok(rule(mover, whose, call)),
            Verdict::IfAgentsMay if self.directory.policy.agents_may_transfer => Ok(rule(mover, whose, call)),
            Verdict::IfAgentsMay => Err(Denied::AgentsMayNotTransfer),
            Verdict::OtherDepartment => Err(Denied::OtherDepartment),
            Verdict::NotYours => Err(Denied::NotYourCall),
        }
    }

    fn allows(&self, reader: &UserState, stake: &Stake<'_>, kind: Kind) -> bool {
        !reader.config.disabled && verdict(reader.config.role, self.whose(reader, stake), kind) == Verdict::Yes
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
            self.owners.extend([&transfer.by.id]);
            self.owners.extend(transfer.from.iter().map(|from| &from.id));
        }
    }
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

fn rule(user: &UserState, whose: Whose, call: &Call) -> String {
    let role = match user.config.role {
        Role::Administrator => "administrator",
        Role::Manager => "manager",
        Role::Agent => "agent",
    };
    let department = call.department.as_ref().map(|d| d.id.as_str());
    match (whose, department) {
        (Whose::Own, _) => format!("role {role}, own call"),
        (Whose::Department, Some(department)) => format!("role {role}, department {department}"),
        (Whose::Department, None) => format!("role {role}, department of the agent"),
        (Whose::Other, _) => format!("role {role}, any call"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_rules_are_complete() {
        for role in [Role::Administrator, Role::Manager, Role::Agent] {
            for whose in [Whose::Own, Whose::Department, Whose::Other] {
                for kind in [Kind::See, Kind::Move] {
                    let rows = RULES.iter().filter(|(r, w, k, _)| (*r, *w, *k) == (role, whose, kind)).count();
                    assert_eq!(rows, 1, "{role:?} {whose:?} {kind:?}");
                }
            }
        }
    }
}
