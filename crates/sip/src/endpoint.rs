use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    ContactBinding, EndpointConfig, Error, Event, Invite, LegKey, Notice, ReasonHeader, RegisterKey, Registration,
    RegistrationKey, Subscription, SubscriptionKey, Transport, Uri, WatcherKey, core::Core, memory, net::Net, netwatch,
};

/// A cheap handle on one endpoint; one task owns its sockets and all its state. Every method but [`Self::bind`] and
/// [`Self::shut_down`] only posts an order and returns at once: an order for a leg that is gone, or that its state does
/// not allow, is ignored. When the last handle is dropped, the endpoint shuts down as by [`Self::shut_down`].
#[derive(Clone)]
pub struct Endpoint {
    orders: mpsc::UnboundedSender<Order>,
    keys: Arc<AtomicU64>,
    udp: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    tls: Option<SocketAddr>,
}

pub(crate) enum Order {
    Invite(LegKey, Box<Invite>),
    Leg(LegKey, LegOrder),
    ReferReplacing { leg: LegKey, other: LegKey, early_only: bool, referred_by: Option<String> },
    Register(RegistrationKey, Box<Registration>),
    Refresh(RegistrationKey),
    Unregister(RegistrationKey),
    NetworkChanged { slept: bool },
    Subscribe(SubscriptionKey, Box<Subscription>),
    RefreshSubscription(SubscriptionKey),
    Unsubscribe(SubscriptionKey),
    AcceptRegister(RegisterKey, Vec<ContactBinding>),
    RefuseRegister { request: RegisterKey, status: u16, min_expires: Option<u32> },
    Notify(WatcherKey, Notice),
    RefuseWatcher(WatcherKey, u16),
    EndWatchers { user: String, contacts: Vec<Uri> },
    ShutDown(oneshot::Sender<()>),
}

/// What is ordered of one leg.
pub(crate) enum LegOrder {
    Ring { at_most: Option<Duration> },
    Answer(String),
    Refuse { status: u16, reason: Option<ReasonHeader> },
    Divert(Uri),
    HangUp(Option<ReasonHeader>),
    Offer(String),
    AnswerOffer(Result<String, u16>),
    Refer { to: String, referred_by: Option<String> },
    AcceptRefer(Result<(), u16>),
    NotifyRefer(u16),
    Dtmf(char),
    Probe,
}

impl Endpoint {
    /// Opens the sockets and starts the task.
    ///
    /// # Errors
    /// If an address cannot be listened on, or TLS has no certificate.
    pub async fn bind(config: EndpointConfig) -> Result<(Self, mpsc::UnboundedReceiver<Event>), Error> {
        memory::keep_little();
        let (net, inbox, from_net) = Net::bind(&config).await?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let watching = config.watch_network.then(|| tokio::spawn(netwatch::watch(orders.downgrade())));
        let watching = watching.map(AbortOnDropHandle::new);
        let (events, heard) = mpsc::unbounded_channel();
        let keys = Arc::new(AtomicU64::new(1));
        let endpoint = Self {
            orders,
            keys: keys.clone(),
            udp: net.local_addr(Transport::Udp),
            tcp: net.local_addr(Transport::Tcp),
            tls: net.local_addr(Transport::Tls),
        };
        let core = Core::new(config, net, inbox, events, keys);
        tokio::spawn(async move {
            core.run(ordered, from_net).await;
            drop(watching);
        });
        Ok((endpoint, heard))
    }

