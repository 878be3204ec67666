//! The switchboard alone: no sockets, no clock. What a step costs must not grow with the number of calls.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use protocol::{CallId, DepartmentId, LegId, Party, Role, Strategy, Target, Timestamp, TransferKind, UserId};
use serde_json::{Value, json};
use switchboard::{
    Account, Command, DepartmentConfig, EngineEvent, Fact, Fallback, FallbackStep, Input, MailboxOf, Order, Origin,
    Output, OutsideRule, Policy, RecallWhom, Release, Switchboard, TargetList, Unavailable, UserConfig,
};

use crate::ALLOCATED;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Agents of one department.
const TEAM: usize = 10;
/// For how long each size is driven.
const DRIVE: Duration = Duration::from_secs(5);

pub fn run() -> Result<Value> {
    let mut rows = Vec::new();
    for calls in SIZES {
        let row = measure(calls)?;
        eprintln!("{calls} calls: {} steps a second", row["steps_per_second"]);
        rows.push(row);
    }
    let cost = |row: &Value| row["us_per_step"].as_f64().unwrap_or(f64::NAN);
    let growth = rows.last().map(cost).zip(rows.first().map(cost)).map(|(last, first)| last / first);
    Ok(json!({ "sizes": rows, "us_per_step_10000_over_10": growth }))
}

fn measure(calls: usize) -> Result<Value> {
    let empty = ALLOCATED.current_usage();
    let mut world = World::new(calls);
    let before = ALLOCATED.current_usage();
    for _ in 0..calls {
        world.arrive()?;
    }
    let bytes_per_call = (ALLOCATED.current_usage() - before) / calls;
    let (begun, from) = (Instant::now(), world.steps);
    while begun.elapsed() < DRIVE {
        for _ in 0..50 {
            world.life_of_one()?;
        }
    }
    let (seconds, steps) = (begun.elapsed().as_secs_f64(), world.steps - from);
    let (list_ms, slowest_page_ms, rows) = world.list_targets()?;
    Ok(json!({
        "calls": calls,
        "users": world.users,
        "steps_per_second": (steps as f64 / seconds).round(),
        "us_per_step": seconds * 1e6 / steps as f64,
        "bytes_per_call": bytes_per_call,
        "transfer_dialog_rows": rows,
        "transfer_dialog_us_per_row": list_ms * 1e3 / rows as f64,
        "transfer_dialog_slowest_page_ms": slowest_page_ms,
        "bytes_of_the_account": before - empty,
    }))
}

/// Twice as many agents as calls, so that there is always a colleague to transfer to.
struct World {
    board: Switchboard,
    now: u64,
    users: usize,
    departments: usize,
    next_leg: u64,
    next_department: usize,
    steps: u64,
    /// Calls that go on, oldest first: id, caller's leg, agent's leg, department.
    calls: VecDeque<Talk>,
    rung: Vec<LegId>,
    shown: Option<(CallId, u32)>,
}

struct Talk {
    id: CallId,
    caller: LegId,
    department: usize,
}

impl World {
    fn new(calls: usize) -> Self {
        let departments = (calls * 2).div_ceil(TEAM).max(2);
        let users = departments * TEAM;
        let board = Switchboard::new(account(departments), "bench".into(), (0, String::new()), 0);
        let mut world = Self {
            board,
            now: 1_000_000,
            users,
            departments,
            next_leg: 1,
            next_department: 0,
            steps: 0,
            calls: VecDeque::new(),
            rung: Vec::new(),
            shown: None,
        };
        for user in 0..users {
            let (user, device) = (user_id(user), format!("d{user}").as_str().into());
            world.step(Input::Engine(EngineEvent::DeviceRegistered { user, device }));
        }
        world
    }

    fn step(&mut self, input: Input) {
        self.now += 7;
        self.steps += 1;
        self.board.handle(Timestamp(self.now), input);
        while let Some(output) = self.board.poll_output() {
            match output {
                Output::Order(Order::Ring { leg, .. }) => self.rung.push(leg),
                Output::Fact(Fact::CallChanged(call)) => self.shown = Some((call.id, call.revision)),
                Output::Order(_) | Output::Fact(_) => {}
            }
        }
    }

