//! Plain SIP accounts: without an exchange, several at once, and beside one.

use std::sync::Arc;

use desk::{
    AccountKey, ConsultStage, DetailsView, DialogBody, Has, LinkState, NumberAnswer, PhoneCallId, SessionView,
    SipAccountSettings, SyncView, View, WatchedState, Wish,
};
use protocol::{CallOutcome, CallState, JourneyEvent, Reason, Target, TransferKind, TransferRight};
use softphone::{CallEvent, CallKey, Ended, HeldBy, IncomingCall, PhoneEvent, RegistrationState};

use crate::Rig;
use crate::doubles::Keys;
use crate::exchange::{FakeExchange, party};

fn account(address: &str) -> SipAccountSettings {
    SipAccountSettings { address: address.into(), ..SipAccountSettings::default() }
}

fn named(address: &str, name: &str) -> SipAccountSettings {
    SipAccountSettings { name: name.into(), display: "Ana Ruiz".into(), ..account(address) }
}

/// A desk with one account, "Shop", that is registered.
pub async fn shop() -> (Rig, AccountKey) {
    let rig = Rig::start();
    let key = add(&rig, named("ana@127.0.0.1", "Shop")).await;
    (rig, key)
}

async fn add(rig: &Rig, settings: SipAccountSettings) -> AccountKey {
    let (address, user) = (settings.address.clone(), settings.address.split('@').next().unwrap().to_owned());
    rig.desk.save_account(settings, "s3cret-word".into());
    let is_up =
        |view: &View| view.accounts.list.iter().any(|a| a.settings.address == address && a.state == LinkState::Up);
    rig.phones.asked(&format!("{user}: watch messages")).await;
    rig.phones.report_to(&user, PhoneEvent::Registration(RegistrationState::Registered)).await;
    let view = rig.screen.until("registered", is_up).await;
    view.accounts.list.iter().find(|a| a.settings.address == address).unwrap().settings.key.clone()
}

pub fn incoming(key: u32) -> IncomingCall {
    IncomingCall {
        key: CallKey(key),
        kind: softphone::RingKind::Outside,
        caller: party("Priya Nair", "+919812345678"),
        transferred_by: None,
        department: None,
        note: None,
        call_id: None,
        back: None,
        forwarded: None,
        answers_itself: false,
        security: None,
    }
}

pub async fn on(rig: &Rig, user: &str, key: u32, event: CallEvent) {
    rig.phones.report_to(user, PhoneEvent::Call { call: CallKey(key), event }).await;
}

pub const ANSWERED: CallEvent = CallEvent::Answered { codec: softphone::Codec::Opus };

pub fn ended(status: Option<u16>, talked: Option<u64>) -> CallEvent {
    let talked = talked.map(std::time::Duration::from_secs);
    CallEvent::Ended(Ended { cause: "busy".into(), status, answered_elsewhere: false, talked })
}

/// Ana talks with Priya, who called.
pub async fn talking(rig: &Rig) -> (PhoneCallId, protocol::CallId) {
    let id = answer(rig, incoming(1)).await;
    on(rig, "ana", 1, ANSWERED).await;
    let talks = |view: &View| view.live.calls.iter().any(|row| matches!(row.call.state, CallState::Talking { .. }));
    let view = rig.screen.until("talking", talks).await;
    (id, view.live.calls[0].call.id.clone())
}

/// It rings, and the phone is told to answer.
pub async fn answer(rig: &Rig, ring: IncomingCall) -> PhoneCallId {
    let asked = format!("ana: answer {}", ring.key.0);
    rig.phones.report_to("ana", PhoneEvent::Incoming(ring)).await;
    let view = rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    let id = view.rings[0].id;
    rig.desk.wish(Wish::Answer { id });
    rig.phones.asked(&asked).await;
    id
}

