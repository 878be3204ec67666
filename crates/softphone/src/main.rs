//! `patchcord-phone`: the softphone without a window. Commands come in on standard input, one a line; every event goes
//! out on standard output as one JSON object a line.

mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::main()
}
