use std::path::Path;

use call_log::{CallLog, Emptied, Error, Filter, Followed, SavedView};
use protocol::{CallRecord, Timestamp};

use crate::make::{all, open, record, search, with_transfer};

#[test]
fn the_cursor_survives_reopening_and_another_store_or_scope_empties_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    assert_eq!(log.follow("one", "all").unwrap(), Followed { after: 0, emptied: None });
    log.keep(&[record("a", 7, 1)], true).unwrap();
    log.keep(&[record("b", 9, 2)], false).unwrap();
    log.set_as_of(Timestamp(99)).unwrap();
    drop(log);

    let mut log = open(&path);
    assert_eq!(log.as_of().unwrap(), Some(Timestamp(99)));
    let same = log.follow("one", "all").unwrap();
    assert_eq!(same, Followed { after: 7, emptied: None }, "what came out of turn does not move the cursor");
    assert_eq!(all(&mut log), ["b", "a"]);
    for (store, scope, emptied) in [("one", "less", Emptied::OtherScope), ("two", "less", Emptied::OtherStore)] {
        log.keep(&[record("a", 7, 1)], true).unwrap();
        assert_eq!(log.follow(store, scope).unwrap(), Followed { after: 0, emptied: Some(emptied) });
        assert!(all(&mut log).is_empty() && search(&mut log, "priya").is_empty());
        assert_eq!(log.as_of().unwrap(), None);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"Priya"), "nothing of it stays in the file");
    }
}

#[test]
fn wiping_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.follow("one", "").unwrap();
    log.keep(&[record("a", 7, 1)], true).unwrap();
    log.wipe().unwrap();
    assert!(search(&mut log, "priya").is_empty() && all(&mut log).is_empty());
    assert_eq!(log.cursor().unwrap(), None);
}

#[test]
fn numbers_that_no_exchange_sends_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.warm().unwrap();
    for (bad, wrong) in [(record("bad", u64::MAX, 1), "seq"), (record("bad", 1, 1 << 50), "started_at")] {
        let refused = log.keep(&[record("good", 1, 1), bad], false);
        assert!(matches!(refused, Err(Error::OutOfRange { field, .. }) if field == wrong));
        assert!(all(&mut log).is_empty() && search(&mut log, "priya").is_empty());
    }
    log.keep(&[record("good", 1, 1)], false).unwrap();
    assert_eq!(search(&mut log, "mina"), ["good"], "what was undone is done anew");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    // A file of an older version, readable by all.
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut log = open(&path);
    log.keep(&[record("a", 7, 1)], true).unwrap();
    log.write_remarks(&"a".into(), 0, "mine", None, Timestamp(1)).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    assert!(names.iter().any(|name| name == "calls-wal") && names.iter().any(|name| name == "calls.mine"), "{names:?}");
}

#[test]
fn a_damaged_file_is_put_aside_and_the_log_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    std::fs::write(&path, b"this is no database, whatever it says on the tin".repeat(200)).unwrap();
    let mut opened = CallLog::open(&path).unwrap();
    let aside = opened.set_aside.expect("the old file is reported");
    assert!(std::fs::read(&aside).unwrap().starts_with(b"this is no database"));
    assert!(all(&mut opened.log).is_empty());
    drop(opened.log);
    open(&path);
}

fn filled(path: &Path) -> Vec<CallRecord> {
    let mut log = open(path);
    let records: Vec<_> =
        (0..2_000).map(|n| with_transfer(record(&format!("c{n}"), n + 1, n), &format!("note {n}"))).collect();
    log.keep(&records, false).unwrap();
    records
}

/// Reads all there is, in every way.
fn read_all(log: &mut CallLog) -> Result<(), Error> {
    log.warm()?;
    for row in log.page(&Filter::default(), None, 5_000)?.rows {
        log.details(&row.id)?;
    }
    Ok(())
}

#[test]
fn damage_that_opening_does_not_see_is_met_in_reading_and_the_next_opening_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let pages = whole.len() / 4_096;
    assert!(pages > 40);
    let mut met = 0;
    for page in (1..pages).step_by(pages / 12) {
        let mut bytes = whole.clone();
        bytes[page * 4_096..page * 4_096 + 4_096].fill(0xA5);
        std::fs::write(&path, bytes).unwrap();
        let mut opened = CallLog::open(&path).unwrap();
        if opened.set_aside.is_none() && read_all(&mut opened.log).is_err() {
            drop(opened);
            opened = CallLog::open(&path).unwrap();
            assert!(opened.set_aside.is_some(), "page {page}");
            assert!(all(&mut opened.log).is_empty());
            drop(opened);
            open(&path);
            met += 1;
        }
    }
    assert!(met > 6, "{met}");
}

