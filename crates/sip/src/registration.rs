//! A registration that we keep (RFC 3261 section 10.2): refreshed at half its time, tried again with growing pauses.

mod pause;
mod ping;

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rsipstack::sip::Method;
use tokio::time::Instant;

use self::pause::is_unreached;
use self::ping::{KEEP_ALIVE, PING, Pings, Seen};
use crate::{
    ConnectError, Event, Flow, Registration, RegistrationKey, RegistrationState, Transport, Uri,
    auth::{answer_challenge, realm_answered},
    io::{Io, RUN, Way, random_tag},
    message::{Message, split_list},
    net::Hop,
    timer::Timer,
    transaction::{Outcome, Owner},
};

/// Longest Min-Expires that we follow, seconds.
const MAX_EXPIRES: u32 = 86_400;
/// Longest Service-Route that we follow.
const MAX_ROUTES: usize = 8;

pub(crate) struct Client {
    key: RegistrationKey,
    registration: Registration,
    call_id: String,
    tag: String,
    cseq: u32,
    flow: Option<Flow>,
    /// The server at its other end, the one that DNS prefers, and those that have not been tried.
    server: Option<Hop>,
    preferred: Option<Hop>,
    servers: VecDeque<Hop>,
    /// The Contact that we registered.
    contact: Option<String>,
    /// The realm of the challenge that we answered last …
    tried_realm: Option<String>,
    /// … and of the one after which we were registered.
    realm: Option<String>,
    /// What requests of the account have to pass, as the registrar said (RFC 3608).
    service_route: Vec<String>,
    state: State,
    failures: u32,
    /// The registrar has taken our password at least once …
    was_welcome: bool,
    /// … and since then refused it this often.
    refusals: u32,
    /// What kept us from connecting last.
    unconnected: Option<ConnectError>,
    /// The server that was given up last said itself that it cannot serve.
    busy: bool,
    /// What we ask for: at first as ordered, after a 423 as the registrar wants.
    expires: u32,
    pings: Pings,
    seen: Seen,
    /// Which run of the registrar has our binding, if it says so.
    run: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A REGISTER, or the look-up of its registrar's name, is on its way.
    Asking {
        /// Somebody has asked for another one meanwhile: only one may be out (RFC 3261 section 10.2).
        again: bool,
    },
    Registered {
        refresh_at: Instant,
        keep_alive_at: Instant,
    },
    Pausing {
        until: Instant,
    },
    /// Our password is wrong: only if somebody asks for it, or the network is another one, it is tried once more.
    Refused,
    /// A REGISTER with Expires 0 is on its way.
    Leaving,
    Over,
}

/// A Route header for a loose router (RFC 3261 section 16.12).
fn route_of(proxy: &Uri) -> String {
    let mut proxy = proxy.clone();
    if proxy.param("lr").is_none() {
        proxy.params.push(("lr".into(), None));
    }
    format!("<{proxy}>")
}

