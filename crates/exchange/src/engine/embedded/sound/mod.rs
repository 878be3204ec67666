//! The sound of the legs: one RTP port pair and one task per leg.
//!
//! What a leg hears is its [`Mode`](line::Line). Two bridged legs with a codec in common are relayed: the packet is
//! rewritten in place and sent on. Everything else passes through 20 ms frames.

mod keys;
mod library;
mod line;
mod port;
mod recorder;
mod rtcp;
#[cfg(test)]
mod tests;

pub use library::Library;
pub use line::{Heard, Line};
pub use port::Terms;
