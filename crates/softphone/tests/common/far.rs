//! Far ends that the tests lead by the hand: endpoints of our own.

use std::net::SocketAddr;

use sip::{CallHeaders, Endpoint, EndpointConfig, Event, Incoming, Invite, LegEvent, LegKey, NameAddr, Transport, Uri};
use softphone::CallKey;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Desk, PATIENCE};

/// A far end that the test leads by the hand.
pub struct Far {
    pub endpoint: Endpoint,
    pub events: UnboundedReceiver<Event>,
}

impl Far {
    pub async fn open() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn at(address: SocketAddr) -> Self {
        let config = EndpointConfig { udp: vec![address], ..EndpointConfig::default() };
        let (endpoint, events) = Endpoint::bind(config).await.unwrap();
        Self { endpoint, events }
    }

    pub fn address(&self) -> SocketAddr {
        self.endpoint.local_addr(Transport::Udp).unwrap()
    }

    pub fn uri(&self) -> Uri {
        Uri::at("far", self.address(), Transport::Udp)
    }

    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("nothing happens").unwrap()
    }

    pub async fn incoming(&mut self) -> Incoming {
        loop {
            if let Event::Incoming(incoming) = self.next().await {
                return *incoming;
            }
        }
    }

    /// The next event of a leg that `wanted` makes something of.
    pub async fn until<T>(&mut self, leg: LegKey, wanted: impl Fn(LegEvent) -> Option<T>) -> T {
        loop {
            if let Event::Leg { leg: of, event } = self.next().await
                && of == leg
                && let Some(found) = wanted(event)
            {
                return found;
            }
        }
    }

    pub async fn offer(&mut self, leg: LegKey) -> String {
        self.until(leg, |event| if let LegEvent::Offer { sdp } = event { Some(sdp) } else { None }).await
    }

    /// Takes an offer as it is.
    pub async fn agree(&mut self, leg: LegKey, direction: &str) -> String {
        let offer = self.offer(leg).await;
        self.endpoint.answer_offer(leg, Ok(sdp(direction)));
        offer
    }

    pub async fn refer(&mut self, leg: LegKey) -> Uri {
        self.until(leg, |event| if let LegEvent::Refer { to, .. } = event { Some(to.uri) } else { None }).await
    }

    pub fn call(&self, desk: &Desk, headers: CallHeaders) -> LegKey {
        self.endpoint.invite(Invite {
            to: desk.uri().parse().unwrap(),
            from: NameAddr::new(Some("Priya Nair"), self.uri()),
            to_display: None,
            sdp: sdp("sendrecv"),
            via_flow: None,
            routes: Vec::new(),
            through: None,
            credentials: None,
            headers,
        })
    }

    pub async fn answered(&mut self, leg: LegKey) {
        self.until(leg, |event| matches!(event, LegEvent::Answered { .. }).then_some(())).await;
    }
}

pub fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// The desk calls the far end, which answers.
pub async fn talk(desk: &mut Desk, far: &mut Far) -> (CallKey, LegKey) {
    let call = desk.phone.call(&far.uri().to_string());
    let leg = far.incoming().await.leg;
    far.endpoint.answer(leg, sdp("sendrecv"));
    desk.answered(call).await;
    (call, leg)
}
