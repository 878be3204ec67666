//! From a key pressed in the search field to the rows on the screen, in the real window.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use call_log::CallLog;
use flows::office::Office;
use flows::program::built;
use flows::rig::Rig;
use flows::window::App;
use serde_json::{Value, json};

use crate::figures;

/// Typed letter by letter, and removed again. Each letter changes which calls are shown.
const QUERIES: [&str; 6] = ["priya", "joao", "kowal", "98123", "transfer", "sophie sup"];

/// After that, nothing is to be expected any more.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(3);

/// As WebDriver writes it.
const BACKSPACE: &str = "\u{E003}";

/// Times one key: from the key to the frame after the one in which the rows were changed.
const WATCH: &str = "
const input = document.querySelector('[data-testid=\"log-search\"]');
const element = (node) => (node.nodeType === 1 ? node : node.parentElement);
const row = (node) => element(node)?.closest('[role=\"rowgroup\"]') ?? element(node)?.querySelector('[data-testid=\"log-row\"]');
window.painted = null;
input.addEventListener('keydown', () => {
  const begun = performance.now();
  const seen = new MutationObserver((changes) => {
    if (!changes.some((change) => row(change.target) || [...change.addedNodes].some(row))) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now() - begun; }));
  });
  seen.observe(document.querySelector('[data-testid=\"logs\"]'), { subtree: true, childList: true, characterData: true });
}, { once: true, capture: true });
";

pub async fn run(rows: u64) -> Result<Value> {
    let office = Office::open().await?;
    let rig = Rig::start().await?;
    let data = rig.path().join("app");
    let app = App::open(&rig, &data, &office.exchange.api, "maya").await?;
    app.write("sign-in-password", office.exchange.password("maya")?).await?;
    app.click("sign-in-button").await?;
    app.text("logs-sync", |text| text.contains("Up to date")).await?;
    app.close().await?;
    fill(&log_of(&data)?, rows)?;

    let app = App::open(&rig, &data, &office.exchange.api, "maya").await?;
    app.text("logs-sync", |text| text.contains("Up to date")).await?;
    app.find("log-row").await?;
    let (mut taken, mut unchanged) = (Vec::new(), 0);
    for query in QUERIES {
        for letter in query.chars() {
            match press(&app, letter).await? {
                Some(ms) => taken.push(ms),
                None => unchanged += 1,
            }
        }
        app.find("log-search").await?.send_keys(&BACKSPACE.repeat(query.chars().count())).await?;
        // All calls again: nothing is marked as found.
        app.gone("log-found").await?;
        app.settled().await?;
    }
    let memory = app.memory_mb()?;
    app.close().await?;
    office.exchange.stop().await?;
    Ok(json!({
        "rows": rows,
        "keys_that_changed_no_row": unchanged,
        "key_to_painted_rows_ms": figures::spread(taken),
        "app_memory_mb": memory,
    }))
}

/// Milliseconds; `None` if no row looks different afterwards.
async fn press(app: &App, letter: char) -> Result<Option<f64>> {
    app.script(WATCH, Vec::new()).await?;
    app.find("log-search").await?.send_keys(&letter.to_string()).await?;
    let painted = tokio::time::timeout(LONGEST, async {
        loop {
            if let Some(ms) = app.script("return window.painted", Vec::new()).await?.as_f64() {
                return anyhow::Ok(ms);
            }
        }
    });
    painted.await.ok().transpose()
}

fn log_of(data: &Path) -> Result<PathBuf> {
    let files = std::fs::read_dir(data)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sqlite");
    files.into_iter().find(is_log).context("the app keeps no call log")
}

/// Many calls, as of the exchange that the app follows.
fn fill(path: &Path, rows: u64) -> Result<()> {
    let cursor = CallLog::open(path)?.log.cursor()?.context("the log follows nobody")?;
    let program = built("patchcord-bench")?.with_file_name("examples").join("bench");
    let mut command = std::process::Command::new(program);
    command.arg("--fill").arg(path).args(["--rows", &rows.to_string(), "--store", &cursor.store]);
    command.args(["--scope", cursor.scope.as_deref().unwrap_or_default()]);
    let filled = command.stdout(std::process::Stdio::null()).status()?;
    if filled.success() { Ok(()) } else { bail!("the call log could not be filled") }
}
