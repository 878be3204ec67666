//! Our programs as child processes that never outlive us.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Notify;

/// How long a test waits for an event before it fails. Generous: machines are shared, and nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where cargo put the program `name`.
pub fn built(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let found = me.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; run: cargo build --workspace --features custom-protocol"))
}

/// A command for `program` that is killed when the thread that starts it ends, however it ends.
pub fn bound_to_us(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Looks now and at each ring of the bell, until there is something to see. A ring in between is not missed.
pub async fn look_at_each<T>(bell: &Notify, look: impl Fn() -> Option<T>) -> T {
    loop {
        let rung = bell.notified();
        tokio::pin!(rung);
        rung.as_mut().enable();
        if let Some(seen) = look() {
            return seen;
        }
        rung.await;
    }
}

/// A process and all below it.
pub fn family(root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut asked = 0;
    while let Some(pid) = family.get(asked).copied() {
        asked += 1;
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    family
}

/// A process that has ended and waits to be asked how does not run.
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Memory of a process and all below it, megabytes: proportional set size, so that shared pages count once.
pub fn memory_mb(root: u32) -> Result<f64> {
    let mut kilobytes = 0.0;
    for pid in family(root) {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        kilobytes += line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default();
    }
    Ok((kilobytes / 102.4).round() / 10.0)
}

/// From now on every program says all that it can, each into a file of its own in `dir`.
pub fn log_all_to(dir: PathBuf) {
    // Once is for all.
    let _ = LOGS.set(dir);
}

static LOGS: OnceLock<PathBuf> = OnceLock::new();

/// A child that writes one JSON object per line and may read commands.
pub struct Program {
    pub name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Lines>,
    /// Index of the next line that `next` looks at.
    read: Mutex<usize>,
}

#[derive(Default)]
struct Lines {
    seen: Mutex<Seen>,
    more: Notify,
}

#[derive(Default)]
struct Seen {
    lines: Vec<Value>,
    ended: bool,
}

impl Program {
    /// Starts `command`; its standard error goes to ours only if `PATCHCORD_TEST_LOG` is set, and see [`log_all_to`].
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        let errors = match LOGS.get() {
            Some(dir) => {
                command.env("RUST_LOG", "trace").env("PATCHCORD_LOG", "trace");
                let file = dir.join(format!("{name}.log"));
                std::fs::OpenOptions::new().create(true).append(true).open(file)?.into()
            }
            None if std::env::var_os("PATCHCORD_TEST_LOG").is_some() => Stdio::inherit(),
            None => Stdio::null(),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let lines = Arc::new(Lines::default());
        tokio::spawn(collect(stdout, lines.clone()));
        Ok(Self { name: name.to_owned(), child, stdin, lines, read: Mutex::new(0) })
    }

    /// Sends one command line.
    pub async fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the child reads nothing")?;
        stdin.write_all(format!("{line}\n").as_bytes()).await.with_context(|| format!("{} is gone", self.name))
    }

    /// Waits for the next line that satisfies `wanted`; lines before it are passed over for good.
    pub async fn next(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        match tokio::time::timeout(PATIENCE, self.next_whenever(what, wanted)).await {
            Ok(found) => found.with_context(|| self.transcript()),
            Err(_) => bail!("{} never said {what}\n{}", self.name, self.transcript()),
        }
    }

    /// [`Self::next`], however long it takes.
    pub async fn next_whenever(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let look = || match self.take(&wanted) {
            Some(line) => Some(Ok(line)),
            None if self.lines.seen.lock().is_ok_and(|seen| !seen.ended) => None,
            None => Some(Err(anyhow::anyhow!("{} ended while we waited for {what}", self.name))),
        };
        look_at_each(&self.lines.more, look).await
    }

    /// Waits for the next line whose `event` is `name`.
    pub async fn event(&self, name: &str) -> Result<Value> {
        self.next(name, |line| line["event"] == name).await
    }

    /// Waits until `name` has been said at all, read or not, and gives the first such line.
    pub async fn said(&self, name: &str) -> Result<Value> {
        self.said_times(name, 1).await
    }

    /// Waits until `name` has been said so many times, read or not, and gives the last of them: for what comes in no certain
    /// order.
    pub async fn said_times(&self, name: &str, times: usize) -> Result<Value> {
        let look = || self.all().into_iter().filter(|line| line["event"] == name).nth(times - 1);
        let said = tokio::time::timeout(PATIENCE, look_at_each(&self.lines.more, look)).await;
        said.with_context(|| format!("{} did not say {name} {times} times\n{}", self.name, self.transcript()))
    }

    /// Everything said so far.
    pub fn all(&self) -> Vec<Value> {
        self.lines.seen.lock().map(|seen| seen.lines.clone()).unwrap_or_default()
    }

    pub fn transcript(&self) -> String {
        let said: Vec<String> = self.all().iter().map(Value::to_string).collect();
        format!("{} said:\n  {}", self.name, said.join("\n  "))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it as a power cut would, with no time for a last word.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    /// SIGTERM, then waits for the end.
    pub async fn stop(mut self) -> Result<std::process::ExitStatus> {
        if let Some(id) = self.child.id() {
            Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("{} did not end on SIGTERM", self.name))?.context("waiting for the end")
    }

    fn take(&self, wanted: &impl Fn(&Value) -> bool) -> Option<Value> {
        let seen = self.lines.seen.lock().ok()?;
        let mut read = self.read.lock().ok()?;
        let found = seen.lines.iter().enumerate().skip(*read).find(|(_, line)| wanted(line))?;
        *read = found.0 + 1;
        Some(found.1.clone())
    }
}

async fn collect(stdout: tokio::process::ChildStdout, lines: Arc<Lines>) {
    let mut reader = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let (Ok(value), Ok(mut seen)) = (serde_json::from_str(&line), lines.seen.lock()) {
            seen.lines.push(value);
        }
        lines.more.notify_waiters();
    }
    if let Ok(mut seen) = lines.seen.lock() {
        seen.ended = true;
    }
    lines.more.notify_waiters();
}
