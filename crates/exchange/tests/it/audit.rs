//! Whoever tampers with the audit trail is found out, entry by entry and way by way.

use std::{ops::RangeInclusive, path::Path};

use exchange::store::{Store, audit};
use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallOutcome, CallRecord, Direction, Party, Reason, Timestamp, UserId,
};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::office::database;

/// The last entry; one mark, at 64, lies before it.
const LAST: u64 = 70;
/// The entries that a call's record holds as well.
const RECORDED: RangeInclusive<u64> = 66..=67;

const TRIGGERS: [&str; 4] = [
    "audit_is_never_changed",
    "audit_is_never_shortened",
    "audit_marks_are_never_changed",
    "audit_marks_are_never_removed",
];

fn entry(seq: u64, before: &str) -> AuditEntry {
    let call = (!seq.is_multiple_of(3)).then(|| CallId(format!("run-c{}", seq / 2)));
    let mut entry = AuditEntry {
        seq,
        at: Timestamp(1_760_000_000_000 + seq * 1000),
        user: UserId("maya".into()),
        user_name: "Maya Lindqvist".into(),
        action: AuditAction::Transfer,
        target: call.as_ref().map(|_| "Ravi Kumar".to_owned()),
        call,
        outcome: AuditOutcome::Refused,
        rule: format!("denied: stale {seq}"),
        hash: String::new(),
    };
    entry.hash = entry.chained(before);
    entry
}

fn entries(last: u64) -> Vec<AuditEntry> {
    let mut all: Vec<AuditEntry> = Vec::new();
    for seq in 1..=last {
        let before = all.last().map_or(String::new(), |e| e.hash.clone());
        all.push(entry(seq, &before));
    }
    all
}

fn record(audit: Vec<AuditEntry>) -> CallRecord {
    CallRecord {
        id: "run-c33".into(),
        seq: 1,
        direction: Direction::Inbound,
        caller: Party::default(),
        dialled: "200".into(),
        department: None,
        agents: Vec::new(),
        started_at: Timestamp(1),
        answered_at: None,
        ended_at: Timestamp(2),
        outcome: CallOutcome::Missed,
        ended_because: Reason::CallerGone,
        journey: Vec::new(),
        audit,
        voicemail: None,
        remarks: None,
        quality: Vec::new(),
    }
}

/// A trail as the exchange's own store writes it, closed, in one file.
async fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let all = entries(LAST);
    for entry in &all {
        store.put_audit(entry.clone());
    }
    store.put_record(record(all.into_iter().filter(|e| RECORDED.contains(&e.seq)).collect()));
    store.close().await.unwrap();
    drop(store);
    let connection = database(dir.path());
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    std::fs::copy(dir.path().join("exchange.db"), dir.path().join("unguarded.db")).unwrap();
    let connection = Connection::open(dir.path().join("unguarded.db")).unwrap();
    assert_eq!(triggers(&connection).len(), TRIGGERS.len());
    for name in TRIGGERS {
        connection.execute(&format!("DROP TRIGGER {name}"), []).unwrap();
    }
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    dir
}

