//! One call and the states it can be in.

mod state;

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    AuditEntry, Bounce, CallId, CallOutcome, DepartmentRef, Direction, JourneyStep, LegId, LegQuality, LiveCall, Party,
    Timestamp, UserId, UserRef, VoicemailRef,
};
pub(crate) use state::{
    ConsultStage, Consulted, Dial, Given, Kept, Mailbox, Ring, RungDevice, Stage, State, Taken, Transfer, Typed, Wait,
};

use crate::{draft::Drafted, timer::Deadline, transfer::Course};

/// A call inside this switchboard; its [`CallId`] is made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallKey(pub u64);

#[derive(Debug)]
pub(crate) struct Call {
    pub key: CallKey,
    pub id: CallId,
    pub direction: Direction,
    pub caller: Caller,
    pub dialled: String,
    pub state: State,
    pub state_since: Timestamp,
    /// Who has, or last had, the call.
    pub agent: Option<UserRef>,
    pub department: Option<DepartmentRef>,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    /// When each user last let this call ring out or refused it.
    pub bounced: BTreeMap<UserId, Timestamp>,
    pub bounces: Vec<Bounce>,
    pub agents: Vec<UserRef>,
    pub journey: Vec<JourneyStep>,
    pub audit: Vec<AuditEntry>,
    /// What is done when nobody takes the call where it arrived; a transfer has its own course.
    pub course: Option<Box<Course>>,
    /// Set once the caller has come to rest at a mailbox or announcement.
    pub rests: Option<CallOutcome>,
    /// How many orders have failed that had to be given again.
    pub repairs: u8,
    pub voicemail: Option<VoicemailRef>,
    /// Of legs that have ended.
    pub quality: Vec<LegQuality>,
    /// The timer that runs for `state`.
    pub timer: Option<Deadline>,
    /// What was last published.
    pub shown: Option<LiveCall>,
    pub drafted: Drafted,
    pub moved: Moved,
    /// What has just been done to it, for the next revision.
    pub news: Option<String>,
}

/// The transferee: the party that the promise is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub leg: LegId,
    pub party: Party,
    /// Set if the party is a user of the account (internal calls).
    pub user: Option<UserId>,
    /// The leg is answered (or `Order::Answer` has been given).
    pub up: bool,
    /// The far end holds us.
    pub holds: bool,
}

/// The leg of the user who has the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentLeg {
    pub leg: LegId,
    pub user: UserRef,
}

/// The answered leg at the other side of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Other {
    Agent(AgentLeg),
    /// Somebody outside the account: the call was transferred to a number, or joined with another one.
    Outside {
        leg: LegId,
        party: Party,
    },
}

impl Other {
    pub(crate) fn leg(&self) -> LegId {
        match self {
            Self::Agent(agent) => agent.leg,
            Self::Outside { leg, .. } => *leg,
        }
    }

    pub(crate) fn agent(&self) -> Option<&AgentLeg> {
        match self {
            Self::Agent(agent) => Some(agent),
            Self::Outside { .. } => None,
        }
    }

    /// In words.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Agent(agent) => &agent.user.name,
            Self::Outside { party, .. } if party.name.is_empty() => &party.number,
            Self::Outside { party, .. } => &party.name,
        }
    }
}

/// What last changed who has a call: for whoever decided on an older revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// The first revision that shows it.
    pub revision: u32,
    /// Who did what, if somebody did it: "Maya Lindqvist transferred it to Ravi Kumar".
    pub what: Option<String>,
}

impl Call {
    /// Users who are a party of this call now.
    pub(crate) fn parties(&self) -> BTreeSet<&UserId> {
        let other = self.state.legs().into_iter().filter_map(|(_, user)| user);
        self.caller.user.iter().chain(other).collect()
    }

    /// Replaces the state, keeping the old one for the caller of this function to take apart.
    pub(crate) fn enter(&mut self, now: Timestamp, state: State) -> State {
        self.state_since = now;
        std::mem::replace(&mut self.state, state)
    }
}
