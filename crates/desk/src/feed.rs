//! The feed: one WebSocket that carries a snapshot, then numbered changes. Ends only with the session.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use protocol::{Delta, FeedMessage, FeedRequest, Snapshot, Timestamp};
use rand::Rng;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::control::{Control, root_cause};

/// The exchange says something at least every 5 s: two missed and a bit.
const SILENCE: Duration = Duration::from_secs(12);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A snapshot of a thousand calls is about 1 MiB.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// The exchange's own close code: the token is no longer good.
const SIGNED_OUT: u16 = 4401;

/// What the feed tells the desk.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    Connecting,
    /// Why in a sentence, and when it is tried again.
    Down {
        why: String,
        retry_in: Duration,
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

/// Follows the feed for ever, connecting again with growing, random pauses.
pub(crate) async fn run(control: Control, tell: impl Fn(FeedEvent) + Send) {
    run_with(control, SILENCE, tell).await;
}

async fn run_with(control: Control, silence: Duration, tell: impl Fn(FeedEvent) + Send) {
    let mut wait = FIRST_WAIT;
    loop {
        tell(FeedEvent::Connecting);
        let mut heard = false;
        let lost = match connect(&control).await {
            Ok(mut socket) => follow(&mut socket, silence, &mut heard, &tell).await,
            Err(lost) => lost,
        };
        let Lost::Because(why) = lost else { return tell(FeedEvent::Unauthorized) };
        if heard {
            wait = FIRST_WAIT;
        }
        // Desks that lost one exchange together must not come back together.
        let retry_in = wait.mul_f64(rand::rng().random_range(0.5..1.5));
        tell(FeedEvent::Down { why, retry_in });
        tokio::time::sleep(retry_in).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
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
async fn follow(socket: &mut Socket, silence: Duration, heard: &mut bool, tell: &impl Fn(FeedEvent)) -> Lost {
    let mut place = Place::Waiting;
    loop {
        let text = match timeout(silence, socket.next()).await {
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

async fn ask_snapshot(socket: &mut Socket) -> Result<(), Lost> {
    let because =
        |why: String| Lost::Because(format!("The connection to the exchange broke ({why}). It is tried again."));
    let request = serde_json::to_string(&FeedRequest::Snapshot).map_err(|error| because(error.to_string()))?;
    socket.send(Message::text(request)).await.map_err(|error| because(root_cause(&error)))
}
