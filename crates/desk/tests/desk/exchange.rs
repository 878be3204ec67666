//! An exchange that says what the test tells it to, over real sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum_server::Handle;
use protocol::{
    ApiError, CallId, CallRecord, CallState, Change, Delta, Department, Direction, Directory, FeedMessage, FeedRequest,
    LiveCall, LiveRow, Party, Presence, RecordPage, Remarks, RemarksConflict, Role, Session, SetRemarks, SignIn,
    SipAccount, Snapshot, Target, Timestamp, TransferAccepted, TransferRequest, TransferRight, TransferTarget,
    TransferTargets, User, UserRef,
};
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc};

/// What the exchange answers.
pub struct Script {
    pub live: Vec<LiveRow>,
    pub users: Vec<User>,
    pub records: Vec<CallRecord>,
    pub store: String,
    pub scope: String,
    /// Of every call that has one.
    pub voicemail: Vec<u8>,
    /// While it is locked, no page of records is answered.
    pub records_held: Arc<tokio::sync::Mutex<()>>,
    pub targets: Vec<TransferTarget>,
    pub transfer: Result<(), ApiError>,
    pub consult: TransferRight,
    pub outside: TransferRight,
    /// What cancel, complete and swap are answered.
    pub step: Result<(), ApiError>,
    /// While it is locked, no step is answered.
    pub steps_held: Arc<tokio::sync::Mutex<()>>,
    /// While it is locked, nothing is said of a typed number.
    pub numbers_held: Arc<tokio::sync::Mutex<()>>,
    pub trouble: Option<String>,
    pub feed_open: bool,
    pub token: String,
    pub registrar: String,
    number: u32,
}

#[derive(Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    /// To every feed: a frame, or `None` to hang up.
    feed: broadcast::Sender<Option<String>>,
    /// What was asked, in words.
    asked: mpsc::UnboundedSender<String>,
}

pub struct FakeExchange {
    shared: Shared,
    asked: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    address: SocketAddr,
    tls: bool,
    handle: Handle<SocketAddr>,
}

impl FakeExchange {
    pub fn start() -> Self {
        let (shared, asked) = Shared::new();
        let listener = listen(0);
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        let server = axum_server::from_tcp(listener).unwrap().handle(handle.clone());
        tokio::spawn(server.serve(routes(shared.clone()).into_make_service()));
        Self { shared, asked: asked.into(), address, tls: false, handle }
    }

    /// With a certificate of its own making. Answers the fingerprint too.
    pub fn start_tls(port: u16) -> (Self, String) {
        use sha2::{Digest, Sha256};
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let fingerprint: Vec<_> = Sha256::digest(&certificate).iter().map(|b| format!("{b:02X}")).collect();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (shared, asked) = Shared::new();
        let listener = listen(port);
        let (address, handle) = (listener.local_addr().unwrap(), Handle::new());
        let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(tls));
        let server = axum_server::from_tcp_rustls(listener, config).unwrap().handle(handle.clone());
        tokio::spawn(server.serve(routes(shared.clone()).into_make_service()));
        (Self { shared, asked: asked.into(), address, tls: true, handle }, fingerprint.join(":"))
    }

    pub fn address(&self) -> String {
        if self.tls { format!("localhost:{}", self.address.port()) } else { format!("http://{}", self.address) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.shared.script.lock().unwrap())
    }

    /// Sends the next numbered change to every feed.
    pub fn change(&self, change: Change) {
        let number = self.script(|script| {
            script.number += 1;
            script.number
        });
        self.send(number, change);
    }

    /// A change that gets lost on the way.
    pub fn lose(&self) {
        self.script(|script| script.number += 1);
    }

    fn send(&self, number: u32, change: Change) {
        let message = FeedMessage::Delta(Delta { number, at: Timestamp(1_000 + u64::from(number)), change });
        let _nobody = self.shared.feed.send(Some(serde_json::to_string(&message).unwrap()));
    }

    /// Closes every feed and refuses new ones.
    pub fn cut(&self) {
        self.script(|script| script.feed_open = false);
        let _nobody = self.shared.feed.send(None);
    }

    pub fn mend(&self) {
        self.script(|script| script.feed_open = true);
    }

    /// Waits until this has been asked; what came before is forgotten.
    pub async fn asked(&self, what: &str) -> String {
        let mut asked = self.asked.lock().await;
        loop {
            let next = tokio::time::timeout(crate::doubles::PATIENCE, asked.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("never asked: {what}")).unwrap();
            if next.starts_with(what) {
                return next;
            }
        }
    }

    /// Everything asked so far that was not waited for.
    pub async fn rest(&self) -> Vec<String> {
        let mut asked = self.asked.lock().await;
        std::iter::from_fn(|| asked.try_recv().ok()).collect()
    }

    /// Gone from the network.
    pub fn stop(&self) {
        let _nobody = self.shared.feed.send(None);
        self.handle.shutdown();
    }
}

