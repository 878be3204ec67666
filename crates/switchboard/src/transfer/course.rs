//! What a transfer does, step by step. The forecast walks this very code without doing anything.

use std::collections::BTreeSet;

use protocol::{DepartmentRef, TargetRef, UserId, UserRef};

use crate::{
    FallbackStep, RecallWhom, Switchboard,
    call::{Call, Mailbox},
};

/// Where a transfer stands, and all that its next step depends on besides the state of the account.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub target: TargetRef,
    pub by: UserRef,
    /// Nobody, if the call was not answered.
    pub from: Option<UserRef>,
    pub point: Point,
    /// Whom this transfer rang in vain: the loop guard.
    pub in_vain: BTreeSet<UserId>,
    /// Who is still on the line and has the caller back without being rung.
    pub waits: Option<UserId>,
}

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Target,
    /// Wait in the target department's line.
    Line,
    /// It was cancelled: back to the former agent, or to who pressed Go.
    Back,
    /// The step of the policy's list with this index.
    Fallback(usize),
    Closing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Ring { users: Vec<UserRef>, seconds: u32 },
    Dial { number: String, seconds: u32 },
    Line { department: DepartmentRef, seconds: u32 },
    Recall { user: UserRef, seconds: u32 },
    NextAgent { department: DepartmentRef, users: Vec<UserRef>, seconds: u32 },
    Voicemail { mailbox: Mailbox },
    Announcement,
}

impl Course {
    pub(crate) fn new(target: TargetRef, by: UserRef, from: Option<UserRef>) -> Self {
        Self { target, by, from, point: Point::Target, in_vain: BTreeSet::new(), waits: None }
    }

    /// Who is not asked as an agent of the target department: those who just gave the call away.
    pub(crate) fn gave_away(&self, user: &UserId) -> bool {
        *user == self.by.id || self.from.as_ref().is_some_and(|from| *user == from.id)
    }
}

impl Switchboard {
    /// The next step that can be done now; the course moves past it. The last one is always an announcement, and it is
    /// reached after at most as many steps as the policy lists plus three.
    pub(crate) fn next_step(&self, call: &Call, course: &mut Course) -> Step {
        loop {
            let (step, after) = match course.point {
                Point::Target => self.target_step(call, course),
                Point::Line => (self.line_step(course), Point::Fallback(0)),
                Point::Back => (self.back_step(call, course), Point::Fallback(0)),
                Point::Fallback(index) => match self.directory.policy.fallback.steps.get(index) {
                    Some(step) => (self.fallback_step(call, course, step), Point::Fallback(index + 1)),
                    None => (None, Point::Closing),
                },
                Point::Closing => (Some(Step::Announcement), Point::Closing),
            };
            course.point = after;
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn target_step(&self, call: &Call, course: &Course) -> (Option<Step>, Point) {
        let seconds = self.directory.policy.transfer_ring_seconds;
        match &course.target {
            TargetRef::User(user) => {
                let step = self.can_be_rung(call, course, &user.id);
                (step.then(|| Step::Ring { users: vec![user.clone()], seconds }), Point::Fallback(0))
            }
            TargetRef::Outside { number } => (Some(Step::Dial { number: number.clone(), seconds }), Point::Fallback(0)),
            TargetRef::Department(department) => {
                let mut users = self.free_agents(call, course, department);
                users.retain(|u| !course.gave_away(&u.id));
                ((!users.is_empty()).then_some(Step::Ring { users, seconds }), Point::Line)
            }
        }
    }

    fn line_step(&self, course: &Course) -> Option<Step> {
        let TargetRef::Department(department) = &course.target else { return None };
        let seconds = self.directory.departments.get(&department.id)?.config.queue_seconds;
        (seconds > 0).then(|| Step::Line { department: department.clone(), seconds })
    }

    fn back_step(&self, call: &Call, course: &Course) -> Option<Step> {
        let configured = self.directory.policy.fallback.steps.iter().find_map(|step| match step {
            FallbackStep::Recall { seconds, .. } => Some(*seconds),
            FallbackStep::NextAgent { .. }
            | FallbackStep::Queue { .. }
            | FallbackStep::Voicemail { .. }
            | FallbackStep::Announcement => None,
        });
        let seconds = configured.unwrap_or(self.directory.policy.transfer_ring_seconds);
        let mut users = course.from.iter().chain([&course.by]);
        let user = users.find(|u| self.can_have_it_back(call, course, &u.id))?;
        Some(Step::Recall { user: user.clone(), seconds })
    }

    fn fallback_step(&self, call: &Call, course: &Course, step: &FallbackStep) -> Option<Step> {
        match step {
            FallbackStep::Recall { whom, seconds } => {
                let user = match whom {
                    RecallWhom::FormerAgent => course.from.as_ref()?,
                    RecallWhom::Transferor => &course.by,
                };
                let can = self.can_have_it_back(call, course, &user.id);
                can.then(|| Step::Recall { user: user.clone(), seconds: *seconds })
            }
            FallbackStep::NextAgent { seconds, strategy: _ } => {
                let department = match &course.target {
                    TargetRef::Department(department) => department.clone(),
                    TargetRef::User(_) | TargetRef::Outside { .. } => call.department.clone()?,
                };
                let users = self.free_agents(call, course, &department);
                (!users.is_empty()).then_some(Step::NextAgent { department, users, seconds: *seconds })
            }
            FallbackStep::Queue { .. } => None,
            FallbackStep::Announcement => Some(Step::Announcement),
            FallbackStep::Voicemail { of: _ } => {
                let (id, name) = match &course.target {
                    TargetRef::Outside { .. } => return None,
                    TargetRef::User(user) => (user.id.to_string(), user.name.clone()),
                    TargetRef::Department(department) => (department.id.to_string(), department.name.clone()),
                };
                Some(Step::Voicemail { mailbox: Mailbox { id, name } })
            }
        }
    }

    fn can_have_it_back(&self, call: &Call, course: &Course, user: &UserId) -> bool {
        course.waits.as_ref() == Some(user) || self.can_be_rung(call, course, user)
    }

    fn can_be_rung(&self, call: &Call, course: &Course, user: &UserId) -> bool {
        !course.in_vain.contains(user) && !is_caller(call, course, user) && self.reachable(user, call).is_ok()
    }

    fn free_agents(&self, call: &Call, course: &Course, department: &DepartmentRef) -> Vec<UserRef> {
        let mut users = self.directory.free_members(&department.id, Some(call.key));
        users.retain(|u| !course.in_vain.contains(u) && !is_caller(call, course, u));
        users.iter().map(|u| self.directory.user_ref(u)).collect()
    }
}

/// Whether the user is the transferee of an internal call. Before Go, a calling user who transfers is still `caller`;
/// Go turns the call round, and then the other side is the transferee.
fn is_caller(call: &Call, course: &Course, user: &UserId) -> bool {
    let turned = course.from.as_ref().is_some_and(|from| call.caller.user.as_ref() == Some(&from.id));
    let transferee = if turned { call.state.agent_leg().map(|a| &a.user.id) } else { call.caller.user.as_ref() };
    transferee == Some(user)
}
