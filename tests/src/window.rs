//! The real app in a real window, driven by WebDriver.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::error::CmdError;

use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use protocol::CallId;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::ports::free_port;
use crate::program::{PATIENCE, built, family, is_running, memory_mb};
use crate::rig::Rig;

/// How often the window is asked again. WebDriver has no way to be told of a change.
const GLANCE: Duration = Duration::from_millis(20);

pub use fantoccini::key::Key;

pub struct App {
    client: Client,
    driver: Child,
    main: WindowHandle,
}

impl App {
    /// Starts the app on `rig`, with its data in `data`.
    pub async fn open(rig: &Rig, data: &Path, address: &str, user: &str) -> Result<Self> {
        Self::start(rig, data, &["--address", address, "--user", user]).await
    }

    /// Starts the app by a link, as a mail does.
    pub async fn open_link(rig: &Rig, data: &Path, link: &str) -> Result<Self> {
        Self::start(rig, data, &[link]).await
    }

    async fn start(rig: &Rig, data: &Path, arguments: &[&str]) -> Result<Self> {
        let port = free_port(&[Ipv4Addr::LOCALHOST])?;
        let mut driver = rig.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg("--host=127.0.0.1");
        driver.env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true").env("PATCHCORD_NO_KEYRING", "1");
        let log = if std::env::var_os("PATCHCORD_TEST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() };
        let driver = driver.stdout(Stdio::null()).stderr(log).spawn().context("starting WebKitWebDriver")?;
        wait_for_port(port).await?;
        let client = connect(port, data, arguments).await?;
        let main = client.window().await?;
        let mut app = Self { client, driver, main };
        app.to_window("main").await?;
        app.main = app.client.window().await?;
        Ok(app)
    }

    /// Memory of the app with all its processes (and the small driver above them), megabytes.
    pub fn memory_mb(&self) -> Result<f64> {
        memory_mb(self.driver.id().context("the driver has ended")?)
    }

    pub async fn to_main(&self) -> Result<()> {
        Ok(self.client.switch_to_window(self.main.clone()).await?)
    }

    /// Switches to the ring window.
    pub async fn to_ring(&self) -> Result<()> {
        self.to_window("ring").await
    }

    /// Waits for an element and clicks it. A click that closes its own window has succeeded.
    pub async fn click(&self, testid: &str) -> Result<()> {
        let element = self.find(testid).await?;
        match element.click().await {
            Ok(()) => Ok(()),
            Err(CmdError::Standard(error)) if error.error() == "no such window" => Ok(()),
            Err(error) => Err(error).with_context(|| format!("clicking {testid}")),
        }
    }

    pub async fn write(&self, testid: &str, text: &str) -> Result<()> {
        let element = self.find(testid).await?;
        element.clear().await?;
        element.send_keys(text).await.with_context(|| format!("writing into {testid}"))
    }

    /// Presses a key where the focus is.
    pub async fn press(&self, key: Key) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(&char::from(key).to_string()).await?)
    }

    /// Waits until the element is there and displayed.
    pub async fn find(&self, testid: &str) -> Result<fantoccini::elements::Element> {
        let selector = selector(testid);
        let search = async {
            loop {
                if let Ok(element) = self.client.find(Locator::Css(&selector)).await
                    && element.is_displayed().await.unwrap_or(false)
                {
                    return element;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(element) => Ok(element),
            Err(_) => bail!("{testid} never appeared; the page says: {}", self.page_text().await),
        }
    }

    /// Waits until the element's text satisfies `wanted`, and gives the text.
    pub async fn text(&self, testid: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : null";
        let mut last = String::new();
        let search = async {
            loop {
                if let Some(text) = self.script(script, vec![json!(selector(testid))]).await?.as_str() {
                    if wanted(text) {
                        return Ok(text.to_owned());
                    }
                    text.clone_into(&mut last);
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => bail!("{testid} never read as wanted; last {last:?}; page: {}", self.page_text().await),
        }
    }

    /// Asks in the transfer dialog of the call on the phone to speak with `user` first.
    pub async fn consult(&self, user: &str) -> Result<()> {
        self.click("own-transfer").await?;
        self.write("transfer-search", user).await?;
        self.find(&format!("[data-testid=\"target\"][data-target=\"{user}\"]")).await?;
        self.click("transfer-consult").await
    }

    /// Waits until no such element is on the page.
    pub async fn gone(&self, testid: &str) -> Result<()> {
        let script = "return document.querySelector(arguments[0]) === null";
        let search = async {
            while self.script(script, vec![json!(selector(testid))]).await? != json!(true) {
                tokio::time::sleep(GLANCE).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| bail!("{testid} never went away"))
    }

    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.client.execute(script, arguments).await?)
    }

    /// Waits until the page has painted what it holds: two animation frames.
    pub async fn settled(&self) -> Result<()> {
        let script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)))";
        let painted = self.client.execute_async(script, Vec::new());
        tokio::time::timeout(PATIENCE, painted).await.context("the window does not paint")??;
        Ok(())
    }

    pub async fn page_text(&self) -> String {
        let text = self.script("return document.body.innerText", Vec::new()).await;
        text.ok().and_then(|t| t.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Closes the window and waits until the app has ended: another start would only hand over to it.
    pub async fn close(mut self) -> Result<()> {
        let family = self.driver.id().map(family).unwrap_or_default();
        let closed = tokio::time::timeout(Duration::from_secs(10), self.client.close()).await;
        let ended = async {
            while family.iter().skip(1).any(|pid| is_running(*pid)) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        self.driver.kill().await?;
        ended.context("the app goes on after its window was closed")?;
        Ok(closed.map_or(Ok(()), |c| c)?)
    }

    /// Switches to the window whose page says in `document.documentElement.dataset.window` that it is `label`.
    async fn to_window(&self, label: &str) -> Result<()> {
        let search = async {
            loop {
                for handle in self.client.windows().await? {
                    self.client.switch_to_window(handle).await?;
                    let found = self.script("return document.documentElement.dataset.window", Vec::new()).await;
                    if found.is_ok_and(|l| l == label) {
                        return Ok(());
                    }
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| bail!("there is no window {label:?}"))
    }
}

/// What stands for a `data-testid`, unless it is a selector already.
fn selector(testid: &str) -> String {
    if testid.starts_with('[') { testid.to_owned() } else { format!("[data-testid=\"{testid}\"]") }
}

/// The bar of a consultation at this stage.
pub fn consult_bar(stage: &str) -> String {
    format!("[data-testid=\"consult\"][data-stage=\"{stage}\"]")
}

/// The row of a call in the live call widget.
pub fn live_row(call: &CallId) -> String {
    format!("[data-testid=\"live-row\"][data-call=\"{call}\"]")
}

/// The row of a finished call in the Call Logs.
pub fn log_row(call: &CallId) -> String {
    format!("[data-testid=\"log-row\"][data-call=\"{call}\"]")
}

/// A link is opened while the app runs: its program is started again, hands the link over, and ends.
pub async fn follow_link(rig: &Rig, data: &Path, link: &str) -> Result<()> {
    let mut again = rig.command(built("patchcord")?);
    again.arg("--data-dir").arg(data).arg(link).env("PATCHCORD_NO_KEYRING", "1");
    let status = tokio::time::timeout(PATIENCE, again.status()).await.context("the second start stays")??;
    if !status.success() {
        bail!("the second start failed: {status}");
    }
    Ok(())
}

async fn connect(port: u16, data: &Path, arguments: &[&str]) -> Result<Client> {
    let binary = built("patchcord")?;
    let data = data.to_string_lossy();
    let args: Vec<&str> = ["--data-dir", &data].into_iter().chain(arguments.iter().copied()).collect();
    let capabilities = json!({ "webkitgtk:browserOptions": { "binary": binary, "args": args } });
    let Value::Object(capabilities) = capabilities else { bail!("capabilities are an object") };
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities);
    let address = format!("http://127.0.0.1:{port}");
    let opened = tokio::time::timeout(PATIENCE, builder.connect(&address)).await.context("no window opens")?;
    opened.context("opening the app's window")
}

async fn wait_for_port(port: u16) -> Result<()> {
    let knocking = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(PATIENCE, knocking).await.context("WebKitWebDriver never listened")
}
