//! Sound that is encrypted as far as the exchange.

use anyhow::{Context, Result, ensure};
use flows::encrypted::Encrypted;
use flows::phone::Phone;

use crate::scene::sounds;

async fn security(phone: &Phone) -> Result<String> {
    Ok(phone.event("security").await?["security"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_sound_is_encrypted_through_hold_and_no_key_is_shown() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, tom) = (encrypted.colleague("ravi").await?, encrypted.colleague("tom").await?);
    ravi.say("call tom").await?;
    for phone in [&ravi, &tom] {
        assert_eq!(security(phone).await?, "pinned");
    }
    ravi.hears(sounds(), "tom").await?;
    tom.hears(sounds(), "ravi").await?;
    ravi.say("hold").await?;
    tom.hears(sounds(), "hold-music").await?;
    ravi.say("resume").await?;
    tom.hears(sounds(), "ravi").await?;
    let quality = ravi.event("quality").await?;
    ensure!(quality["round_trip_ms"].is_number() || quality["received"].as_u64() > Some(0), "{quality}");
    ravi.say("hangup").await?;
    tom.event("ended").await?;
    let trace = std::fs::read_to_string(ravi.trace.as_deref().context("no trace")?)?;
    ensure!(trace.contains("a=crypto:…") && !trace.contains("inline:"), "keys in the trace");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_has_its_own_lock_and_who_demands_one_speaks_to_nobody_without() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let tom = encrypted.colleague("tom").await?;
    let mut ravi = encrypted.office.colleague("ravi", &[]).await?;
    ravi.say("call tom").await?;
    assert_eq!(security(&tom).await?, "pinned");
    ravi.hears(sounds(), "tom").await?;
    tom.hears(sounds(), "ravi").await?;
    assert_eq!(security(&ravi).await?, "clear", "its signalling goes over UDP");
    let mut maya = encrypted.office.colleague("maya", &["--encryption", "required"]).await?;
    maya.say("call tom").await?;
    let ended = maya.event("ended").await?;
    let cause = ended["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("encrypted") && cause.contains("TLS"), "{ended}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_authority_is_believed_for_its_own_name_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let authorities = dir.path().join("cert.pem");
    let encrypted = Encrypted::named(dir.path(), "127.0.0.1").await?;
    let mut ravi = encrypted.believing(&authorities, "ravi").await?;
    ravi.event("registered").await?;
    let tom = encrypted.colleague("tom").await?;
    ravi.say("call tom").await?;
    assert_eq!(security(&ravi).await?, "verified");
    assert_eq!(security(&tom).await?, "pinned", "each by how it knows the exchange");
    encrypted.office.exchange.stop().await?;

    let encrypted = Encrypted::named(dir.path(), "office.test").await?;
    let ravi = encrypted.believing(&authorities, "ravi").await?;
    let failed = ravi.event("registration_failed").await?;
    let said = failed["message"].as_str().unwrap_or_default();
    ensure!(said.contains("is for another name") && said.contains("use the name that it is for"), "{failed}");
    assert_eq!(failed["fingerprint"], encrypted.fingerprint.as_str());
    encrypted.office.exchange.stop().await
}

/// With no more than the office's name, its DNS records lead to TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_knows_but_a_name_is_led_to_tls_and_encrypts_its_sound() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let authorities = dir.path().join("cert.pem");
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, tom) =
        (encrypted.by_name(&authorities, "ravi").await?, encrypted.by_name(&authorities, "tom").await?);
    for phone in [&ravi, &tom] {
        phone.event("registered").await?;
    }
    ravi.say("call tom").await?;
    for phone in [&ravi, &tom] {
        assert_eq!(security(phone).await?, "verified");
    }
    tokio::try_join!(ravi.hears(sounds(), "tom"), tom.hears(sounds(), "ravi"))?;
    ravi.say("hangup").await?;
    tom.event("ended").await?;
    for phone in [&ravi, &tom] {
        ensure!(ways(phone)? == ["TLS"], "{:?}", ways(phone)?);
    }
    encrypted.office.exchange.stop().await
}

