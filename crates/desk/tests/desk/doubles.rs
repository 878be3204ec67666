//! What the desk is held by in these tests: a screen, a phone, a keyring.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use desk::{Device, DeviceMaker, Keyring, Message, Notice, Playing, RingView, Screen, View, ViewPatch};
use futures::future::BoxFuture;
use softphone::{CallKey, Error, PhoneConfig, PhoneEvent, PlayerEvent, SoundChoice, SoundDevices, SoundTestEvent};
use tokio::sync::{mpsc, watch};

/// Nothing here takes long; this only ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Something that a screen was told to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    Ring(Vec<RingView>),
    Patch(Box<ViewPatch>),
    Notify(Notice),
}

/// A screen that remembers, and puts the patches together as a real one does.
pub struct Recorder {
    view: watch::Sender<View>,
    shown: Mutex<Vec<Shown>>,
}

impl Recorder {
    pub fn new() -> Self {
        Self { view: watch::Sender::new(View::empty()), shown: Mutex::default() }
    }

    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until the screen shows this.
    pub async fn until(&self, what: &str, shows: impl Fn(&View) -> bool) -> View {
        let mut view = self.view.subscribe();
        let waited = tokio::time::timeout(PATIENCE, view.wait_for(|view| shows(view))).await;
        match waited {
            Ok(view) => view.unwrap().clone(),
            Err(_) => panic!("never: {what}; the screen shows {:#?}", self.view()),
        }
    }

    pub async fn until_notice(&self, part: &str) -> View {
        self.until(part, |view| view.notices.iter().any(|notice| notice.sentence.contains(part))).await
    }
}

impl Screen for Recorder {
    fn publish(&self, patch: ViewPatch) {
        self.shown.lock().unwrap().push(Shown::Patch(Box::new(patch.clone())));
        self.view.send_modify(|view| view.apply(patch));
    }

    fn ring(&self, rings: &[RingView]) {
        self.shown.lock().unwrap().push(Shown::Ring(rings.to_vec()));
    }

    fn notify(&self, notice: &Notice) {
        self.shown.lock().unwrap().push(Shown::Notify(notice.clone()));
    }
}

/// Makes phones that only write down what they are asked.
#[derive(Default)]
pub struct FakePhones {
    state: Arc<Mutex<PhoneState>>,
    /// Counts what was asked or started.
    news: Arc<watch::Sender<u32>>,
}

#[derive(Default)]
struct PhoneState {
    config: Option<PhoneConfig>,
    /// Of the phones that run or ran, by their user; the last of a user counts.
    phones: Vec<(String, PhoneConfig, mpsc::UnboundedSender<PhoneEvent>)>,
    player: Option<mpsc::UnboundedSender<PlayerEvent>>,
    test: Option<mpsc::UnboundedSender<SoundTestEvent>>,
    headset: Option<desk::HeadsetEars>,
    plugged: SoundDevices,
    asked: Vec<String>,
    dialled: u32,
}

impl FakePhones {
    async fn until<T>(&self, find: impl Fn(&PhoneState) -> Option<T>) -> T {
        let mut news = self.news.subscribe();
        loop {
            news.borrow_and_update();
            if let Some(found) = find(&self.state.lock().unwrap()) {
                return found;
            }
            tokio::time::timeout(PATIENCE, news.changed()).await.expect("the phone is asked in time").unwrap();
        }
    }

    /// The configuration of the phone that was started.
    pub async fn started(&self) -> PhoneConfig {
        self.until(|state| state.config.clone()).await
    }

    /// Lets the phone report something.
    pub async fn report(&self, event: PhoneEvent) {
        self.report_to("maya", event).await;
    }

    /// Lets the phone of this user report something.
    pub async fn report_to(&self, user: &str, event: PhoneEvent) {
        let events = self.until(|state| Some(state.phones.iter().rfind(|(of, ..)| of == user)?.2.clone())).await;
        // A phone that is stopped reports to nobody.
        let _stopped = events.send(event);
    }

    /// The configuration of the phone of this user, as it was last started.
    pub async fn started_for(&self, user: &str) -> PhoneConfig {
        self.until(|state| Some(state.phones.iter().rfind(|(of, ..)| of == user)?.1.clone())).await
    }

    pub fn starts(&self) -> usize {
        self.state.lock().unwrap().phones.len()
    }

    /// Lets the message that plays report something.
    pub async fn player(&self, event: PlayerEvent) {
        let events = self.until(|state| state.player.clone()).await;
        events.send(event).unwrap();
    }

    /// Lets the sound test report something.
    pub async fn test(&self, event: SoundTestEvent) {
        let events = self.until(|state| state.test.clone()).await;
        events.send(event).unwrap();
    }

    /// Lets the headset report something.
    pub async fn headset(&self, event: headset::Event) {
        self.until(|state| state.headset.as_ref().map(|tell| tell(event.clone()))).await;
    }

    /// What can be chosen from now on.
    pub fn plug(&self, plugged: SoundDevices) {
        self.state.lock().unwrap().plugged = plugged;
    }

    /// Waits until the phone has been asked this.
    pub async fn asked(&self, what: &str) {
        self.until(|state| state.asked.iter().any(|asked| asked == what).then_some(())).await;
    }

    pub fn all_asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl DeviceMaker for FakePhones {
    fn start(
        &self,
        config: PhoneConfig,
    ) -> BoxFuture<'static, Result<(Box<dyn Device>, mpsc::UnboundedReceiver<PhoneEvent>), Error>> {
        let (events, stream) = mpsc::unbounded_channel();
        let user = config.account.as_ref().map(|account| account.user.clone()).unwrap_or_default();
        // What the exchange's phone is asked stands for itself.
        let whose = if user == "maya" { String::new() } else { format!("{user}: ") };
        let phone = FakePhone { whose, state: Arc::clone(&self.state), news: Arc::clone(&self.news) };
        {
            let mut state = self.state.lock().unwrap();
            state.config = Some(config.clone());
            state.phones.push((user, config, events));
        }
        self.news.send_modify(|n| *n += 1);
        Box::pin(async move { Ok((Box::new(phone) as Box<dyn Device>, stream)) })
    }

