//! What every leg hears, told from the orders alone: the promise judged without asking the switchboard's opinion of
//! itself. Also what an order may be about: nobody can be connected who has not answered.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{DeviceId, LegId};

use crate::{
    Order,
    call::{Call, ConsultStage, State},
};

/// What a leg hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ear {
    Nothing,
    /// We ring it.
    Rung(Option<DeviceId>),
    Ringback,
    Music,
    Prompt,
    Mailbox,
    With(LegId),
}

#[derive(Debug, Default)]
pub(crate) struct Ears {
    of: BTreeMap<LegId, Ear>,
    answered: BTreeSet<LegId>,
}

impl Ears {
    pub(crate) fn arrive(&mut self, leg: LegId) {
        self.of.insert(leg, Ear::Nothing);
    }

    /// The far end of a leg that rings has answered.
    pub(crate) fn answer(&mut self, leg: LegId) {
        if matches!(self.of.get(&leg), Some(Ear::Rung(_))) {
            self.answered.insert(leg);
        }
    }

    pub(crate) fn end(&mut self, leg: LegId) {
        self.hears(leg, Ear::Nothing);
        self.of.remove(&leg);
        self.answered.remove(&leg);
    }

    /// What it was to hear could not be played.
    pub(crate) fn deafen(&mut self, leg: LegId) {
        if self.answered.contains(&leg) {
            self.hears(leg, Ear::Nothing);
        }
    }

    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = LegId> + '_ {
        self.of.keys().copied()
    }

    pub(crate) fn of(&self, leg: LegId) -> Option<&Ear> {
        self.of.get(&leg)
    }

    pub(crate) fn rung(&self) -> impl Iterator<Item = (LegId, Option<&DeviceId>)> + '_ {
        self.of.iter().filter_map(|(leg, ear)| match ear {
            Ear::Rung(device) if !self.answered.contains(leg) => Some((*leg, device.as_ref())),
            _ => None,
        })
    }

    /// Carries out an order, as far as it can be heard.
    pub(crate) fn carry_out(&mut self, order: &Order) -> Result<(), String> {
        let up = |leg: &LegId| {
            let fine = !self.of.contains_key(leg) || self.answered.contains(leg);
            if fine { Ok(()) } else { Err(format!("{order:?} about a leg that is not answered")) }
        };
        match order {
            Order::Ring { leg, device, .. } => drop(self.of.insert(*leg, Ear::Rung(Some(device.clone())))),
            Order::Dial { leg, .. } => drop(self.of.insert(*leg, Ear::Rung(None))),
            Order::IndicateRinging { leg } => {
                if self.answered.contains(leg) {
                    return Err(format!("{leg} is answered and told to ring"));
                }
                self.hears(*leg, Ear::Ringback);
            }
            Order::Answer { leg } => drop(self.answered.insert(*leg)),
            Order::ReferProgress { .. } => {}
            Order::Notice { leg, .. } => up(leg)?,
            Order::Bridge { a, b } => {
                up(a)?;
                up(b)?;
                self.hears(*a, Ear::With(*b));
                self.hears(*b, Ear::With(*a));
            }
            Order::PlayMusic { leg } => {
                up(leg)?;
                self.hears(*leg, Ear::Music);
            }
            Order::PlayRingback { leg } => {
                up(leg)?;
                self.hears(*leg, Ear::Ringback);
            }
            Order::PlayPrompt { leg, .. } => {
                up(leg)?;
                self.hears(*leg, Ear::Prompt);
            }
            Order::RecordVoicemail { leg, .. } => {
                up(leg)?;
                self.hears(*leg, Ear::Mailbox);
            }
            Order::HangUp { leg, .. } => self.end(*leg),
        }
        Ok(())
    }

    fn hears(&mut self, leg: LegId, ear: Ear) {
        let Some(now) = self.of.get_mut(&leg) else { return };
        if let Ear::With(other) = std::mem::replace(now, ear)
            && let Some(other) = self.of.get_mut(&other).filter(|e| **e == Ear::With(leg))
        {
            *other = Ear::Nothing;
        }
    }

    /// Whether everyone in the call hears what they should.
    pub(crate) fn promise(&self, call: &Call) -> Result<(), String> {
        if self.right(call) {
            return Ok(());
        }
        let legs: Vec<LegId> =
            std::iter::once(call.caller.leg).chain(call.state.legs().iter().map(|(leg, _)| *leg)).collect();
        let heard: Vec<_> = legs.iter().map(|leg| (*leg, self.of(*leg))).collect();
        Err(format!("{}: {:?} but {heard:?}", call.id, call.state))
    }

    fn right(&self, call: &Call) -> bool {
        let caller = (call.caller.leg, call.caller.holds);
        let hears = |leg: LegId, ear: Ear| self.of(leg) == Some(&ear);
        match &call.state {
            State::Dialling { .. } => hears(caller.0, Ear::Rung(None)),
            State::Ringing { .. } => hears(caller.0, Ear::Ringback),
            State::Talking { with, held, .. } => self.together(caller, (with.leg(), *held)),
            State::Queued(_) => hears(caller.0, Ear::Music),
            State::Transferring { transfer, .. } => {
                let waits = if call.caller.up { Ear::Music } else { Ear::Ringback };
                let kept = transfer.kept.as_ref().filter(|k| !k.held);
                hears(caller.0, waits) && kept.is_none_or(|k| hears(k.agent.leg, Ear::Ringback))
            }
            State::Consulting { agent, held, stage, .. } => {
                let (agent, held) = (agent.leg, *held);
                match stage {
                    ConsultStage::Ringing(_) | ConsultStage::Dialling(_) => {
                        hears(caller.0, Ear::Music) && (held || hears(agent, Ear::Ringback))
                    }
                    ConsultStage::Speaking(target) => {
                        let target = (target.side.leg(), target.holds);
                        hears(caller.0, Ear::Music) && self.together((agent, held), target)
                    }
                    ConsultStage::Swapped(target) => {
                        hears(target.side.leg(), Ear::Music) && self.together(caller, (agent, held))
                    }
                }
            }
            State::Voicemail { .. } => hears(caller.0, Ear::Mailbox),
            State::Closing { .. } => hears(caller.0, Ear::Prompt),
            State::AwaitingRecording { .. } => self.of(caller.0).is_none(),
            State::Over { .. } => false,
        }
    }

    /// Who holds listens to nobody; the one held hears music; else they hear each other.
    fn together(&self, (a, a_holds): (LegId, bool), (b, b_holds): (LegId, bool)) -> bool {
        let hears = |leg: LegId, ear: Ear| self.of(leg) == Some(&ear);
        match (a_holds, b_holds) {
            (false, false) => hears(a, Ear::With(b)) && hears(b, Ear::With(a)),
            (true, false) => hears(b, Ear::Music),
            (false, true) => hears(a, Ear::Music),
            (true, true) => true,
        }
    }
}
