//! The WebSocket: a snapshot, then numbered deltas.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use protocol::{ApiError, FeedMessage, FeedRequest};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{
    Api,
    extract::Caller,
    refusal::{Answer, Refused},
};
use crate::brain::{Feed, Told};

/// Both sides notice a dead link by this (see `FeedMessage::Alive`).
const ALIVE: Duration = Duration::from_secs(5);
/// A reader that takes nothing for this long is gone.
const STUCK: Duration = Duration::from_secs(15);
/// More requests than this between two `ALIVE`s come from a broken reader.
const MAX_REQUESTS: u32 = 50;
/// Our own close code: sign in again.
const SIGNED_OUT: u16 = 4401;

/// Everything you may see, as it changes: a WebSocket that carries `FeedMessage` down and `FeedRequest` up, as JSON.
#[utoipa::path(get, path = "/v1/feed", security(("token" = [])), responses(
    (status = 101, description = "A WebSocket", body = FeedMessage),
    (status = 400, description = "Not a WebSocket handshake", body = ApiError),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn feed(
    State(api): State<Api>,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|e| Refused::bad_request(format!("{}.", e.body_text())))?;
    let feed = api.0.brain.subscribe(caller.user.clone()).await?;
    // Nobody sends us more than a few words.
    let upgrade = upgrade.max_message_size(4 << 10).max_frame_size(4 << 10);
    Ok(upgrade.on_upgrade(|socket| Connection { api, caller, feed, socket, number: 0, requests: 0 }.run()))
}

struct Connection {
    api: Api,
    caller: Caller,
    feed: Feed,
    socket: WebSocket,
    /// Of the newest message sent.
    number: u32,
    requests: u32,
}

/// Why the connection ends, if we end it.
struct End(u16, &'static str);

impl Connection {
    async fn run(mut self) {
        if let Err(Some(End(code, reason))) = self.serve().await {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // The link may be dead already.
            let _ = timeout(STUCK, self.socket.send(close)).await;
        }
    }

    async fn serve(&mut self) -> Result<(), Option<End>> {
        let mut alive = interval_at(Instant::now() + ALIVE, ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = true;
        loop {
            tokio::select! {
                message = self.feed.messages.recv() => {
                    let message = message.ok_or(Some(End(close_code::AWAY, "The exchange is being stopped.")))?;
                    self.forward(message).await?;
                    quiet = false;
                }
                said = self.socket.recv() => {
                    // An error is the end of the link.
                    let said = said.and_then(Result::ok).ok_or(None)?;
                    self.heard(said).await?;
                }
                _ = alive.tick() => {
                    self.still_signed_in().await?;
                    if quiet {
                        let at = self.api.0.brain.now();
                        self.send(&FeedMessage::Alive { number: self.number, at }).await?;
                    }
                    (quiet, self.requests) = (true, 0);
                }
            }
            // Only now: with an empty queue the snapshot is sure to fit.
            if self.feed.messages.is_empty() && self.feed.behind.load(Ordering::SeqCst) {
                self.snapshot().await?;
            }
        }
    }

    async fn forward(&mut self, told: Told) -> Result<(), Option<End>> {
        match told {
            Told::Snapshot(snapshot) => {
                self.number = snapshot.number;
                self.send(&FeedMessage::Snapshot(*snapshot)).await
            }
            Told::Delta { number, json } => {
                self.number = number;
                self.send_text(json).await
            }
        }
    }

    async fn send(&mut self, message: &FeedMessage) -> Result<(), Option<End>> {
        let text =
            serde_json::to_string(message).map_err(|_| Some(End(close_code::ERROR, "A fault of the exchange.")))?;
        self.send_text(text).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), Option<End>> {
        let sent = timeout(STUCK, self.socket.send(Message::Text(text.into()))).await;
        sent.map_err(|_| None)?.map_err(|_| None)
    }

    async fn heard(&mut self, said: Message) -> Result<(), Option<End>> {
        self.requests += 1;
        if self.requests > MAX_REQUESTS {
            return Err(Some(End(close_code::POLICY, "Too many requests.")));
        }
        match said {
            Message::Text(text) => match serde_json::from_str::<FeedRequest>(&text) {
                Ok(FeedRequest::Snapshot) => self.snapshot().await,
                Err(_) => Err(Some(End(close_code::INVALID, "The message is no FeedRequest; see /v1/openapi.json."))),
            },
            Message::Binary(_) => Err(Some(End(close_code::UNSUPPORTED, "Send JSON as text."))),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(None),
        }
    }

    async fn snapshot(&mut self) -> Result<(), Option<End>> {
        let asked = self.api.0.brain.snapshot(self.feed.id).await;
        asked.map_err(|_| Some(End(close_code::AWAY, "The exchange is being stopped.")))
    }

    /// A token may have been given back, or its device revoked.
    async fn still_signed_in(&mut self) -> Result<(), Option<End>> {
        let caller = self.api.caller(self.caller.token.clone()).await;
        caller.map(drop).map_err(|_| Some(End(SIGNED_OUT, "You are not signed in any more. Sign in again.")))
    }
}
