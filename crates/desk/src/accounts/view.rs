//! What a screen shows of plain accounts.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::settings::{AccountKey, SipAccountSettings};
use crate::LinkState;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Type)]
pub struct AccountsView {
    pub list: Vec<AccountView>,
    /// From which account a number is called; `None`: the exchange's.
    pub from: Option<AccountKey>,
    /// Why what was last entered was not taken, as a sentence.
    pub fault: Option<String>,
    /// Grows by one with every account that was taken: a form that waits for that closes.
    pub saved: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct AccountView {
    /// As entered; the form to change it starts with these.
    pub settings: SipAccountSettings,
    /// "Shop", or the address.
    pub name: String,
    /// Two letters for a narrow place.
    pub label: String,
    pub state: LinkState,
    /// What to do next, if it is not registered.
    pub advice: Option<String>,
    /// The server shows this certificate, which nobody vouches for: the person compares and accepts.
    pub fingerprint: Option<String>,
    /// Said when the password could not go to the system keyring: where it is instead.
    pub keyring_warning: Option<String>,
    pub messages: Option<MessagesView>,
    pub watched: Vec<WatchedView>,
    /// What this account's system can do, in the words of the screen.
    pub abilities: Vec<Ability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct MessagesView {
    pub waiting: bool,
    /// Systems that only light a lamp give no number.
    pub new: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct WatchedView {
    pub number: String,
    /// The name, or the number.
    pub name: String,
    pub state: WatchedState,
    /// Why nothing is known.
    pub why: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum WatchedState {
    Free,
    Ringing,
    OnCall,
    Unknown,
}

/// Something that a person may want of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Ability {
    pub has: Has,
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Has {
    Yes,
    No,
    /// It shows when it is tried.
    Unknown,
}