    /// One whose orders a test carries out.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn loose(keys: Arc<AtomicU64>) -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, ordered) = mpsc::unbounded_channel();
        (Self { orders, keys, udp: None, tcp: None, tls: None }, ordered)
    }

    /// The first address listened on.
    #[must_use]
    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
        }
    }

    /// Starts an outgoing call; what becomes of it arrives as [`Event::Leg`] with this key.
    #[must_use]
    pub fn invite(&self, invite: Invite) -> LegKey {
        let leg = LegKey(self.next_key());
        self.post(Order::Invite(leg, Box::new(invite)));
        leg
    }

    /// Says that we ring (180), and goes on saying it until the call is answered, refused or given up.
    pub fn ring(&self, leg: LegKey) {
        self.leg(leg, LegOrder::Ring { at_most: None });
    }

    /// As [`Self::ring`], but a call that nobody has answered after this time is refused with 480: it ends by
    /// [`crate::EndedBy::Us`].
    pub fn ring_at_most(&self, leg: LegKey, time: Duration) {
        self.leg(leg, LegOrder::Ring { at_most: Some(time) });
    }

    /// Answers a call (200); [`crate::LegEvent::Confirmed`] follows on the ACK.
    pub fn answer(&self, leg: LegKey, sdp: String) {
        self.leg(leg, LegOrder::Answer(sdp));
    }

    /// Refuses a call with a status of 300..=699.
    pub fn refuse(&self, leg: LegKey, status: u16, reason: Option<ReasonHeader>) {
        self.leg(leg, LegOrder::Refuse { status, reason });
    }

    /// Sends a call that rings here elsewhere (302).
    pub fn divert(&self, leg: LegKey, to: Uri) {
        self.leg(leg, LegOrder::Divert(to));
    }

    /// Ends a leg in whatever state: BYE, CANCEL, or refusal with 603. [`crate::LegEvent::Ended`] comes at once; the
    /// goodbye itself, an answer that crosses the CANCEL included, is seen through inside.
    pub fn hang_up(&self, leg: LegKey, reason: Option<ReasonHeader>) {
        self.leg(leg, LegOrder::HangUp(reason));
    }

    /// Offers anew (re-INVITE): hold, resume, other media. Followed by [`crate::LegEvent::OfferAnswered`] or
    /// [`crate::LegEvent::OfferFailed`]; glare (491) is retried inside. An offer that waits for its turn is replaced by
    /// a later one.
    pub fn offer(&self, leg: LegKey, sdp: String) {
        self.leg(leg, LegOrder::Offer(sdp));
    }

    /// Answers a [`crate::LegEvent::Offer`]: with SDP, or with a refusing status such as 488.
    pub fn answer_offer(&self, leg: LegKey, sdp: Result<String, u16>) {
        self.leg(leg, LegOrder::AnswerOffer(sdp));
    }

    /// Asks the far end to call `to` (RFC 3515); [`crate::LegEvent::ReferProgress`] follows. `referred_by` is a
    /// name-addr (RFC 3892).
    pub fn refer(&self, leg: LegKey, to: String, referred_by: Option<String>) {
        self.leg(leg, LegOrder::Refer { to, referred_by });
    }

    /// Attended transfer: asks the far end of `leg` to take our place towards the far end of `other` (RFC 5589 section
    /// 7). `early_only`: not if that one has answered by then.
    pub fn refer_replacing(&self, leg: LegKey, other: LegKey, early_only: bool, referred_by: Option<String>) {
        self.post(Order::ReferReplacing { leg, other, early_only, referred_by });
    }

    /// Answers a [`crate::LegEvent::Refer`] with 202 or 603.
    pub fn accept_refer(&self, leg: LegKey, accept: bool) {
        self.leg(leg, LegOrder::AcceptRefer(accept.then_some(()).ok_or(603)));
    }

    /// Refuses a [`crate::LegEvent::Refer`] with a status of 300..=699. Mind that 481 ends the dialog for many devices:
    /// for a `Replaces` of a dialog that is gone, accept and report 481 by [`Self::notify_refer`] (RFC 5589 section 7.3).
    pub fn refuse_refer(&self, leg: LegKey, status: u16) {
        self.leg(leg, LegOrder::AcceptRefer(Err(status)));
    }

    /// Reports how the accepted REFER goes; a status of 200 or above is the last one.
    pub fn notify_refer(&self, leg: LegKey, status: u16) {
        self.leg(leg, LegOrder::NotifyRefer(status));
    }

    /// Sends one DTMF digit as SIP INFO.
    pub fn info_dtmf(&self, leg: LegKey, digit: char) {
        self.leg(leg, LegOrder::Dtmf(digit));
    }

    /// Asks the far end whether it still knows this call, ringing or answered, for want of any other sign of life. If it
    /// does not, or does
    /// not answer within 8 s, the leg ends by [`crate::EndedBy::Network`] with 481, 408 or 503.
    pub fn probe(&self, leg: LegKey) {
        self.leg(leg, LegOrder::Probe);
    }

    /// Registers and stays registered until [`Self::unregister`].
    #[must_use]
    pub fn register(&self, registration: Registration) -> RegistrationKey {
        let key = RegistrationKey(self.next_key());
        self.post(Order::Register(key, Box::new(registration)));
        key
    }

    /// Registers anew at once: something suggests that the registrar has forgotten us, or is back.
    pub fn refresh(&self, registration: RegistrationKey) {
        self.post(Order::Refresh(registration));
    }

    /// The machine's network has changed: what is bound to an address that is gone is bound anew, and registrations are made
    /// again at once where their way has changed. [`Event::NetworkChanged`] follows.
    pub fn network_changed(&self) {
        self.post(Order::NetworkChanged { slept: false });
    }

    /// The machine has slept, and the clock that we count by with it: whatever the network is like, registrations may have run out
    /// and are made again at once, over new connections, and subscriptions are asked for anew. [`Event::NetworkChanged`] follows.
    pub fn woken(&self) {
        self.post(Order::NetworkChanged { slept: true });
    }

    /// Ends a registration; [`crate::RegistrationState::Unregistered`] follows.
    pub fn unregister(&self, registration: RegistrationKey) {
        self.post(Order::Unregister(registration));
    }

    /// Subscribes and stays subscribed until [`Self::unsubscribe`]; what is told arrives as [`Event::Subscription`].
    #[must_use]
    pub fn subscribe(&self, subscription: Subscription) -> SubscriptionKey {
        let key = SubscriptionKey(self.next_key());
        self.post(Order::Subscribe(key, Box::new(subscription)));
        key
    }

    /// Asks anew at once: something suggests that the notifier has forgotten us, or is back.
    pub fn refresh_subscription(&self, subscription: SubscriptionKey) {
        self.post(Order::RefreshSubscription(subscription));
    }

    /// Ends a subscription; nothing more is told of it.
    pub fn unsubscribe(&self, subscription: SubscriptionKey) {
        self.post(Order::Unsubscribe(subscription));
    }

    /// Accepts a REGISTER; `bindings` are all Contacts of the user now with their remaining seconds.
    pub fn accept_register(&self, request: RegisterKey, bindings: Vec<ContactBinding>) {
        self.post(Order::AcceptRegister(request, bindings));
    }

    /// Refuses a REGISTER: 403, 404, 423 (with `min_expires` seconds) …
    pub fn refuse_register(&self, request: RegisterKey, status: u16, min_expires: Option<u32>) {
        self.post(Order::RefuseRegister { request, status, min_expires });
    }

    /// Lets whoever asked by [`Event::Watch`], and tells what there is: now, and whenever it is something else.
    pub fn notify(&self, watcher: WatcherKey, notice: Notice) {
        self.post(Order::Notify(watcher, notice));
    }

    /// Refuses an [`Event::Watch`]: 403, 404 …
    pub fn refuse_watcher(&self, watcher: WatcherKey, status: u16) {
        self.post(Order::RefuseWatcher(watcher, status));
    }

    /// Ends what this digest user watches from these contacts: its devices are there no more.
    pub fn end_watchers(&self, user: String, contacts: Vec<Uri>) {
        self.post(Order::EndWatchers { user, contacts });
    }

    /// Ends what lives (BYE, CANCEL, unregister) and closes the sockets; waits for the peers at most 2 s.
    pub async fn shut_down(self) {
        let (done, is_done) = oneshot::channel();
        self.post(Order::ShutDown(done));
        let _ = is_done.await;
    }

    fn leg(&self, leg: LegKey, order: LegOrder) {
        self.post(Order::Leg(leg, order));
    }

    fn post(&self, order: Order) {
        // The task ends only by an order of shut_down: whoever orders after that is late.
        let _ = self.orders.send(order);
    }

    fn next_key(&self) -> u64 {
        self.keys.fetch_add(1, Ordering::Relaxed)
    }
}
