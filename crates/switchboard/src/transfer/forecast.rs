//! What Go would do, said before it is pressed.

use std::{collections::BTreeMap, fmt::Write};

use protocol::{
    CallId, DepartmentId, ForecastStep, Reason, Strategy, Target, TargetRef, TransferKind, TransferTarget, UserId,
    UserRef,
};

use super::{Course, Step, Team, course::Whose, ways::Rights};
use crate::{
    FallbackStep, Miss, Release, Switchboard,
    arrive::bounded,
    call::{Call, State},
    directory::dialable,
    strategy::{Next, Past, at_once},
};

/// Whose fallback it is, and the departments of which the user is one of the free agents.
type Alike = (Whose, Vec<DepartmentId>);

/// What follows the target's ring, and whether it ends at the target's own mailbox.
type Tails = BTreeMap<Alike, (Vec<ForecastStep>, bool)>;

/// A list of targets that is read in pages, so that nothing that happens to a call has to wait for thousands of rows.
#[derive(Default)]
pub struct TargetList {
    next: usize,
    common: Option<Common>,
}

/// What the rows of a list have in common, as long as nothing has happened.
struct Common {
    /// How many inputs had been handled when it was found out.
    handled: u64,
    rights: Rights,
    tails: Tails,
}

impl Switchboard {
    /// Everyone the call could be given to: users by name, then departments by name; those who can't take it now are
    /// included with the reason. At most `rows` of them, from where the list was left; none at its end. `None` if there
    /// is no such call, or `user` may not see it.
    #[must_use]
    pub fn transfer_targets(
        &self,
        user: &UserId,
        call: &CallId,
        list: &mut TargetList,
        rows: usize,
    ) -> Option<Vec<TransferTarget>> {
        let call = self.visible(user, call)?;
        let mut common =
            list.common.take().filter(|c| c.handled == self.handled).unwrap_or_else(|| self.common(user, call));
        let (users, departments) = (&self.directory.users_by_name, &self.directory.departments_by_name);
        let rest = users.iter().skip(list.next).map(|id| Target::User(id.clone()));
        let done = list.next.saturating_sub(users.len());
        let rest = rest.chain(departments.iter().skip(done).map(|id| Target::Department(id.clone())));
        let page: Vec<_> = rest.take(rows).map(|target| self.row(user, call, target, &mut common)).collect();
        list.next += page.len();
        list.common = Some(common);
        Some(page)
    }

    /// What Go would do with this one target: for numbers, which no list can hold. `None` as
    /// [`Self::transfer_targets`].
    #[must_use]
    pub fn transfer_target(&self, user: &UserId, call: &CallId, target: &Target) -> Option<TransferTarget> {
        let call = self.visible(user, call)?;
        Some(self.row(user, call, target.clone(), &mut self.common(user, call)))
    }

    fn visible(&self, user: &UserId, call: &CallId) -> Option<&Call> {
        self.find(call).filter(|call| call.shown.as_ref().is_some_and(|shown| self.may_see(user, shown)))
    }

    fn common(&self, by: &UserId, call: &Call) -> Common {
        Common { handled: self.handled, rights: Rights::new(self, by, call), tails: Tails::new() }
    }

    fn row(&self, by: &UserId, call: &Call, target: Target, common: &mut Common) -> TransferTarget {
        let too_far = common.rights.too_far(self.towards(by, &target));
        let ineligible = self.eligible_at(too_far, call, TransferKind::Blind, &target).err();
        let forecast =
            if ineligible.is_none() { self.forecast(by, call, &target, &mut common.tails) } else { Vec::new() };
        let line = line(&forecast, by);
        let (mut extension, mut departments, mut presence) = (String::new(), Vec::new(), None);
        match &target {
            Target::User(id) => {
                if let Some(user) = self.directory.users.get(id) {
                    extension.clone_from(&user.config.extension);
                    presence = Some(user.presence);
                    departments =
                        user.config.departments.iter().map(|d| self.directory.department_ref(d).name).collect();
                }
            }
            Target::Department(id) => {
                if let Some(department) = self.directory.departments.get(id) {
                    extension.clone_from(&department.config.extension);
                }
            }
            Target::Outside(_) => {}
        }
        TransferTarget {
            ways: self.ways((by, call), &common.rights, &target, &line),
            name: self.target_ref(&target).name().to_owned(),
            target,
            extension,
            departments,
            presence,
            ineligible,
            forecast,
            forecast_line: line,
        }
    }

