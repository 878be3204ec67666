//! A headset that is pulled out and plugged in again in mid-call, on a real sound server: how long nothing is heard.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use flows::phone::PhoneSpec;
use flows::program::{Program, built};
use flows::rig::{Rig, Tap};
use flows::story::now_ms;
use serde_json::{Value, json};

use super::{quantile, row};

const ROUNDS: usize = 10;
const LOUD: f32 = -40.0;
const GOAL_MS: f64 = 500.0;
/// Until what was played last has come out of every buffer.
const RUN_DRY: Duration = Duration::from_millis(700);
/// A fresh null sink plays in blocks of 2 s; one that is listened to does not. So the headset is a way to such a one.
const EAR: [&str; 2] = ["module-null-sink", "sink_name=ear"];
const HEADSET: [&str; 3] = ["module-remap-sink", "sink_name=headset", "master=ear"];

pub async fn rows(dir: &Path) -> Result<Vec<Value>> {
    eprintln!("devices …");
    let rig = Rig::start().await?;
    rig.plug_in(&EAR).await?;
    let (ear, loudspeaker) = (rig.tap("ear")?, rig.tap_speaker()?);
    let mut headset = rig.plug_in(&HEADSET).await?;
    let mut command = rig.command(built("patchcord-phone")?);
    command.args(["--listen", "127.0.0.1:0", "--auto-answer", "--speaker", "pulseaudio:headset"]);
    let phone = Program::start("at the desk", command)?;
    let listen = phone.event("ready").await?["listen"].as_str().unwrap_or_default().to_owned();
    let mut caller = PhoneSpec::new("caller").playing("tone").start(dir).await?;
    caller.say(&format!("call sip:desk@{listen}")).await?;
    ear.first_sound(0, LOUD).await?;
    let (mut pulled, mut plugged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tokio::time::sleep(RUN_DRY).await;
        let at = now_ms();
        rig.pull_out(&headset).await?;
        pulled.push(back(&loudspeaker, at).await?);
        tokio::time::sleep(RUN_DRY).await;
        let at = now_ms();
        headset = rig.plug_in(&HEADSET).await?;
        plugged.push(back(&ear, at).await?);
    }
    caller.stop().await?;
    phone.stop().await?;
    Ok(vec![
        figure("headset pulled out in mid-call → sound from the default", &pulled),
        figure("headset plugged in in mid-call → sound from it", &plugged),
    ])
}

async fn back(tap: &Tap, since: u64) -> Result<f64> {
    Ok((tap.first_sound(since, LOUD).await? - since) as f64)
}

fn figure(case: &str, all: &[f64]) -> Value {
    let worst = quantile(all, 1.0);
    let met = worst.is_some_and(|ms| ms <= GOAL_MS);
    let ours = json!({ "median_ms": quantile(all, 0.5), "worst_ms": worst });
    row(case, ours, Value::Null, Value::Null, "≤ 500 ms at worst", met)
}