impl Drop for FakeExchange {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

impl Shared {
    fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (asked, all_asked) = mpsc::unbounded_channel();
        let script = Script {
            live: vec![],
            users: vec![user("maya", "Maya Lindqvist"), user("ravi", "Ravi Kumar")],
            records: vec![],
            store: "store-1".into(),
            scope: "all".into(),
            voicemail: Vec::new(),
            records_held: Arc::default(),
            targets: vec![],
            transfer: Ok(()),
            consult: TransferRight::Allowed,
            outside: TransferRight::Allowed,
            step: Ok(()),
            steps_held: Arc::default(),
            numbers_held: Arc::default(),
            trouble: None,
            feed_open: true,
            token: "token-1".into(),
            registrar: "sip::5060".into(),
            number: 0,
        };
        let feed = broadcast::Sender::new(64);
        (Self { script: Arc::new(Mutex::new(script)), feed, asked }, all_asked)
    }

    fn note(&self, what: impl Into<String>) {
        let _test_over = self.asked.send(what.into());
    }

    fn allowed(&self, headers: &HeaderMap) -> bool {
        let script = self.script.lock().unwrap();
        headers.get("authorization").is_some_and(|value| value == format!("Bearer {}", script.token).as_str())
    }

    fn snapshot(&self) -> String {
        let script = self.script.lock().unwrap();
        let departments = vec![Department {
            id: "support".into(),
            name: "Support".into(),
            extension: "200".into(),
            free: 1,
            members: 2,
            queued: 0,
        }];
        let snapshot = Snapshot {
            number: script.number,
            at: Timestamp(1_000 + u64::from(script.number)),
            store: script.store.clone(),
            scope: script.scope.clone(),
            records_seq: script.records.iter().map(|r| r.seq).max().unwrap_or(0),
            me: "maya".into(),
            live: script.live.clone(),
            trouble: script.trouble.clone(),
            directory: Directory { users: script.users.clone(), departments, dispositions: Vec::new() },
        };
        serde_json::to_string(&FeedMessage::Snapshot(snapshot)).unwrap()
    }
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/v1/session", post(sign_in))
        .route("/v1/session", delete(sign_out))
        .route("/v1/calls", get(records))
        .route("/v1/calls/{call}", get(record))
        .route("/v1/calls/{call}/remarks", put(remarks))
        .route("/v1/voicemail/{call}", get(voicemail))
        .route("/v1/voicemail/{call}/heard", put(heard))
        .route("/v1/calls/{call}/transfer-targets", get(targets))
        .route("/v1/calls/{call}/transfer", post(transfer))
        .route("/v1/transfers/{transfer}/{step}", post(step))
        .route("/v1/presence", put(presence))
        .route("/v1/feed", get(feed))
        .with_state(shared)
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(ApiError { code: code.into(), message: message.into() })).into_response()
}

async fn sign_in(State(shared): State<Shared>, Json(asked): Json<SignIn>) -> Response {
    shared.note(format!("sign in {} {:?}", asked.user, asked.device.as_ref().map(protocol::DeviceId::as_str)));
    if asked.password != "right" {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", "User or password is wrong. Try again.");
    }
    let script = shared.script.lock().unwrap();
    Json(Session {
        token: script.token.clone(),
        user: user("maya", "Maya Lindqvist"),
        account: "Northwind Desk".into(),
        sip: SipAccount {
            device: "device-1".into(),
            registrar: script.registrar.clone(),
            user: "maya".into(),
            auth_user: "device-1".into(),
            password: "sip-secret".into(),
            realm: "northwind".into(),
        },
    })
    .into_response()
}

