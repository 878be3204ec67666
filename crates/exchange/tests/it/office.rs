//! A small office around a fake engine, and people who use its API.

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use exchange::{
    config::{self, hash_password},
    engine::Engine,
    serve::{Exchange, ServeError, SipAddresses, listen},
    store::Store,
};
use futures::{SinkExt, StreamExt, future::BoxFuture};
use protocol::{ApiError, CallId, FeedMessage, LegId, LiveRow, Party, Session};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use switchboard::{EngineEvent, Order, Origin};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

pub const CONFIG: &str = r#"
[account]
name = "Office"
[api]
bind = "127.0.0.1:0" #
[sip]
udp = ["127.0.0.1:0"]
[rtp]
bind = "127.0.0.1"
ports = [0, 0] #
[trunk]
kind = "static"
peers = ["127.0.0.9"]
dial = "127.0.0.9:5070"
number = "+442079460000"
[sounds]
# hold_music
[data]
dir = "data"
[policy]
agents_may_transfer = true
transfer_across_departments = true
transfer_ring_seconds = 20
fallback = ["recall transferor 20 s", "next agent 30 s", "voicemail"]
[[department]]
id = "support"
name = "Support"
extension = "200"
numbers = ["+442079460200"]
[[department]]
id = "sales"
name = "Sales"
extension = "300"
numbers = ["+442079460300"]
[[user]] # alex
id = "alex"
name = "Alex Moreno"
role = "administrator"
extension = "100"
password_hash = "HASH" # alex
[[user]] # maya
id = "maya"
name = "Maya Lindqvist"
role = "manager"
extension = "101"
departments = ["support"] # maya
password_hash = "HASH" # maya
[[user]] # ravi
id = "ravi"
name = "Ravi Kumar"
role = "agent"
extension = "103"
departments = ["support"] # ravi
password_hash = "HASH" # ravi
[[user]] # tom
id = "tom"
name = "Tom Okafor"
role = "agent"
extension = "105"
departments = ["sales"]
password_hash = "HASH" # tom
[[user]] # gone
id = "gone"
name = "Gone Person"
role = "agent"
extension = "109"
disabled = true
password_hash = "HASH" # gone
"#;

pub const SUPPORT: &str = "+442079460200";
pub const PASSWORD: &str = "correct horse 42";
/// Nothing here takes this long; it only keeps a broken test from hanging.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Everybody's hash: made once, with the real parameters.
pub fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_password(PASSWORD).unwrap())
}

/// Hands every order to the test; ends and answers legs at once, as a perfect network would.
struct FakeEngine {
    orders: mpsc::UnboundedSender<Order>,
    events: mpsc::UnboundedSender<EngineEvent>,
    late: Arc<AtomicBool>,
}

