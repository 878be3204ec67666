//! Notes and dispositions that people put on calls, with and without the exchange.

use call_log::{Draft, RemarksMark, Resolution, Row};
use desk::{DetailsView, View, Wish};
use protocol::{CallId, Change, Remarks, Timestamp};

use crate::Rig;
use crate::exchange::{FakeExchange, finished, user_ref};

fn row(view: &View) -> Option<&Row> {
    view.logs.rows.iter().find(|row| row.id.as_str() == "a")
}

fn write(rig: &Rig, base: u32, note: &str) {
    let disposition = Some(protocol::DispositionId("call_back".into()));
    rig.desk.wish(Wish::WriteRemarks { call: CallId("a".into()), base, note: note.into(), disposition });
}

async fn with_a_call() -> (FakeExchange, Rig) {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("a", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("a", |view| row(view).is_some()).await;
    (exchange, rig)
}

#[tokio::test]
async fn a_note_is_sent_once_and_shown() {
    let (exchange, rig) = with_a_call().await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    write(&rig, 0, "  wants a\r\nrefund\u{7} ");
    exchange.asked("remarks a 0 \"wants a\\nrefund\"").await;
    let view = rig.screen.until("kept", |v| row(v).is_some_and(|row| row.remarks == RemarksMark::Kept)).await;
    assert_eq!(row(&view).unwrap().note, "wants a\nrefund");
    let ready = |view: &View| match &view.details {
        Some(DetailsView::Ready { record, unsent: None, .. }) => {
            record.remarks.as_ref().is_some_and(|r| r.revision == 1)
        }
        _ => false,
    };
    rig.screen.until("in the details", ready).await;
    assert_eq!((view.logs.head.unsent, view.logs.head.conflicts), (0, 0));
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("remarks")), "sent once");
    rig.end().await;
}

#[tokio::test]
async fn a_note_written_offline_outlives_the_app_and_is_sent_when_the_exchange_is_back() {
    let (exchange, rig) = with_a_call().await;
    exchange.cut();
    rig.screen.until("offline", |view| view.logs.head.sync == desk::SyncView::Offline).await;
    write(&rig, 0, "call back after six");
    let unsent = |view: &View| row(view).is_some_and(|row| row.remarks == RemarksMark::Unsent);
    rig.screen.until("unsent", |view| unsent(view) && view.logs.head.unsent == 1).await;
    let rig = rig.again().await;
    rig.screen.until("still unsent", |view| unsent(view) && view.logs.head.unsent == 1).await;
    exchange.rest().await;
    exchange.mend();
    exchange.asked("remarks a 0 \"call back after six\"").await;
    rig.screen.until("sent", |view| row(view).is_some_and(|row| row.remarks == RemarksMark::Kept)).await;
    rig.end().await;
}

#[tokio::test]
async fn of_two_notes_the_person_chooses() {
    for (resolution, kept) in [(Resolution::Mine, "mine"), (Resolution::Theirs, "theirs")] {
        let (exchange, rig) = with_a_call().await;
        exchange.cut();
        rig.screen.until("offline", |view| view.logs.head.sync == desk::SyncView::Offline).await;
        write(&rig, 0, "mine");
        rig.screen.until("unsent", |view| view.logs.head.unsent == 1).await;
        exchange.script(|script| {
            let by = user_ref("ravi", "Ravi Kumar");
            let theirs = Remarks { revision: 4, note: "theirs".into(), disposition: None, by, at: Timestamp(9) };
            script.records[0].remarks = Some(theirs);
            script.records[0].seq = 2;
        });
        exchange.mend();
        let conflict = |view: &View| view.logs.head.conflicts == 1 && view.logs.head.unsent == 0;
        rig.screen
            .until("a conflict", |v| conflict(v) && row(v).is_some_and(|r| r.remarks == RemarksMark::Conflict))
            .await;
        rig.screen.until_notice("another note").await;
        rig.desk.wish(Wish::OpenDetails { call: "a".into() });
        let both = |view: &View| match &view.details {
            Some(DetailsView::Ready { unsent: Some(mine), .. }) => {
                mine.note == "mine" && mine.theirs.as_ref().is_some_and(|theirs| theirs.note == "theirs")
            }
            _ => false,
        };
        rig.screen.until("both notes", both).await;
        rig.desk.wish(Wish::ResolveRemarks { call: "a".into(), resolution });
        let settled = |view: &View| {
            row(view).is_some_and(|row| row.remarks == RemarksMark::Kept && row.note == kept)
                && view.logs.head.conflicts == 0
        };
        rig.screen.until(kept, settled).await;
        if resolution == Resolution::Mine {
            exchange.asked("remarks a 4 \"mine\"").await;
        }
        rig.end().await;
    }
}

