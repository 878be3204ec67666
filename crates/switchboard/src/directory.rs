//! The account's people and departments as they are now, with the indexes that calls need.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use protocol::{
    Department, DepartmentId, DepartmentRef, DeviceId, Disposition, LegId, Presence, Role, Target, Timestamp, User,
    UserId, UserRef,
};

use crate::{
    Account, Policy,
    account::{DepartmentConfig, UserConfig},
    arrive::bounded,
    call::CallKey,
};

#[derive(Debug)]
pub(crate) struct Directory {
    pub users: BTreeMap<UserId, UserState>,
    pub departments: BTreeMap<DepartmentId, DepartmentState>,
    pub policy: Policy,
    pub has_trunk: bool,
    pub dispositions: Vec<Disposition>,
    /// Users by name and departments by name: the order of the transfer dialog.
    pub users_by_name: Vec<UserId>,
    pub departments_by_name: Vec<DepartmentId>,
    by_extension: BTreeMap<String, Target>,
    by_number: BTreeMap<String, DepartmentId>,
}

#[derive(Debug)]
pub(crate) struct UserState {
    pub config: UserConfig,
    /// Place in the configuration.
    pub place: u32,
    /// Departments that ring this user.
    pub rung_by: Vec<DepartmentId>,
    /// When the user last became free for a call.
    pub free_since: Timestamp,
    /// As the departments have counted this user.
    counted: Counted,
    pub presence: Presence,
    pub presence_since: Timestamp,
    pub devices: BTreeSet<DeviceId>,
    /// Legs in which the user is, or waits to be, talking.
    pub busy: BTreeMap<LegId, CallKey>,
    /// Legs that ring the user's devices.
    pub ringing: BTreeMap<LegId, CallKey>,
    pub shown: Option<User>,
}

/// What a user adds to their departments' counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted {
    free: bool,
    /// Has a device, so that they could answer once they are free.
    staffed: bool,
}

