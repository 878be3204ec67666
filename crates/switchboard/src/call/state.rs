//! The states of a call. Each holds exactly what it needs, and says when it must be looked at again.

use std::collections::BTreeMap;

use protocol::{
    DepartmentId, DepartmentRef, DeviceId, LegId, Reason, TargetRef, Timestamp, TransferId, TransferKind, UserId,
    UserRef,
};

use super::{AgentLeg, Other};
use crate::{
    timer::{Deadline, TimerReason},
    transfer::Course,
};

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
    },
    Talking {
        with: Other,
        /// The other side holds us.
        held: bool,
        typed: Option<Typed>,
        given: Option<Box<Given>>,
    },
    Queued(Wait),
    /// The caller hears music (ringing, if not answered yet) until somebody takes the call.
    Transferring {
        transfer: Box<Transfer>,
        stage: Stage,
    },
    /// The agent keeps their leg and asks somebody first.
    Consulting {
        transfer: Box<Transfer>,
        agent: AgentLeg,
        /// The agent holds us.
        held: bool,
        stage: ConsultStage,
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

/// Keys pressed in a call that may become a feature code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    pub leg: LegId,
    pub keys: String,
    /// When no further key is expected.
    pub until: Timestamp,
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
    /// The department all of whose free agents are rung: who becomes free rings too.
    pub joins: Option<DepartmentId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RungDevice {
    pub user: UserId,
    pub device: DeviceId,
}

/// An outside number that is being dialled.
#[derive(Debug)]
pub(crate) struct Dial {
    pub leg: LegId,
    pub number: String,
    pub since: Timestamp,
    pub until: Timestamp,
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
    pub kind: TransferKind,
    pub by: UserRef,
    /// Who was talking with the caller; nobody if the call was still ringing or waiting.
    pub from: Option<UserRef>,
    /// The device with which they did.
    pub device: Option<DeviceId>,
    pub target: TargetRef,
    pub note: Option<String>,
    pub since: Timestamp,
    /// What has been tried and what comes next.
    pub course: Course,
    /// Why the target has not taken it; final once `bounced_after_ms` is set.
    pub because: Reason,
    pub bounced_after_ms: Option<u64>,
    /// The former agent's leg, if it is not released yet.
    pub kept: Option<Kept>,
    /// Who talked with the caller has taken the call back: this device may answer by itself.
    pub answers_itself: Option<DeviceId>,
}

/// A settled transfer that gave the caller to whom they talk with: should that one be gone before `until`, it goes on.
#[derive(Debug)]
pub(crate) struct Given {
    pub transfer: Transfer,
    pub until: Timestamp,
    pub how: Taken,
}

/// How somebody came to talk with a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// By answering.
    Answered,
    /// Their device asked by REFER, in vain, and had the caller back without anybody's doing.
    NeverLeft,
}

/// The leg of a former agent who stays on the line, hearing the ringing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub agent: AgentLeg,
    /// The agent holds us, and hears nothing.
    pub held: bool,
    /// The leg's device asked by REFER: it is told how the transfer goes, then released.
    pub by_refer: bool,
}

#[derive(Debug)]
pub(crate) enum Stage {
    Holding,
    Ringing(Ring),
    /// An outside number is being dialled.
    Dialling(Dial),
    Recalling(Ring),
    NextAgent(Ring),
    Queued(Wait),
}

#[derive(Debug)]
pub(crate) enum ConsultStage {
    Ringing(Ring),
    Dialling(Dial),
    /// The agent speaks with the target.
    Speaking(Consulted),
    /// The agent speaks with the caller again, the target waits.
    Swapped(Consulted),
}

/// The target of a consultation, who has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consulted {
    pub side: Other,
    /// The target holds us.
    pub holds: bool,
}

/// `id` names it to the engine, `name` to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub id: String,
    pub name: String,
}

