//! Calls of plain accounts that others move, and what the log says of where a call has been.

use desk::{PhoneCallState, View, Wish};
use protocol::{CallRecord, CallState, JourneyEvent, Reason, TransferKind};
use softphone::{CallEvent, CallKey, HeldBy, IncomingCall, PhoneEvent, Recalled, RingKind};

use crate::Rig;
use crate::exchange::party;
use crate::plain::{ANSWERED, answer, ended, go, incoming, on, record, shop, talking};

/// The journey in words.
fn steps(record: &CallRecord) -> Vec<String> {
    let words = |what: &JourneyEvent| match what {
        JourneyEvent::TransferStarted { by, to, .. } => format!("{} transfers to {}", by.name, to.name()),
        JourneyEvent::TransferBounced { target, reason, .. } => format!("{}: {reason:?}", target.name()),
        JourneyEvent::TransferDoneOutside { number, .. } => format!("with {number}"),
        JourneyEvent::Recalled { user, .. } => format!("back to {}", user.name),
        JourneyEvent::Joined { with, .. } => format!("joined with {with}"),
        JourneyEvent::Forwarded { from, because } => format!("forwarded from {from}: {because:?}"),
        JourneyEvent::Ended { because } => format!("ended: {because:?}"),
        JourneyEvent::Arrived { .. } => "arrived".into(),
        JourneyEvent::Rang { .. } => "rang".into(),
        JourneyEvent::Answered { .. } => "answered".into(),
        other => format!("{other:?}"),
    };
    record.journey.iter().map(|step| words(&step.what)).collect()
}

/// The only call that is over.
async fn only_record(rig: &Rig) -> CallRecord {
    let view = rig.screen.until("logged", |view| view.logs.rows.len() == 1 && view.phone.calls.is_empty()).await;
    rig.desk.wish(Wish::OpenDetails { call: view.logs.rows[0].id.clone() });
    record(rig, |_| true).await
}

fn following() -> CallEvent {
    CallEvent::Following {
        call: CallKey(2),
        to: party("", "230"),
        referred_by: Some(party("Priya Nair", "+919812345678")),
    }
}

#[tokio::test]
async fn being_handed_over_leaves_one_call_with_somebody_else() {
    let (rig, _) = shop().await;
    let (id, call) = talking(&rig).await;
    on(&rig, "ana", 1, CallEvent::Held { by: HeldBy::Them }).await;
    let replaced = CallEvent::Replaced {
        by: CallKey(2),
        with: party("Tom Becker", "230"),
        referred_by: Some(party("Priya Nair", "+919812345678")),
    };
    on(&rig, "ana", 1, replaced).await;
    on(&rig, "ana", 2, ANSWERED).await;
    on(&rig, "ana", 1, ended(None, Some(3))).await;
    let with_tom = |view: &View| view.phone.calls.len() == 1 && view.phone.calls[0].with.name == "Tom Becker";
    let view = rig.screen.until("Tom", with_tom).await;
    let shown = &view.phone.calls[0];
    assert!(shown.id != id && !shown.held_by_other && shown.call.as_ref() == Some(&call));
    assert!(view.notices.iter().any(|n| n.sentence == "Priya Nair has handed you over to Tom Becker."), "{view:#?}");
    assert_eq!((view.live.calls.len(), view.rings.len()), (1, 0));
    rig.screen.until("Tom's row", |view| view.live.calls[0].call.caller.name == "Tom Becker").await;
    rig.desk.wish(Wish::HangUp { id: shown.id });
    rig.phones.asked("ana: hang up 2").await;
    on(&rig, "ana", 2, ended(None, Some(9))).await;
    rig.screen.until("logged", |view| view.logs.rows.len() == 1).await;
    rig.desk.wish(Wish::OpenDetails { call: call.clone() });
    let record = record(&rig, |record| record.id == call).await;
    assert_eq!((record.caller.name.as_str(), record.ended_because), ("Priya Nair", Reason::AgentGone));
    assert_eq!(steps(&record)[3..5], ["joined with Tom Becker", "ended: AgentGone"]);
    rig.end().await;
}

/// Connected line: the log keeps the number of a caller who had no name, and who they handed us to.
#[tokio::test]
async fn a_caller_without_a_name_is_not_forgotten_for_whoever_comes_after() {
    let (rig, _) = shop().await;
    let ring = IncomingCall { caller: party("", "+919812345678"), ..incoming(1) };
    answer(&rig, ring).await;
    on(&rig, "ana", 1, ANSWERED).await;
    on(&rig, "ana", 1, CallEvent::Identity { party: party("Tom Becker", "230") }).await;
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    let record = only_record(&rig).await;
    assert_eq!(record.caller, party("", "+919812345678"));
    assert_eq!(steps(&record)[3..], ["joined with Tom Becker", "ended: CallerGone"]);
    rig.end().await;
}

