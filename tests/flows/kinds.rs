//! Every kind of transfer, and every way to begin one, as the caller hears it.

use anyhow::Result;
use flows::exchange::Person;
use protocol::{AuditOutcome, CallState, Target, TransferKind, TransferStage};

use crate::attended::with_joao_outside;
use crate::scene::{Scene, answering, office, office_with, sounds, talking_with};

fn to_tom() -> Target {
    Target::User("tom".into())
}

/// Ravi asks to speak with Tom first, and does.
async fn consulting(scene: &mut Scene) -> Result<(Person, protocol::TransferId)> {
    let ravi = scene.office.exchange.person("ravi").await?;
    let accepted = ravi.transfer_as(TransferKind::Consult, &scene.call, to_tom(), "").await?;
    let transfer = accepted.expect("Ravi may consult").transfer;
    let stage = |row: &protocol::LiveRow| {
        matches!(row.call.transfer.as_ref().map(|t| &t.stage), Some(TransferStage::Consulting { .. }))
    };
    scene.row("the consultation", stage).await?;
    Ok((ravi, transfer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consult_then_swap_then_complete() -> Result<()> {
    let office = office().await?;
    let ravi_phone = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    let (ravi, transfer) = consulting(&mut scene).await?;
    scene.hears("hold-music").await?;
    ravi_phone.hears(sounds(), "tom").await?;
    tom.hears(sounds(), "ravi").await?;

    assert!(ravi.step(&transfer, "swap").await?.is_ok());
    scene.hears("ravi").await?;
    tom.hears(sounds(), "hold-music").await?;

    assert!(ravi.step(&transfer, "complete").await?.is_ok());
    scene.row("talking with Tom", talking_with("tom")).await?;
    ravi_phone.event("ended").await?;
    scene.hears("tom").await?;
    let record = scene.farewell().await?;
    tom.event("ended").await?;
    assert_eq!(record.agents.len(), 2);
    scene.golden("consult", vec![ravi_phone, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consult_then_cancel() -> Result<()> {
    let office = office().await?;
    let ravi_phone = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    let (ravi, transfer) = consulting(&mut scene).await?;
    assert!(ravi.step(&transfer, "cancel").await?.is_ok());
    tom.event("ended").await?;
    scene.row("back with Ravi", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert!(!audit.iter().any(|(_, outcome)| *outcome == AuditOutcome::Completed), "{audit:?}");
    scene.golden("consult-cancelled", vec![ravi_phone, tom], vec![]).await
}

/// The consultant's phone goes: whom they consulted has the caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consult_then_hang_up() -> Result<()> {
    let office = office().await?;
    let mut ravi_phone = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    consulting(&mut scene).await?;
    ravi_phone.say("hangup").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("consult-hung-up", vec![ravi_phone, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn straight_to_voicemail() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    let accepted = scene.maya.transfer_as(TransferKind::Voicemail, &scene.call, to_tom(), "").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    scene.row("in voicemail", |row| matches!(row.call.state, CallState::Voicemail { .. })).await?;
    scene.hears("greeting").await?;
    let record = scene.farewell().await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("maya".into(), AuditOutcome::Accepted), ("maya".into(), AuditOutcome::Completed)]);
    assert!(tom.program.all().iter().all(|line| line["event"] != "incoming"), "Tom was never rung");
    scene.golden("straight-to-voicemail", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_an_outside_number() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (office, joao) = with_joao_outside(dir.path()).await?;
    let ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    let accepted = scene.maya.transfer(&scene.call, Target::Outside("+351 912 345 678".into()), "").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    ravi.event("ended").await?;
    joao.event("answered").await?;
    scene.row("talking outside", |row| matches!(row.call.state, CallState::TalkingOutside { .. })).await?;
    scene.hears("joao").await?;
    joao.hears(sounds(), "priya").await?;
    scene.farewell().await?;
    joao.event("ended").await?;
    scene.golden("to-an-outside-number", vec![ravi, joao], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_an_outside_number_without_the_right() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    let refused = scene.maya.transfer(&scene.call, Target::Outside("+351912345678".into()), "").await?.unwrap_err();
    assert_eq!(refused.code, "denied.outside_not_allowed");
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    assert_eq!(flows::exchange::transfers(&record.audit), [("maya".into(), AuditOutcome::Refused)]);
    scene.golden("outside-without-the-right", vec![ravi], vec![]).await
}

/// By keys, as telephone events and as INFO.
async fn by_feature_code(command: &str, golden: &str) -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("{command} *2105")).await?;
    let incoming = tom.event("incoming").await?;
    assert_eq!((&incoming["kind"], &incoming["transferred_by"]["name"]), (&"transfer".into(), &"Ravi Kumar".into()));
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden(golden, vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_feature_code_in_telephone_events() -> Result<()> {
    by_feature_code("dtmf", "feature-code").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_feature_code_in_info() -> Result<()> {
    by_feature_code("dtmf-info", "feature-code-info").await
}

/// What Ravi types reaches the caller, late if it began like the code; but not the code.
async fn keys_are_for_the_caller_but_for_the_code(command: &str) -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    for keys in ["5", "*9", "1*", "*2105"] {
        ravi.say(&format!("{command} {keys}")).await?;
        let passed = if keys == "*2105" { "" } else { keys };
        for key in passed.chars() {
            assert_eq!(scene.priya.event("dtmf").await?["digit"], key.to_string(), "of {keys}");
        }
    }
    scene.row("talking with Tom", talking_with("tom")).await?;
    // The caller's own keys are for whom they talk with, at once.
    scene.priya.say("dtmf *2105").await?;
    for key in "*2105".chars() {
        assert_eq!(tom.event("dtmf").await?["digit"], key.to_string());
    }
    let heard = scene.priya.program.all().into_iter().filter(|line| line["event"] == "dtmf").count();
    assert_eq!(heard, "5*91*".len(), "nothing of the code");
    scene.farewell().await?;
    tom.event("ended").await?;
    ravi.stop().await?;
    tom.stop().await?;
    scene.office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_telephone_events_are_for_the_caller_but_for_the_code() -> Result<()> {
    keys_are_for_the_caller_but_for_the_code("dtmf").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_info_are_for_the_caller_but_for_the_code() -> Result<()> {
    keys_are_for_the_caller_but_for_the_code("dtmf-info").await
}

/// Maya moves Priya's call while it still rings Ravi: he missed nothing, and Tom has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_still_rings_is_diverted() -> Result<()> {
    let office = office().await?;
    let ravi = office.colleague("ravi", &[]).await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::ringing(office).await?;
    ravi.event("incoming").await?;
    scene.go("tom").await?;
    let ended = ravi.event("ended").await?;
    assert_eq!(ended["answered_elsewhere"], true, "{ended}");
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("divert", vec![ravi, tom], vec![]).await
}

/// Ravi's phone sends the call on by itself (302).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_diverts_its_ring_by_302() -> Result<()> {
    let office = office().await?;
    let mut ravi = office.colleague("ravi", &[]).await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::ringing(office).await?;
    ravi.event("incoming").await?;
    ravi.say(&format!("divert 1 {}", scene.address("tom"))).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("divert-302", vec![ravi, tom], vec![]).await
}

/// Undo while the target rings: with the agent still on the line, the caller is back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_while_the_agent_is_still_on_the_line() -> Result<()> {
    let office = office_with(|policy| drop(policy.insert("release".into(), "when answered".into()))).await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    let accepted = scene.maya.transfer(&scene.call, to_tom(), "").await?.expect("Maya may");
    tom.event("incoming").await?;
    scene.hears("hold-music").await?;
    assert!(scene.maya.step(&accepted.transfer, "cancel").await?.is_ok());
    let ended = tom.event("ended").await?;
    assert_eq!(ended["answered"], false);
    scene.row("back with Ravi", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    let late = scene.maya.step(&accepted.transfer, "cancel").await?.unwrap_err();
    assert!(late.code.starts_with("denied.") || late.code.starts_with("not_found"), "{late:?}");
    scene.farewell().await?;
    ravi.event("ended").await?;
    scene.golden("undo-on-the-line", vec![ravi, tom], vec![]).await
}

/// The same with the agent released: their device, asked to answer by itself, has the caller back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_after_the_agent_was_released() -> Result<()> {
    let office = office().await?;
    let mut ravi = office.colleague("ravi", &["--auto-answer-mode"]).await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::ringing(office).await?;
    ravi.event("incoming").await?;
    ravi.say("answer").await?;
    scene.row("talking with Ravi", talking_with("ravi")).await?;
    let person = scene.office.exchange.person("ravi").await?;
    let accepted = person.transfer(&scene.call, to_tom(), "").await?.expect("Ravi may");
    tom.event("incoming").await?;
    ravi.event("ended").await?;
    assert!(person.step(&accepted.transfer, "cancel").await?.is_ok());
    tom.event("ended").await?;
    scene.row("back with Ravi", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    scene.farewell().await?;
    scene.golden("undo-after-release", vec![ravi, tom], vec![]).await
}

/// The agent stays until the target answers, or does not: then no ring is needed for the caller to be back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_when_answered_brings_the_caller_back_without_a_ring() -> Result<()> {
    let office = office_with(|policy| drop(policy.insert("release".into(), "when answered".into()))).await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &["--decline=300"]).await?;
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    tom.event("ended").await?;
    scene.row("back with Ravi", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    scene.farewell().await?;
    scene.golden("release-when-answered", vec![ravi, tom], vec![]).await
}

/// Two people press Go on the same call as both see it: one wins, the other is told who and what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_move_the_same_call_at_once() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let lena = answering(&office, "lena").await?;
    let mut scene = Scene::begin(office).await?;
    let alex = scene.office.exchange.person("alex").await?;
    let revision = scene.maya.live().await?[0].call.revision;
    let path = format!("/v1/calls/{}/transfer", scene.call);
    let body = |user: &str| serde_json::json!({ "revision": revision, "target": Target::User(user.into()) });
    let (to_tom, to_lena) = (body("tom"), body("lena"));
    let (mayas, alexs) = tokio::join!(
        scene.maya.post::<serde_json::Value>(&path, &to_tom),
        alex.post::<serde_json::Value>(&path, &to_lena)
    );
    let (mayas, alexs) = (mayas?, alexs?);
    let (refused, winner, with) = match (mayas, alexs) {
        (Ok(_), Err(refused)) => (refused, "Maya Lindqvist", "tom"),
        (Err(refused), Ok(_)) => (refused, "Alex Moreno", "lena"),
        both => panic!("exactly one wins: {both:?}"),
    };
    assert!(refused.code.starts_with("denied."), "{refused:?}");
    assert!(refused.message.contains(winner), "{refused:?}");
    scene.row("talking with the winner's choice", talking_with(with)).await?;
    scene.hears(with).await?;
    scene.farewell().await?;
    // Who wins is chance, so each has a golden file.
    let golden = if with == "tom" { "two-people-maya-wins" } else { "two-people-alex-wins" };
    scene.golden(golden, vec![ravi, tom, lena], vec![]).await
}
