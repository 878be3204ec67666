//! Somebody else's SIP system over real sockets: it registers ana, asks for her password, rings her, and does what she asks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sip::{
    CallHeaders, Endpoint, EndpointConfig, Event, Flow, Incoming, Invite, LegEvent, NameAddr, Register, Secrets,
    Transport, Uri,
};
use tokio::sync::{mpsc, watch};

use crate::doubles::PATIENCE;

pub const PASSWORD: &str = "s3cret-word";

/// What ana asked of it: to whom a call is to go, and whether in the place of another call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    pub to: String,
    pub replaces: bool,
}

pub struct System {
    endpoint: Endpoint,
    address: SocketAddr,
    /// Where ana's phone is.
    ana: Arc<watch::Sender<Option<Flow>>>,
    referred: Mutex<mpsc::UnboundedReceiver<Referred>>,
}

struct Office;

impl Secrets for Office {
    fn realm(&self) -> String {
        "office".into()
    }
    fn secret(&self, user: &str) -> Option<String> {
        (user == "ana").then(|| PASSWORD.into())
    }
    fn trusted(&self, _: SocketAddr) -> bool {
        false
    }
}

impl System {
    pub async fn start() -> Self {
        let config = EndpointConfig {
            udp: vec!["127.0.0.1:0".parse().unwrap()],
            challenge: Some(Arc::new(Office)),
            ..EndpointConfig::default()
        };
        let (endpoint, mut events) = Endpoint::bind(config).await.unwrap();
        let address = endpoint.local_addr(Transport::Udp).unwrap();
        let ana = Arc::new(watch::Sender::new(None));
        let (tell, referred) = mpsc::unbounded_channel();
        let acting = Acting { endpoint: endpoint.clone(), ana: Arc::clone(&ana), tell };
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                acting.take(event);
            }
        });
        Self { endpoint, address, ana, referred: Mutex::new(referred) }
    }

    /// Ana's address there.
    pub fn address_of_ana(&self) -> String {
        format!("ana@{}", self.address)
    }

    /// Somebody calls ana.
    pub async fn call(&self) {
        let mut ana = self.ana.subscribe();
        let flow = tokio::time::timeout(PATIENCE, ana.wait_for(Option::is_some)).await.unwrap().unwrap().unwrap();
        let _leg = self.endpoint.invite(Invite {
            to: Uri::at("ana", flow.remote, Transport::Udp),
            from: NameAddr::new(Some("Priya Nair"), Uri::at("+919812345678", self.address, Transport::Udp)),
            to_display: None,
            sdp: sdp("sendrecv"),
            via_flow: Some(flow),
            routes: Vec::new(),
            through: None,
            credentials: None,
            headers: CallHeaders::default(),
        });
    }

    pub async fn referred(&self) -> Referred {
        let wait = std::future::poll_fn(|context| self.referred.lock().unwrap().poll_recv(context));
        tokio::time::timeout(PATIENCE, wait).await.expect("a REFER in time").unwrap()
    }

    pub async fn stop(self) {
        self.endpoint.shut_down().await;
    }
}

struct Acting {
    endpoint: Endpoint,
    ana: Arc<watch::Sender<Option<Flow>>>,
    tell: mpsc::UnboundedSender<Referred>,
}

impl Acting {
    fn take(&self, event: Event) {
        match event {
            Event::Register(register) => self.register(&register),
            Event::Incoming(incoming) => self.incoming(&incoming),
            Event::Leg { leg, event: LegEvent::Offer { sdp: offer } } => {
                let direction = if offer.contains("a=sendonly") { "recvonly" } else { "sendrecv" };
                self.endpoint.answer_offer(leg, Ok(sdp(direction)));
            }
            Event::Leg { leg, event: LegEvent::Refer { to, replaces, .. } } => {
                let to = to.uri.user().to_owned();
                self.endpoint.accept_refer(leg, true);
                self.endpoint.notify_refer(leg, 180);
                self.endpoint.notify_refer(leg, if to == "busy" { 486 } else { 200 });
                let _test_over = self.tell.send(Referred { to, replaces: replaces.is_some() });
            }
            Event::Watch(watch) => self.endpoint.refuse_watcher(watch.watcher, 403),
            Event::Unwatched(_)
            | Event::Leg { .. }
            | Event::Registration { .. }
            | Event::Subscription { .. }
            | Event::Messages { .. }
            | Event::NetworkChanged => {}
        }
    }

    fn register(&self, register: &Register) {
        let is_there = register.contacts.iter().any(|contact| contact.expires > 0);
        self.ana.send_replace(is_there.then_some(register.flow));
        self.endpoint.accept_register(register.request, register.contacts.clone());
    }

    /// Everybody here answers at once.
    fn incoming(&self, incoming: &Incoming) {
        self.endpoint.ring(incoming.leg);
        self.endpoint.answer(incoming.leg, sdp("sendrecv"));
    }
}

fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na={direction}\r\n"
    )
}
