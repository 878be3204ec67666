//! Commands that were decided on an old view.

use protocol::{Denied, Reason};

use crate::{
    EngineEvent, Refusal,
    testkit::{Office, to_user},
};

fn what(answer: Result<protocol::TransferId, Refusal>) -> Option<String> {
    match answer {
        Err(Refusal::Denied(Denied::Stale { what, .. })) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hold_resume_and_a_place_in_the_line_make_no_command_stale() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, ravi, call) = office.talking_with("ravi");
    let seen = office.only_call().revision;
    office.engine(EngineEvent::Held { leg: ravi, held: true });
    office.engine(EngineEvent::Held { leg: ravi, held: false });
    assert_eq!(office.only_call().revision, seen + 2);
    office.transfer_at("ravi", &call, seen, to_user("tom")).unwrap();
    office.drain().unwrap();

    let mut office = Office::with(&["tom"]);
    let first = office.outside_call("+442079460200");
    office.outside_call("+442079460200");
    let (id, seen) = office.shown.values().next_back().map(|c| (c.id.clone(), c.revision)).unwrap();
    office.end(first, Reason::CallerGone);
    assert!(office.shown[&id].revision > seen);
    office.transfer_at("maya", &id, seen, to_user("tom")).unwrap();
    office.drain().unwrap();
}

#[test]
fn the_one_who_is_late_hears_who_did_what() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    office.outside_call("+442079460200");
    let ringing = office.only_call();
    office.answer(office.rung("ravi-desk"));
    let late = office.transfer_at("maya", &ringing.id, ringing.revision, to_user("tom"));
    assert_eq!(what(late).as_deref(), Some("Ravi Kumar answered it"));
    let with_ravi = office.only_call();
    office.transfer("maya", &with_ravi.id, to_user("tom")).unwrap();
    office.answer(office.rung("tom-desk"));
    let late = office.transfer_at("ravi", &with_ravi.id, with_ravi.revision, to_user("mina"));
    // Ravi has it no more, and that is the better reason.
    assert_eq!(late, Err(Refusal::Denied(Denied::NotYourCall)));
    let late = office.transfer_at("alex", &with_ravi.id, with_ravi.revision, to_user("mina"));
    assert_eq!(what(late).as_deref(), Some("Maya Lindqvist transferred it to Tom Okafor"));
    assert_eq!(
        what(office.transfer_at("alex", &with_ravi.id, 4_000, to_user("mina"))),
        what(office.transfer_at("alex", &with_ravi.id, 0, to_user("mina")))
    );
    office.drain().unwrap();
}

#[test]
fn a_call_that_came_back_says_so() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let seen = office.only_call().revision;
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.wait(20);
    office.answer(office.rung("ravi-desk"));
    let late = office.transfer_at("ravi", &call, seen, to_user("mina"));
    let said = "Maya Lindqvist transferred it to Tom Okafor, then Ravi Kumar answered it";
    assert_eq!(what(late).as_deref(), Some(said));
    office.consult("ravi", &call, to_user("tom")).unwrap();
    office.end(office.rung("tom-desk"), Reason::Busy);
    let late = office.transfer_at("ravi", &call, seen, to_user("mina"));
    assert_eq!(what(late).as_deref(), Some("Ravi Kumar consulted Tom Okafor"));
    office.drain().unwrap();
}

#[test]
fn of_two_at_the_same_moment_one_wins_and_the_other_is_told() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let seen = office.only_call().revision;
    office.transfer_at("maya", &call, seen, to_user("tom")).unwrap();
    match office.transfer_at("ravi", &call, seen, to_user("mina")) {
        Err(Refusal::Denied(Denied::AlreadyTransferring { by, to })) => {
            assert_eq!((by.name.as_str(), to.as_str()), ("Maya Lindqvist", "Tom Okafor"));
        }
        other => panic!("{other:?}"),
    }
    office.drain().unwrap();
}
