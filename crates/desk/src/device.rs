//! The user's device as the desk sees it: the softphone, or a test's double.

use futures::future::BoxFuture;
use protocol::CallId;
use softphone::{CallKey, Error, Phone, PhoneConfig, PhoneEvent, SoundChoice, SoundDevices};
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
