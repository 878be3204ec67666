//! Phones without an exchange hand each other over: REFER with `Replaces`, and the INVITE that follows (RFC 5589 section 7,
//! RFC 3891).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use softphone::{CallEvent, CallKey, HeldBy, PhoneEvent};

mod common;

use common::{Desk, connect};

/// B talks to A and to C, and connects them. What C calls its calls with B and with A.
async fn handed_over(set: impl AsyncFnOnce(&mut Desk, CallKey)) -> (Desk, Desk, CallKey) {
    let (mut a, mut b, mut c) = (Desk::silent().await, Desk::silent().await, Desk::silent().await);
    let (with_a, _) = connect(&mut b, &mut a).await;
    let (with_c, there) = connect(&mut b, &mut c).await;
    set(&mut c, there).await;
    b.phone.connect(with_a, with_c, false);
    let told = c.call(there, "replacement", |e| matches!(e, CallEvent::Replaced { .. })).await;
    let CallEvent::Replaced { by, referred_by, .. } = told else { unreachable!() };
    assert!(referred_by.is_some(), "B says that it was B");
    let (mut progress, mut over) = (0, Vec::new());
    b.until("the end of both calls, in any order", |event| {
        match event {
            PhoneEvent::Call { event: CallEvent::TransferProgress { status }, .. } => progress = status,
            PhoneEvent::Call { call, event: CallEvent::Ended(_) } => over.push(call),
            _ => {}
        }
        (over.contains(&with_a) && over.contains(&with_c)).then_some(())
    })
    .await;
    assert_eq!(progress, 200, "B is told that it worked");
    (a, c, by)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_far_ends_are_connected_and_neither_rings() {
    let (mut a, mut c, with_a) = handed_over(async |_, _| {}).await;
    c.answered(with_a).await;
    // The one who was told to call ends when the other hangs up.
    c.phone.hang_up(with_a);
    c.ended(with_a).await;
    a.until("end of the new call", |event| {
        matches!(event, PhoneEvent::Call { event: CallEvent::Ended(_), .. }).then_some(())
    })
    .await;
}

/// Whoever was on hold must not have a stranger listen in all at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_and_muted_stays_so() {
    let (_a, mut c, with_a) = handed_over(async |c, there| {
        c.phone.mute(there, true);
        c.told(there, CallEvent::Muted { muted: true }).await;
        c.phone.hold(there, true);
        c.told(there, CallEvent::Held { by: HeldBy::Us }).await;
    })
    .await;
    c.told(with_a, CallEvent::Muted { muted: true }).await;
    c.answered(with_a).await;
    c.told(with_a, CallEvent::Held { by: HeldBy::Us }).await;
}
