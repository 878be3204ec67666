use call_log::{Count, Filter, RemarksMark, Row, VoicemailFilter, VoicemailMark};
use protocol::{CallOutcome, CallRecord, DepartmentRef, Direction, Timestamp, UserRef};

use crate::make::{
    all, from, ids, open, record, remarks, that_came_back, user, with_quality, with_remarks, with_transfer,
    with_voicemail,
};

#[test]
fn pages_go_from_newest_to_oldest_and_stay_in_place_when_a_call_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.follow("s", "").unwrap();
    let records = [("a", 10), ("b", 20), ("c", 20), ("d", 30), ("e", 40)];
    log.keep(&records.map(|(id, at)| record(id, at, at)), true).unwrap();
    for filter in [Filter::default(), Filter { text: "pri".into(), ..Filter::default() }] {
        let first = log.page(&filter, None, 2).unwrap();
        log.keep(&[record("f", 50, 50)], true).unwrap();
        let second = log.page(&filter, first.next, 2).unwrap();
        let third = log.page(&filter, second.next, 2).unwrap();
        let seen = [&first, &second, &third].map(|p| p.rows.iter().map(|r| r.id.0.clone()).collect::<Vec<_>>());
        let (newest, oldest) = (seen[0].last().unwrap(), seen[2].last().unwrap());
        assert!((newest == "d" || newest == "e") && (oldest == "a" || oldest == "b" || oldest == "c"), "{seen:?}");
        assert_eq!(log.page(&filter, third.next.or(second.next), 10).unwrap().next, None);
    }
    assert_eq!(all(&mut log).len(), 6);
}

#[test]
fn calls_of_one_moment_have_one_order_however_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    let records: Vec<CallRecord> = (0..20).map(|n| record(&format!("c{n}"), n + 1, 7)).collect();
    one.keep(&records, false).unwrap();
    let backwards: Vec<CallRecord> = records.into_iter().rev().collect();
    other.keep(&backwards, false).unwrap();
    assert_eq!(all(&mut one), all(&mut other));
}

/// Six calls that differ in everything.
fn office() -> Vec<CallRecord> {
    let billing = DepartmentRef { id: "billing".into(), name: "Billing".into() };
    let mut long = with_quality(record("long", 1, 1_000), &[440, 250]);
    long.ended_at = Timestamp(1_000 + 3_700_000);
    let mut missed = from(record("missed", 2, 2_000), "Ana", "+15550100");
    (missed.outcome, missed.answered_at, missed.department) = (CallOutcome::Missed, None, Some(billing));
    missed.agents.clear();
    let out = CallRecord { direction: Direction::Outbound, department: None, ..record("out", 3, 3_000) };
    let mut moved = with_transfer(record("moved", 4, 4_000), "n");
    moved.agents.push(user("ravi", "Ravi Kumar"));
    let back = with_remarks(that_came_back(record("back", 5, 5_000)), remarks(1, "", Some("resolved")));
    vec![long, missed, out, moved, back, with_voicemail(record("message", 6, 6_000), false)]
}

#[test]
fn each_filter_keeps_what_it_says_and_they_combine() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&office(), false).unwrap();
    let none = Filter::default;
    let table: [(Filter, &[&str]); 16] = [
        (none(), &["message", "back", "moved", "out", "missed", "long"]),
        (Filter { from: Some(Timestamp(3_000)), until: Some(Timestamp(5_000)), ..none() }, &["moved", "out"]),
        (Filter { from: Some(Timestamp(u64::MAX)), ..none() }, &[]),
        (Filter { outcomes: vec![CallOutcome::Missed, CallOutcome::Voicemail], ..none() }, &["message", "missed"]),
        (Filter { directions: vec![Direction::Outbound], ..none() }, &["out"]),
        (Filter { answered_by: vec!["ravi".into()], ..none() }, &["moved"]),
        (Filter { answered_by: vec!["ravi".into(), "mina".into()], ..none() }, &["back", "moved", "out", "long"]),
        (Filter { answered_by: vec!["nobody".into()], ..none() }, &[]),
        (Filter { departments: vec!["billing".into()], ..none() }, &["missed"]),
        (Filter { transferred: true, ..none() }, &["back", "moved"]),
        (Filter { came_back: true, ..none() }, &["back"]),
        (Filter { voicemail: VoicemailFilter::Unheard, ..none() }, &["message"]),
        (Filter { talk_at_least_ms: Some(60_000), ..none() }, &["long"]),
        (Filter { quality_below: Some(310), ..none() }, &["long"]),
        (Filter { dispositions: vec!["resolved".into()], ..none() }, &["back"]),
        (
            Filter {
                text: "pri".into(),
                departments: vec!["support".into()],
                transferred: true,
                talk_below_ms: Some(1_000),
                ..none()
            },
            &["back", "moved"],
        ),
    ];
    for (filter, wanted) in table {
        assert_eq!(ids(&mut log, &filter), wanted, "{filter:?}");
    }
    log.keep(&[with_voicemail(record("message", 7, 6_000), true)], false).unwrap();
    assert!(ids(&mut log, &Filter { voicemail: VoicemailFilter::Unheard, ..none() }).is_empty());
    assert_eq!(ids(&mut log, &Filter { voicemail: VoicemailFilter::Left, ..none() }), ["message"]);
}