#[tokio::test]
async fn an_address_and_a_password_are_enough_and_outlast_a_restart() {
    let keys = Arc::new(Keys::default());
    let rig = Rig::start_in(tempfile::tempdir().unwrap(), Some(Arc::clone(&keys)));
    add(&rig, account("ana@127.0.0.1")).await;
    let phone = rig.phones.started_for("ana").await.account.unwrap();
    assert_eq!((phone.registrar.as_str(), phone.auth_user, phone.display), ("sip:127.0.0.1", None, None));
    let view = rig.screen.view();
    assert!(matches!(view.session, SessionView::SignedOut { .. }), "no exchange is needed");
    assert_eq!((view.accounts.saved, view.accounts.fault), (1, None));
    rig.desk.stop().await;
    let text = std::fs::read_to_string(rig.dir.path().join("data/settings.json")).unwrap();
    assert!(text.contains("ana@127.0.0.1") && !text.contains("s3cret-word"));
    assert!(keys.0.lock().unwrap().values().any(|secret| secret == "s3cret-word"));

    let rig = Rig::start_in(rig.dir, Some(Arc::clone(&keys)));
    rig.phones.started_for("ana").await;
    let view = rig.screen.until("the account", |view| view.accounts.list.len() == 1).await;
    let key = view.accounts.list[0].settings.key.clone();
    rig.desk.wish(Wish::RemoveAccount { account: key });
    rig.screen.until("removed", |view| view.accounts.list.is_empty()).await;
    rig.end().await;
    assert!(keys.0.lock().unwrap().is_empty(), "its password goes with it");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let (rig, _) = shop().await;
    for (settings, password, part) in [
        (account("ana"), "x", "name@example.com"),
        (account("ana@127.0.0.1"), "x", "here already"),
        (account("bob@127.0.0.1"), "", "password"),
    ] {
        rig.desk.save_account(settings, password.into());
        rig.screen.until(part, |view| view.accounts.fault.as_ref().is_some_and(|fault| fault.contains(part))).await;
    }
    let down = RegistrationState::Down { why: "it refused the password.".into(), retry_in: None, fingerprint: None };
    rig.phones.report_to("ana", PhoneEvent::Registration(down)).await;
    let view = rig.screen.until("down", |view| view.accounts.list[0].advice.is_some()).await;
    let account = &view.accounts.list[0];
    assert!(matches!(&account.state, LinkState::Down { why, .. } if why.contains("refused the password")));
    let advice = account.advice.as_ref().unwrap();
    assert!(advice.contains("Change") && advice.contains("not tried again"), "{advice}");
    assert_eq!(rig.phones.starts(), 1, "nothing of all that was started");
    rig.end().await;
}

#[tokio::test]
async fn name_and_tone_change_without_a_new_phone_and_a_server_does_not() {
    let (rig, key) = shop().await;
    let before = rig.screen.view().accounts.list[0].settings.clone();
    let tone = desk::RingTone::Marimba;
    rig.desk.save_account(SipAccountSettings { name: "Office".into(), tone, ..before.clone() }, String::new());
    rig.phones.asked("ana: ring as Marimba").await;
    let view = rig.screen.until("its name", |view| view.accounts.list[0].name == "Office").await;
    assert_eq!((view.accounts.list[0].label.as_str(), rig.phones.starts()), ("O", 1));
    rig.desk.save_account(SipAccountSettings { registrar: "127.0.0.1:5090".into(), ..before }, String::new());
    rig.phones.asked("ana: stop").await;
    rig.screen.until("the same account", |view| view.accounts.list[0].settings.key == key).await;
    while rig.phones.starts() < 2 {
        tokio::task::yield_now().await;
    }
    rig.end().await;
}