    /// The steps that would be done if none of them came off and nothing else changed. Empty if the call can't be
    /// transferred now.
    fn forecast(&self, by: &UserId, call: &Call, target: &Target, tails: &mut Tails) -> Vec<ForecastStep> {
        let Some(mut course) = self.course_of(by, call, target) else { return Vec::new() };
        let mut past = Past::so_far(call, self.now);
        let Some(alike) = self.alike(call, &course) else { return self.steps_from(call, &mut course, &mut past) };
        let first = self.next_step(call, &mut course, &past);
        self.pretend(call, &mut course, &mut past, &first);
        let mailbox = course.target.name().to_owned();
        let tail = tails.entry(alike).or_insert_with(|| {
            let steps = self.steps_from(call, &mut course, &mut past);
            let own = matches!(steps.last(), Some(ForecastStep::Voicemail { mailbox: of }) if *of == mailbox);
            (steps, own)
        });
        let mut steps = vec![first.forecast(false)];
        steps.extend(tail.0.iter().cloned());
        if let (true, Some(last)) = (tail.1, steps.last_mut()) {
            *last = ForecastStep::Voicemail { mailbox };
        }
        steps
    }

    fn steps_from(&self, call: &Call, course: &mut Course, past: &mut Past<'_>) -> Vec<ForecastStep> {
        let mut steps = Vec::new();
        loop {
            let step = self.next_step(call, course, past);
            let waits = matches!(&step, Step::Recall { user, .. } if course.waits.as_ref() == Some(&user.id));
            let last = waits || matches!(step, Step::Voicemail { .. } | Step::Announcement);
            self.pretend(call, course, past, &step);
            steps.push(step.forecast(waits));
            if last {
                return steps;
            }
        }
    }

    /// What this user has in common with all those after whom, if they do not answer, the same would be done: thousands
    /// of users make few kinds. `None` if who they are matters.
    fn alike(&self, call: &Call, course: &Course) -> Option<Alike> {
        let TargetRef::User(user) = &course.target else { return None };
        let state = self.directory.users.get(&user.id).filter(|u| u.free(None))?;
        let (whose, fallback) = self.fallback_of(call, course);
        let steps = fallback.on.get(&Miss::NoAnswer).unwrap_or(&fallback.steps);
        // Whom a line has asked in its time depends on each of its members.
        let line = steps.iter().position(|step| matches!(step, FallbackStep::Queue { .. }));
        let rings = |step: &FallbackStep| match step {
            FallbackStep::Recall { .. } | FallbackStep::NextAgent { .. } => true,
            FallbackStep::Queue { .. } | FallbackStep::Voicemail { .. } | FallbackStep::Announcement => false,
        };
        let plain = line.is_none_or(|at| !steps[at..].iter().any(rings));
        (plain && !course.gave_away(&user.id)).then(|| (whose, state.rung_by.clone()))
    }

