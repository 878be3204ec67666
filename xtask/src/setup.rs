//! What a fresh Debian machine with Rust and Node lacks, and how it gets it.

pub mod asterisk;

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::step::{finish, root, run, run_in};

/// Needed to build the exchange, the softphone and the app.
const BUILD: &[&str] = &[
    "build-essential",
    "pkg-config",
    "cmake",
    "libssl-dev",
    "libwebkit2gtk-4.1-dev",
    "libayatana-appindicator3-dev",
    "librsvg2-dev",
    "libxdo-dev",
    "libasound2-dev",
    "libdbus-1-dev",
];

/// Needed for a private screen and sound server, and for driving the real window.
const RIG: &[&str] = &[
    "xvfb",
    "openbox",
    "dbus",
    "dbus-x11",
    "webkit2gtk-driver",
    "pulseaudio",
    "pulseaudio-utils",
    "libasound2-plugins",
    "imagemagick",
    "x11-utils",
    "wmctrl",
    "xdotool",
    "fonts-dejavu-core",
];

/// Foreign peers and the browser of the UI tests.
const PEERS: &[&str] = &["sip-tester", "baresip-core", "chromium"];

/// Reference speech, what its scores are built with, and what counts system calls, for `bench softphone`.
const SCORES: &[&str] = &["espeak-ng", "python3-venv", "python3-dev", "strace"];

const CARGO_DENY: &str = "0.20.2";

#[derive(Args)]
pub struct Setup {
    /// Install without asking.
    #[arg(long)]
    pub yes: bool,
}

impl Setup {
    pub fn run(&self) -> Result<()> {
        for_tests(self.yes)?;
        if let Err(error) = asterisk::unpack() {
            eprintln!("The tests with Asterisk will be skipped: {error:#}");
        }
        ui_packages()
    }
}

/// What the demo on a person's own screen needs; `rig` adds the private screen.
pub fn for_demo(rig: bool, yes: bool) -> Result<()> {
    packages(if rig { &[BUILD, RIG] } else { &[BUILD] }, yes)
}

pub fn for_scores(yes: bool) -> Result<()> {
    packages(&[SCORES, PEERS, RIG], yes)
}

pub fn for_tests(yes: bool) -> Result<()> {
    packages(&[BUILD, RIG, PEERS], yes)?;
    if which("cargo-deny").is_none() {
        eprintln!("Installing cargo-deny, which checks the licences of the dependencies");
        run("cargo", &["install", "--quiet", "--locked", "cargo-deny", "--version", CARGO_DENY])?;
    }
    Ok(())
}

/// The UI's own packages, exactly as locked.
pub fn ui_packages() -> Result<()> {
    run_in(&root().join("ui"), "npm", &["ci", "--no-fund", "--no-audit"])
}

fn packages(lists: &[&[&str]], yes: bool) -> Result<()> {
    if !cfg!(target_os = "linux") || which("dpkg-query").is_none() {
        eprintln!("This is no Debian: install the counterparts of these packages yourself if something is missing:");
        eprintln!("  {}", lists.concat().join(" "));
        return Ok(());
    }
    let missing: Vec<&str> = lists.concat().into_iter().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        eprintln!("All {} Debian packages are there.", lists.concat().len());
        return Ok(());
    }
    eprintln!("Debian packages to install: {}", missing.join(" "));
    if !yes && std::io::stdin().is_terminal() && !agreed()? {
        bail!("nothing was installed; run again with --yes, or install the packages above yourself");
    }
    let (program, prefix): (&str, &[&str]) = if is_root() {
        ("apt-get", &[])
    } else if which("sudo").is_some() {
        ("sudo", &["apt-get"])
    } else {
        bail!("installing needs root or sudo; as root: apt-get install {}", missing.join(" "));
    };
    apt(program, prefix, &["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(missing);
    apt(program, prefix, &install)
}

fn apt(program: &str, prefix: &[&str], args: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(prefix).args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    finish(command)
}

fn agreed() -> Result<bool> {
    eprint!("Install them now? [Y/n] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("reading the answer")?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|out| out.status.success() && out.stdout == b"installed")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
