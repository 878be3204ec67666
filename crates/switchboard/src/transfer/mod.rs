//! Transfers. Pressing Go puts the caller on hold music and lets the former agent go (at once, or when the target
//! answers): from then on the caller belongs to the transfer, which follows its [`Course`] until somebody talks with
//! them or no step is left. Who consults first keeps the caller; only completing it gives them away.

mod ask;
mod attended;
mod blind;
mod consult;
mod course;
mod fallback;
mod forecast;
#[cfg(test)]
mod foretold;
mod keys;
mod outside;
mod recall;
mod refer;
mod resume;
mod steps;
mod ways;

pub(crate) use ask::{Asked, Way, Wish, action, may_consult, rule_of};
pub(crate) use course::{Course, Point, Step, Team};
pub use forecast::TargetList;
pub(crate) use steps::{Request, Settled};
