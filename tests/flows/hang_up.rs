//! Somebody hangs up in the middle of a transfer.

use anyhow::Result;
use flows::sipp::{Scenario, Sipp};
use protocol::{AuditOutcome, CallOutcome, Reason};

use crate::scene::{Scene, answering, impatient, office, talking_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transferor_hangs_up_mid_transfer() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    ravi.program.next("that Tom rings", |line| line["event"] == "transfer_progress" && line["status"] == 180).await?;
    ravi.say("hangup").await?;
    ravi.event("ended").await?;
    scene.hears("hold-music").await?;
    tom.say("answer").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    let record = scene.farewell().await?;
    tom.event("ended").await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("ravi".into(), AuditOutcome::Accepted), ("ravi".into(), AuditOutcome::Completed)]);
    scene.golden("transferor-hangs-up", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_hangs_up_mid_transfer() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    ravi.program.next("that Tom rings", |line| line["event"] == "transfer_progress" && line["status"] == 180).await?;
    let record = scene.farewell().await?;
    assert_eq!((record.ended_because, record.outcome), (Reason::CallerGone, CallOutcome::Answered));
    tom.event("ended").await?;
    ravi.event("ended").await?;
    scene.golden("caller-hangs-up", vec![ravi, tom], vec![]).await
}

/// Nobody can have said a word: it counts as declined, and Priya is with Ravi again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_answers_and_hangs_up_at_once() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = Sipp::device(&office, "tom", Scenario { file: "answers-and-goes.xml", words: &[] }).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    let back = |row: &protocol::LiveRow| {
        talking_with("ravi")(row) && row.call.bounces.iter().any(|bounce| bounce.reason == Reason::HungUpAtOnce)
    };
    scene.row("back with Ravi", back).await?;
    let card = ravi.program.next("the recall", |line| line["kind"] == "recall").await?;
    assert_eq!(card["back_because"], "hung_up_at_once", "and not that he declined");
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    let lane = tom.finished().await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let audit: Vec<_> = flows::exchange::transfers(&record.audit).into_iter().map(|(_, outcome)| outcome).collect();
    let (begun, done, back) = (AuditOutcome::Accepted, AuditOutcome::Completed, AuditOutcome::FellBack);
    assert_eq!(audit, [begun, done, begun, back]);
    scene.golden("target-answers-and-goes", vec![ravi], vec![lane]).await
}

/// Tom's 200 crosses the CANCEL that the caller's hang-up causes: his leg is acknowledged and ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_crosses_200_as_the_caller_hangs_up() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = Sipp::device(&office, "tom", Scenario { file: "answers-despite-cancel.xml", words: &[] }).await?;
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    scene.row("ringing Tom", |row| row.call.transfer.is_some()).await?;
    scene.hears("hold-music").await?;
    let record = scene.farewell().await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let lane = tom.finished().await?;
    scene.golden("cancel-crosses-200", vec![ravi], vec![lane]).await
}

/// The same as the ring runs out: the late answer does not take the caller away from Ravi.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_crosses_200_as_the_ring_runs_out() -> Result<()> {
    let office = impatient().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = Sipp::device(&office, "tom", Scenario { file: "answers-despite-cancel.xml", words: &[] }).await?;
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    let lane = tom.finished().await?;
    let row = scene.row("back with Ravi", |row| talking_with("ravi")(row) && !row.call.bounces.is_empty()).await?;
    assert_eq!(row.call.bounces[0].reason, Reason::NoAnswer);
    scene.hears("ravi").await?;
    scene.farewell().await?;
    scene.golden("cancel-crosses-200-late", vec![ravi], vec![lane]).await
}
