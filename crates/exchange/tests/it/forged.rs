//! What is forged, stale, or none of somebody's business, asked of the API.

use protocol::{AuditOutcome, CallId, LiveRow, TransferAccepted};
use serde_json::json;

use crate::{
    office::{Office, PASSWORD, Person, refusal},
    rights::{Live, Stage, What::Transfer, config, go, targets, trail, user},
};

/// Whoever asks for what they can't have: the status, the code, and what the trail holds about it.
#[tokio::test]
async fn forged_and_stale_requests_are_refused_with_a_code_and_an_entry() {
    let mut stage = Stage::open(true).await;
    let Live { row, caller } = {
        let ravi = user(&stage.actors.ravi);
        stage.call("+442079460200", Some(&ravi), &ravi).await
    };
    let (maya, tom) = (stage.actors.maya.clone(), stage.actors.tom.clone());
    let target = &targets()[0];
    let mut forged = row.clone();
    forged.call.id = CallId("0123456789ab-c1".into());
    let mut stale = row.clone();
    stale.call.revision = 0;
    let own = format!("/v1/calls/{}/transfer", row.call.id);
    stage.trail().await;
    // Calls of another account, transfers that never were, calls that are not theirs, what is no longer so.
    let named = |kind: &str, id: &str| json!({ "kind": kind, "id": id });
    for (who, row, target, status, code) in [
        (&maya, &forged, target.clone(), 404, "not_found"),
        (&tom, &row, target.clone(), 403, "denied.not_your_call"),
        (&maya, &stale, target.clone(), 409, "denied.stale"),
        (&maya, &row, named("user", "nobody"), 409, "ineligible.unknown"),
        (&maya, &row, named("outside", "help"), 409, "ineligible.not_a_number"),
        (&maya, &row, named("user", "ravi"), 409, "ineligible.in_this_call"),
    ] {
        let (answered, error) = refusal(go(who, row, Transfer, &target).await).await;
        assert_eq!((answered, error.code.as_str()), (status, code));
        let trail = stage.trail().await;
        let rule = if code == "not_found" { "no such call".into() } else { code.replacen('.', ": ", 1) };
        let told: Vec<_> = trail.iter().map(|e| (&e.user, e.outcome, &e.rule, e.call.as_ref())).collect();
        assert_eq!(told, [(&user(who), AuditOutcome::Refused, &rule, Some(&row.call.id))]);
    }
    for step in ["cancel", "complete", "swap"] {
        let answer = maya.send("POST", &format!("/v1/transfers/0123456789ab-t1/{step}"), None).await;
        let (status, error) = refusal(answer).await;
        assert_eq!((status, error.code.as_str()), (404, "not_found"), "{step}");
        let entry = stage.trail().await.pop().expect("nothing in the trail");
        assert_eq!((entry.user.as_str(), entry.outcome), ("maya", AuditOutcome::Refused), "{step}");
        assert_eq!(entry.rule, "no such transfer");
    }
    // No token, a made-up one, one that was given back: nobody is known whom the trail could name.
    let body = json!({ "revision": row.call.revision, "target": target });
    let signed_out = stage.office.person("maya").await;
    assert_eq!(signed_out.send("DELETE", "/v1/session", None).await.status(), 204);
    for token in ["", "0123", signed_out.session.token.as_str(), &"f".repeat(64), &"f".repeat(10_000)] {
        let request = stage.office.http.post(stage.office.url(&own)).bearer_auth(token).json(&body);
        let (status, error) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, error.code.as_str()), (401, "unauthorized"));
    }
    let rows: Vec<LiveRow> = maya.get("/v1/live").await;
    assert_eq!((rows.len(), rows[0].call.transfer.is_none()), (1, true), "nothing of this has moved the call");
    stage.end(&Live { caller, row }).await;
    stage.office.exchange.stop().await;
}

#[tokio::test]
async fn of_two_who_transfer_at_once_one_wins_and_the_other_is_told_who() {
    let mut stage = Stage::open(true).await;
    let ravi = user(&stage.actors.ravi);
    let live = stage.call("+442079460200", Some(&ravi), &ravi).await;
    let [olga, sam, _] = targets();
    let (maya, alex) = (stage.actors.maya.clone(), stage.actors.alex.clone());
    let (one, two) = tokio::join!(go(&maya, &live.row, Transfer, &olga), go(&alex, &live.row, Transfer, &sam));
    let (winner, target, loser) = match (one.status().as_u16(), two.status().as_u16()) {
        (202, 409) => ("Maya Lindqvist", "Olga Brandt", two),
        (409, 202) => ("Alex Moreno", "Sam Whitfield", one),
        statuses => panic!("{statuses:?}"),
    };
    let (_, error) = refusal(loser).await;
    assert!(error.code == "denied.already_transferring" || error.code == "denied.stale", "{error:?}");
    assert!(error.message.contains(winner) && error.message.contains(target), "{error:?}");
    stage.end(&live).await;
    stage.office.exchange.stop().await;
}

