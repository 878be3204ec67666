//! The demo for a person: the app on their screen, calls that go on, and one that is transferred to them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use flows::office::{BILLING, Office, SALES, SUPPORT, of};
use flows::phone::Phone;
use flows::program::{bound_to_us, built};
use flows::seat::Seat;
use protocol::{CallState, LiveRow, Target};

use crate::cast::{self, Cast};

/// Runs until Ctrl-C, or until the app is closed.
pub async fn play(keep: bool) -> Result<()> {
    let office = Office::open().await.context("opening the exchange")?;
    let cast = Cast::arrive(&office).await.context("the colleagues' phones")?;
    let mut priya = office.priya().await?;
    let mut joao = office.joao().await?;
    let mut wanda = office.wanda().await?;
    let data = tempfile::Builder::new().prefix("patchcord-demo-").tempdir()?;
    let mut app = bound_to_us(built("patchcord")?);
    app.arg("--data-dir").arg(data.path()).args(["--address", &office.exchange.api, "--user", "maya"]);
    app.env("PATCHCORD_NO_KEYRING", "1");
    seed_session(&office, data.path()).await?;
    let mut app = app.spawn().context("opening the app")?;
    eprintln!("{WELCOME}");
    cast::two_callers(&office, &mut priya, &mut joao).await?;

    let scene = keep_busy(&office, &mut priya, &mut joao, &mut wanda);
    tokio::select! {
        ended = scene => ended?,
        status = app.wait() => eprintln!("The app was closed ({}).", status?),
        stop = tokio::signal::ctrl_c() => stop?,
    }
    app.start_kill().ok();
    app.wait().await?;
    for phone in [priya, joao, wanda] {
        phone.stop().await?;
    }
    cast.leave().await?;
    office.exchange.stop().await?;
    if keep {
        eprintln!("The app's data is in {}", data.keep().display());
    }
    Ok(())
}

/// Signs the person in beforehand, as they would do it themselves.
async fn seed_session(office: &Office, data: &Path) -> Result<()> {
    let desk = Seat::take(data)?;
    desk.sign_in(&office.exchange.api, "maya", office.exchange.password("maya")?).await?;
    desk.leave().await;
    Ok(())
}

const WELCOME: &str = "
You are Maya Lindqvist, who manages Support and Billing.
  · The live call widget, bottom-left, shows Priya with Ravi and João with Mina.
  · Press the transfer icon beside Priya, choose Sam Whitfield, press Go, and watch the row.
  · In half a minute Alex transfers Wanda to you: your device rings.
Ctrl-C here, or closing the app from its tray, ends everything.";

/// Calls come in again when they have ended, and now and then one is transferred to the person at the app.
async fn keep_busy(office: &Office, priya: &mut Phone, joao: &mut Phone, wanda: &mut Phone) -> Result<()> {
    tokio::try_join!(again(office, priya, SUPPORT), again(office, joao, BILLING), to_the_person(office, wanda))?;
    Ok(())
}

/// A caller whose call has ended calls again.
async fn again(office: &Office, caller: &mut Phone, number: &str) -> Result<()> {
    loop {
        caller.program.next_whenever("ended", |line| line["event"] == "ended").await?;
        tokio::time::sleep(Duration::from_secs(8)).await;
        caller.say(&format!("call {}", office.number(number))).await?;
    }
}

/// Half a minute in, and a minute after each such call, Wanda calls Sales and Alex transfers her to Maya.
async fn to_the_person(office: &Office, wanda: &mut Phone) -> Result<()> {
    let alex = office.exchange.person("alex").await?;
    let mut feed = alex.feed().await?;
    let mut pause = Duration::from_secs(30);
    loop {
        tokio::time::sleep(pause).await;
        pause = Duration::from_secs(60);
        wanda.say(&format!("call {}", office.number(SALES))).await?;
        wanda.program.next_whenever("answered", |line| line["event"] == "answered").await?;
        let talking = |row: &LiveRow| of("+48601234567")(row) && matches!(row.call.state, CallState::Talking { .. });
        let call = feed.row("Wanda talking", talking).await?.call.id;
        let note = "Large order, asks for a manager";
        if let Err(refused) = alex.transfer(&call, Target::User("maya".into()), note).await? {
            eprintln!("Alex could not transfer Wanda to you: {}", refused.message);
        }
        wanda.program.next_whenever("ended", |line| line["event"] == "ended").await?;
    }
}
