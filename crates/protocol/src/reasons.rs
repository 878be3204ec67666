use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{Timestamp, UserRef};

/// Why a ring, a leg or a transfer did not come off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NoAnswer,
    Busy,
    Declined,
    /// No device registered, or none answered the network.
    Unreachable,
    /// The device or its answer could not be used (no common codec, protocol failure).
    Failed,
    NobodyFree,
    /// The caller hung up.
    CallerGone,
    /// The colleague hung up.
    AgentGone,
    /// The party outside, to whom the caller had been transferred, hung up.
    OutsideGone,
    /// Whoever answered a transfer hung up before they could have said a word.
    HungUpAtOnce,
    /// Taken back by the person who started it.
    Cancelled,
    AnsweredElsewhere,
    Shutdown,
    /// The target does not want to be disturbed.
    DoNotDisturb,
    /// The target is away.
    Away,
    /// Somebody sent the caller straight to a mailbox.
    SentToVoicemail,
    /// Its parties were joined to another call by an attended transfer.
    Joined,
    /// The exchange failed or was killed while the call went on.
    ExchangeFailed,
    /// The app was quit or killed while a call of a plain SIP account went on.
    AppStopped,
}

impl Reason {
    /// A short phrase for a sentence: "came back: no answer".
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::Unreachable => "not reachable",
            Self::Failed => "the call could not be set up",
            Self::NobodyFree => "nobody free",
            Self::CallerGone => "the caller hung up",
            Self::AgentGone => "the colleague hung up",
            Self::OutsideGone => "the party outside hung up",
            Self::HungUpAtOnce => "hung up at once",
            Self::Cancelled => "cancelled",
            Self::AnsweredElsewhere => "answered elsewhere",
            Self::Shutdown => "the exchange was stopped",
            Self::DoNotDisturb => "do not disturb",
            Self::Away => "away",
            Self::SentToVoicemail => "sent to voicemail",
            Self::Joined => "joined with another call",
            Self::ExchangeFailed => "the exchange failed",
            Self::AppStopped => "ended when the app stopped",
        }
    }
}

/// Why a user may not transfer a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Denied {
    /// The call belongs to a department that is not the manager's.
    OtherDepartment,
    /// Agents move their own calls only.
    NotYourCall,
    /// The account does not let agents transfer.
    AgentsMayNotTransfer,
    /// The user is disabled.
    Disabled,
    /// Nobody has taken the call yet.
    NotAnsweredYet,
    /// A transfer of this call is going on.
    AlreadyTransferring {
        by: UserRef,
        to: String,
    },
    /// The call is with a mailbox or a closing announcement.
    Leaving,
    /// The call has ended.
    Ended,
    /// The call changed since the user looked at it.
    Stale {
        now: u32,
        /// What happened meanwhile, if somebody did it: "Maya Lindqvist transferred it to Ravi Kumar".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    UnknownUser,
    /// Only who talks in the call can speak with somebody first.
    NotOnCall,
    /// The account, or the user's rights, do not allow transfers to outside numbers.
    OutsideNotAllowed,
    /// Complete and swap need a consultation.
    NotConsulting,
    /// The colleague has not answered yet, so there is nothing to swap with.
    NotConnectedYet,
    /// The transfer is settled: it can't be taken back any more.
    Settled {
        outcome: String,
    },
    /// It is coming back already.
    ComingBack,
}

impl Denied {
    /// A sentence for the person who asked.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::OtherDepartment => {
                "This call belongs to another department. Ask one of its managers to transfer it.".into()
            }
            Self::NotYourCall => "You can transfer your own calls only. Ask a manager to move this one.".into(),
            Self::AgentsMayNotTransfer => {
                "This account does not let agents transfer calls. Ask a manager to move it.".into()
            }
            Self::Disabled => "Your user is disabled. Ask an administrator.".into(),
            Self::NotAnsweredYet => "Nobody has answered this call yet. Wait until somebody has.".into(),
            Self::AlreadyTransferring { by, to } => {
                format!("{} is already transferring this call to {to}. Wait until that is settled.", by.name)
            }
            Self::Leaving => "The caller is leaving a voicemail or hearing a closing announcement.".into(),
            Self::Ended => "This call has ended.".into(),
            Self::Stale { what: None, .. } => {
                "The call changed while you were choosing. Look at it again, then press Go.".into()
            }
            Self::Stale { what: Some(what), .. } => {
                format!("The call changed while you were choosing: {what}. Look at it again, then press Go.")
            }
            Self::NotOnCall => {
                "Only who is talking in this call can consult first. Press Go to transfer it without.".into()
            }
            Self::OutsideNotAllowed => {
                "You may not transfer calls to outside numbers. Choose a colleague, or ask an administrator.".into()
            }
            Self::NotConsulting => "Nobody is being consulted about this call. Choose Transfer to begin.".into(),
            Self::NotConnectedYet => "Your colleague has not answered yet. Wait, complete, or cancel.".into(),
            Self::Settled { outcome } => format!("Too late to take it back: {outcome}."),
            Self::ComingBack => "The call is coming back already.".into(),
            Self::UnknownUser => "You are not a user of this account any more. Sign in again.".into(),
        }
    }
}

/// Why a target can't take a transfer now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Ineligible {
    /// The account restricts transfers to one's own departments.
    OtherDepartment,
    Away {
        since: Timestamp,
    },
    DoNotDisturb {
        since: Timestamp,
    },
    Disabled,
    NoDevice,
    OnCall,
    /// The target is a party of this very call.
    InThisCall,
    /// A department with no member who could ever answer.
    NobodyThere,
    Unknown,
    /// Not a telephone number.
    NotANumber,
    /// The exchange has no trunk to the outside.
    NoTrunk,
}

impl Ineligible {
    /// A few words for the greyed row; "since" is added by whoever knows the reader's clock.
    #[must_use]
    pub fn phrase(&self) -> &'static str {
        match self {
            Self::OtherDepartment => "Other department",
            Self::Away { .. } => "Away",
            Self::DoNotDisturb { .. } => "Do not disturb",
            Self::Disabled => "Disabled",
            Self::NoDevice => "No phone signed in",
            Self::OnCall => "On a call",
            Self::InThisCall => "Already in this call",
            Self::NobodyThere => "Nobody signed in",
            Self::Unknown => "Not in this account",
            Self::NotANumber => "Not a telephone number",
            Self::NoTrunk => "No line to the outside",
        }
    }

    /// A sentence for the person who chose `target`.
    #[must_use]
    pub fn sentence(&self, target: &str) -> String {
        format!("{target} can't take this call: {}. Choose someone else.", self.phrase().to_lowercase())
    }
}
