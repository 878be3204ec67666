//! The user's own calls, what rings, and the pop-up that hands a call over.

use protocol::{CallId, Party, Timestamp, TransferId, TransferRight, TransferTarget};
use serde::{Deserialize, Serialize};
use softphone::Security;
use specta::Type;

use crate::AccountKey;

/// The user's own calls on this device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct PhoneView {
    pub calls: Vec<PhoneCall>,
    /// A sentence if the phone can't be used now.
    pub trouble: Option<String>,
    /// A number that something other than this window wants called, for the person to call or not.
    pub offered: Option<OfferedNumber>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OfferedNumber {
    pub number: String,
    /// So that the same number can be offered again.
    pub at: Timestamp,
}

/// Identifies a call of this device, inside this process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct PhoneCallId(pub u32);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct PhoneCall {
    pub id: PhoneCallId,
    /// The plain account by which it came or went; `None`: the exchange's.
    pub account: Option<AccountKey>,
    /// The account's call, when known: the row in the live list.
    pub call: Option<CallId>,
    pub with: Party,
    pub state: PhoneCallState,
    pub since: Timestamp,
    pub muted: bool,
    /// Held by us.
    pub held: bool,
    /// Held by the other side.
    pub held_by_other: bool,
    pub codec: Option<String>,
    /// In words: "good", "poor: 8 % loss".
    pub quality: Option<String>,
    /// Who can listen in; `None`: not agreed on yet.
    pub security: Option<Security>,
    pub transfer_right: Option<TransferRight>,
    /// The consultation that goes on about this call.
    pub consult: Option<ConsultView>,
    /// The caller about whom the colleague on this call speaks, before handing them over.
    pub about: Option<Party>,
}

/// Speaking with a colleague about a caller who is on hold, before handing them over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct ConsultView {
    pub transfer: TransferId,
    /// "Ravi Kumar".
    pub with: String,
    pub stage: ConsultStage,
    /// Since when whoever is not spoken with has been hearing music.
    pub waiting_since: Timestamp,
    /// Whether it can be completed now.
    pub complete_right: TransferRight,
    /// Whether the other one can be spoken with now.
    pub swap_right: TransferRight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum ConsultStage {
    /// The colleague is being rung.
    Ringing,
    /// Speaking with the colleague; the caller hears music.
    WithColleague,
    /// Speaking with the caller; the colleague hears music.
    WithCaller,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum PhoneCallState {
    Dialling,
    /// The far end rings.
    Ringing,
    Talking,
    Ending,
}

/// One incoming call, as the ring window shows it. All of it came with the INVITE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct RingView {
    pub id: PhoneCallId,
    /// The plain account that is called; `None`: the exchange's.
    pub account: Option<AccountKey>,
    /// The account's call, if the INVITE named it: the row in the live list.
    pub call: Option<CallId>,
    pub kind: RingKind,
    /// "Internal transfer from Ravi Kumar", "Back from Ravi Kumar: no answer after 20 s", "Call for Support".
    pub headline: String,
    pub caller: Party,
    /// Who transfers, or wants to speak first.
    pub by: Option<Party>,
    pub department: Option<String>,
    pub note: Option<String>,
    pub since: Timestamp,
    /// Answer was pressed; waiting for the exchange.
    pub answering: bool,
    /// Who can listen in once it is answered; `None`: only the answer decides.
    pub security: Option<Security>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum RingKind {
    Outside,
    Internal,
    Transfer,
    Recall,
    /// A colleague wants to speak about a caller before handing them over.
    Consult,
}

/// The pop-up between Transfer and Go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct TransferDialog {
    pub call: CallId,
    /// The revision the person decides on.
    pub revision: u32,
    pub caller: Party,
    pub body: DialogBody,
    /// The outside number that stands in the search field.
    pub number: Option<TypedNumber>,
    /// Go was pressed, and the exchange has not answered yet.
    pub sending: bool,
    /// Why Go was refused, as a sentence.
    pub error: Option<String>,
    /// Of a call of a plain account: what its own system does and does not do.
    pub system: Option<String>,
    /// What became of the call while the dialog was open, as a sentence: "Maya Lindqvist is transferring it to Ravi Kumar."
    pub changed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DialogBody {
    Loading,
    Ready {
        targets: Vec<TransferTarget>,
        /// Whether this user may transfer this call to an outside number.
        outside: TransferRight,
    },
    Failed {
        sentence: String,
    },
}

/// A number as the person wrote it, and what the exchange says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct TypedNumber {
    pub number: String,
    pub answer: NumberAnswer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NumberAnswer {
    Asking,
    Ready { target: Box<TransferTarget> },
    Failed { sentence: String },
}
