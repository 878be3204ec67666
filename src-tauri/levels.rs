//! Level meters: a stream of their own, only while a window shows them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use desk::Levels;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::sync::watch;

/// At most 25 times a second.
const PAUSE: Duration = Duration::from_millis(40);

/// Whoever watches; one at a time, since there is one page with meters.
#[derive(Default)]
pub struct LevelWatch(Mutex<Option<JoinHandle<()>>>);

impl LevelWatch {
    /// Sends every change until another watches, or [`stop`](Self::stop).
    pub fn start(&self, mut levels: watch::Receiver<Levels>, channel: Channel<Levels>) {
        self.replace(Some(tauri::async_runtime::spawn(async move {
            while levels.changed().await.is_ok() {
                let now = *levels.borrow_and_update();
                if channel.send(now).is_err() {
                    return; // the page is gone
                }
                tokio::time::sleep(PAUSE).await;
            }
        })));
    }

    pub fn stop(&self) {
        self.replace(None);
    }

    fn replace(&self, next: Option<JoinHandle<()>>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), next);
        if let Some(before) = before {
            before.abort();
        }
    }
}
