//! The exchange from outside: its file, its API over real sockets, its program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod audit;
mod config;
mod connections;
mod feed;
mod forged;
mod office;
mod program;
mod remarks;
mod rights;
mod store;
