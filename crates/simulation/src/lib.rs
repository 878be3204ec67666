//! Random lives of an exchange in virtual time. Each world is small: a random office with random policies, its people,
//! callers and telephones, an engine that obeys orders and sometimes fails to, and all the faults that networks have.
//! After every single step every promise is checked, judged by what each leg hears and by our own bookkeeping.
//!
//! A world depends on nothing but the run's seed and its own number, so worlds are lived on all cores at once and the
//! run comes out the same.

mod act;
mod books;
mod deeds;
mod desk;
mod engine;
mod office;
mod promise;
mod report;
mod rng;
mod run;
mod shrink;
mod trace;
mod world;

pub use report::{Kinds, Report};
pub use run::{Failure, Options, run, tell};
pub use world::Plant;
