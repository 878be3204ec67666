//! Voicemail, views, exports and sums: what a person does with past calls besides reading them.

use call_log::{Column, Filter, Format};
use desk::{ExportView, PhoneCallState, PlayerState, SyncView, View, Wish};
use protocol::{Timestamp, VoicemailRef};
use softphone::{CallEvent, CallKey, Codec, PhoneEvent, PlayerEvent};

use crate::Rig;
use crate::exchange::{FakeExchange, finished};

fn ids(view: &View) -> Vec<&str> {
    view.logs.rows.iter().map(|row| row.id.as_str()).collect()
}

async fn with_a_message() -> (FakeExchange, Rig) {
    let exchange = FakeExchange::start();
    exchange.script(|script| {
        let mut left = finished("v", 1);
        left.voicemail = Some(VoicemailRef { mailbox: "Support".into(), duration_ms: 12_000, heard: None });
        (script.records, script.voicemail) = (vec![left], vec![7; 320]);
    });
    let rig = Rig::online(&exchange).await;
    rig.screen.until("v", |view| ids(view) == ["v"] && view.logs.head.sync == SyncView::UpToDate).await;
    (exchange, rig)
}

fn playing(view: &View) -> Option<(&PlayerState, u64)> {
    view.player.as_ref().map(|player| (&player.state, player.position_ms))
}

#[tokio::test]
async fn a_message_is_fetched_once_played_and_told_as_heard() {
    let (exchange, rig) = with_a_message().await;
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    rig.screen.until("playing", |view| playing(view) == Some((&PlayerState::Playing, 0))).await;
    exchange.asked("voicemail v").await;
    rig.phones.asked("play 320 bytes on None").await;
    rig.phones.player(PlayerEvent::Position { ms: 4_200 }).await;
    let view = rig.screen.until("a place", |view| playing(view) == Some((&PlayerState::Playing, 4_200))).await;
    assert_eq!(view.player.unwrap().duration_ms, 12_000);
    exchange.asked("heard v").await;
    rig.desk.wish(Wish::SpeedMessage { percent: 150 });
    rig.desk.wish(Wish::SeekMessage { ms: 99_000 });
    rig.phones.asked("speed 150").await;
    rig.phones.asked("seek 12000").await;
    rig.phones.player(PlayerEvent::Ended).await;
    rig.screen.until("the end", |view| playing(view) == Some((&PlayerState::Paused, 12_000))).await;
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    rig.phones.asked("seek 0").await;
    rig.desk.wish(Wish::CloseMessage);
    rig.screen.until("closed", |view| view.player.is_none()).await;

    exchange.cut();
    rig.screen.until("offline", |view| view.logs.head.sync == SyncView::Offline).await;
    exchange.rest().await;
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    let view =
        rig.screen.until("from this machine", |v| playing(v).is_some_and(|p| *p.0 == PlayerState::Playing)).await;
    assert_eq!(view.player.unwrap().speed, 150, "the speed is kept");
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("voicemail")), "fetched once");
    rig.end().await;
}

/// What is listened to offline is told when the exchange is back, once, also if the app was ended meanwhile.
#[tokio::test]
async fn a_message_heard_offline_is_told_once_when_the_exchange_is_back() {
    let (exchange, rig) = with_a_message().await;
    let plays = |view: &View| playing(view).is_some_and(|player| *player.0 == PlayerState::Playing);
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    rig.screen.until("playing", plays).await;
    exchange.cut();
    rig.screen.until("offline", |view| view.logs.head.sync == SyncView::Offline).await;
    rig.phones.player(PlayerEvent::Position { ms: 4_200 }).await;
    rig.screen.until("a place", |view| playing(view) == Some((&PlayerState::Playing, 4_200))).await;
    let rig = rig.again().await;
    rig.screen.until("the cache", |view| ids(view) == ["v"]).await;
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("heard")), "it can't be reached");
    exchange.mend();
    exchange.asked("heard v").await;
    rig.screen.until("up to date", |view| view.logs.head.sync == SyncView::UpToDate).await;

    let rig = rig.again().await;
    rig.screen.until("up to date again", |view| view.logs.head.sync == SyncView::UpToDate).await;
    assert!(!exchange.rest().await.iter().any(|asked| asked.starts_with("heard")), "told already");
    rig.end().await;
}