#[tokio::test]
async fn being_sent_on_is_one_call_with_whoever_answers() {
    for leaves_first in [false, true] {
        let (rig, _) = shop().await;
        let (_, call) = talking(&rig).await;
        on(&rig, "ana", 1, following()).await;
        let moving = |view: &View| view.live.calls.iter().any(|row| row.call.state == CallState::Transferring);
        let view = rig.screen.until("on the way", moving).await;
        assert!(view.live.calls.len() == 1 && view.phone.calls.iter().all(|call| call.about.is_none()), "{view:#?}");
        if leaves_first {
            on(&rig, "ana", 1, ended(None, Some(3))).await;
        }
        let named = CallEvent::Identity { party: party("Tom Becker", "230") };
        let named_first = !leaves_first;
        if named_first {
            on(&rig, "ana", 2, named.clone()).await;
        }
        on(&rig, "ana", 2, ANSWERED).await;
        if named_first {
            on(&rig, "ana", 1, ended(None, Some(3))).await;
            rig.screen.until_notice("Priya Nair has handed you over to Tom Becker.").await;
        } else {
            on(&rig, "ana", 2, named).await;
            rig.screen.until_notice("Priya Nair has handed you over to 230.").await;
        }
        let with_tom = |view: &View| view.phone.calls.len() == 1 && view.live.calls[0].call.caller.name == "Tom Becker";
        let view = rig.screen.until("with Tom", with_tom).await;
        assert!(
            matches!(view.live.calls[0].call.state, CallState::Talking { .. }) && view.live.calls[0].call.id == call
        );
        on(&rig, "ana", 2, ended(None, Some(9))).await;
        let record = only_record(&rig).await;
        assert_eq!((record.id.clone(), record.caller.name.as_str()), (call, "Priya Nair"));
        let went = ["arrived", "rang", "answered", "Priya Nair transfers to 230", "joined with Tom Becker"];
        assert_eq!(steps(&record)[..5], went);
        assert_eq!(record.ended_because, Reason::CallerGone);
        rig.end().await;
    }
}

#[tokio::test]
async fn being_sent_on_to_somebody_who_is_busy_is_no_call_of_its_own() {
    for leaves_first in [false, true] {
        let (rig, _) = shop().await;
        talking(&rig).await;
        on(&rig, "ana", 1, following()).await;
        let order = if leaves_first { [1, 2] } else { [2, 1] };
        for call in order {
            let talked = (call == 1).then_some(3);
            on(&rig, "ana", call, ended(talked.is_none().then_some(486), talked)).await;
        }
        let record = only_record(&rig).await;
        assert_eq!(steps(&record)[3..], ["Priya Nair transfers to 230", "230: Busy", "ended: CallerGone"]);
        rig.end().await;
    }
}

/// Systems such as Asterisk report success of the first call once the second is answered: by whoever is called back.
#[tokio::test]
async fn a_recall_says_who_did_not_take_the_call_in_both_records() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    go(&rig, &call, TransferKind::Blind, "204").await;
    rig.phones.asked("ana: transfer 1 204").await;
    let back = Some(Recalled { from: party("", "204"), because: Some(Reason::Busy), after: None });
    let by = Some(party("Ana Ruiz", "ana"));
    let ring = IncomingCall { kind: RingKind::Recall, back, transferred_by: by, ..incoming(2) };
    answer(&rig, ring).await;
    on(&rig, "ana", 1, CallEvent::TransferProgress { status: 200 }).await;
    on(&rig, "ana", 2, ANSWERED).await;
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    rig.screen.until("the first record", |view| view.logs.rows.len() == 1).await;
    on(&rig, "ana", 2, ended(None, Some(20))).await;
    let view = rig.screen.until("both", |view| view.logs.rows.len() == 2).await;
    assert!(view.notices.iter().all(|notice| !notice.sentence.contains("has the call")), "{:?}", view.notices);
    let again = view.logs.rows.iter().find(|row| row.id != call).unwrap().id.clone();
    rig.desk.wish(Wish::OpenDetails { call: call.clone() });
    let first = record(&rig, |record| record.id == call).await;
    assert_eq!(steps(&first)[3..], ["Ana Ruiz transfers to 204", "204: Busy"]);
    assert_eq!(first.ended_because, Reason::Joined);
    rig.desk.wish(Wish::OpenDetails { call: again.clone() });
    let second = record(&rig, |record| record.id == again).await;
    assert_eq!(steps(&second)[..4], ["arrived", "204: Busy", "back to Ana Ruiz", "rang"]);
    rig.end().await;
}

#[tokio::test]
async fn the_log_says_by_whose_hands_a_call_came() {
    let from = |because| Recalled { from: party("Support", "300"), because, after: None };
    let forwarded = |because| IncomingCall { forwarded: Some(from(because)), ..incoming(1) };
    let by = Some(party("Tom Becker", "230"));
    for (ring, step) in [
        (forwarded(None), "forwarded from Support: None"),
        (forwarded(Some(Reason::NoAnswer)), "forwarded from Support: Some(NoAnswer)"),
        (IncomingCall { transferred_by: by, ..incoming(1) }, "Tom Becker transfers to Ana Ruiz"),
    ] {
        let (rig, _) = shop().await;
        rig.phones.report_to("ana", PhoneEvent::Incoming(ring)).await;
        rig.screen.until("ringing", |view| view.rings.len() == 1).await;
        on(&rig, "ana", 1, ended(Some(487), None)).await;
        assert_eq!(steps(&only_record(&rig).await), ["arrived", step, "rang", "ended: CallerGone"]);
        rig.end().await;
    }
}

#[tokio::test]
async fn a_consultation_that_is_cancelled_is_written_down_as_such() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    go(&rig, &call, TransferKind::Consult, "204").await;
    rig.phones.asked("ana: call 204").await;
    let view = rig.screen.until("asking", |view| view.phone.calls.len() == 2).await;
    let transfer = view.phone.calls[0].consult.clone().unwrap().transfer;
    rig.desk.wish(Wish::CancelTransfer { transfer });
    rig.phones.asked("ana: hang up 101").await;
    on(&rig, "ana", 101, ended(Some(487), None)).await;
    let alone = |view: &View| view.phone.calls.len() == 1 && view.phone.calls[0].state == PhoneCallState::Talking;
    rig.screen.until("with Priya", alone).await;
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    assert_eq!(steps(&only_record(&rig).await)[3..5], ["Ana Ruiz transfers to 204", "204: Cancelled"]);
    rig.end().await;
}
