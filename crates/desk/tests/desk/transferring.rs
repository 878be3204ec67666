//! Transfer → choose → Go, and what becomes of it.

use std::sync::Arc;

use desk::{DialogBody, Wish};
use protocol::{
    ApiError, CallState, Change, Denied, LiveRow, Reason, Target, TargetRef, Timestamp, TransferProgress,
    TransferRight, TransferStage, TransferTarget,
};

use crate::Rig;
use crate::exchange::{FakeExchange, outside_row, row, user_ref};

fn ravi() -> TransferTarget {
    TransferTarget {
        target: Target::User("ravi".into()),
        name: "Ravi Kumar".into(),
        extension: "103".into(),
        departments: vec!["Support".into()],
        presence: Some(protocol::Presence::Available),
        ineligible: None,
        forecast: vec![],
        forecast_line: "rings Ravi 20 s".into(),
        ways: vec![],
    }
}

fn ready(view: &desk::View) -> bool {
    view.dialog.as_ref().is_some_and(|dialog| matches!(dialog.body, DialogBody::Ready { .. }))
}

/// An open dialog for one call.
async fn opened(exchange: &FakeExchange) -> Rig {
    exchange.script(|script| {
        script.live = vec![row("c", 4)];
        script.targets = vec![ravi()];
    });
    let rig = Rig::online(exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    rig.desk.wish(Wish::OpenTransfer { call: "c".into() });
    let view = rig.screen.until("targets", ready).await;
    let dialog = view.dialog.unwrap();
    assert_eq!((dialog.call.as_str(), dialog.revision, dialog.error), ("c", 4, None));
    assert_eq!(dialog.body, DialogBody::Ready { targets: vec![ravi()], outside: TransferRight::Allowed });
    rig
}

fn go(revision: u32) -> Wish {
    let target = Target::User("ravi".into());
    Wish::Transfer {
        call: "c".into(),
        revision,
        target,
        transfer: protocol::TransferKind::Blind,
        note: Some(" invoice 7 ".into()),
    }
}

/// The call while a transfer by `by` goes on.
fn moving(revision: u32, by: &str, stage: TransferStage) -> LiveRow {
    let mut row = row("c", revision);
    row.call.state = CallState::Transferring;
    row.call.transfer = Some(TransferProgress {
        id: "t1".into(),
        by: user_ref(by, "Maya Lindqvist"),
        from: Some(user_ref("mina", "Mina Shah")),
        target: TargetRef::User(user_ref("ravi", "Ravi Kumar")),
        kind: protocol::TransferKind::Blind,
        stage,
        since: Timestamp(1),
        note: None,
    });
    row
}

fn ringing() -> TransferStage {
    TransferStage::Ringing { towards: vec![user_ref("ravi", "Ravi Kumar")], until: Timestamp(9) }
}

fn talking(revision: u32, id: &str, name: &str) -> LiveRow {
    let mut row = row("c", revision);
    row.call.state = CallState::Talking { with: user_ref(id, name) };
    row
}

#[tokio::test]
async fn go_is_sent_once_and_acceptance_closes_the_dialog() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    rig.desk.wish(go(4));
    rig.desk.wish(go(4)); // Enter, and a click
    assert_eq!(exchange.asked("transfer").await, r#"transfer c 4 Blind User(UserId("ravi")) Some("invoice 7")"#);
    rig.screen.until("closed", |view| view.dialog.is_none()).await;
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("transfer ")));

    exchange.change(Change::Call(moving(5, "maya", ringing())));
    exchange.change(Change::Call(talking(6, "ravi", "Ravi Kumar")));
    rig.screen.until_notice("Ravi Kumar has the call with Priya Nair.").await;
    rig.end().await;
}

