//! Signing in and out, and what exists only between the two.

use std::sync::Arc;

use protocol::{Presence, Session, SignIn, SipAccount};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::accounts::is_own;
use crate::control::{Control, ControlError};
use crate::feed::{self, FeedEvent};
use crate::logs::{LogHappening, LogRoom, Logs};
use crate::owner::{Happening, Owner};
use crate::phone::PhoneSlot;
use crate::phones::LineNo;
use crate::secrets::Found;
use crate::{Address, LinkState, LiveView, PhoneCallId, PhoneView, SessionView, Tone, View, settings};

/// Where the desk stands with its exchange.
pub(crate) enum State {
    Out,
    /// The keyring is being asked for a sign-in of earlier.
    Resuming(Address),
    SigningIn(Attempt),
    /// The person compares the fingerprint.
    Confirming {
        attempt: Attempt,
        fingerprint: String,
    },
    In(Box<SignedIn>),
}

/// A sign-in on its way. Holds the password, so no `Debug`.
pub(crate) struct Attempt {
    address: Address,
    user: String,
    password: String,
}

/// What a session needs.
pub(crate) struct SignedIn {
    pub control: Control,
    pub sip: SipAccount,
    pub phone: PhoneSlot,
    /// Wakes the feed when something shows that the exchange can be reached again.
    pub wake: Arc<Notify>,
}

/// What is kept between two runs, as a secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    address: String,
    session: Session,
}

impl Owner {
    /// Takes up the sign-in of the last time, if one is kept.
    pub(crate) fn resume(&mut self) {
        let address = match Address::parse(&self.settings.address) {
            Ok(address) if self.settings.signed_in => address,
            Ok(_) | Err(_) => return self.signed_out(None),
        };
        self.session += 1;
        let (vault, account) = (self.vault.clone(), account(&self.settings.user, &address));
        self.state = State::Resuming(address);
        self.begin(async move { Happening::KeptFound(vault.find(&account).await) });
    }

