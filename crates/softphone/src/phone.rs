use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::call::{Input, ReferTo};
use crate::config::{PhoneConfig, RingTone, SoundChoice};
use crate::event::{CallKey, PhoneEvent};
use crate::owner::{Command, Owner};

/// A running phone. Cheap to clone; the phone stops when [`Phone::stop`] is called or the last handle is dropped.
///
/// Commands never wait: what becomes of them arrives as events. A command for a call that is gone does nothing; one
/// that the call's state forbids is answered by [`crate::CallEvent::Trouble`].
#[derive(Clone, Debug)]
pub struct Phone {
    commands: mpsc::UnboundedSender<Command>,
    next_call: Arc<AtomicU32>,
    listen: SocketAddr,
}

impl Phone {
    /// Opens the sockets, starts the sound thread and, with an account, registration.
    ///
    /// # Errors
    /// An address that can't be bound, a registrar that is no address, a WAV that can't be read. Missing sound
    /// devices are no error: they are reported by [`PhoneEvent::SoundTrouble`].
    pub async fn start(config: PhoneConfig) -> Result<(Self, mpsc::UnboundedReceiver<PhoneEvent>), Error> {
        Self::start_on(config, audio::Sound::system()).await
    }

    /// The same with other sound devices than this machine's: [`audio::Sound::fake`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_on(
        config: PhoneConfig,
        devices: audio::Sound,
    ) -> Result<(Self, mpsc::UnboundedReceiver<PhoneEvent>), Error> {
        let (events, event_stream) = mpsc::unbounded_channel();
        let (commands, inbox) = mpsc::unbounded_channel();
        let next_call = Arc::new(AtomicU32::new(1));
        let listen = Owner::start(config, devices, Arc::clone(&next_call), inbox, events).await?;
        Ok((Self { commands, next_call, listen }, event_stream))
    }

    /// Where SIP listens, with the real port.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Calls a SIP URI, or with an account a bare number or user of its registrar.
    pub fn call(&self, to: &str) -> CallKey {
        let call = CallKey(self.next_call.fetch_add(1, Ordering::Relaxed));
        self.send(Command::Call { call, to: to.to_owned() });
        call
    }

    /// Takes a ringing call; the call that had the sound is put on hold.
    pub fn answer(&self, call: CallKey) {
        self.send(Command::OnCall { call, input: Input::Answer });
    }

    /// Refuses a ringing call for all devices of the user (603).
    pub fn decline(&self, call: CallKey) {
        self.send(Command::OnCall { call, input: Input::Refuse { status: 603 } });
    }

    /// Refuses a ringing call as busy (486).
    pub fn busy(&self, call: CallKey) {
        self.send(Command::OnCall { call, input: Input::Refuse { status: 486 } });
    }

    /// Ends a call in whatever state: gives up, refuses or says goodbye.
    pub fn hang_up(&self, call: CallKey) {
        self.send(Command::OnCall { call, input: Input::HangUp });
    }

    /// Puts a call on hold, or takes it back; taking it back puts the one with the sound on hold.
    pub fn hold(&self, call: CallKey, held: bool) {
        self.send(Command::OnCall { call, input: Input::Hold { held } });
    }

    /// Sends silence instead of the microphone.
    pub fn mute(&self, call: CallKey, muted: bool) {
        self.send(Command::Mute { call, muted });
    }

    /// Presses keys: `0`–`9`, `*`, `#`, `A`–`D` (RFC 4733). Others are left out.
    pub fn dtmf(&self, call: CallKey, digits: &str) {
        self.send(Command::OnCall { call, input: Input::Press { digits: digits.to_owned() } });
    }

    /// Blind transfer by REFER as RFC 5589 section 6.1 wants it: hold, REFER, wait for the final NOTIFY; on failure
    /// the call is taken back.
    pub fn transfer(&self, call: CallKey, to: &str) {
        self.send(Command::Transfer { call, to: to.to_owned() });
    }

    /// Attended transfer (RFC 5589 section 7): the far ends of `call` and `other` are connected, and both calls end here.
    /// With `early_only` it fails if `other` has been answered by then.
    pub fn connect(&self, call: CallKey, other: CallKey, early_only: bool) {
        let to = ReferTo::Call { other, early_only };
        self.send(Command::OnCall { call, input: Input::Transfer { to } });
    }

    /// Sends a ringing call elsewhere (302).
    pub fn divert(&self, call: CallKey, to: &str) {
        self.send(Command::Divert { call, to: to.to_owned() });
    }

    /// Presses keys by SIP INFO instead of RFC 4733.
    pub fn info_dtmf(&self, call: CallKey, digits: &str) {
        self.send(Command::InfoKeys { call, digits: digits.to_owned() });
    }

    /// Offers other keys to the sound of an encrypted call (RFC 4568 section 7.1.4).
    pub fn renew_keys(&self, call: CallKey) {
        self.send(Command::RenewKeys { call });
    }

    /// The person has just asked for this call of the account: when it comes within half a minute and asks to be
    /// answered by itself, it is.
    pub fn expect(&self, call: protocol::CallId) {
        self.send(Command::Expect(call));
    }

    /// Registers anew at once: the exchange is back, or has forgotten this device.
    pub fn register_now(&self) {
        self.send(Command::RegisterNow);
    }

    /// Watches what a line does, by dialog events (RFC 4235): [`PhoneEvent::Watched`] follows with every change, until
    /// [`Self::unwatch`]. `number` is one as [`Self::call`] takes it, and is said again in the events as it stands.
    pub fn watch(&self, number: &str) {
        self.send(Command::Watch { number: number.to_owned() });
    }

    /// Ends [`Self::watch`].
    pub fn unwatch(&self, number: &str) {
        self.send(Command::Unwatch { number: number.to_owned() });
    }

    /// Asks the registrar for [`PhoneEvent::Messages`] (RFC 3842). Many systems tell unasked, and that is heard anyway.
    pub fn watch_messages(&self) {
        self.send(Command::WatchMessages);
    }

    /// Changes the sound devices, during calls too. No effect on a phone that plays files.
    pub fn choose_sound(&self, choice: SoundChoice) {
        self.send(Command::ChooseSound(choice));
    }

    /// How loud it rings: 0.0 (silent) to 1.0.
    pub fn ring_level(&self, level: f32) {
        self.send(Command::RingLevel(level.clamp(0.0, 1.0)));
    }

    /// How calls from outside ring, from the next one on.
    pub fn ring_tone(&self, tone: RingTone) {
        self.send(Command::RingTone(tone));
    }

    /// Whether the person talks on another phone of theirs: calls here then only knock, and none answers itself.
    pub fn talking_elsewhere(&self, elsewhere: bool) {
        self.send(Command::TalkingElsewhere(elsewhere));
    }

    /// Another phone of this person rings: this one stays silent, so that two tones are no noise.
    pub fn ringing_elsewhere(&self, elsewhere: bool) {
        self.send(Command::RingingElsewhere(elsewhere));
    }

    /// Hangs up everything, unregisters, and closes the sockets; at most about two seconds.
    pub async fn stop(self) {
        let (done, stopped) = oneshot::channel();
        self.send(Command::Stop(done));
        // An owner that is gone already has stopped too.
        let _gone = stopped.await;
    }

    /// The sound devices of this machine. Asks the sound server, which may take a while: call it off the main thread.
    #[must_use]
    pub fn sound_devices() -> SoundDevices {
        let found = audio::Sound::system().devices();
        let known =
            |list: Vec<audio::Device>| list.into_iter().map(|d| SoundDevice { id: d.id, name: d.name }).collect();
        SoundDevices { microphones: known(found.microphones), speakers: known(found.speakers) }
    }

    fn send(&self, command: Command) {
        // After `stop` there is nobody left to obey, and nothing to obey about.
        let _stopped = self.commands.send(command);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoundDevices {
    pub microphones: Vec<SoundDevice>,
    /// For speaker and ringer.
    pub speakers: Vec<SoundDevice>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundDevice {
    pub id: String,
    pub name: String,
}

/// Why a phone did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is no registrar: write sip:HOST or sip:HOST:PORT")]
    Registrar(String),
    #[error("cannot listen on {address}: {why}")]
    Listen { address: SocketAddr, why: String },
    #[error("cannot read {path}: {why}")]
    Play { path: PathBuf, why: String },
    #[error("cannot write {path}: {why}")]
    Record { path: PathBuf, why: String },
    #[error("cannot start the sound thread: {0}")]
    Thread(std::io::Error),
}
