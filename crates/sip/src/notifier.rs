//! A subscription that somebody keeps with us (RFC 6665 section 4.2): what a line does (RFC 4235), what waits in a mailbox
//! (RFC 3842). The owner says what there is; this says it to the subscriber, one NOTIFY after the other.

use std::time::Duration;

use rsipstack::sip::Method;
use tokio::time::Instant;

use crate::{
    Event, Flow, Notice, Package, Uri, Watch, WatcherKey, dialog_info,
    io::{Io, random_tag},
    message::{Message, split_list},
    message_summary,
    subscription::record_routes,
    timer::Timer,
    transaction::{Outcome, Owner},
};

/// What a subscriber gets that asks for nothing, and the bounds of what it may ask for, seconds.
const DEFAULT_EXPIRES: u32 = 3600;
const MIN_EXPIRES: u32 = 60;
const MAX_EXPIRES: u32 = 7200;
/// A telephone that has two keys for one colleague asks for both as it starts; who asks again later has been started anew.
const SETTLED: Duration = Duration::from_secs(60);

pub(crate) struct Watcher {
    key: WatcherKey,
    package: Package,
    /// Whose state it is, as the subscriber wrote it.
    entity: String,
    call_id: String,
    local_tag: String,
    remote_tag: String,
    local: String,
    remote: String,
    local_user: String,
    target: Uri,
    /// Which device it is, if it says so (RFC 5626 section 4.1).
    instance: Option<String>,
    since: Instant,
    routes: Vec<String>,
    flow: Flow,
    local_cseq: u32,
    remote_cseq: u32,
    /// Of dialog-info.
    version: u64,
    notice: Option<Notice>,
    state: State,
    /// The NOTIFY that has no answer yet, and whether there is something newer to say after it.
    out: Option<u64>,
    stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The owner has not said yet whether it may.
    Asked {
        tx: u64,
        seconds: u32,
    },
    Active {
        until: Instant,
    },
    Over,
}

/// What a SUBSCRIBE asks for.
///
/// # Errors
/// The status that refuses it.
pub(crate) fn package_of(request: &Message) -> Result<Package, u16> {
    let event = request.get("Event").unwrap_or_default();
    let named = event.split(';').next().unwrap_or_default().trim();
    let package =
        [Package::Dialog, Package::MessageSummary].into_iter().find(|p| named.eq_ignore_ascii_case(p.as_str()));
    let package = package.ok_or(489_u16)?;
    let accepts: Vec<&str> = request.all("Accept").flat_map(split_list).collect();
    let takes = |kind: &&str| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(package.accept());
    if accepts.is_empty() || accepts.iter().any(takes) { Ok(package) } else { Err(406) }
}

/// # Errors
/// The status that refuses it: 423 comes with [`MIN_EXPIRES`].
fn seconds(request: &Message) -> Result<u32, u16> {
    let asked = request.get("Expires").map(|e| e.trim().parse::<u32>().map_err(|_| 400_u16)).transpose()?;
    match asked.unwrap_or(DEFAULT_EXPIRES) {
        brief @ 1..MIN_EXPIRES => {
            tracing::debug!(seconds = brief, "a subscription is too brief");
            Err(423)
        }
        seconds => Ok(seconds.min(MAX_EXPIRES)),
    }
}

pub(crate) fn refuse(tx: u64, status: u16, io: &mut Io) {
    io.respond(tx, status, &random_tag(), |mut m| {
        if status == 489 {
            m.add("Allow-Events", "dialog, message-summary");
        }
        if status == 423 {
            m.add("Min-Expires", MIN_EXPIRES.to_string());
        }
        m
    });
}

impl Watcher {
    /// Of a first SUBSCRIBE.
    ///
    /// # Errors
    /// The status that refuses it.
    pub fn read(key: WatcherKey, (tx, flow): (u64, Flow), request: &Message, now: Instant) -> Result<Self, u16> {
        let package = package_of(request)?;
        let seconds = seconds(request)?;
        let read = (request.name_addr("From"), request.name_addr("To"), request.name_addr("Contact"));
        let (Some(mut from), Some(to), Some(contact)) = read else { return Err(400) };
        let resource: Uri = request.uri().parse().map_err(|_| 400_u16)?;
        from.params.retain(|(name, _)| name != "tag");
        Ok(Self {
            key,
            package,
            entity: to.uri.to_string(),
            call_id: request.call_id().to_owned(),
            local_tag: random_tag(),
            remote_tag: request.tag_of_from().to_owned(),
            local: to.to_string(),
            remote: from.to_string(),
            local_user: resource.user().to_owned(),
            instance: contact.param("+sip.instance").map(str::to_owned),
            target: contact.uri,
            since: now,
            routes: record_routes(request),
            flow,
            local_cseq: 0,
            remote_cseq: request.cseq().0,
            version: 0,
            notice: None,
            state: State::Asked { tx, seconds },
            out: None,
            stale: false,
        })
    }

    /// Asks the owner about it.
    pub fn ask(&self, authenticated_as: String, io: &Io) {
        let (watcher, package, user) = (self.key, self.package, self.local_user.clone());
        let _ = io.events.send(Event::Watch(Box::new(Watch { watcher, package, user, authenticated_as })));
    }

