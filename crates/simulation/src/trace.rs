//! What happened, as lines for people.

use protocol::{LiveCall, Target};
use switchboard::{Account, Command, EngineEvent, Fact, Input, Order};

#[derive(Debug)]
pub struct Trace {
    lines: Option<Vec<String>>,
    epoch: u64,
}

impl Trace {
    #[must_use]
    pub fn new(on: bool, epoch: u64) -> Self {
        Self { lines: on.then(Vec::new), epoch }
    }

    #[must_use]
    pub fn lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }

    pub fn say(&mut self, line: &str) {
        self.lines.iter_mut().for_each(|lines| lines.push(line.to_owned()));
    }

    pub fn account(&mut self, account: &Account) {
        let Some(lines) = &mut self.lines else { return };
        for user in &account.users {
            let departments: Vec<&str> = user.departments.iter().map(protocol::DepartmentId::as_str).collect();
            lines.push(format!(
                "user {} {:?} of {departments:?}{}; outside {:?}; fallback {:?}",
                user.id,
                user.role,
                if user.disabled { ", disabled" } else { "" },
                user.may_transfer_outside,
                user.fallback
            ));
        }
        for d in &account.departments {
            lines.push(format!(
                "department {}: rings {} s {:?}, queue {} s, fallback {:?}",
                d.id, d.ring_seconds, d.strategy, d.queue_seconds, d.fallback
            ));
        }
        lines.push(format!("trunk {}; {:?}", account.has_trunk, account.policy));
    }

    pub fn input(&mut self, now: u64, input: &Input) {
        let Some(lines) = &mut self.lines else { return };
        let ms = now - self.epoch;
        let what = match input {
            Input::Engine(event) => engine(event),
            Input::Command(command) => people(command),
            Input::Tick => "tick".into(),
            Input::Shutdown => "the exchange is stopped".into(),
        };
        lines.push(format!("t={}.{:03} {what}", ms / 1_000, ms % 1_000));
    }

    pub fn order(&mut self, order: &Order) {
        let Some(lines) = &mut self.lines else { return };
        lines.push(match order {
            Order::Ring { leg, device, card } => format!("  > ring {device} as {leg} ({:?}, {})", card.kind, card.call),
            Order::Dial { leg, number, .. } => format!("  > dial {number} as {leg}"),
            Order::Bridge { a, b } => format!("  > connect {a} with {b}"),
            Order::HangUp { leg, reason } => format!("  > hang up {leg} ({reason:?})"),
            other => format!("  > {other:?}"),
        });
    }

    pub fn fact(&mut self, fact: &Fact) {
        let Some(lines) = &mut self.lines else { return };
        match fact {
            Fact::CallChanged(call) => lines.push(shown(call)),
            Fact::CallGone(id) => lines.push(format!("  = {id} is over")),
            Fact::Record(r) => lines.push(format!("  = record of {}: {:?}, {:?}", r.id, r.outcome, r.ended_because)),
            Fact::Audit(e) => lines.push(format!("  = audit: {} {:?} {:?}: {}", e.user, e.action, e.outcome, e.rule)),
            Fact::TransferAnswer { answer, .. } => lines.push(format!("  = answer: {answer:?}")),
            Fact::StepAnswer { answer, .. } => lines.push(format!("  = answer: {answer:?}")),
            Fact::Draft(_) | Fact::Measured { .. } | Fact::UserChanged(_) | Fact::DepartmentChanged(_) => {}
        }
    }

    pub fn fault(&mut self, what: &str, event: Option<&EngineEvent>) {
        if let (Some(lines), Some(event)) = (&mut self.lines, event) {
            lines.push(format!("an event is {what}: {}", engine(event)));
        }
    }
}

fn engine(event: &EngineEvent) -> String {
    match event {
        EngineEvent::Arrived { leg, origin, dialled, .. } => format!("{leg} arrives from {origin:?} for {dialled}"),
        other => format!("{other:?}"),
    }
}

fn people(command: &Command) -> String {
    match command {
        Command::Transfer { by, call, revision, target, kind, .. } => {
            let to = match target {
                Target::User(user) => user.to_string(),
                Target::Department(department) => department.to_string(),
                Target::Outside(number) => number.clone(),
            };
            format!("{by} presses Go: {call} at revision {revision} to {to} ({kind:?})")
        }
        other => format!("{other:?}"),
    }
}

fn shown(call: &LiveCall) -> String {
    let transfer = call.transfer.as_ref().map(|t| format!("; transfer {} by {}: {:?}", t.id, t.by.id, t.stage));
    format!("  = {} [{}] {:?}{}", call.id, call.revision, call.state, transfer.unwrap_or_default())
}