#[tokio::test]
async fn who_was_disabled_or_removed_is_shut_out_with_one_entry() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let office = Office::open_in(dir.clone(), &config(true)).await.unwrap();
    let (ravi, tom) = (office.person("ravi").await, office.person("tom").await);
    office.exchange.stop().await;
    let text = config(true).replace("name = \"Ravi Kumar\"", "name = \"Ravi Kumar\"\ndisabled = true");
    let start = text.find("[[user]] # tom").unwrap();
    let end = text.find("[[user]] # gone").unwrap();
    let text = format!("{}{}", &text[..start], &text[end..]);
    let office = Office::open_in(dir, &text).await.unwrap();
    let mut audited = 0;
    trail(&office, &mut audited).await;
    for (person, rule) in [(&ravi, "denied: disabled"), (&tom, "denied: unknown_user")] {
        for path in ["/v1/live", "/v1/directory", "/v1/calls", "/v1/feed", "/v1/live"] {
            let answer = office.http.get(office.url(path)).bearer_auth(&person.session.token).send();
            let (status, error) = refusal(answer.await.unwrap()).await;
            assert_eq!((status, error.code.as_str()), (401, "unauthorized"), "{path}");
        }
        let told = trail(&office, &mut audited).await;
        let told: Vec<_> = told.iter().map(|e| (e.user.as_str(), e.outcome, e.rule.as_str())).collect();
        assert_eq!(told, [(person.session.user.id.as_str(), AuditOutcome::Refused, rule)]);
    }
    let (status, error) = refusal(office.try_sign_in("ravi", PASSWORD).await).await;
    assert_eq!((status, error.code.as_str()), (401, "sign_in_failed"), "the same as for a wrong password");
    let told = trail(&office, &mut audited).await;
    assert_eq!((told.len(), told[0].rule.as_str()), (1, "denied: disabled"));
    office.exchange.stop().await;
}

/// Everything that a person may ask for about calls, as text.
async fn all_they_are_told(person: &Person, call: &CallId, transfer: Option<&str>) -> String {
    let mut text = String::new();
    let mut paths: Vec<(&str, String)> = ["/v1/live", "/v1/calls", "/v1/directory"].map(|p| ("GET", p.into())).into();
    paths.push(("GET", format!("/v1/calls/{call}")));
    paths.push(("GET", format!("/v1/calls/{call}/transfer-targets")));
    paths.push(("GET", format!("/v1/calls/{call}/transfer-targets?number=%2B442079460999")));
    paths.push(("GET", format!("/v1/voicemail/{call}")));
    if let Some(transfer) = transfer {
        paths.extend(["cancel", "complete", "swap"].map(|s| ("POST", format!("/v1/transfers/{transfer}/{s}"))));
    }
    for (method, path) in paths {
        text += &person.send(method, &path, None).await.text().await.unwrap();
    }
    let body = json!({ "revision": 1, "target": targets()[1] });
    text + &person.send("POST", &format!("/v1/calls/{call}/transfer"), Some(body)).await.text().await.unwrap()
}

#[tokio::test]
async fn nothing_about_another_departments_call_leaks_anywhere() {
    let mut stage = Stage::open(true).await;
    // An agent and a manager of another department, and a colleague of the same one who has nothing to do with it.
    let (tom, sam, pax) = (stage.actors.tom.clone(), stage.office.person("sam").await, stage.actors.pax.clone());
    let strangers = [&tom, &sam, &pax];
    let mut feeds = Vec::new();
    for person in strangers {
        let mut feed = person.feed().await;
        feed.snapshot().await;
        feeds.push(feed);
    }
    let olga = targets()[0].clone();
    let (maya, ravi) = (stage.actors.maya.clone(), user(&stage.actors.ravi));
    let live = stage.call("+442079460200", Some(&ravi), &ravi).await;
    let call = live.row.call.id.clone();
    let secrets = ["Priya Nair", "919812345678", "secret note", call.as_str()];
    let leaks = |text: &str| secrets.into_iter().find(|secret| text.contains(secret));
    for person in strangers {
        let text = all_they_are_told(person, &call, None).await;
        assert_eq!(leaks(&text), None, "talking: {text}");
    }
    let begun = go(&maya, &live.row, Transfer, &olga).await;
    let TransferAccepted { transfer } = begun.json().await.unwrap();
    for person in strangers {
        let text = all_they_are_told(person, &call, Some(transfer.as_str())).await;
        assert_eq!(leaks(&text), None, "transferring: {text}");
        assert!(!text.contains("already transferring"), "{text}");
    }
    stage.end(&live).await;
    for person in strangers {
        let text = all_they_are_told(person, &call, Some(transfer.as_str())).await;
        assert_eq!(leaks(&text), None, "over: {text}");
        assert!(!text.contains("Too late"), "what became of it: {text}");
    }
    // All of it went over the feeds of those who may see it; a mark tells where these feeds are.
    stage.actors.alex.send("PUT", "/v1/presence", Some(json!({ "presence": "do_not_disturb" }))).await;
    for feed in &mut feeds {
        loop {
            let text = serde_json::to_string(&feed.message().await).unwrap();
            assert_eq!(leaks(&text), None, "on the feed: {text}");
            if text.contains("do_not_disturb") {
                break;
            }
        }
    }
    // It was there to be seen.
    let record = maya.send("GET", &format!("/v1/calls/{call}"), None).await.text().await.unwrap();
    assert!(secrets.iter().all(|s| record.contains(s)), "{record}");
    stage.office.exchange.stop().await;
}
