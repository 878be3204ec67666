use anyhow::Result;
use flows::office::{Office, SUPPORT, of};
use flows::sound::Library;
use protocol::{AuditOutcome, JourneyEvent, Target};

use crate::scene::{PRIYA, talking_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watching_manager_moves_a_call_and_everybody_hears_it() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let ravi = office.colleague("ravi", &["--auto-answer=200"]).await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut priya = office.priya().await?;
    let maya = office.exchange.person("maya").await?;
    let mut feed = maya.feed().await?;

    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    let row = feed.row("Priya talking with Ravi", |row| of(PRIYA)(row) && talking_with("ravi")(row)).await?;
    priya.hears(&sounds, "ravi").await?;
    ravi.hears(&sounds, "priya").await?;

    let accepted = maya.transfer(&row.call.id, Target::User("tom".into()), "wants a quote").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    let incoming = tom.event("incoming").await?;
    assert_eq!(incoming["kind"], "transfer");
    assert_eq!(incoming["caller"]["number"], PRIYA);
    assert_eq!(incoming["caller"]["name"], "Priya Nair");
    assert_eq!(incoming["transferred_by"]["name"], "Maya Lindqvist");
    assert_eq!(incoming["note"], "wants a quote");
    assert_eq!(incoming["call_id"], row.call.id.as_str());
    let ringing = feed.row("ringing Tom", |row| row.call.transfer.is_some()).await?;
    assert_eq!(ringing.call.transfer.unwrap().target.name(), "Tom Okafor");
    priya.hears(&sounds, "hold-music").await?;
    ravi.event("ended").await?;

    tom.say("answer").await?;
    tom.event("answered").await?;
    feed.row("Priya talking with Tom", talking_with("tom")).await?;
    priya.hears(&sounds, "tom").await?;
    tom.hears(&sounds, "priya").await?;

    priya.say("hangup").await?;
    tom.event("ended").await?;
    let record = feed.record(&row.call.id).await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("maya".into(), AuditOutcome::Accepted), ("maya".into(), AuditOutcome::Completed)]);
    let agents: Vec<_> = record.agents.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(agents, ["ravi", "tom"]);
    assert!(record.journey.iter().any(|step| matches!(&step.what,
        JourneyEvent::TransferStarted { note: Some(note), .. } if note == "wants a quote")));
    assert!(maya.live().await?.is_empty());
    let verify = office.exchange.run(&["audit", "verify"]).await?;
    assert!(verify.status.success(), "{verify:?}");
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_transfers_from_the_phone_itself_by_refer() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let mut ravi = office.colleague("ravi", &["--auto-answer=100", "--codec", "opus"]).await?;
    let tom = office.colleague("tom", &["--auto-answer=500", "--codec", "pcmu"]).await?;
    let mut priya = office.priya().await?;

    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("transfer sip:tom@{}", office.exchange.sip)).await?;
    let incoming = tom.event("incoming").await?;
    assert_eq!(incoming["kind"], "transfer");
    assert_eq!(incoming["transferred_by"]["name"], "Ravi Kumar");
    ravi.event("ended").await?;
    tom.event("answered").await?;
    priya.hears(&sounds, "tom").await?;
    tom.hears(&sounds, "priya").await?;
    priya.say("hangup").await?;
    tom.event("ended").await?;
    office.exchange.stop().await
}
