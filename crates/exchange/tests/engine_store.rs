//! The store when the disk is full, the file too large or the database locked: nothing is lost, nothing waits for it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use exchange::store::{Store, StoreError, Unwritten, audit, drafts, records};
use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallOutcome, CallRecord, Direction, JourneyEvent, JourneyStep, Party,
    Reason, Timestamp,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A record of some kilobytes.
fn record(seq: u64) -> CallRecord {
    let step = |n| JourneyStep { at: Timestamp(n), what: JourneyEvent::Arrived { dialled: "+442079460200".repeat(8) } };
    CallRecord {
        id: format!("c-{seq}").as_str().into(),
        seq,
        direction: Direction::Inbound,
        caller: Party { name: "Priya Nair".into(), number: "+919812345678".into() },
        dialled: "+442079460200".into(),
        department: None,
        agents: vec![],
        started_at: Timestamp(seq),
        answered_at: None,
        ended_at: Timestamp(seq),
        outcome: CallOutcome::Missed,
        ended_because: Reason::CallerGone,
        journey: (0..20).map(step).collect(),
        audit: vec![],
        voicemail: None,
        remarks: None,
        quality: Vec::new(),
    }
}

/// Records with a draft before and an audit entry after each.
struct Writing<'a> {
    store: &'a Store,
    seq: u64,
    hash: String,
}

impl Writing<'_> {
    fn some(&mut self, calls: u64) {
        for _ in 0..calls {
            self.seq += 1;
            let record = record(self.seq);
            self.store.put_draft(record.clone());
            let mut entry = AuditEntry {
                seq: self.seq,
                at: Timestamp(self.seq),
                user: "ravi".into(),
                user_name: "Ravi Kumar".into(),
                action: AuditAction::Transfer,
                call: None,
                target: None,
                outcome: AuditOutcome::Refused,
                rule: "denied: other_department".into(),
                hash: String::new(),
            };
            entry.hash = entry.chained(&self.hash);
            self.hash.clone_from(&entry.hash);
            self.store.put_audit(entry);
            self.store.put_record(record);
        }
    }

    async fn trouble(&self) -> String {
        let mut trouble = self.store.trouble();
        let told = timeout(PATIENCE, trouble.wait_for(Option::is_some)).await.expect("nothing was wrong").unwrap();
        told.clone().unwrap()
    }

    async fn well_again(&self) {
        let mut trouble = self.store.trouble();
        timeout(PATIENCE, trouble.wait_for(Option::is_none)).await.expect("it never became well").unwrap();
    }

    /// Everything is there, in its order, each once.
    async fn check(&self) {
        self.store.flush().await.unwrap();
        let all = self.store.read(|c| records::page(c, 0, 10_000)).await.unwrap();
        let seqs: Vec<u64> = all.iter().map(|r| r.seq).collect();
        assert_eq!(seqs, (1..=self.seq).collect::<Vec<_>>());
        assert!(self.store.read(drafts::all).await.unwrap().is_empty(), "records take their drafts with them");
        let last = self.store.read(audit::last).await.unwrap();
        assert_eq!(last, (self.seq, self.hash.clone()));
        let whole = self.store.read(|c| Ok(audit::verify(c, None))).await.unwrap();
        assert!(whole.is_ok(), "{:?}", whole.err().map(|e| e.to_string()));
    }
}

