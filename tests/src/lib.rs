//! The sample office as a stage: exchange, colleagues and callers as real processes, a private screen with sound,
//! and the means to look and listen. The demo and the flow tests play on it.

pub mod asterisk;
pub mod baresip;
pub mod encrypted;
pub mod exchange;
pub mod flood;
pub mod golden;
pub mod line;
pub mod office;
pub mod phone;
pub mod ports;
pub mod program;
pub mod rig;
pub mod seat;
pub mod sipp;
pub mod sound;
pub mod story;
pub mod window;
