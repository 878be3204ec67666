//! Live calls, finished calls, and moving a call.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use protocol::{
    ApiError, AuditAction, AuditOutcome, CallId, CallRecord, Denied, LiveRow, RecordPage, TransferAccepted, TransferId,
    TransferRequest, TransferRight, TransferTargets, UserId,
};
use serde::Deserialize;
use switchboard::Command;
use utoipa::IntoParams;

use super::{
    Api,
    extract::{Asked, Body, Caller, Named},
    refusal::{Answer, Refused},
};
use crate::{brain, store::records, store::voicemail};

/// The live calls that you may see, with what you may do to them.
#[utoipa::path(get, path = "/v1/live", security(("token" = [])), responses(
    (status = 200, description = "Live calls, oldest first", body = [LiveRow]),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn live(State(api): State<Api>, caller: Caller) -> Answer<Json<Vec<LiveRow>>> {
    Ok(Json(api.0.brain.look(move |s| brain::rows(s, &caller.user)).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// The `seq` of the last record you know; 0 for all.
    #[serde(default)]
    after: u64,
    /// 1 to 500.
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    100
}

/// Finished calls that you may see, after a cursor, oldest change first.
#[utoipa::path(get, path = "/v1/calls", params(Paging), security(("token" = [])), responses(
    (status = 200, description = "A page of records", body = RecordPage),
    (status = 400, description = "A parameter is not what it should be", body = ApiError),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn records(
    State(api): State<Api>,
    caller: Caller,
    Asked(Paging { after, limit }): Asked<Paging>,
) -> Answer<Json<RecordPage>> {
    if !(1..=500).contains(&limit) {
        return Err(Refused::bad_request(format!("limit is {limit}. Ask for 1 to 500 records.")));
    }
    let limit = limit as usize;
    // What a feed has told of is in the answer, even if it was told a moment ago.
    api.0.store.flush().await?;
    let (mut after, mut seen) = (after, Vec::new());
    // One more than asked for tells whether there are more.
    while seen.len() <= limit {
        let page = api.0.store.read(move |c| records::page(c, after, 500)).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(api.visible(caller.user.clone(), page).await?);
    }
    let more = seen.len() > limit;
    seen.truncate(limit);
    Ok(Json(RecordPage { store: api.0.store.id().to_owned(), records: seen, more }))
}

/// One finished call, with its journey and audit trail.
#[utoipa::path(get, path = "/v1/calls/{call}", params(("call" = String, Path,)), security(("token" = [])), responses(
    (status = 200, description = "The record", body = CallRecord),
    (status = 401, description = "Not signed in", body = ApiError),
    (status = 404, description = "No such finished call, or not for you", body = ApiError),
))]
pub(super) async fn record(State(api): State<Api>, caller: Caller, Named(call): Named) -> Answer<Json<CallRecord>> {
    api.record(caller.user, CallId(call)).await.map(Json)
}

/// To whom a live call can be moved, who can't take it and why, and what would happen after Go.
#[utoipa::path(
    get, path = "/v1/calls/{call}/transfer-targets", params(("call" = String, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "Users and departments", body = TransferTargets),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 404, description = "No such live call, or not for you", body = ApiError),
    )
)]
pub(super) async fn transfer_targets(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
) -> Answer<Json<TransferTargets>> {
    let (user, call) = (caller.user, CallId(call));
    let targets = api.0.brain.look(move |s| {
        let live = s.live_calls().into_iter().find(|c| c.id == call && s.may_see(&user, c))?;
        let targets = s.transfer_targets(&user, &call)?;
        let right: TransferRight = s.may_transfer(&user, &call).into();
        let not = |denied: Denied| TransferRight::from(Err(denied));
        let (consult, outside) = (not(Denied::NotOnCall), not(Denied::OutsideNotAllowed));
        Some(TransferTargets { call, revision: live.revision, right, consult, outside, targets })
    });
    let gone = || Refused::not_found("This call is not going on any more, or it is not yours to see.");
    targets.await?.map(Json).ok_or_else(gone)
}

/// A note longer than this does not fit a ring window, nor an INVITE over UDP.
const MAX_NOTE: usize = 500;