    /// Whether it wants what `other` wants, and comes from the same device.
    pub fn repeats(&self, other: &Self) -> bool {
        let same_device = match (&self.instance, &other.instance) {
            (Some(this), Some(that)) => this == that,
            // Two houses may both have a 192.168.0.10.
            (None, None) => self.flow.remote.ip() == other.flow.remote.ip() && other.is_at(&self.target),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_device && self.package == other.package && self.local_user == other.local_user
    }

    pub fn is_at(&self, contact: &Uri) -> bool {
        self.target.is_same_place(contact)
    }

    /// Only looks, and is over as soon as it has seen.
    pub fn is_glance(&self) -> bool {
        matches!(self.state, State::Asked { seconds: 0, .. })
    }

    pub fn is_settled(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= SETTLED
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Call-ID and our tag.
    pub fn dialog(&self) -> (String, String) {
        (self.call_id.clone(), self.local_tag.clone())
    }

    /// The owner's word on a first SUBSCRIBE, and all it says later.
    pub fn notify(&mut self, notice: Notice, io: &mut Io) {
        let news = self.notice.as_ref() != Some(&notice);
        self.notice = Some(notice);
        match self.state {
            State::Asked { tx, seconds } => {
                self.accept(tx, seconds, io);
                // Whoever wants it for no time only looks.
                if seconds == 0 { self.stop("timeout", io) } else { self.say(io) }
            }
            State::Active { .. } if news => self.say(io),
            State::Active { .. } | State::Over => {}
        }
    }

    pub fn refuse(&mut self, status: u16, io: &mut Io) {
        if let State::Asked { tx, .. } = self.state {
            refuse(tx, status, io);
            self.state = State::Over;
        }
    }

    /// The resource is no more, or we are: the subscriber is told.
    pub fn stop(&mut self, reason: &str, io: &mut Io) {
        match self.state {
            State::Asked { .. } => self.refuse(480, io),
            State::Active { .. } => {
                self.send(&format!("terminated;reason={reason}"), io);
                self.end(io);
            }
            State::Over => {}
        }
    }

    /// A SUBSCRIBE within the dialog: a refresh, or its end.
    pub fn asked_again(&mut self, (tx, flow): (u64, Flow), request: &Message, io: &mut Io) {
        if request.tag_of_from() != self.remote_tag || !matches!(self.state, State::Active { .. }) {
            return refuse(tx, 481, io);
        }
        if request.cseq().0 <= self.remote_cseq {
            return refuse(tx, 500, io);
        }
        self.remote_cseq = request.cseq().0;
        let seconds = match package_of(request).and_then(|_| seconds(request)) {
            Ok(seconds) => seconds,
            Err(status) => return refuse(tx, status, io),
        };
        self.flow = flow;
        if let Some(contact) = request.contact() {
            self.target = contact;
        }
        self.accept(tx, seconds, io);
        if seconds == 0 {
            return self.stop("timeout", io);
        }
        self.say(io);
    }

    fn accept(&mut self, tx: u64, seconds: u32, io: &mut Io) {
        let contact = io.contact(&self.local_user, &self.flow);
        let tag = self.local_tag.clone();
        io.respond(tx, 200, &tag, |mut m| {
            m.add("Contact", contact);
            m.add("Expires", seconds.to_string());
            m
        });
        let until = io.timer(Duration::from_secs(seconds.into()), Timer::Watcher(self.key));
        self.state = State::Active { until };
    }

    pub fn timer(&mut self, due: Instant, io: &mut Io) {
        if matches!(self.state, State::Active { until } if until == due) {
            self.stop("timeout", io);
        }
    }

    /// Says what there is, unless it is just being said: then afterwards.
    fn say(&mut self, io: &mut Io) {
        let State::Active { until } = self.state else { return };
        self.stale = self.out.is_some();
        if !self.stale {
            let left = until.saturating_duration_since(io.now).as_secs();
            self.send(&format!("active;expires={left}"), io);
        }
    }

    fn send(&mut self, subscription_state: &str, io: &mut Io) {
        self.local_cseq += 1;
        let mut m = Message::request(Method::Notify, self.target.to_string());
        for route in &self.routes {
            m.add("Route", route.clone());
        }
        m.add("Max-Forwards", "70");
        m.add("From", format!("{};tag={}", self.local, self.local_tag));
        m.add("To", format!("{};tag={}", self.remote, self.remote_tag));
        m.add("Call-ID", self.call_id.clone());
        m.add("CSeq", format!("{} NOTIFY", self.local_cseq));
        m.add("Contact", io.contact(&self.local_user, &self.flow));
        m.add("Event", self.package.as_str());
        m.add("Subscription-State", subscription_state.to_owned());
        if let Some(notice) = &self.notice {
            m.add("Content-Type", self.package.accept());
            m.body = match notice {
                Notice::Dialogs(dialogs) => dialog_info::write(self.version, &self.entity, dialogs),
                Notice::Messages(summary) => message_summary::write(&self.entity, *summary),
            };
            self.version += 1;
        }
        self.out = Some(io.send(Owner::Watcher(self.key), self.flow, m));
    }

    /// A subscriber that does not answer, or has forgotten its subscription, has none any more (RFC 6665 section 4.2.2).
    pub fn outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        if self.out != Some(outcome.tx) || outcome.response.status() < 200 {
            return;
        }
        self.out = None;
        if outcome.response.status() >= 300 {
            self.end(io);
        } else if self.stale {
            self.say(io);
        }
    }

    fn end(&mut self, io: &mut Io) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            let _ = io.events.send(Event::Unwatched(self.key));
        }
    }
}
