//! An office whose exchange, telephones and callers speak IPv6.

use std::net::Ipv6Addr;

use anyhow::{Result, ensure};
use flows::office::{Office, SUPPORT};
use flows::phone::{Phone, PhoneSpec};
use flows::ports::free_port;
use flows::sipp::{finished, said, sipp};
use flows::sound::voice;

use crate::scene::sounds;

const HERE: &str = "[::1]";

async fn office(trunk: u16) -> Result<Office> {
    Office::open_with(|config| {
        let mut set = |section: &str, key: &str, value: toml::Value| {
            config[section].as_table_mut().unwrap().insert(key.into(), value);
        };
        set("sip", "udp", vec![format!("{HERE}:0")].into());
        set("sip", "tcp", vec![format!("{HERE}:0")].into());
        set("rtp", "bind", "::1".into());
        set("trunk", "peers", vec![format!("{HERE}:{trunk}")].into());
    })
    .await
}

async fn colleague(office: &Office, user: &str, more: &[&str]) -> Result<Phone> {
    let spec = PhoneSpec { host: Some(HERE.into()), ..PhoneSpec::new(user).playing(voice(user)) };
    office.desk_phone(spec, user, more).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_transfers_over_ipv6() -> Result<()> {
    let trunk = free_port(&[Ipv6Addr::LOCALHOST])?;
    let office = office(trunk).await?;
    ensure!(office.exchange.sip.is_ipv6(), "{}", office.exchange.sip);
    let mut mina = colleague(&office, "mina", &[]).await?;
    let mut ravi = colleague(&office, "ravi", &["--auto-answer"]).await?;
    let mut tom = colleague(&office, "tom", &["--auto-answer"]).await?;
    mina.say("call 103").await?;
    ravi.event("answered").await?;
    mina.hears(sounds(), "ravi").await?;
    ravi.say("transfer 105").await?;
    tom.event("answered").await?;
    mina.hears(sounds(), "tom").await?;
    ravi.event("ended").await?;
    let lena = colleague(&office, "lena", &["--auto-answer"]).await?;
    tom.say(&format!("call {}", office.number("lena"))).await?;
    lena.hears(sounds(), "tom").await?;
    tom.say("refer-replaces 1 2").await?;
    tom.event("ended").await?;
    tom.event("ended").await?;
    tokio::try_join!(mina.hears(sounds(), "lena"), lena.hears(sounds(), "mina"))?;
    mina.say("hangup").await?;
    lena.event("ended").await?;

    let mut caller = sipp(office.dir(), "u1");
    caller.args(["-sn", "uac", "-m", "1", "-d", "300", "-i", "::1", "-p", &trunk.to_string(), "-s", SUPPORT]);
    caller.arg(office.exchange.sip.to_string());
    let call = finished(caller).await?;
    ensure!(call.status.success(), "{}", said(&call));
    ravi.event("answered").await?;
    office.exchange.stop().await
}
