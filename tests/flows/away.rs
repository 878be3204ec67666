//! The control link is gone at each stage of a call's journey, and comes back to a call that has moved on.
//!
//! A loss lasts here until the desk says that the link is down and the call has moved on. Thirty seconds would show no more: from
//! then on until five minutes the desk does one and the same thing, it looks for the exchange every 0.4 s. Only its feed looks
//! at a clock, and its own test loses the link for 8, 31, 120 and 295 s of virtual time
//! (`a_link_that_returns_is_taken_up_within_a_second` in `crates/desk/src/feed.rs`).

use std::time::Instant;

use anyhow::Result;
use desk::{LinkState, View};
use flows::exchange::Person;
use flows::line::Line;
use flows::seat::Seat;
use protocol::{CallState, LiveCall, LiveRow, Target, TransferKind, TransferStage};

use crate::scene::{Scene, answering, office_with, talking_with};

/// Maya's desk, behind a line that can be cut.
struct Away {
    desk: Seat,
    line: Line,
    maya: Person,
}

impl Away {
    /// Cuts the link and waits until the desk says so, with the age of what it still shows.
    async fn leaves(&self) -> Result<()> {
        self.line.cut();
        let down = |view: &View| matches!(view.link.control, LinkState::Down { .. }) && view.live.as_of.is_some();
        self.desk.until("that the link is down, and since when", down).await.map(drop)
    }

    /// Mends it; the desk shows what the exchange knows. Prints how long that took from the moment the link was up.
    async fn returns(&self, stage: &str) -> Result<()> {
        let truth = calls(&self.maya.live().await?);
        self.line.mend();
        self.desk.until("the link back", |view| view.link.control == LinkState::Up).await?;
        let back = Instant::now();
        self.desk
            .until(&format!("{stage}, as the exchange does: {truth:#?}"), |view| calls(&view.live.calls) == truth)
            .await?;
        eprintln!("{stage}: the desk agreed {:?} after the link was back", back.elapsed());
        Ok(())
    }
}

fn calls(rows: &[LiveRow]) -> Vec<LiveCall> {
    rows.iter().map(|row| row.call.clone()).collect()
}

fn at(wanted: fn(&TransferStage) -> bool) -> impl Fn(&LiveRow) -> bool {
    move |row| row.call.transfer.as_ref().is_some_and(|transfer| wanted(&transfer.stage))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_is_lost_at_each_stage_and_the_desk_agrees_again() -> Result<()> {
    let fallback = vec!["recall former agent 60 s", "queue of billing 120 s", "voicemail"];
    let office = office_with(|policy| {
        policy.insert("transfer_ring_seconds".into(), 60.into());
        policy.insert("fallback".into(), fallback.into());
    })
    .await?;
    let data = tempfile::tempdir()?;
    let line = Line::to(office.exchange.api_address()).await?;
    let desk = Seat::take(data.path())?;
    desk.sign_in(&format!("http://{}", line.address), "maya", office.exchange.password("maya")?).await?;
    let mut ravi = office.colleague("ravi", &[]).await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::ringing(office).await?;
    let away = Away { desk, line, maya: scene.office.exchange.person("maya").await? };
    away.desk.until("Priya's call", |view| view.live.calls.len() == 1).await?;

    away.leaves().await?;
    ravi.event("incoming").await?;
    ravi.say("answer").await?;
    scene.row("talking with Ravi", talking_with("ravi")).await?;
    away.returns("talking").await?;

    away.leaves().await?;
    scene.go("tom").await?;
    tom.event("incoming").await?;
    scene.row("ringing Tom", at(|stage| matches!(stage, TransferStage::Ringing { .. }))).await?;
    away.returns("ringing the target").await?;

    away.leaves().await?;
    tom.say("decline").await?;
    scene.row("coming back", at(|stage| matches!(stage, TransferStage::Recalling { .. }))).await?;
    away.returns("coming back").await?;

    away.leaves().await?;
    ravi.event("incoming").await?;
    ravi.say("decline").await?;
    scene.row("in line", at(|stage| matches!(stage, TransferStage::Queued { .. }))).await?;
    away.returns("in line").await?;

    away.leaves().await?;
    let _lena_phone = answering(&scene.office, "lena").await?;
    scene.row("talking with Lena", talking_with("lena")).await?;
    away.returns("talking after the line").await?;

    away.leaves().await?;
    let lena = scene.office.exchange.person("lena").await?;
    let consult = lena.transfer_as(TransferKind::Consult, &scene.call, Target::User("tom".into()), "").await?;
    let consult = consult.expect("Lena may consult").transfer;
    tom.event("incoming").await?;
    away.returns("ringing for a consultation").await?;

    away.leaves().await?;
    tom.say("answer").await?;
    scene.row("a consultation", at(|stage| matches!(stage, TransferStage::Consulting { .. }))).await?;
    away.returns("in a consultation").await?;

    away.leaves().await?;
    assert!(lena.step(&consult, "complete").await?.is_ok());
    scene.row("talking with Tom", talking_with("tom")).await?;
    away.returns("talking after the consultation").await?;

    away.leaves().await?;
    let voicemail =
        scene.maya.transfer_as(TransferKind::Voicemail, &scene.call, Target::User("lena".into()), "").await?;
    assert!(voicemail.is_ok(), "{voicemail:?}");
    scene.row("in voicemail", |row| matches!(row.call.state, CallState::Voicemail { .. })).await?;
    away.returns("leaving a message").await?;

    away.leaves().await?;
    scene.farewell().await?;
    away.returns("gone").await?;
    away.desk.until("its record", |view| view.logs.rows.iter().any(|row| row.id == scene.call)).await?;
    away.desk.leave().await;
    scene.office.exchange.stop().await
}
