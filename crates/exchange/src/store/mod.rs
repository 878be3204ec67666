//! What outlives a restart, in one SQLite file. One thread writes, in the order it is told to; nobody who steers calls
//! ever waits for the disk.

pub mod audit;
pub mod devices;
mod meta;
pub mod records;
pub mod sessions;
pub mod voicemail;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use protocol::{AuditEntry, CallRecord};
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use tokio::sync::oneshot;

pub use meta::{registrar, set_registrar};
pub use voicemail::Voicemail;

/// One entry a version of the file; never changed once released, only added to.
const MIGRATIONS: &[M<'static>] = &[
    M::up(meta::V1),
    M::up(records::V1),
    M::up(audit::V1),
    M::up(voicemail::V1),
    M::up(devices::V1),
    M::up(sessions::V1),
    M::up(audit::V2),
];

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {cause}; check the folder's owner and the space on the disk", path = path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("{path} is in use by another exchange; stop that one first, or give this one another [data] dir", path = path.display())]
    InUse { path: PathBuf },
    #[error("the database: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("the database is of a newer version or damaged: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    #[error("a row does not hold what it should: {0}")]
    Row(#[from] serde_json::Error),
    #[error("the store is closed")]
    Closed,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle; clones share the one file.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    reader: Arc<Mutex<Connection>>,
    id: Arc<str>,
    dir: Arc<Path>,
    /// Held until [`Store::close`] or the last handle is gone: no second exchange writes here.
    lock: Arc<Option<File>>,
}

impl Store {
    /// Opens the store in `dir` as the only exchange that uses it, making or migrating what is needed.
    ///
    /// # Errors
    /// Another exchange uses it, the folder can't be written to, or the file is newer than this program.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let path = dir.join("lock");
        let lock = private_file(&path)?;
        match lock.try_lock() {
            Ok(()) => Self::open_files(dir, Some(lock)),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse { path: dir.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(StoreError::Io { path, cause }),
        }
    }

    /// Opens the store beside the exchange that may be using it: for `device` on the command line.
    ///
    /// # Errors
    /// As [`Store::open`], except that it may be in use.
    pub fn open_shared(dir: &Path) -> Result<Self, StoreError> {
        make_dir(dir)?;
        Self::open_files(dir, None)
    }

    fn open_files(dir: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        let path = dir.join("exchange.db");
        private_file(&path)?;
        let mut connection = connect(&path)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
        let id = meta::store_id(&connection)?.into();
        let reader = Arc::new(Mutex::new(connect(&path)?));
        let (writer, jobs) = mpsc::channel::<Job>();
        let work = move || {
            for job in jobs {
                job(&mut connection);
            }
        };
        let spawned = thread::Builder::new().name("store".into()).spawn(work);
        spawned.map_err(|cause| StoreError::Io { path, cause })?;
        Ok(Self { writer, reader, id, dir: dir.into(), lock: Arc::new(lock) })
    }

    /// Made once with the file: a desk that sees another one starts over.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub fn voicemail_dir(&self) -> PathBuf {
        self.dir.join("voicemail")
    }

    /// Queues a finished call for writing.
    pub fn put_record(&self, record: CallRecord) {
        self.queue("a call record", move |c| records::insert(c, &record));
    }

    /// Queues an audit entry for appending.
    pub fn put_audit(&self, entry: AuditEntry) {
        self.queue("an audit entry", move |c| audit::append(c, &entry));
    }

    pub fn put_voicemail(&self, voicemail: Voicemail) {
        self.queue("a voicemail", move |c| voicemail::insert(c, &voicemail));
    }

    /// What nobody waits for. A failure is loud in the log: there is nobody else to tell.
    fn queue(&self, what: &'static str, job: impl FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static) {
        let job: Job = Box::new(move |c| {
            if let Err(error) = job(c) {
                tracing::error!(%error, "{what} could not be stored");
            }
        });
        if self.writer.send(job).is_err() {
            tracing::error!("{what} came after the store was closed");
        }
    }

    /// Does `job` on the writing thread, after everything queued before it.
    ///
    /// # Errors
    /// The job's own, or the store is closed.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |c| {
            // If nobody waits for the answer any more, the job is still done.
            let _ = reply.send(job(c));
        });
        self.writer.send(job).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until everything queued so far is in the file.
    ///
    /// # Errors
    /// The store is closed.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }

    /// Writes what is queued and lets another exchange have the files.
    ///
    /// # Errors
    /// The store is closed.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.flush().await?;
        if let Some(lock) = self.lock.as_ref() {
            let path = || self.dir.join("lock");
            lock.unlock().map_err(|cause| StoreError::Io { path: path(), cause })?;
        }
        Ok(())
    }

    /// Does `job` on a blocking thread, on a connection that only reads.
    ///
    /// # Errors
    /// The job's own.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.reader.clone();
        let read = move || job(&reader.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// The file can't be opened.
    pub fn connection(&self) -> Result<Connection, StoreError> {
        connect(&self.dir.join("exchange.db"))
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode NORMAL keeps the file whole in a power cut, at the price of the last moments.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let path = dir.join("voicemail");
    builder.create(&path).map_err(|cause| StoreError::Io { path, cause })
}

/// Opens or makes a file that only its owner may read: SQLite gives its own files the same rights.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|cause| StoreError::Io { path: path.to_owned(), cause })
}
