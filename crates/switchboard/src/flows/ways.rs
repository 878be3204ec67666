//! What the dialog says of each way is what happens when it is chosen.

use protocol::{CallId, Target, TransferKind, TransferTarget};

use crate::{
    OutsideRule, Refusal,
    testkit::{Office, account, to_department, to_user},
};

const KINDS: [TransferKind; 3] = [TransferKind::Blind, TransferKind::Consult, TransferKind::Voicemail];

fn row(office: &Office, by: &str, call: &CallId, target: &Target) -> TransferTarget {
    office.board.transfer_target(&by.into(), call, target).unwrap()
}

fn lines(row: &TransferTarget) -> [&str; 3] {
    assert!(row.ways.iter().map(|way| way.kind).eq(KINDS));
    [0, 1, 2].map(|n| row.ways[n].refused.as_deref().unwrap_or(&row.ways[n].line))
}

#[test]
fn each_way_has_its_sentence() {
    let mut account = account();
    account.policy.outside = OutsideRule::Everyone;
    let mut office = Office::of(account, &["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let tom = row(&office, "ravi", &call, &to_user("tom"));
    assert_eq!(
        lines(&tom),
        [
            tom.forecast_line.as_str(),
            "rings Tom Okafor 20 s; you speak first. Priya Nair hears music, and is back with you if nobody answers.",
            "Priya Nair goes straight to the voicemail of Tom Okafor.",
        ]
    );
    let omar = row(&office, "ravi", &call, &to_user("omar"));
    let why = "Omar Haddad can't take this call: no phone signed in. Choose someone else.";
    assert_eq!(lines(&omar), [why, why, "Priya Nair goes straight to the voicemail of Omar Haddad."]);
    let outside = row(&office, "ravi", &call, &Target::Outside("+44 20 7946 0999".into()));
    assert_eq!(outside.name, "+442079460999");
    let [blind, consult, voicemail] = lines(&outside);
    assert!(blind.starts_with("dials +442079460999 20 s, then back to you"), "{blind}");
    assert!(consult.starts_with("dials +442079460999 20 s; you speak first."), "{consult}");
    assert_eq!(voicemail, "An outside number has no mailbox here.");
    let watching = row(&office, "maya", &call, &to_user("tom"));
    assert_eq!(
        lines(&watching)[1],
        "Only who is talking in this call can consult first. Press Go to transfer it without."
    );
    office.device_call("tom", "+442079460998");
    let sales = row(&office, "ravi", &call, &to_department("sales"));
    assert_eq!(lines(&sales)[1], "nobody can be rung for Sales now; Priya Nair stays with you.");
    office.drain().unwrap();
}

#[test]
fn who_placed_the_call_moves_the_other_side() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    let call = office.only_call().id;
    let tom = row(&office, "ravi", &call, &to_user("tom"));
    assert_eq!(lines(&tom)[2], "Mina Shah goes straight to the voicemail of Tom Okafor.");
    let tom = row(&office, "mina", &call, &to_user("tom"));
    assert_eq!(lines(&tom)[2], "Ravi Kumar goes straight to the voicemail of Tom Okafor.");
    office.drain().unwrap();
}

/// Every way to every target, of a call that is talked in and of one that rings, by those who may and may not.
#[test]
fn a_way_is_refused_if_and_because_choosing_it_is() {
    let targets = ["alex", "maya", "ravi", "mina", "tom", "omar", "nobody"].map(to_user).into_iter();
    let targets = targets.chain(["support", "sales"].map(to_department));
    let targets = targets.chain(["+442079460999", "12", "*"].map(|n| Target::Outside(n.into())));
    let (mut refused, mut granted) = (0, 0);
    for target in targets {
        for (by, talking, kind) in ["alex", "maya", "ravi", "mina"]
            .into_iter()
            .flat_map(|by| [true, false].into_iter().flat_map(move |talks| KINDS.map(|kind| (by, talks, kind))))
        {
            let mut account = account();
            account.policy.outside = OutsideRule::Managers;
            let mut office = Office::of(account, &["maya", "ravi", "mina"]);
            office.outside_call("+442079460200");
            if talking {
                office.answer(office.rung("ravi-desk"));
            }
            let call = office.only_call().id;
            let Some(row) = office.board.transfer_target(&by.into(), &call, &target) else { continue };
            let way = row.ways.into_iter().find(|way| way.kind == kind).unwrap();
            let revision = office.only_call().revision;
            let answer = office.ask(by, &call, revision, target.clone(), kind);
            assert_eq!(way.refused.is_some(), answer.is_err(), "{by} {kind:?} {target:?}: {way:?}, {answer:?}");
            assert_eq!(way.line.is_empty(), answer.is_err(), "{way:?}");
            match &answer {
                Ok(_) => granted += 1,
                Err(Refusal::Denied(denied)) if way.refused.as_ref() != Some(&denied.sentence()) => {
                    assert!(kind == TransferKind::Voicemail && matches!(target, Target::Outside(_)), "{denied:?}");
                }
                Err(_) => refused += 1,
            }
            office.drain().unwrap();
        }
    }
    assert!(refused > 50 && granted > 50, "{refused} {granted}");
}
