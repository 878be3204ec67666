//! Many worlds, on all cores, in one order.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::{
    report::{Report, Tally},
    shrink::shrink,
    world::{Lived, Plant, Script, live},
};

/// Worlds lived between two looks at how far it is; the end of a run does not depend on the number of threads.
const BATCH: u64 = 64;
/// After so many broken promises more would say nothing new.
const ENOUGH: u64 = 10;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many transfers to begin, at least.
    pub transfers: u64,
    pub seed: u64,
    /// Worlds lived at the same time; 0: one per core.
    pub threads: usize,
    /// The switchboard's own check follows every so many steps.
    pub own_check_every: u32,
    /// Says how far it is.
    pub progress: fn(&Tally, u64),
    pub plant: Plant,
    /// Whether a failing world is shortened and told.
    pub explain: bool,
}

/// The first world in which a promise was broken.
#[derive(Debug, Clone)]
pub struct Failure {
    pub world: u64,
    pub what: String,
    /// The shortest life found that breaks a promise, line by line.
    pub transcript: Vec<String>,
    pub what_shrunk: String,
    /// What went wrong in other worlds.
    pub others: Vec<(u64, String)>,
}

/// Lives worlds until enough transfers have been begun.
#[must_use]
pub fn run(options: &Options) -> (Report, Option<Failure>) {
    let begun = Instant::now();
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        n => n,
    };
    let (mut all, mut digest) = (Tally::default(), Sha256::new());
    let (mut worlds, mut violations, mut lost) = (0, 0, 0);
    let mut broken = Vec::new();
    while all.transfers < options.transfers && violations < ENOUGH {
        for lived in batch(options, worlds, threads) {
            if all.transfers >= options.transfers {
                break;
            }
            if let Some((_, violation)) = &lived.violation {
                violations += 1;
                lost += u64::from(violation.caller_lost);
                broken.push((worlds, violation.what.clone()));
            }
            all.add(&lived.tally);
            digest.update(lived.digest.to_be_bytes());
            worlds += 1;
        }
        (options.progress)(&all, violations);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let report = Report {
        seed: options.seed,
        transfers: all.transfers,
        refused: all.refused,
        worlds,
        calls: all.calls,
        steps: all.steps,
        own_check_every: options.own_check_every,
        ways: all.ways,
        faults: all.faults,
        outcomes: all.outcomes,
        callers_lost: lost,
        violations,
        seconds,
        transfers_per_second: all.transfers as f64 / seconds,
        threads,
        digest: digest.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
    };
    let failure = (!broken.is_empty()).then(|| explain(options, broken));
    (report, failure)
}

fn batch(options: &Options, first: u64, threads: usize) -> Vec<Lived> {
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<Lived>>> = (0..BATCH).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.load(Ordering::Relaxed)).and_then(|_| {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    slots.get(index).map(|slot| (index as u64, slot))
                }) {
                    let script = Script::new(options.seed, first + slot.0);
                    let lived = live(&script, options.plant, options.own_check_every, false);
                    *slot.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(lived);
                }
            });
        }
    });
    slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

fn explain(options: &Options, mut broken: Vec<(u64, String)>) -> Failure {
    let (world, what) = broken.remove(0);
    let (transcript, what_shrunk) = if options.explain { tell(options, world) } else { Default::default() };
    Failure { world, what, transcript, what_shrunk, others: broken }
}

/// One world of the run, line by line: shortened if a promise is broken in it. And which, or nothing.
#[must_use]
pub fn tell(options: &Options, world: u64) -> (Vec<String>, String) {
    let script = Script::new(options.seed, world);
    let breaks = live(&script, options.plant, options.own_check_every, false).violation.is_some();
    let script = if breaks { shrink(script, options.plant) } else { script };
    let lived = live(&script, options.plant, 1, true);
    (lived.transcript, lived.violation.map(|(_, v)| v.what).unwrap_or_default())
}
