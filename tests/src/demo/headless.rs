//! The demo without an audience: drives the real window, listens, and writes pictures and `story.json`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use flows::office::{Office, SUPPORT};
use flows::phone::Phone;
use flows::program::memory_mb;
use flows::rig::Rig;
use flows::sound::{Library, Recognised, voice};
use flows::story::{Story, now_ms};
use flows::window::{App, consult_bar, live_row, log_row};
use protocol::{CallId, Target};
use serde_json::json;

use crate::cast::{self, Cast};

/// Runs the whole story. On failure the story is written too, and says where.
pub async fn play(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let mut story = Story::begin();
    let played = Play::run(out, &mut story).await;
    let failure = played.as_ref().err().map(|error| format!("{error:#}"));
    story.write(&out.join("story.json"), failure.as_deref())?;
    played
}

struct Play<'a> {
    out: &'a Path,
    story: &'a mut Story,
    sounds: Library,
    office: Office,
    rig: Rig,
    app: App,
    maya: flows::exchange::Person,
}

impl<'a> Play<'a> {
    async fn run(out: &'a Path, story: &'a mut Story) -> Result<()> {
        story.tell("demo", "opens the office");
        let office = Office::open().await.context("opening the exchange")?;
        let rig = Rig::start().await.context("starting the private desktop")?;
        let app = App::open(&rig, &rig.path().join("app"), &office.exchange.api, "maya").await?;
        let maya = office.exchange.person("maya").await?;
        let mut play = Self { out, story, sounds: Library::office()?, office, rig, app, maya };
        play.sign_in().await.context("signing in at the window")?;
        let cast = Cast::arrive(&play.office).await.context("the colleagues' phones")?;
        let mut priya = play.office.priya().await?;
        let mut joao = play.office.joao().await?;
        let call = play.calls_come_in(&mut priya, &mut joao).await.context("two calls come in")?;
        play.manager_moves_a_call(&call, &cast, &mut priya).await.context("story 1: the manager moves a call")?;
        play.a_call_comes_to_the_manager(&cast).await.context("story 2: a call is transferred to the manager")?;
        play.dark().await.context("dark mode")?;
        joao.stop().await?;
        play.app.close().await.context("closing the window")?;
        cast.leave().await?;
        play.office.exchange.stop().await.context("stopping the exchange")?;
        play.story.tell("demo", "closes the office; nobody was left on the line");
        Ok(())
    }

    async fn sign_in(&mut self) -> Result<()> {
        self.app.find("sign-in-password").await?;
        self.picture("signin").await?;
        self.app.write("sign-in-password", self.office.exchange.password("maya")?).await?;
        self.app.click("sign-in-button").await?;
        self.app.find("logs-empty").await?;
        self.app.text("link-registration", |text| text.contains("ready")).await?;
        self.story.tell("maya", "signs in; her device is registered");
        // There is no keyring on a private desktop; the app has said so, and that has been read.
        self.app.click("[data-testid=\"keyring-warning\"] button").await?;
        self.memory("idle")?;
        self.picture("logs-empty").await
    }

    async fn calls_come_in(&mut self, priya: &mut Phone, joao: &mut Phone) -> Result<CallId> {
        cast::two_callers(&self.office, priya, joao).await?;
        self.app.text("live-widget", |t| t.contains("Ravi Kumar") && t.contains("Mina Shah")).await?;
        self.story.tell("widget", "shows Priya talking with Ravi and João with Mina");
        self.picture("widget").await?;
        self.call_of("+919812345678").await
    }

