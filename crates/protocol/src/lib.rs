//! The words both sides share: what an exchange and a desk say to each other.
//!
//! Plain data only. Nothing here decides, waits, or touches a socket; deciding is `switchboard`'s room.

mod api;
mod audit;
mod call;
mod ids;
mod people;
mod reasons;
mod record;
mod time;
mod transfer;

pub use api::*;
pub use audit::*;
pub use call::*;
pub use ids::*;
pub use people::*;
pub use reasons::*;
pub use record::*;
pub use time::*;
pub use transfer::*;
