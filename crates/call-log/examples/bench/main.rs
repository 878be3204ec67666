//! What the log costs on a realistic account, as one JSON object: each operation, beside it the same work as bare SQL in the
//! same run, and how both grow from 10,000 calls.
//!
//! The file is filled by one process and asked by another, so that the memory of asking is seen alone. The disk's
//! cache is warm.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod account;
mod ask;
mod bare;
mod figures;
mod fill;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use serde_json::{Value, json};

/// What growth is counted from.
const FEW: u64 = 10_000;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Fills this file, and says how fast.
    #[arg(long, hide = true)]
    fill: Option<PathBuf>,
    /// As what the file is filled: the exchange's store, and what its reader may see.
    #[arg(long, hide = true, default_value = "store")]
    store: String,
    #[arg(long, hide = true, default_value = "scope")]
    scope: String,
    /// Asks this file.
    #[arg(long, hide = true)]
    ask: Option<PathBuf>,
}

fn main() {
    let args = Args::parse();
    let report = match (&args.fill, &args.ask) {
        (Some(path), _) => fill::run(path, args.rows, (&args.store, &args.scope)),
        (None, Some(path)) => ask::run(path, args.rows),
        (None, None) => {
            let few = measured(FEW);
            let many = measured(args.rows);
            let growth = growth(&few, &many);
            json!({ "rows": args.rows, "at_rows": many, "growth_from_10000": growth })
        }
    };
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}

fn measured(rows: u64) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let filled = child("--fill", &path, rows);
    let asked = child("--ask", &path, rows);
    json!({ "sync": filled, "ask": asked })
}

fn child(what: &str, path: &Path, rows: u64) -> Value {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(what).arg(path).args(["--rows", &rows.to_string()]);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{what} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How many times the median of each operation is what it was with few rows.
fn growth(few: &Value, many: &Value) -> Value {
    let operations = many["ask"]["operations"].as_object().unwrap();
    let times = operations.iter().map(|(name, asked)| {
        let before = few["ask"]["operations"][name]["median_us"].as_f64().unwrap();
        (name.clone(), figures::round(asked["median_us"].as_f64().unwrap() / before).into())
    });
    Value::Object(times.collect())
}
