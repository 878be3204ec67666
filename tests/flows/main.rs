//! Whole flows over real sockets: our programs as a stranger would install them, foreign peers, and the real window.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fallback;
mod foreign;
mod hostile;
mod link;
mod purity;
mod rights;
mod transfer;
mod window;
