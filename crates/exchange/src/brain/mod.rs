//! The one task that owns the switchboard. Everything that happens comes through one inbox; what the switchboard wants
//! goes to the engine (orders), to the store and to the feeds (facts).

mod amend;
mod clock;
mod feeds;

use std::{collections::HashMap, sync::Arc, time::Duration};

use protocol::{AuditEntry, CallId, CallRecord, LegId, Timestamp, TransferId, UserId};
use switchboard::{Amendment, Command, EngineEvent, Fact, Input, NotAmended, Order, Output, Refusal, Switchboard};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep_until, timeout},
};

pub use amend::Unanswered;
pub use clock::Clock;
pub use feeds::{Feed, FeedId, Told, directory, rows, scope};

use crate::{
    engine::Engine,
    store::{Store, Voicemail},
};
use amend::{Amending, Found};
use feeds::Feeds;

/// What became of a command, as far as it was decided at once.
#[derive(Debug, Default)]
pub struct Step {
    /// To `Command::Transfer`.
    pub answer: Option<Result<TransferId, Refusal>>,
    /// To `Command::{CancelTransfer, CompleteTransfer, SwapTransfer}`.
    pub step_answer: Option<Result<(), Refusal>>,
    /// What the command left in the trail.
    pub audit: Vec<AuditEntry>,
}

type Look = Box<dyn FnOnce(&Switchboard) + Send>;

enum Ask {
    Do(Command, oneshot::Sender<Step>),
    Amend(CallId, Amendment, amend::Reply),
    Look(Look),
    Subscribe(UserId, oneshot::Sender<Feed>),
    Snapshot(FeedId),
    Stop(oneshot::Sender<()>),
}

/// The exchange is being stopped: nobody answers any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange is stopping")]
pub struct Stopping;

/// A handle to the task. When the inbox is full, askers wait: calls come first.
#[derive(Clone)]
pub struct Brain {
    inbox: mpsc::Sender<Ask>,
    clock: Clock,
    changes: watch::Receiver<Changes>,
}

/// How many there have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Of calls, people and records.
    pub all: u64,
    /// Of what waits in mailboxes, or may.
    pub mailboxes: u64,
}

/// How long legs get to confirm their end when the exchange stops. Then the records are complete without them.
const STOP_TIME: Duration = Duration::from_secs(3);

impl Brain {
    /// Starts the task. `events` is what the engine reports on; `drafts` are the calls that the run before this one left
    /// unfinished, which are closed first.
    #[must_use]
    pub fn start(
        switchboard: Switchboard,
        engine: Arc<dyn Engine>,
        events: mpsc::UnboundedReceiver<EngineEvent>,
        store: Store,
        records_seq: u64,
        drafts: Vec<CallRecord>,
    ) -> (Self, JoinHandle<()>) {
        let (inbox, asks) = mpsc::channel(256);
        let clock = Clock::start();
        let feeds = Feeds::new(store.id().to_owned(), records_seq);
        let (amending, finds) = Amending::new();
        let (changed, changes) = watch::channel(Changes::default());
        let recording = HashMap::new();
        let mut task = Task { switchboard, engine, store, clock, feeds, recording, amending, changed };
        task.recover(drafts);
        (Self { inbox, clock, changes }, tokio::spawn(task.run(events, finds, asks)))
    }