impl Engine for FakeEngine {
    fn carry_out(&self, order: Order) {
        // A closed channel means that the test or the exchange is over.
        let _ = match &order {
            Order::HangUp { .. } if self.late.load(Ordering::SeqCst) => Ok(()),
            Order::HangUp { leg, reason } => self.events.send(EngineEvent::Ended { leg: *leg, reason: *reason }),
            Order::Answer { leg } => self.events.send(EngineEvent::Answered { leg: *leg }),
            _ => Ok(()),
        };
        let _ = self.orders.send(order);
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

pub struct Office {
    pub exchange: Exchange,
    pub http: reqwest::Client,
    pub engine: mpsc::UnboundedSender<EngineEvent>,
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// Set by a test that says itself when legs that are hung up have ended.
    pub late: Arc<AtomicBool>,
    pub dir: Arc<TempDir>,
    next_leg: u64,
}

impl Office {
    pub async fn open() -> Self {
        Self::open_in(Arc::new(tempfile::tempdir().unwrap()), CONFIG).await.unwrap()
    }

    pub async fn open_in(dir: Arc<TempDir>, config: &str) -> Result<Self, ServeError> {
        let file = dir.path().join("patchcord.toml");
        let config = config::parse(&file, &config.replace("HASH", hash())).unwrap_or_else(|m| panic!("{m}"));
        let (engine, events) = mpsc::unbounded_channel();
        let (said, orders) = mpsc::unbounded_channel();
        let late = Arc::new(AtomicBool::new(false));
        let fake = Arc::new(FakeEngine { orders: said, events: engine.clone(), late: late.clone() });
        let listener = listen(&config)?;
        let store = Store::open(&config.data)?;
        let sip = SipAddresses { udp: Some("127.0.0.1:5060".parse().unwrap()), ..SipAddresses::default() };
        let exchange = Exchange::assemble(config, store, fake, events, listener, sip).await?;
        Ok(Self { exchange, http: http(), engine, orders, late, dir, next_leg: 1 })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.exchange.ready.api)
    }

    pub async fn try_sign_in(&self, user: &str, password: &str) -> reqwest::Response {
        let body = json!({ "user": user, "password": password, "device_name": "test" });
        self.http.post(self.url("/v1/session")).json(&body).send().await.unwrap()
    }

    pub async fn person(&self, user: &str) -> Person {
        let answer = self.try_sign_in(user, PASSWORD).await;
        assert_eq!(answer.status(), 200);
        let session: Session = answer.json().await.unwrap();
        Person { http: self.http.clone(), api: self.exchange.ready.api.clone(), session }
    }

    pub fn register(&self, user: &str) {
        let event =
            EngineEvent::DeviceRegistered { user: user.into(), device: format!("device-of-{user}").as_str().into() };
        self.engine.send(event).unwrap();
    }

    /// Waits for the first order that `wanted` turns into something.
    pub async fn order<T>(&mut self, wanted: impl Fn(&Order) -> Option<T>) -> T {
        let wait = async {
            loop {
                let order = self.orders.recv().await.expect("the exchange is gone");
                if let Some(found) = wanted(&order) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("the order never came")
    }

    /// A caller from outside dials `number`.
    pub fn call(&mut self, number: &str) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 2;
        let caller = Party { name: "Priya Nair".into(), number: "+919812345678".into() };
        self.engine.send(EngineEvent::Arrived { leg, origin: Origin::Trunk, caller, dialled: number.into() }).unwrap();
        leg
    }

    /// Waits until a device of `user` rings, and gives the leg.
    pub async fn rings(&mut self, user: &str) -> LegId {
        let device = format!("device-of-{user}");
        self.order(|order| match order {
            Order::Ring { leg, device: rung, .. } if rung.as_str() == device => Some(*leg),
            _ => None,
        })
        .await
    }

    /// A call from outside to support, answered by ravi, whom it rings.
    pub async fn talking_with_ravi(&mut self, watcher: &mut Feed) -> (LegId, LiveRow) {
        self.register("ravi");
        let caller = self.call(SUPPORT);
        let leg = self.rings("ravi").await;
        self.engine.send(EngineEvent::Answered { leg }).unwrap();
        let row = watcher.row(|row| matches!(row.call.state, protocol::CallState::Talking { .. })).await;
        (caller, row)
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }
}

/// A client; reqwest asks for a process-wide provider even for plain HTTP.
pub fn http() -> reqwest::Client {
    // Already installed by another test: just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    api: String,
    pub session: Session,
}

impl Person {
    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Response {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.api));
        let request = request.bearer_auth(&self.session.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.send("GET", path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub async fn transfer(&self, row: &LiveRow, target: Value) -> reqwest::Response {
        let body = json!({ "revision": row.call.revision, "target": target, "note": " about the invoice " });
        self.send("POST", &format!("/v1/calls/{}/transfer", row.call.id), Some(body)).await
    }

    pub async fn feed(&self) -> Feed {
        let mut request = format!("{}/v1/feed", self.api.replacen("http", "ws", 1)).into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.session.token).parse().unwrap();
        request.headers_mut().insert("Authorization", bearer);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Feed { socket, number: None }
    }
}

pub async fn refusal(answer: reqwest::Response) -> (u16, ApiError) {
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// A reader of the feed that insists on numbers without a gap.
pub struct Feed {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    number: Option<u32>,
}

impl Feed {
    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn frame(&mut self) -> Message {
        timeout(PATIENCE, self.socket.next()).await.expect("the feed is silent").expect("the feed ended").unwrap()
    }

    pub async fn message(&mut self) -> FeedMessage {
        loop {
            let Message::Text(text) = self.frame().await else { continue };
            let message: FeedMessage = serde_json::from_str(&text).unwrap();
            match &message {
                FeedMessage::Snapshot(snapshot) => self.number = Some(snapshot.number),
                FeedMessage::Delta(delta) => {
                    assert_eq!(Some(delta.number), self.number.map(|n| n + 1), "a gap");
                    self.number = Some(delta.number);
                }
                FeedMessage::Alive { number, .. } => assert_eq!(Some(*number), self.number),
            }
            return message;
        }
    }

    pub async fn snapshot(&mut self) -> protocol::Snapshot {
        loop {
            if let FeedMessage::Snapshot(snapshot) = self.message().await {
                return snapshot;
            }
        }
    }

    pub async fn change<T>(&mut self, wanted: impl Fn(protocol::Change) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let FeedMessage::Delta(delta) = self.message().await
                    && let Some(found) = wanted(delta.change)
                {
                    return found;
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("the change never came")
    }

    pub async fn row(&mut self, wanted: impl Fn(&LiveRow) -> bool) -> LiveRow {
        self.change(|change| match change {
            protocol::Change::Call(row) if wanted(&row) => Some(row),
            _ => None,
        })
        .await
    }

    pub async fn record(&mut self, call: &CallId) -> protocol::CallRecord {
        self.change(|change| match change {
            protocol::Change::Record(record) if record.id == *call => Some(record),
            _ => None,
        })
        .await
    }
}

pub fn database(data: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(data.join("exchange.db")).unwrap()
}