/// Lets the database grow by so many pages more, or without end.
async fn leave_room(store: &Store, pages: Option<u64>) {
    let limit = move |c: &mut rusqlite::Connection| {
        let now: u64 = c.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let most = pages.map_or(u64::from(u32::MAX) - 1, |pages| now + pages);
        Ok(c.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get::<_, u64>(0)).map(drop)?)
    };
    store.write(limit).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut writing = Writing { store: &store, seq: 0, hash: String::new() };
    writing.some(10);
    writing.check().await;
    leave_room(&store, Some(2)).await;
    writing.some(40);
    let trouble = writing.trouble().await;
    assert_eq!(
        trouble,
        "Call records can't be written: the disk is full. Calls go on, and what is not written is kept until it can be."
    );
    writing.some(700);
    // Who reads gets what is in the file, at once.
    timeout(PATIENCE, store.flush()).await.unwrap().unwrap();
    let written = store.read(records::last_seq).await.unwrap();
    assert!((10..50).contains(&written), "{written}");
    assert!(store.trouble().borrow().is_some());
    leave_room(&store, None).await;
    writing.well_again().await;
    writing.check().await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_locked_database_loses_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut writing = Writing { store: &store, seq: 0, hash: String::new() };
    writing.some(3);
    writing.check().await;
    for _ in 0..2 {
        let other = store.connection().unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        writing.some(20);
        let trouble = writing.trouble().await;
        assert!(trouble.contains("another program has locked the database"), "{trouble}");
        writing.some(5);
        other.execute_batch("COMMIT").unwrap();
        writing.well_again().await;
        writing.check().await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_written_at_the_end_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let other = store.connection().unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writing = Writing { store: &store, seq: 0, hash: String::new() };
    writing.some(3);
    let closed = timeout(PATIENCE, store.close()).await.expect("it stops all the same");
    let lost = Unwritten { records: 3, audit_entries: 3, voicemails: 0 };
    assert!(matches!(closed, Err(StoreError::Unwritten(unwritten)) if unwritten == lost), "{closed:?}");
    let sentence = closed.unwrap_err().to_string();
    assert!(sentence.contains("lost: 3 call records, 3 audit entries"), "{sentence}");
    drop(other);
    // The files are free for the next exchange.
    Store::open(dir.path()).unwrap();
}

#[tokio::test]
async fn drafts_outlive_a_failure_and_records_take_them_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for seq in [2, 1] {
        store.put_draft(record(seq));
    }
    let mut newer = record(1);
    newer.dialled = "newer".into();
    store.put_draft(newer.clone());
    store.flush().await.unwrap();
    drop(store);
    let store = Store::open_shared(dir.path()).unwrap();
    assert_eq!(store.read(drafts::all).await.unwrap(), vec![newer.clone(), record(2)]);
    store.put_record(newer);
    store.flush().await.unwrap();
    assert_eq!(store.read(drafts::all).await.unwrap(), vec![record(2)]);
}

/// The same against the system's own refusal: a process that may not make its files any larger (`RLIMIT_FSIZE`), and
/// then may again.
#[test]
fn a_file_that_may_not_grow_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let child = format!(
        "trap '' XFSZ; ulimit -S -f 600; exec {:?} --exact child::writes_until_it_can_not --ignored --nocapture",
        std::env::current_exe().unwrap()
    );
    let mut child = Command::new("sh")
        .args(["-c", &child])
        .env("ENGINE_STORE_DIR", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut said, mut lines) = (Vec::new(), BufReader::new(child.stdout.take().unwrap()).lines());
    let mut wait_for = |word: &str| {
        let line = lines.by_ref().map_while(Result::ok).inspect(|l| said.push(l.clone())).find(|l| l.contains(word));
        assert!(line.is_some(), "no {word} in {said:?}");
    };
    wait_for("TROUBLE");
    let free = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &child.id().to_string()]).status();
    assert!(free.expect("prlimit, of util-linux").success());
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    wait_for("WELL");
    assert!(child.wait().unwrap().success());
}

mod child {
    use super::*;

    /// Only to be run by the test above, as a process of its own.
    #[tokio::test]
    #[ignore = "a process of another test"]
    async fn writes_until_it_can_not() {
        let dir = std::env::var("ENGINE_STORE_DIR").unwrap();
        let store = Store::open(Path::new(&dir)).unwrap();
        let mut writing = Writing { store: &store, seq: 0, hash: String::new() };
        while store.trouble().borrow().is_none() {
            writing.some(20);
            store.flush().await.unwrap();
        }
        println!("TROUBLE {}", writing.trouble().await);
        let before = store.read(records::last_seq).await.unwrap();
        assert!(before < writing.seq);
        let go_on = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        go_on.await.unwrap().unwrap();
        writing.well_again().await;
        writing.check().await;
        println!("WELL");
    }
}