#[tokio::test]
async fn an_unknown_certificate_is_shown_and_once_accepted_the_only_one() {
    let (rig, account) = shop().await;
    let shown = "AB".repeat(32);
    let why = "Its certificate is vouched for by nobody".to_owned();
    let down = RegistrationState::Down { why, retry_in: None, fingerprint: Some(shown.clone()) };
    rig.phones.report_to("ana", PhoneEvent::Registration(down)).await;
    rig.screen.until("shown", |view| view.accounts.list[0].fingerprint.as_ref() == Some(&shown)).await;
    rig.desk.wish(Wish::AcceptAccountCertificate { account });
    rig.screen.until("accepted", |view| view.accounts.list[0].settings.fingerprint == shown).await;
    while rig.phones.starts() < 2 {
        tokio::task::yield_now().await;
    }
    let phone = rig.phones.started_for("ana").await;
    assert!(matches!(phone.trust, softphone::Trust::Pinned(of) if of.to_string().replace(':', "") == shown));
    assert!(phone.account.is_some(), "with the password that is kept");
    rig.end().await;
}

#[tokio::test]
async fn calls_on_two_accounts_are_calls_of_one_phone() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.started().await;
    add(&rig, named("ana@127.0.0.1", "Shop")).await;
    let (id, _) = talking(&rig).await;
    let call = rig.screen.view().phone.calls[0].clone();
    assert_eq!(call.account, Some(rig.screen.view().accounts.list[0].settings.key.clone()));
    rig.phones.asked("talking elsewhere true").await;

    // A call of the exchange comes with the same number of the other phone.
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    let view = rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    assert_eq!((view.rings[0].id, view.rings[0].account.clone()), (PhoneCallId(1), None));
    rig.desk.wish(Wish::Answer { id: PhoneCallId(1) });
    rig.phones.asked("ana: hold 1 true").await;
    rig.phones.asked("answer 1").await;
    on(&rig, "ana", 1, CallEvent::Held { by: HeldBy::Us }).await;
    on(&rig, "maya", 1, ANSWERED).await;
    rig.screen.until("two calls", |view| view.phone.calls.len() == 2 && view.phone.calls[0].held).await;
    rig.phones.asked("ana: talking elsewhere true").await;

    rig.desk.wish(Wish::Hold { id, held: false });
    rig.phones.asked("hold 1 true").await;
    rig.phones.asked("ana: hold 1 false").await;
    rig.desk.wish(Wish::HangUp { id });
    rig.phones.asked("ana: hang up 1").await;
    rig.end().await;
}

#[tokio::test]
async fn two_accounts_that_ring_make_one_sound() {
    let (rig, _) = shop().await;
    add(&rig, named("ben@127.0.0.1", "Home")).await;
    rig.phones.report_to("ana", PhoneEvent::Incoming(incoming(1))).await;
    rig.phones.asked("ben: ringing elsewhere true").await;
    rig.phones.report_to("ben", PhoneEvent::Incoming(incoming(1))).await;
    let view = rig.screen.until("both", |view| view.rings.len() == 2).await;
    rig.desk.wish(Wish::Decline { id: view.rings[0].id });
    rig.phones.asked("ben: ringing elsewhere false").await;
    rig.phones.asked("ana: ringing elsewhere true").await;
    rig.end().await;
}

#[tokio::test]
async fn a_missed_call_says_whether_the_caller_gave_up_or_it_rang_for_long_enough() {
    for (status, because) in [(487, Reason::CallerGone), (480, Reason::NoAnswer)] {
        let (rig, _) = shop().await;
        rig.phones.report_to("ana", PhoneEvent::Incoming(incoming(1))).await;
        rig.screen.until("ringing", |view| view.rings.len() == 1).await;
        on(&rig, "ana", 1, ended(Some(status), None)).await;
        let view = rig.screen.until("logged", |view| view.logs.rows.len() == 1).await;
        rig.desk.wish(Wish::OpenDetails { call: view.logs.rows[0].id.clone() });
        let record = record(&rig, |_| true).await;
        assert_eq!((record.outcome, record.ended_because), (CallOutcome::Missed, because));
        rig.end().await;
    }
}

