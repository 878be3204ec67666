//! A subscription that we keep (RFC 6665): refreshed at half its time, made anew when it is lost.

use std::time::Duration;

use rand::Rng;
use rsipstack::sip::{Header, Method};
use tokio::time::Instant;

use crate::{
    Event, Flow, NameAddr, Package, Subscription, SubscriptionEvent, SubscriptionKey, Uri,
    auth::answer_challenge,
    dialog_info::{Unusable, Watched},
    io::{Io, random_tag},
    message::{Message, param_of, split_list},
    message_summary,
    timer::{GIVE_UP, Timer},
    transaction::{Outcome, Owner},
};

/// First and longest pause before it is tried again.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// How long the notifier may take with the NOTIFY that shows the state (RFC 6665 section 4.1.2.4, timer N).
const FIRST_NOTIFY: Duration = GIVE_UP;
/// How long a last NOTIFY is waited for after we have unsubscribed.
const LAST_NOTIFY: Duration = Duration::from_secs(4);
/// Longest Min-Expires and Retry-After that we follow, seconds.
const MAX_SECONDS: u32 = 86_400;

pub(crate) struct Subscriber {
    key: SubscriptionKey,
    subscription: Subscription,
    /// What we ask for: at first as ordered, after a 423 as the notifier wants.
    expires: u32,
    dialog: Dialog,
    state: State,
    /// How often it failed since it last stood.
    failures: u32,
    flow: Option<Flow>,
    watched: Watched,
    /// A NOTIFY has come in this dialog.
    notified: bool,
}

/// RFC 6665 section 4.4.1: made by our SUBSCRIBE and the first NOTIFY.
struct Dialog {
    call_id: String,
    local_tag: String,
    remote_tag: String,
    target: Option<Uri>,
    routes: Vec<String>,
    local_cseq: u32,
    remote_cseq: u32,
}

