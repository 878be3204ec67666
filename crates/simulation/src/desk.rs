//! People at their desks, pressing Go, Undo, Complete and Swap; and whether each attempt is answered and written down.

use std::collections::VecDeque;

use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallState, Denied, LiveCall, Target, TransferKind, UserId,
};
use switchboard::{Command, EngineEvent, Input, Refusal, Replaces};

use crate::{
    act::{Button, Pick, Press},
    books::{Case, Checked, Look, Said, Violation, check},
    engine::nth,
    world::World,
};

/// What a press comes to, decided by what its person sees.
struct Decided {
    command: Command,
    key: Option<u32>,
    seen: Option<Look>,
    /// What the switchboard says beforehand that it will not allow.
    denied: Option<Denied>,
}

impl World {
    pub fn press(&mut self, press: &Press) -> Checked {
        if !self.tempts(press) {
            return Ok(());
        }
        let decided = self.decide(press);
        self.command(decided)
    }

    /// Both decide on what they see now; the second to be heard is too late.
    pub fn press_together(&mut self, one: &Press, other: &Press) -> Checked {
        if !self.tempts(one) {
            return Ok(());
        }
        self.engine.faults.count("simultaneous requests");
        let other = Press { call: one.call, ..other.clone() };
        let (first, mut second) = (self.decide(one), self.decide(&other));
        second.denied = None;
        self.command(first)?;
        self.command(second)
    }

    /// Few people press a button that is grey.
    fn tempts(&self, press: &Press) -> bool {
        let goes = matches!(press.button, Button::Go { .. });
        let fits = |c: &Case| c.shown.as_ref().is_some_and(|call| if goes { movable(call) } else { c.open.is_some() });
        press.call % 8 == 7 || self.books.cases.values().any(fits)
    }

    fn decide(&self, press: &Press) -> Decided {
        let goes = matches!(press.button, Button::Go { .. });
        let key = self.live(press.call, goes);
        let case = key.and_then(|key| self.books.cases.get(&key));
        let by = self.person(press, case);
        match &press.button {
            Button::Go { to, kind, note } => self.go(press, by, key, (*to, *kind, *note)),
            Button::Undo => later(Command::CancelTransfer { by, transfer: self.transfer_of(key) }, key),
            Button::Complete => later(Command::CompleteTransfer { by, transfer: self.transfer_of(key) }, key),
            Button::Swap => later(Command::SwapTransfer { by, transfer: self.transfer_of(key) }, key),
        }
    }

    fn go(&self, press: &Press, by: UserId, key: Option<u32>, (to, kind, note): (Pick, TransferKind, bool)) -> Decided {
        let case = key.and_then(|key| self.books.cases.get(&key));
        let (revision, seen) = looked(case, press.behind);
        let old = || self.books.ended.front().cloned().unwrap_or_else(|| CallId::from("none"));
        let call = case.map_or_else(old, |c| c.id.clone());
        let denied = self.board.may_transfer(&by, &call).err();
        let note = note.then(|| "a note".to_owned());
        let command = Command::Transfer { by, call, revision, target: self.target(to), kind, note };
        Decided { command, key, seen, denied }
    }

    fn command(&mut self, decided: Decided) -> Checked {
        let Decided { command, key, seen, denied } = decided;
        let now = key.and_then(|key| self.books.cases.get(&key)?.looks.front()).map(|(_, look)| look.clone());
        let said = self.step(&Input::Command(command.clone()))?;
        let Command::Transfer { call, .. } = &command else { return Ok(()) };
        let answer = said.transfer_answers.first();
        if let Some(Ok(transfer)) = answer {
            self.books.last_transfer = Some(transfer.clone());
        }
        let stale = matches!(answer, Some(Err(Refusal::Denied(Denied::Stale { .. }))));
        if let (Some(now), Some(seen)) = (now, seen) {
            let begun = matches!(answer, Some(Ok(_)));
            let moved = now.agent != seen.agent || now.transfer != seen.transfer || now.place != seen.place;
            check(!(begun && moved), || format!("{call} was moved by somebody who did not know who has it"))?;
            check(!stale || now != seen, || format!("{call}: refused as stale, though nothing that matters changed"))?;
        }
        let refused = !matches!(answer, Some(Ok(_)));
        check(denied.is_none() || refused, || format!("{call} was moved although the dialog says {denied:?}"))
    }

