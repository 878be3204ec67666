//! What people put on finished calls, and that they have heard a message.

use std::sync::Arc;

use exchange::store::{Voicemail, audit, records};
use protocol::{
    AuditAction, AuditOutcome, CallRecord, Change, Directory, FeedMessage, Heard, LegId, RecordPage, Remarks,
    RemarksConflict, Timestamp,
};
use reqwest::Response;
use serde_json::{Value, json};
use switchboard::{EngineEvent, Order, SoundQuality};

use crate::office::{CONFIG, Feed, Office, Person, database, refusal};

/// A call that Ravi has had, over now.
async fn finished(office: &mut Office, feed: &mut Feed) -> CallRecord {
    let (caller, row) = office.talking_with_ravi(feed).await;
    hang_up(office, caller);
    feed.record(&row.call.id).await
}

fn hang_up(office: &Office, caller: LegId) {
    office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
}

async fn remark(person: &Person, call: &CallRecord, base: u32, note: &str, disposition: Option<&str>) -> Response {
    let mut body = json!({ "base": base, "note": note });
    if let Some(disposition) = disposition {
        body["disposition"] = disposition.into();
    }
    person.send("PUT", &format!("/v1/calls/{}/remarks", call.id), Some(body)).await
}

async fn taken(answer: Response) -> Remarks {
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_remark_put_at_one_desk_arrives_at_the_others_that_may_see_it() {
    let mut office = Office::open().await;
    let (maya, ravi, tom) = (office.person("maya").await, office.person("ravi").await, office.person("tom").await);
    let (mut at_maya, mut at_ravi, mut at_tom) = (maya.feed().await, ravi.feed().await, tom.feed().await);
    for feed in [&mut at_maya, &mut at_ravi, &mut at_tom] {
        feed.snapshot().await;
    }
    let call = finished(&mut office, &mut at_maya).await;
    assert_eq!(at_ravi.record(&call.id).await, call);

    let remarks = taken(remark(&maya, &call, 0, " wants a quote\nby Friday ", Some("call_back")).await).await;
    assert_eq!((remarks.revision, remarks.by.id.as_str()), (1, "maya"));
    assert_eq!(
        (remarks.note.as_str(), remarks.disposition.as_ref().unwrap().as_str()),
        ("wants a quote\nby Friday", "call_back")
    );
    let newer = at_ravi.record(&call.id).await;
    assert_eq!((newer.remarks.as_ref(), newer.seq), (Some(&remarks), call.seq + 1));
    assert_eq!(at_maya.record(&call.id).await, newer);
    let page: RecordPage = ravi.get(&format!("/v1/calls?after={}", call.seq)).await;
    assert_eq!(page.records, std::slice::from_ref(&newer));
    assert_eq!(ravi.get::<CallRecord>(&format!("/v1/calls/{}", call.id)).await, newer);
    assert_eq!(maya.feed().await.snapshot().await.records_seq, newer.seq);

    // Tom's feed has had nothing of it when the next thing comes that concerns him.
    office.register("tom");
    loop {
        if let FeedMessage::Delta(delta) = at_tom.message().await {
            assert!(!matches!(delta.change, Change::Record(_)), "{delta:?}");
            if matches!(delta.change, Change::User(user) if user.id.as_str() == "tom") {
                break;
            }
        }
    }
    office.exchange.stop().await;
}

#[tokio::test]
async fn of_two_who_remark_at_once_one_is_told_what_the_other_said() {
    let mut office = Office::open().await;
    let (maya, ravi) = (office.person("maya").await, office.person("ravi").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let call = finished(&mut office, &mut feed).await;
    let both = tokio::join!(remark(&maya, &call, 0, "hers", None), remark(&ravi, &call, 0, "his", None));
    let (first, second, loser) = match both.0.status().as_u16() {
        200 => (both.0, both.1, &ravi),
        _ => (both.1, both.0, &maya),
    };
    let first = taken(first).await;
    assert_eq!(second.status(), 409);
    let conflict: RemarksConflict = second.json().await.unwrap();
    assert_eq!((conflict.error.code.as_str(), conflict.remarks.as_ref()), ("conflict.remarks", Some(&first)));
    assert!(conflict.error.message.starts_with(&first.by.name), "{}", conflict.error.message);

    // Having seen them, the other's count; and again, if the answer is lost.
    let second = taken(remark(loser, &call, 1, "both", None).await).await;
    assert_eq!(taken(remark(loser, &call, 1, "both", None).await).await, second);
    assert_eq!(second.revision, 2);
    let none: RemarksConflict = remark(&maya, &call, 9, "never seen", None).await.json().await.unwrap();
    assert_eq!(none.remarks, Some(second));

    let record: CallRecord = maya.get(&format!("/v1/calls/{}", call.id)).await;
    assert_eq!(record.seq, call.seq + 2, "once each");
    let about =
        |outcome| record.audit.iter().filter(move |e| e.action == AuditAction::SetRemarks && e.outcome == outcome);
    assert_eq!(about(AuditOutcome::Accepted).count(), 2);
    assert_eq!(about(AuditOutcome::Refused).count(), 0, "a refusal does not change the record");
    let data = office.data();
    office.exchange.stop().await;
    // Two sign-ins, two remarks, two conflicts.
    let whole = audit::verify(&database(&data), None).unwrap();
    assert_eq!((whole.entries, whole.records), (6, 1));
    let trail: Vec<String> = database(&data)
        .prepare("SELECT body FROM audit WHERE body LIKE '%set_remarks%refused%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(trail.len(), 2);
    assert!(trail.iter().all(|entry| entry.contains("conflict: changed by ")), "{trail:?}");
}

#[tokio::test]
async fn what_can_not_be_remarked_is_refused_with_what_to_do() {
    let mut office = Office::open().await;
    let (maya, tom) = (office.person("maya").await, office.person("tom").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let call = finished(&mut office, &mut feed).await;
    let path = format!("/v1/calls/{}/remarks", call.id);
    let body = |change: Value| {
        let mut body = json!({ "base": 0, "note": "" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let cases = [
        (body(json!({ "note": "n".repeat(2001) })), "`note` has 2001 characters. Use at most 2000."),
        (
            body(json!({ "note": "a\u{7}b" })),
            "`note` has a control character (U+0007) as its 2. character. Take it out.",
        ),
        (body(json!({ "disposition": "sold" })), "`disposition` is none of those in /v1/directory. Choose one"),
        (body(json!({ "disposition": "a b" })), "`disposition` is no id"),
        (body(json!({ "base": -1 })), "expected u32"),
        (body(json!({ "by": "ravi" })), "unknown field `by`"),
        (json!({ "note": "x" }), "missing field `base`"),
    ];
    for (body, says) in cases {
        let (status, error) = refusal(maya.send("PUT", &path, Some(body)).await).await;
        assert_eq!((status, error.code.as_str()), (400, "bad_request"), "{says}: {error:?}");
        assert!(error.message.contains(says), "{says:?} is not in {:?}", error.message);
    }
    let (status, error) = refusal(remark(&tom, &call, 0, "x", None).await).await;
    assert_eq!((status, error.code.as_str()), (404, "not_found"));
    let (_, live) = office.talking_with_ravi(&mut feed).await;
    for unknown in ["no-such-call", live.call.id.as_str()] {
        let path = format!("/v1/calls/{unknown}/remarks");
        let answer = refusal(maya.send("PUT", &path, Some(body(json!({})))).await).await;
        assert_eq!(answer, (404, error.clone()), "the same as for a call of others");
    }
    assert_eq!(maya.get::<CallRecord>(&format!("/v1/calls/{}", call.id)).await, call, "nothing has changed");
    assert_eq!(taken(remark(&maya, &call, 0, &"é".repeat(2000), None).await).await.note.chars().count(), 2000);
    let escaped = format!("{{\"base\": 1, \"note\": \"{}\"}}", "\\ud83d\\ude00".repeat(2000));
    let put = office.http.put(office.url(&path)).bearer_auth(&maya.session.token).body(escaped);
    assert_eq!(taken(put.send().await.unwrap()).await.note, "😀".repeat(2000), "as long on the wire as a note can be");
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_record_that_moves_between_two_pages_is_not_missed() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.push(finished(&mut office, &mut feed).await);
    }
    let (mut after, mut known, mut asked) = (0, std::collections::BTreeMap::new(), 0);
    loop {
        let page: RecordPage = maya.get(&format!("/v1/calls?after={after}&limit=2")).await;
        after = page.records.last().map_or(after, |r| r.seq);
        known.extend(page.records.into_iter().map(|r| (r.id.clone(), r)));
        if asked == 0 {
            // One that has been read moves, and one that has not.
            taken(remark(&maya, &calls[1], 0, "read", None).await).await;
            taken(remark(&maya, &calls[2], 0, "unread", None).await).await;
        }
        asked += 1;
        if !page.more {
            break;
        }
    }
    let all: RecordPage = maya.get("/v1/calls").await;
    let mut all = all.records;
    let order: Vec<_> = all.iter().map(|r| r.id.clone()).collect();
    assert_eq!(order, [0, 3, 1, 2].map(|n: usize| calls[n].id.clone()));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(known.into_values().collect::<Vec<_>>(), all);
    office.exchange.stop().await;
}

/// Ravi's caller is sent to his mailbox and says something.
async fn message(office: &mut Office, maya: &Person, feed: &mut Feed, sound: &[u8]) -> CallRecord {
    let (caller, row) = office.talking_with_ravi(feed).await;
    let body =
        json!({ "revision": row.call.revision, "target": { "kind": "user", "id": "ravi" }, "kind": "voicemail" });
    let answer = maya.send("POST", &format!("/v1/calls/{}/transfer", row.call.id), Some(body)).await;
    assert_eq!(answer.status(), 202);
    office.order(|order| matches!(order, Order::RecordVoicemail { .. }).then_some(())).await;
    let file = office.dir.path().join(format!("{}.wav", row.call.id));
    std::fs::write(&file, sound).unwrap();
    let file = file.display().to_string();
    office.engine.send(EngineEvent::Recorded { leg: caller, duration_ms: 900, file }).unwrap();
    feed.record(&row.call.id).await
}

#[tokio::test]
async fn a_message_is_heard_once_for_all_and_everyone_is_told() {
    let mut office = Office::open().await;
    let (maya, ravi, tom) = (office.person("maya").await, office.person("ravi").await, office.person("tom").await);
    let (mut feed, mut at_ravi) = (maya.feed().await, ravi.feed().await);
    feed.snapshot().await;
    at_ravi.snapshot().await;
    let call = message(&mut office, &maya, &mut feed, b"RIFF").await;
    assert_eq!(call.voicemail.as_ref().unwrap().heard, None);
    assert_eq!(at_ravi.record(&call.id).await, call);
    let path = format!("/v1/voicemail/{}/heard", call.id);
    for (who, path) in [(&tom, path.as_str()), (&maya, "/v1/voicemail/none/heard")] {
        let (status, error) = refusal(who.send("PUT", path, None).await).await;
        assert_eq!((status, error.code.as_str()), (404, "not_found"));
    }
    let first: Heard = maya.send("PUT", &path, None).await.json().await.unwrap();
    assert_eq!(first.by.id.as_str(), "maya");
    let newer = at_ravi.record(&call.id).await;
    assert_eq!((newer.voicemail.as_ref().unwrap().heard.as_ref(), newer.seq), (Some(&first), call.seq + 1));
    for again in [&ravi, &maya] {
        let answer = again.send("PUT", &path, None).await;
        assert_eq!((answer.status().as_u16(), answer.json::<Heard>().await.unwrap()), (200, first.clone()));
    }
    assert_eq!(ravi.get::<CallRecord>(&format!("/v1/calls/{}", call.id)).await, newer, "once");
    let silent = finished(&mut office, &mut feed).await;
    let (status, error) = refusal(maya.send("PUT", &format!("/v1/voicemail/{}/heard", silent.id), None).await).await;
    assert_eq!((status, error.message.as_str()), (404, "Nobody left a message in this call."));
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_message_comes_whole_or_in_parts_and_is_never_anothers() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let (one, two) = (b"0123456789".as_slice(), b"abcdefghij".as_slice());
    let first = message(&mut office, &maya, &mut feed, one).await;
    let second = message(&mut office, &maya, &mut feed, two).await;
    let get = |call: &CallRecord, range: Option<&str>| {
        let request = office.http.get(office.url(&format!("/v1/voicemail/{}", call.id)));
        let request =
            request.bearer_auth(&maya.session.token).header("If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT");
        match range {
            Some(range) => request.header("Range", range),
            None => request,
        }
        .send()
    };
    for (call, sound) in [(&first, one), (&second, two)] {
        let answer = get(call, None).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["content-length"].to_str().unwrap()), (200, "10"));
        assert_eq!(
            (&answer.headers()["content-type"], &answer.headers()["accept-ranges"]),
            (&"audio/wav".parse().unwrap(), &"bytes".parse().unwrap())
        );
        assert_eq!(answer.bytes().await.unwrap(), sound);
    }
    for (range, sound, place) in [("bytes=2-4", "cde", "2-4"), ("bytes=7-", "hij", "7-9"), ("bytes=-1", "j", "9-9")] {
        let answer = get(&second, Some(range)).await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.headers()["content-range"].to_str().unwrap(), format!("bytes {place}/10"));
        assert_eq!(answer.bytes().await.unwrap(), sound);
    }
    let (status, error) = refusal(get(&second, Some("bytes=10-")).await.unwrap()).await;
    assert_eq!((status, error.code.as_str()), (416, "no_such_range"));
    std::fs::remove_file(office.dir.path().join(format!("{}.wav", first.id))).unwrap();
    let (status, error) = refusal(get(&first, None).await.unwrap()).await;
    assert_eq!((status, error.message.as_str()), (404, "The message's file is not there any more."));
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_all_of_it_and_a_word_that_was_taken_out_can_still_be_read() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut office = Office::open_in(dir.clone(), CONFIG).await.unwrap();
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    let before = feed.snapshot().await;
    let call = message(&mut office, &maya, &mut feed, b"RIFF").await;
    let remarks = taken(remark(&maya, &call, 0, "soon", Some("call_back")).await).await;
    maya.send("PUT", &format!("/v1/voicemail/{}/heard", call.id), None).await;
    let kept: CallRecord = maya.get(&format!("/v1/calls/{}", call.id)).await;
    let page: RecordPage = maya.get("/v1/calls").await;
    office.exchange.stop().await;

    let config = format!("{CONFIG}[[disposition]]\nid = \"sold\"\nname = \"Sold\"\n")
        .replace("departments = [\"support\"] # ravi", "departments = [\"support\", \"sales\"]");
    let office = Office::open_in(dir, &config).await.unwrap();
    let (maya, alex) = (office.person("maya").await, office.person("alex").await);
    assert_eq!(maya.get::<CallRecord>(&format!("/v1/calls/{}", call.id)).await, kept);
    let directory: Directory = maya.get("/v1/directory").await;
    assert_eq!(directory.dispositions.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["Sold"]);
    // What is there already may stay, even if it could not be chosen any more.
    let again = taken(remark(&maya, &call, 1, "sooner", Some("call_back")).await).await;
    assert_eq!((again.revision, &again.disposition), (2, &remarks.disposition));
    assert_eq!(remark(&maya, &call, 2, "", Some("spam")).await.status(), 400);
    taken(remark(&maya, &call, 2, "", Some("sold")).await).await;

    // Maya sees other calls of Ravi's than before; an administrator still sees all.
    let after: RecordPage = maya.get("/v1/calls").await;
    assert_eq!((page.scope.as_str(), page.scope.len()), (before.scope.as_str(), 16));
    assert_ne!(after.scope, page.scope);
    assert_eq!(maya.feed().await.snapshot().await.scope, after.scope);
    assert_ne!(alex.get::<RecordPage>("/v1/calls").await.scope, after.scope);
    let data = office.data();
    office.exchange.stop().await;
    assert_eq!(audit::verify(&database(&data), None).unwrap().records, 1);
}

#[tokio::test]
async fn what_could_not_be_written_is_not_answered_as_done_and_not_done_twice() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let call = finished(&mut office, &mut feed).await;
    office.exchange.store.flush().await.unwrap();
    let other = database(&office.data());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = remark(&maya, &call, 0, "kept", None).await;
    assert!(answer.headers().contains_key("retry-after"));
    let (status, error) = refusal(answer).await;
    assert_eq!((status, error.code.as_str()), (503, "unwritten"));
    let trouble = |change| if let Change::Trouble(trouble) = change { Some(trouble) } else { None };
    assert!(feed.change(trouble).await.unwrap().contains("locked the database"));
    // It is there all the same, for everybody: another remark is put on top of it.
    let known: CallRecord = maya.get(&format!("/v1/calls/{}", call.id)).await;
    assert_eq!(known.remarks.as_ref().unwrap().note, "kept");
    assert_eq!(remark(&maya, &call, 1, "and more", None).await.status(), 503);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(feed.change(trouble).await, None);
    assert_eq!(taken(remark(&maya, &call, 1, "and more", None).await).await.revision, 2);
    let data = office.data();
    office.exchange.stop().await;
    let stored = records::find(&database(&data), &call.id).unwrap().unwrap();
    assert_eq!((stored.remarks.unwrap().revision, stored.seq), (2, call.seq + 2));
    audit::verify(&database(&data), None).unwrap();
}

/// A message's file is found by the call alone.
#[tokio::test]
async fn a_message_without_a_record_that_one_may_see_stays_unheard() {
    let mut office = Office::open().await;
    let (maya, tom) = (office.person("maya").await, office.person("tom").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let call = message(&mut office, &maya, &mut feed, b"secret").await;
    let at = Timestamp(1);
    let file = office.dir.path().join(format!("{}.wav", call.id)).display().to_string();
    let stray = Voicemail { call: "stray".into(), mailbox: "tom".into(), at, duration_ms: 1, file };
    office.exchange.store.put_voicemail(stray);
    for path in [format!("/v1/voicemail/{}", call.id), "/v1/voicemail/stray".into()] {
        let (status, error) = refusal(tom.send("GET", &path, None).await).await;
        assert_eq!((status, error.code.as_str()), (404, "not_found"));
    }
    office.exchange.stop().await;
}

#[tokio::test]
async fn how_the_legs_sounded_is_in_the_record_also_of_those_that_tell_it_late() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let sounded = |leg, score| {
        let quality = SoundQuality {
            codec: "opus".into(),
            score,
            lost_permille: 3,
            trouble: None,
            encrypted: true,
            jitter_ms: 2,
            round_trip_ms: Some(40),
        };
        EngineEvent::Quality { leg, quality }
    };
    office.register("ravi");
    let caller = office.call(crate::office::SUPPORT);
    let agent = office.rings("ravi").await;
    office.engine.send(EngineEvent::Answered { leg: agent }).unwrap();
    let row = feed.row(|row| matches!(row.call.state, protocol::CallState::Talking { .. })).await;
    office.late.store(true, std::sync::atomic::Ordering::SeqCst);
    office.engine.send(sounded(caller, 430)).unwrap();
    hang_up(&office, caller);
    let first = feed.record(&row.call.id).await;
    assert_eq!(first.quality.iter().map(|q| (q.party.as_str(), q.score)).collect::<Vec<_>>(), [("Priya Nair", 430)]);
    // Meanwhile somebody remarks: neither is lost.
    taken(remark(&maya, &first, 0, "noisy", None).await).await;
    assert_eq!(feed.record(&row.call.id).await.quality, first.quality);
    office.engine.send(sounded(agent, 250)).unwrap();
    let last = feed.record(&row.call.id).await;
    assert_eq!(last.quality.iter().map(|q| q.score).collect::<Vec<_>>(), [430, 250]);
    assert_eq!(last.quality[1].user.as_ref().unwrap().as_str(), "ravi");
    assert_eq!((last.remarks.unwrap().note.as_str(), last.seq), ("noisy", first.seq + 2));
    office.engine.send(EngineEvent::Ended { leg: agent, reason: protocol::Reason::CallerGone }).unwrap();

    // A call that the stop of the exchange ends is complete, too.
    let (_, row) = office.talking_with_ravi(&mut feed).await;
    let (engine, mut orders) = (office.engine.clone(), office.orders);
    let tells = tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            if let Order::HangUp { leg, reason } = order {
                engine.send(sounded(leg, 300)).unwrap();
                engine.send(EngineEvent::Ended { leg, reason }).unwrap();
            }
        }
    });
    let data = office.dir.path().join("data");
    office.exchange.stop().await;
    tells.abort();
    let stored = records::find(&database(&data), &row.call.id).unwrap().unwrap();
    assert_eq!(stored.quality.len(), 2);
}