#[tokio::test]
async fn a_refusal_stays_in_the_dialog_with_its_sentence() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    let sentence = "Ravi Kumar is on a call. Choose somebody else.";
    exchange.script(|script| {
        script.transfer = Err(ApiError { code: "ineligible.on_call".into(), message: sentence.into() });
    });
    rig.desk.wish(go(4));
    let view = rig
        .screen
        .until("refused", |view| view.dialog.as_ref().is_some_and(|dialog| dialog.error.as_deref() == Some(sentence)))
        .await;
    assert!(!view.dialog.unwrap().sending, "Go can be pressed again");
    exchange.asked("targets c").await;
    rig.end().await;
}

/// What the open dialog says became of its call.
async fn changed(rig: &Rig, sentence: &str) -> desk::TransferDialog {
    let says = |view: &desk::View| view.dialog.as_ref().is_some_and(|d| d.changed.as_deref() == Some(sentence));
    rig.screen.until(sentence, says).await.dialog.unwrap()
}

#[tokio::test]
async fn the_dialog_follows_its_call_until_somebody_else_moves_it() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    let mut held = row("c", 5);
    held.call.state = CallState::Held { by: user_ref("mina", "Mina Shah") };
    exchange.change(Change::Call(held));
    let view = rig.screen.until("5", |view| view.dialog.as_ref().is_some_and(|d| d.revision == 5)).await;
    let dialog = view.dialog.unwrap();
    assert_eq!((dialog.error, dialog.changed), (None, None), "hold does not count");

    let denied = Denied::AlreadyTransferring { by: user_ref("sam", "Sam Whitfield"), to: "Ravi Kumar".into() };
    let sams = LiveRow { transfer_right: TransferRight::from(Err(denied)), ..moving(6, "sam", ringing()) };
    exchange.change(Change::Call(sams));
    let dialog = changed(&rig, "Maya Lindqvist is transferring it to Ravi Kumar.").await;
    assert_eq!(dialog.revision, 5, "what the person decides on is what they saw");
    exchange.change(Change::Call(talking(7, "ravi", "Ravi Kumar")));
    let dialog = changed(&rig, "Maya Lindqvist transferred it to Ravi Kumar.").await;
    assert_eq!(dialog.revision, 5);
    exchange.change(Change::CallGone("c".into()));
    changed(&rig, "This call has ended.").await;
    rig.desk.wish(Wish::CloseTransfer);
    rig.screen.until("closed", |view| view.dialog.is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn go_on_a_call_that_somebody_moved_is_refused_with_who_and_what_and_then_decided_anew() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    exchange.change(Change::Call(moving(5, "sam", ringing())));
    exchange.change(Change::Call(talking(6, "ravi", "Ravi Kumar")));
    let dialog = changed(&rig, "Maya Lindqvist transferred it to Ravi Kumar.").await;
    let stale = Denied::Stale { now: 6, what: Some("Sam Whitfield transferred it to Ravi Kumar".into()) };
    let sentence = stale.sentence();
    let error = ApiError { code: "denied.stale".into(), message: sentence.clone() };
    exchange.script(|script| script.transfer = Err(error));
    rig.desk.wish(go(dialog.revision));
    assert_eq!(exchange.asked("transfer").await, r#"transfer c 4 Blind User(UserId("ravi")) Some("invoice 7")"#);
    let refused = |view: &desk::View| view.dialog.as_ref().is_some_and(|d| d.error.as_ref() == Some(&sentence));
    let dialog = rig.screen.until("refused", refused).await.dialog.unwrap();
    assert_eq!((dialog.revision, dialog.changed, dialog.sending), (6, None, false));
    exchange.script(|script| script.transfer = Ok(()));
    rig.desk.wish(go(6));
    rig.screen.until("closed", |view| view.dialog.is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_call_that_is_answered_while_it_is_diverted_says_by_whom() {
    let exchange = FakeExchange::start();
    let mut rings = row("c", 4);
    rings.call.state = CallState::Ringing { towards: vec![user_ref("mina", "Mina Shah")], until: Timestamp(9) };
    exchange.script(|script| script.live = vec![rings]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    rig.desk.wish(Wish::OpenTransfer { call: "c".into() });
    rig.screen.until("targets", ready).await;
    exchange.change(Change::Call(talking(5, "mina", "Mina Shah")));
    changed(&rig, "Mina Shah has answered it.").await;
    rig.end().await;
}

fn ask_number(number: Option<&str>) -> Wish {
    Wish::AskNumber { call: "c".into(), number: number.map(Into::into) }
}

/// What the dialog says of the typed number.
fn typed(view: &desk::View) -> Option<desk::TypedNumber> {
    view.dialog.as_ref().and_then(|dialog| dialog.number.clone())
}

#[tokio::test]
async fn a_typed_number_is_asked_once_when_it_stands_and_a_late_answer_says_nothing() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    for number in ["+44", "+44 2", "+44 20"] {
        rig.desk.wish(ask_number(Some(number)));
    }
    let answered = |number: &str| {
        let target = Box::new(outside_row(number.into()));
        Some(desk::TypedNumber { number: number.into(), answer: desk::NumberAnswer::Ready { target } })
    };
    rig.screen.until("the forecast", |view| typed(view) == answered("+44 20")).await;
    assert_eq!(exchange.asked("targets c +").await, "targets c +44 20");

    // The answer about one number comes while another stands there.
    let held = exchange.script(|script| Arc::clone(&script.numbers_held));
    let unanswered = held.lock().await;
    rig.desk.wish(ask_number(Some("+44 207")));
    assert_eq!(exchange.asked("targets c +").await, "targets c +44 207");
    rig.desk.wish(ask_number(Some("+44 2079")));
    drop(unanswered);
    let view = rig.screen.until("the other", |view| typed(view) == answered("+44 2079")).await;
    assert!(view.dialog.is_some_and(|dialog| dialog.error.is_none()));
    assert_eq!(exchange.asked("targets c +").await, "targets c +44 2079");

    exchange.script(|script| script.live.clear());
    rig.desk.wish(ask_number(Some("+44 20794")));
    let failed = desk::NumberAnswer::Failed { sentence: "This call has ended.".into() };
    rig.screen.until("failed", |view| typed(view).is_some_and(|typed| typed.answer == failed)).await;
    rig.desk.wish(ask_number(None));
    rig.screen.until("none", |view| typed(view).is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn another_dialog_never_takes_the_place_of_an_open_one() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    exchange.change(Change::Call(row("d", 1)));
    rig.desk.wish(Wish::OpenTransfer { call: "d".into() });
    exchange.change(Change::Call(row("d", 2)));
    let view = rig
        .screen
        .until("both", |view| view.live.calls.iter().any(|row| row.call.id.as_str() == "d" && row.call.revision == 2))
        .await;
    assert_eq!(view.dialog.unwrap().call.as_str(), "c");
    rig.end().await;
}

#[tokio::test]
async fn the_kinds_and_an_outside_number_go_as_they_were_chosen() {
    let exchange = FakeExchange::start();
    let denied = TransferRight::from(Err(Denied::OutsideNotAllowed));
    exchange.script(|script| {
        script.live = vec![row("c", 4)];
        script.outside = denied.clone();
    });
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    let wanted = [
        (protocol::TransferKind::Consult, Target::User("ravi".into()), r#"Consult User(UserId("ravi"))"#),
        (
            protocol::TransferKind::Voicemail,
            Target::Department("support".into()),
            r#"Voicemail Department(DepartmentId("support"))"#,
        ),
        (protocol::TransferKind::Blind, Target::Outside("+44 20".into()), r#"Blind Outside("+44 20")"#),
    ];
    for (transfer, target, said) in wanted {
        rig.desk.wish(Wish::OpenTransfer { call: "c".into() });
        let view = rig.screen.until("targets", ready).await;
        let Some(DialogBody::Ready { outside, .. }) = view.dialog.map(|dialog| dialog.body) else { unreachable!() };
        assert_eq!(outside, denied, "the exchange's own reason");
        rig.desk.wish(Wish::Transfer { call: "c".into(), revision: 4, target, transfer, note: None });
        assert_eq!(exchange.asked("transfer").await, format!("transfer c 4 {said} None"));
        rig.screen.until("closed", |view| view.dialog.is_none()).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn a_note_that_is_too_long_is_refused_and_never_cut() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    let note = |length| Some("ä".repeat(length));
    let target = Target::User("ravi".into());
    let transfer = protocol::TransferKind::Blind;
    let go = |note| Wish::Transfer { call: "c".into(), revision: 4, target: target.clone(), transfer, note };
    rig.desk.wish(go(note(protocol::MAX_NOTE_CHARS + 1)));
    let refused = |view: &desk::View| {
        view.dialog.as_ref().is_some_and(|d| d.error.as_ref().is_some_and(|e| e.contains("201 characters")))
    };
    assert!(!rig.screen.until("refused", refused).await.dialog.unwrap().sending);
    rig.desk.wish(go(note(protocol::MAX_NOTE_CHARS)));
    assert!(exchange.asked("transfer").await.contains(&"ä".repeat(protocol::MAX_NOTE_CHARS)));
    rig.end().await;
}

#[tokio::test]
async fn a_colleagues_change_refreshes_the_open_dialog() {
    let exchange = FakeExchange::start();
    let rig = opened(&exchange).await;
    exchange.script(|script| script.targets[0].ineligible = Some(protocol::Ineligible::OnCall));
    exchange.change(Change::User(protocol::User { on_call: true, ..crate::exchange::user("ravi", "Ravi Kumar") }));
    rig.screen
        .until("greyed", |view| match view.dialog.as_ref().map(|dialog| &dialog.body) {
            Some(DialogBody::Ready { targets, .. }) => targets[0].ineligible == Some(protocol::Ineligible::OnCall),
            _ => false,
        })
        .await;
    rig.end().await;
}

#[tokio::test]
async fn what_came_instead_is_told_to_who_pressed_go_and_to_nobody_else() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![moving(1, "maya", ringing())]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    let recall = TransferStage::Recalling {
        towards: user_ref("maya", "Maya Lindqvist"),
        until: Timestamp(9),
        because: Reason::NoAnswer,
    };
    exchange.change(Change::Call(moving(2, "maya", recall)));
    rig.screen.until_notice("Ravi Kumar: no answer. Priya Nair goes back to you.").await;
    exchange.change(Change::Call(talking(3, "maya", "Maya Lindqvist")));
    let view = rig.screen.until_notice("Priya Nair is back with you.").await;
    let told = view.notices.len();
    assert!(
        rig.screen
            .shown()
            .iter()
            .any(|s| matches!(s, crate::doubles::Shown::Notify(n) if n.sentence.contains("back with you")))
    );

    exchange.change(Change::Call(moving(4, "sam", ringing())));
    exchange.change(Change::Call(talking(5, "ravi", "Ravi Kumar")));
    let view = rig.screen.until("moved", |view| view.live.calls[0].call.revision == 5).await;
    assert_eq!(view.notices.len(), told, "Sam's transfer is no news for Maya");
    rig.end().await;
}

#[tokio::test]
async fn an_outcome_during_a_lost_link_is_told_afterwards() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![moving(1, "maya", ringing())]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    exchange.cut();
    exchange.script(|script| script.live = vec![talking(2, "ravi", "Ravi Kumar")]);
    exchange.mend();
    rig.screen.until_notice("Ravi Kumar has the call").await;
    rig.end().await;
}

#[tokio::test]
async fn a_call_that_ended_opens_no_dialog() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.desk.wish(Wish::OpenTransfer { call: "gone".into() });
    let view = rig.screen.until_notice("This call has ended.").await;
    assert!(view.dialog.is_none());
    rig.end().await;
}
