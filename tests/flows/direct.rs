//! Our phone facing phones of others with no exchange between, in each role of a transfer (RFC 5589).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flows::baresip::Baresip;
use flows::golden::{Lane, compare};
use flows::phone::{Phone, PhoneSpec};
use flows::ports::free_port;
use flows::sipp::{Scenario, Sipp, answers, finished, said};
use flows::sound::voice;

use crate::scene::sounds;

async fn phone(dir: &Path, name: &str, more: &[&str]) -> Result<Phone> {
    phone_on(Ipv4Addr::LOCALHOST.into(), dir, name, more).await
}

async fn phone_on(host: IpAddr, dir: &Path, name: &str, more: &[&str]) -> Result<Phone> {
    let mut spec = PhoneSpec::new(name).playing(voice(name)).recording(dir).tracing(dir).with(more);
    spec.host = Some(if host.is_ipv6() { format!("[{host}]") } else { host.to_string() });
    spec.start(dir).await
}

/// Answers by itself.
fn baresip(dir: &Path, commands: &[&str]) -> Result<Baresip> {
    Baresip::start(dir, "tom", "<sip:tom@127.0.0.1>;regint=0;answermode=auto", commands)
}

/// Mina calls Tom's baresip and sends him to Lena.
async fn mina_transfers_tom(dir: &Path, mina: &mut Phone, tom: &Baresip, lena: &Phone) -> Result<()> {
    mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
    mina.event("answered").await?;
    mina.hears(sounds(), "tom").await.with_context(|| dir.display().to_string())?;
    mina.say(&format!("transfer sip:lena@{}", lena.listen)).await
}

