//! The app without a window: one owner of state, one inbox, one view out.
//!
//! [`Desk::start`] gives a [`DeskHandle`]. Whatever a person wants goes in as a [`Wish`] and returns at once; whatever
//! becomes of it goes out through [`Screen::publish`]. A screen listens first, then asks once for [`DeskHandle::view`].

mod accounts;
mod address;
mod certificate;
mod clock;
mod consult;
mod control;
mod device;
mod dialog;
mod feed;
mod handle;
mod headset;
mod live;
mod logs;
mod notices;
mod number;
mod outbox;
mod outcomes;
mod owner;
mod phone;
mod phones;
mod rings;
mod screen;
mod secrets;
mod session;
mod settings;
mod sound;
mod steps;
mod view;

pub use accounts::{
    Ability, AccountColour, AccountKey, AccountView, AccountsView, Has, MessagesView, SipAccountSettings, SipCodec,
    SipEncryption, SipTransport, WatchedLine, WatchedState, WatchedView,
};
pub use address::{Address, BadAddress};
pub use call_log::{Format, QUALITY_STEPS, TALK_STEPS_MS};
pub use device::{Device, DeviceMaker, HeadsetEars, HeadsetLamps, Message, Playing, Softphones, SoundTrial, Started};
pub use handle::{Desk, DeskConfig, DeskHandle, StartError};
pub use logs::{
    DetailsView, ExportView, LogsHead, LogsPatch, LogsView, MAX_QUERY_CHARS, MAX_VIEW_NAME_CHARS, PlayerState,
    PlayerView, RowsPatch, SummaryView, SyncView,
};
pub use screen::Screen;
pub use secrets::{Keyring, SystemKeyring};
pub use softphone::{RingTone, Security};
pub use view::*;

/// The filter of a log that shows what is `wanted` (as in `info,desk=debug`) but nothing secret: other people's crates write
/// down whole messages, with tokens and passwords, when they are asked for all they have.
#[must_use]
pub fn log_filter(wanted: &str) -> String {
    // The request that opens the control link has the token in it.
    format!("{wanted},{},tungstenite=debug,tungstenite::handshake::client=off", softphone::LOG_FILTER)
}
