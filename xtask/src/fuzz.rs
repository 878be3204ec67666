//! `cargo xtask fuzz`: hostile input, invented with an eye on which code it reaches; beginning at the corpora in `fuzz/corpus`.
//!
//! The instrumentation is put into our own crates alone, by standing between cargo and rustc: the dependencies are those of the
//! ordinary build, and no nightly compiler is needed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::step::{finish, root};

/// Set for cargo: then this program is called in place of rustc.
const AS_RUSTC: &str = "PATCHCORD_FUZZ_RUSTC";

/// What libFuzzer needs to see where it gets.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

#[derive(Args)]
pub struct Fuzz {
    /// One target of `fuzz/targets`; all of them if none is named.
    target: Option<String>,
    /// How long each runs, after its corpus.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Only tries this file again.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Adds to the corpus what reaches code that nothing in it does.
    #[arg(long)]
    grow: bool,
}

impl Fuzz {
    /// All targets, for the test command.
    pub fn briefly() -> Self {
        Self { target: None, seconds: 4, input: None, grow: false }
    }

    pub fn run(&self) -> Result<()> {
        let all = targets()?;
        let chosen: Vec<&str> = match &self.target {
            None => all.iter().map(String::as_str).collect(),
            Some(one) if all.contains(one) => vec![one],
            Some(one) => bail!("there is no target {one:?}; there are {}", all.join(", ")),
        };
        build()?;
        for target in chosen {
            self.fuzz(target)?;
        }
        Ok(())
    }

    fn fuzz(&self, target: &str) -> Result<()> {
        let (corpus, found) = (root().join("fuzz/corpus").join(target), root().join("target/fuzz").join(target));
        fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?;
        let said = found.with_extension("log");
        let mut command = Command::new(root().join("target/debug").join(target));
        command.args(["-timeout=60", "-rss_limit_mb=2048", "-max_len=8192", "-print_funcs=0", "-print_final_stats=1"]);
        command.arg(format!("-artifact_prefix={}-", found.display()));
        let time = format!("-max_total_time={}", self.seconds);
        match &self.input {
            Some(input) => command.arg(input),
            None if self.grow => command.arg(&corpus).arg(time),
            // What is new goes into the first folder. The same seed: what was found is found again.
            None => command.arg(&found).arg(&corpus).args(["-seed=1", &time]),
        };
        command.stderr(fs::File::create(&said).with_context(|| format!("writing {}", said.display()))?);
        let outcome = finish(command);
        let said = fs::read_to_string(&said).unwrap_or_default();
        if outcome.is_err() || self.input.is_some() {
            eprintln!("{said}");
        }
        outcome.with_context(|| {
            format!("{target} breaks; the input is in {}-*: cargo xtask fuzz {target} --input FILE", found.display())
        })?;
        let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        eprintln!("{target}: {} inputs, none broke it", inputs.unwrap_or("?").trim());
        Ok(())
    }
}

fn targets() -> Result<Vec<String>> {
    let dir = root().join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let file = entry?.path();
        names.extend(file.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn build() -> Result<()> {
    // A build of the workspace replaces the file that this program was started from.
    let wrapper = root().join("target/fuzz/rustc");
    fs::create_dir_all(root().join("target/fuzz")).context("making target/fuzz")?;
    fs::copy("/proc/self/exe", &wrapper).with_context(|| format!("making {}", wrapper.display()))?;
    let mut command = Command::new("cargo");
    command.args(["build", "--locked", "-p", "fuzz", "--features", "libfuzzer", "--bins"]).current_dir(root());
    command.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env(AS_RUSTC, "1");
    finish(command)
}

/// Whether cargo calls this program as its compiler.
pub fn is_rustc() -> bool {
    env::var_os(AS_RUSTC).is_some()
}

/// Compiles as asked, with the instrumentation. The first argument is the compiler.
pub fn rustc() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next().context("cargo named no compiler")?;
    let arguments: Vec<OsString> = arguments.collect();
    // Cargo also asks the compiler about itself.
    let compiles = arguments.iter().any(|argument| argument == "--crate-name");
    let mut command = Command::new(Path::new(&compiler));
    command.args(&arguments).args(COVERAGE.iter().filter(|_| compiles)).env_remove(AS_RUSTC);
    finish(command)
}
