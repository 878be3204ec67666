//! A headset that is pulled out and plugged in again in mid-call, on a real sound server.

use anyhow::Result;
use flows::phone::PhoneSpec;
use flows::program::{Program, built};
use flows::rig::Rig;
use flows::story::now_ms;

/// A fresh null sink plays in blocks of 2 s; one that is listened to does not. So the headset is a way to such a one.
const EAR: [&str; 2] = ["module-null-sink", "sink_name=ear"];
const HEADSET: [&str; 3] = ["module-remap-sink", "sink_name=headset", "master=ear"];
/// The same after a change of its Bluetooth profile: a third of the rate, one channel.
const IN_SPEECH: [&str; 5] = ["module-remap-sink", "sink_name=headset", "master=ear", "rate=16000", "channels=1"];
const LOUD: f32 = -40.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_goes_on_when_the_headset_is_pulled_out_and_comes_back_to_it() -> Result<()> {
    let rig = Rig::start().await?;
    rig.plug_in(&EAR).await?;
    let (ear, loudspeaker) = (rig.tap("ear")?, rig.tap_speaker()?);
    let headset = rig.plug_in(&HEADSET).await?;
    let mut command = rig.command(built("patchcord-phone")?);
    command.args(["--listen", "127.0.0.1:0", "--auto-answer", "--speaker", "pulseaudio:headset"]);
    let phone = Program::start("at the desk", command)?;
    let listen = phone.event("ready").await?["listen"].as_str().unwrap_or_default().to_owned();
    let mut caller = PhoneSpec::new("caller").playing("tone").start(rig.path()).await?;
    caller.say(&format!("call sip:desk@{listen}")).await?;
    ear.first_sound(0, LOUD).await?;

    let pulled = now_ms();
    rig.pull_out(&headset).await?;
    let elsewhere = loudspeaker.first_sound(pulled, LOUD).await?;
    println!("pulled out: sound from the loudspeaker {} ms later", elsewhere - pulled);

    for module in [&HEADSET[..], &IN_SPEECH] {
        let plugged = now_ms();
        let headset = rig.plug_in(module).await?;
        let back = ear.first_sound(plugged, LOUD).await?;
        println!("plugged in {:?}: sound from it {} ms later", &module[3..], back - plugged);
        let pulled = now_ms();
        rig.pull_out(&headset).await?;
        loudspeaker.first_sound(pulled + 60, LOUD).await?;
    }
    caller.stop().await?;
    phone.stop().await.map(drop)
}

/// The person chooses another speaker in the desktop's settings: whoever has chosen none here goes along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_default_of_the_system_is_followed_in_mid_call() -> Result<()> {
    let rig = Rig::start().await?;
    rig.plug_in(&EAR).await?;
    let (ear, loudspeaker) = (rig.tap("ear")?, rig.tap_speaker()?);
    let mut command = rig.command(built("patchcord-phone")?);
    command.args(["--listen", "127.0.0.1:0", "--auto-answer"]);
    let phone = Program::start("at the desk", command)?;
    let listen = phone.event("ready").await?["listen"].as_str().unwrap_or_default().to_owned();
    let mut caller = PhoneSpec::new("caller").playing("tone").start(rig.path()).await?;
    caller.say(&format!("call sip:desk@{listen}")).await?;
    loudspeaker.first_sound(0, LOUD).await?;
    let chosen = now_ms();
    rig.make_default("ear").await?;
    let moved = ear.first_sound(chosen, LOUD).await?;
    println!("another default: sound from it {} ms later", moved - chosen);
    caller.stop().await?;
    phone.stop().await.map(drop)
}
