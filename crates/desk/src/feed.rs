//! The feed: one WebSocket that carries a snapshot, then numbered changes. Ends only with the session.

use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Sink, SinkExt, Stream, StreamExt};
use protocol::{Delta, FeedMessage, FeedRequest, Snapshot, Timestamp};
use rand::Rng;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::control::{Control, root_cause};

/// The exchange says something at least every 5 s: one missed and a bit. Until then what is shown may be older than it
/// looks.
const SILENCE: Duration = Duration::from_secs(8);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// For so long after the loss, the exchange is looked for all the time, so that a link that returns is taken up within a
/// second. After that it is gone rather than lost.
const LOOKING: Duration = Duration::from_mins(5);
/// Between two attempts while looking, and between an attempt without an answer and the next beside it: a SYN that was
/// lost is repeated by the kernel only after ever longer pauses (RFC 6298 section 5.5).
const SOON: Duration = Duration::from_millis(400);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A snapshot of a thousand calls is about 1 MiB.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// The exchange's own close code: the token is no longer good.
const SIGNED_OUT: u16 = 4401;

/// What the feed tells the desk.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    Connecting,
    /// Why in a sentence, and when it is tried again; `None`: all the time.
    Down {
        why: String,
        retry_in: Option<Duration>,
    },
    Snapshot(Box<Snapshot>),
    Delta(Box<Delta>),
    Alive(Timestamp),
    /// The sign-in is no longer good. The last event.
    Unauthorized,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

enum Lost {
    Unauthorized,
    /// A sentence.
    Because(String),
}

/// Follows the feed for ever; `wake` cuts a pause short.
pub(crate) async fn run(control: Control, wake: &Notify, tell: impl Fn(FeedEvent) + Send) {
    let connect = || {
        let control = control.clone();
        async move { connect(&control).await }
    };
    run_with(connect, wake, tell).await;
}

async fn run_with<S: Link, A>(connect: impl Fn() -> A, wake: &Notify, tell: impl Fn(FeedEvent))
where
    A: Future<Output = Result<S, Lost>>,
{
    let mut pauses = Pauses::begin();
    loop {
        tell(FeedEvent::Connecting);
        let mut heard = false;
        let lost = match reach(&connect, pauses.looking()).await {
            Ok(mut socket) => follow(&mut socket, &mut heard, &tell).await,
            Err(lost) => lost,
        };
        let Lost::Because(why) = lost else { return tell(FeedEvent::Unauthorized) };
        if heard {
            pauses = Pauses::begin();
        }
        let (looking, pause) = (pauses.looking(), pauses.next());
        tell(FeedEvent::Down { why, retry_in: (!looking).then_some(pause) });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wake.notified() => pauses = Pauses::begin(),
        }
    }
}

/// How long to wait before the next attempt. Random, so that desks that lost one exchange together do not come back
/// together.
struct Pauses {
    lost_at: Instant,
    wait: Duration,
}

impl Pauses {
    fn begin() -> Self {
        Self { lost_at: Instant::now(), wait: FIRST_WAIT }
    }

    fn looking(&self) -> bool {
        self.lost_at.elapsed() < LOOKING
    }

