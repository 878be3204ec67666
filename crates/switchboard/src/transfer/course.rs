//! What happens to a call that nobody has yet, step by step: a transfer's, or an arriving one's. The forecast walks
//! this very code without doing anything.

use std::collections::BTreeSet;

use protocol::{DepartmentId, DepartmentRef, Reason, Strategy, TargetRef, UserId, UserRef};

use crate::{
    Fallback, FallbackStep, MailboxOf, Miss, RecallWhom, Switchboard,
    call::{Call, Mailbox},
    strategy::{Past, at_once},
};

/// How long a colleague called directly rings, seconds.
const DIRECT_RING_SECONDS: u32 = 30;

/// Where a call stands, and all that its next step depends on besides the state of the account.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub target: TargetRef,
    /// Who pressed Go; nobody if the call has just arrived.
    pub by: Option<UserRef>,
    pub from: Option<UserRef>,
    pub point: Point,
    /// Whom this course rang in vain: the loop guard.
    pub in_vain: BTreeSet<UserId>,
    /// Who stays on the line while the target is tried, and needs no ringing.
    pub waits: Option<UserId>,
    /// `by` was rung for it and sent it on.
    pub sent_on: bool,
    /// Why the target did not take it: for the fallback, and in words.
    pub missed: Option<(Miss, Reason)>,
}

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Target,
    /// Wait in the target department's line.
    Line,
    /// It was cancelled: back to the former agent, or to who pressed Go.
    Back,
    /// The step of the fallback's list with this index.
    Fallback(usize),
    Closing,
}

/// For whom a fallback was configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    User(UserId),
    Department(DepartmentId),
    Account,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The target: a user, or the free agents of a department, in the order in which they are asked.
    Ring {
        users: Vec<UserRef>,
        seconds: u32,
        of: Option<Team>,
    },
    /// The target, an outside number.
    Dial {
        number: String,
        seconds: u32,
    },
    /// The target department's line.
    Line {
        department: DepartmentRef,
        seconds: u32,
    },
    Recall {
        user: UserRef,
        seconds: u32,
    },
    NextAgent {
        users: Vec<UserRef>,
        seconds: u32,
        of: Team,
    },
    /// A line as a step of the fallback.
    Queue {
        department: DepartmentRef,
        seconds: u32,
    },
    Voicemail {
        mailbox: Mailbox,
    },
    Announcement,
}

/// Whose agents are rung, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Team {
    pub department: DepartmentRef,
    pub strategy: Strategy,
}

impl Team {
    /// Those of `users` who are rung first.
    pub(crate) fn first(&self, mut users: Vec<UserRef>) -> Vec<UserRef> {
        users.truncate(at_once(self.strategy));
        users
    }
}

impl Course {
    pub(crate) fn new(target: TargetRef, by: UserRef, from: Option<UserRef>) -> Self {
        Self { by: Some(by), from, ..Self::arriving(target) }
    }

    /// Of a call that has just arrived for `target`.
    pub(crate) fn arriving(target: TargetRef) -> Self {
        let point = Point::Target;
        let in_vain = BTreeSet::new();
        Self { target, by: None, from: None, point, in_vain, waits: None, sent_on: false, missed: None }
    }

    /// Who is not asked as an agent of the target department: those who just gave the call away.
    pub(crate) fn gave_away(&self, user: &UserId) -> bool {
        [&self.by, &self.from].into_iter().flatten().any(|u| u.id == *user)
    }

    /// Who was being rung has sent the call on: they do not want it, unless they asked to be rung themself.
    pub(crate) fn send_on(&mut self) {
        let Some(by) = self.by.as_ref().map(|by| by.id.clone()) else { return };
        let to_themself = matches!(&self.target, TargetRef::User(user) if user.id == by);
        if !to_themself {
            self.in_vain.insert(by);
            self.sent_on = true;
        }
    }

    /// Whether the user was rung for the call, and sent it on: no line asks them either.
    pub(crate) fn was_sent_on_by(&self, user: &UserId) -> bool {
        self.sent_on && self.by.as_ref().is_some_and(|by| by.id == *user)
    }

    /// Who takes the call back may be rung for it, whatever they did before.
    pub(crate) fn taken_back(&mut self, by: &UserId) {
        self.in_vain.remove(by);
        self.sent_on &= self.by.as_ref().is_none_or(|gave| gave.id != *by);
        self.point = Point::Back;
    }

    /// Who answered out of the line did not take the call: its place in the course, not in the line, is kept.
    pub(crate) fn line_again(&mut self) {
        self.point = match self.point {
            Point::Fallback(0) => Point::Line,
            Point::Fallback(next) => Point::Fallback(next - 1),
            point @ (Point::Target | Point::Line | Point::Back | Point::Closing) => point,
        };
    }

    /// The target did not take it; the last word counts, as long as it is the target's turn.
    pub(crate) fn missed(&mut self, reason: Reason) {
        self.missed = Some((Miss::of(reason), reason));
    }
}

