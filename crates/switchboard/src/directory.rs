//! The account's people and departments as they are now, with the indexes that calls need.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Department, DepartmentId, DepartmentRef, DeviceId, LegId, Presence, Role, Target, Timestamp, User, UserId, UserRef,
};

use crate::{
    Account, Policy,
    account::{DepartmentConfig, UserConfig},
    call::CallKey,
};

#[derive(Debug)]
pub(crate) struct Directory {
    pub users: BTreeMap<UserId, UserState>,
    pub departments: BTreeMap<DepartmentId, DepartmentState>,
    pub policy: Policy,
    by_extension: BTreeMap<String, Target>,
    by_number: BTreeMap<String, DepartmentId>,
}

#[derive(Debug)]
pub(crate) struct UserState {
    pub config: UserConfig,
    pub presence: Presence,
    pub presence_since: Timestamp,
    pub devices: BTreeSet<DeviceId>,
    /// Legs in which the user is, or waits to be, talking.
    pub busy: BTreeMap<LegId, CallKey>,
    /// Legs that ring the user's devices.
    pub ringing: BTreeMap<LegId, CallKey>,
    pub shown: Option<User>,
}

#[derive(Debug)]
pub(crate) struct DepartmentState {
    pub config: DepartmentConfig,
    pub members: BTreeSet<UserId>,
    /// Waiting callers, first come first served.
    pub line: BTreeMap<u64, CallKey>,
    pub shown: Option<Department>,
}

impl Directory {
    pub(crate) fn new(account: Account) -> Self {
        let mut by_extension = BTreeMap::new();
        let mut by_number = BTreeMap::new();
        let mut departments = BTreeMap::new();
        for config in account.departments {
            by_extension.insert(config.extension.clone(), Target::Department(config.id.clone()));
            for number in &config.numbers {
                by_number.insert(dialable(number).unwrap_or_else(|| number.clone()), config.id.clone());
            }
            let id = config.id.clone();
            departments
                .insert(id, DepartmentState { config, members: BTreeSet::new(), line: BTreeMap::new(), shown: None });
        }
        // A department rings its agents; those who manage it are rung only where it has none.
        let agents = account.users.iter().filter(|user| user.role == Role::Agent);
        let with_agents: BTreeSet<DepartmentId> = agents.flat_map(|user| user.departments.iter().cloned()).collect();
        let mut users = BTreeMap::new();
        for config in account.users {
            by_extension.insert(config.extension.clone(), Target::User(config.id.clone()));
            for department in &config.departments {
                if let Some(d) = departments.get_mut(department)
                    && (config.role == Role::Agent || !with_agents.contains(department))
                {
                    d.members.insert(config.id.clone());
                }
            }
            users.insert(config.id.clone(), UserState::new(config));
        }
        Self { users, departments, policy: account.policy, by_extension, by_number }
    }

    /// Takes the present state as known to everyone.
    pub(crate) fn show_all(&mut self) {
        for user in self.users.values_mut() {
            user.shown = Some(Self::user_view(user));
        }
        let views: Vec<_> = self.departments.values().map(|d| self.department_view(d)).collect();
        for view in views {
            if let Some(department) = self.departments.get_mut(&view.id) {
                department.shown = Some(view);
            }
        }
    }

    /// Everyone's presence counts from the first moment we know of.
    pub(crate) fn present_since(&mut self, now: Timestamp) {
        for user in self.users.values_mut() {
            user.presence_since = now;
        }
    }

    /// The department that an outside number leads to.
    pub(crate) fn number(&self, dialled: &str) -> Option<&DepartmentId> {
        self.by_number.get(&dialable(dialled)?)
    }

    /// Whether keys pressed so far could become the extension of somebody.
    pub(crate) fn extension_goes_on(&self, typed: &str) -> bool {
        use std::ops::Bound;
        let next = self.by_extension.range::<str, _>((Bound::Excluded(typed), Bound::Unbounded)).next();
        next.is_some_and(|(extension, _)| extension.starts_with(typed))
    }

    /// Who inside the account is meant by an extension or id.
    pub(crate) fn inside(&self, dialled: &str) -> Option<Target> {
        if let Some(target) = self.by_extension.get(dialled) {
            return Some(target.clone());
        }
        let user = UserId::from(dialled);
        if self.users.contains_key(&user) {
            return Some(Target::User(user));
        }
        let department = DepartmentId::from(dialled);
        self.departments.contains_key(&department).then_some(Target::Department(department))
    }

    pub(crate) fn user_ref(&self, id: &UserId) -> UserRef {
        let name = self.users.get(id).map_or_else(|| id.to_string(), |u| u.config.name.clone());
        UserRef { id: id.clone(), name }
    }

    pub(crate) fn department_ref(&self, id: &DepartmentId) -> DepartmentRef {
        let name = self.departments.get(id).map_or_else(|| id.to_string(), |d| d.config.name.clone());
        DepartmentRef { id: id.clone(), name }
    }

    /// Members who could take a call now: what a department rings. `except` is a call that does not count as busy.
    pub(crate) fn free_members(&self, department: &DepartmentId, except: Option<CallKey>) -> Vec<UserId> {
        let Some(department) = self.departments.get(department) else { return Vec::new() };
        let free = |id: &&UserId| self.users.get(*id).is_some_and(|u| u.free(except));
        department.members.iter().filter(free).cloned().collect()
    }

    pub(crate) fn user_view(user: &UserState) -> User {
        User {
            id: user.config.id.clone(),
            name: user.config.name.clone(),
            extension: user.config.extension.clone(),
            role: user.config.role,
            departments: user.config.departments.clone(),
            presence: user.presence,
            presence_since: user.presence_since,
            devices: user.devices.len() as u32,
            on_call: !user.busy.is_empty(),
            disabled: user.config.disabled,
        }
    }

    pub(crate) fn department_view(&self, department: &DepartmentState) -> Department {
        Department {
            id: department.config.id.clone(),
            name: department.config.name.clone(),
            extension: department.config.extension.clone(),
            free: self.free_members(&department.config.id, None).len() as u32,
            members: department.members.len() as u32,
            queued: department.line.len() as u32,
        }
    }
}

impl UserState {
    fn new(config: UserConfig) -> Self {
        Self {
            config,
            presence: Presence::Available,
            presence_since: Timestamp::default(),
            devices: BTreeSet::new(),
            busy: BTreeMap::new(),
            ringing: BTreeMap::new(),
            shown: None,
        }
    }

    pub(crate) fn on_call(&self, except: Option<CallKey>) -> bool {
        self.busy.values().any(|key| Some(*key) != except)
    }

    /// Could be offered a department's call: reachable, willing, idle, and not already being rung.
    fn free(&self, except: Option<CallKey>) -> bool {
        !self.config.disabled
            && self.presence == Presence::Available
            && !self.devices.is_empty()
            && !self.on_call(except)
            && self.ringing.is_empty()
    }
}

/// A telephone number without the signs people write between digits; `None` if it is not one.
pub(crate) fn dialable(written: &str) -> Option<String> {
    let number: String = written.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let fits = (2..=32).contains(&digits.len());
    (fits && digits.chars().all(|c| matches!(c, '0'..='9' | '*' | '#'))).then_some(number)
}
