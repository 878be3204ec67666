//! Text at 200 % and long names in the real window: nothing cut, covered or upon another.
//! `PATCHCORD_LOOK=folder` keeps pictures of it, for eyes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flows::office::{Office, SUPPORT};
use flows::program::PATIENCE;
use flows::rig::Rig;
use flows::window::{App, live_row};
use protocol::Target;
use serde_json::json;

use crate::scene::talking_with;
use crate::window::{LONG_NAME, mayas_app};

/// What is cut, covered, outside the window or upon something else of what can be read or pressed beneath an element. A name that is
/// shortened says the whole of it in its tip; what scrolls is scrolled to.
const CRAMPED: &str = r#"
const root = document.querySelector(arguments[0]);
if (!root) return ['gone'];
const parts = [...root.querySelectorAll('button, p, h2, input, [role="gridcell"], [role="option"], .security')]
  .filter((part) => part.checkVisibility() && (part.innerText.trim() || part.matches('button, input')));
const apart = (a, b) => a.right <= b.left + 0.5 || b.right <= a.left + 0.5 || a.bottom <= b.top + 0.5 || b.bottom <= a.top + 0.5;
const sticky = (part) => getComputedStyle(part).position === 'sticky';
const tipped = (part) => part.closest('[data-tip]') ?? part.querySelector('[data-tip]');
const faults = parts.flatMap((part, at) => {
  const faults = [];
  const cut = part.scrollWidth > part.clientWidth + 1 || (part.scrollHeight > part.clientHeight + 1 && !part.matches('.named'));
  if (cut && !part.matches('input') && !tipped(part)) faults.push('cut');
  part.scrollIntoView({ block: 'nearest' });
  const box = part.getBoundingClientRect();
  if (box.left < 0 || box.top < 0 || box.right > innerWidth || box.bottom > innerHeight) faults.push('outside');
  const shown = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  if (!part.contains(shown) && !shown?.contains(part)) faults.push('covered');
  const others = parts.filter((other, place) => place > at && !sticky(part) && !sticky(other) && !part.contains(other) && !other.contains(part) && other.closest('[role="listbox"]') === part.closest('[role="listbox"]'));
  const upon = others.find((other) => !apart(box, other.getBoundingClientRect()));
  if (upon) faults.push(`upon ${upon.dataset.testid ?? upon.innerText}`);
  return faults.map((fault) => `${part.dataset.testid ?? part.innerText}: ${fault}`);
});
parts[0].scrollIntoView({ block: 'nearest' });
if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is wider than the window');
return faults;
"#;

/// What is not there is not whole.
const GONE: &str = "gone";

/// How often it is looked again: a window that nobody sees does not paint, so there is no event to wait for.
const GLANCE: Duration = Duration::from_millis(20);

pub async fn text_size(app: &App, percent: &str) -> Result<()> {
    app.click("nav-settings").await?;
    app.find("text-size").await?.select_by_value(percent).await?;
    app.click("nav-logs").await
}

/// Waits until what is beneath the first element that the selector names is whole: a window follows its page.
pub async fn is_whole(app: &App, root: &str) -> Result<()> {
    let size = "return getComputedStyle(document.documentElement).fontSize";
    ensure!(app.script(size, Vec::new()).await? == "32px", "the text has another size");
    let (begun, mut before) = (Instant::now(), Vec::new());
    loop {
        let faults: Vec<String> = serde_json::from_value(app.script(CRAMPED, vec![json!(root)]).await?)?;
        if faults.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE && faults != [GONE], "{root}: {faults:#?}, before: {before:#?}");
        before = faults;
        tokio::time::sleep(GLANCE).await;
    }
}

/// Keeps a picture if somebody wants to look at it.
async fn picture(rig: &Rig, app: &App, window: &str, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PATCHCORD_LOOK") else { return Ok(()) };
    app.settled().await?;
    rig.picture_of(window, &Path::new(&folder).join(format!("{name}.png"))).await
}

const LONG_COLLEAGUE: &str = "Maximiliana Featherstonehaugh-Wriothesley";
const LONG_NOTE: &str =
    "She has the receipt of order 4411, wants her money back, and asks for a manager who can decide it today";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ring_card_transfer_dialog_and_live_calls_are_whole_at_200_percent() -> Result<()> {
    let office = Office::open_with(|config| {
        let people = config["user"].as_array_mut().unwrap();
        for person in people.iter_mut().filter(|person| ["alex", "tom"].contains(&person["id"].as_str().unwrap())) {
            person.as_table_mut().unwrap().insert("name".to_owned(), LONG_COLLEAGUE.into());
        }
    })
    .await?;
    let rig = Rig::start().await?;
    let app = mayas_app(&rig, &office).await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut wanda = office.outsider("wanda", LONG_NAME, "+48601234567").await?;
    let alex = office.exchange.person("alex").await?;
    wanda.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let call = alex.feed().await?.row("talking with Ravi", talking_with("ravi")).await?.call.id;
    text_size(&app, "200").await?;

    for theme in ["light", "dark"] {
        app.click("nav-settings").await?;
        app.click(&format!("theme-{theme}")).await?;
        app.click("nav-logs").await?;
        app.find(&live_row(&call)).await?;
        picture(&rig, &app, "Patchcord", &format!("live-{theme}")).await?;
        is_whole(&app, "[data-testid=\"live-widget\"]").await?;
        app.click(&format!("{} [data-testid=\"live-transfer\"]", live_row(&call))).await?;
        app.find("[data-testid=\"target\"][data-target=\"ravi\"]").await?;
        picture(&rig, &app, "Patchcord", &format!("dialog-{theme}")).await?;
        is_whole(&app, "[data-testid=\"transfer-dialog\"]").await?;
        app.write("transfer-search", "maximiliana").await?;
        app.find("[data-testid=\"target\"][data-target=\"tom\"]").await?;
        app.write("transfer-note", LONG_NOTE).await?;
        picture(&rig, &app, "Patchcord", &format!("dialog-found-{theme}")).await?;
        is_whole(&app, "[data-testid=\"transfer-dialog\"]").await?;
        app.click("transfer-close").await?;
        app.gone("transfer-close").await?;
    }

    let accepted = alex.transfer(&call, Target::User("maya".into()), LONG_NOTE).await?;
    assert!(accepted.is_ok(), "{accepted:?}");
    app.find("ring-line-answer").await?;
    rig.window_shown("Incoming call").await?;
    for theme in ["dark", "light"] {
        app.to_main().await?;
        app.click("nav-settings").await?;
        app.click(&format!("theme-{theme}")).await?;
        app.click("nav-logs").await?;
        picture(&rig, &app, "Patchcord", &format!("ring-line-{theme}")).await?;
        app.to_ring().await?;
        app.find(&format!("[data-theme=\"{theme}\"] [data-testid=\"ring\"]")).await?;
        app.text("ring-headline", |text| text.contains(LONG_COLLEAGUE)).await?;
        app.text("security", |text| text.trim() == "Not encrypted").await?;
        picture(&rig, &app, "Incoming call", &format!("ring-{theme}")).await?;
        is_whole(&app, "[data-testid=\"ring\"]").await?;
    }
    app.click("ring-answer").await?;
    app.to_main().await?;
    app.text("[data-testid=\"own-call\"] [data-testid=\"security\"]", |text| text.trim() == "Not encrypted").await?;
    picture(&rig, &app, "Patchcord", "own-call-light").await?;
    is_whole(&app, "[data-testid=\"own-call\"]").await?;
    wanda.say("hangup").await?;
    app.gone("own-call").await?;
    app.close().await?;
    office.exchange.stop().await
}