    fn next(&mut self) -> Duration {
        let pause = if self.looking() { SOON } else { self.wait };
        if !self.looking() {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
        pause.mul_f64(rand::rng().random_range(0.5..1.5))
    }
}

/// The first connection that comes about. While looking, an attempt that hangs does not keep others from being made.
async fn reach<S, A>(connect: &impl Fn() -> A, looking: bool) -> Result<S, Lost>
where
    A: Future<Output = Result<S, Lost>>,
{
    let mut attempts = FuturesUnordered::new();
    attempts.push(connect());
    loop {
        tokio::select! {
            Some(done) = attempts.next() => return done,
            () = tokio::time::sleep(SOON), if looking => attempts.push(connect()),
        }
    }
}

/// A connection to the exchange; a test's needs no network.
trait Link: Stream<Item = Result<Message, tungstenite::Error>> + Sink<Message, Error = tungstenite::Error> + Unpin {}

impl<L> Link for L where
    L: Stream<Item = Result<Message, tungstenite::Error>> + Sink<Message, Error = tungstenite::Error> + Unpin
{
}

async fn connect(control: &Control) -> Result<Socket, Lost> {
    let address = control.address();
    let because =
        |why: &str| Lost::Because(format!("The exchange at {address} can't be reached ({why}). It is tried again."));
    let mut request = address.feed().into_client_request().map_err(|error| because(&error.to_string()))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", control.token())).map_err(|_| Lost::Unauthorized)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let tls = Connector::Rustls(control.tls());
    let connecting = connect_async_tls_with_config(request, Some(config), true, Some(tls));
    match timeout(CONNECT_PATIENCE, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(answer))) if answer.status() == StatusCode::UNAUTHORIZED => {
            Err(Lost::Unauthorized)
        }
        Ok(Err(error)) => Err(match control.doubt() {
            Some(doubt) => Lost::Because(doubt.to_string()),
            None => because(&root_cause(&error)),
        }),
        Err(_) => Err(because("no answer")),
    }
}

/// Which number comes next.
enum Place {
    /// A snapshot is on its way; until then nothing can be applied.
    Waiting,
    After(u32),
}

/// Reads until the connection is lost, and says why.
async fn follow(socket: &mut impl Link, heard: &mut bool, tell: &impl Fn(FeedEvent)) -> Lost {
    let mut place = Place::Waiting;
    loop {
        let text = match timeout(SILENCE, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)))) => continue,
            Ok(Some(Ok(Message::Close(Some(frame))))) if u16::from(frame.code) == SIGNED_OUT => {
                return Lost::Unauthorized;
            }
            Ok(Some(Ok(Message::Close(_))) | None) => {
                return Lost::Because("The exchange closed the connection. It is tried again.".into());
            }
            Ok(Some(Err(error))) => {
                let why = root_cause(&error);
                return Lost::Because(format!("The connection to the exchange broke ({why}). It is tried again."));
            }
            Err(_) => {
                return Lost::Because("The exchange has gone silent. Check your network; it is tried again.".into());
            }
        };
        let message = match serde_json::from_str(&text) {
            Ok(message) => message,
            Err(error) => {
                return Lost::Because(format!("The exchange sent something that makes no sense ({error})."));
            }
        };
        let gap = take(message, &mut place, tell);
        *heard |= matches!(place, Place::After(_));
        if gap && let Err(lost) = ask_snapshot(socket).await {
            return lost;
        }
    }
}

/// Passes a message on if it is the next one. Answers whether a fresh snapshot must be asked for.
fn take(message: FeedMessage, place: &mut Place, tell: &impl Fn(FeedEvent)) -> bool {
    match (message, &*place) {
        (FeedMessage::Snapshot(snapshot), _) => {
            *place = Place::After(snapshot.number);
            tell(FeedEvent::Snapshot(Box::new(snapshot)));
        }
        (FeedMessage::Delta(_) | FeedMessage::Alive { .. }, Place::Waiting) => {}
        (FeedMessage::Delta(delta), Place::After(last)) => {
            if delta.number != last.wrapping_add(1) {
                *place = Place::Waiting;
                return true;
            }
            *place = Place::After(delta.number);
            tell(FeedEvent::Delta(Box::new(delta)));
        }
        (FeedMessage::Alive { number, at }, Place::After(last)) => {
            if number > *last {
                *place = Place::Waiting;
                return true;
            }
            tell(FeedEvent::Alive(at));
        }
    }
    false
}

