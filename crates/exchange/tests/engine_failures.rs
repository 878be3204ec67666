//! An exchange that is cut off, and one whose disk is full: what its people see, and what the next run makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "it/office.rs"]
mod office;

use std::{path::Path, sync::Arc};

use exchange::store::{audit, drafts};
use office::{CONFIG, Office, SUPPORT, database};
use protocol::{AuditAction, AuditOutcome, CallOutcome, CallState, Change, JourneyEvent, LiveRow, Reason, RecordPage};
use serde_json::json;
use switchboard::EngineEvent;

/// What a process that is killed now leaves on the disk.
fn image(data: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["exchange.db", "exchange.db-wal"] {
        std::fs::copy(data.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn calls_that_were_cut_off_are_closed_with_the_true_reason() {
    let mut office = Office::open().await;
    office.register("ravi");
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let (_, row) = office.talking_with_ravi(&mut feed).await;
    office.register("tom");
    assert_eq!(maya.transfer(&row, json!({ "kind": "user", "id": "tom" })).await.status(), 202);
    let transferring = feed.row(|r| r.call.id == row.call.id && r.call.transfer.is_some()).await;
    let transfer = transferring.call.transfer.unwrap().id;
    office.call(SUPPORT);
    let waiting = feed.row(|r| r.call.id != row.call.id).await;
    office.exchange.store.flush().await.unwrap();

    let dir = Arc::new(tempfile::tempdir().unwrap());
    image(&office.data(), &dir.path().join("data"));
    office.exchange.stop().await;
    let office = Office::open_in(dir.clone(), CONFIG).await.unwrap();
    let maya = office.person("maya").await;
    assert!(maya.feed().await.snapshot().await.live.is_empty(), "no ghost rows");
    assert!(maya.get::<Vec<LiveRow>>("/v1/live").await.is_empty());
    let records = maya.get::<RecordPage>("/v1/calls").await.records;
    assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), vec![1, 2]);
    assert!(records.iter().all(|r| r.ended_because == Reason::ExchangeFailed));
    let moved = records.iter().find(|r| r.id == row.call.id).unwrap();
    assert_eq!(moved.outcome, CallOutcome::Answered);
    assert!(moved.journey.iter().any(
        |step| matches!(&step.what, JourneyEvent::TransferStarted { transfer: started, .. } if *started == transfer)
    ));
    let last = moved.audit.last().unwrap();
    assert_eq!((last.action, last.outcome), (AuditAction::Recover, AuditOutcome::FellBack));
    let unanswered = records.iter().find(|r| r.id == waiting.call.id).unwrap();
    assert_eq!(unanswered.outcome, CallOutcome::Failed);
    office.exchange.stop().await;

    // The chain is whole, with what was signed in after; nothing is left to be closed a second time.
    let database = database(&dir.path().join("data"));
    audit::verify(&database, None).unwrap();
    assert!(drafts::all(&database).unwrap().is_empty());
}

#[tokio::test]
async fn everyone_is_told_that_nothing_can_be_written_and_calls_go_on() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    assert_eq!(feed.snapshot().await.trouble, None);
    let limit = |pages: &'static str| {
        move |c: &mut rusqlite::Connection| Ok(c.query_row(pages, [], |row| row.get::<_, u64>(0)).map(drop)?)
    };
    // No page more than there are.
    office.exchange.store.write(limit("PRAGMA max_page_count = 1")).await.unwrap();
    let told = |change: Change| match change {
        Change::Trouble(trouble) => Some(trouble),
        Change::Call(_) | Change::CallGone(_) | Change::User(_) | Change::Department(_) | Change::Record(_) => None,
    };
    let mut calls = 0;
    let trouble = loop {
        // Whatever the pages at hand still take, the next calls do not fit.
        let leg = office.call(SUPPORT);
        let row = feed.row(|r| !matches!(r.call.state, CallState::Closing)).await;
        office.engine.send(EngineEvent::Ended { leg, reason: Reason::CallerGone }).unwrap();
        feed.record(&row.call.id).await;
        calls += 1;
        let snapshot = maya.feed().await.snapshot().await;
        if let Some(trouble) = snapshot.trouble {
            break trouble;
        }
        assert!(calls < 1000, "the disk never became full");
    };
    assert!(trouble.contains("the disk is full"), "{trouble}");
    // Calls go on, and what can be read is answered.
    let leg = office.call(SUPPORT);
    let row = feed.row(|r| matches!(r.call.state, CallState::Queued { .. })).await;
    office.engine.send(EngineEvent::Ended { leg, reason: Reason::CallerGone }).unwrap();
    feed.record(&row.call.id).await;
    calls += 1;
    assert!(maya.get::<RecordPage>("/v1/calls?limit=500").await.records.len() < calls);
    office.exchange.store.write(limit("PRAGMA max_page_count = 4294967294")).await.unwrap();
    loop {
        if feed.change(told).await.is_none() {
            break;
        }
    }
    assert_eq!(maya.feed().await.snapshot().await.trouble, None);
    let mut records = Vec::new();
    loop {
        let after = records.last().map_or(0, |r: &protocol::CallRecord| r.seq);
        let page = maya.get::<RecordPage>(&format!("/v1/calls?limit=500&after={after}")).await;
        records.extend(page.records);
        if !page.more {
            break;
        }
    }
    assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), (1..=calls as u64).collect::<Vec<_>>());
    office.exchange.stop().await;
    audit::verify(&database(&office.dir.path().join("data")), None).unwrap();
}
