//! The app without a window: one owner of state, one inbox, one view out.

mod view;

pub use view::*;
