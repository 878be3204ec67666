//! The feature code.

use protocol::{AuditOutcome, LegId, TransferStage};

use super::stage;
use crate::{
    EngineEvent, Order, Prompt,
    testkit::{Office, account},
};

fn press(office: &mut Office, leg: LegId, keys: &str) {
    for digit in keys.chars() {
        office.engine(EngineEvent::Digit { leg, digit });
    }
}

#[test]
fn the_code_and_an_extension_transfer_the_call() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, ravi, _) = office.talking_with("ravi");
    press(&mut office, ravi, "*210");
    assert!(office.only_call().transfer.is_none());
    press(&mut office, ravi, "5");
    assert!(matches!(stage(&office), TransferStage::Ringing { .. }));
    office.rung("tom-desk");
    office.drain().unwrap();
}

#[test]
fn an_extension_that_could_go_on_waits_for_more_keys() {
    let mut account = account();
    account.users[0].extension = "1055".into();
    for end in ["#", "5", ""] {
        let mut office = Office::of(account.clone(), &["ravi", "tom", "alex"]);
        let (_, ravi, _) = office.talking_with("ravi");
        press(&mut office, ravi, "*2105");
        assert!(office.only_call().transfer.is_none());
        press(&mut office, ravi, end);
        if end.is_empty() {
            office.wait(2);
            assert!(office.only_call().transfer.is_none());
            office.wait(1);
        }
        office.rung(if end == "5" { "alex-desk" } else { "tom-desk" });
        office.drain().unwrap();
    }
}

#[test]
fn keys_that_are_no_code_are_nobodys_business() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, ravi, _) = office.talking_with("ravi");
    let shown = office.only_call();
    press(&mut office, ravi, "1234*3**99#2105ABCD");
    press(&mut office, caller, "*2105");
    press(&mut office, ravi, "*2");
    office.wait(3);
    press(&mut office, ravi, "105*2#");
    assert_eq!((office.only_call(), office.board.poll_timeout()), (shown, None));
    // A false start does not spoil the code.
    press(&mut office, ravi, "**2105");
    office.rung("tom-desk");
    office.drain().unwrap();
}

#[test]
fn what_is_not_possible_is_said_and_written_down() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, ravi, _) = office.talking_with("ravi");
    for keys in ["*29", "*2101", "*210#", "*2103"] {
        press(&mut office, ravi, keys);
        assert_eq!(office.orders, [Order::Notice { leg: ravi, prompt: Prompt::NotPossible }]);
        assert_eq!(office.trail.last().unwrap().outcome, AuditOutcome::Refused);
    }
    assert!(office.only_call().transfer.is_none());
    office.drain().unwrap();
}

#[test]
fn where_there_is_no_code_no_key_means_anything() {
    for code in [None, Some(String::new())] {
        let mut account = account();
        account.policy.feature_code = code;
        let mut office = Office::of(account, &["ravi", "tom"]);
        let (_, ravi, _) = office.talking_with("ravi");
        press(&mut office, ravi, "*2105105#");
        assert!(office.only_call().transfer.is_none());
        office.drain().unwrap();
    }
}