#[tokio::test]
async fn a_message_falls_silent_when_a_call_begins() {
    let (_exchange, rig) = with_a_message().await;
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    rig.screen.until("playing", |view| playing(view).is_some_and(|p| *p.0 == PlayerState::Playing)).await;
    rig.desk.wish(Wish::Dial { number: "104".into() });
    rig.phones.asked("call 104").await;
    rig.phones.report(PhoneEvent::Call { call: CallKey(101), event: CallEvent::Answered { codec: Codec::Pcmu } }).await;
    let quiet = |view: &View| {
        let talks = view.phone.calls.iter().any(|call| call.state == PhoneCallState::Talking);
        talks && playing(view).is_some_and(|player| *player.0 == PlayerState::Paused)
    };
    rig.screen.until("silent", quiet).await;
    rig.phones.asked("pause true").await;
    rig.end().await;
}

#[tokio::test]
async fn a_message_that_is_nowhere_is_explained() {
    let (exchange, rig) = with_a_message().await;
    exchange.stop();
    drop(exchange);
    rig.desk.wish(Wish::PlayMessage { call: "v".into() });
    let failed = |view: &View| matches!(playing(view), Some((PlayerState::Failed { sentence }, 0)) if sentence.contains("can't be reached"));
    rig.screen.until("why", failed).await;
    rig.end().await;
}

#[tokio::test]
async fn saved_views_outlive_the_app() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let filter = Filter { transferred: true, ..Filter::default() };
    rig.desk.wish(Wish::SearchLogs { filter: filter.clone() });
    rig.desk.wish(Wish::SaveView { name: "  Moved ".into() });
    rig.desk.wish(Wish::SaveView { name: "Other".into() });
    rig.screen.until("saved", |view| view.logs.head.saved.len() == 2).await;
    rig.desk.wish(Wish::RemoveView { name: "Other".into() });
    rig.screen.until("removed", |view| view.logs.head.saved.len() == 1).await;
    let rig = rig.again().await;
    let view = rig.screen.until("there again", |view| view.logs.head.saved.len() == 1).await;
    assert_eq!((view.logs.head.saved[0].name.as_str(), &view.logs.head.saved[0].filter), ("Moved", &filter));
    rig.desk.wish(Wish::SaveView { name: "  ".into() });
    rig.screen.until_notice("needs a name").await;
    rig.end().await;
}

#[tokio::test]
async fn counts_and_sums_follow_the_calls() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = (1..=3).map(|n| finished(&format!("c{n}"), n)).collect());
    let rig = Rig::online(&exchange).await;
    rig.desk.wish(Wish::Summarise { stretch: Some((Timestamp(0), Timestamp(3_600_000))) });
    let all = |calls: u32| {
        move |view: &View| {
            view.logs.head.counts.as_ref().is_some_and(|counts| counts.total == calls)
                && view.logs.head.summary.as_ref().is_some_and(|summary| summary.sums.calls == calls)
        }
    };
    rig.screen.until("three", all(3)).await;
    exchange.change(protocol::Change::Record(finished("c4", 4)));
    rig.screen.until("four", all(4)).await;
    rig.desk.wish(Wish::Summarise { stretch: None });
    rig.screen.until("no sums", |view| view.logs.head.summary.is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn the_filters_calls_are_exported_whole_or_not_at_all() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = (1..=1_200).map(|n| finished(&format!("c{n:04}"), n)).collect());
    let rig = Rig::online(&exchange).await;
    rig.screen.until("all", |view| view.logs.head.sync == SyncView::UpToDate).await;
    for (format, lines) in [(Format::Csv, 1_201), (Format::JsonLines, 1_200)] {
        let path = rig.dir.path().join(format!("calls.{}", format.extension()));
        std::fs::write(&path, "what the person has chosen to replace").unwrap();
        rig.desk.export_logs(format, path.clone());
        let at = path.display().to_string();
        let done = |view: &View| view.logs.head.export == Some(ExportView::Done { path: at.clone(), calls: 1_200 });
        rig.screen.until("done", done).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), lines);
    }
    let folder = rig.dir.path().join("cancelled");
    std::fs::create_dir(&folder).unwrap();
    rig.desk.export_logs(Format::Csv, folder.join("calls.csv"));
    rig.desk.wish(Wish::CancelExport);
    rig.screen.until("cancelled", |view| view.logs.head.export.is_none()).await;
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing is left of what was cancelled");
    rig.end().await;
}