async fn ask_snapshot(socket: &mut impl Link) -> Result<(), Lost> {
    let because =
        |why: String| Lost::Because(format!("The connection to the exchange broke ({why}). It is tried again."));
    let request = serde_json::to_string(&FeedRequest::Snapshot).map_err(|error| because(error.to_string()))?;
    socket.send(Message::text(request)).await.map_err(|error| because(root_cause(&error)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use protocol::Directory;

    use super::*;

    /// A connection that brings a snapshot and then nothing.
    struct Quiet(Option<Message>);

    impl Stream for Quiet {
        type Item = Result<Message, tungstenite::Error>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.take().map_or(Poll::Pending, |message| Poll::Ready(Some(Ok(message))))
        }
    }

    impl Sink<Message> for Quiet {
        type Error = tungstenite::Error;
        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Self::Error> {
            Ok(())
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
    }

    fn snapshot() -> Quiet {
        let snapshot = Snapshot {
            number: 1,
            at: Timestamp(1),
            store: "s".into(),
            scope: String::new(),
            records_seq: 0,
            me: "maya".into(),
            live: vec![],
            trouble: None,
            directory: Directory { users: vec![], departments: vec![], dispositions: vec![] },
        };
        Quiet(Some(Message::text(serde_json::to_string(&FeedMessage::Snapshot(snapshot)).unwrap())))
    }

    /// How a network without an exchange behaves.
    #[derive(Clone, Copy)]
    enum Away {
        Refuses,
        /// What was begun then is never answered.
        Swallows,
    }

    /// Runs with a link that is away from `from` to `to`, in seconds of virtual time, and answers when snapshots came.
    async fn snapshots(away: Away, from: u64, to: u64, wake_at: Option<u64>) -> Vec<Duration> {
        let start = Instant::now();
        let gone = Duration::from_secs(from)..Duration::from_secs(to);
        let connect = async || {
            if !gone.contains(&start.elapsed()) {
                return Ok(snapshot());
            }
            match away {
                Away::Refuses => Err(Lost::Because("refused".into())),
                Away::Swallows => {
                    tokio::time::sleep(CONNECT_PATIENCE).await;
                    Err(Lost::Because("no answer".into()))
                }
            }
        };
        let (seen, wake) = (Mutex::new(vec![]), Notify::new());
        let tell = |event| {
            if let FeedEvent::Snapshot(_) = event {
                seen.lock().unwrap().push(start.elapsed());
            }
        };
        let waking = async {
            if let Some(at) = wake_at {
                tokio::time::sleep_until(start + Duration::from_secs(at)).await;
                wake.notify_one();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = run_with(connect, &wake, tell) => {}
            () = waking => {}
            () = tokio::time::sleep_until(start + Duration::from_secs(to + 30)) => {}
        }
        seen.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_returns_is_taken_up_within_a_second() {
        for away in [Away::Refuses, Away::Swallows] {
            // Silence ends the first connection after 8 s, in the middle of the loss.
            for lost_for in [8, 31, 120, 295] {
                let back = lost_for + 1;
                let seen = snapshots(away, 1, back, None).await;
                let next = seen.iter().find(|at| at.as_secs() >= back).unwrap();
                assert!(*next < Duration::from_secs(back + 1), "lost for {lost_for} s, back after {next:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_loss_the_phone_s_return_cuts_the_pause_short() {
        let (lost, back) = (1, 3_600);
        let seen = snapshots(Away::Refuses, lost, back, Some(back)).await;
        let next = seen.iter().find(|at| at.as_secs() >= back).unwrap();
        assert!(*next < Duration::from_secs(back + 1), "back after {next:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_that_stays_away_is_not_pestered() {
        let mut pauses = Pauses::begin();
        tokio::time::advance(LOOKING).await;
        let waits: Vec<_> = (0..8).map(|_| pauses.next()).collect();
        assert!(waits[7] >= LONGEST_WAIT / 2 && waits[7] < LONGEST_WAIT * 2, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait >= FIRST_WAIT / 2), "{waits:?}");
    }
}
