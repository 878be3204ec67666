//! Past calls on this machine.

use call_log::Filter;
use desk::{DetailsView, SessionView, SyncView, Wish};
use protocol::Change;

use crate::Rig;
use crate::exchange::{FakeExchange, finished};

fn ids(view: &desk::View) -> Vec<&str> {
    view.logs.rows.iter().map(|record| record.id.as_str()).collect()
}

#[tokio::test]
async fn records_are_fetched_page_by_page_and_kept_for_when_the_exchange_is_gone() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = (1..=1_050).map(|n| finished(&format!("c{n:04}"), n)).collect());
    let rig = Rig::online(&exchange).await;
    let view =
        rig.screen.until("up to date", |view| view.logs.head.sync == SyncView::UpToDate && view.logs.head.more).await;
    let view = if ids(&view)[0] == "c1050" { view } else { rig.screen.until("newest", |v| ids(v)[0] == "c1050").await };
    assert!(view.logs.rows.len() >= 100);
    assert!(view.logs.head.as_of.is_some());
    for after in [0, 500, 1000] {
        exchange.asked(&format!("records after {after}")).await;
    }

    rig.desk.wish(Wish::MoreLogs);
    let view = rig.screen.until("more", |view| view.logs.rows.len() >= 200).await;
    let without_a_gap: Vec<_> = (0..view.logs.rows.len()).map(|n| format!("c{:04}", 1_050 - n)).collect();
    assert_eq!(ids(&view), without_a_gap);

    let as_of = view.logs.head.as_of;
    exchange.stop();
    drop(exchange);
    let rig = rig.again().await;
    let view =
        rig.screen.until("the cache", |view| view.logs.rows.len() == 100 && view.logs.head.as_of.is_some()).await;
    assert!(matches!(view.session, SessionView::SignedIn { .. }), "signed in without the exchange");
    assert_eq!(view.logs.head.sync, SyncView::Offline);
    assert!(view.logs.head.as_of >= as_of);
    rig.desk.wish(Wish::OpenDetails { call: "c0007".into() });
    rig.screen
        .until(
            "details",
            |v| matches!(&v.details, Some(DetailsView::Ready { record, .. }) if record.id.as_str() == "c0007"),
        )
        .await;
    rig.end().await;
}

#[tokio::test]
async fn only_what_is_new_is_fetched_after_a_pause() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("a", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("a", |view| ids(view) == ["a"] && view.logs.head.sync == SyncView::UpToDate).await;
    exchange.script(|script| script.records.push(finished("b", 2)));
    exchange.change(Change::Record(finished("b", 2)));
    rig.screen.until("b", |view| ids(view) == ["b", "a"]).await;

    exchange.cut();
    rig.screen.until("offline", |view| view.logs.head.sync == SyncView::Offline).await;
    exchange.script(|script| script.records.push(finished("c", 3)));
    exchange.rest().await;
    exchange.mend();
    rig.screen.until("c", |view| ids(view) == ["c", "b", "a"] && view.logs.head.sync == SyncView::UpToDate).await;
    assert!(exchange.asked("records after").await.ends_with(" 2"), "the live record moved the cursor");
    rig.end().await;
}

#[tokio::test]
async fn another_store_empties_the_cache() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("old", 7)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("old", |view| ids(view) == ["old"]).await;
    exchange.cut();
    exchange.script(|script| (script.store, script.records) = ("store-2".into(), vec![finished("new", 1)]));
    exchange.mend();
    rig.screen.until("new only", |view| ids(view) == ["new"]).await;
    rig.end().await;
}

#[tokio::test]
async fn a_search_shows_what_fits() {
    let exchange = FakeExchange::start();
    exchange.script(|script| {
        let mut joao = finished("joao", 1);
        joao.caller.name = "João Pereira".into();
        script.records = vec![joao, finished("priya", 2)];
    });
    let rig = Rig::online(&exchange).await;
    rig.screen.until("both", |view| view.logs.rows.len() == 2).await;
    rig.desk.wish(Wish::SearchLogs { filter: Filter { text: "joao".into(), ..Filter::default() } });
    let view = rig.screen.until("one", |view| ids(view) == ["joao"]).await;
    assert_eq!(view.logs.head.filter.text, "joao");
    rig.desk.wish(Wish::SearchLogs { filter: Filter::default() });
    rig.screen.until("both again", |view| ids(view) == ["priya", "joao"]).await;
    rig.end().await;
}

#[tokio::test]
async fn details_that_are_nowhere_are_explained() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.desk.wish(Wish::OpenDetails { call: "nowhere".into() });
    exchange.asked("record nowhere").await;
    let view = rig.screen.until("missing", |v| matches!(v.details, Some(DetailsView::Missing { .. }))).await;
    let Some(DetailsView::Missing { sentence, .. }) = view.details else { unreachable!() };
    assert_eq!(sentence, "There is no such call, or none that you may see.");
    rig.desk.wish(Wish::CloseDetails);
    rig.screen.until("closed", |view| view.details.is_none()).await;
    rig.end().await;
}

fn cache_file(rig: &Rig) -> std::path::PathBuf {
    let files = std::fs::read_dir(rig.dir.path().join("data")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|e| e == "sqlite")).unwrap()
}

#[tokio::test]
async fn a_damaged_cache_is_put_aside_told_and_filled_again() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("a", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("a", |view| ids(view) == ["a"]).await;
    rig.desk.clone().stop().await;
    std::fs::write(cache_file(&rig), b"no database at all".repeat(100)).unwrap();

    let rig = Rig::start_in(rig.dir, None);
    let view = rig.screen.until_notice("damaged").await;
    assert!(view.notices.iter().any(|notice| notice.sentence.contains(".damaged-1")));
    rig.screen.until("filled again", |view| ids(view) == ["a"]).await;
    rig.end().await;
}

/// Whatever is asked of a log that could not be opened is answered, and it is said why it could not.
#[tokio::test]
async fn without_a_log_nothing_goes_on_for_ever() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("a", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("a", |view| ids(view) == ["a"]).await;
    rig.desk.clone().stop().await;
    let cache = cache_file(&rig);
    std::fs::remove_file(&cache).unwrap();
    std::fs::create_dir(&cache).unwrap();

    let rig = Rig::start_in(rig.dir, None);
    rig.up().await;
    rig.desk.export_logs(desk::Format::Csv, rig.dir.path().join("calls.csv"));
    let failed = |view: &desk::View| matches!(view.logs.head.export, Some(desk::ExportView::Failed { .. }));
    let view = rig.screen.until("the export's failure", failed).await;
    let SyncView::Failed { sentence } = view.logs.head.sync else { panic!("{:?}", view.logs.head.sync) };
    assert!(sentence.contains("can't be opened"), "{sentence}");
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    let ready = |view: &desk::View| matches!(view.details, Some(DetailsView::Ready { .. }));
    rig.screen.until("details from the exchange", ready).await;
    rig.end().await;
}

/// A link starts the app: the call is shown once the session is there.
#[tokio::test]
async fn details_asked_for_before_the_session_are_shown_in_it() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![finished("a", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("a", |view| ids(view) == ["a"]).await;
    let rig = rig.again().await;
    rig.desk.wish(Wish::OpenDetails { call: "a".into() });
    let ready = |view: &desk::View| matches!(view.details, Some(DetailsView::Ready { .. }));
    rig.screen.until("the call of the link", ready).await;
    rig.end().await;
}