async fn sign_out(State(shared): State<Shared>) -> StatusCode {
    shared.note("sign out");
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct After {
    after: u64,
    limit: usize,
}

async fn records(State(shared): State<Shared>, headers: HeaderMap, Query(asked): Query<After>) -> Response {
    shared.note(format!("records after {}", asked.after));
    if !shared.allowed(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in again.");
    }
    let held = Arc::clone(&shared.script.lock().unwrap().records_held);
    drop(held.lock().await);
    let script = shared.script.lock().unwrap();
    let mut after: Vec<_> = script.records.iter().filter(|r| r.seq > asked.after).cloned().collect();
    after.sort_by_key(|record| record.seq);
    let more = after.len() > asked.limit;
    after.truncate(asked.limit);
    Json(RecordPage { store: script.store.clone(), scope: script.scope.clone(), records: after, more }).into_response()
}

async fn record(State(shared): State<Shared>, Path(call): Path<CallId>) -> Response {
    shared.note(format!("record {call}"));
    let script = shared.script.lock().unwrap();
    match script.records.iter().find(|record| record.id == call) {
        Some(record) => Json(record.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "not_found", "There is no such call."),
    }
}

/// As the exchange does it: whoever does not know the newest ones is told them.
async fn remarks(State(shared): State<Shared>, Path(call): Path<CallId>, Json(said): Json<SetRemarks>) -> Response {
    shared.note(format!("remarks {call} {} {:?}", said.base, said.note));
    let mut script = shared.script.lock().unwrap();
    let seq = script.records.iter().map(|r| r.seq).max().unwrap_or(0) + 1;
    let Some(record) = script.records.iter_mut().find(|record| record.id == call) else {
        return refuse(StatusCode::NOT_FOUND, "not_found", "There is no such call.");
    };
    let now = record.remarks.as_ref().map_or(0, |remarks| remarks.revision);
    if said.base != now {
        let error = ApiError { code: "conflict.remarks".into(), message: "Somebody was faster.".into() };
        let conflict = RemarksConflict { error, remarks: record.remarks.clone() };
        return (StatusCode::CONFLICT, Json(conflict)).into_response();
    }
    let by = user_ref("maya", "Maya Lindqvist");
    let SetRemarks { note, disposition, .. } = said;
    record.remarks = Some(Remarks { revision: now + 1, note, disposition, by, at: Timestamp(2_000) });
    record.seq = seq;
    Json(record.remarks.clone().unwrap()).into_response()
}

async fn voicemail(State(shared): State<Shared>, Path(call): Path<CallId>) -> Response {
    shared.note(format!("voicemail {call}"));
    shared.script.lock().unwrap().voicemail.clone().into_response()
}

async fn heard(State(shared): State<Shared>, Path(call): Path<CallId>) -> StatusCode {
    shared.note(format!("heard {call}"));
    StatusCode::OK
}

#[derive(Deserialize)]
struct Typed {
    number: Option<String>,
}

async fn targets(State(shared): State<Shared>, Path(call): Path<CallId>, Query(typed): Query<Typed>) -> Response {
    let number = typed.number.as_ref().map(|number| format!(" {number}"));
    shared.note(format!("targets {call}{}", number.unwrap_or_default()));
    let held = typed.number.is_some().then(|| Arc::clone(&shared.script.lock().unwrap().numbers_held));
    if let Some(held) = held {
        drop(held.lock().await);
    }
    let script = shared.script.lock().unwrap();
    let Some(row) = script.live.iter().find(|row| row.call.id == call) else {
        return refuse(StatusCode::NOT_FOUND, "not_found", "This call has ended.");
    };
    let (revision, right) = (row.call.revision, row.transfer_right.clone());
    let (consult, outside) = (script.consult.clone(), script.outside.clone());
    let targets = match typed.number {
        Some(number) => vec![outside_row(number)],
        None => script.targets.clone(),
    };
    Json(TransferTargets { call, revision, right, consult, outside, targets }).into_response()
}

pub fn outside_row(number: String) -> TransferTarget {
    TransferTarget {
        forecast_line: format!("dials {number} 20 s"),
        name: number.clone(),
        target: Target::Outside(number),
        extension: String::new(),
        departments: vec![],
        presence: None,
        ineligible: None,
        forecast: vec![],
        ways: vec![],
    }
}

async fn transfer(
    State(shared): State<Shared>,
    Path(call): Path<CallId>,
    Json(asked): Json<TransferRequest>,
) -> Response {
    shared.note(format!("transfer {call} {} {:?} {:?} {:?}", asked.revision, asked.kind, asked.target, asked.note));
    match shared.script.lock().unwrap().transfer.clone() {
        Ok(()) => (StatusCode::ACCEPTED, Json(TransferAccepted { transfer: "t1".into() })).into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(error)).into_response(),
    }
}

