//! Holding, by whom and when it is awkward; and servers that answer REFER badly.

use std::net::Ipv4Addr;

use anyhow::Result;
use flows::golden::{Lane, compare};
use flows::phone::{Phone, PhoneSpec};
use flows::ports::free_port;
use flows::sipp::{Scenario, Sipp};
use flows::sound::voice;

use crate::scene::{Scene, answering, office, sounds, talking_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refer_right_after_hold() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("hold\ntransfer {}", scene.address("tom"))).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("refer-right-after-hold", vec![ravi, tom], vec![]).await
}

/// The same by a phone that does not wait for anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refer_right_behind_the_ack_of_hold() -> Result<()> {
    let office = office().await?;
    let hasty = Scenario { file: "refers-right-after-hold.xml", words: &[("target", "tom")] };
    let ravi = Sipp::device(&office, "ravi", hasty).await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    let lane = ravi.finished().await?;
    scene.golden("refer-behind-the-ack", vec![tom], vec![lane]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_while_held() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say("hold").await?;
    scene.row("held", |row| matches!(row.call.state, protocol::CallState::Held { .. })).await?;
    scene.hears("hold-music").await?;
    scene.go("tom").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    ravi.event("ended").await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("transfer-while-held", vec![ravi, tom], vec![]).await
}

/// Each hears music while the other holds, and the talk goes on once both have let go, whoever does so first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_tried_by_both_ends() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    let held = |line: &serde_json::Value| line["event"] == "held" && line["by"] == "us";
    ravi.say("hold").await?;
    scene.priya.say("hold").await?;
    ravi.program.next("its hold", held).await?;
    scene.priya.program.next("her hold", held).await?;
    scene.priya.say("resume").await?;
    scene.priya.event("resumed").await?;
    scene.hears("hold-music").await?;
    ravi.say("resume").await?;
    scene.row("talking again", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    ravi.hears(sounds(), "priya").await?;
    scene.farewell().await?;
    ravi.event("ended").await?;
    scene.golden("hold-by-both", vec![ravi], vec![]).await
}

/// Mina's phone with no exchange, called by a SIPp that plays a server with a mind of its own.
async fn called_by(scenario: Scenario<'_>) -> Result<(tempfile::TempDir, Phone, Sipp)> {
    let dir = tempfile::tempdir()?;
    let spec = PhoneSpec::new("mina").playing(voice("mina")).recording(dir.path()).tracing(dir.path());
    let mut mina = spec.with(&["--auto-answer"]).start(dir.path()).await?;
    let remote = mina.listen.to_string();
    let port = free_port(&[Ipv4Addr::LOCALHOST])?;
    let peer = Sipp::play(dir.path(), "peer", ("127.0.0.1", port), scenario, &remote).await?;
    mina.event("answered").await?;
    hears_mina(&mina).await?;
    mina.say("transfer sip:tom@127.0.0.1").await?;
    Ok((dir, mina, peer))
}

/// The caller sends back what they hear: what comes back to Mina has been heard there.
async fn hears_mina(mina: &Phone) -> Result<()> {
    mina.hears(sounds(), "mina").await.map(drop)
}

/// The caller hears Mina again, who then says goodbye.
async fn taken_back(name: &str, mut mina: Phone, peer: Sipp) -> Result<()> {
    mina.event("resumed").await?;
    hears_mina(&mina).await?;
    mina.say("hangup").await?;
    as_written(name, mina, peer).await
}

async fn as_written(name: &str, mina: Phone, peer: Sipp) -> Result<()> {
    peer.finished().await?;
    mina.event("ended").await?;
    compare(name, &[Lane { with: "peer", ..Lane::of(mina).await? }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refer_is_answered_4xx_so_the_caller_is_taken_back() -> Result<()> {
    let (_dir, mina, peer) =
        called_by(Scenario { file: "refuses-refer.xml", words: &[("code", "405"), ("glare", "")] }).await?;
    assert_eq!(mina.event("transfer_failed").await?["status"], 405);
    taken_back("foreign-refer-refused", mina, peer).await
}

/// The offer that takes the caller back is met with 491 first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn glare_491_as_the_caller_is_taken_back() -> Result<()> {
    let glare = std::fs::read_to_string(flows::sound::repository().join("tests/flows/sipp/meets-with-491.xml"))?;
    let scenario = Scenario { file: "refuses-refer.xml", words: &[("code", "405"), ("glare", &glare)] };
    let (_dir, mina, peer) = called_by(scenario).await?;
    mina.event("transfer_failed").await?;
    taken_back("glare-taking-back", mina, peer).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_final_notify_is_missing_so_the_caller_is_taken_back() -> Result<()> {
    let (_dir, mina, peer) = called_by(Scenario { file: "never-notifies.xml", words: &[] }).await?;
    mina.event("transfer_failed").await?;
    taken_back("foreign-final-notify-missing", mina, peer).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn glare_491_is_tried_again_and_the_transfer_goes_on() -> Result<()> {
    let (_dir, mina, peer) = called_by(Scenario { file: "glare.xml", words: &[] }).await?;
    as_written("glare", mina, peer).await
}
