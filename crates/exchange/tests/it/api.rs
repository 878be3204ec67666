//! The REST half, over a real socket.

use protocol::{AuditAction, AuditOutcome, CallRecord, Directory, RecordPage, TransferAccepted, TransferTargets};
use serde_json::{Value, json};
use switchboard::{EngineEvent, Order};

use crate::office::{Office, PASSWORD, SUPPORT, refusal};

#[tokio::test]
async fn signing_in_gives_a_token_and_sip_credentials_until_signing_out() {
    let office = Office::open().await;
    let ravi = office.person("ravi").await;
    let sip = &ravi.session.sip;
    assert_eq!(
        (sip.user.as_str(), sip.registrar.as_str(), sip.realm.as_str()),
        ("ravi", "sip:127.0.0.1:5060", "patchcord")
    );
    assert_eq!(sip.auth_user, sip.device.0);
    assert!(sip.password.len() >= 32);
    assert_eq!(ravi.session.account, "Office");
    let directory: Directory = ravi.get("/v1/directory").await;
    assert_eq!((directory.users.len(), directory.departments.len()), (5, 2));

    let answer = ravi.send("PUT", "/v1/presence", Some(json!({ "presence": "away" }))).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["presence"], "away");

    // The same device again: its id stays, its password does not.
    let body = json!({ "user": "ravi", "password": PASSWORD, "device_name": "desk", "device": sip.device });
    let again = office.http.post(office.url("/v1/session")).json(&body).send().await.unwrap();
    let again: protocol::Session = again.json().await.unwrap();
    assert_eq!(again.sip.device, sip.device);
    assert_ne!(again.sip.password, sip.password);
    assert_eq!(ravi.send("GET", "/v1/directory", None).await.status(), 401, "the earlier session is over");

    let bearer = |method| office.http.request(method, office.url("/v1/session")).bearer_auth(&again.token);
    assert_eq!(bearer(reqwest::Method::DELETE).send().await.unwrap().status(), 204);
    let (status, error) = refusal(bearer(reqwest::Method::DELETE).send().await.unwrap()).await;
    assert_eq!((status, error.code.as_str()), (401, "unauthorized"));
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_refused_sign_in_says_the_same_whatever_is_wrong_and_is_limited() {
    let office = Office::open().await;
    let mut said = Vec::new();
    for (user, password) in [("ravi", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)] {
        said.push(refusal(office.try_sign_in(user, password).await).await);
    }
    assert_eq!(said[0].0, 401);
    assert!(said.iter().all(|s| *s == said[0]), "{said:?}");
    for _ in 0..4 {
        assert_eq!(office.try_sign_in("ravi", "wrong").await.status(), 401);
    }
    let limited = office.try_sign_in("ravi", PASSWORD).await;
    let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    let (status, error) = refusal(limited).await;
    assert_eq!((status, error.code.as_str()), (429, "rate_limited"));
    assert_eq!(office.try_sign_in("maya", PASSWORD).await.status(), 200, "others still can");
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_transfer_that_is_allowed_rings_its_target() {
    let mut office = Office::open().await;
    let maya = office.person("maya").await;
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let (caller, row) = office.talking_with_ravi(&mut feed).await;
    office.register("tom");
    feed.change(|c| matches!(c, protocol::Change::User(u) if u.id.as_str() == "tom" && u.devices == 1).then_some(()))
        .await;

    let targets: TransferTargets = maya.get(&format!("/v1/calls/{}/transfer-targets", row.call.id)).await;
    let tom = targets.targets.iter().find(|t| t.name == "Tom Okafor").unwrap();
    assert_eq!((tom.ineligible.as_ref(), tom.forecast.is_empty()), (None, false));
    let target = json!({ "kind": "user", "id": "tom" });

    let mut stale = row.clone();
    stale.call.revision += 7;
    let (status, error) = refusal(maya.transfer(&stale, target.clone()).await).await;
    assert_eq!((status, error.code.as_str()), (409, "denied.stale"));
    let (status, error) = refusal(maya.transfer(&row, json!({ "kind": "user", "id": "alex" })).await).await;
    assert_eq!((status, error.code.as_str()), (409, "ineligible.no_device"));

    let answer = maya.transfer(&row, target).await;
    assert_eq!(answer.status(), 202);
    let TransferAccepted { transfer } = answer.json().await.unwrap();
    let card = office.order(|order| match order {
        Order::Ring { device, card, .. } if device.as_str() == "device-of-tom" => Some(card.clone()),
        _ => None,
    });
    let card = card.await;
    assert_eq!(card.note.as_deref(), Some("about the invoice"));
    assert_eq!(card.transferred_by.unwrap().name, "Maya Lindqvist");

    let cancel = format!("/v1/transfers/{transfer}/cancel");
    assert_eq!(maya.send("POST", &cancel, None).await.status(), 204);
    office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
    feed.record(&row.call.id).await;
    let (status, error) = refusal(maya.send("POST", &cancel, None).await).await;
    assert_eq!((status, error.code.as_str()), (409, "refused"));
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_transfer_that_is_not_allowed_leaves_its_line_in_the_trail() {
    let mut office = Office::open().await;
    let (maya, tom) = (office.person("maya").await, office.person("tom").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    let (caller, row) = office.talking_with_ravi(&mut feed).await;
    let (status, error) = refusal(tom.transfer(&row, json!({ "kind": "user", "id": "tom" })).await).await;
    assert_eq!((status, error.code.as_str()), (403, "denied.not_your_call"));
    assert!(error.message.contains("Ask a manager"), "{}", error.message);
    assert_eq!(tom.send("GET", &format!("/v1/calls/{}/transfer-targets", row.call.id), None).await.status(), 404);

    office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
    feed.record(&row.call.id).await;
    let path = format!("/v1/calls/{}", row.call.id);
    let record: CallRecord = maya.get(&path).await;
    let refused = record.audit.iter().find(|e| e.outcome == AuditOutcome::Refused).expect("no refused entry");
    assert_eq!((refused.action, refused.user.as_str()), (AuditAction::Transfer, "tom"));
    assert!(refused.rule.contains("not_your_call"), "{}", refused.rule);
    assert_eq!(tom.send("GET", &path, None).await.status(), 404, "nor may he read about it");
    assert_eq!(maya.send("GET", &format!("/v1/voicemail/{}", row.call.id), None).await.status(), 404);
    office.exchange.stop().await;
}

#[tokio::test]
async fn records_come_in_pages_of_what_the_reader_may_see() {
    let mut office = Office::open().await;
    let (maya, tom) = (office.person("maya").await, office.person("tom").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    for _ in 0..5 {
        let (caller, row) = office.talking_with_ravi(&mut feed).await;
        office.engine.send(EngineEvent::Ended { leg: caller, reason: protocol::Reason::CallerGone }).unwrap();
        feed.record(&row.call.id).await;
    }
    let (mut after, mut sizes, mut seqs) = (0, Vec::new(), Vec::new());
    loop {
        let page: RecordPage = maya.get(&format!("/v1/calls?after={after}&limit=2")).await;
        assert_eq!(page.store, office.exchange.store.id());
        sizes.push(page.records.len());
        seqs.extend(page.records.iter().map(|r| r.seq));
        after = page.records.last().unwrap().seq;
        if !page.more {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert!(seqs.is_sorted() && seqs.len() == 5, "{seqs:?}");
    let page: RecordPage = tom.get("/v1/calls").await;
    assert_eq!((page.records.len(), page.more), (0, false));
    for query in ["limit=0", "limit=501", "after=-1", "limit=many"] {
        let (status, error) = refusal(maya.send("GET", &format!("/v1/calls?{query}"), None).await).await;
        assert_eq!((status, error.code.as_str()), (400, "bad_request"), "{query}");
    }
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_message_that_was_left_can_be_heard_by_who_may_see_the_call() {
    let mut office = Office::open().await;
    let (maya, tom) = (office.person("maya").await, office.person("tom").await);
    let mut feed = maya.feed().await;
    feed.snapshot().await;
    // Ravi lets it ring, nobody else is there: in the end the caller is asked to leave a message.
    let leg = office.call(SUPPORT);
    let row = feed.row(|_| true).await;
    let file = office.dir.path().join("left.wav");
    std::fs::write(&file, b"RIFF-sound").unwrap();
    let store = &office.exchange.store;
    let (call, at) = (row.call.id.clone(), protocol::Timestamp(1));
    let file = file.display().to_string();
    store.put_voicemail(exchange::store::Voicemail { call, mailbox: "support".into(), at, duration_ms: 900, file });
    office.engine.send(EngineEvent::Ended { leg, reason: protocol::Reason::CallerGone }).unwrap();
    feed.record(&row.call.id).await;
    let path = format!("/v1/voicemail/{}", row.call.id);
    let answer = maya.send("GET", &path, None).await;
    assert_eq!(answer.headers()["content-type"], "audio/wav");
    assert_eq!(answer.bytes().await.unwrap().as_ref(), b"RIFF-sound");
    assert_eq!(tom.send("GET", &path, None).await.status(), 404);
    office.exchange.stop().await;
}

#[tokio::test]
async fn malformed_requests_are_told_what_is_wrong_and_where() {
    let office = Office::open().await;
    let post = |body: String| office.http.post(office.url("/v1/session")).body(body).send();
    let cases = [
        ("{\"user\": \"maya\",\n \"password\": }".to_owned(), 400, "line 2 column 14"),
        ("{\"user\": 7}".into(), 400, "expected a string at line 1"),
        ("{}".into(), 400, "missing field `user`"),
        (String::new(), 400, "EOF"),
        ("[".repeat(10_000), 400, "expected a string"),
        (format!("{{\"user\": \"{}\"}}", "x".repeat(20_000)), 413, "at most 16 KiB"),
    ];
    for (body, wanted, says) in cases {
        let (status, error) = refusal(post(body).await.unwrap()).await;
        assert_eq!(status, wanted, "{error:?}");
        assert!(error.message.contains(says), "{error:?}");
    }
    let maya = office.person("maya").await;
    let (status, error) = refusal(maya.send("GET", "/v1/nothing", None).await).await;
    assert_eq!((status, error.code.as_str()), (404, "not_found"));
    let (status, error) = refusal(maya.send("PATCH", "/v1/session", None).await).await;
    assert_eq!((status, error.code.as_str()), (405, "method_not_allowed"));
    let (status, _) = refusal(maya.send("POST", "/v1/calls/%00%ff/transfer", Some(json!({}))).await).await;
    assert_eq!(status, 400);
    office.exchange.stop().await;
}

#[tokio::test]
async fn what_the_document_promises_is_there_and_needs_a_token() {
    let office = Office::open().await;
    let document: Value = office.http.get(office.url("/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 15);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let url = office.url(path).replace(['{', '}'], "");
            let method = method.to_uppercase().parse().unwrap();
            let answer = office.http.request(method, &url).json(&json!({})).send().await.unwrap();
            let wanted = match (operation.get("security").is_some(), path.as_str()) {
                (true, _) => 401,
                (false, "/v1/session") => 400,
                (false, _) => 200,
            };
            assert_eq!(answer.status(), wanted, "{path}");
        }
    }
    for schema in ["LiveRow", "CallRecord", "FeedMessage", "FeedRequest", "ApiError", "TransferTargets"] {
        assert!(document["components"]["schemas"].get(schema).is_some(), "{schema}");
    }
    office.exchange.stop().await;
}
