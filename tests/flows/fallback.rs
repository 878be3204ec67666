use anyhow::Result;
use flows::exchange::Feed;
use flows::office::{Office, SUPPORT, of};
use flows::phone::Phone;
use flows::sound::{Heard, Library};
use protocol::{AuditOutcome, CallOutcome, CallState, LiveRow, Reason, Target, TransferStage};

use crate::scene::talking_with;

/// The sample office with this fallback, and a ring that a test can wait out.
async fn office(fallback: &[&str]) -> Result<Office> {
    Office::open_with(|config| {
        let policy = config.entry("policy").or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
        policy.insert("transfer_ring_seconds".into(), 5.into());
        policy.insert("fallback".into(), fallback.to_vec().into());
    })
    .await
}

/// Priya calls Support, Ravi answers, Maya transfers her to `target`.
async fn transferred(office: &Office, ravi: &Phone, priya: &mut Phone, target: &str) -> Result<(Feed, LiveRow)> {
    let maya = office.exchange.person("maya").await?;
    let mut feed = maya.feed().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let row = feed.row("Priya talking", |row| of("+919812345678")(row) && talking_with("ravi")(row)).await?;
    let accepted = maya.transfer(&row.call.id, Target::User(target.into()), "").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    Ok((feed, row))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_so_the_caller_comes_back_to_the_former_agent() -> Result<()> {
    let sounds = Library::office()?;
    let office = office(&["recall former agent 20 s", "voicemail"]).await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let tom = office.colleague("tom", &[]).await?;
    let mut priya = office.priya().await?;
    let (mut feed, row) = transferred(&office, &ravi, &mut priya, "tom").await?;
    tom.event("incoming").await?;
    ravi.event("ended").await?;

    let missed = tom.event("ended").await?;
    assert_eq!(missed["answered_elsewhere"], false);
    let recall = ravi.event("incoming").await?;
    assert_eq!(recall["kind"], "recall");
    assert_eq!(recall["back_from"]["name"], "Tom Okafor");
    ravi.event("answered").await?;
    let row = feed.row("back with Ravi", |r| r.call.id == row.call.id && talking_with("ravi")(r)).await?;
    assert_eq!(row.call.bounces.len(), 1);
    assert_eq!(row.call.bounces[0].reason, Reason::NoAnswer);
    priya.hears(&sounds, "ravi").await?;
    priya.say("hangup").await?;
    let record = feed.record(&row.call.id).await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("maya".into(), AuditOutcome::Accepted), ("maya".into(), AuditOutcome::FellBack)]);
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_declines_so_the_next_free_agent_gets_the_call() -> Result<()> {
    let sounds = Library::office()?;
    let office = office(&["next agent 30 s", "voicemail"]).await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let tom = office.colleague("tom", &["--decline=100"]).await?;
    let mut priya = office.priya().await?;
    let maya = office.exchange.person("maya").await?;
    let mut feed = maya.feed().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let mina = office.colleague("mina", &["--auto-answer=100"]).await?;
    let row = feed.row("Priya talking", |row| of("+919812345678")(row) && talking_with("ravi")(row)).await?;
    let accepted = maya.transfer(&row.call.id, Target::User("tom".into()), "").await?;
    assert!(accepted.is_ok(), "{accepted:?}");

    tom.event("incoming").await?;
    let stage = feed.row("next agent", |row| {
        let stage = row.call.transfer.as_ref().map(|transfer| &transfer.stage);
        matches!(stage, Some(TransferStage::NextAgent { because: Reason::Declined, .. }))
    });
    stage.await?;
    // Ravi is a free member too, so whichever of the two answers first has the call.
    feed.row("an agent of Support", |r| matches!(r.call.state, CallState::Talking { .. })).await?;
    let heard = sounds.recognise(&priya.hears_for(6_000).await?).what;
    assert!(matches!(heard.as_deref(), Some("mina" | "ravi")), "{heard:?}");
    drop(mina);
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_at_all_so_the_caller_leaves_a_message_that_can_be_heard() -> Result<()> {
    let sounds = Library::office()?;
    let office = office(&["voicemail"]).await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let tom = office.colleague("tom", &["--busy"]).await?;
    let mut priya = office.priya().await?;
    let (mut feed, row) = transferred(&office, &ravi, &mut priya, "tom").await?;
    tom.event("incoming").await?;
    feed.row("in voicemail", |row| matches!(row.call.state, CallState::Voicemail { .. })).await?;
    priya.hears(&sounds, "greeting").await?;

    // Past greeting and beep, Priya's sentence is on the line; give her time to say it, by her own recording's clock.
    priya.hears_for(14_000).await?;
    priya.say("hangup").await?;
    let record = feed.record(&row.call.id).await?;
    assert_eq!(record.outcome, CallOutcome::Voicemail);
    let message = record.voicemail.expect("a message was left");
    assert!(message.duration_ms > 3_000, "{message:?}");
    let wav = office.exchange.voicemail(&row.call.id)?;
    let heard = sounds.recognise(&Heard::read(&wav, 0)?.samples);
    assert_eq!(heard.what.as_deref(), Some("priya"), "{heard:?}");
    office.exchange.stop().await
}
