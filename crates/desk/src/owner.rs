//! The one owner of state: takes one input after the other and brings the screen up to date after each.
//!
//! What takes time runs as a task of the session and comes back as an input that carries the session's number, so
//! that answers to a session that is over are dropped.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use call_log::Format;
use protocol::{CallId, Session, Timestamp, TransferAccepted, TransferId, TransferRequest, TransferTargets};
use softphone::{PhoneEvent, SoundDevices, SoundTestEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::accounts::{Accounts, Journal, LineHappening, OwnCall};
use crate::clock::Clock;
use crate::control::ControlError;
use crate::device::Started;
use crate::feed::FeedEvent;
use crate::headset::HeadsetSlot;
use crate::logs::{Found, LogHappening, LogRoom, Logs};
use crate::outbox::Outbox;
use crate::phones::{Elsewhere, LineNo};
use crate::secrets::{Found as FoundSecret, Vault};
use crate::session::State;
use crate::settings::Settings;
use crate::sound::SoundTestSlot;
use crate::steps::Step;
use crate::{DeskConfig, Levels, OfferedNumber, PhoneCallId, SessionView, SipAccountSettings, Tone, View, Wish};

/// Everything that can happen to a desk.
pub(crate) enum Input {
    Wish(Wish),
    SignIn {
        address: String,
        user: String,
        password: String,
    },
    /// The only wish but that to sign in that carries a password.
    SaveAccount {
        settings: Box<SipAccountSettings>,
        password: String,
    },
    /// A file's path, which no web page may name.
    ExportLogs {
        format: Format,
        path: PathBuf,
    },
    SoundDevices(SoundDevices),
    Headset(headset::Event),
    /// Of the test with this number.
    SoundTest(u32, SoundTestEvent),
    OwnLogOpened(Result<Found, call_log::Error>),
    /// Of this phone of a plain account.
    Line(LineNo, Box<LineHappening>),
    /// Of the session with this number.
    Session(u32, Box<Happening>),
    Stop(oneshot::Sender<()>),
}

/// What becomes of a session's own doings.
#[expect(clippy::large_enum_variant, reason = "the inbox has it in a box")]
pub(crate) enum Happening {
    KeptFound(Result<Option<FoundSecret>, String>),
    SignedIn(Result<Session, ControlError>),
    SecretKept(Result<Option<String>, std::io::Error>),
    Feed(FeedEvent),
    Logs(LogHappening),
    TargetsDue,
    Targets {
        call: CallId,
        targets: Result<TransferTargets, ControlError>,
    },
    NumberDue {
        number: String,
    },
    Number {
        call: CallId,
        number: String,
        answer: Result<TransferTargets, ControlError>,
    },
    Transferred {
        call: CallId,
        result: Result<TransferAccepted, ControlError>,
    },
    Stepped {
        transfer: TransferId,
        result: Result<(), ControlError>,
    },
    /// A request whose success is seen on the feed.
    Asked(Result<(), ControlError>),
    PhoneStarted(Result<Started, String>),
    PhoneRetry,
    Phone(PhoneEvent),
}

pub(crate) struct Owner {
    pub(crate) config: DeskConfig,
    pub(crate) inbox: mpsc::UnboundedSender<Input>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) vault: Vault,
    pub(crate) state: State,
    /// Number of the present session or attempt.
    pub(crate) session: u32,
    /// Tasks of the present session; they end with it.
    pub(crate) tasks: JoinSet<()>,
    /// What must be finished after a session is over: goodbye to the registrar and to the exchange.
    pub(crate) farewells: JoinSet<()>,
    pub(crate) accounts: Accounts,
    /// What goes on with plain accounts; ends with the desk only.
    pub(crate) account_tasks: JoinSet<()>,
    /// Calls of plain accounts.
    pub(crate) own: BTreeMap<PhoneCallId, OwnCall>,
    pub(crate) journal: Journal,
    /// What phones were told of the others.
    pub(crate) elsewhere: Elsewhere,
    /// The log of plain accounts' calls, if there are any.
    pub(crate) own_log: Option<LogRoom>,
    /// The log whose calls are shown: the session's, or without one that of plain accounts.
    pub(crate) log: Option<LogRoom>,
    pub(crate) logs: Logs,
    /// What the screen should show.
    pub(crate) view: View,
    pub(crate) last_notice: u32,
    /// The open dialog's targets will be asked for again in a moment.
    pub(crate) targets_due: bool,
    /// When the exchange was last heard on the feed.
    pub(crate) heard: Timestamp,
    /// The call of a link, which may be shown in a session that is still to come.
    pub(crate) linked: Option<CallId>,
    /// Transfers that were taken back from here.
    pub(crate) taken_back: HashSet<TransferId>,
    /// Transfers whose offer to undo was dismissed.
    pub(crate) undo_dismissed: HashSet<TransferId>,
    pub(crate) sound_test: SoundTestSlot,
    pub(crate) headset: HeadsetSlot,
    pub(crate) levels: watch::Sender<Levels>,
    outbox: Outbox,
}

