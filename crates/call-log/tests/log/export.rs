use std::ops::ControlFlow;

use call_log::{Error, Exported, Filter, Format};
use protocol::CallRecord;

use crate::make::{from, open, record, remarks, with_remarks};

#[test]
fn csv_has_the_columns_of_the_list_and_no_formula() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let evil = with_remarks(record("a", 1, 1_700_000_000_000), remarks(1, "=HYPERLINK(\"x\")\nsecond", Some("-1")));
    log.keep(&[from(evil, "@SUM(A1)", "+442079460200")], false).unwrap();
    let mut out = Vec::new();
    log.export(&Filter::default(), Format::Csv, &mut out, |_, _| ControlFlow::Continue(())).unwrap();
    let text = String::from_utf8(out).unwrap();
    let (header, line) = text.split_once("\r\n").unwrap();
    assert!(header.starts_with("\u{FEFF}id,direction,outcome,caller,number,"));
    let wanted = "\"a\",\"inbound\",\"answered\",\"'@SUM(A1)\",\"+442079460200\",\"+442079460200\",\"Support\",\
        \"Mina Shah\",\"2023-11-14T22:13:20.000Z\",\"2023-11-14T22:13:20.005Z\",\"2023-11-14T22:13:20.050Z\",\
        \"0.005\",\"0.045\",\"no\",\"no\",\"\",\"'-1\",\"'=HYPERLINK(\"\"x\"\")\nsecond\"\r\n";
    assert_eq!(line, wanted);
}

#[test]
fn json_lines_are_the_records_of_the_filter_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let records: Vec<CallRecord> = (0..1_201).map(|n| record(&format!("c{n}"), n + 1, n)).collect();
    log.keep(&records, false).unwrap();
    log.keep(&[from(record("other", 5_000, 7), "Ana", "")], false).unwrap();
    let (mut out, mut told) = (Vec::new(), Vec::new());
    let filter = Filter { text: "priya".into(), ..Filter::default() };
    let done = log.export(&filter, Format::JsonLines, &mut out, |done, total| {
        told.push((done, total));
        ControlFlow::Continue(())
    });
    assert_eq!(done.unwrap(), Exported::Whole { calls: 1_201 });
    assert_eq!(told, [(500, 1_201), (1_000, 1_201)]);
    let lines = String::from_utf8(out).unwrap();
    let read: Vec<CallRecord> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(read.iter().eq(records.iter().rev()));
}

#[test]
fn an_export_can_be_cancelled_and_a_full_disk_is_said() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let records: Vec<CallRecord> = (0..600).map(|n| record(&format!("c{n}"), n + 1, n)).collect();
    log.keep(&records, false).unwrap();
    let done = log.export(&Filter::default(), Format::Csv, &mut Vec::new(), |_, _| ControlFlow::Break(()));
    assert_eq!(done.unwrap(), Exported::Cancelled { calls: 500 });
    let full = log.export(&Filter::default(), Format::Csv, &mut Full, |_, _| ControlFlow::Continue(()));
    assert!(matches!(full, Err(Error::Export(_))));
}