/// The desk is dropped with its data as a kill would leave them: a copy of the folder, made while the call goes on.
#[tokio::test]
async fn a_call_is_in_the_log_though_the_app_was_killed_in_it() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    let journal = rig.dir.path().join("data/calls-own-open.json");
    let written = || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("answered_at\":1"));
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !written() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let killed = tempfile::tempdir().unwrap();
    std::fs::create_dir(killed.path().join("data")).unwrap();
    for file in ["settings.json", "calls-own-open.json"] {
        std::fs::copy(rig.dir.path().join("data").join(file), killed.path().join("data").join(file)).unwrap();
    }
    rig.end().await;
    let next = Rig::start_in(killed, None);
    next.screen.until("logged", |view| view.logs.rows.len() == 1).await;
    next.desk.wish(Wish::OpenDetails { call: call.clone() });
    let record = record(&next, |record| record.id == call).await;
    assert_eq!((record.ended_because, record.outcome), (Reason::AppStopped, CallOutcome::Answered));
    assert!(!next.dir.path().join("data/calls-own-open.json").exists());
    next.end().await;
}

#[tokio::test]
async fn one_chooses_whence_to_call() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.started().await;
    let shop = add(&rig, named("ana@127.0.0.1", "Shop")).await;
    rig.desk.wish(Wish::Dial { number: "200".into() });
    rig.phones.asked("call 200").await;
    rig.desk.wish(Wish::ChooseFrom { account: Some(shop.clone()) });
    rig.screen.until("chosen", |view| view.accounts.from == Some(shop.clone())).await;
    rig.desk.wish(Wish::Dial { number: "201".into() });
    rig.phones.asked("ana: call 201").await;
    rig.desk.wish(Wish::SignOut { forget: false });
    // The plain account's call goes on.
    let is_left = |view: &View| view.phone.calls.len() == 1 && view.live.calls.len() == 1;
    let signed_out = |view: &View| matches!(view.session, SessionView::SignedOut { .. });
    rig.screen.until("signed out", |view| signed_out(view) && is_left(view)).await;
    rig.end().await;
}

#[tokio::test]
async fn a_blind_transfer_shows_how_it_goes_and_is_in_the_log_after_a_restart() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    let row = rig.screen.view().live.calls[0].clone();
    assert_eq!(row.transfer_right, TransferRight::Allowed);
    assert_eq!(row.call.department.unwrap().name, "Shop");

    rig.desk.wish(Wish::OpenTransfer { call: call.clone() });
    let view = rig.screen.until("the dialog", |view| view.dialog.is_some()).await;
    let dialog = view.dialog.unwrap();
    assert!(matches!(dialog.body, DialogBody::Ready { .. }) && dialog.system.unwrap().contains("up to that system"));
    rig.desk.wish(Wish::AskNumber { call: call.clone(), number: Some("204".into()) });
    let ready = |view: &View| matches!(&view.dialog.as_ref().unwrap().number, Some(typed) if matches!(typed.answer, NumberAnswer::Ready { .. }));
    rig.screen.until("what would become of it", ready).await;
    go(&rig, &call, TransferKind::Blind, "204").await;
    rig.phones.asked("ana: transfer 1 204").await;
    on(&rig, "ana", 1, CallEvent::TransferProgress { status: 180 }).await;
    let moving = |view: &View| view.live.calls.iter().any(|row| row.call.transfer.is_some());
    assert!(rig.screen.until("ringing there", moving).await.dialog.is_none());
    on(&rig, "ana", 1, CallEvent::TransferProgress { status: 200 }).await;
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    rig.screen.until_notice("204 has the call with Priya Nair.").await;
    rig.screen.until("logged", |view| view.logs.rows.len() == 1 && view.live.calls.is_empty()).await;

    let rig = rig.again().await;
    let view = rig.screen.until("the log", |view| view.logs.rows.len() == 1).await;
    assert_eq!(view.logs.head.sync, SyncView::Here);
    let row = &view.logs.rows[0];
    assert_eq!((row.outcome, row.caller.name.as_str()), (CallOutcome::Answered, "Priya Nair"));
    rig.desk.wish(Wish::OpenDetails { call: call.clone() });
    let record = record(&rig, |_| true).await;
    let journey: Vec<_> = record.journey.iter().map(|step| &step.what).collect();
    assert!(
        matches!(
            journey[..],
            [
                JourneyEvent::Arrived { .. },
                JourneyEvent::Rang { .. },
                JourneyEvent::Answered { .. },
                JourneyEvent::TransferStarted { .. },
                JourneyEvent::TransferDoneOutside { .. },
            ]
        ),
        "{journey:?}"
    );
    let note = "wants the blue one".to_owned();
    rig.desk.wish(Wish::WriteRemarks { call, base: 0, note, disposition: None });
    record_with_note(&rig, "wants the blue one").await;
    assert_eq!(rig.screen.view().logs.head.unsent, 0, "there is nobody to send it to");
    let filter = call_log::Filter { text: "blue".into(), ..call_log::Filter::default() };
    rig.desk.wish(Wish::SearchLogs { filter });
    rig.screen.until("found by its note", |v| v.logs.rows.len() == 1 && v.logs.head.filter.text == "blue").await;
    rig.end().await;
}

