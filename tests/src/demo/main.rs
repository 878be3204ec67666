//! The sample office, played: on a person's screen, or by itself in a private one, measured and pictured.

mod cast;
mod headless;
mod on_screen;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[arg(long, requires = "out")]
    headless: bool,
    #[arg(long)]
    out: Option<PathBuf>,
    /// Keep the data folder.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    match (cli.headless, cli.out) {
        (true, Some(out)) => headless::play(&out).await,
        (true, None) | (false, _) => on_screen::play(cli.keep).await,
    }
}
