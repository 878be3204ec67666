use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match patchcord::compose::run(patchcord::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Patchcord can't start: {error:#}");
            ExitCode::FAILURE
        }
    }
}
