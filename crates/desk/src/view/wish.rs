//! What a person asks.

use call_log::{Column, Draft, Filter, Resolution};
use protocol::{CallId, DispositionId, Presence, Timestamp, TransferId};
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{PhoneCallId, SoundSettings};
use crate::AccountKey;

/// Everything a person can ask of the desk. The command returns at once; what becomes of it arrives as a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wish {
    /// `forget`: removes what this machine keeps of the user's calls, unsent notes too.
    SignOut {
        forget: bool,
    },
    AcceptFingerprint,
    RefuseFingerprint,
    SetPresence {
        presence: Presence,
    },
    OpenTransfer {
        call: CallId,
    },
    CloseTransfer,
    /// What would become of the call at this outside number; `None` when none is typed any more.
    AskNumber {
        call: CallId,
        number: Option<String>,
    },
    Transfer {
        call: CallId,
        revision: u32,
        target: protocol::Target,
        transfer: protocol::TransferKind,
        note: Option<String>,
    },
    /// The consultation becomes a transfer.
    CompleteTransfer {
        transfer: TransferId,
    },
    /// Speak with the other one of caller and colleague.
    SwapTransfer {
        transfer: TransferId,
    },
    CancelTransfer {
        transfer: TransferId,
    },
    Dial {
        number: String,
    },
    /// Writes a number where one is dialled. Nobody is called.
    OfferNumber {
        number: String,
    },
    Answer {
        id: PhoneCallId,
    },
    Decline {
        id: PhoneCallId,
    },
    HangUp {
        id: PhoneCallId,
    },
    Hold {
        id: PhoneCallId,
        held: bool,
    },
    Mute {
        id: PhoneCallId,
        muted: bool,
    },
    Dtmf {
        id: PhoneCallId,
        digits: String,
    },
    SearchLogs {
        filter: Filter,
    },
    MoreLogs,
    StopSync,
    ContinueSync,
    /// Keeps the filter as it is under this name.
    SaveView {
        name: String,
    },
    RemoveView {
        name: String,
    },
    SetColumns {
        columns: Vec<Column>,
    },
    /// Puts a note and a disposition on a call; `base` is the revision that the person saw, 0 if there was none.
    WriteRemarks {
        call: CallId,
        base: u32,
        note: String,
        disposition: Option<DispositionId>,
    },
    /// What of that the person has typed so far, to be there after a restart.
    DraftRemarks {
        draft: Draft,
    },
    /// The draft is saved, or given up.
    DropDraft {
        call: CallId,
    },
    /// Decides between what was written here and what somebody else wrote meanwhile.
    ResolveRemarks {
        call: CallId,
        resolution: Resolution,
    },
    /// Sums over this stretch of time are to be shown; `None`: not any more.
    Summarise {
        stretch: Option<(Timestamp, Timestamp)>,
    },
    /// Ends the export that goes on, or removes what is said of the last one.
    CancelExport,
    /// Plays the message that a caller left, or goes on with it.
    PlayMessage {
        call: CallId,
    },
    PauseMessage,
    SeekMessage {
        #[specta(type = f64)]
        ms: u64,
    },
    /// Percent: 50 to 200. Kept for the next messages.
    SpeedMessage {
        percent: u32,
    },
    CloseMessage,
    KeepLogs {
        days: Option<u32>,
        megabytes: u32,
    },
    OpenDetails {
        call: CallId,
    },
    CloseDetails,
    ChooseSound {
        choice: SoundSettings,
    },
    /// "Hear yourself": begins the test of microphone and speaker.
    TestSound,
    EndSoundTest,
    /// Ends a plain account on this machine. Its calls stay in the log.
    RemoveAccount {
        account: AccountKey,
    },
    AcceptAccountCertificate {
        account: AccountKey,
    },
    /// Whence numbers are called from now on; `None`: from the exchange's account.
    ChooseFrom {
        account: Option<AccountKey>,
    },
    CallMailbox {
        account: AccountKey,
    },
    /// Shows whether this line is free, if the account's system tells.
    WatchLine {
        account: AccountKey,
        number: String,
        name: String,
    },
    UnwatchLine {
        account: AccountKey,
        number: String,
    },
    DismissNotice {
        id: u32,
    },
}