/// How the guards of the trail were made.
fn triggers(connection: &Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%' ORDER BY name";
    let mut query = connection.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A copy of the trail, with nothing in the way of whoever tampers with it.
struct Tampered {
    dir: TempDir,
    connection: Connection,
}

impl Tampered {
    fn copy_of(dir: &Path) -> Self {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(dir.join("unguarded.db"), copy.path().join("exchange.db")).unwrap();
        let connection = database(copy.path());
        connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
        Self { dir: copy, connection }
    }

    /// Covers the tracks: the guards are there again.
    fn guarded(self, trail: &Path) -> Self {
        for trigger in triggers(&database(trail)) {
            self.connection.execute_batch(&trigger).unwrap();
        }
        self
    }

    fn body(&self, seq: u64) -> Value {
        let body: String =
            self.connection.query_row("SELECT body FROM audit WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
        serde_json::from_str(&body).unwrap()
    }

    /// Puts another entry in the place of this one, in the spelling of the exchange.
    fn put(&self, seq: u64, entry: &AuditEntry) {
        let sql = "UPDATE audit SET call = ?2, hash = ?3, body = ?4 WHERE seq = ?1";
        let (call, body) = (entry.call.as_ref().map(CallId::as_str), serde_json::to_string(entry).unwrap());
        assert_eq!(self.connection.execute(sql, params![seq, call, entry.hash, body]).unwrap(), 1);
    }

    /// Changes a field of the body, as the exchange would have spelt it; neither the hash nor anything else follows.
    fn set(&self, seq: u64, field: &str, value: Value) {
        let mut body = self.body(seq);
        assert_ne!(body[field], value, "nothing is changed");
        body[field] = value;
        let entry: AuditEntry = serde_json::from_value(body).unwrap();
        let spelt = serde_json::to_string(&entry).unwrap();
        self.sql(&format!("UPDATE audit SET body = '{}' WHERE seq = {seq}", spelt.replace('\'', "''")));
    }

    /// Writes the rule of `from` anew and computes every hash from there on, as somebody who knows how would do.
    fn rewrite(&self, from: u64) -> String {
        let mut before = match from {
            1 => String::new(),
            _ => self.body(from - 1)["hash"].as_str().unwrap().to_owned(),
        };
        for seq in from..=LAST {
            let mut entry: AuditEntry = serde_json::from_value(self.body(seq)).unwrap();
            if seq == from {
                entry.rule = "role administrator, any call".into();
            }
            entry.hash = entry.chained(&before);
            self.put(seq, &entry);
            before = entry.hash;
        }
        before
    }

    fn sql(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// Verifies as the program does. What is wrong with the entries counts before the missing guards.
    fn verify(self, expected: Option<&audit::Head>) -> Result<audit::Whole, audit::Broken> {
        drop(self.connection);
        audit::verify(&audit::open(self.dir.path()).unwrap(), expected)
    }

    #[track_caller]
    fn assert_found(self, what: &str, code: &str, entry: u64) {
        match self.verify(None) {
            Ok(_) => panic!("{what} of entry {entry} is not found"),
            Err(broken) => {
                let found = (broken.code(), broken.entry());
                assert_eq!(found, (code, Some(i64::try_from(entry).unwrap())), "{what}: {broken}");
            }
        }
    }
}

#[tokio::test]
async fn an_untouched_trail_is_whole_and_its_head_can_be_kept() {
    let trail = written().await;
    let all = entries(LAST);
    let file = trail.path().join("exchange.db");
    let before = std::fs::read(&file).unwrap();
    let connection = audit::open(trail.path()).unwrap();
    let whole = audit::verify(&connection, None).unwrap();
    assert_eq!((whole.entries, whole.marks, whole.records, whole.end_is_unknown), (LAST, 1, 1, false));
    let head = whole.head.unwrap();
    assert_eq!((head.seq, &head.hash), (LAST, &all.last().unwrap().hash));
    assert_eq!(head.to_string().parse::<audit::Head>().unwrap(), head);
    assert!(audit::verify(&connection, Some(&head)).is_ok());
    let error = connection.execute("DELETE FROM meta", []).unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
    drop(connection);
    let copy = Tampered::copy_of(trail.path()).guarded(trail.path());
    assert!(copy.verify(None).is_ok(), "copying alone is no fault");
    assert!(before == std::fs::read(&file).unwrap(), "verifying has written to the file");
    for wrong in ["", "7", "7:abc", "0:", "x:y"] {
        assert!(wrong.parse::<audit::Head>().is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn every_change_of_every_field_of_every_entry_is_found() {
    let trail = written().await;
    let fields = [
        ("at", json!(1)),
        ("user", json!("tom")),
        ("user_name", json!("Maya Lindquist")),
        ("action", json!("consult")),
        ("target", json!("Lena Fischer")),
        ("outcome", json!("accepted")),
        ("rule", json!("denied: stale")),
        ("hash", json!("0".repeat(64))),
        ("call", json!("run-c999")),
    ];
    for seq in 1..=LAST {
        for (field, value) in &fields {
            let copy = Tampered::copy_of(trail.path());
            copy.set(seq, field, value.clone());
            copy.assert_found(field, "changed", seq);
        }
        for (what, change) in [
            ("hash column", "hash = 'x'"),
            ("call column", "call = 'x'"),
            ("spelling", "body = ' ' || body"),
            ("unknown field", "body = replace(body, '{\"seq\"', '{\"note\":1,\"seq\"')"),
        ] {
            let copy = Tampered::copy_of(trail.path());
            copy.sql(&format!("UPDATE audit SET {change} WHERE seq = {seq}"));
            copy.assert_found(what, "changed", seq);
        }
        for (what, change) in [("text", "'nonsense'"), ("bytes", "CAST(x'7bff7d' AS TEXT)"), ("nothing", "''")] {
            let copy = Tampered::copy_of(trail.path());
            copy.sql(&format!("UPDATE audit SET body = {change} WHERE seq = {seq}"));
            copy.assert_found(what, "garbled", seq);
        }
    }
}

#[tokio::test]
async fn every_removal_is_found_in_the_middle_and_at_the_end() {
    let trail = written().await;
    for seq in 1..=LAST {
        let copy = Tampered::copy_of(trail.path());
        copy.sql(&format!("DELETE FROM audit WHERE seq = {seq}"));
        copy.assert_found("removal", "missing", seq);

        let copy = Tampered::copy_of(trail.path());
        copy.sql(&format!("DELETE FROM audit WHERE seq >= {seq}"));
        let broken = copy.verify(None).unwrap_err();
        assert!(matches!(broken, audit::Broken::Missing { seq: s, to: LAST } if s == seq), "{broken}");

        // The numbers closed up behind the removed one.
        let copy = Tampered::copy_of(trail.path());
        copy.sql(&format!("DELETE FROM audit WHERE seq = {seq}; UPDATE audit SET seq = seq - 1 WHERE seq > {seq}"));
        let code = if seq == LAST { "missing" } else { "moved" };
        copy.assert_found("closing up", code, seq);
    }
    // With the head put back as well, the marks and the records still know.
    for (from, head, wanted) in [(30, 29, Some(30)), (64, 63, Some(64)), (66, 65, Some(66)), (67, 66, Some(67))] {
        let copy = Tampered::copy_of(trail.path());
        let hash = copy.body(head)["hash"].as_str().unwrap().to_owned();
        copy.sql(&format!("DELETE FROM audit WHERE seq >= {from}"));
        copy.sql(&format!("UPDATE meta SET value = '{head} {hash}' WHERE key = 'audit_head'"));
        assert_eq!(copy.verify(None).unwrap_err().entry(), wanted);
    }
    let copy = Tampered::copy_of(trail.path());
    copy.sql("DELETE FROM audit; DELETE FROM audit_marks; DELETE FROM meta WHERE key = 'audit_head'");
    copy.assert_found("emptying", "missing", *RECORDED.start());
}

#[tokio::test]
async fn every_reordering_and_every_addition_is_found() {
    let trail = written().await;
    for seq in 1..LAST {
        let copy = Tampered::copy_of(trail.path());
        let next = seq + 1;
        copy.sql(&format!(
            "UPDATE audit SET seq = 0 WHERE seq = {seq}; UPDATE audit SET seq = {seq} WHERE seq = {next};
             UPDATE audit SET seq = {next} WHERE seq = 0;"
        ));
        copy.assert_found("exchange", "moved", seq);

        // … with their numbers set right, but not their hashes.
        let copy = Tampered::copy_of(trail.path());
        let read = |seq| serde_json::from_value::<AuditEntry>(copy.body(seq)).unwrap();
        let (one, two) = (read(seq), read(next));
        copy.put(seq, &AuditEntry { seq, ..two });
        copy.put(next, &AuditEntry { seq: next, ..one });
        copy.assert_found("renumbering", "changed", seq);
    }
    let add = |copy: &Tampered, seq: i64, body: &str| {
        let sql = "INSERT INTO audit (seq, call, hash, body) VALUES (?1, NULL, 'x', ?2)";
        copy.connection.execute(sql, params![seq, body]).unwrap();
    };
    for seq in [0, -7] {
        let copy = Tampered::copy_of(trail.path());
        add(&copy, seq, "{}");
        let broken = copy.verify(None).unwrap_err();
        assert!(matches!(broken, audit::Broken::Added { seq: s } if s == seq), "{broken}");
    }
    let copy = Tampered::copy_of(trail.path());
    add(&copy, 71, "{}");
    copy.put(71, &entry(71, &entries(LAST).last().unwrap().hash));
    copy.assert_found("addition", "added", 71);
}

#[tokio::test]
async fn a_trail_written_anew_is_found_by_what_is_kept_beside_it() {
    let trail = written().await;
    let head = audit::Head { seq: LAST, hash: entries(LAST).last().unwrap().hash.clone() };
    for from in 1..=LAST {
        let copy = Tampered::copy_of(trail.path());
        copy.rewrite(from);
        // The rewritten entry itself where a record holds it, else the next place that is kept.
        match from {
            1..=64 => copy.assert_found("rewriting", "replaced", 64),
            65..=66 => copy.assert_found("rewriting", "differs", 66),
            67 => copy.assert_found("rewriting", "differs", 67),
            _ => copy.assert_found("rewriting", "replaced", LAST),
        }
        // Only its own hash set right: the next one does not follow from it.
        let copy = Tampered::copy_of(trail.path());
        let mut one: AuditEntry = serde_json::from_value(copy.body(from)).unwrap();
        one.rule = "another".into();
        one.hash = one.chained(&if from == 1 { String::new() } else { entries(from - 1).pop().unwrap().hash });
        copy.put(from, &one);
        match from {
            66 | 67 => copy.assert_found("own hash", "differs", from),
            64 | LAST => copy.assert_found("own hash", "replaced", from),
            _ => copy.assert_found("own hash", "changed", from + 1),
        }
        // The head set right, too: found by the mark or the record, or by whoever kept the head elsewhere.
        let copy = Tampered::copy_of(trail.path());
        let hash = copy.rewrite(from);
        copy.sql(&format!("UPDATE meta SET value = '{LAST} {hash}' WHERE key = 'audit_head'"));
        let broken = copy.verify(Some(&head)).unwrap_err();
        let wanted = match from {
            1..=64 => 64,
            65..=66 => 66,
            67 => 67,
            _ => 70,
        };
        assert_eq!(broken.entry(), Some(wanted), "{broken}");
    }
}

#[tokio::test]
async fn what_is_kept_beside_the_trail_is_guarded_too() {
    let trail = written().await;
    let broken = |sql: &str| {
        let copy = Tampered::copy_of(trail.path());
        copy.sql(sql);
        copy.verify(None).unwrap_err()
    };
    let head = |value: &str| format!("UPDATE meta SET value = '{value}' WHERE key = 'audit_head'");
    for (sql, code, entry) in [
        ("DELETE FROM meta WHERE key = 'audit_head'".to_owned(), "head_gone", Some(70)),
        (head("what"), "head_gone", Some(70)),
        (head("-1 x"), "head_gone", Some(70)),
        (head("69 x"), "added", Some(70)),
        (head("70 x"), "replaced", Some(70)),
        (head("71 x"), "missing", Some(71)),
        (head("18446744073709551615 x"), "missing", Some(71)),
        ("DELETE FROM audit_marks".to_owned(), "mark_gone", Some(64)),
        ("UPDATE audit_marks SET hash = 'x'".to_owned(), "replaced", Some(64)),
        ("INSERT INTO audit_marks VALUES (128, 'x')".to_owned(), "missing", Some(71)),
        ("DROP TABLE audit_marks".to_owned(), "unreadable", None),
        ("UPDATE records SET body = replace(body, 'denied: stale 66', 'no answer')".to_owned(), "differs", Some(66)),
    ] {
        let found = broken(&sql);
        assert_eq!((found.code(), found.entry()), (code, entry), "{sql}: {found}");
    }
    for name in TRIGGERS {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(trail.path().join("exchange.db"), copy.path().join("exchange.db")).unwrap();
        database(copy.path()).execute(&format!("DROP TRIGGER {name}"), []).unwrap();
        let found = audit::verify(&audit::open(copy.path()).unwrap(), None).unwrap_err();
        assert!(matches!(found, audit::Broken::Unguarded { what } if what == name), "{found}");
    }
    // Nobody edits the trail by way of plain SQL.
    let connection = database(trail.path());
    for sql in [
        "UPDATE audit SET call = 'x'",
        "DELETE FROM audit WHERE seq = 70",
        "UPDATE audit_marks SET hash = 'x'",
        "DELETE FROM audit_marks",
    ] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_trail_that_lost_its_end_goes_on_behind_the_gap() {
    let trail = written().await;
    let copy = Tampered::copy_of(trail.path());
    copy.sql("DELETE FROM audit WHERE seq >= 69");
    let copy = copy.guarded(trail.path());
    let (seq, hash) = audit::last(&copy.connection).unwrap();
    assert_eq!((seq, &hash), (LAST, &entries(LAST).pop().unwrap().hash), "where it ended, not where it ends now");
    let store = Store::open(copy.dir.path()).unwrap();
    store.put_audit(entry(seq + 1, &hash));
    store.close().await.unwrap();
    let broken = audit::verify(&audit::open(copy.dir.path()).unwrap(), None).unwrap_err();
    assert!(matches!(broken, audit::Broken::Missing { seq: 69, to: 70 }), "{broken}");
    // Whoever puts the head back forgets the mark.
    let copy = Tampered::copy_of(trail.path());
    copy.sql("DELETE FROM audit WHERE seq >= 60; UPDATE meta SET value = '59 x' WHERE key = 'audit_head'");
    assert_eq!(audit::last(&copy.connection).unwrap(), (64, entries(64).pop().unwrap().hash));
}

#[tokio::test]
async fn a_trail_is_verified_while_it_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let all = entries(600);
    let connection = audit::open(dir.path()).unwrap();
    assert_eq!(audit::verify(&connection, None).unwrap().entries, 0);
    let mut seen = Vec::new();
    for hundred in all.chunks(100) {
        for entry in hundred {
            store.put_audit(entry.clone());
        }
        seen.push(audit::verify(&connection, None).unwrap().entries);
    }
    store.flush().await.unwrap();
    assert!(seen.is_sorted() && seen.iter().all(|n| *n <= 600), "{seen:?}");
    assert_eq!(audit::verify(&connection, None).unwrap().entries, 600);
    assert_eq!(audit::verify(&connection, None).unwrap().marks, 9);
}

#[tokio::test]
async fn a_trail_of_an_older_version_is_taken_over_with_marks() {
    // As it was before heads and marks were kept.
    let trail = written().await;
    let copy = Tampered::copy_of(trail.path());
    copy.sql("DROP TABLE audit_marks; DELETE FROM meta WHERE key = 'audit_head'; PRAGMA user_version = 6");
    let Tampered { dir, connection } = copy;
    for trigger in triggers(&database(trail.path())).iter().filter(|sql| !sql.contains("audit_marks")) {
        connection.execute_batch(trigger).unwrap();
    }
    let whole = audit::verify(&audit::open(dir.path()).unwrap(), None).unwrap();
    assert!(whole.end_is_unknown && whole.entries == LAST);
    // Tables of later versions are there already; only what this one adds is made anew.
    for sql in later_tables(&connection) {
        connection.execute_batch(&sql).unwrap();
    }
    drop(connection);
    drop(Store::open(dir.path()).unwrap());
    let whole = audit::verify(&audit::open(dir.path()).unwrap(), None).unwrap();
    assert_eq!((whole.entries, whole.marks, whole.end_is_unknown), (LAST, 1, false));
}

/// How to take away what migrations after the sixth have made.
fn later_tables(connection: &Connection) -> Vec<String> {
    let first = ["meta", "records", "audit", "voicemail", "devices", "sessions"];
    let mut query = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let names: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    names.into_iter().filter(|n| !first.contains(&n.as_str())).map(|n| format!("DROP TABLE {n}")).collect()
}

#[tokio::test]
async fn an_export_is_what_was_written_in_the_days_asked_for() {
    let trail = written().await;
    let connection = audit::open(trail.path()).unwrap();
    let mut out = Vec::new();
    let always = Timestamp(0)..Timestamp(u64::MAX);
    let mut quiet = |_: u64, _: u64| panic!("seventy entries are not long");
    let count = audit::export(&connection, audit::Format::Jsonl, &always, &mut out, &mut quiet).unwrap();
    let lines: Vec<AuditEntry> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((count, &lines), (LAST, &entries(LAST)));

    let some = Timestamp(lines[9].at.0)..Timestamp(lines[19].at.0);
    let mut out = Vec::new();
    assert_eq!(audit::export(&connection, audit::Format::Csv, &some, &mut out, &mut quiet).unwrap(), 10);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines[0], "seq,at,user,user_name,action,call,target,outcome,rule,hash");
    assert_eq!(lines.len(), 12, "a header, ten entries, and the end");
    let tenth = &entries(10)[9];
    assert_eq!(
        lines[1],
        format!(
            "10,2025-10-09T08:53:30.000Z,\"maya\",\"Maya Lindqvist\",\"transfer\",\"run-c5\",\"Ravi Kumar\",\"refused\",\
             \"denied: stale 10\",\"{}\"",
            tenth.hash
        )
    );
    let copy = Tampered::copy_of(trail.path());
    copy.sql("UPDATE audit SET body = 'x' WHERE seq = 5");
    let error =
        audit::export(&copy.connection, audit::Format::Jsonl, &always, &mut Vec::new(), &mut quiet).unwrap_err();
    assert!(error.to_string().starts_with("entry 5 of the audit trail cannot be read"), "{error}");
}
