//! The whole app, real phones and all, at somebody else's SIP system.

use std::sync::Arc;

use desk::{Desk, DeskConfig, DeskHandle, LinkState, PhoneCallState, SipAccountSettings, Softphones, View, Wish};
use protocol::{CallId, CallOutcome, Target, TransferKind};
use tempfile::TempDir;

use crate::doubles::Recorder;
use crate::system::{PASSWORD, Referred, System};

struct Seat {
    desk: DeskHandle,
    screen: Arc<Recorder>,
    dir: TempDir,
}

impl Seat {
    fn take(dir: TempDir) -> Self {
        let screen = Arc::new(Recorder::new());
        let desk = Desk::start(DeskConfig {
            data_dir: dir.path().join("data"),
            screen: Arc::<Recorder>::clone(&screen),
            keyring: None,
            device_name: "test".into(),
            sound: false,
            devices: Arc::new(Softphones),
        })
        .unwrap();
        Self { desk, screen, dir }
    }

    async fn registered_at(system: &System) -> Self {
        let seat = Self::take(tempfile::tempdir().unwrap());
        seat.desk.save_account(account(system), PASSWORD.into());
        seat.up().await;
        seat
    }

    async fn up(&self) {
        self.screen.until("registered", |view| view.accounts.list.iter().any(|a| a.state == LinkState::Up)).await;
    }

    /// Somebody calls, and the person at this desk answers.
    async fn answers(&self, system: &System) -> CallId {
        system.call().await;
        let id = self.screen.until("ringing", |view| view.rings.len() == 1).await.rings[0].id;
        self.desk.wish(Wish::Answer { id });
        let talks = |view: &View| view.live.calls.len() == 1 && talking(view) == 1;
        self.screen.until("talking", talks).await.live.calls[0].call.id.clone()
    }

    async fn transfer(&self, call: &CallId, transfer: TransferKind, to: &str) {
        let view = self.screen.until("the row", |view| view.live.calls.iter().any(|row| row.call.id == *call)).await;
        let revision = view.live.calls[0].call.revision;
        let target = Target::Outside(to.into());
        self.desk.wish(Wish::Transfer { call: call.clone(), revision, target, transfer, note: None });
    }

    async fn logged(&self, count: usize) -> View {
        let all = move |view: &View| view.logs.rows.len() == count && view.phone.calls.is_empty();
        self.screen.until("logged", all).await
    }
}

fn account(system: &System) -> SipAccountSettings {
    let (address, name) = (system.address_of_ana(), "Shop".to_owned());
    SipAccountSettings { address, name, ..SipAccountSettings::default() }
}

fn talking(view: &View) -> usize {
    view.phone.calls.iter().filter(|call| call.state == PhoneCallState::Talking && !call.held).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_registers_takes_a_call_hands_it_over_and_knows_of_it_after_a_restart_offline() {
    let system = System::start().await;
    let seat = Seat::registered_at(&system).await;

    let call = seat.answers(&system).await;
    seat.transfer(&call, TransferKind::Blind, "204").await;
    assert_eq!(system.referred().await, Referred { to: "204".into(), replaces: false });
    seat.screen.until_notice("204 has the call with Priya Nair.").await;
    seat.logged(1).await;

    let call = seat.answers(&system).await;
    seat.transfer(&call, TransferKind::Consult, "205").await;
    let asks = |view: &View| view.phone.calls.len() == 2 && talking(view) == 1 && view.phone.calls[0].held;
    let view = seat.screen.until("with the colleague", asks).await;
    let transfer = view.phone.calls[0].consult.clone().expect("a consultation").transfer;
    seat.desk.wish(Wish::CompleteTransfer { transfer });
    assert_eq!(system.referred().await, Referred { to: "205".into(), replaces: true });
    seat.screen.until_notice("205 has the call with Priya Nair.").await;
    seat.screen.until("one row for each call", |view| view.logs.rows.len() == 2).await;

    seat.desk.stop().await;
    system.stop().await;
    let seat = Seat::take(seat.dir);
    let view = seat.logged(2).await;
    assert!(view.logs.rows.iter().all(|row| row.outcome == CallOutcome::Answered && row.caller.name == "Priya Nair"));
    seat.desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_transfer_brings_the_caller_back_with_sound() {
    let system = System::start().await;
    let seat = Seat::registered_at(&system).await;
    let call = seat.answers(&system).await;
    seat.transfer(&call, TransferKind::Blind, "busy").await;
    assert_eq!(system.referred().await.to, "busy");
    seat.screen.until_notice("busy: busy. Priya Nair is back with you.").await;
    let view = seat.screen.until("talking again", |view| talking(view) == 1).await;
    seat.desk.wish(Wish::HangUp { id: view.phone.calls[0].id });
    seat.logged(1).await;
    seat.desk.stop().await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_a_right_one_helps() {
    let system = System::start().await;
    let seat = Seat::take(tempfile::tempdir().unwrap());
    seat.desk.save_account(account(&system), "wrong".into());
    let refused = |view: &View| matches!(view.accounts.list.first().map(|a| &a.state), Some(LinkState::Down { why, .. }) if why.contains("password"));
    let view = seat.screen.until("refused", refused).await;
    let settings = view.accounts.list[0].settings.clone();
    seat.desk.save_account(settings, PASSWORD.into());
    seat.up().await;
    seat.desk.stop().await;
    system.stop().await;
}
