//! The exchange is killed in the middle of a transfer and started again: nothing haunts anybody, nothing is untold, and the next call
//! works.

use anyhow::Result;
use flows::exchange::{Exchange, Feed};
use flows::office::{Office, SUPPORT, of};
use flows::seat::Seat;
use protocol::{
    AuditAction, AuditOutcome, CallId, CallRecord, FeedMessage, JourneyEvent, Reason, Target, TransferKind,
    TransferStage,
};

use crate::scene::{PRIYA, office_with, talking_with};

/// A transfer of Priya's call from Ravi, who sits at a desk, up to the moment of the kill.
struct Transfer {
    kind: TransferKind,
    /// How Tom's phone answers; without, he has none.
    tom: Option<&'static str>,
    fallback: &'static [&'static str],
    /// Kill as soon as Go is accepted, or once this is reached.
    until: Until,
    /// What became of it is on record before the kill.
    settled: bool,
}

type Until = Option<fn(&TransferStage) -> bool>;

async fn killed(transfer: Transfer) -> Result<()> {
    let fallback = transfer.fallback.to_vec();
    let mut office = office_with(|policy| {
        policy.insert("unavailable".into(), "follow".into());
        policy.insert("fallback".into(), fallback.into());
    })
    .await?;
    let data = tempfile::tempdir()?;
    let ravi = Seat::take(data.path())?;
    ravi.sign_in(&office.exchange.api, "ravi", office.exchange.password("ravi")?).await?;
    ravi.registered().await?;
    let _tom = match transfer.tom {
        Some(manner) => Some(office.colleague("tom", &[manner]).await?),
        None => None,
    };
    let call = reached(&office, &ravi, &transfer).await?;

    office.exchange.kill().await?;
    office.exchange.restart().await?;
    nothing_haunts(&office.exchange, &ravi).await?;
    told(&office.exchange, &call, transfer.settled).await?;
    next_call_works(&office, &ravi).await?;
    ravi.leave().await;
    office.exchange.stop().await
}

/// Priya calls, Ravi answers and presses Go; then to the stage.
async fn reached(office: &Office, ravi: &Seat, transfer: &Transfer) -> Result<CallId> {
    let person = office.exchange.person("ravi").await?;
    let mut feed = person.feed().await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.answers().await?;
    let call = feed.row("Priya talking", |row| of(PRIYA)(row) && talking_with("ravi")(row)).await?.call.id;
    let go = person.transfer_as(transfer.kind, &call, Target::User("tom".into()), "urgent").await?;
    assert!(go.is_ok(), "{go:?}");
    if let Some(reached) = transfer.until {
        feed.row("the stage", |row| row.call.transfer.as_ref().is_some_and(|t| reached(&t.stage))).await?;
    }
    Ok(call)
}

/// No row of the dead call at anybody's, and Ravi's device is back by itself.
async fn nothing_haunts(exchange: &Exchange, ravi: &Seat) -> Result<()> {
    let mut feed: Feed = exchange.person("alex").await?.feed().await?;
    let FeedMessage::Snapshot(snapshot) = feed.message().await? else { panic!("a feed begins with a snapshot") };
    assert!(snapshot.live.is_empty(), "{:?}", snapshot.live);
    ravi.until("the link and the device back, and no call left", |view| {
        let up = view.link.control == desk::LinkState::Up && view.link.registration == desk::LinkState::Up;
        up && view.live.calls.is_empty() && view.phone.calls.is_empty() && view.rings.is_empty()
    })
    .await
    .map(drop)
}

/// The call has a record that says how it ended and what became of the transfer, and the audit trail is whole.
async fn told(exchange: &Exchange, call: &CallId, settled: bool) -> Result<()> {
    let records = exchange.person("alex").await?.records().await?;
    let of_call: Vec<&CallRecord> = records.iter().filter(|record| &record.id == call).collect();
    let [record] = of_call.as_slice() else { panic!("one record, not {of_call:#?}") };
    assert_eq!(record.ended_because, Reason::ExchangeFailed, "{record:#?}");
    assert!(record.journey.iter().any(|step| matches!(step.what, JourneyEvent::TransferStarted { .. })), "{record:#?}");
    let recovered = |entry: &&protocol::AuditEntry| entry.action == AuditAction::Recover;
    let recovered: Vec<_> = record.audit.iter().filter(recovered).map(|entry| entry.outcome).collect();
    let expected: &[AuditOutcome] = if settled { &[] } else { &[AuditOutcome::FellBack] };
    assert_eq!(recovered, expected, "{:#?}", record.audit);
    let verified = exchange.run(&["audit", "verify"]).await?;
    assert!(verified.status.success(), "{verified:?}");
    Ok(())
}

async fn next_call_works(office: &Office, ravi: &Seat) -> Result<()> {
    let mut feed = office.exchange.person("alex").await?.feed().await?;
    let mut joao = office.joao().await?;
    joao.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.answers().await?;
    let row = feed.row("João talking with Ravi", talking_with("ravi")).await?;
    joao.say("hangup").await?;
    let record = feed.record(&row.call.id).await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    ravi.until("no call left", |view| view.live.calls.is_empty() && view.phone.calls.is_empty()).await?;
    Ok(())
}

/// Tom's phone rings and rings.
const GO: Transfer =
    Transfer { kind: TransferKind::Blind, tom: Some("--codec=pcmu"), fallback: &[], until: None, settled: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_the_caller_is_put_on_hold() -> Result<()> {
    killed(GO).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_target_rings() -> Result<()> {
    killed(Transfer { until: Some(|stage| matches!(stage, TransferStage::Ringing { .. })), ..GO }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_call_comes_back() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::Recalling { .. }));
    killed(Transfer { tom: Some("--busy"), fallback: &["recall former agent 60 s"], until, ..GO }).await
}

/// Ravi himself is the next free agent of Support.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_next_agents_ring() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::NextAgent { .. }));
    killed(Transfer { tom: Some("--busy"), fallback: &["next agent 60 s"], until, ..GO }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_caller_waits_in_line() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::Queued { .. }));
    killed(Transfer { tom: Some("--busy"), fallback: &["queue of billing 60 s"], until, ..GO }).await
}

/// A transfer to a mailbox is done as soon as the mailbox has the caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_caller_leaves_a_message() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::Voicemail { .. }));
    killed(Transfer { kind: TransferKind::Voicemail, tom: None, until, settled: true, ..GO }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_consultation_rings() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::ConsultRinging { .. }));
    killed(Transfer { kind: TransferKind::Consult, until, ..GO }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_a_consultation() -> Result<()> {
    let until: Until = Some(|stage| matches!(stage, TransferStage::Consulting { .. }));
    killed(Transfer { kind: TransferKind::Consult, tom: Some("--auto-answer"), until, ..GO }).await
}
