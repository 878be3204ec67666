//! What changes in the middle of a call, and a server that goes away.

use anyhow::{Context, Result, ensure};
use flows::asterisk::with_asterisk;
use flows::phone::Phone;

use super::{answering, hears, talk};

/// Opus at first; then Asterisk wants G.711, by re-INVITE, or G.722, by UPDATE. Its sentence goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_changes_the_codec_in_mid_call() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        let mut tom = office.phone("202", "tom", &[]).await?;
        for (phone, number, codec) in [(&mut ravi, "601", "pcmu"), (&mut tom, "602", "g722")] {
            phone.say(&format!("call {number}")).await?;
            assert_eq!(phone.event("answered").await?["codec"], "opus");
            assert_eq!(phone.event("codec_changed").await?["codec"], codec);
        }
        tokio::try_join!(hears(&ravi, "wanda"), hears(&tom, "wanda"))?;
        for phone in [&mut ravi, &mut tom] {
            phone.say("hangup").await?;
            phone.event("ended").await?;
        }
        Ok(())
    })
    .await
}

/// Connected line: the far end turns out to be somebody else. Asterisk says so by UPDATE to whoever allows that, and in the
/// re-INVITE that changes the codec too, where one follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_says_who_is_at_the_other_end_now() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        for (number, method) in [("603", "UPDATE "), ("605", "INVITE ")] {
            ravi.say(&format!("call {number}")).await?;
            ravi.event("answered").await?;
            let wanda = |line: &serde_json::Value| {
                line["event"] == "identity"
                    && line["party"]["name"] == "Wanda Kowalska"
                    && line["party"]["number"] == "+48601234567"
            };
            if method == "INVITE " {
                assert_eq!(ravi.event("codec_changed").await?["codec"], "pcmu");
            }
            ravi.program.next("Wanda's name", wanda).await?;
            let told = received(&ravi)?.into_iter().rfind(|m| m.contains("Wanda Kowalska"));
            ensure!(told.as_deref().is_some_and(|m| m.starts_with(method)), "{number}: {told:?}");
            hears(&ravi, "wanda").await?;
            ravi.say("hangup").await?;
            ravi.event("ended").await?;
        }
        Ok(())
    })
    .await
}

/// What came in, message by message.
fn received(phone: &Phone) -> Result<Vec<String>> {
    let file = phone.trace.as_deref().context("no trace")?;
    let lines = std::fs::read_to_string(file)?;
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(messages.filter(|m| m["dir"] == "in").filter_map(|m| Some(m["text"].as_str()?.to_owned())).collect())
}

/// Session timers (RFC 4028) and reliable provisional answers (RFC 3262) where Asterisk insists on both, both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_insists_on_session_timers_and_reliable_answers() -> Result<()> {
    with_asterisk(async |office| {
        let mut omar = office.phone("205", "ravi", &["--auto-answer=300"]).await?;
        let mut tom = office.phone("202", "tom", &["--auto-answer=300"]).await?;
        talk(&mut tom, &omar, "205").await?;
        hears(&omar, "tom").await?;
        super::goodbye(&mut tom, &omar).await?;
        talk(&mut omar, &tom, "202").await?;
        hears(&omar, "tom").await?;
        super::goodbye(&mut omar, &tom).await?;
        let came = received(&omar)?;
        let has = |start: &str, header: &str| came.iter().any(|m| m.starts_with(start) && m.contains(header));
        assert!(has("INVITE ", "100rel") && has("SIP/2.0 200", "PRACK"), "our 180 was acknowledged: {came:#?}");
        assert!(has("INVITE ", "Session-Expires: 90") && has("SIP/2.0 200", "Session-Expires: "), "{came:#?}");
        Ok(())
    })
    .await
}

/// Once two phones talk Asterisk has them send their sound straight to each other, and takes it back for a hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_steps_out_of_the_way_of_the_sound() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("209", "ravi", &[]).await?;
        let tom = answering(office, "202", "tom").await?;
        talk(&mut ravi, &tom, "202").await?;
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        ravi.say("hold").await?;
        hears(&tom, "hold-music").await?;
        ravi.say("resume").await?;
        ravi.event("resumed").await?;
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        super::goodbye(&mut ravi, &tom).await
    })
    .await
}

/// It dies under a call and comes back with no memory: the call ends here, and the phone is registered again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_starts_anew_under_a_call() -> Result<()> {
    for transport in ["udp", "tcp"] {
        with_asterisk(async |office| {
            let mut ravi = office.phone("201", "ravi", &["--transport", transport, "--patience", "300"]).await?;
            ravi.say("call 600").await?;
            ravi.event("answered").await?;
            office.kill().await?;
            office.start_again(true).await?;
            // The end is told once the sound has been put away: the registration may be the first to be heard of.
            ravi.event("ended").await?;
            ravi.program.said_times("registered", 2).await?;
            let tom = answering(office, "202", "tom").await?;
            talk(&mut ravi, &tom, "202").await?;
            hears(&ravi, "tom").await?;
            super::goodbye(&mut ravi, &tom).await
        })
        .await?;
    }
    Ok(())
}
