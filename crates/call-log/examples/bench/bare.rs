//! The same work as SQL by hand on the same file; where the file has no index that SQL could use (words), on an FTS5 table
//! beside it, made as well as FTS5 allows: contentless, without positions, with prefixes, rows in the order of time.

use std::path::Path;

use call_log::{CallLog, Filter};
use protocol::CallRecord;
use rusqlite::{Connection, params};

pub struct Bare {
    db: Connection,
}

const LIST: &str = "
    SELECT c.row, c.id, c.seq, c.flags, p.name, p.number, d.number, c.department, c.people, c.waited, c.length, c.score,
        c.disposition, n.told, n.remark
    FROM main.calls c JOIN main.parties p ON p.party = c.caller JOIN main.parties d ON d.party = c.dialled
        LEFT JOIN main.notes n ON n.row = c.row";

impl Bare {
    pub fn open(path: &Path, log: &mut CallLog) -> Self {
        let db = Connection::open(path).unwrap();
        db.set_prepared_statement_cache_capacity(64);
        db.execute("ATTACH ?1 AS side", [format!("{}.side", path.display())]).unwrap();
        db.execute_batch(
            "PRAGMA cache_size = -8192;
             PRAGMA synchronous = NORMAL;
             PRAGMA side.journal_mode = OFF;
             CREATE VIRTUAL TABLE side.words USING fts5 (
                text, content = '', contentless_delete = 1, detail = 'none', prefix = '2 3',
                tokenize = 'unicode61 remove_diacritics 2 categories ''L* N* M*''');
             CREATE TABLE side.plain (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
             BEGIN;
             INSERT INTO side.words (rowid, text)
             SELECT c.row, p.name || ' ' || p.number || ' ' || d.number || ' ' || coalesce(a.text, '') || ' '
                || coalesce(n.told || ' ' || n.remark, '')
             FROM main.calls c JOIN main.parties p ON p.party = c.caller JOIN main.parties d ON d.party = c.dialled
                LEFT JOIN main.atoms a ON a.atom = c.department LEFT JOIN main.notes n ON n.row = c.row
             ORDER BY c.row;
             COMMIT;
             INSERT INTO side.words (words) VALUES ('optimize');",
        )
        .unwrap();
        let rows = log.page(&Filter::default(), None, 2_000).unwrap().rows;
        for row in &rows {
            let json = serde_json::to_string(&log.details(&row.id).unwrap().unwrap()).unwrap();
            db.execute("INSERT INTO side.plain VALUES (?1, ?2)", (row.id.as_str(), json)).unwrap();
        }
        Self { db }
    }

    pub fn page(&self, before: i64) -> usize {
        self.list("c.row < ?1", params![before])
    }

    pub fn words(&self, query: &str) -> usize {
        let found = "c.row IN (SELECT rowid FROM side.words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT 100)";
        self.list(found, params![query])
    }

    pub fn number(&self, fragment: &str) -> usize {
        let found = "(c.caller IN (SELECT party FROM main.parties WHERE number LIKE ?1)
            OR c.dialled IN (SELECT party FROM main.parties WHERE number LIKE ?1))";
        self.list(found, params![format!("%{fragment}%")])
    }

    /// Answered, in a department, transferred: a page, and how many for each outcome, department and person.
    pub fn filters_and_counts(&self, department: u32) -> usize {
        let flags = "c.flags & 28 = 0 AND c.flags & 32 <> 0";
        let page = self.list(&format!("{flags} AND c.department = ?1"), params![department]);
        for (group, condition) in [
            ("c.flags & 28", "c.flags & 32 <> 0 AND c.department = ?1"),
            ("c.department", "c.flags & 28 = 0 AND c.flags & 32 <> 0 AND ?1 = ?1"),
            ("c.people", "c.flags & 28 = 0 AND c.flags & 32 <> 0 AND c.department = ?1"),
        ] {
            let sql = format!("SELECT {group}, count(*) FROM main.calls c WHERE {condition} GROUP BY 1");
            let mut statement = self.db.prepare_cached(&sql).unwrap();
            let mut rows = statement.query([department]).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        page
    }

    pub fn details(&self, id: &str) -> CallRecord {
        let mut statement = self.db.prepare_cached("SELECT json FROM side.plain WHERE id = ?1").unwrap();
        let json: String = statement.query_row([id], |row| row.get(0)).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// One call into the tables of the file, with a commit.
    pub fn insert(&self, row: i64, id: &str, packed: &[u8]) {
        let db = &self.db;
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        db.prepare_cached("SELECT row FROM main.calls WHERE tag = ?1").unwrap().exists([row]).unwrap();
        let sql = "INSERT INTO main.calls VALUES (?1, ?2, ?3, 7, 3, 4, 2, x'0107', 64, 5000, 60000, 410, NULL)";
        db.prepare_cached(sql).unwrap().execute(params![row, id, row & 0xFFFF_FFFF]).unwrap();
        db.prepare_cached("INSERT INTO main.details VALUES (?1, ?2)").unwrap().execute(params![row, packed]).unwrap();
        db.prepare_cached("UPDATE main.meta SET value = value WHERE name = 'seq'").unwrap().execute([]).unwrap();
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    }

    pub fn remove(&self, row: i64) {
        self.db.execute("DELETE FROM main.calls WHERE row = ?1", [row]).unwrap();
        self.db.execute("DELETE FROM main.details WHERE row = ?1", [row]).unwrap();
    }

    pub fn newest(&self) -> i64 {
        self.db.query_row("SELECT max(row) FROM main.calls", [], |row| row.get(0)).unwrap()
    }

    pub fn rows(&self) -> Vec<i64> {
        let mut statement = self.db.prepare("SELECT row FROM main.calls ORDER BY row").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub fn atom(&self, json: &str) -> u32 {
        self.db.query_row("SELECT atom FROM main.atoms WHERE text = ?1", [json], |row| row.get(0)).unwrap()
    }

    /// A hundred rows with their texts, newest first.
    fn list(&self, condition: &str, values: &[&dyn rusqlite::ToSql]) -> usize {
        let sql = format!("{LIST} WHERE {condition} ORDER BY c.row DESC LIMIT 100");
        let mut statement = self.db.prepare_cached(&sql).unwrap();
        let mut rows = statement.query(values).unwrap();
        let mut list = Vec::with_capacity(100);
        while let Some(row) = rows.next().unwrap() {
            let text = |at| row.get::<_, Option<String>>(at).unwrap();
            let number = |at| row.get::<_, Option<i64>>(at).unwrap();
            let people: Vec<u8> = row.get(8).unwrap();
            list.push((
                (number(0), text(1), number(2), number(3), text(4), text(5), text(6), number(7)),
                (people, number(9), number(10), number(11), number(12), text(13), text(14)),
            ));
        }
        list.len()
    }
}
