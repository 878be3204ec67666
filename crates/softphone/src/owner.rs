//! The one task that owns a phone's state. Orders of a person and events of the SIP endpoint come in; each is handled
//! to its end before the next.

mod calls;
mod mapping;
mod moved;
mod replace;
mod start;
mod watch;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use media::Codec;
use sip::{Credentials, Endpoint, LegKey, NameAddr, RegistrationKey, Trust, Uri};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::start::Reach;
use crate::answers::Answers;
use crate::call::{Call, Flow, Input};
use crate::config::{Encryption, RingTone, SoundChoice};
use crate::event::{CallEvent, CallKey, PhoneEvent, RegistrationState, Security};
use crate::incoming::RingKind;
use crate::session::{Agreed, Session};
use crate::voice::{Heard, Ringing, Voice};

/// More calls at once than anybody can talk to; the next one hears busy.
const MAX_CALLS: usize = 8;
/// How many of them may come past our server, if we have one: others must find room.
const MAX_STRANGERS: usize = 3;

/// What a person, or a program, asks of the phone.
#[derive(Debug)]
pub(crate) enum Command {
    Call {
        call: CallKey,
        to: String,
    },
    OnCall {
        call: CallKey,
        input: Input,
    },
    Mute {
        call: CallKey,
        muted: bool,
    },
    Transfer {
        call: CallKey,
        to: String,
    },
    Divert {
        call: CallKey,
        to: String,
    },
    RenewKeys {
        call: CallKey,
    },
    InfoKeys {
        call: CallKey,
        digits: String,
    },
    /// This call of the account may be answered by itself when it comes.
    Expect(protocol::CallId),
    RegisterNow,
    Watch {
        number: String,
    },
    Unwatch {
        number: String,
    },
    WatchMessages,
    ChooseSound(SoundChoice),
    RingLevel(f32),
    RingTone(RingTone),
    TalkingElsewhere(bool),
    RingingElsewhere(bool),
    Stop(oneshot::Sender<()>),
}

pub(crate) struct Owner {
    endpoint: Endpoint,
    voice: Voice,
    /// Absent on a phone without devices.
    ringing: Option<Ringing>,
    events: mpsc::UnboundedSender<PhoneEvent>,
    next_call: Arc<AtomicU32>,
    lines: BTreeMap<CallKey, Line>,
    legs: HashMap<LegKey, CallKey>,
    codecs: Vec<Codec>,
    encryption: Encryption,
    trust: Trust,
    reach: Reach,
    /// Who is asked from where a call's sound seems to come.
    stun: Option<String>,
    stun_limit: Duration,
    asking: JoinSet<mapping::Mapped>,
    /// Calls to be placed as soon as that is known.
    placing: BTreeMap<CallKey, mapping::Placing>,
    us: NameAddr,
    /// Where calls reach us directly.
    listen: SocketAddr,
    /// What addresses without a transport are meant to have.
    transport: Option<sip::Transport>,
    account: Option<Registered>,
    /// Whether the registrar has us, as far as was told.
    is_registered: bool,
    watches: watch::Watches,
    answers: Answers,
    ring_tone: RingTone,
    /// The person talks on another phone of theirs.
    talking_elsewhere: bool,
    /// Another phone of theirs makes itself heard already.
    ringing_elsewhere: bool,
    follows_outside: bool,
    /// How long a call may be without a sign of life.
    patience: Duration,
    rings_at_most: Duration,
}

/// The registrar that carries our calls.
struct Registered {
    key: RegistrationKey,
    registrar: Uri,
    has_proxy: bool,
    /// Requests of the account go out over TLS.
    secure: bool,
    credentials: Credentials,
}

/// One call and what hangs on it.
struct Line {
    leg: LegKey,
    call: Call,
    session: Session,
    /// Set while a STUN server is asked.
    mapping: Option<mapping::Waiting>,
    /// Of an incoming call.
    kind: Option<RingKind>,
    /// An incoming call that came past our server.
    of_stranger: bool,
    /// Whence the far end signals, if that is known.
    signalling: Option<IpAddr>,
    /// The offer in their INVITE.
    offer: Option<String>,
    /// The answer to it, made when it came; `None` if it had no offer: then our answer is one.
    answer: Option<(String, Agreed)>,
    /// The far end takes keys as RFC 4733 events; otherwise they go by INFO.
    rtp_keys: bool,
    held_by_them: bool,
    /// As it was told last.
    security: Option<Security>,
    muted: bool,
    codec: Option<Codec>,
    begun_at: Instant,
    answered_at: Option<Instant>,
    /// Whom they ask us to call, until that is decided.
    asked: Option<Asked>,
    heard: Heard,
    /// How much had been heard when we last looked.
    heard_before: u64,
    /// The call whose REFER this one follows.
    follows: Option<CallKey>,
    flow: Flow,
}

/// Their REFER.
struct Asked {
    to: Uri,
    referred_by: Option<NameAddr>,
    /// Whose place with the target the new call shall take.
    replaces: Option<sip::Replaces>,
}