pub async fn go(rig: &Rig, call: &protocol::CallId, transfer: TransferKind, to: &str) {
    let view = rig.screen.view();
    let revision = view.live.calls.iter().find(|row| row.call.id == *call).unwrap().call.revision;
    let target = Target::Outside(to.into());
    rig.desk.wish(Wish::Transfer { call: call.clone(), revision, target, transfer, note: None });
}

pub async fn record(rig: &Rig, right: impl Fn(&protocol::CallRecord) -> bool) -> protocol::CallRecord {
    let shown = |view: &View| matches!(&view.details, Some(DetailsView::Ready { record, .. }) if right(record));
    match rig.screen.until("details", shown).await.details {
        Some(DetailsView::Ready { record, .. }) => *record,
        other => panic!("{other:?}"),
    }
}

async fn record_with_note(rig: &Rig, note: &str) {
    record(rig, |record| record.remarks.as_ref().is_some_and(|remarks| remarks.note == note)).await;
}

#[tokio::test]
async fn a_transfer_that_fails_gives_the_caller_back() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    go(&rig, &call, TransferKind::Blind, "204").await;
    rig.phones.asked("ana: transfer 1 204").await;
    on(&rig, "ana", 1, CallEvent::TransferFailed { status: 486 }).await;
    rig.screen.until_notice("204: busy. Priya Nair is back with you.").await;
    let view = rig.screen.until("with Ana", |view| view.live.calls[0].call.transfer.is_none()).await;
    assert_eq!(view.live.calls[0].transfer_right, TransferRight::Allowed);
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    rig.desk.wish(Wish::OpenDetails { call });
    rig.screen.until("logged", |view| view.logs.rows.len() == 1).await;
    rig.desk.wish(Wish::OpenDetails { call: rig.screen.view().logs.rows[0].id.clone() });
    let record = record(&rig, |_| true).await;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let bounced =
        |step: &protocol::JourneyStep| matches!(step.what, JourneyEvent::TransferBounced { reason: Reason::Busy, .. });
    assert!(record.journey.iter().any(bounced));
    rig.end().await;
}

