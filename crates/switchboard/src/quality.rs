//! How legs sounded. A leg that we hang up tells so only afterwards, when its call may be over.

use protocol::{CallId, LegId, LegQuality, UserId};

use crate::{Fact, SoundQuality, Switchboard, call::CallKey, legs::LegUse};

/// How many legs of one call are kept.
const PER_CALL: usize = 100;
/// An engine that never says the end of its legs must not fill the memory.
const PARTING: usize = 10_000;

/// A leg whose end we have ordered, and that the engine has not confirmed.
#[derive(Debug)]
pub(crate) struct Parting {
    key: CallKey,
    party: String,
    user: Option<UserId>,
}

impl Switchboard {
    /// Whether nothing more will be said: no call goes on, and the engine has confirmed the end of every leg.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.calls.is_empty() && self.parting.is_empty()
    }

    pub(crate) fn part(&mut self, leg: LegId, LegUse { key, party, user, device: _ }: LegUse) {
        if self.parting.len() >= PARTING {
            self.parting.pop_first();
        }
        self.parting.insert(leg, Parting { key, party, user });
    }

    pub(crate) fn measured(&mut self, leg: LegId, sound: SoundQuality) {
        let live = self.legs.get(&leg).map(|of| (of.key, of.party.clone(), of.user.clone()));
        let of = live.or_else(|| self.parting.get(&leg).map(|of| (of.key, of.party.clone(), of.user.clone())));
        let Some((key, party, user)) = of else { return };
        let SoundQuality { codec, score, lost_permille, jitter_ms, round_trip_ms, trouble, encrypted } = sound;
        let encrypted = Some(encrypted);
        let quality =
            LegQuality { party, user, codec, score, lost_permille, jitter_ms, round_trip_ms, trouble, encrypted };
        if self.calls.contains_key(&key) {
            self.with_call(key, |_, call| {
                keep(&mut call.quality, quality);
            });
        } else {
            self.fact(Fact::Measured { call: self.call_id(key), quality });
        }
    }

    pub(crate) fn call_id(&self, key: CallKey) -> CallId {
        CallId(format!("{}-{}", self.instance, key.0))
    }
}

/// Keeps how a leg sounded with its call. Whether there was room.
pub(crate) fn keep(legs: &mut Vec<LegQuality>, quality: LegQuality) -> bool {
    let room = legs.len() < PER_CALL;
    if room {
        legs.push(quality);
    }
    room
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::Reason;

    use super::*;
    use crate::{EngineEvent, testkit::Office, testkit::to_user};

    fn sounded(office: &mut Office, leg: LegId, score: u16) {
        let quality = SoundQuality {
            codec: "opus".into(),
            score,
            lost_permille: 7,
            jitter_ms: 3,
            round_trip_ms: Some(42),
            trouble: None,
            encrypted: true,
        };
        office.engine(EngineEvent::Quality { leg, quality });
    }

    fn scores(legs: &[LegQuality]) -> Vec<(&str, Option<&str>, u16)> {
        legs.iter().map(|q| (q.party.as_str(), q.user.as_ref().map(UserId::as_str), q.score)).collect()
    }

    #[test]
    fn a_leg_that_ends_by_itself_is_in_the_record_and_one_that_we_hang_up_comes_after_it() {
        let mut office = Office::with(&["ravi"]);
        let (caller, agent, call) = office.talking_with("ravi");
        sounded(&mut office, caller, 430);
        office.end(caller, Reason::CallerGone);
        let record = office.records[0].clone();
        assert_eq!(scores(&record.quality), [("Priya Nair", None, 430)]);
        assert!(office.board.calls.is_empty() && !office.board.is_at_rest(), "Ravi's leg is not confirmed");

        sounded(&mut office, agent, 210);
        office.end(agent, Reason::CallerGone);
        assert!(office.board.is_at_rest());
        sounded(&mut office, agent, 100);
        let [(late, of)] = &office.measured[..] else { panic!("{:?}", office.measured) };
        assert_eq!((late, scores(std::slice::from_ref(of))), (&call, vec![("Ravi Kumar", Some("ravi"), 210)]));

        let amendment = crate::Amendment::Quality(of.clone());
        let newer = office.board.amend(office.now, &call, Some(record.clone()), amendment).unwrap();
        assert_eq!((newer.quality.len(), newer.seq), (2, record.seq + 1));
        let Some(crate::Output::Fact(Fact::Record(said))) = office.board.poll_output() else { panic!("not said") };
        assert_eq!(*said, newer);
    }

    #[test]
    fn the_leg_of_who_gave_the_call_away_is_in_the_record_of_the_call_that_goes_on() {
        let mut office = Office::with(&["ravi", "mina"]);
        let (caller, agent, call) = office.talking_with("ravi");
        office.transfer("ravi", &call, to_user("mina")).unwrap();
        assert!(office.hung_up(agent).is_some());
        sounded(&mut office, agent, 300);
        office.end(agent, Reason::AgentGone);
        assert!(office.measured.is_empty());
        office.end(caller, Reason::CallerGone);
        assert_eq!(scores(&office.records[0].quality), [("Ravi Kumar", Some("ravi"), 300)]);
    }

    #[test]
    fn what_nobody_knows_is_ignored_and_no_flood_is_kept() {
        let mut office = Office::with(&["ravi"]);
        let (caller, ..) = office.talking_with("ravi");
        sounded(&mut office, LegId(977), 400);
        (0..PER_CALL + 50).for_each(|_| sounded(&mut office, caller, 400));
        office.end(caller, Reason::CallerGone);
        assert_eq!(office.records[0].quality.len(), PER_CALL);
        assert!(office.measured.is_empty());
    }
}
