//! Transfers. Pressing Go puts the caller on hold music and releases the former agent at once: from then on the caller
//! belongs to the transfer, which follows its [`Course`] until somebody talks with them or no step is left.

mod blind;
mod course;
mod fallback;
mod forecast;
mod recall;
mod refer;

pub(crate) use course::{Course, Point, Step};
