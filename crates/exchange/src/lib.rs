//! The exchange: one process that registers an account's devices, decides who talks to whom, and answers the control
//! API.
//!
//! Reading order: [`config`] (one file, read and checked once) → [`serve`] (starts everything, stops everything) →
//! [`brain`] (the one task that owns the switchboard) → [`engine`] (carries its orders out) → [`store`] (what outlives
//! a restart) → [`api`] (what desks and scripts ask).

pub mod api;
pub mod brain;
pub mod config;
pub mod engine;
mod lamps;
pub mod serve;
pub mod store;