#[tokio::test]
async fn a_note_of_a_colleague_arrives() {
    let (exchange, rig) = with_a_call().await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    rig.screen.until("details", |v| matches!(v.details, Some(DetailsView::Ready { .. }))).await;
    let mut changed = finished("a", 2);
    let by = user_ref("ravi", "Ravi Kumar");
    changed.remarks = Some(Remarks { revision: 1, note: "done".into(), disposition: None, by, at: Timestamp(9) });
    exchange.change(Change::Record(changed));
    rig.screen.until("in the list", |view| row(view).is_some_and(|row| row.note == "done")).await;
    let shown = |view: &View| match &view.details {
        Some(DetailsView::Ready { record, .. }) => record.remarks.as_ref().is_some_and(|r| r.note == "done"),
        _ => false,
    };
    rig.screen.until("in the details", shown).await;
    rig.end().await;
}

/// What the exchange does not take is said, kept, and not sent again and again.
#[tokio::test]
async fn a_note_that_is_not_taken_is_kept_and_told() {
    let (exchange, rig) = with_a_call().await;
    exchange.script(|script| script.records.clear());
    write(&rig, 0, "too late");
    rig.screen.until_notice("was not taken").await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    let said = |view: &View| match &view.details {
        Some(DetailsView::Ready { unsent: Some(_), refused: Some(why), .. }) => why.contains("no such call"),
        _ => false,
    };
    rig.screen.until("why, beside the note", said).await;
    rig.screen.until("kept", |view| view.logs.head.unsent == 1).await;
    exchange.asked("remarks a 0").await;
    write(&rig, 0, "once more");
    exchange.asked("remarks a 0 \"once more\"").await;
    rig.end().await;
}

#[tokio::test]
async fn signing_out_with_forgetting_removes_the_files_and_without_keeps_the_note() {
    for forget in [false, true] {
        let (exchange, rig) = with_a_call().await;
        exchange.cut();
        rig.screen.until("offline", |view| view.logs.head.sync == desk::SyncView::Offline).await;
        write(&rig, 0, "unsent");
        rig.screen.until("unsent", |view| view.logs.head.unsent == 1).await;
        rig.desk.wish(Wish::SignOut { forget });
        exchange.asked("sign out").await;
        rig.desk.clone().stop().await;
        let files = std::fs::read_dir(rig.dir.path().join("data")).unwrap();
        let left =
            files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("calls-")).count();
        assert_eq!(left == 0, forget, "{left} files of calls");
    }
}

fn draft_is(view: &View, wanted: Option<&str>) -> bool {
    matches!(&view.details, Some(DetailsView::Ready { draft, .. })
        if draft.as_ref().map(|draft| draft.note.as_str()) == wanted)
}

/// Whatever the app is ended by, save by being killed, what was typed last is there again.
#[tokio::test]
async fn a_half_typed_note_is_there_after_a_restart_until_it_is_saved_or_given_up() {
    let (exchange, rig) = with_a_call().await;
    let typed = |rig: &Rig, note: &str| {
        let draft = Draft { call: "a".into(), base: 0, note: note.into(), disposition: None };
        rig.desk.wish(Wish::DraftRemarks { draft });
    };
    typed(&rig, "wants a");
    typed(&rig, "wants a ref");
    let rig = rig.again().await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    rig.screen.until("the draft", |view| draft_is(view, Some("wants a ref"))).await;
    typed(&rig, "wants a refund");
    write(&rig, 0, "wants a refund");
    exchange.asked("remarks a 0 \"wants a refund\"").await;
    rig.screen.until("no draft any more", |view| draft_is(view, None)).await;

    typed(&rig, "and more");
    rig.desk.wish(Wish::DropDraft { call: "a".into() });
    let rig = rig.again().await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    rig.screen.until("nothing half typed", |view| draft_is(view, None)).await;
    assert!(!exchange.rest().await.iter().any(|asked| asked.contains("remarks")), "a draft is sent to nobody");
    rig.end().await;
}
