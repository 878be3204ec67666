//! Digest authentication, both sides (RFC 7616, RFC 8760).

use std::{fmt, net::SocketAddr};

/// User name and password for digest challenges.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Whom to challenge, and with what.
pub trait Secrets: Send + Sync {
    fn realm(&self) -> String;
    /// The password of a digest user name; `None` if unknown (the answer to the peer is the same as for a wrong one).
    fn secret(&self, auth_user: &str) -> Option<String>;
    /// Trunk peers: requests from these sources are not challenged.
    fn trusted(&self, source: SocketAddr) -> bool;
}
