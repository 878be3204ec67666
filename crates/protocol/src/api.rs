//! The control API's messages. REST bodies first, then the WebSocket's.

use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{
    CallId, CallRecord, Department, DeviceId, DispositionId, LiveCall, Presence, Remarks, Target, Timestamp,
    TransferId, TransferKind, TransferRight, TransferTarget, User, UserId,
};

/// `POST /v1/session`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    pub user: String,
    pub password: String,
    /// What the person calls this device: "desk", "laptop".
    pub device_name: String,
    /// The device's id from an earlier sign-in, to keep its credentials' place. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
}

/// Answer to [`SignIn`]. Holds secrets: neither type has `Debug`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Bearer token for every other request.
    pub token: String,
    pub user: User,
    pub account: String,
    pub sip: SipAccount,
}

/// The device's own SIP credentials. Random, one per device, revocable.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SipAccount {
    pub device: DeviceId,
    /// `sip:host:port` of the registrar, with `;transport=tcp` if not UDP. The host is empty when the exchange can't
    /// know how it is reached: then it is the host of the control API.
    pub registrar: String,
    /// User part of the address of record: the user's id.
    pub user: String,
    /// Digest user name: one per device.
    pub auth_user: String,
    pub password: String,
    pub realm: String,
}

/// `GET /v1/directory`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Directory {
    pub users: Vec<User>,
    pub departments: Vec<Department>,
    /// What a finished call can be marked as, in the configured order.
    #[serde(default)]
    pub dispositions: Vec<Disposition>,
}

/// A word that people put on finished calls: "Resolved", "Call back".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Disposition {
    pub id: DispositionId,
    pub name: String,
}

/// `PUT /v1/calls/{call}/remarks`; the answer is the new [`crate::Remarks`]. Who says again what they have just said is
/// answered as the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRemarks {
    /// The revision that the person saw; 0 if there was none. If it is another one, status 409 and [`RemarksConflict`].
    pub base: u32,
    /// At most [`crate::MAX_REMARK_CHARS`] characters, of which line feeds are the only control characters; may be empty.
    pub note: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<DispositionId>,
}

/// A live call with what its reader may do to it. `GET /v1/live` answers a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct LiveRow {
    pub call: LiveCall,
    pub transfer_right: TransferRight,
    /// Set while a transfer goes on: whether the reader may take it back (Undo, Cancel).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_right: Option<TransferRight>,
    /// Set while the reader consults about this call: whether it can be completed and swapped now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_right: Option<TransferRight>,
}

/// The longest note, in characters: it has to fit a ring window, and the INVITE that carries it.
pub const MAX_NOTE_CHARS: usize = 200;

/// `POST /v1/calls/{call}/transfer`. A field with a wrong name is refused: a misspelt `kind` must not move a call
/// another way than was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// The revision of the call that the person was looking at.
    pub revision: u32,
    pub target: Target,
    #[serde(default)]
    pub kind: TransferKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Answer to [`TransferRequest`], status 202: accepted is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct TransferAccepted {
    pub transfer: TransferId,
}

/// `GET /v1/calls/{call}/transfer-targets`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct TransferTargets {
    pub call: CallId,
    /// Revision of the call the answer was computed on.
    pub revision: u32,
    pub right: TransferRight,
    /// Whether the reader may speak with the target first.
    pub consult: TransferRight,
    /// Whether the reader may transfer this call to an outside number.
    pub outside: TransferRight,
    /// Users first by name, then departments by name; the ineligible ones too.
    pub targets: Vec<TransferTarget>,
}

/// `GET /v1/calls?after=SEQ&limit=N` (limit 1..=500, default 100): records changed after a cursor, oldest change first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct RecordPage {
    /// Identity of the exchange's store; if it changes, the cursor means nothing any more.
    pub store: String,
    /// Stands for what the reader may see; if it changes, some of what they have may not be theirs any more.
    #[serde(default)]
    pub scope: String,
    pub records: Vec<CallRecord>,
    pub more: bool,
}

/// `PUT /v1/presence`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPresence {
    pub presence: Presence,
}

/// Body of every answer whose status is 4xx or 5xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct ApiError {
    /// For machines: `denied.other_department`, `ineligible.away`, `bad_request`, `unauthorized`, `rate_limited` …
    pub code: String,
    /// For people: a sentence that says what to do next.
    pub message: String,
}

/// An [`ApiError`] with code `conflict.remarks`, and what the conflict is with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct RemarksConflict {
    #[serde(flatten)]
    pub error: ApiError,
    /// The remarks as they are; `None` if there are none (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remarks: Option<Remarks>,
}

/// What the WebSocket `GET /v1/feed` sends, as JSON text frames. The first frame is a `Snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "made once, sent, and dropped")]
pub enum FeedMessage {
    Snapshot(Snapshot),
    Delta(Delta),
    /// Sent every 5 s when nothing else is, so that both sides notice a dead link.
    Alive {
        number: u32,
        at: Timestamp,
    },
}

/// Everything the reader may see now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Snapshot {
    /// Deltas that follow count on from here.
    pub number: u32,
    pub at: Timestamp,
    pub store: String,
    /// As [`RecordPage::scope`].
    #[serde(default)]
    pub scope: String,
    /// The newest record's `seq`.
    #[specta(type = f64)]
    pub records_seq: u64,
    pub me: UserId,
    pub live: Vec<LiveRow>,
    /// What is wrong with the exchange itself, as a sentence: "Call records can't be written: the disk is full."
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    pub directory: Directory,
}

/// What changed. A reader that sees a gap in `number` sends [`FeedRequest::Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Delta {
    pub number: u32,
    pub at: Timestamp,
    #[serde(flatten)]
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "change", content = "value", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "made once, sent, and dropped")]
pub enum Change {
    Call(LiveRow),
    CallGone(CallId),
    User(User),
    Department(Department),
    /// A finished call, complete with journey and audit.
    Record(CallRecord),
    /// As [`Snapshot::trouble`]; `None`: all is well again.
    Trouble(Option<String>),
}

/// What a reader may send on the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FeedRequest {
    Snapshot,
}
