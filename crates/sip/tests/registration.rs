//! Registrations, challenges, and calls that need them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{ANSWER, Peer};
use sip::{ContactBinding, Credentials, EndedBy, LegEvent, RegistrationState, Transport};

const EACH: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

fn right() -> Option<Credentials> {
    Some(Credentials { user: "ravi-desk".into(), password: "right".into() })
}

/// Grants what one REGISTER asks for.
async fn grant(exchange: &mut Peer, seconds: u32) -> sip::Register {
    let asked = exchange.register_request().await;
    let granted = asked
        .contacts
        .iter()
        .map(|c| ContactBinding { uri: c.uri.clone(), instance: c.instance.clone(), expires: seconds })
        .collect();
    exchange.endpoint.accept_register(asked.request, granted);
    asked
}

#[tokio::test]
async fn the_right_password_registers_and_unregisters() {
    for transport in EACH {
        let (mut exchange, mut phone) = (Peer::exchange(transport).await, Peer::open(transport).await);
        let key = phone.endpoint.register(phone.registration(&exchange, "right"));
        let asked = grant(&mut exchange, 60).await;
        assert_eq!((asked.user.as_str(), asked.auth_user.as_str(), asked.contacts.len()), ("ravi", "ravi-desk", 1));
        assert_eq!(phone.registration_state().await, RegistrationState::Registering);
        assert_eq!(
            phone.registration_state().await,
            RegistrationState::Registered { expires: 60, secure: transport == Transport::Tls }
        );
        phone.endpoint.unregister(key);
        assert_eq!(grant(&mut exchange, 0).await.contacts[0].expires, 0);
        assert_eq!(phone.registration_state().await, RegistrationState::Unregistered);
    }
}

#[tokio::test]
async fn a_wrong_password_fails_and_is_not_tried_again() {
    let (exchange, mut phone) = (Peer::exchange(Transport::Udp).await, Peer::open(Transport::Udp).await);
    let _ = phone.endpoint.register(phone.registration(&exchange, "wrong"));
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    let refused = phone.registration_state().await;
    assert_eq!(refused, RegistrationState::Failed { status: 401, retry_in_seconds: None, why: None });
}

#[tokio::test]
async fn a_registration_is_refreshed_before_it_ends() {
    let (mut exchange, mut phone) = (Peer::exchange(Transport::Udp).await, Peer::open(Transport::Udp).await);
    let _ = phone.endpoint.register(phone.registration(&exchange, "right"));
    grant(&mut exchange, 2).await;
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 2, secure: false });
    // The refresh is challenged and answered inside.
    grant(&mut exchange, 30).await;
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 30, secure: false });
}

#[tokio::test]
async fn too_brief_an_interval_is_corrected() {
    let (mut exchange, mut phone) = (Peer::exchange(Transport::Udp).await, Peer::open(Transport::Udp).await);
    let _ = phone.endpoint.register(phone.registration(&exchange, "right"));
    let asked = exchange.register_request().await;
    exchange.endpoint.refuse_register(asked.request, 423, Some(300));
    let again = exchange.register_request().await;
    assert_eq!(again.contacts[0].expires, 300);
    exchange.endpoint.accept_register(again.request, again.contacts);
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 300, secure: false });
}

#[tokio::test]
async fn a_call_is_challenged_and_comes_authenticated() {
    for transport in EACH {
        let (mut exchange, mut phone) = (Peer::exchange(transport).await, Peer::open(transport).await);
        let mut invite = phone.invite(&exchange);
        invite.credentials = right();
        let out = phone.endpoint.invite(invite);
        let call = exchange.incoming().await;
        assert_eq!(call.authenticated_as.as_deref(), Some("ravi-desk"));
        exchange.endpoint.answer(call.leg, ANSWER.into());
        assert_eq!(phone.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
        assert_eq!(exchange.of(call.leg).await, LegEvent::Confirmed { sdp: None });
        phone.endpoint.hang_up(out, None);
        assert_eq!(exchange.ended(call.leg).await.by, EndedBy::Them);
    }
}

#[tokio::test]
async fn a_call_without_credentials_is_refused() {
    let (exchange, mut phone) = (Peer::exchange(Transport::Udp).await, Peer::open(Transport::Udp).await);
    let out = phone.endpoint.invite(phone.invite(&exchange));
    let cause = phone.ended(out).await;
    assert_eq!((cause.status, cause.by), (Some(401), EndedBy::Them));
}

/// The device listens nowhere: only the connection that it opened leads to it.
#[tokio::test]
async fn the_exchange_calls_over_the_flow_of_the_registration() {
    for transport in EACH {
        let mut exchange = Peer::exchange(transport).await;
        let mut phone = Peer::open(Transport::Udp).await;
        let mut registration = phone.registration(&exchange, "right");
        registration.aor.uri = "sip:ravi@nowhere.invalid".parse().unwrap();
        let _ = phone.endpoint.register(registration);
        let asked = grant(&mut exchange, 60).await;
        assert_eq!(asked.flow.transport, transport);
        assert_eq!(phone.registration_state().await, RegistrationState::Registering);
        assert_eq!(
            phone.registration_state().await,
            RegistrationState::Registered { expires: 60, secure: transport == Transport::Tls }
        );
        let mut invite = exchange.invite(&phone);
        invite.to = "sip:ravi@192.0.2.77:9".parse().unwrap();
        invite.via_flow = Some(asked.flow);
        let out = exchange.endpoint.invite(invite);
        let call = phone.incoming().await;
        assert_eq!(call.source.transport, transport);
        phone.endpoint.answer(call.leg, ANSWER.into());
        assert_eq!(exchange.of(out).await, LegEvent::Answered { sdp: ANSWER.into() });
        assert_eq!(phone.of(call.leg).await, LegEvent::Confirmed { sdp: None });
        exchange.endpoint.hang_up(out, None);
        assert_eq!(phone.ended(call.leg).await.by, EndedBy::Them);
    }
}

#[tokio::test]
async fn a_registrar_that_goes_away_is_noticed_over_tcp() {
    let (mut exchange, mut phone) = (Peer::exchange(Transport::Tcp).await, Peer::open(Transport::Tcp).await);
    let _ = phone.endpoint.register(phone.registration(&exchange, "right"));
    grant(&mut exchange, 3600).await;
    assert_eq!(phone.registration_state().await, RegistrationState::Registering);
    assert_eq!(phone.registration_state().await, RegistrationState::Registered { expires: 3600, secure: false });
    exchange.endpoint.shut_down().await;
    assert!(matches!(phone.registration_state().await, RegistrationState::Failed { status: 503, .. }));
}
