use call_log::{Draft, Filter, RemarksMark, Resolution, SavedView};
use protocol::Timestamp;

use crate::make::{all, ids, open, record, remarks, search, with_remarks};

#[test]
fn remarks_written_offline_are_shown_found_and_kept_until_they_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    log.keep(&[record("a", 1, 1), record("b", 2, 2)], false).unwrap();
    log.warm().unwrap();
    log.write_remarks(&"a".into(), 0, "Ring again", Some(&"call_back".into()), Timestamp(5)).unwrap();

    for _ in 0..2 {
        let row = log.row(&"a".into()).unwrap().unwrap();
        assert_eq!((row.note.as_str(), row.remarks), ("Ring again", RemarksMark::Unsent));
        assert_eq!(search(&mut log, "ring"), ["a"]);
        let filter = Filter { dispositions: vec!["call_back".into()], ..Filter::default() };
        assert_eq!(ids(&mut log, &filter), ["a"]);
        assert_eq!(log.details(&"a".into()).unwrap().unwrap().remarks, None, "the record is as the exchange has it");
        drop(log);
        log = open(&path);
    }
    let unsent = log.unsent();
    assert_eq!((unsent.len(), unsent[0].base, unsent[0].at), (1, 0, Timestamp(5)));

    let taken = remarks(1, "Ring again", Some("call_back"));
    log.sent(&"a".into(), &taken).unwrap();
    assert_eq!(log.unsent(), []);
    assert_eq!(log.row(&"a".into()).unwrap().unwrap().remarks, RemarksMark::Kept);
    assert_eq!(log.details(&"a".into()).unwrap().unwrap().remarks, Some(taken));
    assert_eq!(search(&mut log, "ring"), ["a"]);
    // The record itself, when it comes, is what counts.
    log.keep(&[with_remarks(record("a", 3, 1), remarks(2, "Done", None))], false).unwrap();
    assert!(search(&mut log, "ring").is_empty());
    assert_eq!(search(&mut log, "done"), ["a"]);
}

#[test]
fn what_was_written_while_sending_is_sent_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.write_remarks(&"a".into(), 0, "one", None, Timestamp(1)).unwrap();
    log.write_remarks(&"a".into(), 0, "two", None, Timestamp(2)).unwrap();
    log.sent(&"a".into(), &remarks(1, "one", None)).unwrap();
    let unsent = log.unsent();
    assert_eq!((unsent[0].note.as_str(), unsent[0].base), ("two", 1));
}

#[test]
fn a_conflict_waits_beside_theirs_until_the_person_decides() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    log.keep(&[record("a", 1, 1)], false).unwrap();
    let theirs = remarks(3, "Theirs", Some("resolved"));
    for (resolution, note) in [(Resolution::Mine, "Mine"), (Resolution::Theirs, "Theirs")] {
        log.write_remarks(&"a".into(), 1, "My first", None, Timestamp(1)).unwrap();
        log.refused(&"a".into(), &theirs).unwrap();
        // Writing on does not decide.
        log.write_remarks(&"a".into(), 1, "Mine", None, Timestamp(2)).unwrap();
        drop(log);
        log = open(&path);
        let row = log.row(&"a".into()).unwrap().unwrap();
        assert_eq!((row.note.as_str(), row.remarks), ("Mine", RemarksMark::Conflict));
        assert_eq!(log.unsent()[0].theirs.as_ref(), Some(&theirs));
        assert_eq!(log.details(&"a".into()).unwrap().unwrap().remarks.as_ref(), Some(&theirs));

        log.resolve(&"a".into(), resolution).unwrap();
        assert_eq!(log.row(&"a".into()).unwrap().unwrap().note, note);
        let again: Vec<_> = log.unsent().into_iter().map(|unsent| (unsent.base, unsent.theirs)).collect();
        assert_eq!(again, if resolution == Resolution::Mine { vec![(3, None)] } else { vec![] });
        log.give_up(&"a".into()).unwrap();
    }
}

#[test]
fn remarks_and_views_outlive_everything_that_happens_to_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    log.follow("one", "all").unwrap();
    log.keep(&[record("a", 1, 1)], true).unwrap();
    log.write_remarks(&"a".into(), 0, "mine", None, Timestamp(1)).unwrap();
    let view = SavedView { name: "Missed".into(), filter: Filter { transferred: true, ..Filter::default() } };
    log.save_view(&view).unwrap();
    log.follow("one", "less").unwrap();
    assert!(all(&mut log).is_empty());
    log.wipe().unwrap();
    drop(log);
    std::fs::write(&path, b"no database".repeat(1_000)).unwrap();
    let mut log = call_log::CallLog::open(&path).unwrap().log;
    assert_eq!(log.unsent()[0].note, "mine");
    log.keep(&[record("a", 1, 1)], false).unwrap();
    assert_eq!(search(&mut log, "mine"), ["a"], "and are shown when the call is here again");
    assert_eq!(log.views().unwrap(), [view]);
    log.remove_view("Missed").unwrap();
    assert_eq!(log.views().unwrap(), []);
    log.remove().unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["calls.damaged-1"]);
}

#[test]
fn what_is_half_typed_outlives_the_app_until_it_is_saved_or_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let draft =
        |note: &str| Draft { call: "a".into(), base: 3, note: note.into(), disposition: Some("resolved".into()) };
    let mut log = open(&path);
    log.keep_draft(&draft("ha")).unwrap();
    log.keep_draft(&draft("half ")).unwrap();
    drop(log);
    let mut log = open(&path);
    assert_eq!(log.draft(&"a".into()).unwrap(), Some(draft("half ")));
    assert_eq!(log.draft(&"b".into()).unwrap(), None);
    assert_eq!(log.unsent(), [], "nothing to send");
    log.wipe().unwrap();
    log.forget_draft(&"b".into()).unwrap();
    assert!(log.draft(&"a".into()).unwrap().is_some());
    log.write_remarks(&"a".into(), 3, "whole", None, Timestamp(1)).unwrap();
    assert_eq!(log.draft(&"a".into()).unwrap(), None, "saved");
    log.keep_draft(&draft("again")).unwrap();
    log.forget_draft(&"a".into()).unwrap();
    assert_eq!(log.draft(&"a".into()).unwrap(), None, "given up");
}

#[test]
fn a_listening_is_kept_until_the_exchange_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calls");
    let mut log = open(&path);
    for call in ["a", "b", "a"] {
        log.note_heard(&call.into()).unwrap();
    }
    drop(log);
    let mut log = open(&path);
    assert_eq!(log.heard().unwrap(), ["a".into(), "b".into()]);
    log.told_heard(&"a".into()).unwrap();
    assert_eq!(log.heard().unwrap(), ["b".into()]);
}
