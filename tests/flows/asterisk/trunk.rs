//! Asterisk as the way outside of an office with our exchange.

use anyhow::{Context, Result};
use flows::asterisk::{Asterisk, password, with_asterisk};
use flows::office::{Office, SUPPORT};
use flows::phone::Phone;

use super::{answering, goodbye, hears};

/// It is known by its address: who comes in by it is transferred to a colleague, and kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_brings_a_call_that_our_exchange_transfers() -> Result<()> {
    with_asterisk(async |outside| {
        let gateway = outside.sip.to_string();
        let office = Office::open_with(|config| {
            let trunk = config["trunk"].as_table_mut().unwrap();
            trunk.insert("peers".into(), vec![gateway].into());
        })
        .await?;
        let mut ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
        let tom = office.colleague("tom", &["--auto-answer=100"]).await?;
        let mut mina = outside.phone("203", "mina", &[]).await?;
        mina.say(&format!("call 7{}", office.exchange.sip.port())).await?;
        let rings = ravi.event("incoming").await?;
        assert_eq!(rings["caller"]["number"], "203");
        mina.event("answered").await?;
        hears(&mina, "ravi").await?;
        ravi.say("transfer 105").await?;
        tom.event("answered").await?;
        hears(&mina, "tom").await?;
        hears(&tom, "mina").await?;
        goodbye(&mut mina, &tom).await?;
        let record = office.exchange.person("alex").await?.records().await?.pop().context("no record")?;
        assert_eq!(record.agents.last().map(|agent| agent.id.as_str()), Some("tom"));
        office.exchange.stop().await
    })
    .await
}

/// An office that registers with `outside` as its desk 208, and may call out by it.
async fn registered_with(outside: &Asterisk) -> Result<Office> {
    let words = [
        ("kind", "register"),
        ("registrar", &format!("sip:{}", outside.sip)),
        ("user", "208"),
        ("password", &password("208")),
        ("number", SUPPORT),
    ];
    let trunk: toml::Table = words.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let office = Office::open_with(|config| {
        config.insert("trunk".into(), trunk.into());
        config["policy"].as_table_mut().unwrap().insert("outside".into(), "everyone".into());
    });
    office.await
}

/// Mina, who came in, and Lena, whom Ravi called: both are kept when the outside number is busy, and talk with another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_is_where_our_exchange_registers_and_transfers_to() -> Result<()> {
    with_asterisk(async |outside| {
        let _maya = outside.phone("209", "joao", &["--busy"]).await?;
        let mut tom = answering(outside, "202", "tom").await?;
        let mut mina = outside.phone("203", "mina", &[]).await?;
        let lena = answering(outside, "204", "lena").await?;
        let office = registered_with(outside).await?;
        let mut ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
        mina.say("call 208").await?;
        ravi.event("answered").await?;
        keeps(&office, &mut ravi, (&mina, "mina"), &mut tom).await?;
        ravi.say(&format!("call {}", office.number("+48204"))).await?;
        ravi.event("answered").await?;
        keeps(&office, &mut ravi, (&lena, "lena"), &mut tom).await?;
        office.exchange.stop().await
    })
    .await
}

/// Ravi's attempt to hand on to a busy number brings `caller` back to him; the next goes to Tom.
async fn keeps(office: &Office, ravi: &mut Phone, (caller, who): (&Phone, &str), tom: &mut Phone) -> Result<()> {
    tokio::try_join!(hears(caller, "ravi"), hears(ravi, who))?;
    ravi.say(&format!("transfer {}", office.number("+48209"))).await?;
    assert_eq!(ravi.event("transfer_failed").await?["status"], 486);
    ravi.event("ended").await?;
    ravi.event("answered").await?;
    tokio::try_join!(hears(caller, "ravi"), hears(ravi, who))?;
    ravi.say(&format!("transfer {}", office.number("+48202"))).await?;
    tom.event("answered").await?;
    ravi.event("ended").await?;
    tokio::try_join!(hears(caller, "tom"), hears(tom, who))?;
    goodbye(tom, caller).await
}
