//! Who can listen in: said as it is, and anew whenever the far end changes it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::Desk;
use common::far::{Far, sdp};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use sip::{
    CallHeaders, Endpoint, EndpointConfig, Fingerprint, Flow, Invite, LegEvent, LegKey, NameAddr, Transport, Trust,
};
use softphone::{CallEvent, CallKey, IncomingCall, Security};

/// With the number that the phone gives this suite, so that it is an answer, too.
const KEYS: &str = "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// A far end that is called over TLS, and a phone that knows its certificate.
struct Scene {
    desk: Desk,
    far: Far,
}

impl Scene {
    async fn open() -> Self {
        let made = rcgen::generate_simple_self_signed(["far.test".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let certificate = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let config = EndpointConfig {
            tls: vec![any],
            udp: vec![any],
            certificate: Some(Arc::new(certificate)),
            ..EndpointConfig::default()
        };
        let (endpoint, events) = Endpoint::bind(config).await.unwrap();
        let desk = Desk::with(|config| {
            config.transport = softphone::Transport::Auto;
            config.trust = Trust::Pinned(Fingerprint::of(made.cert.der()));
        })
        .await;
        Self { desk, far: Far { endpoint, events } }
    }

    /// The desk calls over `by`, and the far end answers with its keys or without.
    async fn calls(&mut self, by: Transport, keys: &str) -> (CallKey, LegKey, Flow) {
        let at = self.far.endpoint.local_addr(by).unwrap();
        let call = self.desk.phone.call(&sip::Uri::at("far", at, by).to_string());
        let incoming = self.far.incoming().await;
        assert_eq!(incoming.sdp.unwrap().contains("a=crypto"), by == Transport::Tls);
        self.far.endpoint.answer(incoming.leg, sdp("sendrecv") + keys);
        (call, incoming.leg, incoming.source)
    }

    /// What is said of a call before `event`.
    async fn said_before(&mut self, call: CallKey, event: impl Fn(&CallEvent) -> bool) -> Vec<Security> {
        let said = std::cell::RefCell::new(Vec::new());
        let until = |seen: &CallEvent| {
            if let CallEvent::Security(security) = seen {
                said.borrow_mut().push(*security);
            }
            event(seen)
        };
        self.desk.call(call, "the event", until).await;
        said.into_inner()
    }

    async fn offers(&mut self, leg: LegKey, keys: &str) -> String {
        self.far.endpoint.offer(leg, sdp("sendrecv") + keys);
        let answer = |event| if let LegEvent::OfferAnswered { sdp } = event { Some(sdp) } else { None };
        self.far.until(leg, answer).await
    }

    /// The far end calls over the connection that the desk keeps to it.
    async fn rings(&mut self, flow: Flow, keys: &str) -> IncomingCall {
        let us = NameAddr::new(None, sip::Uri::at("far", flow.local, flow.transport));
        let _ = self.far.endpoint.invite(Invite {
            to: sip::Uri::at("desk", flow.remote, flow.transport),
            from: us,
            to_display: None,
            sdp: sdp("sendrecv") + keys,
            via_flow: Some(flow),
            routes: Vec::new(),
            through: None,
            credentials: None,
            headers: CallHeaders::default(),
        });
        self.desk.rung().await
    }
}

fn answered(event: &CallEvent) -> bool {
    matches!(event, CallEvent::Answered { .. })
}

#[tokio::test]
async fn a_call_that_goes_into_the_clear_and_back_says_so_at_once() {
    let mut scene = Scene::open().await;
    let (call, leg, _) = scene.calls(Transport::Tls, KEYS).await;
    assert_eq!(scene.said_before(call, answered).await, [Security::Pinned]);
    for (keys, now) in [("", Security::Clear), (KEYS, Security::Pinned)] {
        let answer = scene.offers(leg, keys).await;
        assert_eq!(answer.contains("a=crypto"), !keys.is_empty());
        scene.desk.told(call, CallEvent::Security(now)).await;
    }
    // Offered anew as it was: nothing to say.
    scene.offers(leg, KEYS).await;
    scene.desk.phone.hang_up(call);
    assert_eq!(scene.said_before(call, |event| matches!(event, CallEvent::Ended(_))).await, []);
}

#[tokio::test]
async fn without_keys_or_where_keys_would_lie_open_a_call_is_in_the_clear() {
    let mut scene = Scene::open().await;
    for (by, keys) in [(Transport::Tls, ""), (Transport::Udp, KEYS)] {
        let (call, _, _) = scene.calls(by, keys).await;
        assert_eq!(scene.said_before(call, answered).await, [Security::Clear], "{by}");
    }
}

#[tokio::test]
async fn a_ring_says_what_it_will_be_and_the_call_what_it_is() {
    let mut scene = Scene::open().await;
    let (first, _, flow) = scene.calls(Transport::Tls, KEYS).await;
    scene.desk.answered(first).await;
    for (keys, security) in [("", Security::Clear), (KEYS, Security::Pinned)] {
        let ring = scene.rings(flow, keys).await;
        assert_eq!(ring.security, Some(security));
        scene.desk.phone.answer(ring.key);
        assert_eq!(scene.said_before(ring.key, answered).await, [security]);
    }
}