#[test]
fn counts_say_how_many_there_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&office(), false).unwrap();
    let filter = Filter { transferred: true, departments: vec!["support".into()], ..Filter::default() };
    let counts = log.counts(&filter).unwrap();
    assert_eq!((counts.total, counts.transferred, counts.came_back), (2, 2, 1));
    let count = |value: Direction, calls| Count { value, calls };
    let directions = [count(Direction::Inbound, 2), count(Direction::Outbound, 0), count(Direction::Internal, 0)];
    assert_eq!(counts.directions, directions);
    let people: Vec<(UserRef, u32)> = counts.answered_by.into_iter().map(|c| (c.value, c.calls)).collect();
    assert_eq!(people, [(user("mina", "Mina Shah"), 2), (user("ravi", "Ravi Kumar"), 1)]);

    let departments = log.counts(&Filter { departments: vec!["billing".into()], ..Filter::default() }).unwrap();
    assert_eq!(departments.total, 1);
    let names: Vec<(&str, u32)> = departments.departments.iter().map(|c| (c.value.name.as_str(), c.calls)).collect();
    assert_eq!(names, [("Support", 4), ("Billing", 1)], "its own facet is counted as if nothing were chosen");
}

#[test]
fn a_row_says_what_the_list_shows() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    let call =
        with_remarks(with_quality(that_came_back(record("a", 1, 100)), &[400, 300]), remarks(2, "Rang", Some("x")));
    let message = with_voicemail(record("b", 2, 50), true);
    log.keep(&[call.clone(), message.clone()], false).unwrap();
    let rows = log.page(&Filter::default(), None, 9).unwrap().rows;
    let wanted = Row {
        id: call.id,
        direction: call.direction,
        outcome: call.outcome,
        caller: call.caller,
        dialled: call.dialled,
        department: call.department,
        agents: call.agents,
        started_at: call.started_at,
        answered_at: call.answered_at,
        ended_at: call.ended_at,
        waited_ms: 5,
        talk_ms: 45,
        transferred: true,
        came_back: true,
        voicemail: VoicemailMark::None,
        worst_score: Some(300),
        note: "Rang".into(),
        disposition: Some("x".into()),
        remarks: RemarksMark::Kept,
        excerpt: None,
        marks: vec![],
    };
    assert_eq!(rows[0], wanted);
    assert_eq!((rows[1].voicemail, rows[1].waited_ms, rows[1].talk_ms), (VoicemailMark::Heard, 50, 0));
    assert_eq!(rows[1].remarks, RemarksMark::None);
}

#[test]
fn a_day_is_summed_by_hours() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(&dir.path().join("calls"));
    log.keep(&office(), false).unwrap();
    log.keep(&[record("later", 9, 3_600_000 + 7), record("outside", 10, 999)], false).unwrap();
    let day = log.summary(Timestamp(1_000), Timestamp(1_000 + 86_400_000)).unwrap();
    assert_eq!((day.calls, day.answered, day.missed, day.outbound), (7, 4, 2, 1));
    assert_eq!((day.transferred, day.came_back, day.voicemails, day.average_wait_ms), (2, 1, 1, Some(5)));
    assert_eq!(day.hours.len(), 24);
    assert_eq!((day.hours[0].calls, day.hours[0].missed, day.hours[1].calls), (7, 2, 0));
    let none = log.summary(Timestamp(0), Timestamp(10)).unwrap();
    assert_eq!((none.calls, none.average_wait_ms), (0, None));
    assert!(log.summary(Timestamp(0), Timestamp(u64::MAX)).unwrap().hours.len() <= 31 * 24);
}
