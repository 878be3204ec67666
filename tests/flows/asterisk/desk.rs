//! What a desk is told beside its calls: queues, messages, colleagues' lines.

use anyhow::Result;
use flows::asterisk::with_asterisk;

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