#[tokio::test]
async fn an_export_that_can_not_be_written_says_why() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let in_the_way = rig.dir.path().join("a file");
    std::fs::write(&in_the_way, "in the way").unwrap();
    for path in [in_the_way.join("calls.csv"), "/".into()] {
        rig.desk.export_logs(Format::Csv, path);
        rig.screen.until("why", |view| matches!(view.logs.head.export, Some(ExportView::Failed { .. }))).await;
        rig.desk.wish(Wish::CancelExport);
        rig.screen.until("read", |view| view.logs.head.export.is_none()).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn a_first_sync_can_be_stopped_and_goes_on_where_it_was() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = (1..=1_600).map(|n| finished(&format!("c{n:04}"), n)).collect());
    let rig = Rig::online(&exchange).await;
    let held = exchange.script(|script| std::sync::Arc::clone(&script.records_held));
    let hold = held.lock().await;
    rig.desk.wish(Wish::StopSync);
    let stopped = |view: &View| matches!(view.logs.head.sync, SyncView::Stopped { .. });
    let view = rig.screen.until("stopped or done", |v| stopped(v) || v.logs.head.sync == SyncView::UpToDate).await;
    drop(hold);
    if stopped(&view) {
        exchange.rest().await;
        rig.desk.wish(Wish::ContinueSync);
    }
    rig.screen.until("all", |view| view.logs.head.sync == SyncView::UpToDate).await;
    rig.screen.until("counted", |v| v.logs.head.counts.as_ref().is_some_and(|c| c.total == 1_600)).await;
    rig.end().await;
}

#[tokio::test]
async fn what_one_may_not_see_any_more_goes_at_the_next_contact() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("mine", 1), finished("theirs", 2)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("both", |view| ids(view) == ["theirs", "mine"]).await;
    exchange.cut();
    exchange.script(|script| (script.scope, script.records) = ("less".into(), vec![finished("mine", 1)]));
    exchange.mend();
    rig.screen.until("mine only", |view| ids(view) == ["mine"] && view.logs.head.sync == SyncView::UpToDate).await;
    rig.screen.until_notice("What you may see has changed").await;
    rig.end().await;
}

#[tokio::test]
async fn old_calls_go_when_a_person_wants_so() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = (1..=5).map(|n| finished(&format!("c{n}"), n)).collect());
    let rig = Rig::online(&exchange).await;
    rig.screen.until("all", |view| ids(view).len() == 5 && view.logs.head.sync == SyncView::UpToDate).await;
    rig.desk.wish(Wish::KeepLogs { days: Some(30), megabytes: 500 });
    let view = rig.screen.until("gone", |view| ids(view).is_empty() && view.logs.head.complete_from.is_some()).await;
    assert_eq!((view.keeping.days, view.keeping.megabytes), (Some(30), 500));
    rig.end().await;
}

/// One person's columns are not another's, and outlive the app.
#[tokio::test]
async fn columns_are_kept_for_each_account() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let column = |id: &str, shown, width| Column { id: id.into(), shown, width };
    rig.desk.wish(Wish::SetColumns { columns: vec![column("direction", true, None)] });
    let chosen = vec![column("direction", false, None), column("waited", true, Some(650))];
    rig.desk.wish(Wish::SetColumns { columns: chosen.clone() });
    rig.screen.until("at once", |view| view.logs.head.columns == chosen).await;
    let rig = rig.again().await;
    rig.screen.until("after a restart", |view| view.logs.head.columns == chosen).await;
    rig.desk.wish(Wish::SignOut { forget: false });
    rig.screen.until("nobody's", |view| view.logs.head.columns.is_empty()).await;
    rig.end().await;
}
