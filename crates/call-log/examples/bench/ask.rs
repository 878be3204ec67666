//! Each question, and beside it the same as bare SQL.

use std::path::Path;
use std::time::Instant;

use call_log::{CallLog, Filter, Place, Row};
use protocol::{CallOutcome, CallRecord, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use crate::bare::Bare;
use crate::figures::{self, Pair};

const PAGE: u32 = 100;
const TIMES: usize = 300;

pub fn run(path: &Path, rows: u64) -> Value {
    let begun = Instant::now();
    let mut log = CallLog::open(path).unwrap().log;
    let first = log.page(&Filter::default(), None, PAGE).unwrap();
    let cold_open_ms = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(first.rows.len(), PAGE as usize);
    let begun = Instant::now();
    log.warm().unwrap();
    let warm_ms = begun.elapsed().as_secs_f64() * 1e3;
    log.counts(&Filter { text: "pri".into(), ..Filter::default() }).unwrap();
    let peak_bytes = figures::peak_memory();

    let bare = Bare::open(path, &mut log);
    let mut asker = Asker { random: StdRng::seed_from_u64(11), rows: bare.rows(), log, bare, report: Map::new() };
    asker.pages();
    asker.searches();
    asker.filters();
    asker.details();
    asker.inserts(rows);
    json!({
        "cold_open_to_first_page_ms": figures::round(cold_open_ms),
        "warm_index_ms": figures::round(warm_ms),
        "peak_memory_mb": figures::round(peak_bytes as f64 / 1e6),
        "operations": asker.report,
    })
}

struct Asker {
    random: StdRng,
    rows: Vec<i64>,
    log: CallLog,
    bare: Bare,
    report: Map<String, Value>,
}

impl Asker {
    fn pages(&mut self) {
        let (mut first, mut deep) = (Pair::default(), Pair::default());
        for _ in 0..TIMES {
            first.ours(|| self.log.page(&Filter::default(), None, PAGE).unwrap());
            first.bare(|| self.bare.page(i64::MAX));
            let before = self.some_row();
            let place: Place = serde_json::from_value(before.into()).unwrap();
            deep.ours(|| self.log.page(&Filter::default(), Some(place), PAGE).unwrap());
            deep.bare(|| self.bare.page(before));
        }
        self.report.insert("first_page".into(), first.report());
        self.report.insert("page_at_random_depth".into(), deep.report());
    }

    fn searches(&mut self) {
        for letters in [2, 3, 5] {
            self.search(&format!("search_{letters}_letters"), |call, _| {
                let name = call.caller.name.split(' ').next().filter(|name| !name.is_empty())?;
                let typed: String = name.chars().take(letters).collect();
                Some((typed.clone(), format!("\"{typed}\" *")))
            });
        }
        self.search("search_name_and_prefix", |call, _| {
            let (first, last) = call.caller.name.split_once(' ')?;
            let prefix: String = last.chars().take(2).collect();
            Some((format!("{first} {prefix}"), format!("\"{first}\" * AND \"{prefix}\" *")))
        });
        self.search("search_name_and_note", |call, random| {
            let first = call.caller.name.split(' ').next().filter(|name| !name.is_empty())?;
            let word = ["inv", "refund", "tech", "pay"][random.random_range(0..4)];
            Some((format!("{first} {word}"), format!("\"{first}\" * AND \"{word}\" *")))
        });
        self.search("search_no_hit", |_, random| {
            let typed = format!("zq{}", char::from(random.random_range(b'a'..=b'z')));
            Some((typed.clone(), format!("\"{typed}\" *")))
        });
        let mut pair = Pair::default();
        for _ in 0..TIMES {
            let call = self.some_call();
            let digits: String = call.caller.number.chars().filter(char::is_ascii_digit).collect();
            let Some(at) = digits.len().checked_sub(5) else { continue };
            let fragment = digits[self.random.random_range(at.min(3)..=at)..].chars().take(5).collect::<String>();
            let filter = Filter { text: fragment.clone(), ..Filter::default() };
            let found = pair.ours(|| self.log.page(&filter, None, PAGE).unwrap()).rows.len();
            assert!(found > 0, "{fragment}");
            pair.bare(|| self.bare.number(&fragment));
        }
        self.report.insert("search_number_fragment".into(), pair.report());
    }

    fn search(&mut self, name: &str, typed: impl Fn(&Row, &mut StdRng) -> Option<(String, String)>) {
        let mut pair = Pair::default();
        for _ in 0..TIMES {
            let call = self.some_call();
            let Some((text, fts)) = typed(&call, &mut self.random) else { continue };
            if text.contains(['\'', '-']) {
                continue; // FTS5 without positions refuses what its tokenizer cuts in two
            }
            let filter = Filter { text, ..Filter::default() };
            pair.ours(|| self.log.page(&filter, None, PAGE).unwrap());
            pair.bare(|| self.bare.words(&fts));
        }
        self.report.insert(name.into(), pair.report());
    }

    fn filters(&mut self) {
        let mut pair = Pair::default();
        for n in 0..TIMES / 10 {
            let (id, name) = [("support", "Support"), ("billing", "Billing"), ("press", "Press")][n % 3];
            let filter = Filter {
                outcomes: vec![CallOutcome::Answered],
                departments: vec![id.into()],
                transferred: true,
                ..Filter::default()
            };
            let atom = self.bare.atom(&json!({ "id": id, "name": name }).to_string());
            let found = pair.ours(|| (self.log.page(&filter, None, PAGE).unwrap(), self.log.counts(&filter).unwrap()));
            assert_eq!(pair.bare(|| self.bare.filters_and_counts(atom)), found.0.rows.len());
        }
        self.report.insert("three_filters_with_counts".into(), pair.report());
    }

    fn details(&mut self) {
        let newest = self.log.page(&Filter::default(), None, 2_000).unwrap().rows;
        let mut pair = Pair::default();
        for _ in 0..TIMES {
            let id = &newest[self.random.random_range(0..newest.len())].id;
            let ours = pair.ours(|| self.log.details(id).unwrap().unwrap());
            assert_eq!(pair.bare(|| self.bare.details(id.as_str())), ours);
        }
        self.report.insert("details".into(), pair.report());
    }

    fn inserts(&mut self, rows: u64) {
        let newest = self.bare.newest();
        let mut pair = Pair::default();
        let first = self.log.page(&Filter::default(), None, TIMES as u32).unwrap().rows;
        let mut rows_of_bare = Vec::new();
        for (n, row) in (0..).zip(first) {
            let old = self.log.details(&row.id).unwrap().unwrap();
            let at = Timestamp(old.started_at.0 + 1_000_000_000);
            let id = format!("live-{n}").as_str().into();
            let call = CallRecord { id, seq: rows + n + 1, started_at: at, answered_at: None, ended_at: at, ..old };
            pair.ours(|| self.log.keep(&[call], true).unwrap());
            let row = newest + (2_000_000_000 << 20) + n as i64;
            pair.bare(|| self.bare.insert(row, &format!("bare-{n}"), &[7; 100]));
            rows_of_bare.push(row);
        }
        rows_of_bare.into_iter().for_each(|row| self.bare.remove(row));
        self.report.insert("live_insert_with_commit".into(), pair.report());
    }

    fn some_row(&mut self) -> i64 {
        self.rows[self.random.random_range(200.min(self.rows.len() - 1)..self.rows.len())]
    }

    /// A call drawn as people remember them: any of the account.
    fn some_call(&mut self) -> Row {
        let place: Place = serde_json::from_value((self.some_row() + 1).into()).unwrap();
        self.log.page(&Filter::default(), Some(place), 1).unwrap().rows.remove(0)
    }
}
