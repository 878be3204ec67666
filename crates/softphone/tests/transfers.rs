//! Transfers, holds and losses against far ends that do what they should not: the far ends are endpoints of our own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use protocol::CallId;
use sip::{CallHeaders, Endpoint, EndpointConfig, Event, LegEvent};
use softphone::{Account, AnswerMode, CallEvent, HeldBy, PhoneEvent, RegistrationState, Secret};

mod common;

use common::far::{Far, sdp, talk};
use common::{Desk, PATIENCE};

#[tokio::test]
async fn a_refused_refer_leaves_the_call_as_it_was() {
    for status in [403, 488, 491, 500, 603] {
        let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
        let (call, leg) = talk(&mut desk, &mut far).await;
        desk.phone.transfer(call, "sip:mina@127.0.0.1");
        assert!(far.agree(leg, "recvonly").await.contains("a=sendonly"));
        assert_eq!(far.refer(leg).await.user(), "mina");
        far.endpoint.refuse_refer(leg, status);
        desk.told(call, CallEvent::TransferFailed { status }).await;
        assert!(far.agree(leg, "sendrecv").await.contains("a=sendrecv"), "taken back");
        desk.told(call, CallEvent::Resumed { by: HeldBy::Us }).await;
    }
}

#[tokio::test]
async fn a_refer_to_oneself_is_refused_and_the_call_goes_on() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut far).await;
    far.endpoint.refer(leg, desk.uri(), None);
    let status = far.until(leg, |e| if let LegEvent::ReferProgress { status } = e { Some(status) } else { None }).await;
    assert_eq!(status, 603);
    desk.phone.hold(call, true);
    far.agree(leg, "recvonly").await;
    desk.told(call, CallEvent::Held { by: HeldBy::Us }).await;
}

#[tokio::test]
async fn two_calls_are_connected_by_naming_the_dialog() {
    let (mut desk, mut first, mut second) = (Desk::silent().await, Far::open().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut first).await;
    let other = desk.phone.call(&second.uri().to_string());
    first.agree(leg, "recvonly").await;
    let asked = second.incoming().await;
    second.endpoint.answer(asked.leg, sdp("sendrecv"));
    desk.answered(other).await;
    desk.phone.connect(call, other, false);
    let (to, replaced) = first
        .until(leg, |e| if let LegEvent::Refer { to, replaces, .. } = e { Some((to, replaces.unwrap())) } else { None })
        .await;
    assert_eq!((to.uri.user(), to.uri.port), ("far", Some(second.address().port())));
    assert_eq!(replaced.leg, None, "it is no dialog of the transferee");
    // Whoever names it to its owner names that leg.
    let (_, inward) = talk(&mut desk, &mut second).await;
    first.endpoint.accept_refer(leg, true);
    first.endpoint.notify_refer(leg, 200);
    desk.told(call, CallEvent::TransferProgress { status: 200 }).await;
    desk.ended(call).await;
    assert!(!replaced.dialog.early_only && inward != asked.leg);
}

#[tokio::test]
async fn an_ended_dialog_cannot_be_replaced() {
    let (mut desk, mut first, mut second) = (Desk::silent().await, Far::open().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut first).await;
    let other = desk.phone.call(&second.uri().to_string());
    first.agree(leg, "recvonly").await;
    desk.told(call, CallEvent::Held { by: HeldBy::Us }).await;
    let asked = second.incoming().await.leg;
    second.endpoint.refuse(asked, 486, None);
    desk.ended(other).await;
    desk.phone.connect(call, other, false);
    desk.call(call, "failure", |e| matches!(e, CallEvent::TransferFailed { .. })).await;
    first.agree(leg, "sendrecv").await;
    desk.told(call, CallEvent::Resumed { by: HeldBy::Us }).await;
}

#[tokio::test]
async fn a_second_call_does_not_disturb_a_transfer() {
    let (mut desk, mut far, mut stranger) = (Desk::silent().await, Far::open().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut far).await;
    desk.phone.transfer(call, "sip:mina@127.0.0.1");
    let second = stranger.call(&desk, CallHeaders::default());
    let ringing = desk.rung().await;
    far.agree(leg, "recvonly").await;
    far.refer(leg).await;
    far.endpoint.accept_refer(leg, true);
    far.endpoint.notify_refer(leg, 180);
    desk.told(call, CallEvent::TransferProgress { status: 180 }).await;
    desk.phone.answer(ringing.key);
    stranger.answered(second).await;
    desk.answered(ringing.key).await;
    far.endpoint.notify_refer(leg, 200);
    desk.told(call, CallEvent::TransferProgress { status: 200 }).await;
    assert_eq!(desk.ended(call).await.cause, "hung up");
    desk.phone.hang_up(ringing.key);
    desk.ended(ringing.key).await;
}

#[tokio::test]
async fn both_ends_may_hold_and_a_held_call_may_be_transferred() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut far).await;
    far.endpoint.offer(leg, sdp("sendonly"));
    desk.told(call, CallEvent::Held { by: HeldBy::Them }).await;
    far.until(leg, |e| matches!(e, LegEvent::OfferAnswered { sdp } if sdp.contains("a=recvonly")).then_some(())).await;
    desk.phone.hold(call, true);
    far.agree(leg, "inactive").await;
    desk.told(call, CallEvent::Held { by: HeldBy::Us }).await;
    far.endpoint.offer(leg, sdp("sendrecv"));
    desk.told(call, CallEvent::Resumed { by: HeldBy::Them }).await;
    far.until(leg, |e| matches!(e, LegEvent::OfferAnswered { sdp } if sdp.contains("a=sendonly")).then_some(())).await;
    // Held by us already: no second hold before the REFER.
    desk.phone.transfer(call, "sip:mina@127.0.0.1");
    assert_eq!(far.refer(leg).await.user(), "mina");
    far.endpoint.accept_refer(leg, true);
    far.endpoint.notify_refer(leg, 200);
    desk.ended(call).await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_in_mid_transfer_ends_it() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut far).await;
    desk.phone.transfer(call, "sip:mina@127.0.0.1");
    far.agree(leg, "recvonly").await;
    far.refer(leg).await;
    far.endpoint.hang_up(leg, None);
    assert_eq!(desk.ended(call).await.cause, "hung up by the other side");
}

