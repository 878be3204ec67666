//! The simulation finds what is wrong, and finds nothing where nothing is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use simulation::{Failure, Options, Report, run};
use switchboard::{Fault, Switchboard};

fn options(transfers: u64, seed: u64) -> Options {
    Options {
        transfers,
        seed,
        threads: 0,
        own_check_every: 16,
        progress: |_, _| (),
        plant: |_: &mut Switchboard| (),
        explain: false,
    }
}

fn told(failure: &Failure) -> String {
    format!("world {}: {}\n{}\n{}", failure.world, failure.what, failure.what_shrunk, failure.transcript.join("\n"))
}

#[test]
fn no_caller_is_lost() {
    let (report, failure) = run(&Options { own_check_every: 1, explain: true, ..options(3_000, 7) });
    if let Some(failure) = failure {
        panic!("{}", told(&failure));
    }
    assert!(report.transfers >= 3_000);
    assert_eq!((report.callers_lost, report.violations), (0, 0));
    everything_happens(&report);
}

/// Each way to transfer, each outcome and each fault is met.
fn everything_happens(report: &Report) {
    let ways = [
        "Go",
        "consult",
        "to voicemail",
        "divert from the app",
        "302",
        "REFER",
        "attended REFER",
        "feature code",
        "gone on, hung up at once",
    ];
    let outcomes = [
        "answered by the target",
        "connected outside",
        "consulted, then connected",
        "back with the transferor",
        "next agent",
        "voicemail",
        "voicemail, as asked",
        "closing announcement",
        "caller hung up",
        "the exchange failed",
    ];
    let faults = [
        "event lost",
        "event late",
        "event duplicated",
        "events reordered",
        "event reported only after the session timer",
        "event of a leg that is gone",
        "order failed",
        "order failed, leg unusable",
        "device vanished",
        "exchange killed",
        "exchange restarted",
        "simultaneous requests",
        "stale request refused",
        "clock late",
    ];
    for (kinds, names) in [(&report.ways, &ways[..]), (&report.outcomes, &outcomes), (&report.faults, &faults)] {
        for name in names {
            assert!(kinds.of(name) > 0, "{name} never happened");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_on_any_number_of_threads() {
    let [one, four] = [1, 4].map(|threads| run(&Options { threads, ..options(500, 3) }).0);
    assert_eq!(one.digest, four.digest);
    assert_eq!((one.transfers, one.steps, one.worlds), (four.transfers, four.steps, four.worlds));
    assert_eq!((&one.faults, &one.outcomes), (&four.faults, &four.outcomes));
    assert_ne!(run(&options(500, 4)).0.digest, one.digest);
}

/// Runs with a planted mistake, which must be found within 10,000 transfers; answers how it is told.
fn found(plant: fn(&mut Switchboard)) -> Failure {
    let (report, failure) = run(&Options { plant, explain: true, ..options(10_000, 5) });
    let failure = failure.expect("the planted mistake went unnoticed");
    assert!(report.violations > 0);
    assert!(!failure.what_shrunk.is_empty(), "it is not found again in the shortest life");
    failure
}

#[test]
fn a_dropped_recall_timer_is_found() {
    let failure = found(|board| board.plant(Fault::DropRecallTimer));
    assert!(failure.what_shrunk.contains("no timer") || failure.what_shrunk.contains("waits"), "{}", told(&failure));
}

#[test]
fn a_forgotten_hold_is_found() {
    let failure = found(|board| board.plant(Fault::ForgetHold));
    assert!(failure.what_shrunk.contains("the caller hears"), "{}", told(&failure));
}

#[test]
fn a_connection_before_the_answer_is_found() {
    let failure = found(|board| board.plant(Fault::BridgeBeforeAnswer));
    assert!(failure.what_shrunk.contains("has not been answered"), "{}", told(&failure));
}

#[test]
fn a_lost_last_step_of_the_fallback_is_found() {
    let failure = found(|board| board.plant(Fault::LoseLastFallbackStep));
    assert!(failure.what_shrunk.contains("hangs up on"), "{}", told(&failure));
}

#[test]
fn a_refusal_that_is_not_written_down_is_found() {
    let failure = found(|board| board.plant(Fault::SkipAuditOfRefusal));
    assert!(failure.what_shrunk.contains("written down"), "{}", told(&failure));
}

#[test]
fn a_caller_lost_to_a_hasty_goodbye_is_found() {
    let failure = found(|board| board.plant(Fault::BelieveHastyGoodbye));
    assert!(failure.what_shrunk.contains("hangs up on"), "{}", told(&failure));
}

#[test]
fn a_forgotten_leg_of_a_consultation_is_found() {
    let failure = found(|board| board.plant(Fault::LeaveConsultLeg));
    assert!(failure.what_shrunk.contains("not between two"), "{}", told(&failure));
}

#[test]
fn a_ring_followed_by_nothing_is_found() {
    found(|board| board.plant(Fault::ForgetAfterRing));
}

#[test]
fn a_caller_who_is_left_on_the_line_is_found() {
    let failure = found(|board| board.plant(Fault::LeaveCallerLeg));
    assert!(
        failure.what_shrunk.contains("nobody knows it") || failure.what_shrunk.contains("still there"),
        "{}",
        told(&failure)
    );
}

/// What a failing run prints is short enough to be read: far fewer steps than the life it was found in.
#[test]
fn a_broken_promise_is_told_briefly() {
    let failure = found(|board| board.plant(Fault::ForgetHold));
    let steps = failure.transcript.iter().filter(|line| line.starts_with("t=")).count();
    assert!(steps <= 25, "{}", told(&failure));
}
