//! `patchcord-simulate`: lives random worlds and prints one JSON object; 1 if a promise was broken.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use simulation::{Options, run, tell};

#[derive(Parser)]
#[command(version, about = "Lives random offices in virtual time and checks that no caller is ever lost")]
struct Cli {
    /// How many transfers to begin.
    #[arg(long, default_value_t = 10_000)]
    transfers: u64,
    /// The same seed gives the same run, whatever the number of threads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worlds are lived at once; 0: one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// The switchboard's look at itself follows every so many steps; what is judged by ear follows every one.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    own_check_every: u32,
    /// Tells this world of the run line by line, shortened if a promise is broken in it, and nothing else.
    #[arg(long, value_name = "N")]
    world: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic is a violation, told with its world's transcript.
    std::panic::set_hook(Box::new(|_| {}));
    let options = Options {
        transfers: cli.transfers,
        seed: cli.seed,
        threads: cli.threads,
        own_check_every: cli.own_check_every,
        progress: |so_far, violations| {
            static TOLD: AtomicU64 = AtomicU64::new(0);
            let tens = so_far.transfers / 50_000;
            if TOLD.swap(tens, Ordering::Relaxed) != tens {
                eprintln!("{} transfers in {} steps, {violations} violations", so_far.transfers, so_far.steps);
            }
        },
        plant: |_| (),
        explain: true,
    };
    if let Some(world) = cli.world {
        let (lines, what) = tell(&options, world);
        lines.iter().for_each(|line| println!("{line}"));
        println!("{what}");
        return if what.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (report, failure) = run(&options);
    match serde_json::to_string_pretty(&report) {
        Ok(json) => println!("{json}"),
        Err(e) => eprintln!("the report cannot be written: {e}"),
    }
    let Some(failure) = failure else { return ExitCode::SUCCESS };
    eprintln!("\nWorld {} of seed {} broke a promise: {}", failure.world, cli.seed, failure.what);
    eprintln!("The shortest life found that does so ({}):\n", failure.what_shrunk);
    for line in failure.transcript {
        eprintln!("{line}");
    }
    for (world, what) in failure.others {
        eprintln!("World {world} broke a promise too: {what}");
    }
    ExitCode::FAILURE
}
