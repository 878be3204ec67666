//! The control API: REST under `/v1`, one WebSocket, JSON both ways. Every answer with status 4xx or 5xx is an
//! [`protocol::ApiError`]. Nobody is shown more than `switchboard` lets them see.

mod calls;
mod check;
mod counted;
mod document;
mod extract;
mod feed;
mod limit;
mod people;
mod refusal;
mod remarks;
mod session;
mod transfers;
mod voicemail;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post, put},
};
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use protocol::{MAX_REMARK_CHARS, SipAccount, UserId};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    brain::Brain,
    config::{PasswordHash, Tls, hash_password, random_password},
    store::{Store, devices::Credentials},
};
use counted::Counted;
use limit::Attempts;
use refusal::Refused;

/// What every request may need; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    brain: Brain,
    store: Store,
    account: String,
    /// Of the users who are not disabled.
    passwords: BTreeMap<UserId, PasswordHash>,
    disabled: BTreeSet<UserId>,
    /// Checked when there is no such user, so that the answer takes as long as if there were one.
    nobody: PasswordHash,
    registrar: Registrar,
    attempts: Mutex<Attempts>,
    /// Hashing takes 19 MiB and a whole core for a while: a few at once, and calls still go through.
    hashing: Semaphore,
}

/// Where phones register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    /// `sip:host:port`, with `;transport=tcp` if not UDP.
    pub uri: String,
    pub realm: String,
}

impl Registrar {
    /// What a device needs to register.
    #[must_use]
    pub fn account(&self, user: &UserId, credentials: Credentials) -> SipAccount {
        SipAccount {
            registrar: self.uri.clone(),
            user: user.0.clone(),
            auth_user: credentials.device.0.clone(),
            device: credentials.device,
            password: credentials.secret,
            realm: self.realm.clone(),
        }
    }
}

impl Api {
    /// Hashes once: not for an async thread that others wait for.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(
        brain: Brain,
        store: Store,
        account: &switchboard::Account,
        mut passwords: BTreeMap<UserId, PasswordHash>,
        registrar: Registrar,
    ) -> io::Result<Self> {
        let disabled: BTreeSet<_> = account.users.iter().filter(|u| u.disabled).map(|u| u.id.clone()).collect();
        passwords.retain(|id, _| !disabled.contains(id));
        let nobody = PasswordHash::parse(&hash_password(&random_password())?).map_err(io::Error::other)?;
        Ok(Self(Arc::new(Shared {
            brain,
            store,
            account: account.name.clone(),
            passwords,
            disabled,
            nobody,
            registrar,
            attempts: Mutex::new(Attempts::default()),
            hashing: Semaphore::new(2),
        })))
    }
}

/// Every route. The OpenAPI document has the same paths; a test compares.
fn routes() -> [(&'static str, MethodRouter<Api>); 17] {
    [
        ("/v1/session", post(session::sign_in).delete(session::sign_out)),
        ("/v1/directory", get(people::directory)),
        ("/v1/presence", put(people::set_presence)),
        ("/v1/live", get(calls::live)),
        ("/v1/calls", get(calls::records)),
        ("/v1/calls/{call}", get(calls::record)),
        ("/v1/calls/{call}/remarks", put(remarks::set_remarks)),
        ("/v1/calls/{call}/transfer-targets", get(transfers::transfer_targets)),
        ("/v1/calls/{call}/transfer", post(transfers::transfer)),
        ("/v1/transfers/{transfer}/cancel", post(transfers::cancel)),
        ("/v1/transfers/{transfer}/complete", post(transfers::complete)),
        ("/v1/transfers/{transfer}/swap", post(transfers::swap)),
        ("/v1/voicemail/{call}", get(voicemail::voicemail)),
        ("/v1/voicemail/{call}/heard", put(remarks::heard)),
        ("/v1/feed", get(feed::feed)),
        ("/v1/openapi.json", get(document::openapi)),
        ("/v1/health", get(document::health)),
    ]
}

/// A peer that opens a connection and says nothing does not keep it …
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// … nor does one whose next request does not come, or comes byte by byte …
const IDLE: Duration = Duration::from_secs(60);
/// … nor one that does not finish the body of a request.
const REQUEST: Duration = Duration::from_secs(30);
/// No request of ours is larger. The longest is a note of characters that some program writes as `\ud83d\ude00`, 12 bytes each.
const MAX_BODY: usize = 32 << 10;
const _: () = assert!(12 * MAX_REMARK_CHARS < MAX_BODY);

fn router(api: Api) -> Router {
    let routed = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    routed
        .fallback(async || Refused::not_found("There is nothing at this address. See /v1/openapi.json."))
        .method_not_allowed_fallback(async || Refused::method())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .with_state(api)
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| Refused::too_slow().into_response())
}

/// A running API.
pub struct Serving {
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Serving {
    /// Starts answering on `listener`; so many `connections` at once from each address.
    ///
    /// # Errors
    /// The listener can't be used.
    pub fn start(api: Api, listener: TcpListener, tls: Option<&Tls>, connections: usize) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let handle = Handle::new();
        let service = router(api).into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone()).first_request_timeout(FIRST_REQUEST);
        server.http_builder().http1().header_read_timeout(IDLE);
        let counted = Counted::new(connections);
        let task = match tls {
            Some(tls) => {
                let tls = RustlsAcceptor::new(RustlsConfig::from_config(tls.config.clone())).acceptor(counted);
                tokio::spawn(server.acceptor(tls).serve(service))
            }
            None => tokio::spawn(server.acceptor(counted).serve(service)),
        };
        Ok(Self { address, handle, task })
    }

    /// Takes no more requests, lets those that are being answered finish (for a second at most), and returns.
    pub async fn stop(self) {
        self.handle.graceful_shutdown(Some(Duration::from_secs(1)));
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the API ended"),
            Err(error) => tracing::error!(%error, "the API failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi;

    #[test]
    fn the_document_has_every_route() {
        let paths = super::document::Document::openapi().paths.paths;
        let mut documented: Vec<_> = paths.keys().map(String::as_str).collect();
        let mut routed = super::routes().map(|(path, _)| path);
        documented.sort_unstable();
        routed.sort_unstable();
        assert_eq!(documented, routed);
    }
}