    /// Changes whenever a call, a person or a record has; ends with the exchange.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Changes> {
        self.changes.clone()
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// # Errors
    /// The exchange is stopping.
    pub async fn command(&self, command: Command) -> Result<Step, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Do(command, reply)).await?;
        answer.await.map_err(|_| Stopping)
    }

    /// Changes the record of a call that is over, and gives the record as it is then: queued, maybe not written.
    ///
    /// # Errors
    /// The exchange is stopping, or the record can't be read; inside: why it stays as it is.
    pub async fn amend(
        &self,
        call: CallId,
        amendment: Amendment,
    ) -> Result<Result<CallRecord, NotAmended>, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Amend(call, amendment, reply)).await?;
        answer.await.map_err(|_| Stopping)?
    }

    /// Looks at the switchboard between two steps.
    ///
    /// # Errors
    /// The exchange is stopping.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Switchboard) -> T + Send + 'static,
    ) -> Result<T, Stopping> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |switchboard: &Switchboard| {
            // Whoever asked may have gone away.
            let _ = reply.send(look(switchboard));
        });
        self.ask(Ask::Look(look)).await?;
        answer.await.map_err(|_| Stopping)
    }

    /// A feed of all that `user` may see; its first message is a snapshot.
    ///
    /// # Errors
    /// The exchange is stopping.
    pub async fn subscribe(&self, user: UserId) -> Result<Feed, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Subscribe(user, reply)).await?;
        answer.await.map_err(|_| Stopping)
    }

    /// Sends a fresh snapshot down a feed.
    ///
    /// # Errors
    /// The exchange is stopping.
    pub async fn snapshot(&self, feed: FeedId) -> Result<(), Stopping> {
        self.ask(Ask::Snapshot(feed)).await
    }

    /// Ends all calls and then the task, once every leg has confirmed its end or the time for that is up. All records
    /// are with the store when this returns.
    pub async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.ask(Ask::Stop(reply)).await.is_ok() {
            // An error means that the task is gone, which is what is wanted.
            let _ = stopped.await;
        }
    }

    async fn ask(&self, ask: Ask) -> Result<(), Stopping> {
        self.inbox.send(ask).await.map_err(|_| Stopping)
    }
}

struct Task {
    switchboard: Switchboard,
    engine: Arc<dyn Engine>,
    store: Store,
    clock: Clock,
    feeds: Feeds,
    /// Legs that leave a voicemail, with their call and mailbox.
    recording: HashMap<LegId, (CallId, String)>,
    amending: Amending,
    changed: watch::Sender<Changes>,
}

