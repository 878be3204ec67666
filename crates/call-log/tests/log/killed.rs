//! Killed at any moment, nothing confirmed is lost.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use protocol::Timestamp;

use crate::make::{open, record, with_transfer};

const PATH: &str = "CALL_LOG_KILLED_PATH";
const FROM: &str = "CALL_LOG_KILLED_FROM";
const ROUNDS: u64 = 15;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _already_gone = self.0.wait();
    }
}

#[test]
fn nothing_confirmed_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut confirmed: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let from = confirmed.iter().filter(|line| line.starts_with("kept")).count() as u64 * 20 + round * 1_000_000;
        let mut child = start(&path, from);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut ours = lines.by_ref().filter(|line| line.starts_with("kept ") || line.starts_with("wrote "));
        // Each round at another place: while opening, in the first commit, later.
        confirmed.extend(ours.by_ref().take((round * 7 % 23) as usize));
        child.0.kill().unwrap();
        confirmed.extend(ours); // what it said before it died
        drop(child);

        let mut log = open(&path);
        for line in &confirmed {
            let (what, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            if what == "kept" {
                for n in number..number + 20 {
                    assert!(log.details(&format!("c{n}").as_str().into()).unwrap().is_some(), "{round}: {line}");
                }
            } else {
                assert_eq!(log.unsent_of(&format!("c{number}").as_str().into()).unwrap().note, "note", "{round}");
            }
        }
        log.warm().unwrap();
    }
    assert!(confirmed.len() > 100, "{}", confirmed.len());
}

fn start(path: &Path, from: u64) -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::child", "--ignored", "--nocapture"]);
    command.env(PATH, path).env(FROM, from.to_string());
    Killed(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
}

/// Keeps and writes until it is killed.
#[test]
#[ignore = "the child of nothing_confirmed_is_lost"]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let mut from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let mut log = open(&PathBuf::from(path));
    log.warm().unwrap();
    // Not for ever, whatever becomes of the parent.
    for _ in 0..5_000 {
        let records: Vec<_> =
            (from..from + 20).map(|n| with_transfer(record(&format!("c{n}"), n + 1, n), "a note")).collect();
        log.keep(&records, true).unwrap();
        say(&format!("kept {from}"));
        log.write_remarks(&format!("c{from}").as_str().into(), 0, "note", None, Timestamp(from)).unwrap();
        say(&format!("wrote {from}"));
        from += 20;
    }
}

/// On a line of its own: the test runner has written the child's name on this one.
fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