    /// The `pick`-th live call, the newest first: mostly one that can be moved, or that is being moved, as it fits;
    /// sometimes one that is over.
    fn live(&self, pick: Pick, goes: bool) -> Option<u32> {
        if pick % 32 == 31 {
            return None;
        }
        let of = |fits: &dyn Fn(&Case) -> bool| {
            let cases = self.books.cases.iter().filter(|(_, c)| c.shown.is_some() && fits(c)).map(|(k, _)| *k);
            let cases: Vec<u32> = cases.collect();
            nth(cases.len(), pick / 32).map(|n| cases[n])
        };
        let fits = |c: &Case| c.shown.as_ref().is_some_and(movable);
        let fitting = if goes { of(&fits) } else { of(&|c| c.open.is_some()) };
        fitting.filter(|_| pick % 4 != 3).or_else(|| of(&|_| true))
    }

    /// Mostly somebody who has to do with the call.
    fn person(&self, press: &Press, case: Option<&Case>) -> UserId {
        let call = case.and_then(|c| c.shown.as_ref());
        let agent = call.and_then(|c| c.agent.as_ref()).map(|a| a.id.clone());
        let by = call.and_then(|c| c.transfer.as_ref()).map(|t| t.by.id.clone());
        match press.user % 16 {
            0..=4 => by.or(agent).unwrap_or_else(|| self.user(press.user / 16)),
            5..=8 => agent.unwrap_or_else(|| self.user(press.user / 16)),
            9..=13 => {
                let may = |u: &UserId| call.is_some_and(|c| self.board.may_transfer(u, &c.id).is_ok());
                let able: Vec<UserId> = self.account.users.iter().map(|u| u.id.clone()).filter(may).collect();
                nth(able.len(), press.user / 16).map_or_else(|| self.user(press.user / 16), |n| able[n].clone())
            }
            14 if press.user % 256 == 14 => UserId::from("nobody"),
            _ => self.user(press.user / 16),
        }
    }

    pub fn target(&self, pick: Pick) -> Target {
        let n = pick / 16;
        match pick % 16 {
            0..=5 => Target::User(self.idle(n)),
            6..=8 => Target::User(self.user(n)),
            9..=12 => Target::Department(self.department(n)),
            13 | 14 => Target::Outside(format!("+1555010{:02}", n % 100)),
            _ => match n % 3 {
                0 => Target::User(UserId::from("nobody")),
                1 => Target::Outside("not a number".into()),
                _ => Target::Department(protocol::DepartmentId::from("nowhere")),
            },
        }
    }
}

fn movable(call: &LiveCall) -> bool {
    matches!(call.state, CallState::Talking { .. } | CallState::TalkingOutside { .. }) && call.transfer.is_none()
}

fn later(command: Command, key: Option<u32>) -> Decided {
    Decided { command, key, seen: None, denied: None }
}

impl World {
    /// Somebody with a telephone who is in no call, if there is one.
    fn idle(&self, pick: Pick) -> UserId {
        let busy = |u: &UserId| self.engine.legs.values().any(|l| l.known && l.user.as_ref() == Some(u));
        let mut idle: Vec<&UserId> = self.engine.registered.iter().map(|(u, _)| u).filter(|u| !busy(u)).collect();
        idle.dedup();
        nth(idle.len(), pick).map_or_else(|| self.user(pick), |n| idle[n].clone())
    }
}

/// The revision seen `behind` changes ago, and what it showed.
fn looked(case: Option<&Case>, behind: u8) -> (u32, Option<Look>) {
    let empty = VecDeque::new();
    let looks = case.map_or(&empty, |c| &c.looks);
    let look = looks.get(usize::from(behind)).or_else(|| looks.back());
    look.map_or((0, None), |(revision, look)| (*revision, Some(look.clone())))
}

