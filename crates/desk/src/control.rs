//! The control API, asked.

use std::sync::Arc;
use std::time::Duration;

use protocol::{
    ApiError, CallId, CallRecord, Presence, RecordPage, Remarks, RemarksConflict, Session, SetPresence, SetRemarks,
    SignIn, TransferAccepted, TransferId, TransferRequest, TransferTargets,
};
use reqwest::{Method, StatusCode};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Address;
use crate::certificate::{Doubt, Pin};

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
/// Records of 500 calls with long journeys stay well below this.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// Of a hostile error answer, this much is shown.
const MAX_MESSAGE_CHARS: usize = 400;

/// Why a request came to nothing. Each says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControlError {
    /// The exchange said no, and why.
    #[error("{message}")]
    Refused { status: u16, code: String, message: String },
    #[error("The exchange at {address} can't be reached ({why}). Check the address and your network.")]
    Unreachable { address: String, why: String },
    #[error("The exchange at {address} did not answer in time. Look whether it happened before you try again.")]
    NoAnswer { address: String },
    #[error("The exchange at {address} gave an answer that makes no sense ({why}). Check that the address is right.")]
    Nonsense { address: String, why: String },
    #[error("This exchange is not known yet. Compare its fingerprint: {fingerprint}.")]
    FirstContact { fingerprint: String },
    #[error(
        "{address} shows another certificate than the one you accepted, so nothing was sent to it: somebody may be \
         listening in. If whoever runs the exchange confirms the new fingerprint {fingerprint}, remove the line \
         \"{address}\" under \"certificates\" in settings.json of the app's data folder and sign in again."
    )]
    CertificateChanged { address: String, fingerprint: String },
}

impl ControlError {
    /// The sign-in is no longer good.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }

