//! What a screen shows: one value, made by the desk, pushed to whoever draws. A screen never computes any of this.

mod calls;
mod sound;
mod wish;

use protocol::{CallId, Directory, LiveRow, Timestamp, TransferId, User};
use serde::{Deserialize, Serialize};
use specta::Type;

pub use calls::*;
pub use sound::*;
pub use wish::*;

use crate::{AccountsView, DetailsView, LogsPatch, LogsView, PlayerView};

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
