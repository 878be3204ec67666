//! Reading the machine's figures.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// User and system time of a process so far, milliseconds, from /proc (clock ticks of 10 ms).
pub fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("no stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks * 10.0)
}

/// Median and 99th percentile of some measured values.
pub fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
    json!({ "median": at(0.5), "p99": at(0.99), "n": values.len() })
}
