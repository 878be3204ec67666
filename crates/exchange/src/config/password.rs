//! Passwords: argon2id, kept as PHC strings.

use std::{fmt, fs, io, path::Path};

use argon2::{
    Algorithm, Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use rand::Rng;
use toml::de::DeTable;

/// An argon2id hash that is strong enough. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Reads on after "`password_hash` of ravi".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakHash {
    #[error("is no password hash (a PHC string that starts with $argon2id$)")]
    NotAHash,
    #[error("was not made with argon2id")]
    NotArgon2id,
    #[error("is too weak (less than 19 MiB or 2 passes)")]
    TooWeak,
    #[error("would take too long to check (more than 256 MiB or 16 passes or lanes)")]
    TooDear,
}

impl PasswordHash {
    /// # Errors
    /// Why the text will not do.
    pub fn parse(text: &str) -> Result<Self, WeakHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| WeakHash::NotAHash)?;
        if Algorithm::new(hash.algorithm.as_str()) != Ok(Algorithm::Argon2id) {
            return Err(WeakHash::NotArgon2id);
        }
        let params = Params::try_from(&hash).map_err(|_| WeakHash::NotAHash)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(WeakHash::NotAHash);
        }
        // The floor is OWASP's first recommendation, and what `hash_password` makes.
        if params.m_cost() < Params::DEFAULT_M_COST || params.t_cost() < Params::DEFAULT_T_COST {
            return Err(WeakHash::TooWeak);
        }
        if params.m_cost() > 256 * 1024 || params.t_cost() > 16 || params.p_cost() > 16 {
            return Err(WeakHash::TooDear);
        }
        Ok(Self(hash))
    }

    /// Takes tens of milliseconds: never on an async thread.
    #[must_use]
    pub fn matches(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }
}

/// The PHC string of a password. Takes tens of milliseconds.
///
/// # Errors
/// The system gives no randomness.
pub fn hash_password(password: &str) -> io::Result<String> {
    let hash: phc::PasswordHash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(hash.to_string())
}

/// 16 characters (about 90 bits) that can be read aloud: no 0/O, 1/l/I.
#[must_use]
pub fn random_password() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = rand::rng();
    (0..16).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the file's TOML cannot be changed; see `patchcord-exchange check`")]
    NotToml,
    #[error("there is no [[user]] with id = \"{0}\"")]
    UnknownUser(String),
    #[error("the password has fewer than 10 characters; choose a longer one")]
    TooShort,
    #[error("the password has more than {MAX_PASSWORD} bytes; choose a shorter one")]
    TooLong,
}

/// Bytes. Whoever hashes longer ones works for an attacker.
pub const MAX_PASSWORD: usize = 1024;

/// Writes the hash of `password` into `file`, leaving every other character of it alone.
///
/// # Errors
/// The file can't be read, understood or written, the user is not in it, or the password is too short or too long.
pub fn set_password(file: &Path, user: &str, password: &str) -> Result<(), SetPasswordError> {
    if password.chars().count() < 10 {
        return Err(SetPasswordError::TooShort);
    }
    if password.len() > MAX_PASSWORD {
        return Err(SetPasswordError::TooLong);
    }
    let mut text = fs::read_to_string(file)?;
    let root = DeTable::parse(&text).map_err(|_| SetPasswordError::NotToml)?;
    let users = root.get_ref().get("user").and_then(|u| u.get_ref().as_array());
    let is_wanted = |table: &&DeTable<'_>| table.get("id").and_then(|id| id.get_ref().as_str()) == Some(user);
    let table = users.into_iter().flatten().filter_map(|u| u.get_ref().as_table()).find(is_wanted);
    let table = table.ok_or_else(|| SetPasswordError::UnknownUser(user.to_owned()))?;
    let hash = hash_password(password)?;
    match (table.get("password_hash"), table.get("id")) {
        (Some(old), _) => text.replace_range(old.span(), &format!("\"{hash}\"")),
        (None, Some(id)) => text.insert_str(id.span().end, &format!("\npassword_hash = \"{hash}\"")),
        (None, None) => return Err(SetPasswordError::UnknownUser(user.to_owned())),
    }
    // An inline table, for example, has no room for a new line.
    DeTable::parse(&text).map_err(|_| SetPasswordError::NotToml)?;
    super::sample::write_secret(file, &text, true)?;
    Ok(())
}