async fn lanes(mina: Phone, lena: Phone) -> Result<[Lane; 2]> {
    Ok([Lane { with: "tom", ..Lane::of(mina).await? }, Lane { with: "tom", ..Lane::of(lena).await? }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_transfers_baresip() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let (mut mina, tom) = (phone(dir.path(), "mina", &[]).await?, baresip(dir.path(), &[])?);
    mina_transfers_tom(dir.path(), &mut mina, &tom, &lena).await?;
    lena.event("answered").await?;
    mina.event("ended").await?;
    lena.hears(sounds(), "tom").await?;
    tom.say("hangup", "").await?;
    lena.event("ended").await?;
    tom.leave().await?;
    compare("direct-transferor", &lanes(mina, lena).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_has_baresip_back_when_the_target_is_busy() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lena = phone(dir.path(), "lena", &["--busy"]).await?;
    let (mut mina, tom) = (phone(dir.path(), "mina", &[]).await?, baresip(dir.path(), &[])?);
    mina_transfers_tom(dir.path(), &mut mina, &tom, &lena).await?;
    assert_eq!(mina.event("transfer_failed").await?["status"], 486);
    mina.event("resumed").await?;
    mina.hears(sounds(), "tom").await?;
    mina.say("hangup").await?;
    mina.event("ended").await?;
    tom.leave().await?;
    compare("direct-transferor-in-vain", &lanes(mina, lena).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_transfers_our_phone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let mut mina = phone(dir.path(), "mina", &["--auto-answer"]).await?;
    let tom = baresip(dir.path(), &[&format!("/dial sip:mina@{}", mina.listen)])?;
    mina.event("answered").await?;
    mina.hears(sounds(), "tom").await?;
    tom.say("transfer", &format!("sip:lena@{}", lena.listen)).await?;
    assert_eq!(mina.event("following").await?["to"]["number"], "lena");
    lena.event("answered").await?;
    mina.hears(sounds(), "lena").await?;
    tom.leave().await?;
    mina.say("hangup").await?;
    lena.event("ended").await?;
    let mina = Lane { with: "tom or lena", ..Lane::of(mina).await? };
    compare("direct-transferee", &[mina, Lane { with: "mina", ..Lane::of(lena).await? }])
}

/// Mina talks with Tom; SIPp, whom Mina would have told of that call, takes her place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_takes_the_place_of_our_phones_far_end() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tom = phone(dir.path(), "tom", &["--auto-answer"]).await?;
    let mut mina = phone(dir.path(), "mina", &[]).await?;
    mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
    mina.event("answered").await?;
    tom.event("answered").await?;
    let [call, ours, theirs] = dialog(&tom)?;
    takes_over(dir.path(), tom.listen, [&call, &ours, "guessed"], "481").await?;
    assert!(tom.program.all().iter().all(|line| line["event"] != "replaced"), "a guess is nobody's right");
    let sipp = takes_over(dir.path(), tom.listen, [&call, &ours, &theirs], "200").await?;
    tom.event("replaced").await?;
    mina.event("ended").await?;
    takes_over(dir.path(), tom.listen, [&call, &ours, &theirs], "603").await?;
    assert!(tom.program.all().iter().filter(|line| line["event"] == "incoming").count() == 1, "it rang once");
    let tom = Lane { with: "mina or sipp", ..Lane::of(tom).await? };
    compare("direct-target", &[tom, Lane { with: "tom", ..sipp }])
}

/// Mina connects Tom's phone with SIPp, once after she has spoken with it and once blind; SIPp sends back what it hears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_connects_another_with_sipp_by_both_families() -> Result<()> {
    for host in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let dir = tempfile::tempdir()?;
        let at = SocketAddr::new(host, free_port(&[host])?);
        let echo = tokio::spawn(finished(answers(dir.path(), at, 3)?));
        let mut tom = phone_on(host, dir.path(), "tom", &["--auto-answer"]).await?;
        let mut mina = phone_on(host, dir.path(), "mina", &[]).await?;
        mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
        mina.event("answered").await?;
        mina.say(&format!("call sip:echo@{at}")).await?;
        mina.event("answered").await?;
        mina.say("refer-replaces 1 2").await?;
        hears_itself(&mut tom, &mina, 2).await?;
        mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
        mina.event("answered").await?;
        mina.say(&format!("transfer sip:echo@{at}")).await?;
        hears_itself(&mut tom, &mina, 1).await?;
        let echo = echo.await??;
        ensure!(echo.status.success(), "{host}: {}", said(&echo));
    }
    Ok(())
}

/// Tom follows and talks with SIPp, and Mina is out of it.
async fn hears_itself(tom: &mut Phone, mina: &Phone, calls: usize) -> Result<()> {
    for _ in 0..calls {
        mina.event("ended").await?;
    }
    ensure!(mina.program.all().iter().all(|line| line["event"] != "transfer_failed"), "{}", mina.program.transcript());
    tom.hears(sounds(), "tom").await?;
    tom.say("hangup").await?;
    tom.event("ended").await.map(drop)
}

/// Mina speaks with both and would connect them. baresip knows no Replaces and calls an address that is none: Mina has it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_has_baresip_back_when_it_cannot_be_connected_after_asking() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let (mut mina, tom) = (phone(dir.path(), "mina", &[]).await?, baresip(dir.path(), &[])?);
    mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
    mina.event("answered").await?;
    mina.say(&format!("call sip:lena@{}", lena.listen)).await?;
    mina.event("answered").await?;
    mina.say("refer-replaces 1 2").await?;
    assert_eq!(mina.event("transfer_failed").await?["status"], 400);
    assert_eq!(mina.event("resumed").await?["call"], 1);
    for _ in 0..2 {
        mina.say("hangup").await?;
        mina.event("ended").await?;
    }
    lena.event("ended").await?;
    tom.leave().await.map(drop)
}

/// As the one with whom somebody is connected it takes them as a new caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_connects_another_with_baresip_after_asking() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let (mut mina, tom) = (phone(dir.path(), "mina", &[]).await?, baresip(dir.path(), &[])?);
    mina.say(&format!("call sip:lena@{}", lena.listen)).await?;
    mina.event("answered").await?;
    mina.say(&format!("call sip:tom@{}", tom.listen)).await?;
    mina.event("answered").await?;
    mina.hears(sounds(), "tom").await?;
    mina.say("refer-replaces 1 2").await?;
    mina.event("ended").await?;
    mina.event("ended").await?;
    lena.hears(sounds(), "tom").await?;
    lena.say("hangup").await?;
    tom.leave().await.map(drop)
}

