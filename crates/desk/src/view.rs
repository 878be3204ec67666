//! What a screen shows: one value, made by the desk, pushed to whoever draws. A screen never computes any of this.

use call_log::{Column, Draft, Filter, Resolution};
use protocol::{
    CallId, Directory, DispositionId, LiveRow, Party, Presence, Timestamp, TransferId, TransferRight, TransferTarget,
    User,
};
use serde::{Deserialize, Serialize};
use softphone::Security;
use specta::Type;

use crate::{AccountKey, AccountsView, DetailsView, LogsPatch, LogsView, PlayerView};

/// Everything on the screen. Sections change one by one; see [`ViewPatch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct View {
    pub session: SessionView,
    pub link: LinkView,
    pub live: LiveView,
    pub phone: PhoneView,
    /// Calls ringing at this device, oldest first. The ring window shows these.
    pub rings: Vec<RingView>,
    pub dialog: Option<TransferDialog>,
    pub logs: LogsView,
    pub details: Option<DetailsView>,
    pub directory: Directory,
    pub sound: SoundView,
    pub notices: Vec<Notice>,
    /// Transfers that were asked here to be taken back, completed or swapped, and of which the exchange has not answered.
    pub asking: Vec<TransferId>,
    pub keeping: Keeping,
    pub player: Option<PlayerView>,
    /// Plain SIP accounts, beside an exchange or without one.
    pub accounts: AccountsView,
}

/// The sections that changed since the last patch; absent sections are as they were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
pub struct ViewPatch {
    pub session: Option<SessionView>,
    pub link: Option<LinkView>,
    pub live: Option<LivePatch>,
    pub phone: Option<PhoneView>,
    pub rings: Option<Vec<RingView>>,
    /// `Some(None)` closes the dialog. Serialised as absent, `{ "open": null }` or `{ "open": … }`.
    pub dialog: Option<Opened<TransferDialog>>,
    pub logs: Option<LogsPatch>,
    pub details: Option<Opened<DetailsView>>,
    pub directory: Option<Directory>,
    pub sound: Option<SoundView>,
    pub notices: Option<Vec<Notice>>,
    pub asking: Option<Vec<TransferId>>,
    pub keeping: Option<Keeping>,
    pub player: Option<Opened<PlayerView>>,
    pub accounts: Option<AccountsView>,
}

/// How much of the call log this machine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Type)]
pub struct Keeping {
    /// `None`: as long as there is room.
    pub days: Option<u32>,
    pub megabytes: u32,
}

/// A part of the screen that may be there or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Opened<T> {
    pub open: Option<T>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SessionView {
    /// Reading what is kept on this machine.
    Starting,
    SignedOut {
        /// Filled in from the last time.
        address: String,
        user: String,
        error: Option<String>,
    },
    SigningIn {
        address: String,
        user: String,
    },
    /// First contact with an exchange whose certificate no authority vouches for: the person compares and accepts.
    ConfirmFingerprint {
        address: String,
        user: String,
        fingerprint: String,
    },
    SignedIn {
        account: String,
        me: User,
        address: String,
        /// Said when the token could not go to the system keyring: where it is instead.
        keyring_warning: Option<String>,
    },
}

/// The two lines to the exchange, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct LinkView {
    pub control: LinkState,
    pub registration: LinkState,
    /// What is wrong with the exchange itself, as it says.
    pub exchange: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LinkState {
    Off,
    Connecting,
    Up,
    /// Since when nothing has been heard, why in a sentence, and when it is tried again; `None`: all the time.
    Down {
        since: Timestamp,
        why: String,
        retry_at: Option<Timestamp>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct LiveView {
    /// When the exchange last said that this is so.
    pub as_of: Option<Timestamp>,
    pub calls: Vec<LiveRow>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
pub struct LivePatch {
    pub as_of: Option<Timestamp>,
    /// If true, `changed` is the whole list.
    pub reset: bool,
    pub changed: Vec<LiveRow>,
    pub gone: Vec<CallId>,
}

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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SoundView {
    pub microphones: Vec<SoundDevice>,
    pub speakers: Vec<SoundDevice>,
    pub choice: SoundSettings,
    /// The chosen devices, whether or not they are plugged in.
    pub remembered: Vec<SoundDevice>,
    pub trouble: Option<String>,
    /// A headset with buttons, if one is plugged in.
    pub headset: Option<HeadsetView>,
    /// "Hear yourself", from its beginning until the person closes it.
    pub test: Option<SoundTestView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HeadsetView {
    pub name: String,
    /// Why its buttons can't be used.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundTestView {
    pub stage: SoundTestStage,
    /// Once it is done: of the microphone, then of the speaker.
    pub verdicts: Vec<SoundVerdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SoundTestStage {
    Opening,
    Beep,
    Listening,
    Playing,
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundVerdict {
    pub tone: Tone,
    pub sentence: String,
}

/// How loud microphone and speaker are in a call or a test, dBFS: 0 is the loudest, −100 silence. No part of the view: it
/// changes all the time, and few look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Levels {
    pub microphone: i16,
    pub speaker: i16,
}

impl Levels {
    pub const SILENCE: Self = Self { microphone: -100, speaker: -100 };

    pub(crate) fn new(microphone: f32, speaker: f32) -> Self {
        Self { microphone: microphone.round() as i16, speaker: speaker.round() as i16 }
    }
}

/// What the person has chosen for sound. Devices are ids; `None` is the system's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(default)]
pub struct SoundSettings {
    pub microphone: Option<String>,
    pub speaker: Option<String>,
    pub ringer: Option<String>,
    /// Calls ring on the speaker too.
    pub ring_both: bool,
    /// Takes out what the microphone hears of the speaker.
    pub cancel_echo: bool,
    pub reduce_noise: bool,
    /// Brings a soft or loud voice to a usual level.
    pub level_voice: bool,
}

impl Default for SoundSettings {
    fn default() -> Self {
        Self {
            microphone: None,
            speaker: None,
            ringer: None,
            ring_both: false,
            cancel_echo: true,
            reduce_noise: true,
            level_voice: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundDevice {
    pub id: String,
    pub name: String,
}

/// Something that happened and that the person should know; shown until dismissed or outdated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Notice {
    pub id: u32,
    pub at: Timestamp,
    pub tone: Tone,
    pub sentence: String,
    /// A transfer that can still be taken back: shown as an Undo button.
    pub undo: Option<TransferId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Good,
    Plain,
    Bad,
}

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
