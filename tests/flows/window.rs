//! The real app in a real window.

use anyhow::Result;
use flows::office::{Office, SUPPORT};
use flows::rig::Rig;
use flows::sound::{Library, voice};
use flows::window::{App, live_row, log_row};
use protocol::Target;

use crate::scene::talking_with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ring_window_opens_while_the_main_window_is_hidden() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let app = App::open(&rig, &rig.path().join("app"), &office.exchange.api, "maya").await?;
    app.write("sign-in-password", office.exchange.password("maya")?).await?;
    app.click("sign-in-button").await?;
    app.find("logs-empty").await?;
    app.text("link-registration", |text| text.contains("ready")).await?;

    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut wanda = office.wanda().await?;
    let alex = office.exchange.person("alex").await?;
    let mut feed = alex.feed().await?;
    wanda.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let call = feed.row("talking with Ravi", talking_with("ravi")).await?.call.id;
    app.find(&live_row(&call)).await?;

    rig.close_window("Patchcord").await?;
    let tap = rig.tap_speaker()?;
    let accepted = alex.transfer(&call, Target::User("maya".into()), "asks for a manager").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    rig.window_shown("Incoming call").await?;
    assert!(!rig.is_shown("Patchcord").await?, "the main window stays hidden");
    app.to_ring().await?;
    app.text("ring-headline", |text| text == "Internal transfer from Alex Moreno").await?;
    app.text("ring-note", |text| text.contains("asks for a manager")).await?;
    tap.first_sound(0, -45.0).await?;
    app.click("ring-answer").await?;
    let _microphone = rig.speak_into_microphone(&voice("maya"))?;
    wanda.hears(&sounds, "maya").await?;
    rig.window_gone("Incoming call").await?;

    wanda.say("hangup").await?;
    wanda.event("ended").await?;
    app.to_main().await?;
    app.find(&log_row(&call)).await?;
    app.gone("live-widget").await?;
    app.close().await?;
    office.exchange.stop().await
}
