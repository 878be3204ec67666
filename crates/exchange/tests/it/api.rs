//! The REST half, over a real socket.

use protocol::{
    AuditAction, AuditOutcome, CallRecord, Directory, RecordPage, Target, TransferAccepted, TransferKind,
    TransferTargets,
};
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
    assert!(tom.ways.iter().all(|way| way.refused.is_none() || way.kind == TransferKind::Consult), "{:?}", tom.ways);
    assert_eq!(tom.ways[1].refused, Some(protocol::Denied::NotOnCall.sentence()), "Maya only watches it");
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
    for step in ["cancel", "complete", "swap"] {
        let path = format!("/v1/transfers/{transfer}/{step}");
        let (status, error) = refusal(maya.send("POST", &path, None).await).await;
        assert_eq!((status, error.code.as_str()), (409, "denied.settled"), "{step}");
        assert!(error.message.starts_with("Too late"), "{}", error.message);
    }
    office.exchange.stop().await;
}

#[tokio::test]
async fn a_typed_number_is_forecast_like_any_other_target() {
    let mut office = Office::open().await;
    let alex = office.person("alex").await;
    let mut feed = alex.feed().await;
    feed.snapshot().await;
    let (_, row) = office.talking_with_ravi(&mut feed).await;
    let path = |query: &str| format!("/v1/calls/{}/transfer-targets{query}", row.call.id);
    let answer: TransferTargets = alex.get(&path("?number=%2B44%2020%207946%200999")).await;
    let [number] = &answer.targets[..] else { panic!("{answer:?}") };
    assert_eq!(
        (number.target.clone(), number.name.as_str()),
        (Target::Outside("+44 20 7946 0999".into()), "+442079460999")
    );
    // Whether the account lets Alex or not, the row says what a try is answered.
    let tried = alex.transfer(&row, json!({ "kind": "outside", "id": "+44 20 7946 0999" })).await;
    let (status, error) = refusal(tried).await;
    assert_eq!((status, error.code.as_str()), (403, "denied.outside_not_allowed"));
    assert_eq!(number.ways[0].refused.as_ref(), Some(&error.message));
    let none: TransferTargets = alex.get(&path("?number=hello")).await;
    assert_eq!(none.targets[0].ineligible, Some(protocol::Ineligible::NotANumber));
    for (wrong, says) in [("?number=", "`number` is empty"), ("?numbr=1", "unknown field `numbr`")] {
        let (status, error) = refusal(alex.send("GET", &path(wrong), None).await).await;
        assert_eq!(status, 400);
        assert!(error.message.contains(says), "{error:?}");
    }
    let long = path(&format!("?number={}", "1".repeat(65)));
    assert_eq!(alex.send("GET", &long, None).await.status(), 400);
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
        (format!("{{\"user\": \"{}\"}}", "x".repeat(40_000)), 413, "at most 32 KiB"),
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
    for id in ["%00%ff", "a%20b", "%2e%2e%2fx", &"x".repeat(65)] {
        let (status, error) = refusal(maya.send("POST", &format!("/v1/transfers/{id}/swap"), None).await).await;
        assert_eq!((status, error.code.as_str()), (400, "bad_request"), "{id}");
    }
    office.exchange.stop().await;
}