/// What was asked is answered once, before anything is done about it, and every attempt is written down.
pub fn audited(world: &mut World, input: &Input, said: &Said) -> Checked {
    let (transfers, steps) = match input {
        Input::Command(Command::Transfer { .. }) => (1, 0),
        Input::Command(
            Command::CancelTransfer { .. } | Command::CompleteTransfer { .. } | Command::SwapTransfer { .. },
        ) => (0, 1),
        Input::Command(Command::SetPresence { .. } | Command::SignedIn { .. } | Command::SignedOut { .. })
        | Input::Engine(_)
        | Input::Tick
        | Input::Shutdown => (0, 0),
    };
    let answers = (said.transfer_answers.len(), said.step_answers.len());
    check(answers == (transfers, steps), || format!("{input:?} is answered {answers:?} times"))?;
    check(!said.answered_late, || format!("{input:?} is answered after it was obeyed"))?;
    count(world, input, said);
    match input {
        Input::Command(command) => asked(command, said),
        Input::Engine(EngineEvent::ReferRequested { leg, .. }) => {
            let waits = world.engine.legs.get(leg).is_some_and(|l| l.known && l.asked);
            check(!waits, || format!("the REFER of {leg} is neither accepted nor refused"))
        }
        Input::Engine(_) | Input::Tick | Input::Shutdown => Ok(()),
    }
}

fn asked(command: &Command, said: &Said) -> Checked {
    let begins = |e: &&AuditEntry| matches!(e.action, AuditAction::Transfer | AuditAction::Consult);
    match command {
        Command::Transfer { by, call, .. } => {
            let of = |e: &&AuditEntry| begins(e) && e.user == *by && e.call.as_ref() == Some(call);
            let begun = said.transfer_answers.first().is_some_and(Result::is_ok);
            written(said, of, begun)
        }
        Command::CancelTransfer { by, .. } => step(said, by, AuditAction::CancelTransfer),
        Command::CompleteTransfer { by, .. } => step(said, by, AuditAction::CompleteTransfer),
        Command::SwapTransfer { by, .. } => step(said, by, AuditAction::SwapTransfer),
        Command::SetPresence { .. } | Command::SignedIn { .. } | Command::SignedOut { .. } => {
            check(said.audits.len() == 1, || format!("{command:?} is written down {} times", said.audits.len()))
        }
    }
}

fn step(said: &Said, by: &UserId, action: AuditAction) -> Checked {
    let done = said.step_answers.first().is_some_and(Result::is_ok);
    written(said, |e| e.action == action && e.user == *by, done)
}

/// Exactly one entry says that it was accepted, or that it was refused.
fn written<'a>(said: &'a Said, of: impl Fn(&&'a AuditEntry) -> bool, accepted: bool) -> Checked {
    let outcome = if accepted { AuditOutcome::Accepted } else { AuditOutcome::Refused };
    let first = |e: &&AuditEntry| matches!(e.outcome, AuditOutcome::Accepted | AuditOutcome::Refused);
    let entries: Vec<&AuditEntry> = said.audits.iter().filter(|e| of(e) && first(e)).collect();
    match entries[..] {
        [one] if one.outcome == outcome => Ok(()),
        _ => Err(Violation::other(format!("{outcome:?}, but written down as {entries:?}"))),
    }
}

/// How transfers were begun.
fn count(world: &mut World, input: &Input, said: &Said) {
    let begun = said.audits.iter().filter(|e| {
        matches!(e.action, AuditAction::Transfer | AuditAction::Consult) && e.outcome == AuditOutcome::Accepted
    });
    for _ in begun {
        let way = match input {
            Input::Command(Command::Transfer { kind, call, .. }) => match kind {
                TransferKind::Blind if world.was_arriving(call) => "divert from the app",
                TransferKind::Blind => "Go",
                TransferKind::Consult => "consult",
                TransferKind::Voicemail => "to voicemail",
            },
            Input::Engine(EngineEvent::ReferRequested { replaces: Replaces::Nothing, .. }) => "REFER",
            Input::Engine(EngineEvent::ReferRequested { .. }) => "attended REFER",
            Input::Engine(EngineEvent::Diverted { .. }) => "302",
            Input::Engine(EngineEvent::Ended { .. } | EngineEvent::OrderFailed { .. }) => "gone on, hung up at once",
            Input::Engine(_) | Input::Tick => "feature code",
            Input::Command(_) | Input::Shutdown => "other",
        };
        world.books.tally.ways.count(way);
        world.books.tally.transfers += 1;
    }
    for answer in &said.transfer_answers {
        if let Err(Refusal::Denied(Denied::Stale { .. })) = answer {
            world.engine.faults.count("stale request refused");
        }
    }
}
