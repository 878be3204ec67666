//! The one task of an endpoint: takes orders, packets and timers, and hands each to whom it concerns.

mod moved;
mod replace;
mod requests;
mod watchers;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    EndpointConfig, Event, Flow, LegKey, Limits, RegisterKey, RegistrationKey, Replaces, SubscriptionKey,
    auth::Challenger,
    dns,
    endpoint::{LegOrder, Order},
    io::{Io, random_tag},
    leg::Leg,
    memory::{self, Ebb},
    message::Message,
    net::{Net, NetEvent},
    registrar,
    registration::Client,
    replaces,
    subscription::Subscriber,
    timer::{Timer, Timers},
    transaction::{Arrived, Outcome, Owner, Transactions},
    wire::Received,
};

/// How long [`crate::Endpoint::shut_down`] waits for peers.
const SHUT_DOWN: Duration = Duration::from_secs(2);
/// Legs at once; beyond it calls are refused with 503.
const MAX_LEGS: usize = 20_000;

pub(crate) struct Core {
    io: Io,
    legs: HashMap<LegKey, Leg>,
    /// By Call-ID and our tag.
    dialogs: HashMap<(String, String), LegKey>,
    /// Calls of devices whose connection was lost.
    orphans: HashSet<LegKey>,
    registrations: HashMap<RegistrationKey, Client>,
    subscriptions: HashMap<SubscriptionKey, Subscriber>,
    watchers: watchers::Watchers,
    /// Server transactions of REGISTERs that the owner has to answer.
    registers: HashMap<RegisterKey, u64>,
    challenger: Option<Challenger>,
    /// Digest users of the calls that arrived.
    callers: HashMap<LegKey, String>,
    limits: Limits,
    keys: Arc<AtomicU64>,
    ended: replace::Ended,
    ebb: Ebb,
    closing: Option<Closing>,
}

struct Closing {
    until: Instant,
    tell: Vec<oneshot::Sender<()>>,
}

impl Core {
    pub fn new(
        config: EndpointConfig,
        net: Net,
        inbox: mpsc::Sender<NetEvent>,
        events: mpsc::UnboundedSender<Event>,
        keys: Arc<AtomicU64>,
    ) -> Self {
        let now = Instant::now();
        let mut timers = Timers::default();
        let challenger = config.challenge.map(|secrets| Challenger::new(secrets, now));
        if challenger.is_some() {
            timers.at(now + Challenger::forget_every(), Timer::Nonces);
            timers.at(now + Net::close_strangers_every(), Timer::Strangers);
        }
        let zone = config.zone.unwrap_or_else(|| Arc::new(dns::System));
        let (user_agent, run) = (config.user_agent, random_tag());
        let io = Io {
            net,
            txs: Transactions::default(),
            timers,
            now,
            user_agent,
            supported: if config.replaceable { "100rel, replaces, timer" } else { "100rel, timer" },
            run,
            events,
            inbox,
            ways: HashMap::new(),
            zone,
            down: HashMap::new(),
            unbelieved: HashMap::new(),
        };
        Self {
            io,
            legs: HashMap::new(),
            dialogs: HashMap::new(),
            orphans: HashSet::new(),
            registrations: HashMap::new(),
            subscriptions: HashMap::new(),
            watchers: watchers::Watchers::new(config.notifies),
            registers: HashMap::new(),
            challenger,
            callers: HashMap::new(),
            limits: config.limits,
            keys,
            ended: replace::Ended::new(config.replaceable),
            ebb: Ebb::default(),
            closing: None,
        }
    }