    async fn manager_moves_a_call(&mut self, call: &CallId, cast: &Cast, priya: &mut Phone) -> Result<()> {
        self.hears("priya", priya, "ravi").await?;
        self.app.click(&format!("{} [data-testid=\"live-transfer\"]", live_row(call))).await?;
        self.app.find("transfer-search").await?;
        self.app.write("transfer-search", "tom").await?;
        self.app.find("[data-testid=\"target\"][data-target=\"tom\"]").await?;
        self.app.write("transfer-note", "Wants a quote for more seats").await?;
        self.picture("transfer-dialog").await?;
        self.app.script(WATCH, vec![json!(live_row(call)), json!("Tom Okafor")]).await?;
        self.app.click("transfer-go").await?;
        let go = self.app.script("return window.__go", Vec::new()).await?.as_u64().context("Go was not clicked")?;
        self.story.tell_at(go, "maya", "presses Go: Priya, from Ravi to Tom", &json!({ "call": call.as_str() }));

        let incoming = cast.tom.event("incoming").await?;
        let invited = incoming["t_ms"].as_u64().context("no time")?;
        self.story.tell_at(invited, "tom", "INVITE arrives; his phone rings", &incoming);
        ensure!(incoming["kind"] == "transfer" && incoming["transferred_by"]["name"] == "Maya Lindqvist");
        self.story.figure("go_to_invite_ms", invited.saturating_sub(go));
        let moved = self.app.text(&live_row(call), |text| text.contains("Tom Okafor")).await?;
        let moved_at = self.app.script("return window.__moved", Vec::new()).await?.as_u64().context("no time")?;
        self.story.tell_at(moved_at, "widget", "the row has moved", &json!({ "row": moved }));
        self.story.figure("go_to_row_moved_ms", moved_at.saturating_sub(go));
        self.picture("transferring").await?;
        self.hears("priya", priya, "hold-music").await?;
        let gone = cast.ravi.event("ended").await?;
        self.story.tell_at(gone["t_ms"].as_u64().unwrap_or_default(), "ravi", "his leg has ended", &json!({}));

        let answered = cast.tom.event("answered").await?;
        self.story.tell_at(answered["t_ms"].as_u64().unwrap_or_default(), "tom", "answers", &json!({}));
        self.app.text(&live_row(call), |t| t.contains("Talking") && t.contains("Tom Okafor")).await?;
        self.hears("priya", priya, "tom").await?;
        self.hears("tom", &cast.tom, "priya").await?;
        priya.say("hangup").await?;
        cast.tom.event("ended").await?;
        self.details(call).await
    }

    async fn details(&mut self, call: &CallId) -> Result<()> {
        self.app.click(&log_row(call)).await?;
        let text = self.app.text("details", |t| t.contains("Tom Okafor") && t.contains("Wants a quote")).await?;
        ensure!(text.contains("Completed"), "the audit trail does not say that it was completed: {text}");
        self.story.tell("maya", "opens the call's details: the journey and the audit trail");
        self.picture("details").await?;
        self.app.click("details-close").await
    }

    async fn a_call_comes_to_the_manager(&mut self, cast: &Cast) -> Result<()> {
        let tap = self.rig.tap_speaker()?;
        let mut wanda = self.office.wanda().await?;
        wanda.say(&format!("call {}", self.office.number(SUPPORT))).await?;
        cast.ravi.event("answered").await?;
        let call = self.call_of("+48601234567").await?;
        let alex = self.office.exchange.person("alex").await?;
        let asked = now_ms();
        let note = "Large order, asks for a manager";
        let accepted = alex.transfer(&call, Target::User("maya".into()), note).await?;
        accepted.map_err(|error| anyhow::anyhow!(error.message))?;
        let row = self.maya.live().await?.into_iter().find(|row| row.call.id == call).context("the call is gone")?;
        let rung = row.call.transfer.context("the call is not being transferred")?.since.0;
        self.story.tell_at(asked, "alex", "transfers Wanda to Maya", &json!({ "call": call.as_str(), "note": note }));
        let ringing = tap.first_sound(rung, -45.0).await?;
        self.story.tell_at(ringing, "maya's speaker", "the ring tone sounds", &json!({}));
        self.story.figure("invite_to_ring_sound_ms", ringing.saturating_sub(rung));

        self.app.to_ring().await?;
        let headline = self.app.text("ring-headline", |text| text.contains("Alex Moreno")).await?;
        self.story.tell("ring window", &headline);
        ensure!(headline.contains("Internal transfer from"), "{headline}");
        let active = self.rig.active_window().await?;
        ensure!(active == "Patchcord", "the ring window took the focus: {active:?} has it");
        self.rig.screenshot(&self.out.join("ringing.png")).await?;
        self.app.click("ring-answer").await?;
        self.app.to_main().await?;
        let answered = now_ms();
        self.story.tell_at(answered, "maya", "clicks Answer in the ring window", &json!({}));
        self.app.find("hang-up").await?;
        let microphone = self.rig.speak_into_microphone(&voice("maya"))?;
        self.hears("wanda", &wanda, "maya").await?;
        self.memory("in_call")?;
        let recognised = tap.hears(&self.sounds, "wanda", answered).await?;
        self.note_heard("maya", &recognised, "wanda")?;
        drop(microphone);
        self.consults(cast, &wanda).await.context("story 3: the manager speaks with a colleague first")?;
        wanda.say("hangup").await?;
        cast.tom.event("ended").await?;
        self.app.find(&log_row(&call)).await?;
        self.story.tell("wanda", "hangs up; the call is in the log");
        wanda.stop().await
    }

