//! Who is signed in. Only a hash of the token is kept: reading the file signs nobody in.

use std::fmt::Write;

use protocol::{DeviceId, Timestamp, UserId};
use rand::Rng;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::StoreError;

pub(super) const V1: &str = "
    CREATE TABLE sessions (
        token_hash TEXT PRIMARY KEY, -- SHA-256, hex
        user TEXT NOT NULL,
        device TEXT NOT NULL REFERENCES devices (id),
        last_used INTEGER NOT NULL   -- ms since the Unix epoch
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_device ON sessions (device);";

/// A session that nobody used for this long is over: 30 days.
const IDLE_MS: u64 = 30 * 24 * 3600 * 1000;
/// `last_used` is written at most once an hour.
const TOUCH_MS: u64 = 3600 * 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub user: UserId,
    pub device: DeviceId,
    /// `last_used` is old enough to be written again.
    pub touch: bool,
}

/// 256 random bits, hex.
#[must_use]
pub fn random_token() -> String {
    hex(&rand::rng().random::<[u8; 32]>())
}

#[must_use]
pub fn hashed(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Begins a session of a device, ending the device's earlier ones and all that are idle too long.
///
/// # Errors
/// The database fails.
pub fn begin(c: &Connection, token: &str, user: &UserId, device: &DeviceId, now: Timestamp) -> Result<(), StoreError> {
    let idle_since = now.0.saturating_sub(IDLE_MS);
    c.execute("DELETE FROM sessions WHERE device = ?1 OR last_used < ?2", params![device.as_str(), idle_since])?;
    c.execute(
        "INSERT INTO sessions (token_hash, user, device, last_used) VALUES (?1, ?2, ?3, ?4)",
        params![hashed(token), user.as_str(), device.as_str(), now.0],
    )?;
    Ok(())
}

/// # Errors
/// The database fails.
pub fn find(c: &Connection, token: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
    let mut query =
        c.prepare_cached("SELECT user, device, last_used FROM sessions WHERE token_hash = ?1 AND last_used >= ?2")?;
    let session = query.query_row(params![hashed(token), now.0.saturating_sub(IDLE_MS)], |row| {
        Ok(Session {
            user: UserId(row.get(0)?),
            device: DeviceId(row.get(1)?),
            touch: now.ms_since(Timestamp(row.get(2)?)) > TOUCH_MS,
        })
    });
    Ok(session.optional()?)
}

/// # Errors
/// The database fails.
pub fn touch(c: &Connection, token: &str, now: Timestamp) -> Result<(), StoreError> {
    c.execute("UPDATE sessions SET last_used = ?2 WHERE token_hash = ?1", params![hashed(token), now.0])?;
    Ok(())
}

/// # Errors
/// The database fails.
pub fn end(c: &Connection, token: &str) -> Result<(), StoreError> {
    c.execute("DELETE FROM sessions WHERE token_hash = ?1", [hashed(token)])?;
    Ok(())
}
