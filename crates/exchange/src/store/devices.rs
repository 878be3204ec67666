//! Devices and their SIP passwords. Digest authentication needs the password itself, so it is kept as it is; the file
//! is its owner's only, each password is random and good for one device, and revoking one disturbs no other.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use protocol::{DeviceId, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, sessions::random_token};
use crate::engine::embedded::DeviceSecrets;

pub(super) const V1: &str = "
    CREATE TABLE devices (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        name TEXT NOT NULL,
        secret TEXT NOT NULL,     -- empty: signed out or revoked
        made_at INTEGER NOT NULL, -- ms since the Unix epoch
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;";

/// What a device signs in with. No `Debug`: it holds a secret.
pub struct Credentials {
    pub device: DeviceId,
    pub secret: String,
}

/// Gives a device of `user` a new password: the device `again` if it is that user's and not revoked, else a new one.
///
/// # Errors
/// The database fails.
pub fn issue(
    c: &Connection,
    user: &UserId,
    name: &str,
    again: Option<&DeviceId>,
    now: Timestamp,
) -> Result<Credentials, StoreError> {
    let secret = random_token();
    if let Some(device) = again {
        let changed = c.execute(
            "UPDATE devices SET secret = ?3, name = ?4 WHERE id = ?1 AND user = ?2 AND revoked = 0",
            params![device.as_str(), user.as_str(), secret, name],
        )?;
        if changed == 1 {
            return Ok(Credentials { device: device.clone(), secret });
        }
    }
    let device = DeviceId(random_token()[..20].to_owned());
    c.execute(
        "INSERT INTO devices (id, user, name, secret, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![device.as_str(), user.as_str(), name, secret, now.0],
    )?;
    Ok(Credentials { device, secret })
}

/// Until the device's next sign-in it can neither register nor call.
///
/// # Errors
/// The database fails.
pub fn sign_out(c: &Connection, device: &DeviceId) -> Result<(), StoreError> {
    c.execute("UPDATE devices SET secret = '' WHERE id = ?1", [device.as_str()])?;
    Ok(())
}

/// From now on the device can neither register nor call, and its sessions are over. `false` if there is no such device.
///
/// # Errors
/// The database fails.
pub fn revoke(c: &Connection, device: &DeviceId) -> Result<bool, StoreError> {
    c.execute("DELETE FROM sessions WHERE device = ?1", [device.as_str()])?;
    Ok(c.execute("UPDATE devices SET revoked = 1, secret = '' WHERE id = ?1", [device.as_str()])? == 1)
}

/// The engine's view of the devices. It asks the file each time (an indexed look-up, microseconds), so that what the
/// command line issues or revokes holds at once.
pub struct Devices {
    connection: Mutex<Connection>,
    /// Disabled users' devices are refused.
    active: HashSet<UserId>,
}

impl Devices {
    /// # Errors
    /// The database can't be opened.
    pub fn new(store: &Store, active: HashSet<UserId>) -> Result<Self, StoreError> {
        Ok(Self { connection: Mutex::new(store.connection()?), active })
    }

    fn find(&self, device: &str) -> Result<Option<(UserId, String)>, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = connection.prepare_cached("SELECT user, secret FROM devices WHERE id = ?1 AND secret <> ''")?;
        let row = query.query_row([device], |row| Ok((UserId(row.get(0)?), row.get(1)?)));
        Ok(row.optional()?.filter(|(user, _)| self.active.contains(user)))
    }
}

impl DeviceSecrets for Devices {
    fn secret(&self, device: &str) -> Option<(UserId, String)> {
        self.find(device).unwrap_or_else(|error| {
            tracing::error!(%error, "the device credentials could not be read");
            None
        })
    }
}
