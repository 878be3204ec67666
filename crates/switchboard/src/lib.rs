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
mod timer;

pub use account::*;
pub use input::*;
pub use output::*;
pub use timer::TimerReason;

use protocol::{
    CallId, CallRecord, Denied, Department, LiveCall, Timestamp, TransferTarget, User, UserId,
};

/// Everything an account's calls are doing now.
pub struct Switchboard {
    account: Account,
}

/// A broken promise, found by [`Switchboard::check`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Violation {
    pub what: String,
}

#[allow(unused_variables, clippy::needless_pass_by_value, clippy::unused_self)]
impl Switchboard {
    /// `instance` makes call and transfer ids unique across restarts; `last_audit` is the sequence number and hash of
    /// the newest entry of the audit trail (0 and empty if there is none); `last_record_seq` the newest record's.
    #[must_use]
    pub fn new(account: Account, instance: String, last_audit: (u64, String), last_record_seq: u64) -> Self {
        Self { account }
    }
    pub fn handle(&mut self, now: Timestamp, input: Input) {}
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        None
    }
    #[must_use]
    pub fn live_calls(&self) -> Vec<LiveCall> {
        vec![]
    }
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        vec![]
    }
    #[must_use]
    pub fn departments(&self) -> Vec<Department> {
        vec![]
    }
    /// # Errors
    /// Why not.
    pub fn may_transfer(&self, user: &UserId, call: &CallId) -> Result<(), Denied> {
        Ok(())
    }
    #[must_use]
    pub fn may_see(&self, user: &UserId, call: &LiveCall) -> bool {
        false
    }
    #[must_use]
    pub fn may_see_record(&self, user: &UserId, record: &CallRecord) -> bool {
        false
    }
    /// `None` if there is no such call.
    #[must_use]
    pub fn transfer_targets(&self, user: &UserId, call: &CallId) -> Option<Vec<TransferTarget>> {
        None
    }
    /// # Errors
    /// The first broken promise found.
    pub fn check(&self) -> Result<(), Violation> {
        Ok(())
    }
}
