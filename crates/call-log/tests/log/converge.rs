//! Whatever comes, in whatever order, the log ends with exactly what the exchange has: records, lists, search, filters,
//! counts and sums, against a model that just looks at every record.

use call_log::{CallLog, Filter, VoicemailFilter};
use proptest::prelude::*;
use protocol::{CallOutcome, CallRecord, Direction, JourneyEvent, Timestamp};

use crate::make::{
    from, open, record, remarks, that_came_back, user, with_quality, with_remarks, with_transfer, with_voicemail,
};

/// Names with the words by which they must be found.
const NAMES: [(&str, &[&str]); 5] = [
    ("Priya Nair", &["priya", "nair"]),
    ("João Lima-Pires", &["joao", "lima", "pires"]),
    ("王小明", &["王小明", "小明", "明"]),
    ("प्रिया", &["प्रिया"]),
    ("", &[]),
];
const NUMBERS: [&str; 4] = ["+919812345678", "+442079460200", "+15550100", ""];
const NOTES: [&str; 3] = ["asks for a refund", "line 98 is noisy", "prize"];

fn any_record() -> impl Strategy<Value = CallRecord> {
    let who = (0..NAMES.len(), 0..NUMBERS.len());
    let what = (0u8..3, 0u8..5, 0u8..7, prop::option::of(0..NOTES.len()));
    (0u8..6, 0u64..6, who, what, any::<bool>(), 100u16..450).prop_map(
        |(id, at, (name, number), (direction, outcome, extra, note), elsewhere, score)| {
            let mut call = from(record(&format!("c{id}"), 0, at * 1_800_000), NAMES[name].0, NUMBERS[number]);
            call.direction = [Direction::Inbound, Direction::Outbound, Direction::Internal][usize::from(direction)];
            call.outcome = [
                CallOutcome::Answered,
                CallOutcome::Missed,
                CallOutcome::Voicemail,
                CallOutcome::Announced,
                CallOutcome::Failed,
            ][usize::from(outcome)];
            if elsewhere {
                call.agents = vec![user("ravi", "Ravi Kumar"), user("mina", "Mina Shah")];
                call.department = None;
                call.ended_at = call.ended_at.plus_ms(400_000);
            }
            let note = note.map_or("", |note| NOTES[note]);
            match extra {
                0 => with_transfer(call, note),
                1 => that_came_back(call),
                2 => with_voicemail(call, elsewhere),
                3 => with_quality(call, &[score, 440]),
                4 => with_remarks(call, remarks(1, note, elsewhere.then_some("resolved"))),
                _ => call,
            }
        },
    )
}

