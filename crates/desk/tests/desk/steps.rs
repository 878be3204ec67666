//! Undo, and the steps of a consultation.

use std::sync::Arc;

use desk::{ConsultStage, PhoneCallId, Tone, Wish};
use protocol::{
    ApiError, Bounce, CallState, Change, Denied, LiveRow, Reason, TargetRef, Timestamp, TransferKind, TransferProgress,
    TransferRight, TransferStage,
};
use softphone::{CallEvent, CallKey, Codec, IncomingCall, PhoneEvent};

use crate::Rig;
use crate::exchange::{FakeExchange, party, row, user_ref};

fn ravi() -> TargetRef {
    TargetRef::User(user_ref("ravi", "Ravi Kumar"))
}

/// The call while a transfer by Maya goes on. `from` had it.
fn moving(revision: u32, from: &str, kind: TransferKind, stage: TransferStage) -> LiveRow {
    let mut row = row("c", revision);
    row.call.state = match stage {
        TransferStage::Swapped { .. } => CallState::Talking { with: user_ref(from, "Maya Lindqvist") },
        _ => CallState::Transferring,
    };
    row.call.state_since = Timestamp(u64::from(revision) * 1_000);
    row.call.transfer = Some(TransferProgress {
        id: "t1".into(),
        by: user_ref("maya", "Maya Lindqvist"),
        from: Some(user_ref(from, "Whoever")),
        target: ravi(),
        kind,
        stage,
        since: Timestamp(500),
        note: None,
    });
    LiveRow { undo_right: Some(TransferRight::Allowed), complete_right: Some(TransferRight::Allowed), ..row }
}

fn ringing(revision: u32, from: &str) -> LiveRow {
    let towards = vec![user_ref("ravi", "Ravi Kumar")];
    moving(revision, from, TransferKind::Blind, TransferStage::Ringing { towards, until: Timestamp(9) })
}

fn consulting(revision: u32, stage: TransferStage) -> LiveRow {
    moving(revision, "maya", TransferKind::Consult, stage)
}

fn asking(revision: u32) -> LiveRow {
    consulting(revision, TransferStage::ConsultRinging { towards: vec![], until: Timestamp(9) })
}

fn speaking(revision: u32) -> LiveRow {
    consulting(revision, TransferStage::Consulting { with: ravi() })
}

fn talking(revision: u32, id: &str, name: &str) -> LiveRow {
    let mut row = row("c", revision);
    row.call.state = CallState::Talking { with: user_ref(id, name) };
    row
}

async fn with_call(exchange: &FakeExchange, live: LiveRow) -> Rig {
    exchange.script(|script| script.live = vec![live]);
    let rig = Rig::online(exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    rig
}

/// Maya's phone has the call.
async fn on_the_phone(rig: &Rig, call: IncomingCall) {
    let key = call.key;
    rig.phones.report(PhoneEvent::Incoming(call)).await;
    rig.screen.until("ringing", |view| !view.rings.is_empty()).await;
    let answered = CallEvent::Answered { codec: Codec::Opus };
    rig.phones.report(PhoneEvent::Call { call: key, event: answered }).await;
    rig.screen.until("on the phone", |view| !view.phone.calls.is_empty()).await;
}

fn incoming(kind: softphone::RingKind) -> IncomingCall {
    IncomingCall {
        key: CallKey(1),
        kind,
        caller: party("Priya Nair", "+919812345678"),
        transferred_by: Some(party("Ravi Kumar", "ravi")),
        department: None,
        note: None,
        call_id: Some("c".into()),
        back: None,
        forwarded: None,
        answers_itself: false,
        security: None,
    }
}

fn undo() -> Wish {
    Wish::CancelTransfer { transfer: "t1".into() }
}

fn offers(view: &desk::View) -> usize {
    view.notices.iter().filter(|notice| notice.undo.is_some()).count()
}

#[tokio::test]
async fn undo_is_offered_while_it_rings_pending_when_asked_and_told_when_confirmed() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, row("c", 1)).await;
    exchange.change(Change::Call(ringing(2, "mina")));
    let view = rig.screen.until_notice("You transferred Priya Nair to Ravi Kumar.").await;
    assert_eq!(view.notices[0].undo.as_ref().map(protocol::TransferId::as_str), Some("t1"));

    let held = exchange.script(|script| Arc::clone(&script.steps_held));
    let unanswered = held.lock().await;
    rig.desk.wish(undo());
    rig.desk.wish(undo());
    exchange.asked("cancel t1").await;
    rig.screen.until("pending", |view| view.asking == ["t1".into()]).await;
    drop(unanswered);
    rig.screen.until("answered", |view| view.asking.is_empty()).await;
    exchange.change(Change::Call(talking(3, "mina", "Mina Shah")));
    let view = rig.screen.until_notice("Priya Nair is back with Mina Shah.").await;
    assert_eq!(offers(&view), 0, "nothing is left to take back");
    assert!(view.notices.iter().any(|notice| notice.tone == Tone::Good));
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("cancel")), "asked once");
    assert!(!rig.phones.all_asked().iter().any(|asked| asked.starts_with("expect")), "it was Mina's call");
    rig.end().await;
}