impl Task {
    async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<EngineEvent>,
        mut finds: mpsc::UnboundedReceiver<Found>,
        mut asks: mpsc::Receiver<Ask>,
    ) {
        let mut trouble = self.store.trouble();
        loop {
            tokio::select! {
                // What happens on the wire comes before what people ask.
                biased;
                Some(event) = events.recv() => self.saw(event),
                () = self.timer() => drop(self.step(Input::Tick)),
                Some(found) = finds.recv() => self.found(found),
                sentence = changed(&mut trouble) => self.feeds.trouble(sentence, self.clock.now()),
                ask = asks.recv() => match ask {
                    Some(Ask::Stop(reply)) => {
                        self.wind_up(&mut events, &mut finds).await;
                        // Whoever asked may have gone away.
                        let _ = reply.send(());
                        return;
                    }
                    Some(ask) => self.answer(ask),
                    None => return,
                },
            }
        }
    }

    /// Ends when the switchboard's next timer is due.
    async fn timer(&self) {
        match self.switchboard.poll_timeout() {
            Some((at, _why)) => sleep_until(self.clock.instant(at)).await,
            None => std::future::pending().await,
        }
    }

    fn answer(&mut self, ask: Ask) {
        // An asker may have gone away; nothing is owed to it then.
        match ask {
            Ask::Do(command, reply) => drop(reply.send(self.step(Input::Command(command)))),
            Ask::Amend(call, amendment, reply) => self.amend(call, amendment, reply),
            Ask::Look(look) => look(&self.switchboard),
            Ask::Subscribe(user, reply) => drop(reply.send(self.feeds.open(&self.switchboard, user, self.clock.now()))),
            Ask::Snapshot(feed) => self.feeds.snapshot(&self.switchboard, feed, self.clock.now()),
            Ask::Stop(_) => {}
        }
    }

    fn saw(&mut self, event: EngineEvent) {
        if let EngineEvent::Recorded { leg, duration_ms, file } = &event
            && let Some((call, mailbox)) = self.recording.remove(leg)
        {
            let (at, duration_ms, file) = (self.clock.now(), *duration_ms, file.clone());
            self.store.put_voicemail(Voicemail { call, mailbox, at, duration_ms, file });
            self.changed.send_modify(|n| n.mailboxes += 1);
        }
        self.step(Input::Engine(event));
    }

    fn step(&mut self, input: Input) -> Step {
        let now = self.clock.now();
        self.switchboard.handle(now, input);
        self.drain(now)
    }

    /// Closes what the run before this one left unfinished.
    fn recover(&mut self, drafts: Vec<CallRecord>) {
        if drafts.is_empty() {
            return;
        }
        tracing::warn!(calls = drafts.len(), "the exchange did not stop in order last time; its calls are closed now");
        let now = self.clock.now();
        self.switchboard.recover(now, drafts);
        self.drain(now);
    }

    /// Does and tells what the switchboard wants done and told.
    fn drain(&mut self, now: Timestamp) -> Step {
        let mut step = Step::default();
        while let Some(output) = self.switchboard.poll_output() {
            match output {
                Output::Order(order) => self.order(order),
                Output::Fact(Fact::TransferAnswer { answer, .. }) => step.answer = Some(answer),
                Output::Fact(Fact::StepAnswer { answer, .. }) => step.step_answer = Some(answer),
                Output::Fact(Fact::Draft(draft)) => self.store.put_draft(*draft),
                Output::Fact(Fact::Measured { call, quality }) => {
                    // Nobody waits for an answer.
                    self.amend(call, Amendment::Quality(quality), oneshot::channel().0);
                }
                Output::Fact(fact) => {
                    self.keep(&fact, &mut step);
                    self.changed.send_modify(|n| {
                        n.all += 1;
                        n.mailboxes += u64::from(matches!(fact, Fact::Record(_)));
                    });
                    self.feeds.tell(&self.switchboard, fact, now);
                }
            }
        }
        step
    }

    fn order(&mut self, order: Order) {
        tracing::debug!(?order, "order");
        if let Order::RecordVoicemail { leg, call, mailbox, .. } = &order {
            self.recording.insert(*leg, (call.clone(), mailbox.clone()));
        }
        self.engine.carry_out(order);
    }

    fn keep(&self, fact: &Fact, step: &mut Step) {
        match fact {
            Fact::Record(record) => self.store.put_record(record.as_ref().clone()),
            Fact::Audit(entry) => {
                self.store.put_audit(entry.clone());
                step.audit.push(entry.clone());
            }
            Fact::CallChanged(_)
            | Fact::CallGone(_)
            | Fact::UserChanged(_)
            | Fact::DepartmentChanged(_)
            | Fact::Draft(_)
            | Fact::Measured { .. }
            | Fact::StepAnswer { .. }
            | Fact::TransferAnswer { .. } => {}
        }
    }

    async fn wind_up(
        &mut self,
        events: &mut mpsc::UnboundedReceiver<EngineEvent>,
        finds: &mut mpsc::UnboundedReceiver<Found>,
    ) {
        self.step(Input::Shutdown);
        let all_ended = async {
            while !(self.switchboard.is_at_rest() && self.amending.is_empty()) {
                tokio::select! {
                    event = events.recv() => match event {
                        Some(event) => self.saw(event),
                        // The engine is gone: nothing more will be confirmed.
                        None => break,
                    },
                    Some(found) = finds.recv() => self.found(found),
                }
            }
        };
        if timeout(STOP_TIME, all_ended).await.is_err() {
            tracing::warn!("some legs did not confirm their end");
        }
    }
}

/// The next news about the store's trouble; for ever, if the store has ended.
async fn changed(trouble: &mut watch::Receiver<Option<String>>) -> Option<String> {
    match trouble.changed().await {
        Ok(()) => trouble.borrow_and_update().clone(),
        Err(_) => std::future::pending().await,
    }
}