/// All versions of all calls; `seq` is unique over them, as the exchange's is.
fn versions() -> impl Strategy<Value = Vec<CallRecord>> {
    prop::collection::vec(any_record(), 1..25).prop_map(|mut calls| {
        (1..).zip(&mut calls).for_each(|(seq, call)| call.seq = seq);
        calls
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let texts = prop::sample::select(vec![
        "", "", "", "pri", "JOÃO", "小", "98", "9812", "+91 98", "ravi", "supp re", "mina 020",
    ]);
    let dates = (prop::option::of(0u64..6), prop::option::of(0u64..6));
    let some = || any::<u8>().prop_map(|n| n % 4 == 0);
    (texts, dates, [some(), some(), some(), some(), some()], prop::option::of(100u16..450), 0u8..6).prop_map(
        |(text, (from, until), [missed, inbound, transferred, came_back, ravi], quality_below, extra)| Filter {
            text: text.into(),
            from: from.map(|n| Timestamp(n * 1_800_000)),
            until: until.map(|n| Timestamp(n * 1_800_000)),
            outcomes: if missed { vec![CallOutcome::Missed, CallOutcome::Voicemail] } else { vec![] },
            directions: if inbound { vec![Direction::Inbound] } else { vec![] },
            transferred,
            came_back,
            answered_by: if ravi { vec!["ravi".into()] } else { vec![] },
            quality_below: quality_below.filter(|_| extra == 0),
            voicemail: if extra == 1 { VoicemailFilter::Unheard } else { VoicemailFilter::Any },
            talk_at_least_ms: (extra == 2).then_some(60_000),
            departments: if extra == 3 { vec!["support".into()] } else { vec![] },
            dispositions: if extra == 4 { vec!["resolved".into()] } else { vec![] },
            ..Filter::default()
        },
    )
}

/// What the exchange has: the newest version of each call.
fn newest(sent: &[CallRecord]) -> Vec<CallRecord> {
    let is_newest = |call: &&CallRecord| !sent.iter().any(|other| other.id == call.id && other.seq > call.seq);
    sent.iter().filter(is_newest).cloned().collect()
}

fn words(call: &CallRecord) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (_, name) = NAMES.iter().find(|(name, _)| *name == call.caller.name).unwrap();
    words.extend(name.iter().map(|word| (*word).to_owned()));
    let mut texts: Vec<&str> = call.agents.iter().map(|a| a.name.as_str()).collect();
    texts.extend(call.department.iter().map(|d| d.name.as_str()));
    texts.extend(call.remarks.iter().map(|r| r.note.as_str()));
    texts.extend(call.voicemail.iter().map(|v| v.mailbox.as_str()));
    for step in &call.journey {
        match &step.what {
            JourneyEvent::TransferStarted { by, to, note, .. } => {
                texts.extend([by.name.as_str(), to.name()].into_iter().chain(note.as_deref()));
            }
            JourneyEvent::Recalled { user, .. } => texts.push(&user.name),
            other => panic!("{other:?}"),
        }
    }
    words.extend(texts.iter().flat_map(|text| text.split(' ')).map(str::to_lowercase));
    words
}

fn has_text(call: &CallRecord, text: &str) -> bool {
    let begins = |prefix: &str| words(call).iter().any(|word| word.starts_with(prefix));
    let digits = |part: &str| [&call.caller.number, &call.dialled].iter().any(|number| number.contains(part));
    match text {
        "" => true,
        "pri" | "小" | "ravi" => begins(text),
        "JOÃO" => begins("joao"),
        "98" => begins("98") || digits("+9198"),
        "9812" => digits("9812"),
        "+91 98" => digits("+9198"),
        "supp re" => begins("supp") && begins("re"),
        "mina 020" => begins("mina") && digits("+4420"),
        other => panic!("{other}"),
    }
}

fn passes(call: &CallRecord, filter: &Filter) -> bool {
    let talk = call.answered_at.map_or(0, |at| call.ended_at.ms_since(at));
    let came = |what: fn(&JourneyEvent) -> bool| call.journey.iter().any(|step| what(&step.what));
    let disposition = call.remarks.as_ref().and_then(|r| r.disposition.as_ref());
    has_text(call, &filter.text)
        && filter.from.is_none_or(|from| call.started_at >= from)
        && filter.until.is_none_or(|until| call.started_at < until)
        && (filter.outcomes.is_empty() || filter.outcomes.contains(&call.outcome))
        && (filter.directions.is_empty() || filter.directions.contains(&call.direction))
        && (!filter.transferred || came(|what| matches!(what, JourneyEvent::TransferStarted { .. })))
        && (!filter.came_back || came(|what| matches!(what, JourneyEvent::Recalled { .. })))
        && (filter.answered_by.is_empty() || call.agents.iter().any(|a| filter.answered_by.contains(&a.id)))
        && filter.quality_below.is_none_or(|below| call.quality.iter().any(|leg| leg.score < below))
        && (filter.voicemail == VoicemailFilter::Any || call.voicemail.as_ref().is_some_and(|v| v.heard.is_none()))
        && filter.talk_at_least_ms.is_none_or(|least| talk >= least)
        && (filter.departments.is_empty()
            || call.department.as_ref().is_some_and(|d| filter.departments.contains(&d.id)))
        && (filter.dispositions.is_empty() || disposition.is_some_and(|d| filter.dispositions.contains(d)))
}

fn agrees(log: &mut CallLog, has: &[CallRecord], filter: &Filter) -> Result<(), TestCaseError> {
    let count = |filter: &Filter| has.iter().filter(|call| passes(call, filter)).count();
    let rows = log.page(filter, None, 100).unwrap().rows;
    let mut found: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut wanted: Vec<&str> = has.iter().filter(|c| passes(c, filter)).map(|c| c.id.as_str()).collect();
    prop_assert!(rows.is_sorted_by(|a, b| a.started_at >= b.started_at));
    found.sort_unstable();
    wanted.sort_unstable();
    prop_assert_eq!(found, wanted, "{:?}", filter);

    let counts = log.counts(filter).unwrap();
    prop_assert_eq!(counts.total as usize, count(filter));
    for facet in counts.outcomes {
        prop_assert_eq!(facet.calls as usize, count(&Filter { outcomes: vec![facet.value], ..filter.clone() }));
    }
    for facet in counts.directions {
        prop_assert_eq!(facet.calls as usize, count(&Filter { directions: vec![facet.value], ..filter.clone() }));
    }
    for id in ["ravi", "mina", "nobody"] {
        let calls = counts.answered_by.iter().find(|c| c.value.id.as_str() == id).map_or(0, |c| c.calls);
        prop_assert_eq!(calls as usize, count(&Filter { answered_by: vec![id.into()], ..filter.clone() }));
    }
    for facet in counts.quality_below {
        prop_assert_eq!(facet.calls as usize, count(&Filter { quality_below: Some(facet.value), ..filter.clone() }));
    }
    prop_assert_eq!(counts.transferred as usize, count(&Filter { transferred: true, ..filter.clone() }));
    prop_assert_eq!(counts.came_back as usize, count(&Filter { came_back: true, ..filter.clone() }));
    let unheard = Filter { voicemail: VoicemailFilter::Unheard, ..filter.clone() };
    prop_assert_eq!(counts.voicemail_unheard as usize, count(&unheard));
    let support = Filter { departments: vec!["support".into()], ..filter.clone() };
    prop_assert_eq!(counts.departments.first().map_or(0, |c| c.calls) as usize, count(&support));
    Ok(())
}

fn sums(log: &mut CallLog, has: &[CallRecord]) -> Result<(), TestCaseError> {
    let (from, until) = (Timestamp(1_800_000), Timestamp(9_000_000));
    let ours = |call: &&CallRecord| (from..until).contains(&call.started_at);
    let answered = |call: &&CallRecord| call.direction != Direction::Outbound && call.outcome == CallOutcome::Answered;
    let sum = log.summary(from, until).unwrap();
    prop_assert_eq!(sum.calls as usize, has.iter().filter(ours).count());
    prop_assert_eq!(sum.answered as usize, has.iter().filter(ours).filter(answered).count());
    let by_hour: u32 = sum.hours.iter().map(|hour| hour.calls).sum();
    prop_assert_eq!(by_hour, sum.calls);
    let first = has.iter().filter(ours).filter(|call| call.started_at < from.plus_ms(3_600_000)).count();
    prop_assert_eq!(sum.hours[0].calls as usize, first);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn late_duplicated_and_reordered_records_converge(
        (sent, arriving) in versions().prop_flat_map(|sent| {
            let twice: Vec<_> = sent.iter().chain(&sent).cloned().collect();
            (Just(sent), Just(twice).prop_shuffle())
        }),
        batch in 1usize..6,
        filters in prop::collection::vec(any_filter(), 6),
        warm_after in 0usize..12,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("calls");
        let mut log = open(&path);
        for (at, records) in arriving.chunks(batch).enumerate() {
            if at == warm_after {
                log.warm().unwrap();
            }
            log.keep(records, false).unwrap();
        }
        let has = newest(&sent);
        for _ in 0..2 {
            for call in &has {
                prop_assert_eq!(&log.details(&call.id).unwrap(), &Some(call.clone()));
            }
            for filter in filters.iter().chain([&Filter::default()]) {
                agrees(&mut log, &has, filter)?;
            }
            sums(&mut log, &has)?;
            // And the same from the file alone.
            drop(log);
            log = open(&path);
        }
    }
}