impl Owner {
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        mut network: mpsc::UnboundedReceiver<sip::Event>,
    ) {
        let mut watch = tokio::time::interval(self.patience);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let idle = self.lines.is_empty();
            tokio::select! {
                _ = watch.tick(), if !idle => self.watch(),
                Some(Ok(mapped)) = self.asking.join_next() => self.mapped(mapped),
                command = inbox.recv() => match command.map(|command| self.obey(command)) {
                    Some(ControlFlow::Continue(())) => {}
                    Some(ControlFlow::Break(done)) => {
                        self.stop(network).await;
                        // The one who asked may have stopped waiting.
                        let _gone = done.send(());
                        return;
                    }
                    // The last handle was dropped.
                    None => return self.stop(network).await,
                },
                event = network.recv() => match event {
                    Some(event) => self.happened(event),
                    None => return self.stop(network).await,
                },
            }
        }
    }

    /// Asks after calls of which nothing has been heard since the last time: an exchange that died says no goodbye.
    fn watch(&mut self) {
        let patience = self.patience;
        let old = |line: &&mut Line| line.answered_at.unwrap_or(line.begun_at).elapsed() >= patience;
        for line in self.lines.values_mut().filter(old) {
            let heard = line.heard.count();
            if std::mem::replace(&mut line.heard_before, heard) == heard {
                self.endpoint.probe(line.leg);
            }
        }
    }

    /// Asks the registrar to note us again: something suggests that it has forgotten us, or is back.
    fn register_now(&self) {
        if let Some(account) = &self.account {
            self.endpoint.refresh(account.key);
        }
    }

    fn tell(&self, event: PhoneEvent) {
        // Whoever dropped the stream does not want to know.
        let _nobody_listens = self.events.send(event);
    }

    fn tell_call(&self, call: CallKey, event: CallEvent) {
        self.tell(PhoneEvent::Call { call, event });
    }

    fn happened(&mut self, event: sip::Event) {
        match event {
            sip::Event::Incoming(incoming) => self.incoming(&incoming),
            sip::Event::Leg { leg, event } => {
                if let Some(call) = self.legs.get(&leg).copied() {
                    self.leg_event(call, event);
                }
            }
            sip::Event::NetworkChanged => self.network_changed(),
            sip::Event::Registration { key: _, state } => self.registration(&state),
            sip::Event::Subscription { key, event } => self.subscription_event(key, event),
            sip::Event::Messages { user: _, summary } => self.messages(summary),
            // We are no notifier, and no registrar.
            sip::Event::Watch(watch) => self.endpoint.refuse_watcher(watch.watcher, 403),
            sip::Event::Unwatched(_) => {}
            sip::Event::Register(register) => self.endpoint.refuse_register(register.request, 403, None),
        }
    }

    fn registration(&mut self, state: &sip::RegistrationState) {
        let is_registered = matches!(state, sip::RegistrationState::Registered { .. });
        if !std::mem::replace(&mut self.is_registered, is_registered) && is_registered {
            self.watch_again();
        }
        // Which transport it is may have been for the registrar to say (RFC 3263).
        if let (sip::RegistrationState::Registered { secure, .. }, Some(account)) = (state, &mut self.account) {
            account.secure = *secure;
        }
        let registrar = self.account.as_ref().map(|a| a.registrar.host.to_string()).unwrap_or_default();
        self.tell(PhoneEvent::Registration(match state {
            sip::RegistrationState::Registering => RegistrationState::Registering,
            sip::RegistrationState::Registered { .. } => RegistrationState::Registered,
            sip::RegistrationState::Unregistered => RegistrationState::Off,
            sip::RegistrationState::Failed { status, retry_in_seconds, why } => RegistrationState::Down {
                why: why.as_ref().map_or_else(|| refused(*status, &registrar), |why| format!("{why}.")),
                retry_in: retry_in_seconds.map(|s| Duration::from_secs(s.into())),
                fingerprint: why.as_ref().and_then(sip::ConnectError::fingerprint).map(str::to_owned),
            },
        }));
    }

    /// Ends everything in good order. What the calls still report is passed on.
    async fn stop(mut self, mut network: mpsc::UnboundedReceiver<sip::Event>) {
        let calls: Vec<CallKey> = self.lines.keys().chain(self.placing.keys()).copied().collect();
        for call in calls {
            self.input(call, Input::HangUp);
        }
        if let Some(account) = &self.account {
            self.endpoint.unregister(account.key);
        }
        let mut closing = std::pin::pin!(self.endpoint.clone().shut_down());
        loop {
            tokio::select! {
                biased;
                event = network.recv() => match event {
                    Some(event) => self.happened(event),
                    None => break,
                },
                () = &mut closing => break,
            }
        }
        while let Ok(event) = network.try_recv() {
            self.happened(event);
        }
        self.abandon_all();
        let voice = self.voice;
        // Joining a thread blocks. Should it panic, there is nothing left to put right.
        let _panicked = tokio::task::spawn_blocking(move || voice.stop()).await;
    }
}

/// Why the registrar does not have us, as a sentence.
fn refused(status: u16, registrar: &str) -> String {
    match status {
        401 | 403 | 407 => format!("{registrar} refused the user name or the password."),
        404 => format!("{registrar} does not know this user."),
        408 => format!("{registrar} does not answer."),
        503 => format!("{registrar} cannot be reached."),
        other => format!("{registrar} refused the registration ({other})."),
    }
}