/// Nor with a second try, nor for a call: the records name UDP as well, and it would have worked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_led_to_a_certificate_that_is_not_believed_says_nothing_in_the_clear() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let strangers = dir.path().join("strangers.pem");
    std::fs::write(&strangers, rcgen::generate_simple_self_signed(["office.test".to_owned()])?.cert.pem())?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let mut ravi = encrypted.by_name(&strangers, "ravi").await?;
    for _ in 0..3 {
        let failed = ravi.event("registration_failed").await?;
        assert_eq!(failed["fingerprint"], encrypted.fingerprint.as_str(), "{failed}");
    }
    ravi.say("call tom").await?;
    ravi.event("ended").await?;
    ensure!(ways(&ravi)?.iter().all(|way| way == "TLS"), "{:?}", ways(&ravi)?);
    ensure!(ravi.program.all().iter().all(|line| line["event"] != "registered"), "{}", ravi.program.transcript());
    encrypted.office.exchange.stop().await
}

/// By which transports it has sent requests.
fn ways(phone: &Phone) -> Result<Vec<String>> {
    let trace = std::fs::read_to_string(phone.trace.as_deref().context("no trace")?)?;
    let ways = trace.lines().filter(|line| line.contains(r#""dir":"out""#));
    let ways = ways.filter_map(|line| Some(line.split("Via: SIP/2.0/").nth(1)?.split(' ').next()?.to_owned()));
    let mut ways: Vec<String> = ways.collect();
    ways.sort();
    ways.dedup();
    Ok(ways)
}

/// Each phone in turn has other keys, and so has the exchange towards it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_in_mid_call_and_the_sound_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, mut tom) = (encrypted.colleague("ravi").await?, encrypted.colleague("tom").await?);
    ravi.say("call tom").await?;
    tokio::try_join!(ravi.hears(sounds(), "tom"), tom.hears(sounds(), "ravi"))?;
    for of_tom in [false, true] {
        changes_keys(if of_tom { &mut tom } else { &mut ravi }).await?;
        tokio::try_join!(ravi.hears(sounds(), "tom"), tom.hears(sounds(), "ravi"))?;
    }
    for phone in [&ravi, &tom] {
        let said: Vec<_> = phone.program.all().into_iter().filter(|line| line["event"] == "security").collect();
        ensure!(said.len() == 1 && said[0]["security"] == "pinned", "{}", phone.program.transcript());
    }
    ravi.say("hangup").await?;
    tom.event("ended").await?;
    encrypted.office.exchange.stop().await
}

/// How many answers to its INVITEs this phone has acknowledged.
fn agreements(phone: &Phone) -> Result<usize> {
    let trace = std::fs::read_to_string(phone.trace.as_deref().context("no trace")?)?;
    Ok(trace.lines().filter(|line| line.contains(r#""dir":"out""#) && line.contains(r#""text":"ACK "#)).count())
}

/// Has it offer other keys, and waits until it has been answered.
async fn changes_keys(phone: &mut Phone) -> Result<()> {
    let before = agreements(phone)?;
    phone.say("rekey").await?;
    let wait = async {
        while agreements(phone)? == before {
            // A file that another process writes can only be looked at again.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(flows::program::PATIENCE, wait).await.context("no answer to the new keys")?
}

/// Blind, and then by somebody who has asked first: nobody's way to the exchange is ever in the clear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transferred_call_stays_encrypted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, mut tom) = (encrypted.colleague("ravi").await?, encrypted.colleague("tom").await?);
    let (mut lena, mina) = (encrypted.colleague("lena").await?, encrypted.colleague("mina").await?);
    ravi.say("call tom").await?;
    ravi.event("answered").await?;
    tom.event("answered").await?;
    tom.say("transfer lena").await?;
    tom.event("ended").await?;
    tokio::try_join!(ravi.hears(sounds(), "lena"), lena.hears(sounds(), "ravi"))?;
    lena.say("call mina").await?;
    mina.event("answered").await?;
    mina.hears(sounds(), "lena").await?;
    lena.say("refer-replaces 1 2").await?;
    tokio::try_join!(ravi.hears(sounds(), "mina"), mina.hears(sounds(), "ravi"))?;
    ravi.say("hangup").await?;
    mina.event("ended").await?;
    for phone in [&ravi, &tom, &lena, &mina] {
        let locks = phone.program.all().into_iter().filter(|line| line["event"] == "security");
        ensure!(
            locks.map(|line| line["security"].clone()).all(|lock| lock == "pinned"),
            "{}",
            phone.program.transcript()
        );
        ensure!(phone.program.all().iter().any(|line| line["event"] == "security"), "no lock");
        ensure!(ways(phone)? == ["TLS"], "{:?}", ways(phone)?);
    }
    encrypted.office.exchange.stop().await
}
