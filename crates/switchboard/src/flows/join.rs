//! Joining a ring that goes on.

use protocol::{Presence, Reason, TransferStage};

use super::stage;
use crate::{
    RingKind,
    testkit::{Office, account, to_department, to_user},
};

fn ringing(office: &Office) -> Vec<String> {
    office.ringing().into_iter().collect()
}

#[test]
fn a_second_device_of_the_target_rings_too() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.register("tom", "laptop");
    assert_eq!(ringing(&office), ["tom-desk", "tom-laptop"]);
    let (desk, laptop) = (office.rung("tom-desk"), office.rung("tom-laptop"));
    assert_eq!(office.cards[&laptop], office.cards[&desk]);
    office.answer(laptop);
    assert_eq!(office.hung_up(desk), Some(Reason::AnsweredElsewhere));
    office.drain().unwrap();
}

#[test]
fn a_device_that_registers_again_rings_once() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.register("tom", "desk");
    assert_eq!(ringing(&office), ["tom-desk"]);
    assert!(office.orders.is_empty());
    office.drain().unwrap();
}

#[test]
fn the_second_device_of_a_recalled_agent_knows_that_it_is_a_recall() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.wait(20);
    office.register("ravi", "laptop");
    let laptop = office.rung("ravi-laptop");
    assert_eq!(office.cards[&laptop].kind, RingKind::Recall);
    office.drain().unwrap();
}

#[test]
fn an_agent_who_becomes_free_joins_the_ring_of_their_department() {
    let mut office = Office::with(&["ravi", "mina", "omar", "tom"]);
    office.presence("mina", Presence::Away);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_department("support")).unwrap();
    assert_eq!(ringing(&office), ["omar-desk"], "who gave it away is not asked");
    office.presence("mina", Presence::Available);
    assert_eq!(ringing(&office), ["mina-desk", "omar-desk"]);
    let TransferStage::Ringing { towards, .. } = stage(&office) else { panic!() };
    assert_eq!(towards.len(), 2);
    let omar = office.rung("omar-desk");
    office.end(omar, Reason::Declined);
    office.presence("omar", Presence::Away);
    office.presence("omar", Presence::Available);
    assert_eq!(ringing(&office), ["mina-desk"], "who declined is not asked again");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    office.drain().unwrap();
}

#[test]
fn an_arriving_call_and_a_waiting_one_are_joined_too_but_those_in_line_come_first() {
    let mut office = Office::with(&["ravi"]);
    office.outside_call("+442079460200");
    office.register("mina", "desk");
    assert_eq!(ringing(&office), ["mina-desk", "ravi-desk"]);
    // Both are rung; the second caller waits, and has whoever becomes free.
    office.outside_call("+442079460200");
    office.register("omar", "desk");
    let cards: Vec<_> = ["mina-desk", "omar-desk"].map(|d| office.cards[&office.rung(d)].call.clone()).into();
    assert_ne!(cards[0], cards[1]);
    office.drain().unwrap();
}

#[test]
fn a_ring_one_at_a_time_is_not_joined() {
    let mut account = account();
    account.departments[0].strategy = protocol::Strategy::FixedOrder;
    let mut office = Office::of(account, &["ravi"]);
    office.outside_call("+442079460200");
    office.register("mina", "desk");
    assert_eq!(ringing(&office), ["ravi-desk"]);
    office.drain().unwrap();
}
