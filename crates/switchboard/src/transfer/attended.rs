//! Attended transfer by a device: it has two calls, and asks by REFER with Replaces (RFC 3891) to be taken out of both.
//! The far party of one is connected with whatever is at the far side of the other; the first call goes on, the other
//! ends as joined.

use std::collections::BTreeSet;

use protocol::{Denied, Direction, Ineligible, JourneyEvent, LegId, Reason, Target, TargetRef, TransferKind, UserId};

use super::{Point, Way, Wish};
use crate::{
    Order, ReferProgress, Refusal, Switchboard,
    call::{AgentLeg, Call, CallKey, Dial, Kept, Other, Ring, Stage, State, Transfer},
    rules::Kind,
};

/// What is at the far side of the second call.
enum Far {
    Party(Other, bool),
    Stage(Stage),
}

impl Switchboard {
    /// `leg` and `other` are the same user's legs in two calls.
    pub(crate) fn refer_attended(
        &mut self,
        call: &mut Call,
        leg: LegId,
        other: LegId,
        wish: &Wish<'_>,
    ) -> Result<(), Refusal> {
        let of = self.legs.get(&other).filter(|of| of.user.as_ref() == Some(wish.by) && of.key != call.key);
        let Some(mut second) = of.map(|of| of.key).and_then(|key| self.calls.remove(&key)) else {
            return Err(Refusal::Denied(Denied::NotOnCall));
        };
        let joined = self.may_join(call, &second, other, wish);
        let done = joined.map(|(rule, target)| {
            let wish = Wish { target: &target, ..wish.clone() };
            self.join(call, &mut second, (leg, other), &wish, rule);
        });
        self.put_back(second);
        done
    }

    /// Whether the two calls may become one, by which rule, and who that makes the target.
    fn may_join(&self, call: &Call, second: &Call, other: LegId, wish: &Wish<'_>) -> Result<(String, Target), Refusal> {
        let target = self.far_target(second, other).map_err(Refusal::Denied)?;
        // To bring a number that was dialled together with somebody outside is to transfer to it.
        let out = |call: &Call| call.direction == Direction::Outbound && matches!(target, Target::Outside(_));
        let rule = match &target {
            // Two callers who came by themselves.
            Target::Outside(_) if !out(call) && !out(second) => self.may_consult(wish.by, call),
            Target::Outside(_) | Target::User(_) | Target::Department(_) => {
                self.may_send(wish.by, Some(call), TransferKind::Consult, &target)
            }
        };
        let rule = rule.map_err(Refusal::Denied)?;
        self.may_touch(wish.by, Some(second), Kind::Transfer).map_err(Refusal::Denied)?;
        match self.eligible(wish.by, call, TransferKind::Consult, &target) {
            Err(why @ (Ineligible::OtherDepartment | Ineligible::InThisCall)) => Err(Refusal::Ineligible(why)),
            Err(why) if out(second) => Err(Refusal::Ineligible(why)),
            // The others are about ringing them; they are on the line, or rung, already.
            Ok(()) | Err(_) => Ok((rule, target)),
        }
    }

    /// Who or what is at the far side of `other`.
    fn far_target(&self, second: &Call, other: LegId) -> Result<Target, Denied> {
        let mine = second.caller.leg == other;
        let outside = |side: &Other| Target::Outside(side.name().to_owned());
        match &second.state {
            State::Talking { with, .. } if mine => {
                Ok(with.agent().map_or_else(|| outside(with), |a| Target::User(a.user.id.clone())))
            }
            State::Talking { with, .. } if with.leg() == other => {
                let side = caller_side(second);
                Ok(side.agent().map_or_else(|| outside(&side), |a| Target::User(a.user.id.clone())))
            }
            State::Ringing { .. } if mine => match second.course.as_ref().map(|c| &c.target) {
                Some(TargetRef::User(user)) => Ok(Target::User(user.id.clone())),
                Some(TargetRef::Department(department)) => Ok(Target::Department(department.id.clone())),
                Some(TargetRef::Outside { .. }) | None => Err(Denied::NotAnsweredYet),
            },
            State::Queued(wait) if mine => Ok(Target::Department(wait.department.id.clone())),
            State::Dialling { .. } => Ok(Target::Outside(second.dialled.clone())),
            State::Transferring { transfer, .. } | State::Consulting { transfer, .. } => {
                let (by, to) = (transfer.by.clone(), transfer.target.name().to_owned());
                Err(Denied::AlreadyTransferring { by, to })
            }
            State::Talking { .. } | State::Ringing { .. } | State::Queued(_) => Err(Denied::NotAnsweredYet),
            State::Voicemail { .. } | State::Closing { .. } => Err(Denied::Leaving),
            State::AwaitingRecording { .. } | State::Over { .. } => Err(Denied::Ended),
        }
    }

