use protocol::{
    CallId, DeviceId, LegId, Party, Presence, Reason, SoundTrouble, Target, TransferId, TransferKind, UserId,
};

/// Everything that can happen to a switchboard. Leg ids: the engine makes odd ones for legs that arrive, the
/// switchboard even ones for legs that it rings, so that neither has to ask the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Engine(EngineEvent),
    Command(Command),
    /// Time has come to [`crate::Switchboard::poll_timeout`] (or later). Harmless if early.
    Tick,
    /// The exchange is being stopped: end all calls cleanly, complete the records.
    Shutdown,
}

/// What an engine saw. Events of legs that no longer exist are ignored: late and duplicate ones do happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// A new leg that wants to talk; it has not been answered.
    Arrived {
        leg: LegId,
        origin: Origin,
        caller: Party,
        dialled: String,
    },
    /// A leg we ring says that it rings (180/183).
    Ringing {
        leg: LegId,
    },
    /// A leg we ring was answered (200), or an `Order::Answer` was carried out (ACK).
    Answered {
        leg: LegId,
    },
    /// The far end put the leg on hold or took it back.
    Held {
        leg: LegId,
        held: bool,
    },
    /// The far end asks us to transfer whom it talks with (REFER): `to` is the user part of Refer-To.
    ReferRequested {
        leg: LegId,
        to: String,
        replaces: Replaces,
    },
    /// A leg we ring sends the call elsewhere (302) instead of answering: `to` is the user part of its Contact. The
    /// leg is over.
    Diverted {
        leg: LegId,
        to: String,
    },
    /// A key was pressed at the far end (RFC 4733 or INFO): 0–9, `*`, `#`, A–D.
    Digit {
        leg: LegId,
        digit: char,
    },
    /// The leg is over: hung up, refused, unreachable, or cancelled by us and confirmed.
    Ended {
        leg: LegId,
        reason: Reason,
    },
    /// How the leg sounded over its whole life; said before its `Ended`, if there was sound to measure. Also said of legs
    /// that were hung up by order, whose call may be over by then.
    Quality {
        leg: LegId,
        quality: SoundQuality,
    },
    /// An announcement that was ordered has been played to its end.
    PromptFinished {
        leg: LegId,
    },
    /// A voicemail recording ended (pound key, silence, time limit or hang-up).
    Recorded {
        leg: LegId,
        duration_ms: u64,
        file: String,
    },
    /// An order could not be carried out. The leg is unusable if `fatal`.
    OrderFailed {
        leg: LegId,
        detail: String,
        fatal: bool,
    },
    DeviceRegistered {
        user: UserId,
        device: DeviceId,
    },
    DeviceGone {
        user: UserId,
        device: DeviceId,
    },
}

/// As [`protocol::LegQuality`], without whose leg it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundQuality {
    pub codec: String,
    pub score: u16,
    pub lost_permille: u16,
    pub jitter_ms: u16,
    pub round_trip_ms: Option<u16>,
    pub trouble: Option<SoundTrouble>,
    pub encrypted: bool,
}

/// Whether a Refer-To names a dialog that the transfer target already has with us (attended, RFC 3891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Blind.
    Nothing,
    /// The dialog of this leg of ours.
    Leg(LegId),
    /// A dialog that has ended, or never was.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From outside, through the trunk.
    Trunk,
    /// From a registered device of a user.
    Device { user: UserId, device: DeviceId },
}

/// What a person asked for, through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Transfer {
        by: UserId,
        call: CallId,
        revision: u32,
        target: Target,
        kind: TransferKind,
        note: Option<String>,
    },
    /// The consultation becomes a transfer: answered, the two are connected; still ringing, it goes on without us.
    CompleteTransfer {
        by: UserId,
        transfer: TransferId,
    },
    /// Speak with the other one of caller and target.
    SwapTransfer {
        by: UserId,
        transfer: TransferId,
    },
    /// While the target rings, or in a consultation: bring the caller back to whom they came from.
    CancelTransfer {
        by: UserId,
        transfer: TransferId,
    },
    SetPresence {
        by: UserId,
        presence: Presence,
    },
    /// For the audit trail only.
    SignedIn {
        user: UserId,
        accepted: bool,
        rule: String,
    },
    SignedOut {
        user: UserId,
    },
}
