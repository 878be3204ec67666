//! The user's device as the desk sees it: the softphone, or a test's double.

use futures::future::BoxFuture;
use protocol::CallId;
use softphone::{
    CallKey, Error, Phone, PhoneConfig, PhoneEvent, Player, PlayerEvent, RingTone, SoundChoice, SoundDevices,
    SoundTest, SoundTestEvent,
};
use tokio::sync::mpsc;

/// What the desk asks of a phone. Nothing waits; what becomes of it arrives as [`PhoneEvent`]s.
pub trait Device: Send + Sync + 'static {
    fn call(&self, to: &str) -> CallKey;
    fn answer(&self, call: CallKey);
    fn decline(&self, call: CallKey);
    fn hang_up(&self, call: CallKey);
    fn hold(&self, call: CallKey, held: bool);
    fn mute(&self, call: CallKey, muted: bool);
    fn dtmf(&self, call: CallKey, digits: &str);
    /// Blind transfer by REFER; if it fails, the call is taken back.
    fn transfer(&self, call: CallKey, to: &str);
    /// Connects the far ends of two calls.
    fn connect(&self, call: CallKey, other: CallKey);
    fn watch(&self, number: &str);
    fn unwatch(&self, number: &str);
    fn watch_messages(&self);
    fn ring_tone(&self, tone: RingTone);
    /// Whether the person talks on another phone of theirs.
    fn talking_elsewhere(&self, elsewhere: bool);
    fn ringing_elsewhere(&self, elsewhere: bool);
    /// The person has just asked for this call of the account: when it comes back, it may answer itself.
    fn expect(&self, call: CallId);
    /// Tells the registrar anew where this device is: the exchange is back, and may have forgotten it.
    fn register_now(&self);
    fn choose_sound(&self, choice: SoundChoice);
    /// Ends all calls, unregisters and closes.
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A phone that was started, and what happens on it.
pub type Started = (Box<dyn Device>, mpsc::UnboundedReceiver<PhoneEvent>);

/// Makes the device after sign-in.
pub trait DeviceMaker: Send + Sync + 'static {
    fn start(&self, config: PhoneConfig) -> BoxFuture<'static, Result<Started, Error>>;

    /// The machine's sound devices. May block for a while.
    fn sound_devices(&self) -> SoundDevices;

    /// Tests microphone and speaker: "hear yourself".
    ///
    /// # Errors
    /// A sentence, if that can't be begun.
    fn test_sound(&self, choice: SoundChoice) -> Result<SoundTrial, String>;

    /// Listens to the headset's buttons, from now on; gives what lights its lamps. `None`: there is no way to.
    fn headset(&self, ears: HeadsetEars) -> Option<HeadsetLamps>;

    /// Plays a message (a WAV file) on a speaker; `None`: the system's default. A sentence if that can't be.
    ///
    /// # Errors
    /// A sentence, if that is no sound.
    fn play(&self, wav: Vec<u8>, speaker: Option<String>) -> Result<Message, String>;
}

/// Is told what happens with headsets.
pub type HeadsetEars = Box<dyn Fn(headset::Event) + Send>;

/// Shows something on the headset, which is listened to until this is dropped.
pub type HeadsetLamps = Box<dyn Fn(headset::Lamps) + Send + Sync>;

/// A test of the sound that runs, until its first half is dropped, and what happens in it.
pub type SoundTrial = (Box<dyn Send + Sync>, mpsc::UnboundedReceiver<SoundTestEvent>);

/// A message that plays, and what happens with it.
pub type Message = (Box<dyn Playing>, mpsc::UnboundedReceiver<PlayerEvent>);

/// What the desk asks of a message that plays. It ends when this is dropped.
pub trait Playing: Send + Sync + 'static {
    fn duration_ms(&self) -> u64;
    fn pause(&self, paused: bool);
    fn seek(&self, ms: u64);
    /// Percent.
    fn speed(&self, percent: u32);
    fn speaker(&self, speaker: Option<String>);
}

/// Makes real phones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Softphones;

impl DeviceMaker for Softphones {
    fn start(&self, config: PhoneConfig) -> BoxFuture<'static, Result<Started, Error>> {
        Box::pin(async move {
            let (phone, events) = Phone::start(config).await?;
            Ok((Box::new(phone) as Box<dyn Device>, events))
        })
    }

    fn sound_devices(&self) -> SoundDevices {
        Phone::sound_devices()
    }

    fn test_sound(&self, choice: SoundChoice) -> Result<SoundTrial, String> {
        let (test, events) = SoundTest::start(choice)
            .map_err(|error| format!("The test can't be begun ({error}). Close other programs and try again."))?;
        Ok((Box::new(test), events))
    }

    fn headset(&self, ears: HeadsetEars) -> Option<HeadsetLamps> {
        match headset::listen(ears) {
            Ok(headset) => Some(Box::new(move |lamps| headset.show(lamps))),
            Err(error) => {
                tracing::warn!(%error, "headset buttons can't be listened to");
                None
            }
        }
    }

    fn play(&self, wav: Vec<u8>, speaker: Option<String>) -> Result<Message, String> {
        let (player, events) = Player::start(speaker, wav).map_err(|error| error.to_string())?;
        Ok((Box::new(player), events))
    }
}

impl Playing for Player {
    fn duration_ms(&self) -> u64 {
        Player::duration_ms(self)
    }

    fn pause(&self, paused: bool) {
        Player::pause(self, paused);
    }

    fn seek(&self, ms: u64) {
        Player::seek(self, ms);
    }

    fn speed(&self, percent: u32) {
        Player::speed(self, percent);
    }

    fn speaker(&self, speaker: Option<String>) {
        Player::speaker(self, speaker);
    }
}

impl Device for Phone {
    fn call(&self, to: &str) -> CallKey {
        Phone::call(self, to)
    }

    fn answer(&self, call: CallKey) {
        Phone::answer(self, call);
    }

    fn decline(&self, call: CallKey) {
        Phone::decline(self, call);
    }

    fn hang_up(&self, call: CallKey) {
        Phone::hang_up(self, call);
    }

    fn hold(&self, call: CallKey, held: bool) {
        Phone::hold(self, call, held);
    }

    fn mute(&self, call: CallKey, muted: bool) {
        Phone::mute(self, call, muted);
    }

    fn dtmf(&self, call: CallKey, digits: &str) {
        Phone::dtmf(self, call, digits);
    }

    fn transfer(&self, call: CallKey, to: &str) {
        Phone::transfer(self, call, to);
    }

    fn connect(&self, call: CallKey, other: CallKey) {
        Phone::connect(self, call, other, false);
    }

    fn watch(&self, number: &str) {
        Phone::watch(self, number);
    }

    fn unwatch(&self, number: &str) {
        Phone::unwatch(self, number);
    }

    fn watch_messages(&self) {
        Phone::watch_messages(self);
    }

    fn ring_tone(&self, tone: RingTone) {
        Phone::ring_tone(self, tone);
    }

    fn talking_elsewhere(&self, elsewhere: bool) {
        Phone::talking_elsewhere(self, elsewhere);
    }
    fn ringing_elsewhere(&self, elsewhere: bool) {
        Phone::ringing_elsewhere(self, elsewhere);
    }

    fn expect(&self, call: CallId) {
        Phone::expect(self, call);
    }

    fn register_now(&self) {
        Phone::register_now(self);
    }

    fn choose_sound(&self, choice: SoundChoice) {
        Phone::choose_sound(self, choice);
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(Phone::stop(*self))
    }
}
