//! The cache from outside: what it keeps, finds, refuses and survives.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use call_log::{CallLog, Error, Filter};
use proptest::prelude::*;
use protocol::{
    CallOutcome, CallRecord, DepartmentRef, Direction, JourneyEvent, JourneyStep, Party, Reason, TargetRef, Timestamp,
    UserRef,
};

fn user(id: &str, name: &str) -> UserRef {
    UserRef { id: id.into(), name: name.into() }
}

fn record(id: &str, seq: u64, started_at: u64) -> CallRecord {
    CallRecord {
        id: id.into(),
        seq,
        direction: Direction::Inbound,
        caller: Party { name: "Priya Nair".into(), number: "+919812345678".into() },
        dialled: "+442079460200".into(),
        department: Some(DepartmentRef { id: "support".into(), name: "Support".into() }),
        agents: vec![user("mina", "Mina Shah")],
        started_at: Timestamp(started_at),
        answered_at: Some(Timestamp(started_at + 5)),
        ended_at: Timestamp(started_at + 50),
        outcome: CallOutcome::Answered,
        ended_because: Reason::CallerGone,
        journey: vec![],
        audit: vec![],
        voicemail: None,
        remarks: None,
        quality: Vec::new(),
    }
}

fn with_transfer(mut record: CallRecord, note: &str) -> CallRecord {
    record.journey.push(JourneyStep {
        at: record.started_at,
        what: JourneyEvent::TransferStarted {
            transfer: "t1".into(),
            by: user("maya", "Maya Lindqvist"),
            from: None,
            to: TargetRef::User(user("ravi", "Ravi Kumar")),
            kind: protocol::TransferKind::Blind,
            note: Some(note.into()),
        },
    });
    record
}

fn open(path: &Path) -> CallLog {
    let opened = CallLog::open(path).unwrap();
    assert_eq!(opened.set_aside, None);
    opened.log
}

fn ids(log: &CallLog, filter: &Filter) -> Vec<String> {
    log.page(filter, None, 100).unwrap().rows.into_iter().map(|r| r.id.0).collect()
}

fn search(log: &CallLog, text: &str) -> Vec<String> {
    ids(log, &Filter { text: text.into(), ..Filter::default() })
}

#[test]
fn pages_go_from_newest_to_oldest_and_stay_in_place_when_a_call_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.follow("s").unwrap();
    // Two calls begin in the same millisecond: the id decides.
    let records = [("a", 10), ("b", 20), ("c", 20), ("d", 30), ("e", 40)];
    log.keep(&records.map(|(id, at)| record(id, at, at)), true).unwrap();

    let first = log.page(&Filter::default(), None, 2).unwrap();
    log.keep(&[record("f", 50, 50)], true).unwrap();
    let second = log.page(&Filter::default(), first.next.as_ref(), 2).unwrap();
    let third = log.page(&Filter::default(), second.next.as_ref(), 2).unwrap();

    let seen = [&first, &second, &third].map(|p| p.rows.iter().map(|r| r.id.as_str()).collect::<Vec<_>>());
    assert_eq!(seen, [vec!["e", "d"], vec!["c", "b"], vec!["a"]]);
    assert_eq!(third.next, None);
}

#[test]
fn a_search_finds_names_numbers_departments_and_notes_anywhere_in_any_case() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let mut joao = record("joao", 1, 1);
    joao.caller = Party { name: "João Pereira".into(), number: "+351912345678".into() };
    joao.department = None;
    log.keep(&[joao, with_transfer(record("priya", 2, 2), "asks about the \"blue\" invoice_7")], false).unwrap();

    assert_eq!(search(&log, "joao"), ["joao"]);
    assert_eq!(search(&log, "JOÃO per"), ["joao"]);
    assert_eq!(search(&log, "5678"), ["priya", "joao"]);
    assert_eq!(search(&log, "+91 98"), ["priya"]);
    assert_eq!(search(&log, "supp"), ["priya"]);
    assert_eq!(search(&log, "ravi maya \"blue\""), ["priya"]);
    assert_eq!(search(&log, "_7"), ["priya"], "an underscore is itself, no wildcard");
    assert_eq!(search(&log, "%"), Vec::<String>::new());
    assert_eq!(search(&log, "priya OR joao"), Vec::<String>::new(), "words are words, no query language");
    assert_eq!(search(&log, "NEAR(\" * \0"), Vec::<String>::new());
    assert_eq!(search(&log, "   "), ["priya", "joao"]);
}