#[tokio::test]
async fn a_colleague_is_asked_first_and_both_are_connected_in_one_row() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    go(&rig, &call, TransferKind::Consult, "204").await;
    rig.phones.asked("ana: call 204").await;
    on(&rig, "ana", 1, CallEvent::Held { by: HeldBy::Us }).await;
    on(&rig, "ana", 101, ANSWERED).await;
    let consults = |stage| {
        move |view: &View| view.phone.calls.iter().any(|c| c.consult.as_ref().is_some_and(|c| c.stage == stage))
    };
    let view = rig.screen.until("with the colleague", consults(ConsultStage::WithColleague)).await;
    assert_eq!(view.live.calls.len(), 1, "one call, one row");
    assert_eq!(view.phone.calls[1].about.as_ref().unwrap().name, "Priya Nair");
    let transfer = view.phone.calls[0].consult.clone().unwrap().transfer;
    rig.desk.wish(Wish::SwapTransfer { transfer: transfer.clone() });
    rig.phones.asked("ana: hold 1 false").await;
    on(&rig, "ana", 1, CallEvent::Resumed { by: HeldBy::Us }).await;
    rig.screen.until("with the caller", consults(ConsultStage::WithCaller)).await;
    rig.desk.wish(Wish::CompleteTransfer { transfer });
    rig.phones.asked("ana: connect 1 101").await;
    on(&rig, "ana", 1, CallEvent::TransferProgress { status: 200 }).await;
    on(&rig, "ana", 101, ended(None, Some(3))).await;
    on(&rig, "ana", 1, ended(None, Some(30))).await;
    let view = rig.screen.until("logged", |view| view.logs.rows.len() == 1 && view.phone.calls.is_empty()).await;
    assert!(view.notices.iter().all(|notice| !notice.sentence.contains("back with you")), "{:?}", view.notices);
    rig.desk.wish(Wish::OpenDetails { call });
    let record = record(&rig, |_| true).await;
    assert!(record.journey.iter().any(|step| matches!(step.what, JourneyEvent::Consulted { .. })));
    rig.end().await;
}

#[tokio::test]
async fn a_colleague_who_is_busy_leaves_the_caller_with_us() {
    let (rig, _) = shop().await;
    let (_, call) = talking(&rig).await;
    go(&rig, &call, TransferKind::Consult, "204").await;
    rig.phones.asked("ana: call 204").await;
    on(&rig, "ana", 101, ended(Some(486), None)).await;
    rig.phones.asked("ana: hold 1 false").await;
    let view = rig.screen.until_notice("204: busy. Priya Nair is back with you.").await;
    assert!(view.phone.calls.len() == 1 && view.phone.calls[0].consult.is_none());
    assert_eq!(view.notices.len(), 1, "said once: {:?}", view.notices);
    rig.end().await;
}