#[tokio::test]
async fn whoever_takes_back_their_own_call_has_it_again_without_answering() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, ringing(2, "maya")).await;
    rig.desk.wish(undo());
    rig.phones.asked("expect c").await;
    exchange.asked("cancel t1").await;
    let towards = user_ref("maya", "Maya Lindqvist");
    let back = TransferStage::Recalling { towards, until: Timestamp(9), because: Reason::Cancelled };
    exchange.change(Change::Call(moving(3, "maya", TransferKind::Blind, back)));
    rig.screen.until_notice("Taken back: Priya Nair goes back to you.").await;
    let answers_itself = IncomingCall { answers_itself: true, ..incoming(softphone::RingKind::Recall) };
    rig.phones.report(PhoneEvent::Incoming(answers_itself)).await;
    let view = rig.screen.until("ringing", |view| !view.rings.is_empty()).await;
    assert!(view.rings[0].answering, "nobody need press Answer");
    rig.end().await;
}

#[tokio::test]
async fn too_late_says_what_has_become_of_it() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, ringing(2, "mina")).await;
    let message = Denied::Settled { outcome: "talking with Ravi Kumar".into() }.sentence();
    exchange.script(|script| script.step = Err(ApiError { code: "denied.settled".into(), message }));
    rig.desk.wish(undo());
    let view = rig.screen.until_notice("Too late to take it back: talking with Ravi Kumar.").await;
    assert!(view.asking.is_empty());
    exchange.change(Change::Call(talking(3, "ravi", "Ravi Kumar")));
    rig.screen.until_notice("Ravi Kumar has the call with Priya Nair.").await;
    rig.end().await;
}

#[tokio::test]
async fn an_offer_to_undo_that_was_dismissed_stays_away() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, ringing(2, "mina")).await;
    let view = rig.screen.until("offered", |view| offers(view) == 1).await;
    rig.desk.wish(Wish::DismissNotice { id: view.notices[0].id });
    rig.screen.until("dismissed", |view| offers(view) == 0).await;
    exchange.change(Change::Call(ringing(3, "mina")));
    let view = rig.screen.until("3", |view| view.live.calls[0].call.revision == 3).await;
    assert_eq!(offers(&view), 0);
    rig.end().await;
}

