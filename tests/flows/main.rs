//! Whole flows over real sockets: our programs as a stranger would install them, foreign peers, and the real window.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asterisk;
mod attended;
mod away;
mod devices;
mod direct;
mod disk;
mod encrypted;
mod fallback;
mod foreign;
mod hang_up;
mod hold;
mod hostile;
mod killed;
mod kinds;
mod lamps;
mod link;
mod logs;
mod plugging;
mod purity;
mod refused;
mod rights;
mod scene;
mod six;
mod transfer;
mod window;