impl Client {
    pub fn start(key: RegistrationKey, registration: Registration, io: &mut Io) -> Self {
        let expires = registration.expires.clamp(1, MAX_EXPIRES);
        let mut client = Self {
            key,
            registration,
            call_id: random_tag(),
            tag: random_tag(),
            cseq: 0,
            flow: None,
            server: None,
            preferred: None,
            servers: VecDeque::new(),
            contact: None,
            tried_realm: None,
            realm: None,
            service_route: Vec::new(),
            state: State::Asking { again: false },
            failures: 0,
            was_welcome: false,
            refusals: 0,
            unconnected: None,
            busy: false,
            expires,
            pings: Pings::Untried,
            seen: Seen::default(),
            run: None,
        };
        client.tell(io, RegistrationState::Registering);
        client.note_way(io);
        client.ask(io);
        client
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking { .. })
    }

    /// Whether a request from `source` may come from our registrar.
    pub fn is_from(&self, source: IpAddr) -> bool {
        self.flow.is_some_and(|f| f.remote.ip() == source)
    }

    /// Removes the binding and ends.
    pub fn stop(&mut self, io: &mut Io) {
        match (self.state, self.flow) {
            (State::Leaving | State::Over, _) => {}
            (State::Registered { .. } | State::Asking { .. }, Some(flow)) => {
                self.state = State::Leaving;
                self.send(flow, 0, io);
            }
            (State::Registered { .. } | State::Asking { .. }, None) | (State::Pausing { .. } | State::Refused, _) => {
                self.end(io);
            }
        }
    }

    pub fn timer(&mut self, due: Instant, io: &mut Io) {
        match self.state {
            State::Pausing { until } if until == due => self.begin_anew(io),
            State::Registered { refresh_at, .. } if refresh_at == due => self.ask_again(io),
            State::Registered { refresh_at, keep_alive_at } if keep_alive_at == due => {
                self.ping(io);
                let keep_alive_at = io.timer(KEEP_ALIVE, Timer::Registration(self.key));
                self.state = State::Registered { refresh_at, keep_alive_at };
            }
            State::Asking { .. }
            | State::Registered { .. }
            | State::Pausing { .. }
            | State::Refused
            | State::Leaving
            | State::Over => {}
        }
    }

    fn begin_anew(&mut self, io: &mut Io) {
        self.tell(io, RegistrationState::Registering);
        self.flow = None;
        self.ask_again(io);
    }

    /// The connection that the registrar would call us over is gone: a new one is needed.
    pub fn connection_closed(&mut self, connection: u64, io: &mut Io) {
        if self.uses(connection) && matches!(self.state, State::Registered { .. }) {
            self.fail(503, io);
        }
    }

    /// The connection that we wanted did not come about; that it has closed is told next.
    pub fn unconnected(&mut self, connection: u64, why: &ConnectError) {
        if self.uses(connection) {
            self.unconnected = Some(why.clone());
        }
    }

    pub fn flow(&self) -> Option<Flow> {
        self.flow
    }

    fn uses(&self, connection: u64) -> bool {
        self.flow.is_some_and(|f| f.transport.is_stream() && f.connection == connection)
    }

    /// Where requests of the account go from now on.
    fn note_way(&self, io: &mut Io) {
        let proxy = self.registration.outbound_proxy.clone();
        let routes = if self.service_route.is_empty() {
            proxy.iter().map(route_of).collect()
        } else {
            self.service_route.clone()
        };
        let (others, server) = (self.servers.iter().cloned().collect(), self.server.clone());
        let password = self.registration.credentials.clone().zip(self.realm.clone());
        io.ways.insert(self.key, Way { flow: self.flow, routes, proxy, others, server, password });
    }

    /// Registers anew at once, or as soon as what is just asked has come to nothing.
    pub fn refresh(&mut self, io: &mut Io) {
        match self.state {
            State::Registered { .. } => self.ask_again(io),
            State::Pausing { .. } | State::Refused => self.begin_anew(io),
            State::Asking { .. } => self.state = State::Asking { again: true },
            State::Leaving | State::Over => {}
        }
    }

    /// Registers anew at once if the way to the registrar has changed, if we are not registered, or if we have `slept`: then our
    /// time may have run out while no timer went on. Otherwise only asks whether the registrar still hears us.
    pub fn network_changed(&mut self, slept: bool, moved: &HashMap<SocketAddr, SocketAddr>, io: &mut Io) {
        let stays = self.flow.is_some_and(|flow| io.net.is_open(&flow) && !moved.contains_key(&flow.local));
        let same = stays && self.contact == self.contact_now(io);
        match self.state {
            State::Registered { .. } if same && !slept => self.ping(io),
            State::Registered { .. } | State::Asking { .. } => {
                if let Some(flow) = self.flow.take().filter(|f| f.transport.is_stream()) {
                    io.net.abandon(&flow);
                }
                self.tell(io, RegistrationState::Registering);
                self.ask_again(io);
            }
            State::Pausing { .. } | State::Refused => {
                self.failures = 0;
                self.begin_anew(io);
            }
            State::Leaving | State::Over => {}
        }
    }

    fn contact_now(&self, io: &mut Io) -> Option<String> {
        self.flow.map(|flow| io.contact(self.registration.aor.uri.user(), &flow))
    }

    fn ask_again(&mut self, io: &mut Io) {
        self.state = State::Asking { again: false };
        self.ask(io);
    }

    /// The registrar, as REGISTER and OPTIONS address it.
    fn request_uri(&self) -> String {
        let mut uri = self.registration.registrar.clone();
        uri.user = None;
        uri.params.clear();
        uri.to_string()
    }

    /// The registrar's servers are known.
    pub fn resolved(&mut self, hops: Vec<Hop>, io: &mut Io) {
        if self.is_asking() {
            self.preferred = hops.first().cloned();
            self.servers = io.in_order(hops);
            self.ask_next_server(503, io);
        }
    }

    /// `status` is why the one before was given up.
    fn ask_next_server(&mut self, status: u16, io: &mut Io) {
        while let Some(hop) = self.servers.pop_front() {
            if let Some(flow) = io.net.flow_to(&hop) {
                (self.flow, self.server) = (Some(flow), Some(hop));
                self.note_way(io);
                return self.send(flow, self.expires, io);
            }
        }
        self.fail(status, io);
    }

    /// The server does not answer or cannot serve: the next one is asked (RFC 3263 section 4.3).
    fn no_service(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        self.busy = !outcome.from_network;
        if let Some(server) = &self.server {
            io.is_down(server, response);
        }
        io.keep_instead_of(self.server.as_ref(), &mut self.servers);
        self.ask_next_server(response.status(), io);
    }

    /// Whether the server that DNS prefers may be back, while we are with another.
    fn could_go_back(&self, io: &Io) -> bool {
        self.preferred != self.server && self.preferred.as_ref().is_some_and(|hop| io.seems_up(hop))
    }

    fn ask(&mut self, io: &mut Io) {
        let goes_back = self.could_go_back(io);
        if let Some(flow) = self.flow.filter(|f| io.net.is_open(f) && !goes_back) {
            return self.send(flow, self.expires, io);
        }
        let first = self.registration.outbound_proxy.as_ref().unwrap_or(&self.registration.registrar);
        if let Some(hops) = io.servers_of(Owner::Registration(self.key), first) {
            self.resolved(hops, io);
        }
    }

    fn send(&mut self, flow: Flow, expires: u32, io: &mut Io) {
        let mut m = Message::request(Method::Register, self.request_uri());
        let aor = &self.registration.aor;
        let contact = io.contact(aor.uri.user(), &flow);
        self.contact = Some(contact.clone());
        if let Some(proxy) = &self.registration.outbound_proxy {
            m.add("Route", route_of(proxy));
        }
        m.add("Max-Forwards", "70");
        m.add("From", format!("{aor};tag={}", self.tag));
        m.add("To", aor.to_string());
        m.add("Call-ID", self.call_id.clone());
        // Who leaves names the binding alone: by its instance, the one of a successor would go (RFC 5626 section 6).
        let instance = self.registration.instance.as_ref().filter(|_| expires > 0);
        let params = instance.map_or_else(String::new, |instance| format!(";{instance}"));
        m.add("Contact", format!("{contact};expires={expires}{params}"));
        m.add("Expires", expires.to_string());
        m.add("Supported", if instance.is_some() { "path, outbound" } else { "path" });
        self.number(&mut m);
        let tx = io.send(Owner::Registration(self.key), flow, m);
        if !self.servers.is_empty() && self.is_asking() {
            io.hurry(tx);
        } else if flow.transport.is_stream() {
            // It is sent once: a registrar that has just begun to listen may swallow it.
            io.txs.limit(&mut io.timers, io.now, (tx, PING));
        }
    }

    fn number(&mut self, m: &mut Message) {
        self.cseq += 1;
        m.set("CSeq", format!("{} REGISTER", self.cseq));
    }

    /// Whether a NAT has us elsewhere than before: whoever talks with us over this flow has to hear from us.
    pub fn outcome(&mut self, outcome: &Outcome, io: &mut Io) -> bool {
        let response = &outcome.response;
        let moves = self.seen.moves(self.flow, response, io.now);
        match response.cseq() {
            _ if response.status() < 200 => {}
            (_, "OPTIONS") => self.pinged(outcome, moves, io),
            // Otherwise it is a late answer to a request that was overtaken.
            (number, _) if number == self.cseq => self.asked(outcome, io),
            _ => {}
        }
        moves
    }

    fn asked(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        let status = response.status();
        match (self.state, status) {
            (_, 401 | 407) if self.answered(outcome, io) => {}
            (State::Leaving, _) => self.end(io),
            (State::Asking { .. }, 200..300) => self.registered(response, io),
            (State::Asking { .. }, 423) => self.too_brief(response, io),
            (State::Asking { .. }, 439) if self.registration.instance.is_some() => self.without_outbound(io),
            (State::Asking { .. }, _) if outcome.is_no_service() => self.no_service(outcome, io),
            (State::Asking { .. }, _) => self.fail(status, io),
            (State::Registered { .. } | State::Pausing { .. } | State::Refused | State::Over, _) => {}
        }
    }

    /// Answers a challenge, unless our answer to the last one was what is refused.
    fn answered(&mut self, outcome: &Outcome, io: &mut Io) -> bool {
        let (Some(credentials), Some(request), Some(flow)) =
            (&self.registration.credentials, &outcome.request, self.flow)
        else {
            return false;
        };
        let tried = request.get("Authorization").or(request.get("Proxy-Authorization")).is_some();
        let stale = outcome.response.all("WWW-Authenticate").any(|v| v.to_ascii_lowercase().contains("stale=true"));
        if tried && !stale {
            return false;
        }
        let mut again = request.clone();
        // Whatever the realm: it is the registrar itself that asks, and it may have been renamed.
        if !answer_challenge(&mut again, &outcome.response, credentials, &[]) {
            return false;
        }
        self.tried_realm = realm_answered(&again);
        self.number(&mut again);
        io.send(Owner::Registration(self.key), flow, again);
        true
    }

    fn registered(&mut self, response: &Message, io: &mut Io) {
        (self.failures, self.refusals, self.was_welcome) = (0, 0, true);
        self.server.iter().for_each(|server| io.is_up(server));
        self.unconnected = None;
        let routes = response.all("Service-Route").flat_map(split_list);
        self.service_route = routes.take(MAX_ROUTES).map(str::to_owned).collect();
        self.realm = self.tried_realm.take().or(self.realm.take());
        self.note_way(io);
        self.run = response.get(RUN).map(str::to_owned);
        if self.state == (State::Asking { again: true }) && self.contact != self.contact_now(io) {
            return self.ask_again(io);
        }
        let expires = self.granted(response, io).clamp(1, MAX_EXPIRES);
        let refresh = Duration::from_secs(u64::from(expires)) / 2;
        let refresh_at = io.timer(refresh, Timer::Registration(self.key));
        let keep_alive_at = io.timer(KEEP_ALIVE, Timer::Registration(self.key));
        self.state = State::Registered { refresh_at, keep_alive_at };
        let secure = self.flow.is_some_and(|flow| flow.transport == Transport::Tls);
        self.tell(io, RegistrationState::Registered { expires, secure });
    }

    /// The lifetime that the registrar gave our Contact, seconds.
    fn granted(&self, response: &Message, io: &mut Io) -> u32 {
        let ours = self.contact_now(io);
        let of_contact = response
            .all("Contact")
            .flat_map(split_list)
            .filter_map(|c| c.parse::<crate::NameAddr>().ok())
            .find(|c| ours.as_ref().is_some_and(|o| *o == format!("<{}>", c.uri)))
            .and_then(|c| c.param("expires").and_then(|e| e.parse().ok()));
        let of_header = || response.get("Expires").and_then(|e| e.trim().parse().ok());
        of_contact.or_else(of_header).unwrap_or(self.expires)
    }

    /// 423: the registrar wants a longer lifetime (RFC 3261 section 10.2.8).
    fn too_brief(&mut self, response: &Message, io: &mut Io) {
        let wanted = response.get("Min-Expires").and_then(|e| e.trim().parse().ok()).unwrap_or(0);
        match self.flow {
            Some(flow) if wanted > self.expires && wanted <= MAX_EXPIRES => {
                self.expires = wanted;
                self.send(flow, wanted, io);
            }
            Some(_) | None => self.fail(423, io),
        }
    }

    /// 439: something on the way knows no RFC 5626 (section 4.2.1).
    fn without_outbound(&mut self, io: &mut Io) {
        self.registration.instance = None;
        match self.flow {
            Some(flow) => self.send(flow, self.expires, io),
            None => self.fail(439, io),
        }
    }

    fn fail(&mut self, status: u16, io: &mut Io) {
        let why = self.unconnected.take().filter(|_| status == 503);
        let busy = std::mem::take(&mut self.busy);
        if self.state == (State::Asking { again: true }) && is_unreached(status) && !busy {
            self.failures = 0;
            return self.begin_anew(io);
        }
        let pause = self.pause_after(status, busy);
        self.failures = self.failures.saturating_add(1);
        self.state = match pause {
            Some(pause) => State::Pausing { until: io.timer(pause, Timer::Registration(self.key)) },
            None => State::Refused,
        };
        let retry_in_seconds = pause.map(|pause| pause.as_secs_f64().ceil() as u32);
        self.tell(io, RegistrationState::Failed { status, retry_in_seconds, why });
    }

    fn end(&mut self, io: &mut Io) {
        self.state = State::Over;
        io.ways.remove(&self.key);
        self.tell(io, RegistrationState::Unregistered);
    }

    fn tell(&self, io: &Io, state: RegistrationState) {
        let _ = io.events.send(Event::Registration { key: self.key, state });
    }
}
