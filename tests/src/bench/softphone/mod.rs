//! The phone's engine beside an ideal receiver and beside baresip, in the same minute, on the same packets.

mod cost;
mod devices;
mod peer;
mod phones;
mod quality;
mod signalling;
mod sound;
mod wire;

use anyhow::Result;
use serde_json::{Value, json};

/// Every row has the same columns; what was not measured is null. `met` says whether `ours` reaches `goal`.
pub async fn run() -> Result<Value> {
    let (dir, before) = (tempfile::tempdir()?, load()?);
    let mut rows = signalling::rows(dir.path()).await?;
    rows.extend(devices::rows(dir.path()).await?);
    rows.extend(cost::rows(dir.path()).await?);
    rows.extend(quality::rows(dir.path()).await?);
    Ok(json!({ "load_average": { "before": before, "after": load()? }, "rows": rows }))
}

/// How many programs wanted to run in the last minute: on a busy machine only what was measured at the same time compares.
fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// The value that a given share of all values does not exceed.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let value = sorted.get(((sorted.len().max(1) - 1) as f64 * share).round() as usize)?;
    Some((value * 1000.0).round() / 1000.0)
}

/// A row, told at once on standard error: the whole takes minutes.
fn row(case: &str, ours: Value, ideal: Value, baresip: Value, goal: &str, met: bool) -> Value {
    eprintln!("{case}: {ours}, {}", if met { "met" } else { "missed" });
    let cells = [
        ("case", case.into()),
        ("ours", ours),
        ("ideal", ideal),
        ("baresip", baresip),
        ("goal", goal.into()),
        ("met", met.into()),
    ];
    Value::Object(cells.map(|(name, cell)| (name.to_owned(), cell)).into_iter().collect())
}
