//! The project's chores: `cargo xtask demo`, `cargo xtask test`, and the smaller ones they are made of.

mod bench;
mod demo;
mod fuzz;
mod setup;
mod simulate;
mod step;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Patchcord's chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Set up, build, and run the sample office with the app on your screen (or --headless).
    Demo(demo::Demo),
    /// Set up and run every test.
    Test(test::Test),
    /// Measure, and print one JSON object.
    Bench(bench::Bench),
    /// Live random offices in virtual time until a caller is lost, or enough transfers were made.
    Simulate(simulate::Simulate),
    /// Hostile input for everything that reads what comes from outside.
    Fuzz(fuzz::Fuzz),
    /// Only install what building and testing need.
    Setup(setup::Setup),
}

fn main() -> Result<()> {
    if fuzz::is_rustc() {
        return fuzz::rustc();
    }
    match Cli::parse().chore {
        Chore::Demo(demo) => demo.run(),
        Chore::Test(test) => test.run(),
        Chore::Bench(bench) => bench.run(),
        Chore::Simulate(simulate) => simulate.run(),
        Chore::Fuzz(fuzz) => fuzz.run(),
        Chore::Setup(setup) => setup.run(),
    }
}