#[test]
fn filters_join_with_and() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let missed = CallRecord { outcome: CallOutcome::Missed, ..record("missed", 1, 1) };
    let out = CallRecord { direction: Direction::Outbound, ..record("out", 2, 2) };
    log.keep(&[missed, out, with_transfer(record("moved", 3, 3), "n")], false).unwrap();

    assert_eq!(ids(&log, &Filter { outcome: Some(CallOutcome::Missed), ..Filter::default() }), ["missed"]);
    assert_eq!(ids(&log, &Filter { direction: Some(Direction::Outbound), ..Filter::default() }), ["out"]);
    assert_eq!(ids(&log, &Filter { transferred: true, ..Filter::default() }), ["moved"]);
    let both = Filter { transferred: true, outcome: Some(CallOutcome::Missed), ..Filter::default() };
    assert!(ids(&log, &both).is_empty());
}

#[test]
fn a_changed_record_is_found_by_its_new_words_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&[record("x", 1, 1)], false).unwrap();
    let mut renamed = record("x", 2, 1);
    renamed.caller.name = "Wanda".into();
    log.keep(&[renamed.clone()], false).unwrap();
    assert_eq!(search(&log, "priya"), Vec::<String>::new());
    assert_eq!(search(&log, "wanda"), ["x"]);
    assert_eq!(log.details(&"x".into()).unwrap(), Some(renamed));
    assert_eq!(log.details(&"y".into()).unwrap(), None);
}

#[test]
fn the_cursor_survives_reopening_and_another_store_empties_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    assert_eq!(log.follow("one").unwrap(), 0);
    log.keep(&[record("a", 7, 1)], true).unwrap();
    log.keep(&[record("b", 9, 2)], false).unwrap();
    log.set_as_of(Timestamp(99)).unwrap();
    drop(log);

    let mut log = open(&path);
    assert_eq!(log.as_of().unwrap(), Some(Timestamp(99)));
    assert_eq!(log.follow("one").unwrap(), 7, "what came out of turn does not move the cursor");
    assert_eq!(ids(&log, &Filter::default()), ["b", "a"]);
    assert_eq!(log.follow("two").unwrap(), 0);
    assert!(ids(&log, &Filter::default()).is_empty());
    assert_eq!(log.as_of().unwrap(), None);
}

#[test]
fn wiping_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.follow("one").unwrap();
    log.keep(&[record("a", 7, 1)], true).unwrap();
    log.wipe().unwrap();
    assert!(search(&log, "priya").is_empty() && ids(&log, &Filter::default()).is_empty());
    assert_eq!(log.cursor().unwrap(), None);
}

#[test]
fn a_damaged_file_is_put_aside_and_the_log_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    std::fs::write(&path, b"this is no database, whatever it says on the tin".repeat(200)).unwrap();
    let opened = CallLog::open(&path).unwrap();
    let aside = opened.set_aside.expect("the old file is reported");
    assert!(std::fs::read(&aside).unwrap().starts_with(b"this is no database"));
    assert!(ids(&opened.log, &Filter::default()).is_empty());
    drop(opened.log);
    open(&path);
}

#[test]
fn a_page_overwritten_in_the_middle_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    let records: Vec<_> = (0..200).map(|n| record(&format!("c{n}"), n + 1, n)).collect();
    log.keep(&records, false).unwrap();
    drop(log); // the last connection folds the write-ahead log into the file
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 40_000);
    bytes[8_192..24_576].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    assert!(CallLog::open(&path).unwrap().set_aside.is_some());
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    drop(open(&path));
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let refused = CallLog::open(&path).err().expect("refused");
    assert!(matches!(refused, Error::Newer { .. }));
    assert!(refused.to_string().contains("newer Patchcord"));
    assert!(path.exists());
}

#[test]
fn numbers_that_no_exchange_sends_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let bad = log.keep(&[record("good", 1, 1), record("bad", u64::MAX, 1)], false);
    assert!(matches!(bad, Err(Error::OutOfRange { field: "seq", .. })));
    assert!(ids(&log, &Filter::default()).is_empty());
}

/// Versions of a few calls; `seq` is unique over all of them, as the exchange's is.
fn versions() -> impl Strategy<Value = Vec<CallRecord>> {
    prop::collection::vec((0u8..5, 0u64..50), 1..20).prop_map(|calls| {
        let numbered = calls.into_iter().enumerate();
        numbered.map(|(n, (call, at))| record(&format!("c{call}"), n as u64 + 1, at)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn late_duplicated_and_reordered_records_converge(
        (sent, arriving) in versions().prop_flat_map(|sent| {
            let twice: Vec<_> = sent.iter().chain(&sent).cloned().collect();
            (Just(sent), Just(twice).prop_shuffle())
        }),
        batch in 1usize..6,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut straight, mut crooked) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
        straight.keep(&sent, false).unwrap();
        for records in arriving.chunks(batch) {
            crooked.keep(records, false).unwrap();
        }
        let all = |log: &CallLog| log.page(&Filter::default(), None, 100).unwrap();
        prop_assert_eq!(all(&straight), all(&crooked));
        for row in all(&crooked).rows {
            let newest = sent.iter().filter(|r| r.id == row.id).max_by_key(|r| r.seq).unwrap();
            prop_assert_eq!(&row, newest);
        }
    }
}