    fn join(&mut self, call: &mut Call, second: &mut Call, legs: (LegId, LegId), wish: &Wish<'_>, rule: String) {
        let (leg, other) = legs;
        self.turn_round(call, wish.by);
        let State::Talking { with: Other::Agent(agent), held, .. } = &call.state else { return };
        let kept = Kept { agent: agent.clone(), held: *held, by_refer: true };
        let mut asked = self.accept(call, wish, None, rule);
        asked.way = Way::Refer;
        self.order(Order::ReferProgress { leg, progress: ReferProgress::Accepted });
        let mut transfer = self.new_transfer(call, asked, Some(&kept.agent));
        let Some(far) = self.adopt(call, second, other) else { return };
        self.hang_up(other, Reason::AnsweredElsewhere);
        match far {
            Far::Party(side, holds) => {
                self.join_journeys(call, second, side.name());
                transfer.kept = Some(kept);
                self.hand_to(call, *transfer, side, holds);
            }
            Far::Stage(stage) => {
                let name = transfer.target.name().to_owned();
                self.join_journeys(call, second, &name);
                transfer.course.in_vain.extend(second.bounced.keys().cloned());
                self.wait_for(call, transfer, kept, stage);
            }
        }
    }

    /// Takes over what is at the far side of `other`; the second call is over with that.
    fn adopt(&mut self, call: &Call, second: &mut Call, other: LegId) -> Option<Far> {
        let caller = caller_side(second);
        let state = std::mem::replace(&mut second.state, State::Over { because: Reason::Joined });
        second.state_since = self.now;
        let far = match state {
            State::Talking { with, held, .. } if other == caller.leg() => Far::Party(with, held),
            State::Talking { .. } => Far::Party(caller, second.caller.holds),
            State::Ringing { ring, .. } => {
                self.hand_over_ring(&ring, call.key);
                Far::Stage(Stage::Ringing(ring))
            }
            State::Queued(wait) => {
                if let Some(department) = self.directory.departments.get_mut(&wait.department.id) {
                    department.line.insert(wait.ticket, call.key);
                }
                wait.offer.iter().for_each(|ring| self.hand_over_ring(ring, call.key));
                Far::Stage(Stage::Queued(wait))
            }
            State::Dialling { until, .. } => {
                let (leg, number, since) = (caller.leg(), second.dialled.clone(), second.started_at);
                self.hand_over(leg, call.key);
                Far::Stage(Stage::Dialling(Dial { leg, number, since, until }))
            }
            State::Transferring { .. }
            | State::Consulting { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => return None,
        };
        if let Far::Party(side, _) = &far {
            self.hand_over(side.leg(), call.key);
        }
        Some(far)
    }

    fn hand_over_ring(&mut self, ring: &Ring, to: CallKey) {
        ring.legs.keys().for_each(|leg| self.hand_over(*leg, to));
        let joined = ring.joins.as_ref().and_then(|id| self.directory.departments.get_mut(id));
        joined.map(|department| department.open_rings.insert(to));
    }

    /// The target has not answered yet: the transfer goes on from there like any other.
    fn wait_for(&mut self, call: &mut Call, mut transfer: Box<Transfer>, kept: Kept, stage: Stage) {
        self.order(Order::PlayMusic { leg: call.caller.leg });
        transfer.course.point = match (&stage, &transfer.target) {
            (Stage::Queued(_), _) => Point::Fallback(0),
            // Those of it who have not been asked yet.
            (Stage::Ringing(_), TargetRef::Department(_)) => Point::Target,
            (
                Stage::Holding | Stage::Ringing(_) | Stage::Dialling(_) | Stage::Recalling(_) | Stage::NextAgent(_),
                _,
            ) => Point::Line,
        };
        self.release_or_keep(&mut transfer, kept);
        call.enter(self.now, State::Transferring { transfer, stage });
        self.spare_parties(call);
    }

    /// Whoever is in the call now is not rung for it any more; if nobody else is rung, that came to nothing.
    fn spare_parties(&mut self, call: &mut Call) {
        let parties: BTreeSet<UserId> = call.parties().into_iter().cloned().collect();
        let Some(ring) = call.state.ring_mut() else { return };
        ring.towards.retain(|user| !parties.contains(&user.id));
        let theirs = ring.legs.extract_if(.., |_, device| parties.contains(&device.user));
        let theirs: Vec<LegId> = theirs.map(|(leg, _)| leg).collect();
        let (nobody, last) = (ring.legs.is_empty(), ring.last);
        theirs.into_iter().for_each(|leg| self.hang_up(leg, Reason::AnsweredElsewhere));
        if nobody {
            self.came_to_nothing(call, last.unwrap_or(Reason::NobodyFree));
        }
    }

    fn join_journeys(&self, call: &mut Call, second: &mut Call, with: &str) {
        let (first_id, second_id) = (call.id.clone(), second.id.clone());
        let transferee = caller_side(call).name().to_owned();
        self.step(call, JourneyEvent::Joined { call: second_id, with: with.to_owned() });
        self.step(second, JourneyEvent::Joined { call: first_id, with: transferee });
        self.step(second, JourneyEvent::Ended { because: Reason::Joined });
    }
}

/// The caller, as the other side of another call.
fn caller_side(call: &Call) -> Other {
    let (leg, party) = (call.caller.leg, call.caller.party.clone());
    match &call.caller.user {
        Some(id) => Other::Agent(AgentLeg { leg, user: protocol::UserRef { id: id.clone(), name: party.name } }),
        None => Other::Outside { leg, party },
    }
}
