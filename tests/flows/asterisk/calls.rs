//! Registering and plain calls.

use anyhow::{Result, ensure};
use flows::asterisk::with_asterisk;
use flows::phone::Phone;

use super::{answering, goodbye, hears, held_by, resumed_by, talk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_has_our_phones_by_udp_and_tcp_and_ipv6() -> Result<()> {
    with_asterisk(async |office| {
        let v6 = (std::net::Ipv6Addr::LOCALHOST, office.sip.port()).into();
        let mut ravi = office.phone("201", "ravi", &["--transport", "udp"]).await?;
        let mut tom = office.phone("202", "tom", &["--transport", "tcp", "--auto-answer=100"]).await?;
        let mina = office.phone_at(v6, "203", "mina", &["--transport", "udp", "--auto-answer=100"]).await?;
        let mut lena = office.phone_at(v6, "204", "lena", &["--transport", "tcp"]).await?;
        let contacts = office.console("pjsip show contacts").await?;
        ensure!(contacts.to_uppercase().matches("TRANSPORT=TCP").count() == 2, "{contacts}");
        ensure!(contacts.matches("[::1]").count() == 2, "{contacts}");
        talk(&mut ravi, &mina, "203").await?;
        let incoming = talk(&mut lena, &tom, "202").await?;
        assert_eq!(incoming["caller"]["name"], "Lena Fischer");
        assert_eq!(incoming["caller"]["number"], "204");
        tokio::try_join!(hears(&ravi, "mina"), hears(&mina, "ravi"), hears(&lena, "tom"), hears(&tom, "lena"))?;
        goodbye(&mut ravi, &mina).await?;
        goodbye(&mut tom, &lena).await
    })
    .await
}

/// Its certificate is signed by nobody, so the phones are told its fingerprint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_has_our_phones_by_tls() -> Result<()> {
    with_asterisk(async |office| {
        let pinned = ["--transport", "tls", "--tls-fingerprint", &office.fingerprint.clone()];
        let mut ravi = office.phone_at(office.tls, "201", "ravi", &pinned).await?;
        let tom = office.phone_at(office.tls, "202", "tom", &[&pinned[..], &["--auto-answer=100"]].concat()).await?;
        let contacts = office.console("pjsip show contacts").await?;
        ensure!(contacts.to_uppercase().matches("TRANSPORT=TLS").count() == 2, "{contacts}");
        talk(&mut ravi, &tom, "202").await?;
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        goodbye(&mut ravi, &tom).await
    })
    .await
}

/// Keys by SDES to desks that have nothing in the clear, also through hold, and to one in the clear behind the same Asterisk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_has_our_sound_encrypted() -> Result<()> {
    with_asterisk(async |office| {
        let fingerprint = office.fingerprint.clone();
        let pinned = ["--transport", "tls", "--tls-fingerprint", &fingerprint, "--encryption", "required"];
        let mut ravi = office.phone_at(office.tls, "206", "ravi", &pinned).await?;
        let tom = office.phone_at(office.tls, "207", "tom", &[&pinned[..], &["--auto-answer=100"]].concat()).await?;
        let mina = answering(office, "203", "mina").await?;
        talk(&mut ravi, &tom, "207").await?;
        let encrypted = |phone: &Phone| phone.program.all().iter().any(|line| line["security"] == "pinned");
        ensure!(encrypted(&ravi) && encrypted(&tom), "the lock is missing");
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        ravi.say("hold").await?;
        ravi.program.next("held", held_by("us")).await?;
        ravi.say("resume").await?;
        ravi.program.next("back", resumed_by("us")).await?;
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        goodbye(&mut ravi, &tom).await?;
        talk(&mut ravi, &mina, "203").await?;
        tokio::try_join!(hears(&ravi, "mina"), hears(&mina, "ravi"))?;
        ensure!(!encrypted(&mina), "its own way is in the clear");
        goodbye(&mut ravi, &mina).await
    })
    .await
}

/// Each codec to Asterisk and back, and from one codec to another by way of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_carries_every_codec() -> Result<()> {
    with_asterisk(async |office| {
        let mut phones = Vec::new();
        for (desk, who, codec) in
            [("201", "ravi", "opus"), ("202", "tom", "g722"), ("203", "mina", "pcmu"), ("204", "lena", "pcma")]
        {
            let mut phone = office.phone(desk, who, &["--codec", codec, "--auto-answer"]).await?;
            phone.say("call 600").await?;
            let answered = phone.event("answered").await?;
            assert!(answered["codec"].as_str().is_some_and(|c| c.eq_ignore_ascii_case(codec)), "{answered}");
            phones.push(phone);
        }
        let [ravi, tom, mina, lena] = &mut phones[..] else { unreachable!() };
        tokio::try_join!(hears(ravi, "ravi"), hears(tom, "tom"), hears(mina, "mina"), hears(lena, "lena"))?;
        for phone in [&mut *ravi, tom, mina, lena] {
            phone.say("hangup").await?;
            phone.event("ended").await?;
        }
        talk(ravi, tom, "202").await?;
        talk(lena, mina, "203").await?;
        tokio::try_join!(hears(ravi, "tom"), hears(tom, "ravi"), hears(lena, "mina"), hears(mina, "lena"))?;
        goodbye(ravi, tom).await?;
        goodbye(mina, lena).await
    })
    .await
}

/// Two phones with Opus: nothing is coded anew in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_passes_opus_through() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        let tom = answering(office, "202", "tom").await?;
        talk(&mut ravi, &tom, "202").await?;
        tokio::try_join!(hears(&ravi, "tom"), hears(&tom, "ravi"))?;
        let channels = office.console("core show channels concise").await?;
        let one = channels.split('!').next().unwrap_or_default();
        let shown = office.console(&format!("core show channel {one}")).await?;
        ensure!(shown.contains("WriteTranscode: No") && shown.contains("(opus)"), "{shown}");
        goodbye(&mut ravi, &tom).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_plays_music_to_whoever_is_held() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        let mut tom = answering(office, "202", "tom").await?;
        talk(&mut ravi, &tom, "202").await?;
        ravi.say("hold").await?;
        ravi.program.next("hold", held_by("us")).await?;
        hears(&tom, "hold-music").await?;
        ravi.say("resume").await?;
        ravi.program.next("back", resumed_by("us")).await?;
        hears(&tom, "ravi").await?;
        tom.say("hold").await?;
        tom.program.next("hold", held_by("us")).await?;
        hears(&ravi, "hold-music").await?;
        tom.say("resume").await?;
        tom.program.next("back", resumed_by("us")).await?;
        hears(&ravi, "tom").await?;
        goodbye(&mut tom, &ravi).await
    })
    .await
}

/// Refusals mean here what they mean with an exchange of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_says_why_a_call_fails() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        let tom = office.phone("202", "tom", &["--busy"]).await?;
        for (number, cause) in [("202", "busy"), ("777", "no such number"), ("699", "busy")] {
            ravi.say(&format!("call {number}")).await?;
            assert_eq!(ravi.event("ended").await?["cause"], cause, "{number}");
        }
        let missed = tom.event("ended").await?;
        assert_eq!(missed["answered"], false);
        ravi.say("call 202").await?;
        ravi.event("calling").await?;
        ravi.say("call 698").await?;
        ravi.event("calling").await?;
        ravi.say("hangup 5").await?;
        assert_eq!(
            ravi.program.next("given up", |l| l["event"] == "ended" && l["call"] == 5).await?["cause"],
            "given up"
        );
        Ok(())
    })
    .await
}
