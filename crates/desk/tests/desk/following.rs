//! The live list: snapshot, changes, gaps, a lost link.

use desk::{LinkState, PhoneCallState, Wish};
use protocol::{Change, Presence, Timestamp};
use softphone::{CallEvent, CallKey, PhoneEvent, RegistrationState};

use crate::Rig;
use crate::exchange::{FakeExchange, row, user};

fn ids(view: &desk::View) -> Vec<(&str, u32)> {
    view.live.calls.iter().map(|row| (row.call.id.as_str(), row.call.revision)).collect()
}

#[tokio::test]
async fn a_snapshot_and_changes_make_the_list() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![row("b", 1), row("a", 1)]);
    let rig = Rig::online(&exchange).await;
    let view = rig.screen.until("two rows", |view| view.live.calls.len() == 2).await;
    assert_eq!(ids(&view), [("a", 1), ("b", 1)], "in the order of their beginning, then id");
    assert_eq!(view.live.as_of, Some(Timestamp(1_000)));

    exchange.change(Change::Call(row("a", 2)));
    exchange.change(Change::Call(row("c", 1)));
    exchange.change(Change::CallGone("b".into()));
    let view = rig.screen.until("three changes", |view| view.live.as_of == Some(Timestamp(1_003))).await;
    assert_eq!(ids(&view), [("a", 2), ("c", 1)]);
    rig.end().await;
}

#[tokio::test]
async fn a_gap_asks_for_a_snapshot_and_leaves_no_ghost() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![row("ghost", 1), row("real", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("two rows", |view| view.live.calls.len() == 2).await;

    exchange.script(|script| script.live = vec![row("real", 3)]);
    exchange.lose(); // the end of "ghost" gets lost
    exchange.change(Change::Call(row("real", 3)));
    exchange.asked("snapshot").await;
    let view = rig.screen.until("the truth", |view| view.live.calls.len() == 1).await;
    assert_eq!(ids(&view), [("real", 3)]);

    exchange.change(Change::Call(row("real", 4)));
    rig.screen.until("changes go on", |view| ids(view) == [("real", 4)]).await;
    assert!(!rig.phones.all_asked().contains(&"register".to_owned()), "the link was never lost");
    rig.end().await;
}

#[tokio::test]
async fn a_lost_link_says_since_when_keeps_the_list_and_comes_back_clean() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![row("ghost", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.phones.report(PhoneEvent::Registration(RegistrationState::Registered)).await;
    let there = |view: &desk::View| view.live.calls.len() == 1 && view.link.registration == LinkState::Up;
    let before = rig.screen.until("a row", there).await;

    exchange.cut();
    let view = rig.screen.until("down", |view| matches!(view.link.control, LinkState::Down { .. })).await;
    assert_eq!(view.live, before.live, "old, and said to be old");
    // Still down after another attempt: since is when it began.
    let LinkState::Down { since, retry_at, .. } = view.link.control else { unreachable!() };
    assert_eq!(retry_at, None, "it is tried all the time");
    let view = rig
        .screen
        .until(
            "tried and refused",
            |view| matches!(&view.link.control, LinkState::Down { why, .. } if why.contains("503")),
        )
        .await;
    assert!(matches!(view.link.control, LinkState::Down { since: still, .. } if still == since));

    exchange.script(|script| script.live = vec![row("new", 1)]);
    exchange.mend();
    let view = rig.screen.until("up", |view| view.link.control == LinkState::Up).await;
    let view =
        if ids(&view) == [("new", 1)] { view } else { rig.screen.until("new", |v| ids(v) == [("new", 1)]).await };
    assert_eq!(view.live.calls.len(), 1);
    rig.phones.asked("register").await;
    rig.end().await;
}

#[tokio::test]
async fn a_colleagues_change_and_ones_own_are_shown() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.desk.wish(Wish::SetPresence { presence: Presence::Away });
    exchange.asked("presence Away").await;
    let away = protocol::User { presence: Presence::Away, ..user("maya", "Maya Lindqvist") };
    exchange.change(Change::User(away.clone()));
    let view = rig
        .screen
        .until("away", |view| matches!(&view.session, desk::SessionView::SignedIn { me, .. } if *me == away))
        .await;
    let view = if view.directory.users.contains(&away) {
        view
    } else {
        rig.screen.until("in the directory", |view| view.directory.users.contains(&away)).await
    };
    assert_eq!(view.directory.users.len(), 2);
    rig.end().await;
}

#[tokio::test]
async fn a_burst_of_changes_goes_out_in_few_patches_and_none_is_lost() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let patches = || {
        rig.screen
            .shown()
            .iter()
            .filter(|shown| matches!(shown, crate::doubles::Shown::Patch(p) if p.live.is_some()))
            .count()
    };
    let before = patches();
    for revision in 1..=50 {
        exchange.change(Change::Call(row("busy", revision)));
    }
    rig.screen.until("the last", |view| ids(view) == [("busy", 50)]).await;
    assert!(patches() - before < 25, "{} patches for 50 changes", patches() - before);
    rig.end().await;
}

