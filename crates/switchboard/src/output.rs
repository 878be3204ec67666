use protocol::{
    AuditEntry, CallId, CallRecord, Department, DeviceId, LegId, LegQuality, LiveCall, Party, Reason, TransferId, User,
};

/// What a switchboard wants done, and what it wants known.
// Outputs are moved once, from a queue of few: boxing would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Order(Order),
    Fact(Fact),
}

/// What an engine must do. Each of these is within reach of Asterisk's ARI too: originate, bridge, music on hold, play,
/// record, hang up. An order about a leg that has ended is ignored by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send an INVITE to one device; the engine reports on `leg`.
    Ring { leg: LegId, device: DeviceId, card: RingCard },
    /// Send an INVITE to an outside number through the trunk.
    Dial { leg: LegId, number: String, from: Party },
    /// Say 180 on a leg that arrived.
    IndicateRinging { leg: LegId },
    /// Answer a leg that arrived. Reported as `Answered`.
    Answer { leg: LegId },
    /// Connect the sound of two answered legs; ends their music, prompts and former bridges.
    Bridge { a: LegId, b: LegId },
    /// Take the leg out of any bridge and let it hear hold music.
    PlayMusic { leg: LegId },
    /// Take the answered leg out of any bridge and let it hear that somebody is being rung.
    PlayRingback { leg: LegId },
    /// Let the leg hear a short announcement instead of its partner, once, without changing any bridge. Not reported.
    Notice { leg: LegId, prompt: Prompt },
    /// Take the leg out of any bridge, play an announcement once, report `PromptFinished`.
    PlayPrompt { leg: LegId, prompt: Prompt },
    /// Take the leg out of any bridge, play the mailbox's greeting and the beep, record until pound, hang-up or
    /// `max_seconds`; report `Recorded`.
    RecordVoicemail { leg: LegId, call: CallId, mailbox: String, max_seconds: u32 },
    /// End the leg, in whatever state: CANCEL, final refusal or BYE. `reason` picks the status and the Reason header
    /// (`AnsweredElsewhere` is no missed call, RFC 3326). Reported as `Ended`.
    HangUp { leg: LegId, reason: Reason },
    /// Answer to `EngineEvent::ReferRequested`: 202 and progress NOTIFYs, or a refusal.
    ReferProgress { leg: LegId, progress: ReferProgress },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferProgress {
    Accepted,
    Ringing,
    Done,
    Failed(Reason),
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prompt {
    /// "We are sorry that this call could not be answered today. You are welcome to try again later. Goodbye."
    Closing,
    /// "That transfer is not possible."
    NotPossible,
}

/// All that a ring window shows. It travels in the INVITE, so ringing works while the control link is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingCard {
    pub call: CallId,
    pub kind: RingKind,
    pub caller: Party,
    pub department: Option<String>,
    /// Who pressed Go.
    pub transferred_by: Option<Party>,
    pub note: Option<String>,
    /// For a recall: whom the call comes back from, and why.
    pub back_from: Option<BackFrom>,
    /// The person has just asked for this very call (Undo): their device may answer by itself.
    pub answer: AnswerMode,
}

/// Whom a recall comes back from: "back from Ravi: no answer after 20 s".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackFrom {
    pub name: String,
    pub reason: Reason,
    /// How long it was tried, seconds; 0 if it was over at once.
    pub seconds: u32,
}

/// RFC 5373.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnswerMode {
    #[default]
    Manual,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingKind {
    Outside,
    Internal,
    Transfer,
    Recall,
    /// A colleague wants to speak about a caller before handing them over.
    Consult,
}

/// What everyone who is allowed to should know.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    CallChanged(LiveCall),
    CallGone(CallId),
    /// A call has ended; or its record, said before, has changed. The newer `seq` holds.
    Record(Box<CallRecord>),
    /// The record that this call would have if the exchange failed now. To be kept until its `Record`, and given to
    /// [`crate::Switchboard::recover`] by the next run.
    Draft(Box<CallRecord>),
    /// How a leg sounded that ended after its call's `Record` was said: to be put into that by
    /// [`crate::Switchboard::amend`].
    Measured {
        call: CallId,
        quality: LegQuality,
    },
    Audit(AuditEntry),
    UserChanged(User),
    DepartmentChanged(Department),
    /// Answer to `Command::Transfer`, always exactly one for each, before any later output about that transfer.
    TransferAnswer {
        call: CallId,
        answer: Result<TransferId, Refusal>,
    },
    /// Answer to `Command::{CancelTransfer, CompleteTransfer, SwapTransfer}`, always exactly one for each.
    StepAnswer {
        transfer: TransferId,
        answer: Result<(), Refusal>,
    },
}

/// Why a transfer was not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Denied(protocol::Denied),
    Ineligible(protocol::Ineligible),
    UnknownCall,
    UnknownTransfer,
}
