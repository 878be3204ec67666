//! What outlives a restart, in one SQLite file. One thread writes, in the order it is told to; nobody who steers calls
//! ever waits for the disk. While the disk is full or the database locked, what is to be kept waits in memory, in its
//! order, and [`Store::trouble`] says so.

pub mod audit;
mod backlog;
pub mod devices;
pub mod drafts;
mod meta;
pub mod records;
pub mod sessions;
pub mod voicemail;
mod writer;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use protocol::{AuditEntry, CallId, CallRecord};
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use tokio::sync::{oneshot, watch};

pub use backlog::Unwritten;
pub use meta::{registrar, set_registrar};
pub use voicemail::Voicemail;

use backlog::Kept;
use writer::{Job, Work, Writer};

/// One entry a version of the file; never changed once released, only added to.
const MIGRATIONS: &[M<'static>] = &[
    M::up(meta::V1),
    M::up(records::V1),
    M::up(audit::V1),
    M::up(voicemail::V1),
    M::up(devices::V1),
    M::up(sessions::V1),
    M::up(audit::V2),
    M::up(drafts::V1),
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
    #[error("the exchange stopped before everything was written; lost: {0}")]
    Unwritten(Unwritten),
    #[error("the store is closed")]
    Closed,
}

/// How long the last entries are tried to be written at the end.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// A handle; clones share the one file.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Work>,
    trouble: watch::Receiver<Option<String>>,
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
        // Writing appends: 256 KiB of pages are enough, and SQLite never gives back what it once took (2 MiB by default).
        connection.pragma_update(None, "cache_size", -256)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
        let id = meta::store_id(&connection)?.into();
        let reader = Arc::new(Mutex::new(connect(&path)?));
        let (writer, work) = mpsc::channel();
        let (tell, trouble) = watch::channel(None);
        let thread = Writer::new(connection, tell);
        let spawned = thread::Builder::new().name("store".into()).spawn(move || thread.run(&work));
        spawned.map_err(|cause| StoreError::Io { path, cause })?;
        Ok(Self { writer, trouble, reader, id, dir: dir.into(), lock: Arc::new(lock) })
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

    /// Why nothing can be written at the moment, as a sentence; `None` while all is well.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    /// Queues the record of a finished call, new or changed, for writing; its draft goes with it.
    pub fn put_record(&self, record: CallRecord) {
        self.keep(Kept::Record(Box::new(record)));
    }

    /// The newest record of a call that was queued, whether or not it could be written yet.
    ///
    /// # Errors
    /// The database fails, or the store is closed.
    pub async fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        let (reply, found) = oneshot::channel();
        self.writer.send(Work::Find(call, reply)).map_err(|_| StoreError::Closed)?;
        found.await.map_err(|_| StoreError::Closed)?
    }

    /// Whether a record that was queued, or a newer one of its call, is in the file now.
    ///
    /// # Errors
    /// The database fails, or the store is closed.
    pub async fn has_written(&self, call: CallId, seq: u64) -> Result<bool, StoreError> {
        self.write(move |c| Ok(records::seq(c, &call)?.is_some_and(|written| written >= seq))).await
    }

    /// Queues what a call's record would be if the exchange failed now.
    pub fn put_draft(&self, draft: CallRecord) {
        self.keep(Kept::Draft(Box::new(draft)));
    }

    /// Queues an audit entry for appending.
    pub fn put_audit(&self, entry: AuditEntry) {
        self.keep(Kept::Audit(entry));
    }

    pub fn put_voicemail(&self, voicemail: Voicemail) {
        self.keep(Kept::Voicemail(voicemail));
    }

    /// What nobody waits for.
    fn keep(&self, kept: Kept) {
        if let Err(mpsc::SendError(Work::Keep(kept))) = self.writer.send(Work::Keep(kept)) {
            tracing::error!("came after the store was closed and is lost: {}", kept.name());
        }
    }

    /// Does `job` on the writing thread, after everything queued before it that can be written now.
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
        self.writer.send(Work::Job(job)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until everything queued so far is in the file, or, in [trouble](Self::trouble), waits for better times.
    ///
    /// # Errors
    /// The store is closed.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }

    /// Writes what is queued, trying for some seconds if need be, and lets another exchange have the files.
    ///
    /// # Errors
    /// What could not be written and is lost, or the store is closed.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, settled) = oneshot::channel();
        self.writer.send(Work::Settle(LAST_TRIES, reply)).map_err(|_| StoreError::Closed)?;
        let unwritten = settled.await.map_err(|_| StoreError::Closed)?;
        self.unlock()?;
        if unwritten == Unwritten::default() { Ok(()) } else { Err(StoreError::Unwritten(unwritten)) }
    }

    fn unlock(&self) -> Result<(), StoreError> {
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