#[tokio::test]
async fn lines_and_messages_are_shown_as_far_as_the_system_tells() {
    let (rig, key) = shop().await;
    let (number, name) = ("204".to_owned(), "Ravi".to_owned());
    rig.desk.wish(Wish::WatchLine { account: key.clone(), number: number.clone(), name });
    rig.phones.asked("ana: watch 204").await;
    let state = softphone::WatchedState::Talking;
    rig.phones.report_to("ana", PhoneEvent::Watched { number: number.clone(), state }).await;
    let view = rig.screen.until("busy", |v| v.accounts.list[0].watched[0].state == WatchedState::OnCall).await;
    assert!(view.accounts.list[0].abilities.iter().any(|a| a.has == Has::Yes && a.sentence.contains("on the line")));
    rig.phones.report_to("ana", PhoneEvent::Messages { waiting: true, new: Some(2), old: None }).await;
    rig.screen.until("messages", |v| v.accounts.list[0].messages.is_some_and(|m| m.new == Some(2))).await;
    rig.desk.wish(Wish::CallMailbox { account: key.clone() });
    rig.screen.until_notice("*97").await;

    let (_, call) = talking(&rig).await;
    rig.desk.wish(Wish::OpenTransfer { call });
    let view = rig.screen.until("the dialog", |view| view.dialog.is_some()).await;
    let DialogBody::Ready { targets, .. } = view.dialog.unwrap().body else { panic!() };
    assert_eq!((targets[0].name.as_str(), targets[0].extension.as_str()), ("Ravi", "204"));
    assert_eq!(targets[0].departments, ["on a call"]);

    let lost = RegistrationState::Down { why: "127.0.0.1 does not answer".into(), retry_in: None, fingerprint: None };
    rig.phones.report_to("ana", PhoneEvent::Registration(lost)).await;
    let view = rig.screen.until("deaf", |v| v.accounts.list[0].watched[0].state == WatchedState::Unknown).await;
    assert_eq!(view.accounts.list[0].watched[0].why.as_deref(), Some("Shop is not registered."));
    let DialogBody::Ready { targets, .. } = view.dialog.unwrap().body else { panic!() };
    assert!(targets[0].departments[0].contains("not known"), "{:?}", targets[0].departments);
    rig.phones.report_to("ana", PhoneEvent::Registration(RegistrationState::Registered)).await;
    rig.screen.until("busy again", |v| v.accounts.list[0].watched[0].state == WatchedState::OnCall).await;
    let refused = softphone::WatchedState::Unknown { why: "The system does not show who is talking.".into() };
    rig.phones.report_to("ana", PhoneEvent::Watched { number: number.clone(), state: refused }).await;
    rig.screen
        .until("not told", |v| v.accounts.list[0].abilities.iter().any(|a| a.sentence.contains("does not show")))
        .await;
    rig.desk.wish(Wish::UnwatchLine { account: key, number });
    rig.phones.asked("ana: unwatch 204").await;
    rig.screen.until("gone", |view| view.accounts.list[0].watched.is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_line_too_many_is_refused_and_none_is_forgotten() {
    let rig = Rig::start();
    let line = |number: u32| desk::WatchedLine { number: number.to_string(), name: String::new() };
    let watched: Vec<_> = (1000..1200).map(line).collect();
    let key = add(&rig, SipAccountSettings { watched: watched.clone(), ..named("ana@127.0.0.1", "Shop") }).await;
    let watch =
        |number: &str, name: &str| Wish::WatchLine { account: key.clone(), number: number.into(), name: name.into() };
    rig.desk.wish(watch("204", "Ravi"));
    rig.screen.until_notice("No more than 200 lines can be watched: remove one that you need no more.").await;
    rig.desk.wish(watch("1000", "Ravi"));
    let renamed = |view: &View| view.accounts.list[0].watched[0].name == "Ravi";
    let view = rig.screen.until("another name", renamed).await;
    let numbers = |lines: &[desk::WatchedLine]| lines.iter().map(|line| line.number.clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&view.accounts.list[0].settings.watched), numbers(&watched));
    rig.end().await;
}

#[tokio::test]
async fn at_an_exchange_there_is_one_list_of_all_calls() {
    let (rig, _) = shop().await;
    talking(&rig).await;
    on(&rig, "ana", 1, ended(None, Some(9))).await;
    rig.screen.until("logged", |view| view.logs.rows.len() == 1).await;
    let exchange = FakeExchange::start();
    exchange.script(|script| script.records = vec![crate::exchange::finished("theirs", 1)]);
    rig.sign_in(&exchange);
    rig.up().await;
    let view = rig.screen.until("both", |view| view.logs.rows.len() == 2).await;
    assert!(view.logs.rows.iter().any(|row| row.id.as_str() == "theirs"));
    for row in view.logs.rows {
        rig.desk.wish(Wish::OpenDetails { call: row.id.clone() });
        let theirs = row.id.as_str() == "theirs";
        let shown = |view: &View| matches!(&view.details, Some(DetailsView::Ready { record, only_here, .. }) if record.id == row.id && *only_here != theirs);
        rig.screen.until("whose it is", shown).await;
    }
    rig.phones.report_to("ana", PhoneEvent::Incoming(incoming(2))).await;
    rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    on(&rig, "ana", 2, ended(None, None)).await;
    rig.screen.until("missed", |v| v.logs.rows.iter().any(|row| row.outcome == CallOutcome::Missed)).await;
    rig.desk.wish(Wish::SignOut { forget: true });
    rig.screen.until("only ours", |view| view.logs.rows.len() == 2 && view.logs.head.sync == SyncView::Here).await;
    rig.end().await;
}