    fn sound_devices(&self) -> SoundDevices {
        self.state.lock().unwrap().plugged.clone()
    }

    fn headset(&self, ears: desk::HeadsetEars) -> Option<desk::HeadsetLamps> {
        self.state.lock().unwrap().headset = Some(ears);
        self.news.send_modify(|n| *n += 1);
        let phone = self.phone();
        Some(Box::new(move |headset::Lamps { ring, off_hook, mute, hold }| {
            let lit = [(ring, "ring"), (off_hook, "off hook"), (mute, "mute"), (hold, "hold")];
            let lit: Vec<&str> = lit.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
            phone.note(format!("lamps {}", lit.join(", ")));
        }))
    }

    fn test_sound(&self, choice: SoundChoice) -> Result<desk::SoundTrial, String> {
        let (events, stream) = mpsc::unbounded_channel();
        let phone = self.phone();
        phone.note(format!("test {:?}", choice.microphone));
        self.state.lock().unwrap().test = Some(events);
        Ok((Box::new(phone), stream))
    }

    fn play(&self, wav: Vec<u8>, speaker: Option<String>) -> Result<Message, String> {
        let (events, stream) = mpsc::unbounded_channel();
        let phone = self.phone();
        phone.note(format!("play {} bytes on {speaker:?}", wav.len()));
        self.state.lock().unwrap().player = Some(events);
        Ok((Box::new(phone), stream))
    }
}

impl FakePhones {
    fn phone(&self) -> FakePhone {
        FakePhone { whose: String::new(), state: Arc::clone(&self.state), news: Arc::clone(&self.news) }
    }
}

impl Playing for FakePhone {
    fn duration_ms(&self) -> u64 {
        12_000
    }
    fn pause(&self, paused: bool) {
        self.note(format!("pause {paused}"));
    }
    fn seek(&self, ms: u64) {
        self.note(format!("seek {ms}"));
    }
    fn speed(&self, percent: u32) {
        self.note(format!("speed {percent}"));
    }
    fn speaker(&self, speaker: Option<String>) {
        self.note(format!("speaker {speaker:?}"));
    }
}

struct FakePhone {
    whose: String,
    state: Arc<Mutex<PhoneState>>,
    news: Arc<watch::Sender<u32>>,
}

impl FakePhone {
    fn note(&self, mut asked: String) {
        asked.insert_str(0, &self.whose);
        self.state.lock().unwrap().asked.push(asked);
        self.news.send_modify(|n| *n += 1);
    }
}

impl Device for FakePhone {
    fn call(&self, to: &str) -> CallKey {
        let key = {
            let mut state = self.state.lock().unwrap();
            state.dialled += 1;
            CallKey(100 + state.dialled)
        };
        self.note(format!("call {to}"));
        key
    }
    fn answer(&self, call: CallKey) {
        self.note(format!("answer {}", call.0));
    }
    fn decline(&self, call: CallKey) {
        self.note(format!("decline {}", call.0));
    }
    fn hang_up(&self, call: CallKey) {
        self.note(format!("hang up {}", call.0));
    }
    fn hold(&self, call: CallKey, held: bool) {
        self.note(format!("hold {} {held}", call.0));
    }
    fn mute(&self, call: CallKey, muted: bool) {
        self.note(format!("mute {} {muted}", call.0));
    }
    fn dtmf(&self, call: CallKey, digits: &str) {
        self.note(format!("dtmf {} {digits}", call.0));
    }
    fn transfer(&self, call: CallKey, to: &str) {
        self.note(format!("transfer {} {to}", call.0));
    }
    fn connect(&self, call: CallKey, other: CallKey) {
        self.note(format!("connect {} {}", call.0, other.0));
    }
    fn watch(&self, number: &str) {
        self.note(format!("watch {number}"));
    }
    fn unwatch(&self, number: &str) {
        self.note(format!("unwatch {number}"));
    }
    fn watch_messages(&self) {
        self.note("watch messages".into());
    }
    fn ring_tone(&self, tone: softphone::RingTone) {
        self.note(format!("ring as {tone:?}"));
    }
    fn talking_elsewhere(&self, elsewhere: bool) {
        self.note(format!("talking elsewhere {elsewhere}"));
    }
    fn ringing_elsewhere(&self, elsewhere: bool) {
        self.note(format!("ringing elsewhere {elsewhere}"));
    }
    fn expect(&self, call: protocol::CallId) {
        self.note(format!("expect {call}"));
    }
    fn register_now(&self) {
        self.note("register".into());
    }
    fn choose_sound(&self, choice: SoundChoice) {
        self.note(format!("sound {:?} {:?}", choice.speaker, choice.processing));
    }
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.note("stop".into());
        Box::pin(async {})
    }
}

/// A keyring in memory.
#[derive(Default)]
pub struct Keys(pub Mutex<HashMap<String, String>>);

impl Keyring for Keys {
    fn get(&self, account: &str) -> Result<Option<String>, String> {
        Ok(self.0.lock().unwrap().get(account).cloned())
    }
    fn set(&self, account: &str, secret: &str) -> Result<(), String> {
        self.0.lock().unwrap().insert(account.into(), secret.into());
        Ok(())
    }
    fn delete(&self, account: &str) -> Result<(), String> {
        self.0.lock().unwrap().remove(account);
        Ok(())
    }
}
