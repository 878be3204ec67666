//! Our phone as a plain device of an office that has a real Asterisk 22.

mod calls;
mod changes;
mod desk;
mod records;
mod transfers;
mod trunk;

use anyhow::Result;
use flows::asterisk::Asterisk;
use flows::phone::Phone;
use serde_json::Value;

use crate::scene::sounds;

/// A registered phone that answers by itself.
async fn answering(office: &Asterisk, desk: &str, who: &str) -> Result<Phone> {
    office.phone(desk, who, &["--auto-answer=100"]).await
}

async fn hears(phone: &Phone, source: &str) -> Result<()> {
    phone.hears(sounds(), source).await.map(drop)
}

/// `caller` calls the desk of `called`, whose phone answers by itself.
async fn talk(caller: &mut Phone, called: &Phone, number: &str) -> Result<Value> {
    caller.say(&format!("call {number}")).await?;
    let incoming = called.event("incoming").await?;
    caller.event("answered").await?;
    called.event("answered").await?;
    Ok(incoming)
}

/// Whoever hangs up, both are told.
async fn goodbye(one: &mut Phone, other: &Phone) -> Result<()> {
    one.say("hangup").await?;
    one.event("ended").await?;
    other.event("ended").await.map(drop)
}

fn held_by(who: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["event"] == "held" && line["by"] == who
}

fn resumed_by(who: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["event"] == "resumed" && line["by"] == who
}
