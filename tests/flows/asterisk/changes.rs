//! What changes in the middle of a call, and a server that goes away.

use anyhow::Result;
use flows::asterisk::with_asterisk;

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

/// Connected line: by UPDATE, as Asterisk does unless told otherwise, the far end turns out to be somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_says_who_is_at_the_other_end_now() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        ravi.say("call 603").await?;
        ravi.event("answered").await?;
        let wanda = |line: &serde_json::Value| {
            line["event"] == "identity"
                && line["party"]["name"] == "Wanda Kowalska"
                && line["party"]["number"] == "+48601234567"
        };
        ravi.program.next("Wanda's name", wanda).await?;
        hears(&ravi, "wanda").await?;
        ravi.say("hangup").await?;
        ravi.event("ended").await.map(drop)
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
            ravi.event("ended").await?;
            ravi.event("registered").await?;
            let tom = answering(office, "202", "tom").await?;
            talk(&mut ravi, &tom, "202").await?;
            hears(&ravi, "tom").await?;
            super::goodbye(&mut ravi, &tom).await
        })
        .await?;
    }
    Ok(())
}
