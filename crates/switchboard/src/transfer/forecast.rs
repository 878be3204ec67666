//! What Go would do, said before it is pressed.

use std::collections::BTreeSet;
use std::fmt::Write;

use protocol::{CallId, ForecastStep, Strategy, Target, TargetRef, TransferTarget, UserId};

use super::{Course, Step};
use crate::{Switchboard, call::Call, permission::movable};

impl Switchboard {
    /// Everyone the call could be given to: users by name, then departments by name; those who can't take it now are
    /// included with the reason. `None` if there is no such call.
    #[must_use]
    pub fn transfer_targets(&self, user: &UserId, call: &CallId) -> Option<Vec<TransferTarget>> {
        let call = self.find(call)?;
        let mut users: Vec<_> = self.directory.users.values().map(|u| &u.config).collect();
        users.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let mut departments: Vec<_> = self.directory.departments.values().map(|d| &d.config).collect();
        departments.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));

        let users = users.into_iter().map(|u| {
            let of = u.departments.iter().map(|d| self.directory.department_ref(d).name).collect();
            let presence = self.directory.users.get(&u.id).map(|u| u.presence);
            let row = self.row(user, call, Target::User(u.id.clone()), &u.name, &u.extension);
            TransferTarget { departments: of, presence, ..row }
        });
        let departments = departments
            .into_iter()
            .map(|d| self.row(user, call, Target::Department(d.id.clone()), &d.name, &d.extension));
        Some(users.chain(departments).collect())
    }

    fn row(&self, by: &UserId, call: &Call, target: Target, name: &str, extension: &str) -> TransferTarget {
        let ineligible = self.eligible(by, call, &target).err();
        let forecast = if ineligible.is_none() { self.forecast(by, call, &target) } else { Vec::new() };
        TransferTarget {
            target,
            name: name.to_owned(),
            extension: extension.to_owned(),
            departments: Vec::new(),
            presence: None,
            ineligible,
            forecast_line: line(&forecast),
            forecast,
        }
    }

    /// The steps that would be done if none of them came off and nothing else changed. Empty if the call can't be
    /// transferred now.
    pub(crate) fn forecast(&self, by: &UserId, call: &Call, target: &Target) -> Vec<ForecastStep> {
        if movable(&call.state).is_err() {
            return Vec::new();
        }
        let by = self.directory.user_ref(by);
        let turned = call.caller.user.as_ref() == Some(&by.id);
        let agent = call.state.agent_leg().map(|a| a.user.clone());
        let from = if turned { Some(by.clone()) } else { agent };
        let mut course = Course::new(self.target_ref(target), by, from);
        let mut steps = Vec::new();
        loop {
            let step = self.next_step(call, &mut course);
            let last = matches!(step, Step::Voicemail { .. } | Step::Announcement);
            course.in_vain.extend(step.rings());
            steps.push(step.forecast());
            if last {
                return steps;
            }
        }
    }

    pub(crate) fn target_ref(&self, target: &Target) -> TargetRef {
        match target {
            Target::User(user) => TargetRef::User(self.directory.user_ref(user)),
            Target::Department(department) => TargetRef::Department(self.directory.department_ref(department)),
            Target::Outside(number) => TargetRef::Outside { number: number.clone() },
        }
    }
}

impl Step {
    /// Whom the step rings.
    fn rings(&self) -> BTreeSet<UserId> {
        match self {
            Self::Ring { users, .. } | Self::NextAgent { users, .. } => users.iter().map(|u| u.id.clone()).collect(),
            Self::Recall { user, .. } => BTreeSet::from([user.id.clone()]),
            Self::Dial { .. } | Self::Line { .. } | Self::Voicemail { .. } | Self::Announcement => BTreeSet::new(),
        }
    }

    fn forecast(self) -> ForecastStep {
        match self {
            Self::Ring { users, seconds } => ForecastStep::Ring { users, seconds },
            Self::Dial { number, seconds } => ForecastStep::Dial { number, seconds },
            Self::Line { department, seconds } => ForecastStep::Queue { department: department.name, seconds },
            Self::Recall { user, seconds } => ForecastStep::Recall { user, seconds },
            Self::NextAgent { department, users, seconds } => ForecastStep::NextAgent {
                department: department.name,
                free: users.len() as u32,
                seconds,
                strategy: Strategy::AllAtOnce,
            },
            Self::Voicemail { mailbox } => ForecastStep::Voicemail { mailbox: mailbox.name },
            Self::Announcement => ForecastStep::Announcement,
        }
    }
}

/// The steps as one line.
fn line(steps: &[ForecastStep]) -> String {
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
            ForecastStep::Recall { user, seconds } => write!(line, "back to {} {seconds} s", user.name),
            ForecastStep::NextAgent { department, free, seconds, strategy: _ } => {
                write!(line, "next free agent of {department} ({free} free) {seconds} s")
            }
            ForecastStep::Dial { number, seconds } => write!(line, "dials {number} {seconds} s"),
            ForecastStep::Queue { department, seconds } => write!(line, "waits for {department} up to {seconds} s"),
            ForecastStep::Voicemail { mailbox } => write!(line, "voicemail of {mailbox}"),
            ForecastStep::Announcement => write!(line, "closing announcement"),
        };
    }
    line
}
