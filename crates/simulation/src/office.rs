//! A random account: people, departments and policies of every kind.

use std::collections::BTreeMap;

use protocol::{DepartmentId, DeviceId, Role, Strategy, UserId};
use switchboard::{
    Account, DepartmentConfig, Fallback, FallbackStep, MailboxOf, Miss, OutsideRule, Policy, RecallWhom, Release,
    Unavailable, UserConfig,
};

use crate::rng::Rng;

const NAMES: [&str; 9] = ["alex", "maya", "ravi", "mina", "tom", "omar", "lena", "kofi", "june"];
const DEPARTMENTS: [&str; 3] = ["support", "sales", "billing"];
const STRATEGIES: [Strategy; 4] =
    [Strategy::AllAtOnce, Strategy::LongestIdle, Strategy::RoundRobin, Strategy::FixedOrder];

/// The number outside callers dial for the department with this index.
#[must_use]
pub fn number(department: usize) -> String {
    format!("+44207946020{department}")
}

/// The devices a user may have.
#[must_use]
pub fn device(user: &UserId, which: u8) -> DeviceId {
    DeviceId(format!("{user}-{}", if which == 0 { "desk" } else { "laptop" }))
}

#[must_use]
pub fn account(rng: &mut Rng) -> Account {
    let departments = 1 + rng.below(3) as usize;
    let users = 3 + rng.below(6) as usize;
    Account {
        name: "Simulated office".into(),
        users: (0..users).map(|n| user(rng, n, departments)).collect(),
        departments: (0..departments).map(|n| department(rng, n, departments)).collect(),
        policy: Policy {
            agents_may_transfer: rng.chance(85),
            transfer_across_departments: rng.chance(80),
            outside: rng.one(&[
                OutsideRule::Nobody,
                OutsideRule::Administrators,
                OutsideRule::Managers,
                OutsideRule::Everyone,
                OutsideRule::Everyone,
            ]),
            unavailable: rng.one(&[Unavailable::Refuse, Unavailable::Follow]),
            release: rng.one(&[Release::AtOnce, Release::AtOnce, Release::WhenAnswered]),
            transfer_ring_seconds: rng.one(&[1, 5, 15, 20, 30]),
            feature_code: rng.chance(85).then(|| rng.one(&["*2", "##", "*"]).to_owned()),
            fallback: fallback(rng, departments),
        },
        has_trunk: rng.chance(85),
        dispositions: Vec::new(),
    }
}

fn user(rng: &mut Rng, n: usize, departments: usize) -> UserConfig {
    let role = match n {
        0 => Role::Administrator,
        1 => Role::Manager,
        _ => rng.one(&[Role::Agent, Role::Agent, Role::Agent, Role::Manager]),
    };
    let mut member: Vec<DepartmentId> =
        DEPARTMENTS[..departments].iter().filter(|_| rng.chance(55)).map(|d| DepartmentId::from(*d)).collect();
    if member.is_empty() && n > 0 {
        member.push(rng.one(&DEPARTMENTS[..departments]).into());
    }
    UserConfig {
        id: NAMES[n].into(),
        name: NAMES[n][..1].to_uppercase() + &NAMES[n][1..],
        extension: format!("10{n}"),
        role,
        departments: member,
        disabled: n > 2 && rng.chance(5),
        may_transfer_outside: rng.one(&[None, None, Some(true), Some(false)]),
        fallback: rng.chance(15).then(|| fallback(rng, departments)),
    }
}

fn department(rng: &mut Rng, n: usize, departments: usize) -> DepartmentConfig {
    DepartmentConfig {
        id: DEPARTMENTS[n].into(),
        name: DEPARTMENTS[n][..1].to_uppercase() + &DEPARTMENTS[n][1..],
        extension: format!("20{n}"),
        numbers: vec![number(n)],
        ring_seconds: rng.one(&[1, 10, 15, 25]),
        queue_seconds: rng.one(&[0, 20, 60, 120]),
        strategy: rng.one(&STRATEGIES),
        fallback: rng.chance(25).then(|| fallback(rng, departments)),
    }
}

fn fallback(rng: &mut Rng, departments: usize) -> Fallback {
    let mut on = BTreeMap::new();
    for miss in [Miss::NoAnswer, Miss::Busy, Miss::Declined, Miss::NoDevice, Miss::DoNotDisturb, Miss::Away] {
        if rng.chance(12) {
            on.insert(miss, steps(rng, departments));
        }
    }
    Fallback { steps: steps(rng, departments), on }
}

fn steps(rng: &mut Rng, departments: usize) -> Vec<FallbackStep> {
    (0..rng.below(5)).map(|_| step(rng, departments)).collect()
}

fn step(rng: &mut Rng, departments: usize) -> FallbackStep {
    let seconds = rng.one(&[1, 10, 20, 40]);
    match rng.weighed(&[5, 3, 2, 3, 1]) {
        0 => {
            let whom = rng.one(&[RecallWhom::FormerAgent, RecallWhom::Transferor]);
            FallbackStep::Recall { whom, seconds }
        }
        1 => FallbackStep::NextAgent { strategy: rng.one(&STRATEGIES), seconds },
        2 => {
            let of = rng.chance(50).then(|| DepartmentId::from(rng.one(&DEPARTMENTS[..departments])));
            FallbackStep::Queue { department: of, seconds }
        }
        3 => FallbackStep::Voicemail { of: rng.one(&[MailboxOf::Target, MailboxOf::Department]) },
        _ => FallbackStep::Announcement,
    }
}