    /// The course that Go would begin.
    pub(super) fn course_of(&self, by: &UserId, call: &Call, target: &Target) -> Option<Course> {
        let by = self.directory.user_ref(by);
        let target = self.target_ref(target);
        match &call.state {
            State::Talking { with, held, .. } => {
                let turned = call.caller.user.as_ref() == Some(&by.id);
                let from = if turned { Some(by.clone()) } else { with.agent().map(|a| a.user.clone()) };
                let holds = if turned { call.caller.holds } else { *held };
                let mut course = Course::new(target, by, from);
                let waits = self.directory.policy.release == Release::WhenAnswered && !holds;
                course.waits = course.from.as_ref().filter(|_| waits).map(|f| f.id.clone());
                Some(course)
            }
            State::Ringing { .. } | State::Queued(_) => {
                let rung = call.state.rings_at(&by.id);
                let mut course = Course::new(target, by, None);
                if rung {
                    course.send_on();
                }
                Some(course)
            }
            State::Dialling { .. }
            | State::Transferring { .. }
            | State::Consulting { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => None,
        }
    }

    /// Goes to the end of a step that came to nothing.
    fn pretend(&self, call: &Call, course: &mut Course, past: &mut Past<'_>, step: &Step) {
        match step {
            Step::Ring { users, seconds, of: None } => {
                in_vain(course, past, users, *seconds);
                course.missed(Reason::NoAnswer);
            }
            Step::Ring { users, seconds, of: Some(team) } => {
                self.asked_in_vain(course, past, users, *seconds, team);
                course.missed(Reason::NoAnswer);
            }
            Step::NextAgent { users, seconds, of } => self.asked_in_vain(course, past, users, *seconds, of),
            Step::Recall { user, seconds } => in_vain(course, past, std::slice::from_ref(user), *seconds),
            Step::Dial { seconds, .. } => {
                past.now = past.now.plus_ms(ring_ms(*seconds));
                course.missed(Reason::NoAnswer);
            }
            Step::Line { department, seconds } => {
                let asked = self.line_members(call, course, &department.id, true);
                self.wait_in_vain(course, past, (&department.id, *seconds), &asked);
                course.missed(Reason::NobodyFree);
            }
            Step::Queue { department, seconds } => {
                let asked = self.line_members(call, course, &department.id, false);
                self.wait_in_vain(course, past, (&department.id, *seconds), &asked);
            }
            Step::Voicemail { .. } | Step::Announcement => {}
        }
    }

    fn asked_in_vain(&self, course: &mut Course, past: &mut Past<'_>, users: &[UserRef], seconds: u32, team: &Team) {
        for turn in users.chunks(at_once(team.strategy).min(users.len().max(1))) {
            in_vain(course, past, turn, seconds);
        }
        let last = team.first(users.to_vec());
        let last = if at_once(team.strategy) == 1 { users.last() } else { last.last() };
        if let Some(user) = last.and_then(|u| self.directory.users.get(&u.id)) {
            past.last.insert(team.department.id.clone(), user.place);
        }
    }

    /// Whom a line would ask. The target's line spares those who have just given the call away.
    fn line_members(&self, call: &Call, course: &Course, id: &DepartmentId, of_target: bool) -> Vec<UserId> {
        let mut free = self.candidates(call, course, id);
        let kept = self.directory.policy.release == Release::WhenAnswered;
        let stays = |u: &UserId| kept && course.from.as_ref().is_some_and(|from| from.id == *u);
        let spared = |u: &UserId| of_target && course.gave_away(u);
        free.retain(|u| !spared(u) && !stays(u));
        free
    }

    /// A line asks whoever is free, and again after a while.
    fn wait_in_vain(
        &self,
        course: &mut Course,
        past: &mut Past<'_>,
        (id, seconds): (&DepartmentId, u32),
        free: &[UserId],
    ) {
        let Some(config) = self.directory.departments.get(id).map(|d| &d.config) else { return };
        let team = Team { department: self.directory.department_ref(id), strategy: config.strategy };
        let until = past.now.plus_ms(u64::from(seconds) * 1_000);
        // To the end, though all have been asked: who was asked last, and when, decides whom a later line asks.
        while past.now < until {
            match self.line_asks(id, free.to_vec(), past) {
                Next::Ask(users) => {
                    let users: Vec<UserRef> = users.iter().map(|u| self.directory.user_ref(u)).collect();
                    self.asked_in_vain(course, past, &users, config.ring_seconds, &team);
                }
                Next::NotBefore(at) => past.now = at.min(until),
                Next::Nobody => break,
            }
        }
        past.now = past.now.max(until);
    }

    pub(crate) fn target_ref(&self, target: &Target) -> TargetRef {
        match target {
            Target::User(user) => TargetRef::User(self.directory.user_ref(user)),
            Target::Department(department) => TargetRef::Department(self.directory.department_ref(department)),
            Target::Outside(written) => {
                TargetRef::Outside { number: dialable(written).unwrap_or_else(|| bounded(written)) }
            }
        }
    }
}

/// They were rung for so long, and nobody answered.
fn in_vain(course: &mut Course, past: &mut Past<'_>, users: &[UserRef], seconds: u32) {
    past.now = past.now.plus_ms(ring_ms(seconds));
    course.in_vain.extend(users.iter().map(|u| u.id.clone()));
    past.bounced.to_mut().extend(users.iter().map(|u| (u.id.clone(), past.now)));
}

/// A ring of no length would end in the step that starts it.
fn ring_ms(seconds: u32) -> u64 {
    u64::from(seconds.max(1)) * 1_000
}

impl Step {
    /// `waits`: who is called back has not been released yet.
    pub(super) fn forecast(self, waits: bool) -> ForecastStep {
        let agents = |of: Team, users: &[UserRef], seconds| ForecastStep::NextAgent {
            department: of.department.name,
            free: users.len() as u32,
            seconds,
            strategy: of.strategy,
        };
        match self {
            Self::Ring { users, seconds, of: Some(of) } if of.strategy != Strategy::AllAtOnce => {
                agents(of, &users, seconds)
            }
            Self::Ring { users, seconds, of: _ } => ForecastStep::Ring { users, seconds },
            Self::Dial { number, seconds } => ForecastStep::Dial { number, seconds },
            Self::Line { department, seconds } | Self::Queue { department, seconds } => {
                ForecastStep::Queue { department: department.name, seconds }
            }
            Self::Recall { user, .. } if waits => ForecastStep::Recall { user, seconds: 0 },
            Self::Recall { user, seconds } => ForecastStep::Recall { user, seconds },
            Self::NextAgent { users, seconds, of } => agents(of, &users, seconds),
            Self::Voicemail { mailbox } => ForecastStep::Voicemail { mailbox: mailbox.name },
            Self::Announcement => ForecastStep::Announcement,
        }
    }
}

/// The steps as one line for `reader`.
pub(super) fn line(steps: &[ForecastStep], reader: &UserId) -> String {
    let you_or = |user: &UserRef| if user.id == *reader { "you".to_owned() } else { user.name.clone() };
    let mut line = String::new();
    for step in steps {
        if !line.is_empty() {
            line.push_str(", then ");
        }
        // Writing to a String can't fail.
        let _ = match step {
            ForecastStep::Ring { users, seconds } => match &users[..] {
                [one] => write!(line, "rings {} {seconds} s", one.name),
                [one, two] => write!(line, "rings {} and {} {seconds} s", one.name, two.name),
                many => write!(line, "rings {} colleagues {seconds} s", many.len()),
            },
            ForecastStep::Recall { user, seconds: 0 } => write!(line, "back to {} at once", you_or(user)),
            ForecastStep::Recall { user, seconds } => write!(line, "back to {} {seconds} s", you_or(user)),
            ForecastStep::NextAgent { department, free, seconds, strategy } => {
                let how = match strategy {
                    Strategy::AllAtOnce => "",
                    Strategy::LongestIdle => ", longest idle first, each",
                    Strategy::RoundRobin => ", in turn, each",
                    Strategy::FixedOrder => ", in order, each",
                };
                write!(line, "next free agent of {department} ({free} free){how} {seconds} s")
            }
            ForecastStep::Dial { number, seconds } => write!(line, "dials {number} {seconds} s"),
            ForecastStep::Queue { department, seconds } => write!(line, "waits for {department} up to {seconds} s"),
            ForecastStep::Voicemail { mailbox } => write!(line, "voicemail of {mailbox}"),
            ForecastStep::Announcement => write!(line, "closing announcement"),
        };
    }
    line
}
