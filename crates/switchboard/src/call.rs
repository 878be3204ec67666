//! One call and the states it can be in.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    AuditEntry, Bounce, CallId, CallOutcome, DepartmentId, DepartmentRef, DeviceId, Direction, JourneyStep, LegId,
    LiveCall, Party, Reason, TargetRef, Timestamp, TransferId, UserId, UserRef, VoicemailRef,
};

use crate::{
    timer::{Deadline, TimerReason},
    transfer::Course,
};

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
    /// Set once the caller has come to rest at a mailbox or announcement.
    pub rests: Option<CallOutcome>,
    pub voicemail: Option<VoicemailRef>,
    /// The timer that runs for `state`.
    pub timer: Option<Deadline>,
    /// What was last published.
    pub shown: Option<LiveCall>,
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

#[derive(Debug)]
pub(crate) enum State {
    /// The outside party is being rung; the agent hears it.
    Dialling {
        agent: AgentLeg,
        until: Timestamp,
    },
    /// The first ring of an arriving call; the caller hears ringing.
    Ringing {
        ring: Ring,
        goal: Goal,
    },
    Talking {
        agent: AgentLeg,
        held: bool,
    },
    Queued(Wait),
    Transferring {
        transfer: Box<Transfer>,
        stage: Stage,
    },
    Voicemail {
        mailbox: Mailbox,
        because: Reason,
        from: Option<Box<Transfer>>,
        until: Timestamp,
    },
    Closing {
        because: Reason,
        until: Timestamp,
    },
    /// The caller has left; the engine still owes us what they said.
    AwaitingRecording {
        mailbox: Mailbox,
        because: Reason,
        until: Timestamp,
    },
    Over {
        because: Reason,
    },
}

/// Where an arriving call wants to go, for when its ring comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    User(UserRef),
    Department(DepartmentId),
}

/// Devices that are being rung, all at once.
#[derive(Debug)]
pub(crate) struct Ring {
    pub legs: BTreeMap<LegId, RungDevice>,
    /// Users whose devices still ring.
    pub towards: Vec<UserRef>,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Why the last user fell out, if any.
    pub last: Option<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RungDevice {
    pub user: UserId,
    pub device: DeviceId,
}

/// A place in a department's line.
#[derive(Debug)]
pub(crate) struct Wait {
    pub department: DepartmentRef,
    pub ticket: u64,
    pub position: u32,
    pub until: Timestamp,
    /// When somebody who is cooling down may be asked again.
    pub retry_at: Option<Timestamp>,
    /// Agents who became free and are being asked; the place in the line is kept meanwhile.
    pub offer: Option<Ring>,
}

#[derive(Debug)]
pub(crate) struct Transfer {
    pub id: TransferId,
    pub by: UserRef,
    pub from: UserRef,
    pub target: TargetRef,
    pub note: Option<String>,
    pub since: Timestamp,
    /// What has been tried and what comes next.
    pub course: Course,
    /// Why the target has not taken it; final once `bounced_after_ms` is set.
    pub because: Reason,
    pub bounced_after_ms: Option<u64>,
    /// The leg whose device asked by REFER; told how it goes, then released.
    pub referrer: Option<AgentLeg>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    Holding,
    Ringing(Ring),
    Recalling(Ring),
    NextAgent(Ring),
    Queued(Wait),
}

/// `id` names it to the engine, `name` to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub id: String,
    pub name: String,
}

impl State {
    /// When this state must be looked at again. Only talking may go on for ever.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::Dialling { until, .. } => Some((*until, TimerReason::RingEnds)),
            Self::Ringing { ring, .. } => Some((ring.until, TimerReason::RingEnds)),
            Self::Talking { .. } | Self::Over { .. } => None,
            Self::Queued(wait) => Some(wait.deadline()),
            Self::Transferring { stage, transfer } => Some(match stage {
                Stage::Holding => (transfer.since, TimerReason::RingEnds),
                Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => {
                    (ring.until, TimerReason::RingEnds)
                }
                Stage::Queued(wait) => wait.deadline(),
            }),
            Self::Voicemail { until, .. } | Self::AwaitingRecording { until, .. } => {
                Some((*until, TimerReason::RecordingOverdue))
            }
            Self::Closing { until, .. } => Some((*until, TimerReason::ClosingOverdue)),
        }
    }

    /// The ring that goes on now, if any.
    pub(crate) fn ring(&self) -> Option<&Ring> {
        match self {
            Self::Ringing { ring, .. } => Some(ring),
            Self::Queued(wait) => wait.offer.as_ref(),
            Self::Transferring { stage, .. } => match stage {
                Stage::Holding => None,
                Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => Some(ring),
                Stage::Queued(wait) => wait.offer.as_ref(),
            },
            Self::Dialling { .. }
            | Self::Talking { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    pub(crate) fn ring_mut(&mut self) -> Option<&mut Ring> {
        match self {
            Self::Ringing { ring, .. } => Some(ring),
            Self::Queued(wait) => wait.offer.as_mut(),
            Self::Transferring { stage, .. } => match stage {
                Stage::Holding => None,
                Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => Some(ring),
                Stage::Queued(wait) => wait.offer.as_mut(),
            },
            Self::Dialling { .. }
            | Self::Talking { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    /// The place in a line, if any.
    pub(crate) fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Queued(wait) | Self::Transferring { stage: Stage::Queued(wait), .. } => Some(wait),
            Self::Transferring {
                stage: Stage::Holding | Stage::Ringing(_) | Stage::Recalling(_) | Stage::NextAgent(_),
                ..
            }
            | Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Talking { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    pub(crate) fn wait_mut(&mut self) -> Option<&mut Wait> {
        match self {
            Self::Queued(wait) | Self::Transferring { stage: Stage::Queued(wait), .. } => Some(wait),
            Self::Transferring {
                stage: Stage::Holding | Stage::Ringing(_) | Stage::Recalling(_) | Stage::NextAgent(_),
                ..
            }
            | Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Talking { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    /// The answered (or calling) leg of a user who is not the transferee.
    pub(crate) fn agent_leg(&self) -> Option<&AgentLeg> {
        match self {
            Self::Dialling { agent, .. } | Self::Talking { agent, .. } => Some(agent),
            Self::Transferring { transfer, .. } => transfer.referrer.as_ref(),
            Self::Ringing { .. }
            | Self::Queued(_)
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    pub(crate) fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Transferring { transfer, .. } => Some(transfer),
            Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Talking { .. }
            | Self::Queued(_)
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }
}

impl Wait {
    fn deadline(&self) -> Deadline {
        match (&self.offer, self.retry_at) {
            (Some(ring), _) => (ring.until, TimerReason::RingEnds),
            (None, Some(retry)) if retry < self.until => (retry, TimerReason::QueueRetry),
            (None, _) => (self.until, TimerReason::QueueEnds),
        }
    }
}

impl Call {
    /// Users who are a party of this call now.
    pub(crate) fn parties(&self) -> BTreeSet<&UserId> {
        self.caller.user.iter().chain(self.state.agent_leg().map(|a| &a.user.id)).collect()
    }

    /// Replaces the state, keeping the old one for the caller of this function to take apart.
    pub(crate) fn enter(&mut self, now: Timestamp, state: State) -> State {
        self.state_since = now;
        std::mem::replace(&mut self.state, state)
    }
}
