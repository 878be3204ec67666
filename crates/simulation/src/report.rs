//! What a run comes to, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

/// How often each kind of something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Kinds(BTreeMap<&'static str, u64>);

pub type Faults = Kinds;

impl Kinds {
    pub fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (kind, n) in &other.0 {
            *self.0.entry(kind).or_default() += n;
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    #[must_use]
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or(0)
    }
}

/// What one world, or all of them, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub transfers: u64,
    pub refused: u64,
    pub steps: u64,
    pub calls: u64,
    pub faults: Faults,
    pub outcomes: Kinds,
    /// How transfers were asked for.
    pub ways: Kinds,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.transfers += other.transfers;
        self.refused += other.refused;
        self.steps += other.steps;
        self.calls += other.calls;
        self.faults.add(&other.faults);
        self.outcomes.add(&other.outcomes);
        self.ways.add(&other.ways);
    }
}

/// What is printed: one JSON object.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub seed: u64,
    /// Transfers that were begun, each with exactly one outcome.
    pub transfers: u64,
    /// Attempts that were refused, each with a reason and an audit entry.
    pub refused: u64,
    pub worlds: u64,
    pub calls: u64,
    /// Inputs to the switchboard, each followed by all checks.
    pub steps: u64,
    /// The switchboard's own look at itself follows every so many steps; all that is judged by ear follows every one.
    pub own_check_every: u32,
    pub ways: Kinds,
    pub faults: Kinds,
    pub outcomes: Kinds,
    /// Violations in which somebody who had not hung up was cut off, forgotten, or heard nothing.
    pub callers_lost: u64,
    /// Worlds in which a promise was broken; each stops there.
    pub violations: u64,
    pub seconds: f64,
    pub transfers_per_second: f64,
    pub threads: usize,
    /// SHA-256 over all orders, records and audit entries; the same for the same seed and number of transfers.
    pub digest: String,
}