impl Owner {
    pub(crate) fn new(
        config: DeskConfig,
        inbox: mpsc::UnboundedSender<Input>,
        published: Arc<Mutex<View>>,
        levels: watch::Sender<Levels>,
    ) -> Self {
        let (settings, fault) = Settings::load(&config.data_dir);
        let mut owner = Self {
            outbox: Outbox::new(Arc::clone(&config.screen), published),
            vault: Vault::new(config.keyring.clone(), &config.data_dir),
            config,
            inbox,
            clock: Clock::new(),
            settings,
            state: State::Out,
            session: 0,
            tasks: JoinSet::new(),
            farewells: JoinSet::new(),
            accounts: Accounts::default(),
            account_tasks: JoinSet::new(),
            own: BTreeMap::new(),
            journal: Journal::default(),
            elsewhere: Elsewhere::default(),
            own_log: None,
            log: None,
            logs: Logs::default(),
            view: View::empty(),
            last_notice: 0,
            targets_due: false,
            heard: Timestamp::default(),
            linked: None,
            taken_back: HashSet::new(),
            undo_dismissed: HashSet::new(),
            sound_test: SoundTestSlot::default(),
            headset: HeadsetSlot::default(),
            levels,
        };
        if let Some(sentence) = fault {
            owner.note(Tone::Bad, sentence);
        }
        owner
    }

    pub(crate) async fn run(mut self, mut arriving: mpsc::UnboundedReceiver<Input>) {
        self.show_sound();
        self.listen_to_headset();
        self.show_keeping();
        self.open_own_log();
        self.begin_accounts();
        self.resume();
        self.show_accounts();
        self.outbox.flush(&self.view);
        loop {
            let due = self.outbox.due();
            let input = tokio::select! {
                input = arriving.recv() => input,
                () = sleep_until(due) => { self.outbox.flush(&self.view); continue }
            };
            match input {
                Some(Input::Stop(done)) => {
                    self.stop().await;
                    let _asker_gone = done.send(());
                    return;
                }
                Some(input) => self.take(input),
                None => return self.stop().await,
            }
            self.match_phone_to_live();
            self.show_own_calls();
            self.keep_journal();
            self.show_accounts();
            self.tell_phones_of_each_other();
            self.hush_message();
            self.yield_sound_test();
            self.light_headset();
            self.outbox.flush(&self.view);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Wish(wish) => self.wish(wish),
            Input::SignIn { address, user, password } => self.sign_in(&address, &user, password),
            Input::SaveAccount { settings, password } => self.save_account(*settings, password),
            Input::ExportLogs { format, path } => self.export_logs(format, path),
            Input::OwnLogOpened(result) => self.own_log_opened(result),
            Input::Line(line, happening) => self.line_happened(line, *happening),
            Input::SoundDevices(devices) => self.sound_devices(devices),
            Input::Headset(event) => self.headset_event(event),
            Input::SoundTest(number, event) => self.sound_test_event(number, event),
            Input::Session(number, happening) if number == self.session => self.happened(*happening),
            Input::Session(..) | Input::Stop(_) => {}
        }
    }

    fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::SignOut { forget } => self.sign_out(forget),
            Wish::AcceptFingerprint => self.accept_fingerprint(),
            Wish::RefuseFingerprint => self.refuse_fingerprint(),
            Wish::SetPresence { presence } => self.set_presence(presence),
            Wish::OpenTransfer { call } => self.open_transfer(call),
            Wish::CloseTransfer => self.view.dialog = None,
            Wish::AskNumber { call, number } => self.ask_number(&call, number),
            Wish::Transfer { call, revision, target, transfer, note } => {
                self.transfer(call, TransferRequest { revision, target, kind: transfer, note });
            }
            Wish::CompleteTransfer { transfer } => self.step_transfer(transfer, Step::Complete),
            Wish::SwapTransfer { transfer } => self.step_transfer(transfer, Step::Swap),
            Wish::CancelTransfer { transfer } => self.step_transfer(transfer, Step::Cancel),
            Wish::Dial { number } => self.dial(&number),
            Wish::OfferNumber { number } => {
                self.view.phone.offered = Some(OfferedNumber { number, at: self.clock.now() });
            }
            Wish::Answer { id } => self.answer(id),
            Wish::Decline { id } => self.decline(id),
            Wish::HangUp { id } => self.hang_up(id),
            Wish::Hold { id, held } => self.hold(id, held),
            Wish::Mute { id, muted } => self.with_call(id, |phone, key| phone.mute(key, muted)),
            Wish::Dtmf { id, digits } => self.with_call(id, |phone, key| phone.dtmf(key, &digits)),
            Wish::SearchLogs { filter } => self.search(filter),
            Wish::MoreLogs => self.more_logs(),
            Wish::StopSync => self.stop_sync(),
            Wish::ContinueSync => self.go_on_with_sync(),
            Wish::SaveView { name } => self.save_view(&name),
            Wish::RemoveView { name } => self.remove_view(name),
            Wish::SetColumns { columns } => self.set_columns(columns),
            Wish::WriteRemarks { call, base, note, disposition } => self.write_remarks(call, base, &note, disposition),
            Wish::DraftRemarks { draft } => self.draft_remarks(draft.call.clone(), Some(draft)),
            Wish::DropDraft { call } => self.draft_remarks(call, None),
            Wish::ResolveRemarks { call, resolution } => self.resolve_remarks(call, resolution),
            Wish::Summarise { stretch } => self.summarise(stretch),
            Wish::CancelExport => self.cancel_export(),
            Wish::PlayMessage { call } => self.play_message(call),
            Wish::PauseMessage => self.pause_message(true),
            Wish::SeekMessage { ms } => self.seek_message(ms),
            Wish::SpeedMessage { percent } => self.speed_message(percent),
            Wish::CloseMessage => self.close_message(),
            Wish::KeepLogs { days, megabytes } => self.keep_logs(days, megabytes),
            Wish::OpenDetails { call } => self.open_details(call),
            Wish::CloseDetails => (self.view.details, self.linked) = (None, None),
            Wish::ChooseSound { choice } => self.choose_sound(choice),
            Wish::TestSound => self.test_sound(),
            Wish::EndSoundTest => self.end_sound_test(),
            Wish::RemoveAccount { account } => self.remove_account(&account),
            Wish::AcceptAccountCertificate { account } => self.accept_account_certificate(&account),
            Wish::ChooseFrom { account } => self.choose_from(account),
            Wish::CallMailbox { account } => self.call_mailbox(&account),
            Wish::WatchLine { account, number, name } => self.watch_line(&account, &number, &name),
            Wish::UnwatchLine { account, number } => self.unwatch_line(&account, &number),
            Wish::DismissNotice { id } => self.dismiss(id),
        }
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::KeptFound(found) => self.kept_found(found),
            Happening::SignedIn(result) => self.signed_in(result),
            Happening::SecretKept(result) => self.secret_kept(result),
            Happening::Feed(event) => self.feed(event),
            Happening::Logs(happening) => self.logs_happened(happening),
            Happening::TargetsDue => self.fetch_targets(),
            Happening::Targets { call, targets } => self.targets(&call, targets),
            Happening::NumberDue { number } => self.number_due(&number),
            Happening::Number { call, number, answer } => self.number(&call, &number, answer),
            Happening::Transferred { call, result } => self.transferred(&call, result),
            Happening::Stepped { transfer, result } => self.stepped(&transfer, result),
            Happening::Asked(result) => self.asked(result),
            Happening::PhoneStarted(result) => self.phone_started(result),
            Happening::PhoneRetry => self.start_phone(),
            Happening::Phone(event) => self.phone_event(LineNo::EXCHANGE, event),
        }
    }

    /// Runs a task of the present session; what it answers comes back as an input.
    pub(crate) fn begin(&mut self, task: impl Future<Output = Happening> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let post = self.poster();
        self.tasks.spawn(async move { post(task.await) });
    }

    /// Posts into the inbox on behalf of the present session.
    pub(crate) fn poster(&self) -> impl Fn(Happening) + Send + Sync + Clone + 'static {
        let (inbox, session) = (self.inbox.clone(), self.session);
        move |happening| {
            // The desk that is gone has nothing left to learn.
            let _gone = inbox.send(Input::Session(session, Box::new(happening)));
        }
    }

    /// A request whose success shows elsewhere failed or not.
    fn asked(&mut self, result: Result<(), ControlError>) {
        if let Err(error) = result {
            self.failed(&error);
        }
    }

    /// Says why a request failed; ends the session if the exchange does not know it any more.
    pub(crate) fn failed(&mut self, error: &ControlError) {
        if error.is_unauthorized() {
            self.expel();
        } else {
            self.note(Tone::Bad, error.to_string());
        }
    }

    /// The signed-in user's id.
    pub(crate) fn me(&self) -> Option<&protocol::UserId> {
        match &self.view.session {
            SessionView::SignedIn { me, .. } => Some(&me.id),
            SessionView::Starting
            | SessionView::SignedOut { .. }
            | SessionView::SigningIn { .. }
            | SessionView::ConfirmFingerprint { .. } => None,
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        matches!(self.state, State::In(_))
    }

    async fn stop(&mut self) {
        self.end_sound_test();
        self.close().await;
        while self.farewells.join_next().await.is_some() {}
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
