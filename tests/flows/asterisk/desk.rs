//! What a desk is told beside its calls: queues, messages, colleagues' lines.

use anyhow::{Result, bail};
use desk::{DetailsView, LinkState, SipAccountSettings, View, Wish};
use flows::asterisk::{password, with_asterisk};
use flows::seat::Seat;
use protocol::{CallOutcome, JourneyEvent, JourneyStep, Reason};

use super::{answering, goodbye, hears, talk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_queue_rings_whoever_is_free() -> Result<()> {
    with_asterisk(async |office| {
        let mut mina = office.phone("203", "mina", &[]).await?;
        let mut ravi = answering(office, "201", "ravi").await?;
        mina.say("call 300").await?;
        let incoming = ravi.event("incoming").await?;
        assert_eq!(incoming["caller"]["number"], "203", "{incoming}");
        assert_eq!(incoming["caller"]["name"], "Mina Park", "{incoming}");
        assert_eq!(incoming["forwarded_from"]["number"], "300", "{incoming}");
        assert_eq!(incoming["forwarded_from"]["name"], "Support", "{incoming}");
        ravi.event("answered").await?;
        hears(&mina, "ravi").await?;
        goodbye(&mut ravi, &mina).await
    })
    .await
}

/// Unasked, as Asterisk does by itself once a phone is registered and with every message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_tells_of_messages() -> Result<()> {
    with_asterisk(async |office| {
        let ravi = office.phone("201", "ravi", &["--busy"]).await?;
        let mut mina = office.phone("203", "mina", &[]).await?;
        assert_eq!(ravi.program.said("messages").await?["waiting"], false);
        mina.say("call *201").await?;
        mina.event("answered").await?;
        // The greeting and the tone, then what she says.
        mina.hears_for(6_000).await?;
        mina.say("hangup").await?;
        let waiting = ravi.program.next("a message", |l| l["event"] == "messages" && l["waiting"] == true).await?;
        assert_eq!(waiting["new"], 1, "{waiting}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_shows_what_a_colleagues_line_does() -> Result<()> {
    with_asterisk(async |office| {
        let mut maya = office.phone("204", "lena", &[]).await?;
        let mut mina = office.phone("203", "mina", &[]).await?;
        let ravi = answering(office, "201", "ravi").await?;
        let state = |state: &'static str| move |l: &serde_json::Value| l["event"] == "watched" && l["state"] == state;
        maya.say("watch 201").await?;
        maya.program.next("idle", state("idle")).await?;
        talk(&mut mina, &ravi, "201").await?;
        maya.program.next("talking", state("talking")).await?;
        goodbye(&mut mina, &ravi).await?;
        maya.program.next("idle again", state("idle")).await.map(drop)
    })
    .await
}

/// Mina, who called, hands Ravi on to Tom: Ravi's desk says whom he talks with, and its log, who called and who came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_tells_a_desk_whom_the_caller_has_handed_it_to() -> Result<()> {
    for asks_first in [false, true] {
        with_asterisk(async |office| {
            let data = tempfile::tempdir()?;
            let ravi = Seat::take(data.path())?;
            let address = format!("201@{}", office.sip);
            ravi.desk.save_account(SipAccountSettings { address, ..SipAccountSettings::default() }, password("201"));
            ravi.until("registered", |view| view.accounts.list.iter().any(|a| a.state == LinkState::Up)).await?;
            let (mut mina, mut tom) = (office.phone("203", "mina", &[]).await?, answering(office, "202", "tom").await?);
            mina.say("call 201").await?;
            ravi.answers().await?;
            mina.event("answered").await?;
            if asks_first {
                talk(&mut mina, &tom, "202").await?;
                mina.say("refer-replaces 1 2").await?;
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
            let logged = ravi.until("the record", |view| !view.logs.rows.is_empty()).await?;
            let row = &logged.logs.rows[0];
            assert_eq!((row.outcome, row.caller.name.as_str()), (CallOutcome::Answered, "Mina Park"));
            ravi.desk.wish(Wish::OpenDetails { call: row.id.clone() });
            let is_open = |view: &View| matches!(view.details, Some(DetailsView::Ready { .. }));
            let opened = ravi.until("details", is_open).await?.details;
            let Some(DetailsView::Ready { record, .. }) = opened else { bail!("no details") };
            assert_eq!(record.ended_because, Reason::CallerGone, "{record:#?}");
            let with =
                |step: &JourneyStep| matches!(&step.what, JourneyEvent::Joined { with, .. } if with == "Tom Okafor");
            assert_eq!(record.journey.iter().filter(|step| with(step)).count(), 1, "{record:#?}");
            ravi.leave().await;
            Ok(())
        })
        .await?;
    }
    Ok(())
}
