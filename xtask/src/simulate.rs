//! `cargo xtask simulate --transfers N --seed S`: an optimised simulation; JSON on standard output.

use anyhow::Result;
use clap::Args;

use crate::step::run;

#[derive(Args)]
pub struct Simulate {
    /// Passed on as they are; `cargo xtask simulate -- --help` tells them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Simulate {
    pub fn run(&self) -> Result<()> {
        let mut args =
            vec!["run", "--quiet", "--release", "--locked", "-p", "simulation", "--bin", "patchcord-simulate", "--"];
        args.extend(self.arguments.iter().map(String::as_str).filter(|a| *a != "--"));
        run("cargo", &args)
    }
}
