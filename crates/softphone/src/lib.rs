//! The user's device: SIP, media and sound put together behind one handle.
//!
//! [`Phone::start`] gives the handle and the stream of everything that happens. Commands return at once; what becomes
//! of them arrives as a [`PhoneEvent`]. One task owns all state (`owner`), one thread moves all sound (`voice`).
//! [`Player`] plays recorded messages and [`SoundTest`] tries the devices, apart from all that.

mod answers;
mod call;
mod config;
mod dialled;
mod ended;
mod event;
mod incoming;
mod owner;
mod phone;
mod player;
mod session;
mod sound_test;
mod stun;
mod voice;

pub use audio::same as same_device;
pub use config::{
    Account, AnswerMode, Encryption, Identity, PhoneConfig, Play, RingTone, Secret, Sound, SoundChoice, Transport,
};
pub use event::{
    CallEvent, CallKey, Ended, HeldBy, PhoneEvent, QualityReport, RegistrationState, Security, WatchedState,
};
pub use incoming::{IncomingCall, Recalled, RingKind};
pub use media::{Codec, MicrophoneVerdict, Processing, SpeakerVerdict};
pub use phone::{Error, Phone, SoundDevice, SoundDevices};
pub use player::{Player, PlayerError, PlayerEvent};
pub use sip::{Fingerprint, Impairment, LOG_FILTER, Names, Trace, Trust, Way};
pub use sound_test::{SoundTest, SoundTestEvent};