async fn step(State(shared): State<Shared>, Path((transfer, step)): Path<(String, String)>) -> Response {
    shared.note(format!("{step} {transfer}"));
    let held = Arc::clone(&shared.script.lock().unwrap().steps_held);
    let _let_go = held.lock().await;
    match shared.script.lock().unwrap().step.clone() {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(error)).into_response(),
    }
}

async fn presence(State(shared): State<Shared>, Json(asked): Json<protocol::SetPresence>) -> StatusCode {
    shared.note(format!("presence {:?}", asked.presence));
    StatusCode::NO_CONTENT
}

async fn feed(State(shared): State<Shared>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !shared.allowed(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in again.");
    }
    if !shared.script.lock().unwrap().feed_open {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "closed", "Closed for the test.");
    }
    upgrade.on_upgrade(|socket| serve_feed(shared, socket))
}

async fn serve_feed(shared: Shared, mut socket: WebSocket) {
    let mut frames = shared.feed.subscribe();
    shared.note("feed");
    if socket.send(Message::text(shared.snapshot())).await.is_err() {
        return;
    }
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => match frame { Ok(Some(frame)) => frame, Ok(None) | Err(_) => return },
            asked = socket.recv() => match asked {
                Some(Ok(Message::Text(text))) => {
                    assert_eq!(serde_json::from_str::<FeedRequest>(&text).unwrap(), FeedRequest::Snapshot);
                    shared.note("snapshot");
                    shared.snapshot()
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        if socket.send(Message::text(frame)).await.is_err() {
            return;
        }
    }
}

pub fn user(id: &str, name: &str) -> User {
    User {
        id: id.into(),
        name: name.into(),
        extension: "101".into(),
        role: Role::Manager,
        departments: vec!["support".into()],
        presence: Presence::Available,
        presence_since: Timestamp(1),
        devices: 1,
        on_call: false,
        disabled: false,
    }
}

pub fn user_ref(id: &str, name: &str) -> UserRef {
    UserRef { id: id.into(), name: name.into() }
}

pub fn party(name: &str, number: &str) -> Party {
    Party { name: name.into(), number: number.into() }
}

/// Priya talks with Mina.
pub fn row(id: &str, revision: u32) -> LiveRow {
    LiveRow {
        call: LiveCall {
            id: id.into(),
            revision,
            direction: Direction::Inbound,
            caller: party("Priya Nair", "+919812345678"),
            state: CallState::Talking { with: user_ref("mina", "Mina Shah") },
            state_since: Timestamp(500),
            agent: Some(user_ref("mina", "Mina Shah")),
            department: None,
            started_at: Timestamp(400),
            answered_at: Some(Timestamp(500)),
            transfer: None,
            bounces: vec![],
        },
        transfer_right: TransferRight::Allowed,
        undo_right: None,
        complete_right: None,
    }
}

pub fn finished(id: &str, seq: u64) -> CallRecord {
    CallRecord {
        id: id.into(),
        seq,
        direction: Direction::Inbound,
        caller: party("Priya Nair", "+919812345678"),
        dialled: "+442079460200".into(),
        department: None,
        agents: vec![user_ref("mina", "Mina Shah")],
        started_at: Timestamp(seq * 10),
        answered_at: None,
        ended_at: Timestamp(seq * 10 + 5),
        outcome: protocol::CallOutcome::Answered,
        ended_because: protocol::Reason::CallerGone,
        journey: vec![],
        audit: vec![],
        voicemail: None,
        remarks: None,
        quality: Vec::new(),
    }
}