    pub async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, mut from_net: mpsc::Receiver<NetEvent>) {
        loop {
            let next = self.io.timers.next();
            let due = async {
                match next {
                    Some(when) => tokio::time::sleep_until(when).await,
                    None => std::future::pending().await,
                }
            };
            let listening = self.closing.is_none();
            tokio::select! {
                order = orders.recv(), if listening => {
                    self.io.now = Instant::now();
                    match order {
                        Some(order) => self.order(order),
                        None => self.shut_down(None),
                    }
                }
                Some(event) = from_net.recv() => {
                    self.io.now = Instant::now();
                    self.net_event(event);
                }
                () = due => self.io.now = Instant::now(),
            }
            while let Some((when, timer)) = self.io.timers.pop_due(self.io.now) {
                self.timer(when, timer);
            }
            if self.is_done() {
                break;
            }
        }
        self.io.net.close().await;
        // Their receivers may have gone: then nobody waits.
        self.closing.into_iter().flat_map(|c| c.tell).for_each(|tell| {
            let _ = tell.send(());
        });
    }

    fn is_done(&self) -> bool {
        self.closing
            .as_ref()
            .is_some_and(|c| self.io.now >= c.until || (self.io.txs.waiting() == 0 && self.legs.is_empty()))
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Invite(key, invite) => {
                let leg = Leg::call(key, *invite, &mut self.io);
                self.dialogs.insert(leg.dialog(), key);
                self.legs.insert(key, leg);
                self.reap(key);
            }
            Order::Leg(key, order) => self.with_leg(key, |leg, io| leg.order(order, io)),
            Order::ReferReplacing { leg, other, early_only, referred_by } => {
                // Empty if there is no such dialog any more: no address, so it is refused.
                let to = self.legs.get(&other).filter(|_| other != leg).and_then(|other| other.refer_to(early_only));
                let to = to.unwrap_or_default();
                self.with_leg(leg, |leg, io| leg.order(LegOrder::Refer { to, referred_by }, io));
            }
            Order::Register(key, registration) => {
                let client = Client::start(key, *registration, &mut self.io);
                self.registrations.insert(key, client);
            }
            Order::Refresh(key) => {
                if let Some(client) = self.registrations.get_mut(&key) {
                    client.refresh(&mut self.io);
                }
            }
            Order::NetworkChanged { slept } => self.network_changed(slept),
            Order::Unregister(key) => {
                if let Some(client) = self.registrations.get_mut(&key) {
                    client.stop(&mut self.io);
                    self.reap_registration(key);
                }
            }
            Order::Subscribe(key, subscription) => {
                let subscriber = Subscriber::start(key, *subscription, &mut self.io);
                self.subscriptions.insert(key, subscriber);
                self.with_subscription(key, |_, _| {});
            }
            Order::RefreshSubscription(key) => self.with_subscription(key, Subscriber::refresh),
            Order::Unsubscribe(key) => self.with_subscription(key, Subscriber::stop),
            Order::AcceptRegister(request, bindings) => {
                if let Some(tx) = self.registers.remove(&request) {
                    self.adopt_orphans(tx);
                    registrar::accept(&mut self.io, tx, &bindings);
                }
            }
            Order::RefuseRegister { request, status, min_expires } => {
                if let Some(tx) = self.registers.remove(&request) {
                    registrar::refuse(&mut self.io, tx, status, min_expires);
                }
            }
            Order::Notify(watcher, notice) => self.with_watcher(watcher, |w, io| w.notify(notice, io)),
            Order::RefuseWatcher(watcher, status) => self.with_watcher(watcher, |w, io| w.refuse(status, io)),
            Order::EndWatchers { user, contacts } => self.end_watchers_at(&user, &contacts),
            Order::ShutDown(tell) => self.shut_down(Some(tell)),
        }
    }

    fn shut_down(&mut self, tell: Option<oneshot::Sender<()>>) {
        let until = self.io.timer(SHUT_DOWN, Timer::ShutDown);
        self.closing = Some(Closing { until, tell: tell.into_iter().collect() });
        for key in self.legs.keys().copied().collect::<Vec<_>>() {
            self.with_leg(key, |leg, io| leg.hang_up(None, io));
        }
        for key in self.subscriptions.keys().copied().collect::<Vec<_>>() {
            self.with_subscription(key, Subscriber::stop);
        }
        self.end_watchers();
        for key in self.registrations.keys().copied().collect::<Vec<_>>() {
            if let Some(client) = self.registrations.get_mut(&key) {
                client.stop(&mut self.io);
                self.reap_registration(key);
            }
        }
    }

    fn with_leg(&mut self, key: LegKey, act: impl FnOnce(&mut Leg, &mut Io)) {
        if let Some(leg) = self.legs.get_mut(&key) {
            act(leg, &mut self.io);
            self.reap(key);
        }
    }

    fn with_subscription(&mut self, key: SubscriptionKey, act: impl FnOnce(&mut Subscriber, &mut Io)) {
        if let Some(subscriber) = self.subscriptions.get_mut(&key) {
            act(subscriber, &mut self.io);
            if subscriber.is_over() {
                self.subscriptions.remove(&key);
            }
        }
    }

    fn reap(&mut self, key: LegKey) {
        if self.legs.get(&key).is_some_and(Leg::is_over)
            && let Some(leg) = self.legs.remove(&key)
        {
            self.ended.note(leg.dialog());
            self.dialogs.remove(&leg.dialog());
            self.orphans.remove(&key);
            self.callers.remove(&key);
        }
    }

    fn reap_registration(&mut self, key: RegistrationKey) {
        if self.registrations.get(&key).is_some_and(Client::is_over) {
            self.registrations.remove(&key);
        }
    }

    fn timer(&mut self, when: Instant, timer: Timer) {
        let io = &mut self.io;
        match timer {
            Timer::ClientResend(id) => io.txs.client_resend(&mut io.net, &mut io.timers, when, id),
            Timer::ClientEnd(id) => {
                if let Some(outcome) = io.txs.client_end(when, id, &io.net) {
                    self.outcome(&outcome);
                }
            }
            Timer::ServerResend(id) => io.txs.server_resend(&mut io.net, &mut io.timers, when, id),
            Timer::ServerEnd(id) => io.txs.server_end(when, id),
            Timer::Leg(key) => self.with_leg(key, |leg, io| leg.timer(when, io)),
            Timer::Registration(key) => {
                if let Some(client) = self.registrations.get_mut(&key) {
                    client.timer(when, io);
                    self.reap_registration(key);
                }
            }
            Timer::Subscription(key) => self.with_subscription(key, |s, io| s.timer(when, io)),
            Timer::Watcher(key) => self.with_watcher(key, |w, io| w.timer(when, io)),
            Timer::Nonces => {
                if let Some(challenger) = &mut self.challenger {
                    challenger.forget_old(io.now);
                }
                io.timer(Challenger::forget_every(), Timer::Nonces);
            }
            Timer::Strangers => {
                io.net.close_strangers(io.now);
                io.timer(Net::close_strangers_every(), Timer::Strangers);
            }
            Timer::Memory => {
                self.slim();
                memory::give_back();
                if let Some(at) = self.ebb.next(self.io.now) {
                    self.io.timers.at(at, Timer::Memory);
                }
            }
            Timer::ShutDown => {}
        }
    }

    fn slim(&mut self) {
        // Session timers of calls that are long over would come half an hour later.
        let legs = &self.legs;
        self.io.timers.retain(|timer| if let Timer::Leg(key) = timer { legs.contains_key(key) } else { true });
        memory::slim(&mut self.legs);
        memory::slim(&mut self.dialogs);
        memory::slim(&mut self.callers);
        memory::slim(&mut self.registers);
        self.io.net.door.forget_old(self.io.now);
    }

    fn net_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Received { flow, received } => {
                self.received(flow, *received);
                if let Some(at) = self.ebb.kept(self.io.txs.kept(), self.io.now) {
                    self.io.timers.at(at, Timer::Memory);
                }
            }
            NetEvent::Accepted { flow, writer, stop } => self.io.net.accepted(self.io.now, flow, writer, stop),
            NetEvent::Closed { connection } => {
                self.io.net.closed(connection);
                self.connection_lost(connection);
                self.io.txs.connection_closed(&mut self.io.timers, self.io.now, connection);
                for client in self.registrations.values_mut() {
                    client.connection_closed(connection, &mut self.io);
                }
            }
            NetEvent::Undelivered { remote, quoted } => {
                self.io.txs.undelivered(&mut self.io.timers, self.io.now, remote, &quoted);
            }
            NetEvent::Unconnected { connection, hop, why } => {
                if why.fingerprint().is_some() {
                    self.io.is_not_believed(hop);
                }
                self.registrations.values_mut().for_each(|client| client.unconnected(connection, &why));
            }
            NetEvent::Resolved { owner, hops } => match owner {
                Owner::Leg(key) => self.with_leg(key, |leg, io| leg.resolved(hops, io)),
                Owner::Registration(key) => {
                    if let Some(client) = self.registrations.get_mut(&key) {
                        client.resolved(hops, &mut self.io);
                        self.reap_registration(key);
                    }
                }
                Owner::Subscription(key) => self.with_subscription(key, |s, io| {
                    let flow = io.first_flow(hops);
                    s.resolved(flow, io);
                }),
                // What a notifier says goes back whence it was asked.
                Owner::Watcher(_) | Owner::Nobody => {}
            },
        }
    }

    fn received(&mut self, flow: Flow, received: Received) {
        let (mut message, refusal) = match received {
            Received::Message(message) => (message, None),
            Received::Refuse { status, message } => (message, Some(status)),
        };
        let io = &mut self.io;
        if message.method().is_none() {
            if let Some(outcome) = io.txs.response(&mut io.net, &mut io.timers, io.now, message) {
                self.outcome(&outcome);
            }
            return;
        }
        message.stamp_source(flow.remote);
        let of_nothing = !self.dialogs.contains_key(&(message.call_id().to_owned(), message.tag_of_to().to_owned()));
        match io.txs.request(&mut io.net, &mut io.timers, io.now, flow, message) {
            Arrived::Again | Arrived::Overload => {}
            Arrived::Ack(ack) => {
                if refusal.is_none()
                    && let Some(key) = self.dialog_of(&ack)
                {
                    self.with_leg(key, |leg, io| leg.acknowledged(&ack, io));
                }
            }
            Arrived::Merged { tx } => {
                io.refuse(tx, refusal.unwrap_or(482));
                self.forget_stranger(tx, &flow);
            }
            Arrived::New { tx } => {
                match refusal {
                    Some(status) => io.refuse(tx, status),
                    None => self.request(tx, flow),
                }
                if of_nothing {
                    self.forget_stranger(tx, &flow);
                }
            }
        }
    }

    /// Nothing is kept of a stranger who was challenged or refused at once (RFC 3261 section 26.3.2.4).
    fn forget_stranger(&mut self, tx: u64, flow: &Flow) {
        if self.io.net.door.is_stranger(self.io.now, flow) {
            self.io.txs.forget_answered(tx);
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match outcome.owner {
            Owner::Leg(key) => self.with_leg(key, |leg, io| leg.outcome(outcome, io)),
            Owner::Registration(key) => {
                if let Some(client) = self.registrations.get_mut(&key) {
                    let moved = client.outcome(outcome, &mut self.io).then(|| client.flow()).flatten();
                    self.reap_registration(key);
                    moved.into_iter().for_each(|flow| self.seen_elsewhere(flow));
                }
            }
            Owner::Subscription(key) => self.with_subscription(key, |s, io| s.outcome(outcome, io)),
            Owner::Watcher(key) => self.with_watcher(key, |w, io| w.outcome(outcome, io)),
            Owner::Nobody => {}
        }
    }

    fn dialog_of(&self, request: &Message) -> Option<LegKey> {
        self.dialogs.get(&(request.call_id().to_owned(), request.tag_of_to().to_owned())).copied()
    }

    fn subscription_of(&self, notify: &Message) -> Option<SubscriptionKey> {
        let named = (notify.call_id(), notify.tag_of_to());
        self.subscriptions.iter().find(|(_, s)| s.dialog() == named).map(|(key, _)| *key)
    }

    /// The leg whose dialog a `Replaces` names.
    fn meant_by(&self, replaces: &Replaces) -> Option<LegKey> {
        let by_tag = |tag: &String| self.dialogs.get(&(replaces.call_id.clone(), tag.clone()));
        let found = [&replaces.to_tag, &replaces.from_tag].into_iter().filter_map(by_tag);
        found.copied().find(|key| self.legs.get(key).is_some_and(|leg| leg.is_meant_by(replaces)))
    }

    /// Of a REFER: whose dialog its Refer-To wants replaced.
    fn replaced_by(&self, request: &Message) -> Option<LegKey> {
        let to = request.name_addr("Refer-To")?;
        self.meant_by(&replaces::of_uri(&to.uri).ok()??)
    }
}

#[cfg(feature = "fuzzing")]
#[path = "fuzzing.rs"]
pub mod fuzzing;

#[cfg(test)]
#[path = "core_tests/mod.rs"]
mod tests;
