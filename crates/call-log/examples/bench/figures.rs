//! Times and memory.

use std::time::Instant;

use serde_json::{Value, json};

/// Two ways to do the same, in turns, in microseconds.
#[derive(Default)]
pub struct Pair {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Pair {
    pub fn ours<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.ours, work)
    }

    pub fn bare<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.bare, work)
    }

    pub fn report(mut self) -> Value {
        let (median, p99) = spread(&mut self.ours);
        let (bare_median, bare_p99) = spread(&mut self.bare);
        json!({
            "median_us": median, "p99_us": p99, "bare_median_us": bare_median, "bare_p99_us": bare_p99,
            "ratio_median": round(median / bare_median), "ratio_p99": round(p99 / bare_p99), "n": self.ours.len(),
        })
    }
}

pub fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

pub fn spread(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| round(values[((values.len() - 1) as f64 * share).round() as usize]);
    (at(0.5), at(0.99))
}

/// The most memory that this process has had, in bytes.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    times.push(begun.elapsed().as_secs_f64() * 1e6);
    done
}
