//! Who can take a transfer now, and why not.

use protocol::{DepartmentId, Ineligible, Presence, Role, Target, UserId};

use crate::{OutsideRule, Switchboard, call::Call, directory::dialable};

impl Switchboard {
    /// Whether `target` can be given `call` by `by` now.
    pub(crate) fn eligible(&self, by: &UserId, call: &Call, target: &Target) -> Result<(), Ineligible> {
        match target {
            Target::User(user) => {
                if call.parties().contains(user) {
                    return Err(Ineligible::InThisCall);
                }
                let Some(state) = self.directory.users.get(user) else { return Err(Ineligible::Unknown) };
                self.across(by, &state.config.departments)?;
                self.reachable(user, call)
            }
            Target::Outside(number) => {
                let everyone = self.directory.policy.outside == OutsideRule::Everyone;
                if everyone && dialable(number).is_some() { Ok(()) } else { Err(Ineligible::NotANumber) }
            }
            Target::Department(department) => {
                let Some(state) = self.directory.departments.get(department) else { return Err(Ineligible::Unknown) };
                let could = |id: &&UserId| {
                    let user = self.directory.users.get(*id);
                    !call.parties().contains(id) && user.is_some_and(|u| !u.config.disabled && !u.devices.is_empty())
                };
                if !state.members.iter().any(|id| could(&id)) {
                    return Err(Ineligible::NobodyThere);
                }
                self.across(by, std::slice::from_ref(department))
            }
        }
    }

    /// Whether the user could be rung for `call` now. Being on that very call does not count.
    pub(crate) fn reachable(&self, user: &UserId, call: &Call) -> Result<(), Ineligible> {
        let Some(user) = self.directory.users.get(user) else { return Err(Ineligible::Unknown) };
        if user.config.disabled {
            return Err(Ineligible::Disabled);
        }
        match user.presence {
            Presence::Away => return Err(Ineligible::Away { since: user.presence_since }),
            Presence::DoNotDisturb => return Err(Ineligible::DoNotDisturb { since: user.presence_since }),
            Presence::Available => {}
        }
        if user.devices.is_empty() {
            return Err(Ineligible::NoDevice);
        }
        if user.on_call(Some(call.key)) { Err(Ineligible::OnCall) } else { Ok(()) }
    }

    /// The account may restrict transfers to the transferor's own departments; administrators are not bound by it.
    fn across(&self, by: &UserId, theirs: &[DepartmentId]) -> Result<(), Ineligible> {
        let Some(by) = self.directory.users.get(by) else { return Err(Ineligible::OtherDepartment) };
        let free = self.directory.policy.transfer_across_departments || by.config.role == Role::Administrator;
        let shares = theirs.iter().any(|d| by.config.departments.contains(d));
        if free || shares { Ok(()) } else { Err(Ineligible::OtherDepartment) }
    }
}