impl Switchboard {
    /// The next step that can be done now; the course moves past it. The last one is always an announcement or a
    /// mailbox, and it is reached after at most as many steps as the fallback lists and people can be rung, plus three.
    pub(crate) fn next_step(&self, call: &Call, course: &mut Course, past: &Past<'_>) -> Step {
        loop {
            let (step, after) = match course.point {
                Point::Target => self.target_step(call, course, past),
                Point::Line => (self.line_step(course), Point::Fallback(0)),
                Point::Back => (self.back_step(call, course), Point::Fallback(0)),
                Point::Fallback(index) => self.fallback_at(call, course, index, past),
                Point::Closing => (Some(Step::Announcement), Point::Closing),
            };
            course.point = after;
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn target_step(&self, call: &Call, course: &mut Course, past: &Past<'_>) -> (Option<Step>, Point) {
        let transfer_seconds = self.directory.policy.transfer_ring_seconds;
        match &course.target {
            TargetRef::User(user) => {
                let seconds = if course.by.is_some() { transfer_seconds } else { DIRECT_RING_SECONDS };
                let step = Step::Ring { users: vec![user.clone()], seconds, of: None };
                let step = match self.reachable(&user.id, call) {
                    Ok(()) => self.can_be_rung(call, course, &user.id).then_some(step),
                    Err(why) => {
                        course.missed = Some(Miss::without_ringing(&why));
                        None
                    }
                };
                (step, Point::Fallback(0))
            }
            TargetRef::Outside { number } => {
                let (number, seconds) = (number.clone(), transfer_seconds);
                (Some(Step::Dial { number, seconds }), Point::Fallback(0))
            }
            TargetRef::Department(department) => {
                let Some(config) = self.directory.departments.get(&department.id).map(|d| &d.config) else {
                    return (None, Point::Fallback(0));
                };
                let seconds = if course.by.is_some() { transfer_seconds } else { config.ring_seconds };
                let team = Team { department: department.clone(), strategy: config.strategy };
                let users = self.free_agents(call, course, &team, past);
                // One at a time: this point again, until all have been asked.
                let one_by_one = at_once(team.strategy) == 1 && !users.is_empty();
                let step = (!users.is_empty()).then_some(Step::Ring { users, seconds, of: Some(team) });
                (step, if one_by_one { Point::Target } else { Point::Line })
            }
        }
    }

    fn line_step(&self, course: &Course) -> Option<Step> {
        let TargetRef::Department(department) = &course.target else { return None };
        let seconds = self.directory.departments.get(&department.id)?.config.queue_seconds;
        (seconds > 0).then(|| Step::Line { department: department.clone(), seconds })
    }

    fn back_step(&self, call: &Call, course: &Course) -> Option<Step> {
        let recall = |step: &FallbackStep| match step {
            FallbackStep::Recall { seconds, .. } => Some(*seconds),
            FallbackStep::NextAgent { .. }
            | FallbackStep::Queue { .. }
            | FallbackStep::Voicemail { .. }
            | FallbackStep::Announcement => None,
        };
        let configured = self.fallback_of(call, course).1.steps.iter().find_map(recall);
        let seconds = configured.unwrap_or(self.directory.policy.transfer_ring_seconds);
        let back = [&course.from, &course.by].into_iter().flatten();
        let user = back.into_iter().find(|u| self.can_be_recalled(call, course, &u.id))?;
        Some(Step::Recall { user: user.clone(), seconds })
    }

    /// What was configured for this target: its own, else its department's, else the call's department's, else the
    /// account's.
    pub(crate) fn fallback_of(&self, call: &Call, course: &Course) -> (Whose, &Fallback) {
        let of_department = |id: &DepartmentId| {
            let fallback = self.directory.departments.get(id)?.config.fallback.as_ref()?;
            Some((Whose::Department(id.clone()), fallback))
        };
        let called = call.department.as_ref().map(|d| &d.id);
        let own = match &course.target {
            TargetRef::User(user) => self.directory.users.get(&user.id).and_then(|user| {
                let theirs = &user.config.departments;
                let shared = called.filter(|d| theirs.contains(d));
                let own = user.config.fallback.as_ref().map(|own| (Whose::User(user.config.id.clone()), own));
                own.or_else(|| shared.into_iter().chain(theirs).find_map(of_department))
            }),
            TargetRef::Department(department) => of_department(&department.id),
            TargetRef::Outside { .. } => None,
        };
        own.or_else(|| called.and_then(of_department)).unwrap_or((Whose::Account, &self.directory.policy.fallback))
    }

    fn fallback_at(&self, call: &Call, course: &Course, index: usize, past: &Past<'_>) -> (Option<Step>, Point) {
        let (_, fallback) = self.fallback_of(call, course);
        let special = course.missed.and_then(|(miss, _)| fallback.on.get(&miss));
        match special.unwrap_or(&fallback.steps).get(index) {
            None => (None, Point::Closing),
            Some(step) => {
                let step = self.fallback_step(call, course, step, past);
                // One at a time: this step again, until all have been asked.
                let again = matches!(&step, Some(Step::NextAgent { of, .. }) if at_once(of.strategy) == 1);
                (step, Point::Fallback(if again { index } else { index + 1 }))
            }
        }
    }

    fn fallback_step(&self, call: &Call, course: &Course, step: &FallbackStep, past: &Past<'_>) -> Option<Step> {
        match step {
            FallbackStep::Recall { whom, seconds } => {
                let user = match whom {
                    RecallWhom::FormerAgent => course.from.as_ref()?,
                    RecallWhom::Transferor => course.by.as_ref()?,
                };
                let can = self.can_be_recalled(call, course, &user.id);
                can.then(|| Step::Recall { user: user.clone(), seconds: *seconds })
            }
            FallbackStep::NextAgent { seconds, strategy } => {
                let team = Team { department: self.department_of(call, course)?, strategy: *strategy };
                let users = self.free_agents(call, course, &team, past);
                (!users.is_empty()).then_some(Step::NextAgent { users, seconds: *seconds, of: team })
            }
            FallbackStep::Queue { department, seconds } => {
                let department = match department {
                    Some(id) => self.directory.departments.contains_key(id).then(|| self.directory.department_ref(id)),
                    None => self.department_of(call, course),
                };
                Some(Step::Queue { department: department?, seconds: *seconds }).filter(|_| *seconds > 0)
            }
            FallbackStep::Announcement => Some(Step::Announcement),
            FallbackStep::Voicemail { of } => {
                let target = target_mailbox(&course.target);
                let department = call.department.as_ref().map(department_mailbox);
                let mailbox = match of {
                    MailboxOf::Target => target.or(department),
                    MailboxOf::Department => department.or(target),
                };
                mailbox.map(voicemail)
            }
        }
    }

    /// The target department, else the call's.
    fn department_of(&self, call: &Call, course: &Course) -> Option<DepartmentRef> {
        match &course.target {
            TargetRef::Department(department) => Some(department.clone()),
            TargetRef::User(_) | TargetRef::Outside { .. } => call.department.clone(),
        }
    }

    pub(crate) fn can_be_rung(&self, call: &Call, course: &Course, user: &UserId) -> bool {
        !course.in_vain.contains(user) && !is_caller(call, course, user) && self.reachable(user, call).is_ok()
    }

    /// Who is still on the line needs no ringing.
    fn can_be_recalled(&self, call: &Call, course: &Course, user: &UserId) -> bool {
        course.waits.as_ref() == Some(user) || self.can_be_rung(call, course, user)
    }

    /// The department's agents who can be asked now, in order.
    fn free_agents(&self, call: &Call, course: &Course, team: &Team, past: &Past<'_>) -> Vec<UserRef> {
        let mut users = self.candidates(call, course, &team.department.id);
        let spared = |u: &UserId| course.point == Point::Target && course.gave_away(u);
        // Who is on the line has the caller back by a recall only.
        let waits = |u: &UserId| course.waits.as_ref() == Some(u);
        users.retain(|u| !course.in_vain.contains(u) && !spared(u) && !waits(u));
        let users = self.in_order(&team.department.id, team.strategy, users, past);
        users.iter().map(|u| self.directory.user_ref(u)).collect()
    }

    /// Members who are free, or will be once they have given this call away.
    pub(crate) fn candidates(&self, call: &Call, course: &Course, department: &DepartmentId) -> Vec<UserId> {
        let Some(state) = self.directory.departments.get(department) else { return Vec::new() };
        let leaving = |id: &&UserId| {
            let user = self.directory.users.get(*id);
            user.is_some_and(|u| u.rung_by(department) && !u.free(None) && u.free(Some(call.key)))
        };
        let rung = call.state.ring().into_iter().flat_map(|r| &r.towards);
        let here = [&course.by, &course.from].into_iter().flatten().chain(rung).map(|u| &u.id);
        let leaving: BTreeSet<&UserId> = here.filter(leaving).collect();
        let mut users: Vec<UserId> = state.free.values().chain(leaving).cloned().collect();
        let asked = |u: &UserId| course.waits.as_ref() != Some(u) && !course.was_sent_on_by(u);
        users.retain(|u| asked(u) && !is_caller(call, course, u));
        users
    }
}

fn voicemail(mailbox: Mailbox) -> Step {
    Step::Voicemail { mailbox }
}

/// An outside number has none.
pub(crate) fn target_mailbox(target: &TargetRef) -> Option<Mailbox> {
    match target {
        TargetRef::Outside { .. } => None,
        TargetRef::User(user) => Some(Mailbox { id: user.id.to_string(), name: user.name.clone() }),
        TargetRef::Department(department) => Some(department_mailbox(department)),
    }
}

fn department_mailbox(department: &DepartmentRef) -> Mailbox {
    Mailbox { id: department.id.to_string(), name: department.name.clone() }
}

/// Whether the user is the transferee of an internal call. Before Go, a calling user who transfers is still `caller`;
/// Go turns the call round, and then the other side is the transferee.
fn is_caller(call: &Call, course: &Course, user: &UserId) -> bool {
    let turned = course.from.as_ref().is_some_and(|from| call.caller.user.as_ref() == Some(&from.id));
    let transferee = if turned { call.state.agent_leg().map(|a| &a.user.id) } else { call.caller.user.as_ref() };
    transferee == Some(user)
}
