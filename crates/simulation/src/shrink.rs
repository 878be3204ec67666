//! Makes the life of a failing world as short as it can be (delta debugging, Zeller 1999).

use crate::world::{Plant, Script, live};

/// Tries at most this many shorter lives.
const TRIES: usize = 4_000;

/// The shortest life found in which some promise is broken.
#[must_use]
pub fn shrink(script: Script, plant: Plant) -> Script {
    let mut best = script;
    let mut tries = 0;
    let mut fails = |acts: &[crate::act::Act]| {
        tries += 1;
        let script = Script { seed: best.seed, acts: acts.to_vec() };
        (tries <= TRIES).then(|| live(&script, plant, 1, false).violation.map(|(at, _)| at)).flatten()
    };
    let mut acts = best.acts.clone();
    // Nothing after the broken promise matters.
    if let Some(at) = fails(&acts) {
        acts.truncate(at + 1);
    }
    let mut chunk = acts.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < acts.len() {
            let without = [&acts[..from], &acts[(from + chunk).min(acts.len())..]].concat();
            match fails(&without) {
                Some(at) => {
                    acts = without;
                    acts.truncate(at + 1);
                    shorter = true;
                }
                None => from += chunk,
            }
        }
        if !shorter || chunk > 1 {
            chunk /= 2;
        }
    }
    // Time that need not pass does not.
    for index in 0..acts.len() {
        let mut at_once = acts.clone();
        if std::mem::take(&mut at_once[index].after_ms) > 0 && fails(&at_once).is_some() {
            acts = at_once;
        }
    }
    best.acts = acts;
    best
}