#[test]
fn a_record_that_is_not_what_was_written_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    filled(&path);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE details SET packed = zeroblob(length(packed)) WHERE row = (SELECT max(row) FROM details)", [])
        .unwrap();
    drop(db);
    let mut log = open(&path);
    assert!(log.details(&"c0".into()).unwrap().is_some());
    let met = log.details(&"c1999".into());
    assert!(matches!(met, Err(Error::Damaged { .. })), "{met:?}");
    drop(log);
    assert!(CallLog::open(&path).unwrap().set_aside.is_some());
}

#[test]
fn a_damaged_file_of_remarks_is_put_aside_and_what_can_be_read_of_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mine = dir.path().join("calls.mine");
    let mut log = open(&path);
    log.write_remarks(&"a".into(), 0, "kept", None, Timestamp(1)).unwrap();
    drop(log);
    let db = rusqlite::Connection::open(&mine).unwrap();
    db.execute("INSERT INTO views VALUES ('broken', 'this is no filter')", []).unwrap();
    drop(db);
    // A view that can't be read must not cost the remarks.
    let opened = CallLog::open(&path).unwrap();
    assert_eq!(opened.log.unsent()[0].note, "kept");
    drop(opened);

    std::fs::write(&mine, b"nothing of a database".repeat(900)).unwrap();
    let opened = CallLog::open(&path).unwrap();
    assert!(opened.mine_set_aside.is_some());
    assert_eq!(opened.log.unsent(), []);
    drop(opened);
    open(&path);
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

/// `frozen/mine-1.sqlite` was made by the first version's own code.
#[test]
fn a_file_of_remarks_of_version_1_has_all_that_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen");
    std::fs::copy(frozen.join("mine-1.sqlite"), dir.path().join("calls.mine")).unwrap();
    for _ in 0..2 {
        let opened = CallLog::open(&path).unwrap();
        assert_eq!(opened.mine_set_aside, None);
        let [unsent] = &opened.log.unsent()[..] else { panic!("one note") };
        assert_eq!((unsent.call.as_str(), unsent.base, unsent.note.as_str()), ("a", 2, "call back after six"));
        let filter = Filter { text: "refund".into(), from: Some(Timestamp(7)), ..Filter::default() };
        assert_eq!(opened.log.views().unwrap(), [SavedView { name: "Refunds".into(), filter }]);
        assert_eq!((opened.log.draft(&"a".into()).unwrap(), opened.log.heard().unwrap()), (None, vec![]));
        assert_eq!(opened.log.columns().unwrap(), []);
    }
}

/// `frozen/version-1.sqlite` was made by the first version's own code from the records in `version-1.json`.
#[test]
fn a_file_of_version_1_has_all_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen");
    std::fs::copy(frozen.join("version-1.sqlite"), &path).unwrap();
    let records: Vec<CallRecord> =
        serde_json::from_slice(&std::fs::read(frozen.join("version-1.json")).unwrap()).unwrap();
    for _ in 0..2 {
        let mut log = open(&path);
        assert_eq!(all(&mut log).len(), records.len());
        for record in &records {
            assert_eq!(log.details(&record.id).unwrap().as_ref(), Some(record));
        }
        assert_eq!(search(&mut log, "joao").len(), 20);
        let cursor = log.cursor().unwrap().unwrap();
        assert_eq!((cursor.store.as_str(), cursor.scope, cursor.seq), ("store-of-then", None, 60));
        assert_eq!(log.as_of().unwrap(), Some(Timestamp(1_700_000_004_000)));
    }
    let db = rusqlite::Connection::open(&path).unwrap();
    let auto_vacuum: u32 = db.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(auto_vacuum, 2, "the upgraded file can shrink too");
    drop(db);
    // What may be seen is not known of it: the exchange sends it anew.
    let followed = open(&path).follow("store-of-then", "all").unwrap();
    assert_eq!(followed, Followed { after: 0, emptied: Some(Emptied::OtherScope) });
}
