//! Transactions (RFC 3261 section 17, with RFC 6026 for accepted INVITEs): retransmission and matching, nothing of calls.

mod client;
mod server;

use std::collections::HashMap;

use self::{client::Client, server::Server};
pub(crate) use self::{
    client::{Outcome, cancel_of},
    server::Arrived,
};
use crate::{LegKey, RegistrationKey, SubscriptionKey, WatcherKey};

/// Who wants to know what became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Leg(LegKey),
    Registration(RegistrationKey),
    Subscription(SubscriptionKey),
    Watcher(WatcherKey),
    Nobody,
}

#[derive(Default)]
pub(crate) struct Transactions {
    clients: HashMap<u64, Client>,
    client_keys: HashMap<String, u64>,
    servers: HashMap<u64, Server>,
    server_keys: HashMap<String, u64>,
    /// INVITEs outside of a dialog, whatever way they came: Call-ID, tag of From, CSeq.
    calls: HashMap<String, u64>,
    last_id: u64,
}

impl Transactions {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// How many there are.
    pub fn kept(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.client_keys.is_empty() && self.server_keys.is_empty()
    }

    #[cfg(test)]
    pub fn open_servers(&self) -> usize {
        self.servers.len()
    }
}