impl Dialog {
    fn new() -> Self {
        Self {
            call_id: random_tag() + &random_tag(),
            local_tag: random_tag(),
            remote_tag: String::new(),
            target: None,
            routes: Vec::new(),
            local_cseq: 0,
            remote_cseq: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first SUBSCRIBE of a dialog, or the look-up of its notifier's name, is on its way.
    Asking,
    /// Accepted; its end comes unless it is refreshed, or unless the first NOTIFY comes.
    Active {
        refresh_at: Instant,
        silent_at: Instant,
    },
    Refreshing,
    Pausing {
        until: Instant,
    },
    /// A SUBSCRIBE with Expires 0 is on its way, and a last NOTIFY.
    Leaving {
        until: Instant,
    },
    Over,
}

impl Subscriber {
    pub fn start(key: SubscriptionKey, subscription: Subscription, io: &mut Io) -> Self {
        let mut subscriber = Self {
            key,
            expires: subscription.expires.clamp(1, MAX_SECONDS),
            subscription,
            dialog: Dialog::new(),
            state: State::Asking,
            failures: 0,
            flow: None,
            watched: Watched::default(),
            notified: false,
        };
        subscriber.ask(io);
        subscriber
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub fn goes_over(&self, flow: &Flow) -> bool {
        self.flow.as_ref() == Some(flow)
    }

    /// Call-ID and our tag: a NOTIFY names them.
    pub fn dialog(&self) -> (&str, &str) {
        (&self.dialog.call_id, &self.dialog.local_tag)
    }

    pub fn stop(&mut self, io: &mut Io) {
        match self.state {
            State::Active { .. } | State::Refreshing => {
                let until = io.timer(LAST_NOTIFY, Timer::Subscription(self.key));
                self.state = State::Leaving { until };
                self.send(0, io);
            }
            // There is nothing yet that could be ended; the first NOTIFY will be refused.
            State::Asking | State::Pausing { .. } => self.state = State::Over,
            State::Leaving { .. } | State::Over => {}
        }
    }

    /// Asks anew at once: something suggests that the notifier has forgotten us, or is back.
    pub fn refresh(&mut self, io: &mut Io) {
        match self.state {
            State::Active { .. } => self.refresh_now(io),
            State::Pausing { .. } => self.start_anew(io),
            State::Asking | State::Refreshing | State::Leaving { .. } | State::Over => {}
        }
    }

    pub fn timer(&mut self, due: Instant, io: &mut Io) {
        match self.state {
            State::Active { silent_at, .. } if silent_at == due && !self.notified => self.fail(408, None, io),
            State::Active { refresh_at, .. } if refresh_at == due => self.refresh_now(io),
            State::Pausing { until } if until == due => self.start_anew(io),
            State::Leaving { until } if until == due => self.state = State::Over,
            State::Asking
            | State::Active { .. }
            | State::Refreshing
            | State::Pausing { .. }
            | State::Leaving { .. }
            | State::Over => {}
        }
    }

    fn refresh_now(&mut self, io: &mut Io) {
        self.state = State::Refreshing;
        self.ask(io);
    }

    fn start_anew(&mut self, io: &mut Io) {
        self.dialog = Dialog::new();
        self.watched = Watched::default();
        self.notified = false;
        self.flow = None;
        self.state = State::Asking;
        self.ask(io);
    }

    fn ask(&mut self, io: &mut Io) {
        if self.flow.is_some_and(|f| io.net.is_open(&f)) {
            return self.send(self.expires, io);
        }
        let way = io.way(self.subscription.through);
        if way.flow.is_some() {
            return self.resolved(way.flow, io);
        }
        let first_route = self.dialog.routes.first().and_then(|r| r.parse::<NameAddr>().ok()).map(|r| r.uri);
        let to = first_route.or(way.proxy).unwrap_or_else(|| self.subscription.to.clone());
        if let Some(hops) = io.servers_of(Owner::Subscription(self.key), &to) {
            let flow = io.first_flow(hops);
            self.resolved(flow, io);
        }
    }

    pub fn resolved(&mut self, hop: Option<Flow>, io: &mut Io) {
        if matches!(self.state, State::Asking | State::Refreshing) {
            self.flow = hop;
            match hop {
                Some(_) => self.send(self.expires, io),
                None => self.fail(503, None, io),
            }
        }
    }

    fn send(&mut self, expires: u32, io: &mut Io) {
        let Some(flow) = self.flow else { return };
        let Subscription { to, from, package, .. } = &self.subscription;
        let mut resource = to.clone();
        resource.params.retain(|(name, _)| name != "transport");
        let target = self.dialog.target.as_ref().unwrap_or(to).to_string();
        let mut m = Message::request(Method::Subscribe, target);
        let account_routes =
            if self.dialog.remote_tag.is_empty() { io.way(self.subscription.through).routes } else { vec![] };
        for route in self.dialog.routes.iter().chain(&account_routes) {
            m.add("Route", route.clone());
        }
        m.add("Max-Forwards", "70");
        m.add("From", format!("{from};tag={}", self.dialog.local_tag));
        let tag = &self.dialog.remote_tag;
        m.add("To", if tag.is_empty() { format!("<{resource}>") } else { format!("<{resource}>;tag={tag}") });
        m.add("Call-ID", self.dialog.call_id.clone());
        m.add("Contact", io.contact(from.uri.user(), &flow));
        m.add("Event", package.as_str());
        m.add("Accept", package.accept());
        m.add("Expires", expires.to_string());
        self.number(&mut m);
        io.send(Owner::Subscription(self.key), flow, m);
    }

    fn number(&mut self, m: &mut Message) {
        self.dialog.local_cseq += 1;
        m.set("CSeq", format!("{} SUBSCRIBE", self.dialog.local_cseq));
    }

    pub fn outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        let status = response.status();
        // A late answer to a request that was overtaken.
        if status < 200 || response.cseq().0 != self.dialog.local_cseq {
            return;
        }
        if matches!(status, 401 | 407) && self.answered(outcome, io) {
            return;
        }
        match (self.state, status) {
            (State::Asking | State::Refreshing, 200..300) => self.accepted(response, io),
            (State::Asking | State::Refreshing, 423) => self.too_brief(response, io),
            // The notifier has lost it (RFC 6665 section 4.1.2.3): what it will say comes in a new dialog.
            (State::Refreshing, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604) => self.start_anew(io),
            (State::Asking | State::Refreshing, _) => self.fail(status, retry_after(response), io),
            (State::Leaving { .. }, 300..) => self.state = State::Over,
            (State::Leaving { .. } | State::Active { .. } | State::Pausing { .. } | State::Over, _) => {}
        }
    }

    /// Answers a challenge, unless our answer to the last one was what is refused.
    fn answered(&mut self, outcome: &Outcome, io: &mut Io) -> bool {
        let (Some(credentials), Some(request), Some(flow)) =
            (&self.subscription.credentials, &outcome.request, self.flow)
        else {
            return false;
        };
        if request.get("Authorization").or(request.get("Proxy-Authorization")).is_some() {
            return false;
        }
        let mut again = request.clone();
        let realms = io.realms_of(credentials);
        if !answer_challenge(&mut again, &outcome.response, credentials, &realms) {
            return false;
        }
        self.number(&mut again);
        io.send(Owner::Subscription(self.key), flow, again);
        true
    }

    fn accepted(&mut self, response: &Message, io: &mut Io) {
        if self.dialog.remote_tag.is_empty() {
            response.tag_of_to().clone_into(&mut self.dialog.remote_tag);
            let mut routes = record_routes(response);
            routes.reverse();
            self.dialog.routes = routes;
        }
        if let Some(contact) = response.contact() {
            self.dialog.target = Some(contact);
        }
        let granted = response.get("Expires").and_then(|e| e.trim().parse().ok()).unwrap_or(self.expires);
        self.lasts(granted, io);
    }

    /// Stands for so many seconds from now on.
    fn lasts(&mut self, seconds: u32, io: &mut Io) {
        let seconds = seconds.clamp(1, MAX_SECONDS);
        let refresh_at = io.timer(Duration::from_secs(seconds.into()) / 2, Timer::Subscription(self.key));
        let silent_at = match self.state {
            State::Active { silent_at, .. } => silent_at,
            State::Asking | State::Refreshing | State::Pausing { .. } | State::Leaving { .. } | State::Over => {
                io.timer(FIRST_NOTIFY, Timer::Subscription(self.key))
            }
        };
        self.state = State::Active { refresh_at, silent_at };
    }

    fn too_brief(&mut self, response: &Message, io: &mut Io) {
        let wanted = response.get("Min-Expires").and_then(|e| e.trim().parse().ok()).unwrap_or(0);
        if wanted > self.expires && wanted <= MAX_SECONDS {
            self.expires = wanted;
            self.send(wanted, io);
        } else {
            self.fail(423, None, io);
        }
    }

    fn fail(&mut self, status: u16, after: Option<u32>, io: &mut Io) {
        // These say that it will never be (RFC 6665 section 4.1.2.3): nobody is pestered.
        if matches!(status, 403 | 404 | 405 | 410 | 489 | 501 | 603 | 604) {
            self.state = State::Over;
            return self.tell(SubscriptionEvent::Failed { status, retry_in_seconds: None }, io);
        }
        let retry_in_seconds = Some(self.pause(after, io));
        self.tell(SubscriptionEvent::Failed { status, retry_in_seconds }, io);
    }

    /// Waits before a new dialog; gives the seconds. Half of it is left to chance.
    fn pause(&mut self, after: Option<u32>, io: &mut Io) -> u32 {
        let [least, most] = PAUSE;
        let pause = least.saturating_mul(1 << self.failures.min(10)).min(most);
        let pause = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        let pause = pause.max(Duration::from_secs(after.unwrap_or(0).min(MAX_SECONDS).into()));
        self.failures = self.failures.saturating_add(1);
        let until = io.timer(pause, Timer::Subscription(self.key));
        self.state = State::Pausing { until };
        pause.as_secs_f64().ceil() as u32
    }

    /// A NOTIFY for this dialog.
    pub fn notified(&mut self, tx: u64, request: &Message, io: &mut Io) {
        let tag = request.tag_of_from();
        // Another fork of our SUBSCRIBE, or of a dialog that we have given up (RFC 6665 section 4.1.4).
        let foreign = !self.dialog.remote_tag.is_empty() && tag != self.dialog.remote_tag;
        if foreign || tag.is_empty() || matches!(self.state, State::Pausing { .. } | State::Over) {
            return reply(tx, 481, self.dialog.local_tag.as_str(), io);
        }
        if !event_is(request, self.subscription.package.as_str()) {
            return reply(tx, 489, self.dialog.local_tag.as_str(), io);
        }
        let number = request.cseq().0;
        if number <= self.dialog.remote_cseq {
            return reply(tx, 500, self.dialog.local_tag.as_str(), io);
        }
        self.dialog.remote_cseq = number;
        self.adopt(tag, request);
        reply(tx, 200, self.dialog.local_tag.as_str(), io);
        // Whoever has unsubscribed wants to hear no more of it, not even the state that the last NOTIFY must carry.
        if !matches!(self.state, State::Leaving { .. }) {
            self.show(request, io);
        }
        self.follow(request.get("Subscription-State").unwrap_or_default(), io);
    }

    /// The first NOTIFY may come before the 200 and makes the dialog then.
    fn adopt(&mut self, tag: &str, request: &Message) {
        if self.dialog.remote_tag.is_empty() {
            tag.clone_into(&mut self.dialog.remote_tag);
            self.dialog.routes = record_routes(request);
        }
        if let Some(contact) = request.contact() {
            self.dialog.target = Some(contact);
        }
        self.notified = true;
    }

    fn show(&mut self, request: &Message, io: &mut Io) {
        // A notifier that knows nothing yet may send no body (RFC 6665 section 4.2.2).
        if request.body.trim().is_empty() {
            return;
        }
        match self.subscription.package {
            Package::Dialog => match self.watched.take(&request.body) {
                Ok(()) => self.tell(SubscriptionEvent::Dialogs(self.watched.dialogs()), io),
                Err(Unusable::Gap) => self.refresh(io),
                Err(why) => tracing::debug!(%why, "a dialog-info was not taken"),
            },
            Package::MessageSummary => {
                if let Some(summary) = message_summary::parse(&request.body) {
                    self.tell(SubscriptionEvent::Messages(summary), io);
                }
            }
        }
    }

    /// What becomes of the subscription (RFC 6665 section 4.1.3).
    fn follow(&mut self, state: &str, io: &mut Io) {
        let (leaving, value) = (matches!(self.state, State::Leaving { .. }), state_of(state));
        match value.as_str() {
            "terminated" if leaving => self.state = State::Over,
            "terminated" => self.terminated(state, io),
            "active" | "pending" if !leaving => {
                self.failures = 0;
                if let Some(seconds) = param_of(state, "expires").and_then(|e| e.parse::<u32>().ok())
                    && matches!(self.state, State::Active { .. })
                {
                    self.lasts(seconds, io);
                }
            }
            _ => {}
        }
    }

    fn terminated(&mut self, state: &str, io: &mut Io) {
        let after = param_of(state, "retry-after").and_then(|s| s.parse().ok());
        match param_of(state, "reason").unwrap_or_default().to_ascii_lowercase().as_str() {
            "rejected" => self.fail(403, None, io),
            "noresource" | "invariant" => self.fail(404, None, io),
            "probation" | "giveup" => self.fail(480, after, io),
            // `deactivated`, `timeout`, and what nobody knows: at once, but not without end.
            _ => _ = self.pause(after, io),
        }
    }

    fn tell(&self, event: SubscriptionEvent, io: &Io) {
        // Nobody listens any more: the owner is going away, and the endpoint with it.
        let _ = io.events.send(Event::Subscription { key: self.key, event });
    }
}

fn reply(tx: u64, status: u16, tag: &str, io: &mut Io) {
    io.respond(tx, status, tag, |m| m);
}

pub(crate) fn record_routes(m: &Message) -> Vec<String> {
    let all = m.headers.iter().filter(|h| matches!(h, Header::RecordRoute(_))).map(Header::value);
    all.flat_map(split_list).take(32).map(str::to_owned).collect()
}

fn retry_after(m: &Message) -> Option<u32> {
    let value = m.get("Retry-After")?;
    value.split([';', '(']).next()?.trim().parse().ok()
}

fn state_of(subscription_state: &str) -> String {
    subscription_state.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(crate) fn event_is(request: &Message, package: &str) -> bool {
    let event = request.get("Event").unwrap_or_default();
    event.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(package)
}

/// A NOTIFY that nobody subscribed to: many systems tell of messages so. Taken from our registrar only.
pub(crate) fn unsolicited(tx: u64, request: &Message, from_registrar: bool, io: &mut Io) {
    let summary = event_is(request, Package::MessageSummary.as_str()).then(|| message_summary::parse(&request.body));
    match summary {
        Some(Some(summary)) if from_registrar => {
            io.refuse(tx, 200);
            let user = request.uri().parse::<Uri>().ok().and_then(|u| u.user).unwrap_or_default();
            let _ = io.events.send(Event::Messages { user, summary });
        }
        Some(None) if from_registrar => io.refuse(tx, 400),
        // RFC 6665 section 4.1.3.
        Some(_) => io.refuse(tx, 481),
        None if event_is(request, Package::Dialog.as_str()) || event_is(request, "refer") => io.refuse(tx, 481),
        None => {
            io.respond(tx, 489, &random_tag(), |mut m| {
                m.add("Allow-Events", "refer, dialog, message-summary");
                m
            });
        }
    }
}