/// The ring that goes on in a state, shared or mutable as the state is.
macro_rules! ring_of {
    ($state:expr, $as:ident) => {
        match $state {
            State::Ringing { ring, .. } | State::Consulting { stage: ConsultStage::Ringing(ring), .. } => Some(ring),
            State::Queued(wait) => wait.offer.$as(),
            State::Transferring { stage, .. } => match stage {
                Stage::Holding | Stage::Dialling(_) => None,
                Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => Some(ring),
                Stage::Queued(wait) => wait.offer.$as(),
            },
            State::Consulting {
                stage: ConsultStage::Dialling(_) | ConsultStage::Speaking(_) | ConsultStage::Swapped(_),
                ..
            }
            | State::Dialling { .. }
            | State::Talking { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => None,
        }
    };
}

/// The place in a line, shared or mutable as the state is.
macro_rules! wait_of {
    ($state:expr) => {
        match $state {
            State::Queued(wait) | State::Transferring { stage: Stage::Queued(wait), .. } => Some(wait),
            State::Transferring {
                stage:
                    Stage::Holding | Stage::Ringing(_) | Stage::Dialling(_) | Stage::Recalling(_) | Stage::NextAgent(_),
                ..
            }
            | State::Consulting { .. }
            | State::Dialling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => None,
        }
    };
}

impl State {
    /// Talking, with no key pressed.
    pub(crate) fn talking(with: Other, held: bool) -> Self {
        Self::Talking { with, held, typed: None, given: None }
    }

    /// When this state must be looked at again. Only talking may go on for ever, and with it the time in which an agent
    /// who is on the line consults.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::Dialling { until, .. } => Some((*until, TimerReason::RingEnds)),
            Self::Ringing { ring, .. } => Some((ring.until, TimerReason::RingEnds)),
            Self::Talking { typed, .. } => typed.as_ref().map(|t| (t.until, TimerReason::KeysEnd)),
            Self::Over { .. } => None,
            Self::Queued(wait) => Some(wait.deadline()),
            Self::Transferring { stage, transfer } => Some(match stage {
                Stage::Holding => (transfer.since, TimerReason::RingEnds),
                Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => {
                    (ring.until, TimerReason::RingEnds)
                }
                Stage::Dialling(dial) => (dial.until, TimerReason::RingEnds),
                Stage::Queued(wait) => wait.deadline(),
            }),
            Self::Consulting { stage, .. } => match stage {
                ConsultStage::Ringing(ring) => Some((ring.until, TimerReason::RingEnds)),
                ConsultStage::Dialling(dial) => Some((dial.until, TimerReason::RingEnds)),
                ConsultStage::Speaking(_) | ConsultStage::Swapped(_) => None,
            },
            Self::Voicemail { until, .. } | Self::AwaitingRecording { until, .. } => {
                Some((*until, TimerReason::RecordingOverdue))
            }
            Self::Closing { until, .. } => Some((*until, TimerReason::ClosingOverdue)),
        }
    }

    /// The ring that goes on now, if any.
    pub(crate) fn ring(&self) -> Option<&Ring> {
        ring_of!(self, as_ref)
    }

    /// Whether it rings at the user now.
    pub(crate) fn rings_at(&self, user: &UserId) -> bool {
        self.ring().is_some_and(|ring| ring.towards.iter().any(|rung| rung.id == *user))
    }

    pub(crate) fn ring_mut(&mut self) -> Option<&mut Ring> {
        ring_of!(self, as_mut)
    }

    /// The place in a line, if any.
    pub(crate) fn wait(&self) -> Option<&Wait> {
        wait_of!(self)
    }

    pub(crate) fn wait_mut(&mut self) -> Option<&mut Wait> {
        wait_of!(self)
    }

    /// The answered (or calling) leg of the user who has, or is giving away, the call.
    pub(crate) fn agent_leg(&self) -> Option<&AgentLeg> {
        match self {
            Self::Dialling { agent, .. } | Self::Consulting { agent, .. } => Some(agent),
            Self::Talking { with, .. } => with.agent(),
            Self::Transferring { transfer, .. } => transfer.kept.as_ref().map(|k| &k.agent),
            Self::Ringing { .. }
            | Self::Queued(_)
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    /// The outside number that a transfer or consultation is dialling, if it does.
    pub(crate) fn dial(&self) -> Option<&Dial> {
        match self {
            Self::Transferring { stage: Stage::Dialling(dial), .. }
            | Self::Consulting { stage: ConsultStage::Dialling(dial), .. } => Some(dial),
            Self::Transferring {
                stage: Stage::Holding | Stage::Ringing(_) | Stage::Recalling(_) | Stage::NextAgent(_) | Stage::Queued(_),
                ..
            }
            | Self::Consulting {
                stage: ConsultStage::Ringing(_) | ConsultStage::Speaking(_) | ConsultStage::Swapped(_),
                ..
            }
            | Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Talking { .. }
            | Self::Queued(_)
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    /// The target of a consultation, once answered.
    pub(crate) fn consulted(&self) -> Option<&Consulted> {
        match self {
            Self::Consulting { stage: ConsultStage::Speaking(target) | ConsultStage::Swapped(target), .. } => {
                Some(target)
            }
            Self::Consulting { stage: ConsultStage::Ringing(_) | ConsultStage::Dialling(_), .. }
            | Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Talking { .. }
            | Self::Queued(_)
            | Self::Transferring { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => None,
        }
    }

    /// The legs besides the caller's and those that are rung, with their users.
    pub(crate) fn legs(&self) -> Vec<(LegId, Option<&UserId>)> {
        let outside = match self {
            Self::Talking { with: Other::Outside { leg, .. }, .. } => Some(*leg),
            Self::Talking { with: Other::Agent(_), .. }
            | Self::Dialling { .. }
            | Self::Ringing { .. }
            | Self::Queued(_)
            | Self::Transferring { .. }
            | Self::Consulting { .. }
            | Self::Voicemail { .. }
            | Self::Closing { .. }
            | Self::AwaitingRecording { .. }
            | Self::Over { .. } => self.dial().map(|d| d.leg),
        };
        let agent = self.agent_leg().map(|a| (a.leg, Some(&a.user.id)));
        let consulted = self.consulted().map(|c| (c.side.leg(), c.side.agent().map(|a| &a.user.id)));
        agent.into_iter().chain(consulted).chain(outside.map(|leg| (leg, None))).collect()
    }

    /// The transfer that goes on, if any.
    pub(crate) fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Transferring { transfer, .. } | Self::Consulting { transfer, .. } => Some(transfer),
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

    pub(crate) fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        match self {
            Self::Transferring { transfer, .. } | Self::Consulting { transfer, .. } => Some(transfer),
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
