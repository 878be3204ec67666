//! The desk from outside: how it is started, asked and stopped.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use call_log::Format;
use tokio::sync::{mpsc, oneshot, watch};

use crate::owner::{Input, Owner};
use crate::{DeviceMaker, Keyring, Levels, Screen, SipAccountSettings, Softphones, SystemKeyring, View, Wish};

/// What a desk needs to start.
pub struct DeskConfig {
    /// Settings, call log, and the sign-in if there is no keyring. Made if missing, for this user's eyes only.
    pub data_dir: PathBuf,
    pub screen: Arc<dyn Screen>,
    /// Where the token goes; `None` keeps it in a file of `data_dir`.
    pub keyring: Option<Arc<dyn Keyring>>,
    /// What the exchange calls this device.
    pub device_name: String,
    /// If false, the phone touches no sound device.
    pub sound: bool,
    pub devices: Arc<dyn DeviceMaker>,
}

impl DeskConfig {
    /// The usual desk: system keyring unless `PATCHCORD_NO_KEYRING` is set, real phone, real sound.
    #[must_use]
    pub fn new(data_dir: PathBuf, screen: Arc<dyn Screen>) -> Self {
        let keyring: Option<Arc<dyn Keyring>> = match std::env::var_os("PATCHCORD_NO_KEYRING") {
            Some(value) if !value.is_empty() && value != "0" => None,
            Some(_) | None => Some(Arc::new(SystemKeyring)),
        };
        let devices = Arc::new(Softphones);
        Self { data_dir, screen, keyring, device_name: "desk".into(), sound: true, devices }
    }
}

/// Why a desk can't start at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("The folder {path} can't be used ({source}). Make it writable, or choose another.")]
    DataDir { path: PathBuf, source: std::io::Error },
}

/// The app without a window.
pub struct Desk;

impl Desk {
    /// Starts the desk on the current tokio runtime. Signs in by itself if a sign-in is kept on this machine.
    ///
    /// # Errors
    /// [`StartError::DataDir`] if the data folder can't be made or written.
    pub fn start(config: DeskConfig) -> Result<DeskHandle, StartError> {
        make_private(&config.data_dir)
            .map_err(|source| StartError::DataDir { path: config.data_dir.clone(), source })?;
        let (inbox, arriving) = mpsc::unbounded_channel();
        let view = Arc::new(Mutex::new(View::empty()));
        let (tell, levels) = watch::channel(Levels::SILENCE);
        let owner = Owner::new(config, inbox.clone(), Arc::clone(&view), tell);
        tokio::spawn(owner.run(arriving));
        Ok(DeskHandle { inbox, view, levels })
    }
}

fn make_private(dir: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Cheap to clone; posts and returns.
#[derive(Clone)]
pub struct DeskHandle {
    inbox: mpsc::UnboundedSender<Input>,
    view: Arc<Mutex<View>>,
    levels: watch::Receiver<Levels>,
}

impl DeskHandle {
    /// Asks for something. What becomes of it arrives as a patch.
    pub fn wish(&self, wish: Wish) {
        self.post(Input::Wish(wish));
    }

    /// Signs in at `https://host:port`, `host:port`, or `http://` on loopback. The password is not kept.
    pub fn sign_in(&self, address: String, user: String, password: String) {
        self.post(Input::SignIn { address, user, password });
    }

    /// Takes a plain SIP account: a new one, or other settings of one that is there; without a password the one that is
    /// kept stays. What is wrong with it arrives as [`crate::AccountsView::fault`].
    pub fn save_account(&self, settings: SipAccountSettings, password: String) {
        self.post(Input::SaveAccount { settings: Box::new(settings), password });
    }

    /// Writes the calls of the filter into a file, in place of one that is there. What becomes of it arrives as
    /// [`crate::ExportView`].
    pub fn export_logs(&self, format: Format, path: PathBuf) {
        self.post(Input::ExportLogs { format, path });
    }

    /// Everything as it is now.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How loud it is in a call or a sound test, as it changes.
    #[must_use]
    pub fn levels(&self) -> watch::Receiver<Levels> {
        self.levels.clone()
    }

    /// Ends calls, unregisters, closes files. At most about three seconds.
    pub async fn stop(self) {
        let (done, stopped) = oneshot::channel();
        self.post(Input::Stop(done));
        // A desk that is gone already has stopped too.
        let _gone = stopped.await;
    }

    fn post(&self, input: Input) {
        // After `stop` nobody reads, and nothing is to be done.
        let _stopped = self.inbox.send(input);
    }
}