    /// There is no such thing, or it is not for this user.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// Why remarks were not taken.
#[derive(Debug)]
pub(crate) enum RemarksRefused {
    /// Somebody else was faster: what there is now.
    Conflict(Option<Remarks>),
    Other(ControlError),
}

/// Speaks to one exchange, as one signed-in user or as nobody yet.
#[derive(Clone)]
pub(crate) struct Control {
    address: Address,
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
    pin: Arc<Pin>,
    /// Bearer; empty before sign-in.
    token: Arc<str>,
}

impl Control {
    pub(crate) fn new(address: Address, accepted: Option<String>, token: &str) -> Result<Self, ControlError> {
        let nonsense = |why: String| ControlError::Nonsense { address: address.to_string(), why };
        let pin = Pin::new(accepted);
        let tls = pin.client().map_err(|error| nonsense(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls))
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(ANSWER_PATIENCE)
            // The token goes to the pinned exchange and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| nonsense(error.to_string()))?;
        Ok(Self { address, http, tls, pin, token: token.into() })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    pub(crate) async fn sign_in(&self, sign_in: &SignIn) -> Result<Session, ControlError> {
        self.ask(Method::POST, &["session"], Some(sign_in)).await
    }

    pub(crate) async fn sign_out(&self) -> Result<(), ControlError> {
        self.tell(Method::DELETE, &["session"], None::<&()>).await
    }

    pub(crate) async fn set_remarks(&self, call: &CallId, said: &SetRemarks) -> Result<Remarks, RemarksRefused> {
        let request = self.request(Method::PUT, &["calls", call.as_str(), "remarks"], Some(said));
        let (status, body) = self.answer(request).await.map_err(RemarksRefused::Other)?;
        if status.is_success() {
            return self.parse(&body).map_err(RemarksRefused::Other);
        }
        match serde_json::from_slice::<RemarksConflict>(&body) {
            Ok(conflict) if conflict.error.code == "conflict.remarks" => {
                Err(RemarksRefused::Conflict(conflict.remarks))
            }
            Ok(_) | Err(_) => Err(RemarksRefused::Other(refusal(status, &body))),
        }
    }

    /// The sound of a message, a WAV file.
    pub(crate) async fn voicemail(&self, call: &CallId) -> Result<Vec<u8>, ControlError> {
        self.send(self.request(Method::GET, &["voicemail", call.as_str()], None::<&()>)).await
    }

    pub(crate) async fn heard(&self, call: &CallId) -> Result<(), ControlError> {
        self.tell(Method::PUT, &["voicemail", call.as_str(), "heard"], None::<&()>).await
    }

    /// `GET /v1/calls?after&limit`
    pub(crate) async fn records(&self, after: u64, limit: u32) -> Result<RecordPage, ControlError> {
        let mut url = self.address.resource(&["calls"]);
        url.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("limit", &limit.to_string());
        let body = self.send(self.http.get(url)).await?;
        self.parse(&body)
    }

    pub(crate) async fn record(&self, call: &CallId) -> Result<CallRecord, ControlError> {
        self.ask(Method::GET, &["calls", call.as_str()], None::<&()>).await
    }

    pub(crate) async fn transfer_targets(&self, call: &CallId) -> Result<TransferTargets, ControlError> {
        self.ask(Method::GET, &["calls", call.as_str(), "transfer-targets"], None::<&()>).await
    }

    /// The targets' one row for an outside number.
    pub(crate) async fn transfer_number(&self, call: &CallId, number: &str) -> Result<TransferTargets, ControlError> {
        let mut url = self.address.resource(&["calls", call.as_str(), "transfer-targets"]);
        url.query_pairs_mut().append_pair("number", number);
        let body = self.send(self.http.get(url)).await?;
        self.parse(&body)
    }

    pub(crate) async fn transfer(
        &self,
        call: &CallId,
        request: &TransferRequest,
    ) -> Result<TransferAccepted, ControlError> {
        self.ask(Method::POST, &["calls", call.as_str(), "transfer"], Some(request)).await
    }

    /// A step of a transfer that goes on: `cancel`, `complete` or `swap`.
    pub(crate) async fn step_transfer(&self, transfer: &TransferId, step: &str) -> Result<(), ControlError> {
        self.tell(Method::POST, &["transfers", transfer.as_str(), step], None::<&()>).await
    }

    pub(crate) async fn set_presence(&self, presence: Presence) -> Result<(), ControlError> {
        self.tell(Method::PUT, &["presence"], Some(&SetPresence { presence })).await
    }

    /// Why the last handshake failed, if it was for the certificate.
    pub(crate) fn doubt(&self) -> Option<ControlError> {
        Some(match self.pin.doubt()? {
            Doubt::First { fingerprint } => ControlError::FirstContact { fingerprint },
            Doubt::Changed { fingerprint } => {
                ControlError::CertificateChanged { address: self.address.host_port(), fingerprint }
            }
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<T, ControlError> {
        let answer = self.send(self.request(method, path, body)).await?;
        self.parse(&answer)
    }

    /// For answers whose body says nothing.
    async fn tell(&self, method: Method, path: &[&str], body: Option<&impl Serialize>) -> Result<(), ControlError> {
        self.send(self.request(method, path, body)).await.map(drop)
    }

    fn request(&self, method: Method, path: &[&str], body: Option<&impl Serialize>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.address.resource(path));
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ControlError> {
        let (status, body) = self.answer(request).await?;
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), ControlError> {
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        let status = answer.status();
        Ok((status, self.read(answer).await?))
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, ControlError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let why = format!("more than {MAX_ANSWER} bytes");
                return Err(ControlError::Nonsense { address: self.address.to_string(), why });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ControlError> {
        serde_json::from_slice(body)
            .map_err(|error| ControlError::Nonsense { address: self.address.to_string(), why: error.to_string() })
    }

    fn failed(&self, error: &reqwest::Error) -> ControlError {
        let address = self.address.to_string();
        if let (true, Some(doubt)) = (error.is_connect(), self.doubt()) {
            return doubt;
        }
        if error.is_timeout() && !error.is_connect() {
            return ControlError::NoAnswer { address };
        }
        ControlError::Unreachable { address, why: root_cause(error) }
    }
}

/// The innermost error says what happened; the outer ones say that something did.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn refusal(status: StatusCode, body: &[u8]) -> ControlError {
    let (code, message) = match serde_json::from_slice::<ApiError>(body) {
        Ok(error) => (error.code, error.message.chars().take(MAX_MESSAGE_CHARS).collect()),
        Err(_) => {
            let message = format!("The exchange refused without a reason ({status}). Check that the address is right.");
            (String::new(), message)
        }
    };
    ControlError::Refused { status: status.as_u16(), code, message }
}
