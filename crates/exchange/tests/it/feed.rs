//! The WebSocket: snapshot, numbered changes, nothing that the reader may not see.

use exchange::brain::Told;
use protocol::{CallState, Change, FeedMessage};
use serde_json::json;
use switchboard::{Command, EngineEvent};
use tokio_tungstenite::tungstenite::Message;

use crate::office::{Office, SUPPORT};

#[tokio::test]
async fn a_call_is_a_row_that_changes_and_goes_and_becomes_a_record() {
    let mut office = Office::open().await;
    let mut watcher = office.person("maya").await.feed().await;
    let snapshot = watcher.snapshot().await;
    assert_eq!((snapshot.me.as_str(), snapshot.live.len(), snapshot.records_seq), ("maya", 0, 0));
    assert_eq!(snapshot.store, office.exchange.store.id());
    assert_eq!(snapshot.directory.users.len(), 5);

    let (caller, row) = office.talking_with_ravi(&mut watcher).await;
    assert_eq!(row.call.caller.name, "Priya Nair");
    watcher.say(r#"{"type":"snapshot"}"#).await;
    let again = watcher.snapshot().await;
    assert_eq!(again.live.len(), 1);
    assert!(again.number > 0);

    office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
    let gone = watcher.change(|change| match change {
        Change::CallGone(id) => Some(id),
        _ => None,
    });
    assert_eq!(gone.await, row.call.id);
    office.exchange.stop().await;
}

#[tokio::test]
async fn another_departments_agent_sees_nothing_of_the_call() {
    let mut office = Office::open().await;
    let (mut tom, mut maya) = (office.person("tom").await.feed().await, office.person("maya").await.feed().await);
    tom.snapshot().await;
    maya.snapshot().await;
    let (caller, row) = office.talking_with_ravi(&mut maya).await;
    office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
    maya.record(&row.call.id).await;
    // Everything about the call is over; this comes after it on tom's feed too.
    office.register("alex");
    let mut seen = Vec::new();
    loop {
        if let FeedMessage::Delta(delta) = tom.message().await {
            let last = matches!(&delta.change, Change::User(user) if user.id.as_str() == "alex");
            seen.push(delta.change);
            if last {
                break;
            }
        }
    }
    let secret = |c: &Change| matches!(c, Change::Call(_) | Change::CallGone(_) | Change::Record(_));
    assert!(!seen.iter().any(secret), "{seen:?}");
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_slow_reader_gets_one_snapshot_instead_of_an_endless_queue() {
    let office = Office::open().await;
    let brain = office.exchange.brain();
    let mut feed = brain.subscribe("maya".into()).await.unwrap();
    let presence = |n| if n % 2 == 0 { protocol::Presence::Away } else { protocol::Presence::Available };
    for n in 0..600 {
        brain.command(Command::SetPresence { by: "ravi".into(), presence: presence(n) }).await.unwrap();
    }
    let mut queued = 0;
    while !feed.messages.is_empty() {
        feed.messages.recv().await.unwrap();
        queued += 1;
    }
    assert!(queued <= 256, "{queued} messages were queued");
    assert!(feed.behind.load(std::sync::atomic::Ordering::SeqCst));
    brain.snapshot(feed.id).await.unwrap();
    let Told::Snapshot(snapshot) = feed.messages.recv().await.unwrap() else { panic!("no snapshot") };
    assert!(snapshot.number >= 600, "the numbers go on: {}", snapshot.number);
    brain.command(Command::SetPresence { by: "ravi".into(), presence: presence(0) }).await.unwrap();
    let Told::Delta { number, json } = feed.messages.recv().await.unwrap() else { panic!("no delta") };
    assert_eq!(number, snapshot.number + 1);
    let FeedMessage::Delta(delta) = serde_json::from_str(&json).unwrap() else { panic!("no delta: {json}") };
    assert_eq!(delta.number, number);
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_feed_that_makes_no_sense_or_has_no_token_is_ended() {
    let office = Office::open().await;
    let maya = office.person("maya").await;
    for (nonsense, code) in [("{}", 1007), ("not json", 1007)] {
        let mut feed = maya.feed().await;
        feed.snapshot().await;
        feed.say(nonsense).await;
        let Message::Close(Some(close)) = feed.frame().await else { panic!("not closed") };
        assert_eq!(u16::from(close.code), code, "{nonsense}");
    }
    let answer = office.http.get(office.url("/v1/feed")).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let answer = maya.send("GET", "/v1/feed", None).await;
    assert_eq!(answer.status(), 400, "no handshake");

    let mut feed = maya.feed().await;
    feed.snapshot().await;
    office.exchange.stop().await;
    let Message::Close(Some(close)) = feed.frame().await else { panic!("not closed") };
    assert_eq!(u16::from(close.code), 1001);
}

#[tokio::test]
async fn a_queue_of_callers_is_seen_with_positions() {
    let mut office = Office::open().await;
    let mut maya = office.person("maya").await.feed().await;
    maya.snapshot().await;
    // Nobody is registered: the first waits, then the second behind them.
    office.call(SUPPORT);
    let position = |wanted: u32| move |row: &protocol::LiveRow| matches!(row.call.state, CallState::Queued { position, .. } if position == wanted);
    let first = maya.row(position(1)).await;
    office.call(SUPPORT);
    let second = maya.row(position(2)).await;
    assert_ne!(first.call.id, second.call.id);
    assert_eq!(json!(first.transfer_right)["right"], "allowed", "who waits can be sent to somebody");
    office.exchange.stop().await;
}
