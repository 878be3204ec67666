//! The phone of a plain account: started, registered, started again.

use std::time::Duration;

use softphone::{PhoneEvent, RegistrationState};

use super::settings::{AccountKey, SipAccountSettings};
use super::{PlainAccount, vault_name};
use crate::device::{Device, Started};
use crate::owner::{Input, Owner};
use crate::phone;
use crate::phones::{self, LineNo};
use crate::secrets::{Found, Vault};

const RETRY: Duration = Duration::from_secs(5);

/// What becomes of a line's own doings.
#[expect(clippy::large_enum_variant, reason = "the inbox has it in a box")]
pub(crate) enum LineHappening {
    Started(Result<Started, String>),
    /// What to tell the person of the place of the password.
    PasswordKept(Result<Option<String>, std::io::Error>),
    Retry,
    Phone(PhoneEvent),
}

impl Owner {
    pub(crate) fn line_happened(&mut self, line: LineNo, happening: LineHappening) {
        match happening {
            LineHappening::Started(result) => self.line_started(line, result),
            LineHappening::PasswordKept(result) => self.password_kept(line, result),
            LineHappening::Retry => self.start_line(line, None),
            LineHappening::Phone(event) => self.phone_event(line, event),
        }
    }

    /// Posts into the inbox on behalf of a line.
    fn line_poster(&self, line: LineNo) -> impl Fn(LineHappening) + Send + Sync + Clone + 'static {
        let inbox = self.inbox.clone();
        move |happening| {
            // The desk that is gone has nothing left to learn.
            let _gone = inbox.send(Input::Line(line, Box::new(happening)));
        }
    }

    /// Starts the phone of an account, with the password that was just typed or the one that is kept.
    pub(super) fn start_line(&mut self, line: LineNo, password: Option<String>) {
        let Some(account) = self.accounts.of_line(line) else { return };
        let settings = account.settings.clone();
        let (vault, sound) = (self.vault_of(&settings.key), self.sound());
        let (devices, post) = (std::sync::Arc::clone(&self.config.devices), self.line_poster(line));
        self.account_tasks.spawn(async move {
            let password = match password {
                Some(password) => Ok(password),
                None => kept_password(&vault, &settings).await.map(|found| {
                    post(LineHappening::PasswordKept(Ok(found.warning)));
                    found.secret
                }),
            };
            post(LineHappening::Started(match password {
                Ok(password) => {
                    devices.start(settings.phone(password, sound).await).await.map_err(|error| error.to_string())
                }
                Err(sentence) => Err(sentence),
            }));
        });
    }

    fn line_started(&mut self, line: LineNo, result: Result<Started, String>) {
        let post = self.line_poster(line);
        let now = self.clock.now();
        match result {
            Ok((device, events)) => {
                let Some(account) = self.accounts.of_line_mut(line) else {
                    // It was removed, or entered anew, while it started.
                    self.farewells.spawn(async move { device.stop().await });
                    return;
                };
                device.ring_tone(account.settings.tone);
                device.watch_messages();
                for watched in &account.settings.watched {
                    device.watch(&watched.number);
                }
                account.device = Some(device);
                let levels = self.levels.clone();
                let tell = move |event| post(LineHappening::Phone(event));
                self.account_tasks.spawn(phones::listen(events, levels, tell));
            }
            Err(why) => {
                let Some(account) = self.accounts.of_line_mut(line) else { return };
                account.state = phone::down(&account.state, now, why, Some(RETRY));
                self.account_tasks.spawn(async move {
                    tokio::time::sleep(RETRY).await;
                    post(LineHappening::Retry);
                });
            }
        }
    }

    pub(super) fn keep_password(&mut self, line: LineNo, key: AccountKey, password: String) {
        let (vault, post) = (self.vault_of(&key), self.line_poster(line));
        // Whoever quits right after has the account the next time: the desk waits for this when it ends.
        self.farewells.spawn(async move {
            post(LineHappening::PasswordKept(vault.keep(&vault_name(&key), &password).await));
        });
    }

    fn password_kept(&mut self, line: LineNo, result: Result<Option<String>, std::io::Error>) {
        let Some(account) = self.accounts.of_line_mut(line) else { return };
        account.keyring_warning = match result {
            Ok(warning) => warning,
            Err(error) => Some(format!(
                "The password can't be kept on this machine ({error}): type it again under Change after the next start."
            )),
        };
    }

    pub(crate) fn line_registration(&mut self, line: LineNo, state: RegistrationState) {
        let now = self.clock.now();
        let Some(account) = self.accounts.of_line_mut(line) else { return };
        match &state {
            RegistrationState::Registered => account.fingerprint = None,
            RegistrationState::Down { fingerprint, .. } => account.fingerprint.clone_from(fingerprint),
            RegistrationState::Registering | RegistrationState::Off => {}
        }
        account.refused = matches!(&state, RegistrationState::Down { retry_in: None, .. });
        account.state = phone::next_link(&account.state, now, state);
        self.refresh_own_targets();
    }

    /// Ends all plain phones because the app ends.
    pub(crate) async fn stop_accounts(&mut self) {
        self.account_tasks = tokio::task::JoinSet::new();
        let devices: Vec<_> = self.accounts.list.iter_mut().filter_map(PlainAccount::take_device).collect();
        futures::future::join_all(devices.into_iter().map(Device::stop)).await;
    }
}

impl PlainAccount {
    fn take_device(&mut self) -> Option<Box<dyn Device>> {
        self.device.take()
    }
}

async fn kept_password(vault: &Vault, settings: &SipAccountSettings) -> Result<Found, String> {
    match vault.find(&vault_name(&settings.key)).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err("The password is not in the keyring any more. Press Change and type it again.".into()),
        Err(why) => {
            Err(format!("The password could not be read from the keyring ({why}). Press Change and type it again."))
        }
    }
}
