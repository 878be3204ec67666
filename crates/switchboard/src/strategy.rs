//! In which order a department's free agents are past. The forecast asks the same questions of a copy.

use std::{borrow::Cow, collections::BTreeMap};

use protocol::{DepartmentId, Strategy, Timestamp, UserId};

use crate::{Switchboard, call::Call};

/// For how long an agent who let a call ring out is not asked for it again from a line.
const COOL_DOWN_MS: u64 = 30_000;

/// What asking people changes about who is asked next.
#[derive(Debug, Clone)]
pub(crate) struct Past<'a> {
    pub now: Timestamp,
    /// When each user last let this call ring out or refused it.
    pub bounced: Cow<'a, BTreeMap<UserId, Timestamp>>,
    /// Whom departments have asked since, by place in the configuration; else as the directory says.
    pub last: BTreeMap<DepartmentId, u32>,
}

/// Whom a line may ask now.
pub(crate) enum Next {
    Ask(Vec<UserId>),
    /// All who are free have just let it ring out.
    NotBefore(Timestamp),
    Nobody,
}

impl<'a> Past<'a> {
    pub(crate) fn so_far(call: &'a Call, now: Timestamp) -> Self {
        Self { now, bounced: Cow::Borrowed(&call.bounced), last: BTreeMap::new() }
    }
}

impl Switchboard {
    /// Puts `users`, free or about to be, into the order in which the department asks them.
    pub(crate) fn in_order(
        &self,
        department: &DepartmentId,
        strategy: Strategy,
        mut users: Vec<UserId>,
        past: &Past<'_>,
    ) -> Vec<UserId> {
        let place = |id: &UserId| self.directory.users.get(id).map_or(u32::MAX, |u| u.place);
        match strategy {
            Strategy::AllAtOnce | Strategy::FixedOrder => users.sort_by_cached_key(place),
            Strategy::RoundRobin => {
                let configured = || self.directory.departments.get(department).and_then(|d| d.last_asked);
                let last = past.last.get(department).copied().or_else(configured);
                users.sort_by_cached_key(|id| (last.is_some_and(|last| place(id) <= last), place(id)));
            }
            Strategy::LongestIdle => users.sort_by_cached_key(|id| (self.idle_since(id, past), place(id))),
        }
        users
    }

    /// Since when the user has had nothing to do; who is still in the call they give away will be free from now on.
    fn idle_since(&self, id: &UserId, past: &Past<'_>) -> Timestamp {
        let user = self.directory.users.get(id).filter(|u| u.free(None));
        let since = user.map_or(self.now, |u| u.free_since);
        past.bounced.get(id).map_or(since, |bounced| since.max(*bounced))
    }

    /// Whom of `free` a line may ask for a call now: those who have not just let it ring out.
    pub(crate) fn line_asks(&self, department: &DepartmentId, free: Vec<UserId>, past: &Past<'_>) -> Next {
        let strategy = self.directory.departments.get(department).map_or_else(Strategy::default, |d| d.config.strategy);
        let cooled = |id: &UserId| past.bounced.get(id).map(|at| at.plus_ms(COOL_DOWN_MS));
        let (ready, cooling): (Vec<UserId>, Vec<UserId>) =
            free.into_iter().partition(|id| cooled(id).is_none_or(|at| at <= past.now));
        if ready.is_empty() {
            return cooling.iter().filter_map(cooled).min().map_or(Next::Nobody, Next::NotBefore);
        }
        let mut ready = self.in_order(department, strategy, ready, past);
        ready.truncate(at_once(strategy));
        Next::Ask(ready)
    }

    /// Remembers whom the department has asked, for who is next.
    pub(crate) fn has_asked(&mut self, department: &DepartmentId, users: &[UserId]) {
        let last = users.last().and_then(|id| self.directory.users.get(id)).map(|u| u.place);
        if let Some(state) = self.directory.departments.get_mut(department) {
            state.last_asked = last.or(state.last_asked);
        }
    }
}

/// How many are asked at the same time.
pub(crate) fn at_once(strategy: Strategy) -> usize {
    match strategy {
        Strategy::AllAtOnce => usize::MAX,
        Strategy::LongestIdle | Strategy::RoundRobin | Strategy::FixedOrder => 1,
    }
}
