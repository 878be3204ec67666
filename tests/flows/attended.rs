//! An agent with two calls connects the far ends with each other (REFER with Replaces, RFC 5589 section 7).

use anyhow::Result;
use flows::golden::Lane;
use flows::office::{Office, of};
use flows::phone::{Phone, PhoneSpec};
use flows::sound::voice;
use protocol::{CallState, Reason};

use crate::scene::{PRIYA, Scene, answering, office, sounds, talking_with};

const JOAO: &str = "+351912345678";

/// Ravi connects his calls 1 and 2, and is free.
async fn connects(ravi: &mut Phone) -> Result<()> {
    ravi.say("refer-replaces 1 2").await?;
    ravi.event("ended").await?;
    ravi.event("ended").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attended_between_two_incoming_calls() -> Result<()> {
    let office = office().await?;
    let mut ravi = office.colleague("ravi", &[]).await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::ringing(office).await?;
    ravi.event("incoming").await?;
    // Whoever talks is not rung, so both calls have to come before Ravi takes one.
    tom.say(&format!("call {}", scene.address("ravi"))).await?;
    ravi.event("incoming").await?;
    ravi.say("answer 1").await?;
    scene.row("talking with Ravi", talking_with("ravi")).await?;
    ravi.say("answer 2").await?;
    tom.event("answered").await?;
    scene.hears("hold-music").await?;
    connects(&mut ravi).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    tom.hears(sounds(), "priya").await?;
    let record = scene.farewell().await?;
    tom.event("ended").await?;
    assert_eq!(record.agents.last().map(|agent| agent.id.as_str()), Some("tom"));
    let joined = scene.office.exchange.person("alex").await?.records().await?;
    assert!(joined.iter().any(|record| record.ended_because == Reason::Joined), "{joined:#?}");
    scene.golden("attended-two-incoming", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attended_between_an_incoming_call_and_one_to_a_colleague() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("call {}", scene.address("tom"))).await?;
    ravi.event("answered").await?;
    tom.hears(sounds(), "ravi").await?;
    connects(&mut ravi).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("attended-in-and-internal", vec![ravi, tom], vec![]).await
}

/// The colleague is connected while still being rung: Priya hears music until they answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attended_while_the_colleague_still_rings() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("call {}", scene.address("tom"))).await?;
    ravi.event("ringing").await?;
    tom.event("incoming").await?;
    ravi.say("refer-replaces 1 2 early").await?;
    scene.row("ringing Tom for Priya", |row| row.call.transfer.is_some()).await?;
    scene.hears("hold-music").await?;
    tom.say("answer").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    ravi.event("ended").await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("attended-early", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attended_between_an_incoming_and_an_outgoing_call() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (office, joao) = with_joao_outside(dir.path()).await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("call {}", scene.address(JOAO))).await?;
    ravi.event("answered").await?;
    joao.event("answered").await?;
    connects(&mut ravi).await?;
    let outside = |row: &protocol::LiveRow| matches!(&row.call.state, CallState::TalkingOutside { .. });
    scene.feed.row("two outside parties talking", |row| of(PRIYA)(row) && outside(row)).await?;
    scene.hears("joao").await?;
    joao.hears(sounds(), "priya").await?;
    scene.farewell().await?;
    joao.event("ended").await?;
    let lane = Lane::of(joao).await?;
    scene.golden("attended-in-and-out", vec![ravi], vec![lane]).await
}

/// An office whose trunk leads to João's phone, which answers by itself.
pub async fn with_joao_outside(dir: &std::path::Path) -> Result<(Office, Phone)> {
    let mut joao = PhoneSpec::new("joao").playing(voice("joao")).recording(dir).tracing(dir);
    joao.host = Some(flows::office::TRUNK.into());
    let joao = joao.with(&["--auto-answer=100"]).start(dir).await?;
    let at = joao.listen.to_string();
    let office = Office::open_with(|config| {
        config["trunk"].as_table_mut().unwrap().insert("dial".into(), at.into());
        config["policy"].as_table_mut().unwrap().insert("outside".into(), "everyone".into());
    });
    Ok((office.await?, joao))
}
