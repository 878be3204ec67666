//! Phones on loopback, waiting for events.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod far;
pub mod talker;
pub mod wire;

use std::path::PathBuf;
use std::time::Duration;

use media::Codec;
use softphone::{CallEvent, CallKey, Ended, IncomingCall, Phone, PhoneConfig, PhoneEvent, Play, Sound};
use tokio::sync::mpsc::UnboundedReceiver;

/// Longer than anything here may take, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A phone and what it reports.
pub struct Desk {
    pub phone: Phone,
    pub events: UnboundedReceiver<PhoneEvent>,
}

impl Desk {
    pub async fn start(play: Play, record: Option<PathBuf>, codecs: &[Codec]) -> Self {
        Self::with(|config| {
            config.sound = Sound::Files { play, record, loopback: false };
            config.codecs = codecs.to_vec();
        })
        .await
    }

    /// Silent but for what `change` wants otherwise.
    pub async fn with(change: impl FnOnce(&mut PhoneConfig)) -> Self {
        let mut config = PhoneConfig::new("127.0.0.1:0".parse().unwrap());
        config.codecs = vec![Codec::Pcmu];
        change(&mut config);
        let (phone, events) = Phone::start(config).await.unwrap();
        Self { phone, events }
    }

    pub async fn silent() -> Self {
        Self::start(Play::Silence, None, &[Codec::Pcmu]).await
    }

    pub async fn speaking() -> Self {
        Self::start(Play::Tone, None, &[Codec::Pcmu]).await
    }

    pub fn uri(&self) -> String {
        format!("sip:desk@{}", self.phone.listen())
    }

    /// The next event that `wanted` makes something of; the ones before are let go.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(PhoneEvent) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the phone stopped");
                seen.push(format!("{event:?}"));
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no {what} after {seen:#?}"))
    }

    pub async fn rung(&mut self) -> IncomingCall {
        self.until("incoming call", |event| match event {
            PhoneEvent::Incoming(call) => Some(call),
            _ => None,
        })
        .await
    }

    pub async fn call(&mut self, call: CallKey, what: &str, wanted: impl Fn(&CallEvent) -> bool) -> CallEvent {
        self.until(what, |event| match event {
            PhoneEvent::Call { call: c, event } if c == call && wanted(&event) => Some(event),
            _ => None,
        })
        .await
    }

    pub async fn answered(&mut self, call: CallKey) -> Codec {
        match self.call(call, "answer", |e| matches!(e, CallEvent::Answered { .. })).await {
            CallEvent::Answered { codec } => codec,
            other => panic!("{other:?}"),
        }
    }

    pub async fn ended(&mut self, call: CallKey) -> Ended {
        match self.call(call, "end", |e| matches!(e, CallEvent::Ended(_))).await {
            CallEvent::Ended(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    pub async fn hears(&mut self, call: CallKey) {
        self.call(call, "sound", |e| *e == CallEvent::FirstAudio).await;
    }

    pub async fn told(&mut self, call: CallKey, event: CallEvent) {
        self.call(call, &format!("{event:?}"), |e| *e == event).await;
    }
}

/// `from` calls `to`, who answers.
pub async fn connect(from: &mut Desk, to: &mut Desk) -> (CallKey, CallKey) {
    let out = from.phone.call(&to.uri());
    let call = to.rung().await.key;
    to.phone.answer(call);
    to.answered(call).await;
    from.answered(out).await;
    (out, call)
}
