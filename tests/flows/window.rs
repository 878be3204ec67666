//! The real app in a real window.

use anyhow::Result;
use flows::asterisk::{password, with_asterisk};
use flows::office::{Office, SUPPORT};
use flows::rig::Rig;
use flows::sound::{Library, voice};
use flows::window::{App, Key, consult_bar, follow_link, live_row, log_row};
use protocol::{CallId, Target};

use crate::large_text::{is_whole, text_size};
use crate::scene::talking_with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ring_window_opens_while_the_main_window_is_hidden() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let app = mayas_app(&rig, &office).await?;
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

/// Maya's app, signed in, with its device ready.
pub async fn mayas_app(rig: &Rig, office: &Office) -> Result<App> {
    let app = App::open(rig, &rig.path().join("app"), &office.exchange.api, "maya").await?;
    app.write("sign-in-password", office.exchange.password("maya")?).await?;
    app.click("sign-in-button").await?;
    app.find("logs-empty").await?;
    app.text("link-registration", |text| text.contains("ready")).await?;
    Ok(app)
}

pub const LONG_NAME: &str = "Wanda Kowalska-Wiśniewska of Nowak & Sons";

/// Consulting, swap, cancel; then again, and complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_consult_bar_says_who_waits_and_does_what_it_says() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let app = mayas_app(&rig, &office).await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut wanda = office.outsider("wanda", LONG_NAME, "+48601234567").await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let alex = office.exchange.person("alex").await?;
    wanda.say(&format!("call {}", office.number(SUPPORT))).await?;
    let call = alex.feed().await?.row("talking with Ravi", talking_with("ravi")).await?.call.id;
    let accepted = alex.transfer(&call, Target::User("maya".into()), "").await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    ravi.event("ended").await?;
    text_size(&app, "200").await?;
    app.click("ring-line-answer").await?;
    app.find("own-transfer").await?;
    let speak = || rig.speak_into_microphone(&voice("maya"));

    app.consult("tom").await?;
    assert_eq!(tom.event("incoming").await?["kind"], "consult");
    app.text(&consult_bar("ringing"), |text| text.contains(LONG_NAME) && text.contains("waits on hold")).await?;
    let enabled = "return document.querySelector('[data-testid=\"consult-swap\"]').getAttribute('aria-disabled')";
    assert_eq!(app.script(enabled, Vec::new()).await?, "true", "nobody to swap with yet");
    tom.say("answer").await?;
    app.text(&consult_bar("with_colleague"), |text| text.contains(LONG_NAME)).await?;
    app.text("on-line", |text| text == "Tom Okafor").await?;
    let wide = "return document.documentElement.scrollWidth - window.innerWidth";
    assert_eq!(app.script(wide, Vec::new()).await?, 0, "a long name widens the page");
    is_whole(&app, "[data-testid=\"own-call\"]").await?;
    text_size(&app, "100").await?;
    wanda.hears(&sounds, "hold-music").await?;
    let microphone = speak()?;
    tom.hears(&sounds, "maya").await?;
    drop(microphone);

    app.click("consult-swap").await?;
    app.text(&consult_bar("with_caller"), |text| text.contains("Tom Okafor waits on hold")).await?;
    app.text("on-line", |text| text == LONG_NAME).await?;
    tom.hears(&sounds, "hold-music").await?;
    let microphone = speak()?;
    wanda.hears(&sounds, "maya").await?;
    drop(microphone);

    app.click("consult-cancel").await?;
    app.gone("consult").await?;
    tom.event("ended").await?;
    app.text("on-line", |text| text == LONG_NAME).await?;
    let microphone = speak()?;
    wanda.hears(&sounds, "maya").await?;
    drop(microphone);

    app.consult("tom").await?;
    tom.event("incoming").await?;
    tom.say("answer").await?;
    app.find(&consult_bar("with_colleague")).await?;
    app.click("consult-complete").await?;
    app.gone("own-call").await?;
    app.text("live-row", |text| text.contains("Talking") && text.contains("Tom Okafor")).await?;
    wanda.hears(&sounds, "tom").await?;
    wanda.say("hangup").await?;
    tom.event("ended").await?;
    app.gone("live-widget").await?;
    app.close().await?;
    office.exchange.stop().await
}