    pub(crate) fn kept_found(&mut self, found: Result<Option<Found>, String>) {
        let State::Resuming(address) = &self.state else { return };
        let address = address.clone();
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                return self.signed_out(Some("Your sign-in is not in the keyring any more. Sign in again.".into()));
            }
            Err(why) => {
                let sentence = format!("Your sign-in could not be read from the keyring ({why}). Sign in again.");
                return self.signed_out(Some(sentence));
            }
        };
        match serde_json::from_str::<Kept>(&found.secret) {
            Ok(kept) if kept.address == address.to_string() => self.enter(&address, kept.session, found.warning),
            Ok(_) | Err(_) => self.signed_out(Some("Your kept sign-in can't be used. Sign in again.".into())),
        }
    }

    pub(crate) fn sign_in(&mut self, address: &str, user: &str, password: String) {
        if matches!(self.state, State::In(_)) {
            return self.note(Tone::Plain, "You are signed in already. Sign out first.");
        }
        self.settings.address = address.trim().to_owned();
        self.settings.user = user.trim().to_owned();
        match Address::parse(address) {
            Ok(address) => self.attempt(Attempt { address, user: user.trim().to_owned(), password }),
            Err(fault) => self.signed_out(Some(fault.to_string())),
        }
    }

    fn attempt(&mut self, attempt: Attempt) {
        self.end_tasks();
        let Attempt { address, user, password } = &attempt;
        self.view.session = SessionView::SigningIn { address: address.to_string(), user: user.clone() };
        let sign_in = SignIn {
            user: user.clone(),
            password: password.clone(),
            device_name: self.config.device_name.clone(),
            device: self.settings.devices.get(&account(user, address)).cloned(),
        };
        let accepted = self.settings.certificates.get(&address.host_port()).cloned();
        let control = Control::new(address.clone(), accepted, "");
        self.state = State::SigningIn(attempt);
        self.show_own_log();
        self.begin(async move {
            Happening::SignedIn(match control {
                Ok(control) => control.sign_in(&sign_in).await,
                Err(error) => Err(error),
            })
        });
    }

    pub(crate) fn signed_in(&mut self, result: Result<Session, ControlError>) {
        let State::SigningIn(attempt) = std::mem::replace(&mut self.state, State::Out) else { return };
        match result {
            Ok(session) => self.arrive(attempt, session),
            Err(ControlError::FirstContact { fingerprint }) => {
                self.view.session = SessionView::ConfirmFingerprint {
                    address: attempt.address.to_string(),
                    user: attempt.user.clone(),
                    fingerprint: fingerprint.clone(),
                };
                self.state = State::Confirming { attempt, fingerprint };
            }
            Err(error) => self.signed_out(Some(error.to_string())),
        }
    }

    fn arrive(&mut self, attempt: Attempt, session: Session) {
        let Attempt { address, user, .. } = attempt;
        let account = account(&user, &address);
        self.settings.address = address.to_string();
        self.settings.user = user;
        self.settings.signed_in = true;
        self.settings.devices.insert(account.clone(), session.sip.device.clone());
        self.save_settings();
        let kept = Kept { address: address.to_string(), session };
        let secret = serde_json::to_string(&kept);
        self.enter(&address, kept.session, None);
        let (vault, post) = (self.vault.clone(), self.poster());
        // Whoever quits right after signing in is still signed in the next time: the desk waits for this when it ends.
        self.farewells.spawn(async move {
            post(Happening::SecretKept(match secret {
                Ok(secret) => vault.keep(&account, &secret).await,
                Err(error) => Err(error.into()),
            }));
        });
    }

    pub(crate) fn secret_kept(&mut self, result: Result<Option<String>, std::io::Error>) {
        match (result, &mut self.view.session) {
            (Ok(warning), SessionView::SignedIn { keyring_warning, .. }) => *keyring_warning = warning,
            (Err(error), _) => self.note(
                Tone::Bad,
                format!("Your sign-in can't be kept on this machine ({error}): sign in again after the next start."),
            ),
            (Ok(_), _) => {}
        }
    }

    /// Begins a session: the log opens, the feed connects, the phone registers; each in its own time.
    fn enter(&mut self, address: &Address, session: Session, keyring_warning: Option<String>) {
        let accepted = self.settings.certificates.get(&address.host_port()).cloned();
        let control = match Control::new(address.clone(), accepted, &session.token) {
            Ok(control) => control,
            Err(error) => return self.signed_out(Some(error.to_string())),
        };
        self.keep_drafts();
        self.end_tasks();
        self.blank();
        self.logs = Logs::default();
        let Session { user: me, account: name, sip, token: _ } = session;
        self.log = Some(self.open_log(&account(me.id.as_str(), address)));
        let wake = Arc::new(Notify::new());
        self.view.session = SessionView::SignedIn { account: name, me, address: address.to_string(), keyring_warning };
        self.state = State::In(Box::new(SignedIn {
            control: control.clone(),
            sip,
            phone: PhoneSlot::default(),
            wake: Arc::clone(&wake),
        }));
        let post = self.poster();
        let tell = move |event: FeedEvent| post(Happening::Feed(event));
        self.tasks.spawn(async move { feed::run(control, &wake, tell).await });
        self.start_phone();
        if let Some(call) = self.linked.take() {
            self.open_details(call);
        }
    }

    fn open_log(&mut self, account: &str) -> LogRoom {
        let name: String = Sha256::digest(account.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let (log, opened) = LogRoom::start(self.config.data_dir.join(format!("calls-{name}.sqlite")));
        self.begin(async move {
            let ended = || Err(call_log::Error::Damaged { what: "its thread ended".into() });
            Happening::Logs(LogHappening::Opened(opened.await.unwrap_or_else(|_| ended())))
        });
        log
    }

    pub(crate) fn accept_fingerprint(&mut self) {
        match std::mem::replace(&mut self.state, State::Out) {
            State::Confirming { attempt, fingerprint } => {
                self.settings.certificates.insert(attempt.address.host_port(), fingerprint);
                self.save_settings();
                self.attempt(attempt);
            }
            other @ (State::Out | State::Resuming(_) | State::SigningIn(_) | State::In(_)) => self.state = other,
        }
    }

    pub(crate) fn refuse_fingerprint(&mut self) {
        if matches!(self.state, State::Confirming { .. }) {
            self.signed_out(Some(
                "Nothing was sent. Ask whoever runs the exchange for its fingerprint, then try again.".into(),
            ));
        }
    }

    /// On the person's wish: the exchange forgets this device, and this machine forgets the calls.
    pub(crate) fn sign_out(&mut self, forget: bool) {
        self.keep_drafts();
        let State::In(session) = std::mem::replace(&mut self.state, State::Out) else {
            return self.signed_out(None);
        };
        let SignedIn { control, mut phone, .. } = *session;
        let log = self.log.take();
        let (vault, account) = (self.vault.clone(), account(&self.settings.user, control.address()));
        self.farewells.spawn(async move {
            if let Some(log) = log {
                log.close(forget).await;
            }
            vault.forget(&account).await;
            phone.stop().await;
            if let Err(error) = control.sign_out().await {
                tracing::warn!(%error, "the exchange was not told of the sign-out");
            }
        });
        self.forget_sign_in(None);
    }

    /// The exchange does not know the sign-in any more. The calls stay for when the person signs in again.
    pub(crate) fn expel(&mut self) {
        self.keep_drafts();
        let State::In(session) = std::mem::replace(&mut self.state, State::Out) else { return };
        let SignedIn { control, mut phone, .. } = *session;
        let (vault, account) = (self.vault.clone(), account(&self.settings.user, control.address()));
        self.farewells.spawn(async move {
            vault.forget(&account).await;
            phone.stop().await;
        });
        self.forget_sign_in(Some("The exchange does not know this sign-in any more. Sign in again.".into()));
    }

    fn forget_sign_in(&mut self, error: Option<String>) {
        self.settings.signed_in = false;
        self.save_settings();
        self.signed_out(error);
    }

    /// Shows the sign-in form.
    pub(crate) fn signed_out(&mut self, error: Option<String>) {
        self.end_tasks();
        self.state = State::Out;
        self.blank();
        self.show_own_log();
        let (address, user) = (self.settings.address.clone(), self.settings.user.clone());
        self.view.session = SessionView::SignedOut { address, user, error };
    }

    /// Nothing of one session is ever shown in another. What is of plain accounts stays.
    fn blank(&mut self) {
        let plain = |id: &PhoneCallId| id.line() != LineNo::EXCHANGE;
        let calls = self.view.phone.calls.drain(..).filter(|call| plain(&call.id)).collect();
        let rings = self.view.rings.drain(..).filter(|ring| plain(&ring.id)).collect();
        let own_rows = self.view.live.calls.drain(..).filter(is_own).collect();
        self.view = View {
            sound: self.view.sound.clone(),
            notices: std::mem::take(&mut self.view.notices),
            keeping: self.view.keeping,
            accounts: std::mem::take(&mut self.view.accounts),
            live: LiveView { as_of: None, calls: own_rows },
            phone: PhoneView { calls, trouble: None, offered: self.view.phone.offered.take() },
            rings,
            ..View::empty()
        };
    }

    fn end_tasks(&mut self) {
        self.tasks = tokio::task::JoinSet::new();
        self.session = self.session.wrapping_add(1);
        self.targets_due = false;
        self.taken_back.clear();
        self.undo_dismissed.clear();
    }

    /// Ends the session because the app ends; the sign-in stays.
    pub(crate) async fn close(&mut self) {
        self.keep_drafts();
        self.end_all_own_calls();
        self.end_tasks();
        if let State::In(mut session) = std::mem::replace(&mut self.state, State::Out) {
            session.phone.stop().await;
        }
        self.stop_accounts().await;
        for log in [self.log.take(), self.own_log.take()].into_iter().flatten() {
            log.close(false).await;
        }
    }

    pub(crate) fn save_settings(&mut self) {
        if let Err(error) = self.settings.save(&self.config.data_dir) {
            let file = settings::file(&self.config.data_dir);
            self.note(
                Tone::Bad,
                format!("{} can't be written ({error}). Check that the disk has room.", file.display()),
            );
        }
    }

    pub(crate) fn set_presence(&mut self, presence: Presence) {
        let State::In(session) = &self.state else { return };
        let control = session.control.clone();
        self.begin(async move { Happening::Asked(control.set_presence(presence).await) });
    }

    pub(crate) fn online(&self) -> bool {
        matches!(self.view.link.control, LinkState::Up)
    }
}

/// Under what a user's secrets and calls are filed.
fn account(user: &str, address: &Address) -> String {
    format!("{user}@{}", address.host_port())
}