#[tokio::test]
async fn a_consultation_shows_who_is_on_the_line_and_who_waits_since_when() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, talking(1, "maya", "Maya Lindqvist")).await;
    on_the_phone(&rig, incoming(softphone::RingKind::Outside)).await;
    let steps = [
        (asking(2), ConsultStage::Ringing, 500),
        (consulting(3, TransferStage::Consulting { with: ravi() }), ConsultStage::WithColleague, 500),
        (consulting(4, TransferStage::Swapped { with: ravi() }), ConsultStage::WithCaller, 4_000),
        (consulting(5, TransferStage::Consulting { with: ravi() }), ConsultStage::WithColleague, 5_000),
    ];
    for (row, stage, since) in steps {
        exchange.change(Change::Call(row));
        let since = Timestamp(since);
        let shows = |view: &desk::View| {
            let consult = view.phone.calls.first().and_then(|call| call.consult.as_ref());
            consult.is_some_and(|consult| consult.stage == stage && consult.waiting_since == since)
        };
        let view = rig.screen.until("the stage", shows).await;
        let consult = view.phone.calls[0].consult.clone().unwrap();
        assert_eq!((consult.with.as_str(), consult.complete_right), ("Ravi Kumar", TransferRight::Allowed));
        assert_eq!(consult.swap_right == TransferRight::Allowed, stage != ConsultStage::Ringing);
        assert_eq!(offers(&view), 0, "a consultation is cancelled where it is shown");
    }
    rig.desk.wish(Wish::SwapTransfer { transfer: "t1".into() });
    exchange.asked("swap t1").await;
    rig.screen.until("answered", |view| view.asking.is_empty()).await;
    rig.desk.wish(Wish::CompleteTransfer { transfer: "t1".into() });
    exchange.asked("complete t1").await;
    exchange.change(Change::Call(talking(6, "ravi", "Ravi Kumar")));
    rig.screen.until_notice("Ravi Kumar has the call with Priya Nair.").await;
    rig.screen.until("over", |view| view.phone.calls[0].consult.is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_consultation_that_came_to_nothing_says_why() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, asking(2)).await;
    let earlier = Bounce { target: ravi(), reason: Reason::NoAnswer, at: Timestamp(1), rang_ms: 20_000 };
    let back = |revision, reason| {
        let mut back = talking(revision, "maya", "Maya Lindqvist");
        back.call.bounces = vec![earlier.clone()];
        back.call.bounces.extend(Option::map(reason, |reason| Bounce {
            reason,
            at: Timestamp(600),
            ..earlier.clone()
        }));
        Change::Call(back)
    };
    for (at, (stage, reason, why)) in (3..).step_by(2).zip([
        (asking(0), Some(Reason::Busy), "Ravi Kumar: busy. Priya Nair is back with you."),
        (asking(0), Some(Reason::NoAnswer), "Ravi Kumar: no answer. Priya Nair is back with you."),
        (speaking(0), Some(Reason::AgentGone), "Ravi Kumar hung up. Priya Nair is back with you."),
        (asking(0), None, "Ravi Kumar is not there any more. Priya Nair is back with you."),
    ]) {
        let mut stage = stage;
        stage.call.revision = at;
        exchange.change(Change::Call(stage));
        exchange.change(back(at + 1, reason));
        rig.screen.until_notice(why).await;
    }

    exchange.change(Change::Call(asking(20)));
    rig.screen.until("again", |view| view.live.calls[0].call.revision == 20).await;
    rig.desk.wish(undo());
    exchange.asked("cancel t1").await;
    exchange.change(back(21, None));
    rig.screen
        .until("back by wish", |view| view.notices.iter().any(|n| n.sentence == "Priya Nair is back with you."))
        .await;
    rig.end().await;
}

#[tokio::test]
async fn whoever_is_consulted_speaks_with_the_colleague_until_the_caller_is_handed_over() {
    let exchange = FakeExchange::start();
    let mut ravis = consulting(2, TransferStage::Consulting { with: ravi() });
    if let Some(transfer) = &mut ravis.call.transfer {
        transfer.by = user_ref("ravi", "Ravi Kumar");
    }
    let rig = with_call(&exchange, ravis).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(softphone::RingKind::Consult))).await;
    let view = rig.screen.until("ringing", |view| !view.rings.is_empty()).await;
    assert_eq!(view.rings[0].headline, "Ravi Kumar wants to speak with you about Priya Nair");
    let answered = CallEvent::Answered { codec: Codec::Opus };
    rig.phones.report(PhoneEvent::Call { call: CallKey(1), event: answered }).await;
    let view = rig.screen.until("talking", |view| !view.phone.calls.is_empty()).await;
    let call = &view.phone.calls[0];
    assert_eq!((call.id, call.with.name.as_str()), (PhoneCallId(1), "Ravi Kumar"));
    assert_eq!(call.about.as_ref().map(|caller| caller.name.as_str()), Some("Priya Nair"));

    exchange.change(Change::Call(talking(3, "maya", "Maya Lindqvist")));
    let view = rig.screen.until("handed over", |view| view.phone.calls[0].about.is_none()).await;
    assert_eq!(view.phone.calls[0].with.name, "Priya Nair");
    rig.end().await;
}

#[tokio::test]
async fn a_caller_sent_straight_to_a_mailbox_may_leave_a_message_and_that_is_all() {
    let exchange = FakeExchange::start();
    let rig = with_call(&exchange, row("c", 1)).await;
    let stage = TransferStage::Voicemail { mailbox: "Ravi Kumar".into(), because: Reason::SentToVoicemail };
    let mut sent = moving(2, "maya", TransferKind::Voicemail, stage);
    sent.call.state = CallState::Voicemail { mailbox: "Ravi Kumar".into() };
    exchange.change(Change::Call(sent));
    let view = rig.screen.until_notice("Priya Nair may leave a message for Ravi Kumar.").await;
    let told = view.notices.len();
    exchange.change(Change::CallGone("c".into()));
    let view = rig.screen.until("the end", |view| view.live.calls.is_empty()).await;
    assert_eq!(view.notices.len(), told, "the transfer was over before: {:?}", view.notices);
    rig.end().await;
}
