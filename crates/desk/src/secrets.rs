//! Where the sign-in is kept: the system keyring, or a file that only this user can read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

/// A locked keyring may wait for a person who is not there.
const KEYRING_PATIENCE: Duration = Duration::from_secs(5);
/// A kept sign-in is a few hundred bytes.
const MAX_FILE: u64 = 64 * 1024;
const FILE_NAME: &str = "sign-in.json";

/// A store of secrets. Every call may block; faults are phrases.
pub trait Keyring: Send + Sync + 'static {
    /// # Errors
    /// Whatever the store says, in words.
    fn get(&self, account: &str) -> Result<Option<String>, String>;
    /// # Errors
    /// Whatever the store says, in words.
    fn set(&self, account: &str, secret: &str) -> Result<(), String>;
    /// # Errors
    /// Whatever the store says, in words. A secret that is not there is no error.
    fn delete(&self, account: &str) -> Result<(), String>;
}

/// The desktop's own keyring (Secret Service).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeyring;

impl SystemKeyring {
    fn entry(account: &str) -> Result<keyring::Entry, String> {
        keyring::Entry::new("patchcord", account).map_err(|error| error.to_string())
    }
}

impl Keyring for SystemKeyring {
    fn get(&self, account: &str) -> Result<Option<String>, String> {
        match Self::entry(account)?.get_password() {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn set(&self, account: &str, secret: &str) -> Result<(), String> {
        Self::entry(account)?.set_password(secret).map_err(|error| error.to_string())
    }

    fn delete(&self, account: &str) -> Result<(), String> {
        match Self::entry(account)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Keyring first, file if there is no keyring or it does not answer.
#[derive(Clone)]
pub(crate) struct Vault {
    keyring: Option<Arc<dyn Keyring>>,
    file: PathBuf,
}

/// A secret that was found, and what to tell the person about its place.
pub(crate) struct Found {
    pub secret: String,
    pub warning: Option<String>,
}

impl Vault {
    pub(crate) fn new(keyring: Option<Arc<dyn Keyring>>, data_dir: &Path) -> Self {
        Self { keyring, file: data_dir.join(FILE_NAME) }
    }

    /// The same for another secret, which has a file of its own.
    pub(crate) fn in_file(&self, name: &str) -> Self {
        Self { keyring: self.keyring.clone(), file: self.file.with_file_name(name) }
    }

    /// Answers what to tell the person if it could not go to the keyring.
    pub(crate) async fn keep(&self, account: &str, secret: &str) -> Result<Option<String>, std::io::Error> {
        let (name, value) = (account.to_owned(), secret.to_owned());
        match self.keyring(move |keyring| keyring.set(&name, &value)).await {
            Ok(()) => {
                self.remove_file()?;
                Ok(None)
            }
            Err(why) => {
                write_private(&self.file, secret.as_bytes())?;
                Ok(Some(self.warning(&why)))
            }
        }
    }

    pub(crate) async fn find(&self, account: &str) -> Result<Option<Found>, String> {
        if let Some(secret) = self.read_file()? {
            let why = if self.keyring.is_some() { "it did not answer before" } else { OFF };
            return Ok(Some(Found { secret, warning: Some(self.warning(why)) }));
        }
        if self.keyring.is_none() {
            return Ok(None);
        }
        let name = account.to_owned();
        let secret = self.keyring(move |keyring| keyring.get(&name)).await?;
        Ok(secret.map(|secret| Found { secret, warning: None }))
    }

    pub(crate) async fn forget(&self, account: &str) {
        if let Err(error) = self.remove_file() {
            tracing::warn!(%error, "the kept sign-in can't be removed");
        }
        let name = account.to_owned();
        if self.keyring.is_some()
            && let Err(error) = self.keyring(move |keyring| keyring.delete(&name)).await
        {
            tracing::warn!(%error, "the keyring does not forget the sign-in");
        }
    }

    fn warning(&self, why: &str) -> String {
        let file = self.file.display();
        format!(
            "The system keyring can't be used ({why}). What you signed in with is kept in {file}, which only you can read."
        )
    }

    /// On a thread of its own: it may hang for as long as it likes.
    async fn keyring<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Keyring) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let keyring = self.keyring.clone().ok_or(OFF)?;
        let (answer, answered) = oneshot::channel();
        std::thread::Builder::new()
            .name("keyring".into())
            .spawn(move || answer.send(ask(&*keyring)))
            .map_err(|error| error.to_string())?;
        match tokio::time::timeout(KEYRING_PATIENCE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("it failed".into()),
            Err(_) => Err("it does not answer".into()),
        }
    }

    fn read_file(&self) -> Result<Option<String>, String> {
        read_bounded(&self.file, MAX_FILE).map_err(|error| format!("{} can't be read: {error}", self.file.display()))
    }

    fn remove_file(&self) -> std::io::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

const OFF: &str = "it is switched off";

/// Reads a small text file; `None` if it is not there.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Option<String>> {
    use std::io::Read;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    if file.take(limit + 1).read_to_string(&mut text)? as u64 > limit {
        return Err(std::io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(Some(text))
}

/// Writes a file that only this user can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Answers when the test lets it: never.
    struct Hanging(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

    impl Hanging {
        fn wait<T>(&self) -> Result<T, String> {
            let _dropped = self.0.lock().unwrap().recv();
            Err("too late".into())
        }
    }

    impl Keyring for Hanging {
        fn get(&self, _: &str) -> Result<Option<String>, String> {
            self.wait()
        }
        fn set(&self, _: &str, _: &str) -> Result<(), String> {
            self.wait()
        }
        fn delete(&self, _: &str) -> Result<(), String> {
            self.wait()
        }
    }

    /// Time is virtual: the five seconds pass as soon as nothing else can happen.
    #[tokio::test(start_paused = true)]
    async fn a_keyring_that_hangs_is_given_up_and_the_person_told() {
        let dir = tempfile::tempdir().unwrap();
        let (release, hang) = std::sync::mpsc::channel();
        let vault = Vault::new(Some(Arc::new(Hanging(std::sync::Mutex::new(hang)))), dir.path());
        let warning = vault.keep("a", "secret").await.unwrap().unwrap();
        assert!(warning.contains("does not answer") && warning.contains(FILE_NAME), "{warning}");
        assert!(!warning.contains("secret"));
        let found = vault.find("a").await.unwrap().unwrap();
        assert_eq!(found.secret, "secret");
        assert!(found.warning.is_some());
        drop(release);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_for_this_user_only_even_if_it_was_there_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE_NAME), "open to all").unwrap();
        let vault = Vault::new(None, dir.path());
        vault.keep("a", "secret").await.unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        vault.forget("a").await;
        assert!(vault.find("a").await.unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