#[tokio::test]
async fn every_field_is_checked_and_its_fault_told_with_its_place() {
    let office = Office::open().await;
    let maya = office.person("maya").await;
    let (long, control) = ("x".repeat(65), "a\u{7}b");
    let sign_in = |change: Value| {
        let mut body = json!({ "user": "ravi", "password": PASSWORD, "device_name": "test" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ("POST", "/v1/session".to_owned(), body)
    };
    let transfer = |change: Value| {
        let mut body = json!({ "revision": 1, "target": { "kind": "user", "id": "tom" } });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ("POST", "/v1/calls/run-c1/transfer".to_owned(), body)
    };
    let presence = |body: Value| ("PUT", "/v1/presence".to_owned(), body);
    let target = |kind: &str, id: &str| transfer(json!({ "target": { "kind": kind, "id": id } }));
    let cases = [
        (sign_in(json!({ "user": long })), "`user` has 65 characters. Use at most 64."),
        (sign_in(json!({ "user": " " })), "`user` is empty"),
        (
            sign_in(json!({ "device_name": control })),
            "`device_name` has a control character (U+0007) as its 2. character",
        ),
        (sign_in(json!({ "device_name": long })), "`device_name` has 65 characters"),
        (sign_in(json!({ "password": "p".repeat(1025) })), "`password` has more than 1024 bytes"),
        (sign_in(json!({ "device": "a/b" })), "`device` is no id: its 2. character"),
        (sign_in(json!({ "admin": true })), "unknown field `admin`"),
        (transfer(json!({ "note": "n".repeat(201) })), "`note` has 201 characters. Use at most 200."),
        (transfer(json!({ "note": "one\ntwo" })), "`note` has a control character (U+000A) as its 4. character"),
        (transfer(json!({ "note": 7 })), "expected a string"),
        (transfer(json!({ "knd": "consult" })), "unknown field `knd`"),
        (transfer(json!({ "kind": "teleport" })), "unknown variant `teleport`, expected one of `blind`, `consult`"),
        (transfer(json!({ "revision": -1 })), "invalid value: integer `-1`, expected u32 at line 1 column"),
        (transfer(json!({ "revision": 4_294_967_296_u64 })), "expected u32"),
        (transfer(json!({ "revision": 1.5 })), "floating point"),
        (transfer(json!({ "target": "tom" })), "line 1 column"),
        (target("robot", "tom"), "unknown variant `robot`"),
        (target("user", ""), "`target.id` is empty"),
        (target("department", &long), "`target.id` has 65 characters"),
        (target("outside", control), "`target.id` has a control character"),
        (presence(json!({})), "missing field `presence`"),
        (presence(json!({ "presence": "asleep" })), "unknown variant `asleep`"),
        (presence(json!({ "presence": "away", "user": "ravi" })), "unknown field `user`"),
    ];
    for ((method, path, body), says) in cases {
        let (status, error) = refusal(maya.send(method, &path, Some(body)).await).await;
        assert_eq!((status, error.code.as_str()), (400, "bad_request"), "{says}: {error:?}");
        assert!(error.message.contains(says), "{says:?} is not in {:?}", error.message);
    }
    let (status, error) = refusal(maya.send("GET", "/v1/calls?limt=5", None).await).await;
    assert_eq!(status, 400);
    assert!(error.message.contains("unknown field `limt`"), "{error:?}");
    // The longest note that is allowed is not cut: it gets as far as any other.
    let (_, path, body) = transfer(json!({ "note": "é".repeat(200) }));
    assert_eq!(maya.send("POST", &path, Some(body)).await.status(), 404, "there is no such call");
    office.exchange.stop().await;
}

#[tokio::test]
async fn what_the_document_promises_is_there_and_needs_a_token() {
    let office = Office::open().await;
    let document: Value = office.http.get(office.url("/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 17);
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
    promises_are_complete(&document);
    for schema in ["LiveRow", "CallRecord", "FeedMessage", "FeedRequest", "ApiError", "TransferTargets"] {
        assert!(document["components"]["schemas"].get(schema).is_some(), "{schema}");
    }
    office.exchange.stop().await;
}

/// Every operation names the errors it can give, every error is an `ApiError`, or one with more beside it, and every reference leads
/// somewhere.
fn promises_are_complete(document: &Value) {
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["description"].is_string() || operation["summary"].is_string(), "{at} is not explained");
            let responses = operation["responses"].as_object().unwrap();
            let wants = |status: &str| assert!(responses.contains_key(status), "{at} does not tell of {status}");
            if operation.get("security").is_some() {
                wants("401");
            }
            if operation.get("requestBody").is_some() {
                wants("400");
                wants("413");
            }
            if path.contains('{') {
                wants("400");
                wants("404");
            }
            for (status, response) in responses.iter().filter(|(s, _)| s.starts_with(['4', '5'])) {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                let error = if status == "409" && path.ends_with("/remarks") { "RemarksConflict" } else { "ApiError" };
                assert_eq!(schema, &format!("#/components/schemas/{error}"), "{at} {status}");
            }
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = &reference[..reference.find('"').unwrap()];
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}
