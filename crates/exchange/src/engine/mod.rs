//! Engines carry out what the switchboard orders and report what they see.

pub mod embedded;

use futures::future::BoxFuture;
use switchboard::Order;

/// Whatever moves calls: the embedded engine, or (later) Asterisk through ARI.
///
/// What becomes of an order arrives as `EngineEvent` on the channel that the engine was started with.
pub trait Engine: Send + Sync {
    /// Takes an order and returns at once. Never fails: trouble is reported as `EngineEvent::OrderFailed`, and an order
    /// about a leg that has ended is ignored.
    fn carry_out(&self, order: Order);

    /// Ends all legs, closes all sockets, waits until nothing is left running.
    fn stop(&self) -> BoxFuture<'_, ()>;
}