    /// A call to the next department, answered by one of its agents.
    fn arrive(&mut self) -> Result<()> {
        let department = self.next_department;
        self.next_department = (department + 1) % self.departments;
        let caller = LegId(self.next_leg);
        self.next_leg += 2;
        self.rung.clear();
        let party = Party { name: "Priya Nair".into(), number: format!("+4420{}", self.next_leg) };
        let (origin, dialled) = (Origin::Trunk, number(department));
        self.step(Input::Engine(EngineEvent::Arrived { leg: caller, origin, caller: party, dialled }));
        let leg = *self.rung.first().context("nobody was rung")?;
        self.step(Input::Engine(EngineEvent::Answered { leg }));
        let (id, _) = self.shown.clone().context("no call")?;
        self.calls.push_back(Talk { id, caller, department });
        Ok(())
    }

    /// All targets of the oldest call, in the pages in which the exchange reads them: milliseconds for all and for the
    /// slowest page, and how many there are.
    fn list_targets(&self) -> Result<(f64, f64, usize)> {
        let call = &self.calls.front().context("no call")?.id;
        let (mut list, mut rows, mut slowest) = (TargetList::default(), 0, 0.0_f64);
        let begun = Instant::now();
        loop {
            let page_begun = Instant::now();
            let page = self.board.transfer_targets(&"boss".into(), call, &mut list, 64).context("no call")?;
            slowest = slowest.max(page_begun.elapsed().as_secs_f64() * 1e3);
            if page.is_empty() {
                return Ok((begun.elapsed().as_secs_f64() * 1e3, slowest, rows));
            }
            rows += page.len();
        }
    }

    /// The oldest call is transferred to another department, answered there, and hung up; a new one arrives.
    fn life_of_one(&mut self) -> Result<()> {
        let Talk { id, caller, department } = self.calls.pop_front().context("no call")?;
        self.rung.clear();
        self.step(Input::Engine(EngineEvent::Held { leg: caller, held: true }));
        self.step(Input::Engine(EngineEvent::Held { leg: caller, held: false }));
        let (_, revision) = self.shown.clone().context("no call")?;
        let target = Target::Department(department_id((department + 1) % self.departments));
        let by = UserId::from("boss");
        let kind = TransferKind::Blind;
        self.step(Input::Command(Command::Transfer { by, call: id, revision, target, kind, note: None }));
        let leg = *self.rung.first().context("the transfer rang nobody")?;
        self.step(Input::Engine(EngineEvent::Ringing { leg }));
        self.step(Input::Engine(EngineEvent::Answered { leg }));
        self.step(Input::Tick);
        let reason = protocol::Reason::CallerGone;
        self.step(Input::Engine(EngineEvent::Ended { leg: caller, reason }));
        self.arrive()
    }
}

fn user_id(n: usize) -> UserId {
    UserId(format!("u{n}"))
}

fn department_id(n: usize) -> DepartmentId {
    DepartmentId(format!("d{n}"))
}

fn number(department: usize) -> String {
    format!("+44207{department:07}")
}

fn account(departments: usize) -> Account {
    let user = |id: UserId, role, departments, extension: usize| UserConfig {
        name: format!("Agent {id}"),
        id,
        extension: extension.to_string(),
        role,
        departments,
        disabled: false,
        may_transfer_outside: None,
        fallback: None,
    };
    let agent = |n: usize| user(user_id(n), Role::Agent, vec![department_id(n / TEAM)], 100_000 + n);
    let mut users: Vec<_> = (0..departments * TEAM).map(agent).collect();
    users.push(user("boss".into(), Role::Administrator, Vec::new(), 99));
    let department = |n: usize| DepartmentConfig {
        id: department_id(n),
        name: format!("Department {n}"),
        extension: (500_000 + n).to_string(),
        numbers: vec![number(n)],
        ring_seconds: 20,
        queue_seconds: 120,
        strategy: Strategy::LongestIdle,
        fallback: None,
    };
    Account {
        name: "Bench".into(),
        users,
        departments: (0..departments).map(department).collect(),
        has_trunk: true,
        dispositions: Vec::new(),
        policy: Policy {
            agents_may_transfer: true,
            transfer_across_departments: true,
            outside: OutsideRule::Nobody,
            unavailable: Unavailable::Refuse,
            release: Release::AtOnce,
            transfer_ring_seconds: 20,
            feature_code: None,
            fallback: Fallback::of(vec![
                FallbackStep::Recall { whom: RecallWhom::FormerAgent, seconds: 20 },
                FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: 30 },
                FallbackStep::Voicemail { of: MailboxOf::Target },
            ]),
        },
    }
}
