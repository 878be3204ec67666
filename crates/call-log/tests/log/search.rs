use call_log::{CallLog, Field, Filter};
use protocol::{JourneyEvent, JourneyStep, Timestamp};

use crate::make::{from, open, record, remarks, search, with_remarks, with_transfer, with_voicemail};

fn log(records: &[protocol::CallRecord]) -> (tempfile::TempDir, CallLog) {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(records, false).unwrap();
    (dir, log)
}

const NONE: [&str; 0] = [];

#[test]
fn the_beginning_of_any_word_finds_names_departments_agents_and_notes() {
    let mut joao = from(record("joao", 1, 1), "João Pereira", "+351912345678");
    joao.department = None;
    let priya = with_transfer(record("priya", 2, 2), "asks about the \"blue\" invoice_7");
    let lee = with_remarks(from(record("lee", 3, 3), "Lee", "anna"), remarks(1, "Wants a refund", None));
    let (_dir, mut log) = log(&[joao, priya, lee]);

    assert_eq!(search(&mut log, "joao"), ["joao"]);
    assert_eq!(search(&mut log, "JOÃO per"), ["joao"]);
    assert_eq!(search(&mut log, "per jo"), ["joao"]);
    assert_eq!(search(&mut log, "oao"), NONE, "a search is for beginnings of words");
    assert_eq!(search(&mut log, "supp"), ["lee", "priya"]);
    assert_eq!(search(&mut log, "mina"), ["lee", "priya", "joao"]);
    assert_eq!(search(&mut log, "ravi maya \"blue\""), ["priya"]);
    assert_eq!(search(&mut log, "invoice_7"), ["priya"]);
    assert_eq!(search(&mut log, "refu want"), ["lee"]);
    assert_eq!(search(&mut log, "ann"), ["lee"], "a user called from inside");
    assert_eq!(search(&mut log, "priya 98123 supp blue"), ["priya"], "all terms, wherever each is");
    assert_eq!(search(&mut log, "priya joao"), NONE);
    assert_eq!(search(&mut log, "   "), ["lee", "priya", "joao"]);
}

#[test]
fn scripts_are_found_as_they_are_typed() {
    let (_dir, mut log) = log(&[
        from(record("deva", 1, 1), "प्रिया नायर", ""),
        from(record("arab", 2, 2), "أحمد المصري", ""),
        from(record("han", 3, 3), "王小明", ""),
        from(record("kana", 4, 4), "タナカ ユミ", ""),
        from(record("hangul", 5, 5), "김민준", ""),
        from(record("greek", 6, 6), "Γιώργος", ""),
        from(record("cyrillic", 7, 7), "Фёдор", ""),
        from(record("thai", 8, 8), "สมชาย", ""),
    ]);
    for (typed, id) in [
        ("प्रि", "deva"),
        ("नायर", "deva"),
        ("احمد", "arab"),
        ("المصر", "arab"),
        ("王", "han"),
        ("小明", "han"),
        ("明", "han"),
        ("たな", "kana"),
        ("ナカ", "kana"),
        ("ﾀﾅ", "kana"),
        ("김", "hangul"),
        ("김민", "hangul"),
        ("γιωρ", "greek"),
        ("федо", "cyrillic"),
        ("ชาย", "thai"),
    ] {
        assert_eq!(search(&mut log, typed), [id], "{typed}");
    }
    assert_eq!(search(&mut log, "王明"), NONE);
}

#[test]
fn numbers_are_found_in_any_written_form_and_by_fragments() {
    let outside = JourneyStep {
        at: Timestamp(5),
        what: JourneyEvent::TransferDoneOutside { transfer: "t".into(), number: "+4930123456".into() },
    };
    let mut moved = from(record("moved", 2, 2), "", "+15550100");
    moved.journey.push(outside);
    let (_dir, mut log) = log(&[record("india", 1, 1), moved, from(record("withheld", 3, 3), "", "")]);
    for typed in ["+91 98", "098123", "98123 45678", "0091-98123", "+919812345678", "345678", "(98123)"] {
        assert_eq!(search(&mut log, typed), ["india"], "{typed}");
    }
    assert_eq!(search(&mut log, "030 1234"), ["moved"], "a number that it was transferred to");
    assert_eq!(search(&mut log, "020 7946"), ["withheld", "moved", "india"], "the number that was called");
    assert_eq!(search(&mut log, "priya 5678"), ["india"]);
    assert_eq!(search(&mut log, "999"), NONE);
}

#[test]
fn whatever_is_typed_is_text() {
    let (_dir, mut log) = log(&[record("priya", 1, 1)]);
    for typed in
        ["priya OR joao", "NEAR(\" * \0", "%", "\"", "'; DROP TABLE calls; --", "priya* AND NOT x", "-priya -x"]
    {
        assert_eq!(search(&mut log, typed), NONE, "{typed:?}");
    }
    for typed in ["priya\0nair", "\"priya\"", "priya*", "priya (", "-priya"] {
        assert_eq!(search(&mut log, typed), ["priya"], "{typed:?}");
    }
    for typed in ["priya ".repeat(2_000), "9".repeat(10_000), "\"(*".repeat(4_000), "प".repeat(10_000)] {
        log.page(&Filter { text: typed, ..Filter::default() }, None, 10).unwrap();
    }
}

#[test]
fn a_changed_record_is_found_by_its_new_words_only() {
    let (_dir, mut log) = log(&[with_transfer(record("x", 1, 1), "old note")]);
    assert_eq!(search(&mut log, "priya"), ["x"]);
    let renamed = with_transfer(from(record("x", 2, 1), "Wanda", "+1999555"), "new words");
    log.keep(std::slice::from_ref(&renamed), false).unwrap();
    for gone in ["priya", "9812", "old"] {
        assert_eq!(search(&mut log, gone), NONE, "{gone}");
    }
    for there in ["wanda", "999", "words"] {
        assert_eq!(search(&mut log, there), ["x"], "{there}");
    }
    assert_eq!(log.details(&"x".into()).unwrap(), Some(renamed));
    assert_eq!(log.details(&"y".into()).unwrap(), None);
}

#[test]
fn marks_say_where_in_the_shown_texts() {
    let record = with_transfer(from(record("a", 1, 1), "João Pereira", "+91 98123"), "first\nthe João file");
    let (_dir, mut log) = log(&[with_voicemail(record, false)]);
    let filter = Filter { text: "joao 981".into(), ..Filter::default() };
    let row = log.page(&filter, None, 1).unwrap().rows.remove(0);
    let marks: Vec<_> = row.marks.iter().map(|mark| (mark.field, mark.from, mark.to)).collect();
    assert_eq!(marks, [(Field::CallerName, 0, 4), (Field::CallerNumber, 4, 7), (Field::Excerpt, 4, 8)]);
    assert_eq!(row.excerpt.as_deref(), Some("the João file"));
    assert_eq!(log.row(&"a".into()).unwrap().unwrap().marks, []);
}