#[derive(Debug)]
pub(crate) struct DepartmentState {
    pub config: DepartmentConfig,
    pub members: u32,
    /// Members who could take a call now, by their place in the configuration: what a department rings.
    pub free: BTreeMap<u32, UserId>,
    /// Members with a device.
    pub staffed: u32,
    /// The place of who was asked last.
    pub last_asked: Option<u32>,
    /// Calls that ring all free members: who becomes free rings too.
    pub open_rings: BTreeSet<CallKey>,
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
            departments.insert(config.id.clone(), DepartmentState::new(config));
        }
        // A department rings its agents; those who manage it are rung only where it has none.
        let agents = account.users.iter().filter(|user| user.role == Role::Agent);
        let with_agents: BTreeSet<DepartmentId> = agents.flat_map(|user| user.departments.iter().cloned()).collect();
        let mut users = BTreeMap::new();
        for (place, config) in (0..).zip(account.users) {
            by_extension.insert(config.extension.clone(), Target::User(config.id.clone()));
            let mut rung_by = Vec::new();
            for id in &config.departments {
                let rings = config.role == Role::Agent || !with_agents.contains(id);
                if let Some(department) = departments.get_mut(id).filter(|_| rings && !rung_by.contains(id)) {
                    department.members += 1;
                    rung_by.push(id.clone());
                }
            }
            users.insert(config.id.clone(), UserState::new(config, place, rung_by));
        }
        let mut users_by_name: Vec<UserId> = users.keys().cloned().collect();
        users_by_name.sort_by(|a, b| (&users[a].config.name, a).cmp(&(&users[b].config.name, b)));
        let mut departments_by_name: Vec<DepartmentId> = departments.keys().cloned().collect();
        departments_by_name.sort_by(|a, b| (&departments[a].config.name, a).cmp(&(&departments[b].config.name, b)));
        Self {
            users,
            departments,
            policy: account.policy,
            has_trunk: account.has_trunk,
            dispositions: account.dispositions,
            users_by_name,
            departments_by_name,
            by_extension,
            by_number,
        }
    }

    /// Takes the present state as known to everyone.
    pub(crate) fn show_all(&mut self) {
        for user in self.users.values_mut() {
            user.shown = Some(Self::user_view(user));
        }
        for department in self.departments.values_mut() {
            department.shown = Some(Self::department_view(department));
        }
    }

    /// Everyone's presence counts from the first moment we know of.
    pub(crate) fn present_since(&mut self, now: Timestamp) {
        for user in self.users.values_mut() {
            user.presence_since = now;
            user.free_since = now;
        }
    }

    /// The department that an outside number leads to.
    pub(crate) fn number(&self, dialled: &str) -> Option<&DepartmentId> {
        self.by_number.get(&dialable(dialled)?)
    }

    /// Whether keys pressed so far could become the extension of somebody.
    pub(crate) fn extension_goes_on(&self, typed: &str) -> bool {
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
        let name = self.users.get(id).map_or_else(|| bounded(id.as_str()), |u| u.config.name.clone());
        UserRef { id: id.clone(), name }
    }

    pub(crate) fn department_ref(&self, id: &DepartmentId) -> DepartmentRef {
        let name = self.departments.get(id).map_or_else(|| bounded(id.as_str()), |d| d.config.name.clone());
        DepartmentRef { id: id.clone(), name }
    }

    /// Counts the user anew in the departments that ring them, after anything about the user has changed.
    pub(crate) fn recount(&mut self, id: &UserId, now: Timestamp) {
        let Some(user) = self.users.get_mut(id) else { return };
        let counts = Counted { free: user.free(None), staffed: user.staffed() };
        let before = std::mem::replace(&mut user.counted, counts);
        if before == counts {
            return;
        }
        if counts.free && !before.free {
            user.free_since = now;
        }
        for department in &user.rung_by {
            let Some(department) = self.departments.get_mut(department) else { continue };
            department.staffed = department.staffed + u32::from(counts.staffed) - u32::from(before.staffed);
            if counts.free {
                department.free.insert(user.place, id.clone());
            } else {
                department.free.remove(&user.place);
            }
        }
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

    pub(crate) fn department_view(department: &DepartmentState) -> Department {
        Department {
            id: department.config.id.clone(),
            name: department.config.name.clone(),
            extension: department.config.extension.clone(),
            free: department.free.len() as u32,
            members: department.members,
            queued: department.line.len() as u32,
        }
    }
}

impl DepartmentState {
    fn new(config: DepartmentConfig) -> Self {
        Self {
            config,
            members: 0,
            free: BTreeMap::new(),
            staffed: 0,
            last_asked: None,
            open_rings: BTreeSet::new(),
            line: BTreeMap::new(),
            shown: None,
        }
    }
}

impl UserState {
    fn new(config: UserConfig, place: u32, rung_by: Vec<DepartmentId>) -> Self {
        Self {
            config,
            place,
            rung_by,
            free_since: Timestamp::default(),
            counted: Counted::default(),
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

    /// Whether this department rings them.
    pub(crate) fn rung_by(&self, department: &DepartmentId) -> bool {
        self.rung_by.contains(department)
    }

    /// Could be offered a department's call: reachable, willing, idle, and not already being rung. `except` is a call
    /// that does not count.
    pub(crate) fn free(&self, except: Option<CallKey>) -> bool {
        !self.config.disabled
            && self.presence == Presence::Available
            && !self.devices.is_empty()
            && !self.on_call(except)
            && self.ringing.values().all(|key| Some(*key) == except)
    }
}

/// A telephone number without the signs people write between digits; `None` if it is not one.
pub(crate) fn dialable(written: &str) -> Option<String> {
    let number: String = written.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let fits = (2..=32).contains(&digits.len());
    (fits && digits.chars().all(|c| matches!(c, '0'..='9' | '*' | '#'))).then_some(number)
}
