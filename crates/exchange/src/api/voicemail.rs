//! The messages that callers left.

use std::io::ErrorKind;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::RANGE},
    response::{IntoResponse, Response},
};
use protocol::{ApiError, CallId};
use tower_http::services::ServeFile;

use super::{
    Api,
    extract::{Caller, Named},
    refusal::{Answer, Refused},
};
use crate::store::voicemail;

/// The message that a caller left, as a WAV file; or a part of it, if asked for by `Range`.
#[utoipa::path(get, path = "/v1/voicemail/{call}", params(("call" = String, Path,)), security(("token" = [])), responses(
    (status = 200, description = "The sound", content_type = "audio/wav", body = Vec<u8>),
    (status = 206, description = "The range of it that was asked for", content_type = "audio/wav", body = Vec<u8>),
    (status = 400, description = "The id in the address is none", body = ApiError),
    (status = 401, description = "Not signed in", body = ApiError),
    (status = 404, description = "No message, or not for you", body = ApiError),
    (status = 416, description = "It has no such range", body = ApiError),
))]
pub(super) async fn voicemail(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
    headers: HeaderMap,
) -> Answer<Response> {
    let record = api.record(caller.user, CallId(call)).await?;
    let none = || Refused::not_found("Nobody left a message in this call.");
    let left = api.0.store.read(move |c| voicemail::find(c, &record.id)).await?.ok_or_else(none)?;
    let gone = |error| {
        tracing::error!(%error, file = left.file, "a voicemail cannot be read");
        Refused::not_found("The message's file is not there any more.")
    };
    // Only the range: a message never changes, and the other conditions have answers that say nothing.
    let mut part = Request::new(Body::empty());
    part.headers_mut().extend(headers.get(RANGE).map(|range| (RANGE, range.clone())));
    let answer = ServeFile::new(&left.file).try_call(part).await.map_err(gone)?;
    match answer.status() {
        StatusCode::NOT_FOUND => Err(gone(ErrorKind::NotFound.into())),
        StatusCode::RANGE_NOT_SATISFIABLE => Err(Refused::range()),
        _ => Ok(answer.into_response()),
    }
}