/// SIPp speaks with Lena, then sends Tom to her in its place: one phone of ours follows, the other is reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_connects_our_phone_with_another_after_asking() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut tom = phone(dir.path(), "tom", &["--auto-answer"]).await?;
    let lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let asks = plays(dir.path(), "asks", &[("to", "lena")], lena.listen).await?;
    lena.event("answered").await?;
    let [call, ours, theirs] = dialog(&lena)?;
    let target = format!("sip:lena@{}", lena.listen);
    let words = &[("to", "tom"), ("target", &target), ("call", &call), ("ours", &ours), ("theirs", &theirs)];
    let connects = plays(dir.path(), "connects", words, tom.listen).await?;
    assert_eq!(tom.event("following").await?["to"]["number"], "lena");
    lena.event("replaced").await?;
    tom.hears(sounds(), "lena").await?;
    let sipp = [asks.finished().await?, connects.finished().await?];
    tom.say("hangup").await?;
    lena.event("ended").await?;
    let [asks, connects] = sipp.map(|lane| Lane { with: "us", ..lane });
    let [tom, lena] =
        [Lane { with: "sipp or lena", ..Lane::of(tom).await? }, Lane { with: "sipp or tom", ..Lane::of(lena).await? }];
    compare("direct-attended-transferee", &[tom, lena, asks, connects])
}

/// Mina speaks with SIPp and with Lena and connects the two; SIPp sends back what it hears, so Lena hears herself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_connects_sipp_with_another_after_asking() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut lena = phone(dir.path(), "lena", &["--auto-answer"]).await?;
    let mut mina = phone(dir.path(), "mina", &[]).await?;
    let port = free_port(&[Ipv4Addr::LOCALHOST])?;
    let follows = Scenario { file: "is-connected.xml", words: &[] };
    let tom = Sipp::play(dir.path(), "tom", ("127.0.0.1", port), follows, &mina.listen.to_string()).await?;
    mina.say(&format!("call sip:tom@127.0.0.1:{port}")).await?;
    mina.event("answered").await?;
    mina.say(&format!("call sip:lena@{}", lena.listen)).await?;
    mina.event("answered").await?;
    mina.say("refer-replaces 1 2").await?;
    mina.event("ended").await?;
    mina.event("ended").await?;
    lena.hears(sounds(), "lena").await?;
    lena.say("hangup").await?;
    let tom = Lane { with: "mina or lena", ..tom.finished().await? };
    let [mina, lena] =
        [Lane { with: "tom or lena", ..Lane::of(mina).await? }, Lane { with: "tom or mina", ..Lane::of(lena).await? }];
    compare("direct-attended-transferor", &[mina, lena, tom])
}

async fn plays(dir: &Path, name: &str, words: &[(&str, &str)], remote: SocketAddr) -> Result<Sipp> {
    let file = format!("{name}.xml");
    let at = ("127.0.0.1", free_port(&[Ipv4Addr::LOCALHOST])?);
    Sipp::play(dir, name, at, Scenario { file: &file, words }, &remote.to_string()).await
}

async fn takes_over(dir: &Path, tom: SocketAddr, [call, ours, theirs]: [&str; 3], status: &str) -> Result<Lane> {
    let bye = std::fs::read_to_string(flows::sound::repository().join("tests/flows/sipp/says-bye.part"))?;
    let end = if status == "200" { bye.as_str() } else { "" };
    let words = &[("call", call), ("ours", ours), ("theirs", theirs), ("status", status), ("end", end)];
    let scenario = Scenario { file: "takes-over.xml", words };
    let port = free_port(&[Ipv4Addr::LOCALHOST])?;
    let name = format!("sipp-{status}");
    Sipp::play(dir, &name, ("127.0.0.1", port), scenario, &tom.to_string()).await?.finished().await
}

/// Call-ID, own tag and far tag of the only call, from its 200.
fn dialog(phone: &Phone) -> Result<[String; 3]> {
    let file = phone.trace.as_deref().context("no trace")?;
    let lines = std::fs::read_to_string(file)?;
    let texts = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let answer = texts.filter_map(|line| Some(line["text"].as_str()?.to_owned()));
    let answer = answer.into_iter().find(|text| text.starts_with("SIP/2.0 200")).context("no answer")?;
    let value = |name: &str| answer.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    let tag = |name: &str| value(name).split(";tag=").nth(1).unwrap_or_default().to_owned();
    Ok([value("Call-ID:"), tag("To:"), tag("From:")])
}
