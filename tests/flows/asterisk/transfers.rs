//! Transfers by REFER, with our phone in each of the three roles.

use anyhow::{Result, ensure};
use flows::asterisk::{Asterisk, with_asterisk};
use flows::phone::Phone;

use super::{answering, goodbye, hears, talk};

/// Mina, a caller, talks with Ravi.
async fn mina_with_ravi(office: &Asterisk) -> Result<(Phone, Phone)> {
    let mut mina = office.phone("203", "mina", &[]).await?;
    let ravi = office.phone("201", "ravi", &["--auto-answer=100"]).await?;
    talk(&mut mina, &ravi, "201").await?;
    Ok((mina, ravi))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_blind_transfer() -> Result<()> {
    with_asterisk(async |office| {
        let (mina, mut ravi) = mina_with_ravi(office).await?;
        let mut tom = answering(office, "202", "tom").await?;
        ravi.say("transfer 202").await?;
        let incoming = tom.event("incoming").await?;
        assert_eq!(incoming["caller"]["number"], "203");
        assert_eq!(incoming["transferred_by"]["number"], "201");
        assert_eq!(incoming["kind"], "transfer");
        let done = |line: &serde_json::Value| line["event"] == "transfer_progress" && line["status"] == 200;
        ravi.program.next("the word that Tom answered", done).await?;
        ravi.event("ended").await?;
        tokio::try_join!(hears(&mina, "tom"), hears(&tom, "mina"))?;
        goodbye(&mut tom, &mina).await
    })
    .await
}

/// Its dialplan brings the caller back to whoever transferred, with the reason on the ring card.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_recalls_when_the_target_is_busy_or_does_not_answer() -> Result<()> {
    for (how, because) in [("--busy", "busy"), ("--patience=10000", "no_answer")] {
        with_asterisk(async |office| {
            let (mina, mut ravi) = mina_with_ravi(office).await?;
            let tom = office.phone("202", "tom", &[how]).await?;
            ravi.say("transfer 202").await?;
            tom.event("incoming").await?;
            let back = ravi.event("incoming").await?;
            assert_eq!(back["kind"], "recall", "{back}");
            assert_eq!(back["caller"]["number"], "203", "{back}");
            assert_eq!(back["back_from"]["number"], "202", "{back}");
            assert_eq!(back["back_because"], because, "{back}");
            ravi.program.next("an answered recall", |l| l["event"] == "answered" && l["call"] == back["call"]).await?;
            tokio::try_join!(hears(&mina, "ravi"), hears(&ravi, "mina"))?;
            ravi.say("hangup").await?;
            mina.event("ended").await.map(drop)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_refuses_a_transfer_to_nobody_so_the_caller_is_taken_back() -> Result<()> {
    with_asterisk(async |office| {
        let (mina, mut ravi) = mina_with_ravi(office).await?;
        ravi.say("transfer 777").await?;
        assert_eq!(ravi.event("transfer_failed").await?["status"], 404);
        ravi.event("resumed").await?;
        tokio::try_join!(hears(&mina, "ravi"), hears(&ravi, "mina"))?;
        goodbye(&mut ravi, &mina).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_attended_transfer() -> Result<()> {
    with_asterisk(async |office| {
        let (mina, mut ravi) = mina_with_ravi(office).await?;
        let mut tom = answering(office, "202", "tom").await?;
        talk(&mut ravi, &tom, "202").await?;
        hears(&mina, "hold-music").await?;
        hears(&tom, "ravi").await?;
        ravi.say("refer-replaces 1 2").await?;
        tokio::try_join!(hears(&mina, "tom"), hears(&tom, "mina"))?;
        ravi.event("ended").await?;
        ravi.event("ended").await?;
        let failed = ravi.program.all().into_iter().find(|line| line["event"] == "transfer_failed");
        ensure!(failed.is_none(), "{}", ravi.program.transcript());
        goodbye(&mut tom, &mina).await
    })
    .await
}

/// While the colleague's phone still rings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_attended_transfer_before_the_answer() -> Result<()> {
    with_asterisk(async |office| {
        let (mina, mut ravi) = mina_with_ravi(office).await?;
        let mut tom = office.phone("202", "tom", &[]).await?;
        ravi.say("call 202").await?;
        tom.event("incoming").await?;
        ravi.event("ringing").await?;
        ravi.say("refer-replaces 1 2").await?;
        ravi.event("ended").await?;
        ravi.event("ended").await?;
        tom.say("answer").await?;
        tom.event("answered").await?;
        tokio::try_join!(hears(&mina, "tom"), hears(&tom, "mina"))?;
        goodbye(&mut tom, &mina).await
    })
    .await
}

/// Asterisk itself refers our phone to somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_moves_us_and_we_follow() -> Result<()> {
    with_asterisk(async |office| {
        let mut mina = office.phone("203", "mina", &[]).await?;
        let mut tom = answering(office, "202", "tom").await?;
        mina.say("call 604").await?;
        mina.event("answered").await?;
        assert_eq!(mina.event("following").await?["to"]["number"], "202");
        tom.event("answered").await?;
        tokio::try_join!(hears(&mina, "tom"), hears(&tom, "mina"))?;
        goodbye(&mut tom, &mina).await
    })
    .await
}

/// Mina is handed on twice: blind to Tom, who asks Lena first. All of them, and Asterisk, speak IPv6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_transfers_over_ipv6() -> Result<()> {
    with_asterisk(async |office| {
        let v6 = (std::net::Ipv6Addr::LOCALHOST, office.sip.port()).into();
        let answering = ["--auto-answer=100"];
        let mut mina = office.phone_at(v6, "203", "mina", &[]).await?;
        let mut ravi = office.phone_at(v6, "201", "ravi", &answering).await?;
        let mut tom = office.phone_at(v6, "202", "tom", &[&answering[..], &["--transport", "tcp"]].concat()).await?;
        let mut lena = office.phone_at(v6, "204", "lena", &answering).await?;
        talk(&mut mina, &ravi, "201").await?;
        ravi.say("transfer 202").await?;
        tom.event("answered").await?;
        ravi.event("ended").await?;
        tokio::try_join!(hears(&mina, "tom"), hears(&tom, "mina"))?;
        talk(&mut tom, &lena, "204").await?;
        tom.say("refer-replaces 1 2").await?;
        tom.event("ended").await?;
        tom.event("ended").await?;
        tokio::try_join!(hears(&mina, "lena"), hears(&lena, "mina"))?;
        goodbye(&mut lena, &mina).await
    })
    .await
}
