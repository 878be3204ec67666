//! Sound that is encrypted as far as the exchange.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flows::office::Office;
use flows::phone::{Phone, PhoneSpec};
use flows::sound::voice;

use crate::scene::sounds;

/// An office whose exchange speaks SIP over TLS, too.
struct Encrypted {
    office: Office,
    tls: SocketAddr,
    fingerprint: String,
}

impl Encrypted {
    async fn open(dir: &Path) -> Result<Self> {
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["office.test".to_owned()])?;
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let office = Office::open_with(|config| {
            let mut set = |section: &str, key: &str, value: toml::Value| {
                config[section].as_table_mut().unwrap().insert(key.to_owned(), value)
            };
            set("api", "certificate", certificate.display().to_string().into());
            set("api", "key", key.display().to_string().into());
            set("sip", "tls", vec!["127.0.0.1:0"].into());
        })
        .await?;
        let ready = office.exchange.program.all().into_iter().find(|line| line["ready"] == true);
        let ready = ready.context("not ready")?;
        let tls = ready["sip_tls"].as_str().context("no TLS")?.parse()?;
        let fingerprint = ready["fingerprint"].as_str().context("no fingerprint")?.to_owned();
        Ok(Self { office, tls, fingerprint })
    }

    /// A colleague who is registered over TLS and answers by itself.
    async fn colleague(&self, user: &str) -> Result<Phone> {
        let mut spec =
            PhoneSpec::new(user).playing(voice(user)).recording(self.office.dir()).tracing(self.office.dir());
        spec.account = Some((self.office.exchange.device(user).await?, self.tls));
        let spec = spec.with(&["--transport", "tls", "--tls-fingerprint", &self.fingerprint, "--auto-answer=100"]);
        spec.start(self.office.dir()).await
    }
}

fn was_secured(phone: &Phone) -> bool {
    phone.program.all().iter().any(|line| line["event"] == "secured")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_sound_is_encrypted_through_hold_and_no_key_is_shown() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let encrypted = Encrypted::open(dir.path()).await?;
    let (mut ravi, tom) = (encrypted.colleague("ravi").await?, encrypted.colleague("tom").await?);
    ravi.say("call tom").await?;
    for phone in [&ravi, &tom] {
        assert_eq!(phone.event("secured").await?["secured"], true);
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
    assert_eq!(tom.event("secured").await?["secured"], true);
    ravi.hears(sounds(), "tom").await?;
    tom.hears(sounds(), "ravi").await?;
    assert!(!was_secured(&ravi), "its signalling goes over UDP");
    let mut maya = encrypted.office.colleague("maya", &["--encryption", "required"]).await?;
    maya.say("call tom").await?;
    let ended = maya.event("ended").await?;
    let cause = ended["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("encrypted") && cause.contains("TLS"), "{ended}");
    Ok(())
}
