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
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        match self.what {
            What::Office => {
                run("cargo", &["build", "--release", "--locked", "-p", "exchange", "-p", "softphone", "-p", "flows"])?;
                run("cargo", &["run", "--quiet", "--release", "--locked", "-p", "flows", "--bin", "patchcord-bench"])
            }
        }
    }
}
