//! The buttons and lamps of a headset: USB telephony devices (HID usage page 0x0B).
//!
//! [`Layout`] reads what a device says of itself, [`meaning`] says what a button means in which situation, [`lamps`] what the
//! headset should show; all three are pure. [`listen`] is the only part that touches a device.

mod descriptor;
mod device;
mod layout;
mod situation;

pub use device::{Headset, listen};
pub use layout::Layout;
pub use situation::{Action, Lamps, Situation, Talk, lamps, meaning};

/// What a person did with the headset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The hook switch of a device that knows its own state.
    OffHook,
    OnHook,
    /// The hook switch of one that does not: it was pressed.
    Hook,
    Mute,
    /// Answers a second call, or holds.
    Flash,
    /// Refuses a call, or ends it.
    Drop,
}

/// What happens with headsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// One was plugged in, and its buttons are heard.
    Found {
        name: String,
    },
    /// One is there, but this program may not open it: a sentence.
    Refused {
        name: String,
        sentence: String,
    },
    Gone,
    Button(Button),
}