#[tokio::test]
async fn registration_is_told_in_words() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.report(PhoneEvent::Registration(RegistrationState::Registered)).await;
    rig.screen.until("registered", |view| view.link.registration == LinkState::Up).await;
    let down = RegistrationState::Down { why: "no answer".into(), retry_in: None, fingerprint: None };
    rig.phones.report(PhoneEvent::Registration(down)).await;
    rig.screen
        .until("down", |view| {
            matches!(&view.link.registration, LinkState::Down { why, .. } if why == "Calls can't reach this phone: no answer.")
        })
        .await;
    rig.end().await;
}

#[tokio::test]
async fn a_call_of_ones_own_is_dialled_held_and_hung_up() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.report(PhoneEvent::Registration(RegistrationState::Registered)).await;
    rig.screen.until("registered", |view| view.link.registration == LinkState::Up).await;

    rig.desk.wish(Wish::Dial { number: "+44 20 7946-0958".into() });
    rig.phones.asked("call +442079460958").await;
    let view = rig.screen.until("dialling", |view| !view.phone.calls.is_empty()).await;
    let id = view.phone.calls[0].id;
    assert_eq!(view.phone.calls[0].state, PhoneCallState::Dialling);

    let call = CallKey(id.0);
    let event = |event| PhoneEvent::Call { call, event };
    rig.phones.report(event(CallEvent::Answered { codec: softphone::Codec::Opus })).await;
    rig.screen.until("talking", |view| view.phone.calls[0].state == PhoneCallState::Talking).await;
    rig.desk.wish(Wish::Hold { id, held: true });
    rig.phones.asked(&format!("hold {} true", id.0)).await;
    rig.phones.report(event(CallEvent::Held { by: softphone::HeldBy::Us })).await;
    rig.screen.until("held", |view| view.phone.calls[0].held).await;
    rig.desk.wish(Wish::HangUp { id });
    rig.phones.asked(&format!("hang up {}", id.0)).await;
    let ended = softphone::Ended { cause: "hung up".into(), status: None, answered_elsewhere: false, talked: None };
    rig.phones.report(event(CallEvent::Ended(ended))).await;
    let view = rig.screen.until("ended", |view| view.phone.calls.is_empty()).await;
    assert!(view.notices.is_empty(), "one's own hanging up is no news: {:?}", view.notices);
    rig.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_exchange_itself_is_shown_until_it_is_well() {
    let exchange = FakeExchange::start();
    let sentence = "Call records can't be written: the disk is full.";
    exchange.script(|script| script.trouble = Some(sentence.into()));
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the snapshot's", |view| view.link.exchange.as_deref() == Some(sentence)).await;
    exchange.change(Change::Trouble(None));
    rig.screen.until("well", |view| view.link.exchange.is_none()).await;
    exchange.change(Change::Trouble(Some("again".into())));
    rig.screen.until("the change's", |view| view.link.exchange.as_deref() == Some("again")).await;
    rig.end().await;
}
