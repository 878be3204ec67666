//! `cargo xtask bench WHAT`: measurements, as one JSON object on standard output.

mod feed;
mod figures;
mod office;
mod softphone;
mod switchboard;
mod transfer;
mod typing;

use anyhow::Result;
use clap::Parser;

/// Counts what is allocated, for the memory of calls.
#[global_allocator]
static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

#[derive(Parser)]
enum What {
    /// Memory and CPU of the exchange and of a phone, idle and in a call (PCMU and Opus).
    Office,
    /// Steps per second and memory of the switchboard alone, at 10 to 10,000 concurrent calls.
    Switchboard,
    /// From Go to the INVITE on the wire, beside a bare request to the same API.
    Transfer,
    /// The phone's engine: sound, delay and cost, beside an ideal receiver and baresip.
    Softphone,
    /// 50 desks that watch 1,000 calls with 50 changes a second.
    Feed,
    /// From a key pressed in the search field to the rows on the screen, in the real window.
    Typing {
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
    /// Mutated SIP messages on the wire, at the exchange and at a phone; then their memory, and a call.
    Flood {
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The desks of `feed`, as a process of their own.
    #[command(hide = true)]
    Watch { api: String, tokens: std::path::PathBuf },
}

#[tokio::main]
async fn main() -> Result<()> {
    let report = match What::parse() {
        What::Office => office::run().await?,
        What::Switchboard => switchboard::run()?,
        What::Transfer => transfer::run().await?,
        What::Softphone => softphone::run().await?,
        What::Feed => feed::run().await?,
        What::Flood { messages, seed } => flows::flood::run(messages, seed, true).await?,
        What::Typing { rows } => typing::run(rows).await?,
        What::Watch { api, tokens } => return feed::watch(&api, &tokens).await,
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
