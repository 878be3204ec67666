use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use protocol::{ApiError, Denied, Ineligible, Remarks, RemarksConflict};
use switchboard::{NotAmended, Refusal};

use crate::{brain::Stopping, brain::Unanswered, store::StoreError};

/// An answer that says no: a code for machines and a sentence for people.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: ApiError,
    retry_after: Option<u64>,
    /// What a [`RemarksConflict`] has beside the error.
    present: Option<Box<Remarks>>,
}

/// When to try again what could not be written.
const UNWRITTEN_SECONDS: u64 = 5;

pub(super) type Answer<T> = Result<T, Refused>;

impl Refused {
    fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            error: ApiError { code: code.into(), message: message.into() },
            retry_after: None,
            present: None,
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn too_large() -> Self {
        let message = "The request is too large. Send at most 32 KiB.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The same for an unknown user, a wrong password and a disabled user.
    pub fn sign_in() -> Self {
        let message = "User or password is wrong. Check both and try again.";
        Self::new(StatusCode::UNAUTHORIZED, "sign_in_failed", message)
    }

    pub fn unauthorized() -> Self {
        let message = "You are not signed in, or no longer. Sign in again.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// `seconds` until the next attempt has a chance.
    pub fn too_many(seconds: u64) -> Self {
        let message = format!("Too many sign-ins failed. Wait {seconds} seconds, then try again.");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message) }
    }

    pub fn too_slow() -> Self {
        let message = "The request did not come to its end in time. Send it again, at once and whole.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// No finished call, or not one for the reader.
    pub fn no_record() -> Self {
        Self::not_found("There is no finished call with this id that you may see. Calls that go on are in /v1/live.")
    }

    /// Done, but only in memory.
    pub fn unwritten() -> Self {
        let message = "The exchange can't write at the moment. It has this in memory and writes it as soon as it can; \
                       send it again later to be sure.";
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unwritten", message);
        Self { retry_after: Some(UNWRITTEN_SECONDS), ..refused }
    }

    /// Somebody else's remarks are there, or none.
    pub fn remarks(present: Option<Box<Remarks>>) -> Self {
        let message = match &present {
            Some(remarks) => format!(
                "{} has changed note or disposition meanwhile. Look at them, then say yours again.",
                remarks.by.name
            ),
            None => "There are no remarks on this call any more. Say yours again.".to_owned(),
        };
        Self { present, ..Self::new(StatusCode::CONFLICT, "conflict.remarks", message) }
    }

    pub fn range() -> Self {
        let message = "The message has no such bytes. Ask for a range inside of it, or for all of it.";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "no_such_range", message)
    }

    pub fn method() -> Self {
        let message = "This address does not take this method. See /v1/openapi.json.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    fn internal() -> Self {
        let message = "The exchange could not do this. Its log says why; tell your administrator.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    fn denied(denied: &Denied) -> Self {
        let status = match denied {
            Denied::OtherDepartment
            | Denied::NotYourCall
            | Denied::AgentsMayNotTransfer
            | Denied::Disabled
            | Denied::NotOnCall
            | Denied::OutsideNotAllowed
            | Denied::UnknownUser => StatusCode::FORBIDDEN,
            // It may work another time.
            Denied::NotAnsweredYet
            | Denied::AlreadyTransferring { .. }
            | Denied::Leaving
            | Denied::Ended
            | Denied::NotConsulting
            | Denied::NotConnectedYet
            | Denied::Settled { .. }
            | Denied::ComingBack
            | Denied::Stale { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, format!("denied.{}", code(denied)), denied.sentence())
    }

    fn ineligible(ineligible: &Ineligible) -> Self {
        let message = ineligible.sentence("This target");
        Self::new(StatusCode::CONFLICT, format!("ineligible.{}", code(ineligible)), message)
    }
}

/// The `code` that the reason has in JSON, so that there is one list of them.
fn code<T: serde::Serialize>(reason: &T) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value.get("code").and_then(|c| c.as_str()).unwrap_or("unknown").to_owned()
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(denied) => Self::denied(&denied),
            Refusal::Ineligible(ineligible) => Self::ineligible(&ineligible),
            Refusal::UnknownTransfer => Self::not_found("There is no such transfer."),
            Refusal::UnknownCall => Self::not_found("This call is not going on any more."),
        }
    }
}

impl From<NotAmended> for Refused {
    fn from(refusal: NotAmended) -> Self {
        match refusal {
            // Whoever may not see a call is not told that there is one.
            NotAmended::NoSuchCall | NotAmended::Denied(_) => Self::no_record(),
            NotAmended::NoVoicemail => Self::not_found("Nobody left a message in this call."),
            NotAmended::UnknownDisposition => {
                Self::bad_request("`disposition` is none of those in /v1/directory. Choose one of them, or none.")
            }
            NotAmended::Conflict(present) => Self::remarks(present),
        }
    }
}

impl From<Unanswered> for Refused {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Stopping(stopping) => stopping.into(),
            Unanswered::Unreadable => Self::internal(),
        }
    }
}

impl From<Stopping> for Refused {
    fn from(_: Stopping) -> Self {
        let message = "The exchange is being stopped. Try again when it is back.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed at the store");
        Self::internal()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // Without remarks its JSON is that of the error alone.
        let body = RemarksConflict { error: self.error, remarks: self.present.map(|remarks| *remarks) };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