/// Move a live call. Accepted is not answered: what becomes of it comes over the feed.
#[utoipa::path(
    post, path = "/v1/calls/{call}/transfer", params(("call" = String, Path,)), request_body = TransferRequest,
    security(("token" = [])),
    responses(
        (status = 202, description = "Begun", body = TransferAccepted),
        (status = 400, description = "The body is not what it should be", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "You may not move this call (`denied.…`)", body = ApiError),
        (status = 404, description = "No such live call", body = ApiError),
        (status = 409, description = "Not now (`denied.…`), or not there (`ineligible.…`)", body = ApiError),
    )
)]
pub(super) async fn transfer(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
    Body(request): Body<TransferRequest>,
) -> Answer<(StatusCode, Json<TransferAccepted>)> {
    let TransferRequest { revision, target, kind, note } = request;
    let note = note.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    if note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE) {
        return Err(Refused::bad_request(format!("The note is too long. Use at most {MAX_NOTE} characters.")));
    }
    let command = Command::Transfer { by: caller.user, call: CallId(call), revision, target, kind, note };
    let answer = api.0.brain.command(command).await?.answer;
    let transfer = answer.unwrap_or(Err(switchboard::Refusal::UnknownCall))?;
    Ok((StatusCode::ACCEPTED, Json(TransferAccepted { transfer })))
}

/// While the target rings: take the transfer back. The caller goes back to whom they came from.
#[utoipa::path(
    post, path = "/v1/transfers/{transfer}/cancel", params(("transfer" = String, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "Accepted"),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "Not yours to take back", body = ApiError),
        (status = 409, description = "Too late", body = ApiError),
    )
)]
pub(super) async fn cancel_transfer(
    State(api): State<Api>,
    caller: Caller,
    Named(transfer): Named,
) -> Answer<StatusCode> {
    let command = Command::CancelTransfer { by: caller.user, transfer: TransferId(transfer) };
    let step = api.0.brain.command(command).await?;
    let refused =
        step.audit.iter().find(|e| e.action == AuditAction::CancelTransfer && e.outcome == AuditOutcome::Refused);
    refused.map_or(Ok(StatusCode::NO_CONTENT), |entry| Err(Refused::by_rule(&entry.rule)))
}

/// The message that a caller left, as a WAV file.
#[utoipa::path(get, path = "/v1/voicemail/{call}", params(("call" = String, Path,)), security(("token" = [])), responses(
    (status = 200, description = "The sound", content_type = "audio/wav", body = Vec<u8>),
    (status = 401, description = "Not signed in", body = ApiError),
    (status = 404, description = "No message, or not for you", body = ApiError),
))]
pub(super) async fn voicemail(State(api): State<Api>, caller: Caller, Named(call): Named) -> Answer<impl IntoResponse> {
    let record = api.record(caller.user, CallId(call)).await?;
    let none = || Refused::not_found("Nobody left a message in this call.");
    let left = api.0.store.read(move |c| voicemail::find(c, &record.id)).await?.ok_or_else(none)?;
    let sound = tokio::fs::read(&left.file).await.map_err(|error| {
        tracing::error!(%error, file = left.file, "a voicemail cannot be read");
        Refused::not_found("The message's file is not there any more.")
    })?;
    Ok(([(CONTENT_TYPE, "audio/wav")], sound))
}

impl Api {
    async fn visible(&self, user: UserId, records: Vec<CallRecord>) -> Answer<Vec<CallRecord>> {
        let visible = self.0.brain.look(move |s| records.into_iter().filter(|r| s.may_see_record(&user, r)).collect());
        Ok(visible.await?)
    }

    async fn record(&self, user: UserId, call: CallId) -> Answer<CallRecord> {
        self.0.store.flush().await?;
        let record = self.0.store.read(move |c| records::find(c, &call)).await?;
        let visible = self.visible(user, record.into_iter().collect()).await?;
        let none = "There is no finished call with this id that you may see. Calls that go on are in /v1/live.";
        visible.into_iter().next().ok_or_else(|| Refused::not_found(none))
    }
}
