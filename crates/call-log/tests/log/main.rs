//! The log from outside: what it keeps, finds, counts, refuses and survives.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod converge;
mod export;
mod files;
mod filter;
mod killed;
mod make;
mod remarks;
mod retain;
mod search;
