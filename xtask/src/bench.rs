//! `cargo xtask bench …`: optimised builds, measured; JSON on standard output.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::step::run;

#[derive(Args)]
pub struct Bench {
    what: What,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Memory and CPU of the exchange and of a phone, idle and in a call (PCMU and Opus).
    Office,
    /// Steps per second and memory of the switchboard alone, at 10 to 10,000 concurrent calls.
    Switchboard,
    /// From Go to the INVITE on the wire, beside a bare request to the same API.
    Transfer,
    /// 50 desks that watch 1,000 calls with 50 changes a second.
    Feed,
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        let what = match self.what {
            What::Office => "office",
            What::Switchboard => "switchboard",
            What::Transfer => "transfer",
            What::Feed => "feed",
        };
        run("cargo", &["build", "--release", "--locked", "-p", "exchange", "-p", "softphone", "-p", "flows"])?;
        run(
            "cargo",
            &["run", "--quiet", "--release", "--locked", "-p", "flows", "--bin", "patchcord-bench", "--", what],
        )
    }
}
