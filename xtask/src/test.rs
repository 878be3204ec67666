//! `cargo xtask test`: everything that is checked, in the order that finds cheap mistakes first.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::fuzz::Fuzz;
use crate::setup::{self, asterisk};
use crate::step::{Steps, finish, root, run, run_in};

#[derive(Args)]
pub struct Test {
    /// Install missing packages without asking.
    #[arg(long)]
    yes: bool,
}

impl Test {
    pub fn run(&self) -> Result<()> {
        let ui = root().join("ui");
        let mut steps = Steps::new(9);
        let asterisk = steps.step("Set up", || {
            setup::for_tests(self.yes)?;
            setup::ui_packages()?;
            Ok(asterisk::unpack())
        })?;
        clear_skipped()?;
        steps.step("Formatting", || run("cargo", &["fmt", "--all", "--check"]))?;
        steps.step("UI: types and build", || {
            run_in(&ui, "npm", &["run", "check"])?;
            run_in(&ui, "npm", &["run", "build"])
        })?;
        steps.step("Lints", || {
            run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
        })?;
        // The advisory database comes from the network, so it is not asked here.
        steps.step("Licences and sources of the dependencies", || {
            run("cargo", &["deny", "check", "licenses", "bans", "sources"])
        })?;
        steps.step("UI tests in a browser", || run_in(&ui, "npm", &["test"]))?;
        steps.step("Build", || build(&["--all-targets"]))?;
        steps.step("Hostile input, briefly", || Fuzz::briefly().run())?;
        let tests = steps.step("Unit, property, flow and window tests", || {
            let mut command = Command::new("cargo");
            command.args(["test", "--workspace", "--locked", "--features", "custom-protocol", "--no-fail-fast"]);
            if std::env::var_os("RUST_TEST_THREADS").is_none() {
                command.env("RUST_TEST_THREADS", threads().to_string());
            }
            command.current_dir(root());
            finish(command)
        });
        say_skipped(asterisk.err().as_ref());
        tests
    }
}

fn clear_skipped() -> Result<()> {
    match std::fs::remove_file(asterisk::skipped()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The last word of a run in which something was left out.
fn say_skipped(why: Option<&anyhow::Error>) {
    let names = std::fs::read_to_string(asterisk::skipped()).unwrap_or_default();
    let count = names.lines().count();
    if count > 0 {
        let why = why.map_or("it is not there".to_owned(), |why| format!("{why:#}"));
        eprintln!("\nSKIPPED: {count} Asterisk tests: {why}");
    }
}

/// Flow tests mostly listen: measured on two cores, four at once take half the time of two.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4))
}

/// Builds every program, with the app carrying its own UI.
pub fn build(extra: &[&str]) -> Result<()> {
    let mut args = vec!["build", "--workspace", "--locked", "--features", "custom-protocol"];
    args.extend(extra);
    run("cargo", &args)
}
