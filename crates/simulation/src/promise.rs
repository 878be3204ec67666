//! The promise, judged by what is heard: the state that is shown of a call against the sound that was ordered.

use std::collections::BTreeSet;

use protocol::{CallState, LegId, LiveCall, TargetRef, TransferStage, UserId, UserRef};

use crate::{
    books::{Case, Checked, Violation},
    engine::{Ear, Engine, Kind, Leg},
};

/// Everything that is connected with a call, sorted.
struct Table<'a> {
    engine: &'a Engine,
    case: &'a Case,
    caller: &'a Leg,
    /// Legs that we ring, other than the caller's.
    rung: Vec<(LegId, &'a Leg)>,
    /// Legs that can hear something, other than the caller's.
    up: Vec<(LegId, &'a Leg)>,
}

/// Whether everybody in the call hears what its state says.
pub fn judge(engine: &Engine, case: &Case) -> Checked {
    let Some(call) = &case.shown else { return nobody_left(engine, case) };
    let known = |id: &LegId| engine.legs.get(id).filter(|l| l.known).map(|l| (*id, l));
    let Some((_, caller)) = known(&case.caller) else {
        return Err(Violation::other(format!("{} goes on without its caller", case.id)));
    };
    let others: Vec<(LegId, &Leg)> = case.legs.iter().filter(|id| **id != case.caller).filter_map(known).collect();
    // What failed on the way is judged when the switchboard has been told.
    if caller.trouble > 0 || others.iter().any(|(_, leg)| leg.trouble > 0) {
        return Ok(());
    }
    let (up, rung) = others.into_iter().partition(|(_, leg)| leg.up || leg.is_arrived());
    Table { engine, case, caller, rung, up }.judge(call)
}

fn nobody_left(engine: &Engine, case: &Case) -> Checked {
    match case.legs.iter().find(|id| engine.legs.get(*id).is_some_and(|l| l.known)) {
        Some(id) if *id == case.caller => {
            Err(Violation::lost(format!("{} is over, its caller is still there", case.id)))
        }
        Some(id) => Err(Violation::other(format!("{} is over, but {id} lives on", case.id))),
        None => Ok(()),
    }
}

impl Table<'_> {
    fn judge(&self, call: &LiveCall) -> Checked {
        self.wanted(call)?;
        let stage = call.transfer.as_ref().map(|t| &t.stage);
        match (&call.state, stage) {
            (CallState::Ringing { towards, .. }, _) if self.caller.kind == Kind::Dialled && !self.caller.up => {
                self.is(towards.is_empty() && self.rung.is_empty() && self.up.len() == 1, "dialling")
            }
            (CallState::Ringing { towards, .. }, _) => {
                self.waits("ringing")?;
                self.is(self.up.is_empty(), "ringing, and somebody else is there")?;
                self.rings(towards)
            }
            (CallState::Talking { .. } | CallState::Held { .. }, Some(TransferStage::Swapped { .. })) => {
                self.swapped(call.transfer.as_ref().map(|t| &t.by.id))
            }
            (CallState::Talking { with } | CallState::Held { by: with }, _) => {
                self.alone_with()?;
                let users = [self.caller.user.as_ref(), self.up[0].1.user.as_ref()];
                self.is(users.contains(&Some(&with.id)), "talking with somebody else than it says")?;
                self.talk(self.case.caller, self.up[0].0)
            }
            (CallState::TalkingOutside { .. }, _) => {
                self.alone_with()?;
                self.talk(self.case.caller, self.up[0].0)
            }
            (CallState::Transferring, Some(stage)) => self.transferring(stage),
            (CallState::Transferring, None) => self.is(false, "transferring without a transfer"),
            (CallState::Queued { .. }, _) => {
                self.waits("queued")?;
                self.alone("queued")
            }
            (CallState::Voicemail { .. }, _) => {
                self.hears(Ear::Mailbox)?;
                self.alone("at a mailbox")
            }
            (CallState::Closing, _) => {
                self.hears(Ear::Prompt)?;
                self.alone("at the closing announcement")
            }
        }
    }

    /// Nobody is rung for a call that they are in, or have sent on when it rang at them.
    fn wanted(&self, call: &LiveCall) -> Checked {
        let rung = |user: &UserId| self.rung.iter().any(|(_, leg)| leg.user.as_ref() == Some(user));
        let here = self.up.iter().map(|(_, leg)| *leg).chain([self.caller]);
        let twice = here.filter_map(|leg| leg.user.as_ref()).any(rung);
        self.is(!twice, "somebody is rung for a call that they are in")?;
        let to = call.transfer.as_ref().map(|t| &t.target);
        let themself = |user: &UserId| matches!(to, Some(TargetRef::User(to)) if to.id == *user);
        let away = self.case.open.as_ref().filter(|open| open.sent_on && !themself(&open.by));
        self.is(!away.is_some_and(|open| rung(&open.by)), "who sent it on is rung for it again")
    }

    fn transferring(&self, stage: &TransferStage) -> Checked {
        self.waits("being transferred")?;
        match stage {
            TransferStage::Holding => self.alone("being held"),
            TransferStage::Ringing { towards, .. } | TransferStage::NextAgent { towards, .. } => {
                self.only_transferor()?;
                self.rings(towards)
            }
            TransferStage::Recalling { towards, .. } => {
                self.only_transferor()?;
                self.rings(std::slice::from_ref(towards))
            }
            TransferStage::Queued { .. } => {
                self.only_transferor()?;
                self.is(self.rung.is_empty(), "queued, and somebody is rung")
            }
            TransferStage::Voicemail { .. } => self.is(false, "transferring to a mailbox, and not there"),
            TransferStage::ConsultRinging { towards, .. } => {
                self.is(self.up.len() == 1, "consulting with nobody there to consult")?;
                let (_, agent) = self.up[0];
                self.is(agent.ear == Ear::Ringback || agent.holds, "the consulting agent does not hear ringing")?;
                self.rings(towards)
            }
            TransferStage::Consulting { .. } => {
                self.is(self.rung.is_empty() && self.up.len() == 2, "a consultation not between two")?;
                self.talk(self.up[0].0, self.up[1].0)
            }
            TransferStage::Swapped { .. } => self.is(false, "swapped, but not talking"),
        }
    }

    /// The agent speaks with the caller, the target waits.
    fn swapped(&self, consultant: Option<&UserId>) -> Checked {
        self.is(self.rung.is_empty() && self.up.len() == 2, "a swapped consultation not between three")?;
        let agent = self.up.iter().position(|(_, l)| l.user.as_ref() == consultant);
        let Some(agent) = agent else { return self.is(false, "swapped, but the agent is not there") };
        let (_, target) = self.up[1 - agent];
        self.is(target.ear == Ear::Music || target.holds, "the swapped target hears no music")?;
        self.talk(self.case.caller, self.up[agent].0)
    }

    /// Whoever holds listens to nobody; whoever is held hears music.
    fn talk(&self, a: LegId, b: LegId) -> Checked {
        let leg = |id: LegId| self.engine.legs.get(&id);
        let (Some(x), Some(y)) = (leg(a), leg(b)) else { return self.is(false, "talking with nobody") };
        let right = match (x.holds, y.holds) {
            (false, false) => x.ear == Ear::With(b) && y.ear == Ear::With(a),
            (true, false) => y.ear == Ear::Music,
            (false, true) => x.ear == Ear::Music,
            (true, true) => true,
        };
        if right {
            return Ok(());
        }
        let say = |l: &Leg| format!("{:?}{}", l.ear, if l.holds { ", holding" } else { "" });
        Err(self.lost(&format!("{a} hears {}, {b} hears {}", say(x), say(y))))
    }

    fn waits(&self, how: &str) -> Checked {
        let right = match self.caller.ear {
            Ear::Music => self.caller.up,
            Ear::Ringback => true,
            Ear::Nothing | Ear::Prompt | Ear::Mailbox | Ear::With(_) => false,
        };
        if right { Ok(()) } else { Err(self.lost(&format!("{how}, and the caller hears {:?}", self.caller.ear))) }
    }

    fn hears(&self, ear: Ear) -> Checked {
        let heard = self.caller.ear;
        if heard == ear { Ok(()) } else { Err(self.lost(&format!("the caller hears {heard:?} instead of {ear:?}"))) }
    }

    fn rings(&self, towards: &[UserRef]) -> Checked {
        if towards.is_empty() {
            let dialled = matches!(self.rung[..], [(_, Leg { kind: Kind::Dialled, .. })]);
            return if dialled { Ok(()) } else { Err(self.lost("waits for somebody, and nobody is rung")) };
        }
        let rung: BTreeSet<&UserId> = self.rung.iter().filter_map(|(_, l)| l.user.as_ref()).collect();
        let said: BTreeSet<&UserId> = towards.iter().map(|u| &u.id).collect();
        if rung == said { Ok(()) } else { Err(self.lost(&format!("said to ring {said:?}, rings {rung:?}"))) }
    }

    fn alone_with(&self) -> Checked {
        self.is(self.rung.is_empty() && self.up.len() == 1, "talking, but not between two")
    }

    fn alone(&self, how: &str) -> Checked {
        self.is(self.rung.is_empty() && self.up.is_empty(), &format!("{how}, and not alone"))
    }

    /// At most who gave the call away, who does not hear the caller any more.
    fn only_transferor(&self) -> Checked {
        let right = self.up.len() <= 1 && self.up.iter().all(|(_, l)| !matches!(l.ear, Ear::With(_)));
        self.is(right, "transferring, and still connected with somebody")
    }

    fn is(&self, right: bool, what: &str) -> Checked {
        if right {
            return Ok(());
        }
        let others = || self.up.iter().chain(&self.rung).map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(" ");
        Err(Violation::other(format!("{}: {what} (caller {}, others: {})", self.case.id, self.case.caller, others())))
    }

    fn lost(&self, what: &str) -> Violation {
        let shown = self.case.shown.as_ref().map(|c| (&c.state, c.transfer.as_ref().map(|t| &t.stage)));
        Violation::lost(format!("{}: {what}; it is shown as {shown:?}", self.case.id))
    }
}

