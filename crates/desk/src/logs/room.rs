//! The call log on a thread of its own, so that no disk ever holds up a ring.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use call_log::{CallLog, Error, Opened};
use tokio::sync::oneshot;

use super::Found;

type Opening = oneshot::Receiver<Result<Found, Error>>;
type Job = Box<dyn FnOnce(&mut Shelf) + Send>;

/// Sends work to the log's thread. The thread ends with the last of these.
#[derive(Clone)]
pub(crate) struct LogRoom {
    jobs: mpsc::Sender<Job>,
}

/// Why the log did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Log(#[from] Error),
    /// It did not open; said when it happened.
    #[error("The call log of this machine can't be used.")]
    Closed,
}

impl LogRoom {
    /// Starts the thread and opens the file there; the second value says how that went. Where it went badly, all that is
    /// asked later is answered with [`LogError::Closed`].
    pub(crate) fn start(path: PathBuf) -> (Self, Opening) {
        let (jobs, todo) = mpsc::channel();
        let (report, opened) = oneshot::channel();
        let file = path.clone();
        match std::thread::Builder::new().name("call-log".into()).spawn(move || keep_open(file, todo, report)) {
            Ok(_until_the_last_sender_goes) => (Self { jobs }, opened),
            Err(source) => {
                let (report, opened) = oneshot::channel();
                let _heard_below = report.send(Err(Error::Open { path, source }));
                (Self { jobs }, opened)
            }
        }
    }

    /// Does something with the log, after everything asked before.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut CallLog) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LogError> {
        self.begin(work).await.unwrap_or(Err(LogError::Closed))
    }

    /// As [`LogRoom::with`], queued before this returns.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut CallLog) -> Result<T, Error> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, LogError>> {
        let (answer, answered) = oneshot::channel();
        // If the thread is gone, `answer` is dropped, which the receiver sees.
        let _gone = self.jobs.send(Box::new(move |shelf| {
            let _asker_gone = answer.send(shelf.work(work));
        }));
        answered
    }
}

impl LogRoom {
    /// Writes what is queued, and closes the files; with `forget`, removes them.
    pub(crate) async fn close(self, forget: bool) {
        let (answer, closed) = oneshot::channel();
        let job: Job = Box::new(move |shelf| {
            if let (Some(log), true) = (shelf.log.take(), forget)
                && let Err(error) = log.remove()
            {
                tracing::error!(%error, "the call log was not removed");
            }
            let _asker_gone = answer.send(());
        });
        // A thread that is gone has closed it; the job comes back then, and must go, or its answer would be waited for.
        drop(self.jobs.send(job));
        let _gone = closed.await;
    }
}

fn keep_open(path: PathBuf, todo: mpsc::Receiver<Job>, report: oneshot::Sender<Result<Found, Error>>) {
    let (log, result) = match CallLog::open(&path) {
        Ok(Opened { log, set_aside, mine_set_aside }) => (Some(log), Ok(Found { set_aside, mine_set_aside })),
        Err(error) => (None, Err(error)),
    };
    let _session_gone = report.send(result);
    let mut shelf = Shelf { path, log };
    for job in todo {
        job(&mut shelf);
    }
}

struct Shelf {
    path: PathBuf,
    log: Option<CallLog>,
}

impl Shelf {
    fn work<T>(&mut self, work: impl FnOnce(&mut CallLog) -> Result<T, Error>) -> Result<T, LogError> {
        let log = self.log.as_mut().ok_or(LogError::Closed)?;
        let result = work(log);
        if let Err(Error::Damaged { .. }) = &result {
            self.log = None; // closes the file before it is renamed
            self.log = fresh(&self.path);
        }
        Ok(result?)
    }
}

/// An empty log in the place of a damaged one.
fn fresh(path: &Path) -> Option<CallLog> {
    let opened = CallLog::open(path).and_then(|mut opened| {
        if opened.set_aside.is_none() {
            // The file is sound and what is in it is not.
            opened.log.wipe()?;
        }
        Ok(opened.log)
    });
    opened.inspect_err(|error| tracing::error!(%error, "the call log can't be made anew")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_whose_thread_is_not_there_answers_that_it_is_closed() {
        let (jobs, todo) = mpsc::channel();
        drop(todo);
        let room = LogRoom { jobs };
        assert!(matches!(room.with(|log| Ok(log.unsent())).await, Err(LogError::Closed)));
        room.close(false).await;
    }
}