#[tokio::test]
async fn a_ringing_call_is_sent_elsewhere() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    let leg = far.call(&desk, CallHeaders::default());
    let call = desk.rung().await.key;
    desk.phone.divert(call, "sip:mina@127.0.0.9:5070");
    let cause = far.until(leg, |e| if let LegEvent::Ended { cause } = e { Some(cause) } else { None }).await;
    assert_eq!(cause.status, Some(302));
    assert_eq!(cause.diverted_to.unwrap().uri.to_string(), "sip:mina@127.0.0.9:5070");
    desk.ended(call).await;
}

#[tokio::test]
async fn keys_by_info_arrive_in_order() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    let (call, leg) = talk(&mut desk, &mut far).await;
    desk.phone.info_dtmf(call, "*2x201#");
    for wanted in "*2201#".chars() {
        let digit = far.until(leg, |e| if let LegEvent::Dtmf { digit } = e { Some(digit) } else { None }).await;
        assert_eq!(digit, wanted);
    }
}

fn asks(call: &str) -> CallHeaders {
    CallHeaders {
        auto_answer: true,
        call_info: vec![("X-Patchcord-Call".into(), call.into())],
        ..CallHeaders::default()
    }
}

#[tokio::test]
async fn only_a_call_that_was_asked_for_answers_itself() {
    let (mut desk, mut far) = (Desk::silent().await, Far::open().await);
    far.call(&desk, asks("c-1"));
    assert!(!desk.rung().await.answers_itself);
    desk.phone.expect(CallId("c-2".into()));
    let leg = far.call(&desk, asks("c-2"));
    let call = desk.rung().await;
    assert!(call.answers_itself);
    desk.answered(call.key).await;
    far.answered(leg).await;
    // Somebody is talking now: nothing may break in.
    desk.phone.expect(CallId("c-3".into()));
    far.call(&desk, asks("c-3"));
    assert!(!desk.rung().await.answers_itself);

    let mut desk = Desk::with(|config| config.answer_mode = AnswerMode::Always).await;
    far.call(&desk, asks("c-4"));
    let call = desk.rung().await.key;
    desk.answered(call).await;
}

#[tokio::test]
async fn a_call_whose_caller_died_stops_ringing() {
    let mut desk = Desk::with(|config| config.patience = Duration::from_millis(200)).await;
    let (process, far) = mortal("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = far.address();
    far.call(&desk, CallHeaders::default());
    let call = desk.rung().await.key;
    let (process, _far) = restart(process, address).await;
    let ended = desk.ended(call).await;
    assert_eq!((ended.cause.as_str(), ended.status), ("the connection to the caller was lost", Some(481)));
    process.shutdown_background();
}

/// The exchange dies and another one takes its place: the call ends with a reason, and the device registers again.
#[tokio::test]
async fn a_call_whose_exchange_was_restarted_ends_and_the_device_registers_again() {
    let (process, mut exchange) = mortal("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = exchange.address();
    let account = Account {
        registrar: format!("sip:{address}"),
        outbound_proxy: None,
        device: None,
        insists: false,
        user: "ravi".into(),
        auth_user: None,
        password: Secret::new("s3cret"),
        display: None,
    };
    let mut desk = Desk::with(|config| {
        config.account = Some(account);
        config.patience = Duration::from_millis(200);
    })
    .await;
    grant(&mut exchange).await;
    registered(&mut desk).await;
    let call = desk.phone.call("mina");
    let leg = exchange.incoming().await.leg;
    exchange.endpoint.answer(leg, sdp("sendrecv"));
    desk.answered(call).await;
    let (process, mut exchange) = restart(process, address).await;
    let ended = desk.ended(call).await;
    assert_eq!((ended.cause.as_str(), ended.status), ("the other side has lost this call", Some(481)));
    grant(&mut exchange).await;
    registered(&mut desk).await;
    process.shutdown_background();
}

/// An endpoint whose process can die.
fn mortal(address: SocketAddr) -> Option<(tokio::runtime::Runtime, Far)> {
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (tell, bound) = std::sync::mpsc::channel();
    process.spawn(async move {
        let config = EndpointConfig { udp: vec![address], ..EndpointConfig::default() };
        tell.send(Endpoint::bind(config).await).unwrap();
    });
    match bound.recv_timeout(PATIENCE).unwrap() {
        Ok((endpoint, events)) => Some((process, Far { endpoint, events })),
        Err(_) => {
            process.shutdown_background();
            None
        }
    }
}

/// Lets a process die without a word, and starts another in its place.
async fn restart(process: tokio::runtime::Runtime, address: SocketAddr) -> (tokio::runtime::Runtime, Far) {
    process.shutdown_background();
    let opening = async {
        loop {
            match mortal(address) {
                Some(started) => return started,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, opening).await.expect("the address stays in use")
}

async fn grant(exchange: &mut Far) {
    loop {
        if let Event::Register(asked) = exchange.next().await {
            return exchange.endpoint.accept_register(asked.request, asked.contacts);
        }
    }
}

async fn registered(desk: &mut Desk) {
    desk.until("registration", |event| {
        matches!(event, PhoneEvent::Registration(RegistrationState::Registered)).then_some(())
    })
    .await;
}
