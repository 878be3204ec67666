//! The session's phone, started with the SIP account that the exchange gave.

mod calls;
mod registrar;

use std::time::Duration;

use protocol::Timestamp;
use softphone::{PhoneEvent, RegistrationState};

pub(crate) use calls::dialled;
pub(crate) use registrar::local_address;

use crate::LinkState;
use crate::device::{Device, Started};
use crate::owner::{Happening, Owner};
use crate::phones::{self, LineNo};
use crate::session::State;
use registrar::Registrar;

const RETRY: Duration = Duration::from_secs(5);

/// The phone of a session.
#[derive(Default)]
pub(crate) struct PhoneSlot {
    pub(crate) device: Option<Box<dyn Device>>,
}

impl PhoneSlot {
    pub(crate) async fn stop(&mut self) {
        if let Some(device) = self.device.take() {
            device.stop().await;
        }
    }
}

impl Owner {
    /// Starts the phone; tries again until it works.
    pub(crate) fn start_phone(&mut self) {
        let State::In(session) = &self.state else { return };
        self.view.link.registration = match &self.view.link.registration {
            LinkState::Down { since, why, .. } => LinkState::Down { since: *since, why: why.clone(), retry_at: None },
            LinkState::Off | LinkState::Connecting | LinkState::Up => LinkState::Connecting,
        };
        let exchange = session.control.address();
        let registrar = Registrar::of(&session.sip, exchange.host());
        let accepted = self.settings.certificates.get(&exchange.host_port()).and_then(|f| f.parse().ok());
        let (sip, sound) = (session.sip.clone(), self.sound());
        let devices = std::sync::Arc::clone(&self.config.devices);
        let display = self.view_name();
        self.begin(async move {
            Happening::PhoneStarted(match registrar {
                Ok(registrar) => match registrar.config(sip, display, sound, accepted).await {
                    Ok(config) => devices.start(config).await.map_err(|error| error.to_string()),
                    Err(why) => Err(why),
                },
                Err(why) => Err(why),
            })
        });
    }

    fn view_name(&self) -> Option<String> {
        match &self.view.session {
            crate::SessionView::SignedIn { me, .. } => Some(me.name.clone()),
            crate::SessionView::Starting
            | crate::SessionView::SignedOut { .. }
            | crate::SessionView::SigningIn { .. }
            | crate::SessionView::ConfirmFingerprint { .. } => None,
        }
    }

    pub(crate) fn phone_started(&mut self, result: Result<Started, String>) {
        match result {
            Ok((device, events)) => {
                let (post, levels) = (self.poster(), self.levels.clone());
                let State::In(session) = &mut self.state else { return };
                session.phone.device = Some(device);
                self.elsewhere.forget(LineNo::EXCHANGE); // this one has not been told
                self.view.phone.trouble = None;
                self.tasks.spawn(phones::listen(events, levels, move |event| post(Happening::Phone(event))));
            }
            Err(why) => {
                let sentence = format!("The phone can't be started: {}. It is tried again.", why.trim_end_matches('.'));
                self.registration_down(sentence.clone(), Some(RETRY));
                self.view.phone.trouble = Some(sentence);
                self.begin(async {
                    tokio::time::sleep(RETRY).await;
                    Happening::PhoneRetry
                });
            }
        }
    }

    pub(crate) fn phone_event(&mut self, line: LineNo, event: PhoneEvent) {
        if self.device(line).is_none() {
            return; // of a phone that has been ended
        }
        match event {
            PhoneEvent::Registration(state) if line == LineNo::EXCHANGE => self.registration(state),
            PhoneEvent::Registration(state) => self.line_registration(line, state),
            PhoneEvent::Incoming(call) => self.incoming(line, call),
            PhoneEvent::Call { call, event } => self.call_event(line.id(call), event),
            PhoneEvent::Watched { number, state } => self.line_watched(line, number, state),
            PhoneEvent::Messages { waiting, new, old: _ } => self.line_messages(line, waiting, new),
            PhoneEvent::SoundTrouble(trouble) => {
                self.view.sound.trouble = trouble;
                self.list_sound_devices(); // something was plugged in or out
            }
        }
    }

    fn registration(&mut self, state: RegistrationState) {
        if let (State::In(session), RegistrationState::Registered, LinkState::Down { .. }) =
            (&self.state, &state, &self.view.link.registration)
        {
            session.wake.notify_one(); // the network is back, so the feed may be too
        }
        self.view.link.registration = next_link(&self.view.link.registration, self.clock.now(), state);
    }

    fn registration_down(&mut self, why: String, retry_in: Option<Duration>) {
        self.view.link.registration = down(&self.view.link.registration, self.clock.now(), why, retry_in);
    }
}

/// What a registration's news makes of what was shown of it.
pub(crate) fn next_link(link: &LinkState, now: Timestamp, state: RegistrationState) -> LinkState {
    match (state, link) {
        (RegistrationState::Registered, _) => LinkState::Up,
        (RegistrationState::Off, _) => LinkState::Off,
        (RegistrationState::Registering, LinkState::Down { since, why, .. }) => {
            LinkState::Down { since: *since, why: why.clone(), retry_at: None }
        }
        (RegistrationState::Registering, LinkState::Up) => LinkState::Up, // a refresh
        (RegistrationState::Registering, LinkState::Off | LinkState::Connecting) => LinkState::Connecting,
        (RegistrationState::Down { why, retry_in, fingerprint: _ }, link) => {
            let sentence = format!("Calls can't reach this phone: {}.", why.trim_end_matches('.'));
            down(link, now, sentence, retry_in)
        }
    }
}

/// Down since when it went down first.
pub(crate) fn down(link: &LinkState, now: Timestamp, why: String, retry_in: Option<Duration>) -> LinkState {
    let since = match link {
        LinkState::Down { since, .. } => *since,
        LinkState::Off | LinkState::Connecting | LinkState::Up => now,
    };
    let retry_at = retry_in.map(|wait| now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    LinkState::Down { since, why, retry_at }
}
