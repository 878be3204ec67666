//! Call control with no I/O: who talks to whom, and what happens next when something goes wrong.
//!
//! Shape: [`Switchboard::handle`]`(now, input)`, then drain [`Switchboard::poll_output`], then wait until
//! [`Switchboard::poll_timeout`] and hand in [`Input::Tick`]. There is no clock, thread, socket or file in here.
//!
//! **The invariant** (checked by [`Switchboard::check`] after every step of every test): a caller who has not hung up
//! is always in exactly one of: talking; ringing towards someone with a timer running; queued with a position and a
//! timer running; leaving a voicemail; hearing a configured closing announcement. Never silence, never nothing.

mod account;
mod input;
mod output;

pub use account::*;
pub use input::*;
pub use output::*;
