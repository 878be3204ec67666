//! The first sync of a large history, in pages as the exchange gives them.

use std::path::Path;
use std::time::{Duration, Instant};

use call_log::CallLog;
use serde_json::{Value, json};

use crate::account::Account;
use crate::figures;

const PAGE: u64 = 500;

pub fn run(path: &Path, rows: u64, (store, scope): (&str, &str)) -> Value {
    let mut log = CallLog::open(path).unwrap().log;
    log.follow(store, scope).unwrap();
    let mut account = Account::new(rows);
    let (mut kept, mut keeping) = (0, Duration::ZERO);
    let mut json_bytes = 0;
    while kept < rows {
        let page: Vec<_> = (0..PAGE.min(rows - kept)).map(|_| account.next()).collect();
        if kept % 50_000 == 0 {
            json_bytes += serde_json::to_vec(&page).unwrap().len() as u64 * 50_000u64.min(rows) / PAGE;
        }
        kept += page.len() as u64;
        let begun = Instant::now();
        log.keep(&page, true).unwrap();
        keeping += begun.elapsed();
    }
    let begun = Instant::now();
    drop(log); // folds the write-ahead log into the file
    keeping += begun.elapsed();
    let bytes = std::fs::metadata(path).unwrap().len();
    json!({
        "rows_per_second": (rows as f64 / keeping.as_secs_f64()).round(),
        "bytes_per_row": figures::round(bytes as f64 / rows as f64),
        "json_bytes_per_row": figures::round(json_bytes as f64 / rows as f64),
    })
}