/// Nothing but an address and a password, at somebody else's system: a call, a colleague's line, a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_account_is_signed_in_by_hand() -> Result<()> {
    with_asterisk(async |office| {
        let rig = Rig::start().await?;
        let app = App::open(&rig, &rig.path().join("app"), "desk.example", "").await?;
        app.click("where-sip").await?;
        app.write("account-address", &format!("204@{}", office.sip)).await?;
        app.write("account-password", &password("204")).await?;
        app.click("account-save").await?;
        app.find("phone").await?;
        app.click("nav-settings").await?;
        app.text("account", |text| text.contains("ready")).await?;
        let ravi = office.phone("201", "ravi", &["--auto-answer=100"]).await?;
        app.write("watch-number", "201").await?;
        app.click("watch-add").await?;
        app.text("watched", |text| text.contains("Free")).await?;

        app.write("dial", "201").await?;
        app.click("dial-button").await?;
        ravi.event("answered").await?;
        app.text("watched", |text| text.contains("On a call")).await?;
        app.click("own-transfer").await?;
        app.text("transfer-dialog", |text| text.contains("Ravi Kumar")).await?;
        let spare =
            "const [dialog, foot] = ['dialog[open]', 'dialog[open] footer'].map((one) => document.querySelector(one));
            return Math.round(dialog.getBoundingClientRect().bottom - foot.getBoundingClientRect().bottom)";
        assert_eq!(app.script(spare, Vec::new()).await?, 1, "nothing but its border is below the dialog's foot");
        app.click("transfer-close").await?;
        let microphone = rig.speak_into_microphone(&voice("lena"))?;
        ravi.hears(crate::scene::sounds(), "lena").await?;
        drop(microphone);
        app.click("hang-up").await?;
        ravi.event("ended").await?;
        app.text("watched", |text| text.contains("Free")).await?;

        // The far end turns out to be somebody else.
        app.write("dial", "603").await?;
        app.click("dial-button").await?;
        app.text("on-line", |text| text == "Wanda Kowalska").await?;
        app.click("nav-logs").await?;
        app.text("live-row", |text| text.contains("Wanda Kowalska")).await?;
        app.click("hang-up").await?;
        app.text("[aria-label=\"Past calls\"]", |text| text.contains("Wanda Kowalska")).await?;
        app.click("nav-settings").await?;

        let mut mina = office.phone("203", "mina", &[]).await?;
        mina.say("call *204").await?;
        mina.event("answered").await?;
        mina.hears_for(6_000).await?;
        mina.say("hangup").await?;
        app.text("mailbox", |text| text.contains("1 new message")).await?;
        app.close().await
    })
    .await
}

/// Two calls of Priya's, the later one first in the list.
async fn two_calls(office: &Office, app: &App) -> Result<[CallId; 2]> {
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut priya = office.priya().await?;
    for calls in 1..=2 {
        priya.say(&format!("call {}", office.number(SUPPORT))).await?;
        ravi.event("answered").await?;
        priya.say("hangup").await?;
        ravi.event("ended").await?;
        app.text("[aria-label=\"Past calls\"]", |text| text.matches("Priya Nair").count() == calls).await?;
    }
    let ids = "return [...document.querySelectorAll('[data-testid=\"log-row\"]')].map((row) => row.dataset.call)";
    Ok(serde_json::from_value(app.script(ids, Vec::new()).await?)?)
}

fn opened(call: &CallId) -> String {
    format!("[data-testid=\"log-row\"][data-call=\"{call}\"][aria-selected=\"true\"]")
}

/// Links reach the window that runs, also while it is hidden, and one that they start; a number is not called by them.
/// The open details follow the keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_its_call_and_keys_open_the_next() -> Result<()> {
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let data = rig.path().join("app");
    let app = mayas_app(&rig, &office).await?;
    let [later, earlier] = two_calls(&office, &app).await?;
    app.click("nav-settings").await?;
    rig.close_window("Patchcord").await?;
    follow_link(&rig, &data, &format!("patchcord:call/{earlier}")).await?;
    rig.window_shown("Patchcord").await?;
    app.find(&opened(&earlier)).await?;
    app.text("details", |text| text.contains("Priya Nair") && text.contains("Answered")).await?;

    app.click(&log_row(&earlier)).await?;
    app.press(Key::Up).await?;
    app.find(&opened(&later)).await?;
    app.press(Key::End).await?;
    app.find(&opened(&earlier)).await?;
    app.press(Key::Escape).await?;
    app.gone("details").await?;
    let focused = "return document.activeElement.dataset.call";
    assert_eq!(app.script(focused, Vec::new()).await?, earlier.as_str(), "the row keeps the focus");

    follow_link(&rig, &data, "tel:+44-20-7946-0018").await?;
    app.find("[data-testid=\"dial\"]:focus").await?;
    let typed = "return document.activeElement.value";
    assert_eq!(app.script(typed, Vec::new()).await?, "+44-20-7946-0018");
    app.gone("own-call").await?;
    follow_link(&rig, &data, "patchcord:call/nobodys").await?;
    app.text("details", |text| text.contains("no such call")).await?;
    app.close().await?;

    let app = App::open_link(&rig, &data, &format!("patchcord:call/{later}")).await?;
    app.find(&opened(&later)).await?;
    app.close().await?;
    office.exchange.stop().await
}

/// "Save as" is the system's own dialog: thought better of, nothing happens; saved, the file is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_exported_to_the_file_that_is_chosen() -> Result<()> {
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let app = mayas_app(&rig, &office).await?;
    two_calls(&office, &app).await?;
    for (key, saved) in [("Escape", false), ("Return", true)] {
        app.click("export").await?;
        app.click("menu-csv").await?;
        rig.window_shown(SAVE_AS).await?;
        rig.until_active(SAVE_AS).await?;
        rig.press(key).await?;
        rig.window_gone(SAVE_AS).await?;
        let said = app.text("export-status", |text| !saved || text.contains("2 calls are in")).await?;
        assert_eq!(!said.is_empty(), saved, "{said}");
    }
    let path = app.text("export-path", |text| text.ends_with(".csv")).await?;
    let written = std::fs::read_to_string(&path)?;
    assert!(written.lines().count() == 3 && written.matches("Priya Nair").count() == 2, "{written}");
    assert!(path.rsplit('/').next().is_some_and(|name| name.starts_with("Calls 20")), "{path}");
    app.close().await?;
    office.exchange.stop().await
}

const SAVE_AS: &str = "Save calls as";
