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