/// Until when the call may stay as it is; `None`: as long as somebody talks, or with a timer that is not shown.
pub fn until(call: &LiveCall) -> Option<u64> {
    let stage = call.transfer.as_ref().map(|t| &t.stage);
    let until = match (&call.state, stage) {
        (CallState::Ringing { until, .. } | CallState::Queued { until, .. }, _) => *until,
        (CallState::Transferring, Some(stage)) => match stage {
            TransferStage::Ringing { until, .. }
            | TransferStage::Recalling { until, .. }
            | TransferStage::NextAgent { until, .. }
            | TransferStage::Queued { until, .. }
            | TransferStage::ConsultRinging { until, .. } => *until,
            TransferStage::Holding
            | TransferStage::Voicemail { .. }
            | TransferStage::Consulting { .. }
            | TransferStage::Swapped { .. } => return None,
        },
        (
            CallState::Talking { .. }
            | CallState::TalkingOutside { .. }
            | CallState::Held { .. }
            | CallState::Transferring
            | CallState::Voicemail { .. }
            | CallState::Closing,
            _,
        ) => return None,
    };
    Some(until.0)
}

/// Whether a timer must run for the call.
pub fn needs_timer(call: &LiveCall) -> bool {
    let stage = call.transfer.as_ref().map(|t| &t.stage);
    match &call.state {
        CallState::Talking { .. } | CallState::TalkingOutside { .. } | CallState::Held { .. } => false,
        CallState::Transferring => {
            !matches!(stage, Some(TransferStage::Consulting { .. } | TransferStage::Swapped { .. }))
        }
        CallState::Ringing { .. } | CallState::Queued { .. } | CallState::Voicemail { .. } | CallState::Closing => true,
    }
}
