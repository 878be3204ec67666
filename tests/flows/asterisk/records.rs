//! What a desk has written down of a plain account's calls once they are over: who, and what became of them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use desk::{DetailsView, LinkState, PhoneCallState, RingKind, SipAccountSettings, View, Wish};
use flows::asterisk::{Asterisk, password, with_asterisk};
use flows::phone::Phone;
use flows::seat::Seat;
use protocol::{CallId, CallOutcome, CallRecord, CallState, JourneyEvent, JourneyStep, Reason, Target, TransferKind};

use super::{answering, talk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_transfers_are_written_down_as_they_went() -> Result<()> {
    with_asterisk(async |office| {
        let data = tempfile::tempdir()?;
        let ravi = plain_desk(data.path(), office, "201").await?;
        let (mut mina, mut tom) = (office.phone("203", "mina", &[]).await?, answering(office, "202", "tom").await?);
        let _lena = office.phone("204", "lena", &["--busy"]).await?;
        handed_over(&ravi, &mut mina, &mut tom).await?;
        handed_over_after_asking(&ravi, &mut mina, &mut tom).await?;
        refused(&ravi, &mut mina).await?;
        came_back(&ravi, &mut mina).await?;
        sent_on(&ravi, &tom).await?;
        by_way_of_support(&ravi, &mut mina).await?;
        for asks_first in [false, true] {
            caller_hands_on(&ravi, &mut mina, &mut tom, asks_first).await?;
        }
        ravi.leave().await;
        Ok(())
    })
    .await
}

async fn handed_over(ravi: &Seat, mina: &mut Phone, tom: &mut Phone) -> Result<()> {
    let call = calls(mina, ravi).await?;
    transfer(ravi, &call, TransferKind::Blind, "202").await?;
    tom.event("answered").await?;
    let record = record(ravi, &call).await?;
    assert_eq!(went(&record), ["201 sends to 202", "with 202"]);
    assert_eq!(record.ended_because, Reason::Joined);
    tom.say("hangup").await?;
    mina.event("ended").await.map(drop)
}

async fn handed_over_after_asking(ravi: &Seat, mina: &mut Phone, tom: &mut Phone) -> Result<()> {
    let call = calls(mina, ravi).await?;
    transfer(ravi, &call, TransferKind::Consult, "202").await?;
    tom.event("answered").await?;
    let asks = |view: &View| view.phone.calls.iter().find_map(|call| Some(call.consult.clone()?.transfer));
    let talks = |view: &View| view.phone.calls.iter().filter(|call| call.state == PhoneCallState::Talking).count() == 2;
    let asked = ravi.until("asking Tom", |view| asks(view).is_some() && talks(view)).await?;
    ravi.desk.wish(Wish::CompleteTransfer { transfer: asks(&asked).context("no consultation")? });
    let record = record(ravi, &call).await?;
    assert_eq!(went(&record), ["201 sends to 202", "asked 202", "with 202"]);
    assert_eq!(record.ended_because, Reason::Joined);
    assert_eq!(ravi.desk.view().logs.rows.len(), 2, "the call with Tom is part of that");
    tom.say("hangup").await?;
    mina.event("ended").await.map(drop)
}

async fn refused(ravi: &Seat, mina: &mut Phone) -> Result<()> {
    let call = calls(mina, ravi).await?;
    transfer(ravi, &call, TransferKind::Blind, "777").await?;
    said(ravi, "777: not reachable. Mina Park is back with you.").await?;
    ravi.until("Mina back", |view| view.phone.calls.iter().all(|call| !call.held)).await?;
    mina.say("hangup").await?;
    mina.event("ended").await?;
    let record = record(ravi, &call).await?;
    assert_eq!(went(&record), ["201 sends to 777", "777: not reachable", "taken back", "the caller hung up"]);
    Ok(())
}

/// Asterisk says of the call that went away that it succeeded: it is Ravi who has answered.
async fn came_back(ravi: &Seat, mina: &mut Phone) -> Result<()> {
    let call = calls(mina, ravi).await?;
    transfer(ravi, &call, TransferKind::Blind, "204").await?;
    let ring = ravi.until("the recall", |view| !view.rings.is_empty()).await?.rings.remove(0);
    assert_eq!((ring.kind, ring.headline.as_str()), (RingKind::Recall, "Back from 204: busy"));
    ravi.answers().await?;
    let before = record(ravi, &call).await?;
    assert_eq!(went(&before), ["201 sends to 204", "204: busy"]);
    assert_eq!(before.ended_because, Reason::Joined);
    mina.say("hangup").await?;
    mina.event("ended").await?;
    let again = record(ravi, &ring.call.context("no id")?).await?;
    assert_eq!(went(&again), ["204: busy", "back to 201", "the caller hung up"]);
    let notices = ravi.desk.view().notices;
    assert!(notices.iter().all(|notice| !notice.sentence.contains("204 has the call")), "{notices:?}");
    Ok(())
}

/// Ravi calls a number whose dialplan refers him to the address of Tom's phone, which says no name.
async fn sent_on(ravi: &Seat, tom: &Phone) -> Result<()> {
    ravi.desk.wish(Wish::Dial { number: "604".into() });
    let call = ravi.until("the call", |view| view.live.calls.len() == 1).await?.live.calls[0].call.id.clone();
    said(ravi, "604 has handed you over to 202.").await?;
    let alone = |view: &View| view.phone.calls.len() == 1 && view.phone.calls[0].with.number == "202";
    let view = ravi.until("Tom alone", alone).await?;
    assert_eq!(view.live.calls[0].call.id, call);
    ravi.desk.wish(Wish::HangUp { id: view.phone.calls[0].id });
    tom.event("ended").await?;
    let record = record(ravi, &call).await?;
    assert_eq!(went(&record), ["604 sends to 202", "joined with 202", "the colleague hung up"]);
    assert_eq!((record.dialled.as_str(), ravi.desk.view().logs.rows.len()), ("604", 6));
    Ok(())
}

async fn by_way_of_support(ravi: &Seat, mina: &mut Phone) -> Result<()> {
    mina.say("call 300").await?;
    let ring = ravi.until("Support's ring", |view| !view.rings.is_empty()).await?.rings.remove(0);
    assert_eq!(ring.headline, "Forwarded from Support");
    ravi.answers().await?;
    mina.say("hangup").await?;
    mina.event("ended").await?;
    let record = record(ravi, &ring.call.context("no id")?).await?;
    assert_eq!(went(&record), ["forwarded from Support", "the caller hung up"]);
    assert_eq!(record.caller.name, "Mina Park");
    Ok(())
}

/// Mina sends Ravi, whom she called, to Tom: at once, or after she has asked him.
async fn caller_hands_on(ravi: &Seat, mina: &mut Phone, tom: &mut Phone, asks_first: bool) -> Result<()> {
    let call = calls(mina, ravi).await?;
    if asks_first {
        talk(mina, tom, "202").await?;
        let calling = mina.program.all().into_iter().filter(|line| line["event"] == "calling").count();
        mina.say(&format!("refer-replaces {} {calling}", calling - 1)).await?;
    } else {
        mina.say("transfer 202").await?;
    }
    mina.event("ended").await?;
    let tom_is_there = |view: &View| {
        view.phone.calls.iter().any(|call| call.with.name == "Tom Okafor")
            && view.live.calls.iter().any(|row| row.call.caller.name == "Tom Okafor")
    };
    ravi.until("Tom at the other end", tom_is_there).await?;
    tom.say("hangup").await?;
    let record = record(ravi, &call).await?;
    assert_eq!((record.outcome, record.caller.name.as_str()), (CallOutcome::Answered, "Mina Park"));
    assert_eq!(went(&record), ["joined with Tom Okafor", "the caller hung up"]);
    Ok(())
}

/// What became of a call after it was answered, or before if others had it first, in words.
fn went(record: &CallRecord) -> Vec<String> {
    let words = |step: &JourneyStep| match &step.what {
        JourneyEvent::TransferStarted { by, to, .. } => Some(format!("{} sends to {}", by.name, to.name())),
        JourneyEvent::TransferBounced { target, reason, .. } => Some(format!("{}: {}", target.name(), reason.phrase())),
        JourneyEvent::TransferDoneOutside { number, .. } => Some(format!("with {number}")),
        JourneyEvent::Consulted { with, .. } => Some(format!("asked {}", with.name())),
        JourneyEvent::Recalled { user, .. } => Some(format!("back to {}", user.name)),
        JourneyEvent::Resumed { .. } => Some("taken back".into()),
        JourneyEvent::Joined { with, .. } => Some(format!("joined with {with}")),
        JourneyEvent::Forwarded { from, because: None } => Some(format!("forwarded from {from}")),
        JourneyEvent::Ended { because } => Some(because.phrase().into()),
        JourneyEvent::Arrived { .. } | JourneyEvent::Rang { .. } | JourneyEvent::Answered { .. } => None,
        other => Some(format!("{other:?}")),
    };
    record.journey.iter().filter_map(words).collect()
}

async fn said(ravi: &Seat, sentence: &str) -> Result<()> {
    ravi.until(sentence, |view| view.notices.iter().any(|notice| notice.sentence == sentence)).await.map(drop)
}

/// Mina calls Ravi, who answers.
async fn calls(mina: &mut Phone, ravi: &Seat) -> Result<CallId> {
    mina.say("call 201").await?;
    ravi.answers().await?;
    mina.event("answered").await?;
    let talks =
        |view: &View| matches!(&view.live.calls[..], [row] if matches!(row.call.state, CallState::Talking { .. }));
    let view = ravi.until("the call", talks).await?;
    Ok(view.live.calls[0].call.id.clone())
}

async fn transfer(ravi: &Seat, call: &CallId, transfer: TransferKind, to: &str) -> Result<()> {
    let view = ravi.desk.view();
    let revision = view.live.calls.iter().find(|row| row.call.id == *call).context("no row")?.call.revision;
    ravi.desk.wish(Wish::Transfer {
        call: call.clone(),
        revision,
        target: Target::Outside(to.into()),
        transfer,
        note: None,
    });
    Ok(())
}

/// Once it is over.
async fn record(ravi: &Seat, call: &CallId) -> Result<CallRecord> {
    ravi.until("the record", |view| view.logs.rows.iter().any(|row| row.id == *call)).await?;
    ravi.desk.wish(Wish::OpenDetails { call: call.clone() });
    let is_open = |view: &View| matches!(&view.details, Some(DetailsView::Ready { record, .. }) if record.id == *call);
    let opened = ravi.until("details", is_open).await?.details;
    let Some(DetailsView::Ready { record, .. }) = opened else { bail!("no details") };
    Ok(*record)
}

/// A desk that is signed in with nothing but the address and the password of this number.
async fn plain_desk(data: &Path, office: &Asterisk, number: &str) -> Result<Seat> {
    let seat = Seat::take(data)?;
    let address = format!("{number}@{}", office.sip);
    seat.desk.save_account(SipAccountSettings { address, ..SipAccountSettings::default() }, password(number));
    seat.until("registered", |view| view.accounts.list.iter().any(|a| a.state == LinkState::Up)).await?;
    Ok(seat)
}
