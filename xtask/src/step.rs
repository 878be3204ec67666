//! Running programs one after the other, saying which and how far.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The folder that holds the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A list of steps of known length, each announced as `[2/7] what`.
pub struct Steps {
    done: usize,
    total: usize,
}

impl Steps {
    pub fn new(total: usize) -> Self {
        Self { done: 0, total }
    }

    /// Announces `what`, runs `work`, and says how long it took.
    pub fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        eprintln!("\n[{}/{}] {what}", self.done, self.total);
        let begun = Instant::now();
        let result = work().with_context(|| format!("step {}/{} failed: {what}", self.done, self.total))?;
        eprintln!("[{}/{}] done in {:.0} s", self.done, self.total, begun.elapsed().as_secs_f32());
        Ok(result)
    }
}

/// Runs a program in the workspace root; its output goes to ours.
pub fn run(program: &str, args: &[&str]) -> Result<()> {
    run_in(&root(), program, args)
}

pub fn run_in(dir: &Path, program: &str, args: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir);
    finish(command)
}

/// Runs a prepared command to its end.
pub fn finish(mut command: Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}
