use call_log::{CallLog, Draft, Retained, Retention};
use protocol::{JourneyEvent, TargetRef, Timestamp};

use crate::make::{all, from, open, record, search, with_transfer};

fn until_done(log: &mut CallLog, retention: &Retention, now: u64) -> (u32, Retained) {
    let mut removed = 0;
    loop {
        let step = log.retain(retention, Timestamp(now)).unwrap();
        assert!(step.removed <= 500, "a step is small");
        removed += step.removed;
        if !step.more {
            return (removed, step);
        }
    }
}

#[test]
fn the_oldest_go_by_age_and_do_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.follow("s", "").unwrap();
    let records: Vec<_> = (0..1_300).map(|n| record(&format!("c{n}"), n + 1, n * 10)).collect();
    log.keep(&records, true).unwrap();
    log.warm().unwrap();
    log.keep_sound(&"c0".into(), b"sound").unwrap();
    log.write_remarks(&"c3".into(), 0, "still mine", None, Timestamp(1)).unwrap();
    let begun = Draft { call: "c5".into(), base: 0, note: "he said tha".into(), disposition: None };
    log.keep_draft(&begun).unwrap();
    let retention = Retention { max_age_ms: Some(980), ..Retention::default() };
    let (removed, last) = until_done(&mut log, &retention, 13_000);
    assert_eq!(removed, 1_200);
    assert_eq!(last.complete_from, Some(Timestamp(12_020)));
    let left = all(&mut log);
    assert_eq!(left.len(), 100);
    assert!(left.contains(&"c5".to_owned()), "a note that somebody has begun has its call");
    assert_eq!(search(&mut log, "still"), ["c3"], "a call with unsent remarks stays");
    assert_eq!(log.sound(&"c0".into()).unwrap(), None);
    // A late change of a removed call, and one of a call that is here.
    let late = [from(record("c1", 2_000, 10), "Late", ""), from(record("c3", 2_001, 30), "Wanted", "")];
    log.keep(&late, true).unwrap();
    assert!(search(&mut log, "late").is_empty());
    assert_eq!(search(&mut log, "wanted"), ["c3"]);
    assert_eq!(log.cursor().unwrap().unwrap().seq, 2_001, "the cursor goes on");
}

#[test]
fn the_file_shrinks_below_what_it_may_have() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    let records: Vec<_> = (0..4_000)
        .map(|n| from(record(&format!("c{n}"), n + 1, n * 10), &format!("Name{n}"), &format!("+91{n}")))
        .collect();
    log.keep(&records, false).unwrap();
    drop(log);
    let before = std::fs::metadata(&path).unwrap().len();
    let mut log = open(&path);
    let max_bytes = before / 2;
    let (removed, last) = until_done(&mut log, &Retention { max_bytes: Some(max_bytes), ..Retention::default() }, 0);
    assert!(removed > 1_000, "{removed}");
    assert_eq!(last.complete_from, Some(Timestamp(u64::from(removed - 1) * 10 + 1)));
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after <= max_bytes, "{before} {after}");
    assert_eq!(search(&mut log, "name3999"), ["c3999"]);
    assert!(search(&mut log, "name0").is_empty());
    assert_eq!(log.details(&"c3999".into()).unwrap().as_ref(), records.last());
    drop(log);
    assert_eq!(search(&mut open(&path), "name3999"), ["c3999"]);
}

#[test]
fn names_and_numbers_that_no_call_has_go_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    let call = |seq, name| from(record("a", seq, 10), name, "+91123");
    let mut outside = with_transfer(from(record("b", 2, 5), "Old", "+91456"), "");
    let JourneyEvent::TransferStarted { to, .. } = &mut outside.journey[0].what else { panic!("a transfer") };
    *to = TargetRef::Outside { number: "+4479".into() };
    log.keep(&[call(1, "Misspelt"), outside], false).unwrap();
    log.warm().unwrap();
    log.keep(&[call(3, "Right")], false).unwrap();
    let kept = |text: &str| {
        let db = rusqlite::Connection::open(&path).unwrap();
        let like = format!("%{text}%");
        db.query_row("SELECT count(*) FROM parties WHERE name LIKE ?1 OR number LIKE ?1", [like], |row| {
            row.get::<_, u32>(0)
        })
        .unwrap()
    };
    assert_eq!((kept("Misspelt"), kept("4479")), (1, 1));
    until_done(&mut log, &Retention { max_age_ms: Some(91), ..Retention::default() }, 100);
    assert_eq!((kept("Misspelt"), kept("Right"), kept("Old"), kept("4479")), (0, 1, 0, 0));
    log.keep(&[call(4, "Misspelt")], false).unwrap();
    assert_eq!(search(&mut log, "misspelt"), ["a"], "known again");
    assert!(search(&mut log, "right").is_empty());
}

#[test]
fn without_limits_nothing_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&[record("a", 1, 1)], false).unwrap();
    let step = log.retain(&Retention::default(), Timestamp(u64::MAX)).unwrap();
    assert_eq!(step, Retained { removed: 0, more: false, complete_from: None });
}

#[test]
fn sounds_are_limited_and_go_with_their_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&[record("a", 1, 10), record("b", 2, 20)], false).unwrap();
    assert!(log.keep_sound(&"a".into(), b"first").unwrap());
    assert!(log.keep_sound(&"a".into(), b"second").unwrap());
    assert!(!log.keep_sound(&"nobody".into(), b"x").unwrap());
    assert_eq!(log.sound(&"a".into()).unwrap().as_deref(), Some(&b"second"[..]));
    // Its call turns out to have started at another moment.
    log.keep(&[record("a", 3, 11)], false).unwrap();
    assert_eq!(log.sound(&"a".into()).unwrap().as_deref(), Some(&b"second"[..]));
    log.follow("s", "").unwrap();
    log.follow("t", "").unwrap();
    log.keep(&[record("a", 1, 10)], false).unwrap();
    assert_eq!(log.sound(&"a".into()).unwrap(), None);
}