    /// Maya asks Tom, speaks with Wanda again, and hands her over.
    async fn consults(&mut self, cast: &Cast, wanda: &Phone) -> Result<()> {
        self.app.consult("tom").await?;
        let incoming = cast.tom.event("incoming").await?;
        let rung = incoming["t_ms"].as_u64().context("no time")?;
        ensure!(incoming["kind"] == "consult", "Tom is not consulted: {incoming}");
        self.story.tell_at(rung, "tom", "his phone rings: Maya wants to speak with him about Wanda", &incoming);
        self.app.text(&consult_bar("with_colleague"), |text| text.contains("Wanda Kowalska waits on hold")).await?;
        self.story.tell("consult bar", "Wanda Kowalska waits on hold while Maya speaks with Tom");
        self.picture("consult").await?;
        self.hears("wanda", wanda, "hold-music").await?;
        let microphone = self.rig.speak_into_microphone(&voice("maya"))?;
        self.hears("tom", &cast.tom, "maya").await?;
        drop(microphone);
        self.app.click("consult-swap").await?;
        self.app.text(&consult_bar("with_caller"), |text| text.contains("Tom Okafor waits on hold")).await?;
        self.story.tell("maya", "swaps: she speaks with Wanda, and Tom waits on hold");
        let microphone = self.rig.speak_into_microphone(&voice("maya"))?;
        self.hears("wanda", wanda, "maya").await?;
        drop(microphone);
        self.app.click("consult-complete").await?;
        self.app.gone("own-call").await?;
        self.story.tell("maya", "completes: Wanda goes to Tom, and Maya's leg has ended");
        self.hears("wanda", wanda, "tom").await
    }

    async fn dark(&mut self) -> Result<()> {
        self.app.click("nav-settings").await?;
        self.app.click("theme-dark").await?;
        self.app.click("nav-logs").await?;
        self.app.find("live-widget").await?;
        self.picture("dark").await
    }

    fn memory(&mut self, when: &str) -> Result<()> {
        self.story.figure(&format!("app_{when}_mb"), self.app.memory_mb()?);
        let exchange = self.office.exchange.program.id().context("the exchange has ended")?;
        self.story.figure(&format!("exchange_{when}_mb"), memory_mb(exchange)?);
        Ok(())
    }

    async fn call_of(&self, number: &str) -> Result<CallId> {
        let rows = self.maya.live().await?;
        let row = rows.into_iter().find(|row| row.call.caller.number == number);
        Ok(row.with_context(|| format!("no live call of {number}"))?.call.id)
    }

    async fn picture(&self, name: &str) -> Result<()> {
        self.app.settled().await?;
        self.rig.picture_of("Patchcord", &self.out.join(format!("{name}.png"))).await
    }

    /// Listens at `who`'s phone and demands that it is `expected`.
    async fn hears(&mut self, who: &str, phone: &Phone, expected: &str) -> Result<()> {
        let recognised = phone.hears(&self.sounds, expected).await?;
        self.note_heard(who, &recognised, expected)
    }

    fn note_heard(&mut self, who: &str, heard: &Recognised, expected: &str) -> Result<()> {
        let what = heard.what.clone().unwrap_or_else(|| "nothing known".into());
        self.story.tell_at(now_ms(), who, &format!("hears {what}"), &json!({ "heard": heard, "expected": expected }));
        ensure!(heard.what.as_deref() == Some(expected), "{who} should hear {expected}, but hears {heard:?}");
        Ok(())
    }
}

/// Notes in the page when Go was clicked, and when the row 0 first names 1.
const WATCH: &str = r#"
const [selector, name] = arguments;
document.querySelector('[data-testid="transfer-go"]')
  .addEventListener('click', () => { window.__go = Date.now(); }, { capture: true, once: true });
const look = () => {
  const row = document.querySelector(selector);
  if (!window.__moved && row && row.innerText.includes(name)) { window.__moved = Date.now(); watcher.disconnect(); }
};
const watcher = new MutationObserver(look);
watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
"#;
