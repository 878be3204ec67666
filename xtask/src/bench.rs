//! `cargo xtask bench …`: optimised builds, measured; JSON on standard output.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::setup;
use crate::step::{root, run, run_in};

#[derive(Args)]
pub struct Bench {
    what: What,
    /// Calls of the account of `call-log` and `typing`.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Memory and CPU of the exchange and of a phone, idle and in a call (PCMU and Opus).
    Office,
    /// Steps per second and memory of the switchboard alone, at 10 to 10,000 concurrent calls.
    Switchboard,
    /// From Go to the INVITE on the wire, beside a bare request to the same API.
    Transfer,
    /// The phone's engine beside an ideal receiver and baresip, on the same packets in the same minute: PESQ, STOI, delay and
    /// lost clicks under seeded loss and jitter; CPU, syscalls, memory; registering, ringing, a failed transfer; a headset that is
    /// pulled out in mid-call. About 10 minutes.
    Softphone,
    /// 50 desks that watch 1,000 calls with 50 changes a second.
    Feed,
    /// The call log on a realistic account: pages, searches, filters, sync, beside bare SQL; and how each grows.
    CallLog,
    /// From a key pressed in the search field to the rows on the screen, in the real window, at that many calls.
    Typing,
    /// A million mutated SIP messages on the wire, at the exchange and at a phone; then their memory, and a call.
    Flood,
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        let flow = match self.what {
            What::Office => "office",
            What::Switchboard => "switchboard",
            What::Transfer => "transfer",
            What::Softphone => {
                setup::for_scores(false)?;
                "softphone"
            }
            What::Feed => "feed",
            What::Flood => "flood",
            What::CallLog => return self.call_log(),
            What::Typing => return self.typing(),
        };
        run("cargo", &["build", "--release", "--locked", "-p", "exchange", "-p", "softphone", "-p", "flows"])?;
        run(
            "cargo",
            &["run", "--quiet", "--release", "--locked", "-p", "flows", "--bin", "patchcord-bench", "--", flow],
        )
    }

    fn typing(&self) -> Result<()> {
        setup::ui_packages()?;
        run_in(&root().join("ui"), "npm", &["run", "build"])?;
        let release = ["build", "--release", "--locked", "--features", "custom-protocol"];
        let programs = ["-p", "patchcord", "-p", "exchange", "-p", "flows"];
        run("cargo", &[&release[..], &programs].concat())?;
        run("cargo", &["build", "--release", "--locked", "-p", "call-log", "--example", "bench"])?;
        let rows = self.rows.to_string();
        let bench = ["run", "--quiet", "--release", "--locked", "-p", "flows", "--bin", "patchcord-bench", "--"];
        run("cargo", &[&bench[..], &["typing", "--rows", &rows]].concat())
    }

    /// Needs nothing of the exchange or the softphone.
    fn call_log(&self) -> Result<()> {
        let rows = self.rows.to_string();
        let example = ["run", "--quiet", "--release", "--locked", "-p", "call-log", "--example", "bench"];
        run("cargo", &[&example[..], &["--", "--rows", &rows]].concat())
    }
}
