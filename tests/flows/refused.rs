//! The target, or the exchange, says no: the caller is with the agent again.

use anyhow::Result;
use flows::sipp::{Scenario, Sipp};
use protocol::{AuditOutcome, Reason};

use crate::scene::{Scene, answering, impatient, office, office_with, talking_with};

/// Ravi transfers by REFER to Tom, whose phone refuses: Priya hears Ravi again, and the chain says why.
async fn comes_back(
    mut scene: Scene,
    why: Reason,
    mut ravi: flows::phone::Phone,
) -> Result<(Scene, flows::phone::Phone)> {
    let tom = scene.address("tom");
    ravi.say(&format!("transfer {tom}")).await?;
    let bounced = move |row: &protocol::LiveRow| row.call.bounces.iter().any(|bounce| bounce.reason == why);
    let row = scene.row("back with Ravi", |row| talking_with("ravi")(row) && bounced(row)).await?;
    assert_eq!(row.call.bounces.len(), 1, "{:?}", row.call.bounces);
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("ravi".into(), AuditOutcome::Accepted), ("ravi".into(), AuditOutcome::FellBack)]);
    Ok((scene, ravi))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_busy_486() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &["--busy"]).await?;
    let (scene, ravi) = comes_back(Scene::begin(office).await?, Reason::Busy, ravi).await?;
    scene.golden("target-busy", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_declines_603() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &["--decline=200"]).await?;
    let (scene, ravi) = comes_back(Scene::begin(office).await?, Reason::Declined, ravi).await?;
    scene.golden("target-declines", vec![ravi, tom], vec![]).await
}

async fn target_is_gone(code: &str) -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = Sipp::device(&office, "tom", Scenario { file: "refuses.xml", words: &[("code", code)] }).await?;
    let (scene, ravi) = comes_back(Scene::begin(office).await?, Reason::Unreachable, ravi).await?;
    let lane = tom.finished().await?;
    scene.golden(&format!("target-gone-{code}"), vec![ravi], vec![lane]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_gone_480() -> Result<()> {
    target_is_gone("480").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_gone_404() -> Result<()> {
    target_is_gone("404").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_never_answers() -> Result<()> {
    let office = impatient().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &[]).await?;
    let (scene, ravi) = comes_back(Scene::begin(office).await?, Reason::NoAnswer, ravi).await?;
    let missed = tom.event("ended").await?;
    assert_eq!((&missed["answered"], &missed["answered_elsewhere"]), (&false.into(), &false.into()));
    scene.golden("target-never-answers", vec![ravi, tom], vec![]).await
}

/// Agents may not transfer: the exchange answers REFER with 603, and the agent takes the caller back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refer_is_answered_4xx_by_the_exchange() -> Result<()> {
    let office = office_with(|policy| drop(policy.insert("agents_may_transfer".into(), false.into()))).await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    let failed = ravi.event("transfer_failed").await?;
    assert_eq!(failed["status"], 603);
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    assert_eq!(flows::exchange::transfers(&record.audit), [("ravi".into(), AuditOutcome::Refused)]);
    assert!(tom.program.all().iter().all(|line| line["event"] != "incoming"), "Tom was never rung");
    scene.golden("refer-refused", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refer_to_oneself() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("ravi"))).await?;
    ravi.event("transfer_failed").await?;
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    assert_eq!(flows::exchange::transfers(&record.audit), [("ravi".into(), AuditOutcome::Refused)]);
    scene.golden("refer-to-oneself", vec![ravi], vec![]).await
}

/// A phone that refers without holding keeps its dialog (RFC 5589 section 6.3): the caller is back in it with no ring.
/// SIPp is the agent; it sends back what it hears, so Priya hears herself for as long as she is with it.
async fn back_in_the_same_dialog(tom: &[&str], why: Reason, golden: &str) -> Result<()> {
    let office = impatient().await?;
    let rings = std::fs::read_to_string(flows::sound::repository().join("tests/flows/sipp/is-notified.xml"))?;
    let words = &[("target", "tom"), ("dialog", ""), ("ringing", &rings)];
    let ravi = Sipp::device(&office, "ravi", Scenario { file: "refers-in-vain.xml", words }).await?;
    let tom = office.colleague("tom", tom).await?;
    let mut scene = Scene::begin(office).await?;
    let bounced = move |row: &protocol::LiveRow| row.call.bounces.iter().any(|bounce| bounce.reason == why);
    scene.row("back with Ravi", |row| talking_with("ravi")(row) && bounced(row)).await?;
    scene.hears("priya").await?;
    let record = scene.farewell().await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let lane = ravi.finished().await?;
    scene.golden(golden, vec![tom], vec![lane]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_busy_and_the_transferor_does_not_hold() -> Result<()> {
    back_in_the_same_dialog(&["--busy"], Reason::Busy, "target-busy-no-hold").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_never_answers_and_the_transferor_does_not_hold() -> Result<()> {
    back_in_the_same_dialog(&[], Reason::NoAnswer, "target-never-answers-no-hold").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaces_of_a_dialog_that_has_ended() -> Result<()> {
    let office = office().await?;
    let dialog = "?Replaces=over%40nowhere%3Bto-tag%3Done%3Bfrom-tag%3Dtwo";
    let words = &[("target", "tom"), ("dialog", dialog), ("ringing", "")];
    let refers = Scenario { file: "refers-in-vain.xml", words };
    let ravi = Sipp::device(&office, "ravi", refers).await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    scene.hears("priya").await?;
    let record = scene.farewell().await?;
    let lane = ravi.finished().await?;
    assert!(!record.journey.iter().any(|step| matches!(step.what, protocol::JourneyEvent::TransferDone { .. })));
    assert!(tom.program.all().iter().all(|line| line["event"] != "incoming"), "Tom was never rung");
    scene.golden("replaces-of-a-dead-dialog", vec![tom], vec![lane]).await
}
