//! Moving a live call: to whom, Go, and the steps of a transfer that goes on. Every answer is the switchboard's own.

use axum::{Json, extract::State, http::StatusCode};
use protocol::{ApiError, CallId, Target, TransferAccepted, TransferId, TransferRequest, TransferTargets, UserId};
use serde::Deserialize;
use switchboard::{Command, Refusal, Rights, TargetList};
use utoipa::IntoParams;

use super::{
    Api, check,
    extract::{Asked, Body, Caller, Named},
    refusal::{Answer, Refused},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Typed {
    /// Answers with the one row of this outside number, as a person writes it, instead of users and departments.
    number: Option<String>,
}

/// Calls wait while rows are worked out; these take less than a millisecond.
const ROWS_AT_ONCE: usize = 64;

/// To whom a live call can be moved, who can't take it and why, and what each way of moving it would do.
#[utoipa::path(
    get, path = "/v1/calls/{call}/transfer-targets", params(("call" = String, Path,), Typed),
    security(("token" = [])),
    responses(
        (status = 200, description = "Users and departments, or the number", body = TransferTargets),
        (status = 400, description = "The id in the address or the number is not what it should be", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 404, description = "No such live call, or not for you", body = ApiError),
    )
)]
pub(super) async fn transfer_targets(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
    Asked(Typed { number }): Asked<Typed>,
) -> Answer<Json<TransferTargets>> {
    if let Some(number) = &number {
        check::filled("`number`", number, check::MAX_NAME)?;
    }
    let (user, call) = (caller.user, CallId(call));
    let gone = || Refused::not_found("This call is not going on any more, or it is not yours to see.");
    let mut answer = api.right_to_move(user.clone(), call.clone()).await?.ok_or_else(gone)?;
    if let Some(number) = number {
        let target = api.0.brain.look(move |s| s.transfer_target(&user, &call, &Target::Outside(number)));
        answer.targets.push(target.await?.ok_or_else(gone)?);
        return Ok(Json(answer));
    }
    let mut list = TargetList::default();
    loop {
        let (user, call) = (user.clone(), call.clone());
        let page = api.0.brain.look(move |s| (s.transfer_targets(&user, &call, &mut list, ROWS_AT_ONCE), list));
        let page = page.await?;
        list = page.1;
        match page.0.ok_or_else(gone)? {
            rows if rows.is_empty() => return Ok(Json(answer)),
            rows => answer.targets.extend(rows),
        }
    }
}

/// Move a live call: at once (`blind`), after speaking with the target (`consult`), or to the target's mailbox
/// (`voicemail`). Accepted is not answered: what becomes of it comes over the feed.
#[utoipa::path(
    post, path = "/v1/calls/{call}/transfer", params(("call" = String, Path,)), request_body = TransferRequest,
    security(("token" = [])),
    responses(
        (status = 202, description = "Begun", body = TransferAccepted),
        (status = 400, description = "The body or the id is not what it should be", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "You may not move this call, or not this way (`denied.…`)", body = ApiError),
        (status = 404, description = "No such live call", body = ApiError),
        (status = 409, description = "Not now (`denied.…`), or not there (`ineligible.…`)", body = ApiError),
        (status = 413, description = "The body has more than 32 KiB", body = ApiError),
    )
)]
pub(super) async fn transfer(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
    Body(request): Body<TransferRequest>,
) -> Answer<(StatusCode, Json<TransferAccepted>)> {
    let TransferRequest { revision, target, kind, note } = request;
    let named = match &target {
        Target::User(user) => user.as_str(),
        Target::Department(department) => department.as_str(),
        Target::Outside(number) => number,
    };
    check::filled("`target.id`", named, check::MAX_NAME)?;
    let note = note.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    if let Some(note) = &note {
        check::text("`note`", note, protocol::MAX_NOTE_CHARS)?;
    }
    let command = Command::Transfer { by: caller.user, call: CallId(call), revision, target, kind, note };
    let answer = api.0.brain.command(command).await?.answer;
    let transfer = answer.unwrap_or(Err(Refusal::UnknownCall))?;
    Ok((StatusCode::ACCEPTED, Json(TransferAccepted { transfer })))
}

/// Take a transfer back while the target rings, or end a consultation: the caller goes back to whom they came from.
#[utoipa::path(
    post, path = "/v1/transfers/{transfer}/cancel", params(("transfer" = String, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "The caller is back, or on the way back"),
        (status = 400, description = "The id in the address is none", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "Not yours to take back (`denied.…`)", body = ApiError),
        (status = 404, description = "No such transfer", body = ApiError),
        (status = 409, description = "Too late: `denied.settled`, `denied.coming_back`", body = ApiError),
    )
)]
pub(super) async fn cancel(State(api): State<Api>, caller: Caller, Named(id): Named) -> Answer<StatusCode> {
    api.step(Command::CancelTransfer { by: caller.user, transfer: TransferId(id) }).await
}

/// Let a consultation become a transfer: the caller speaks with the target, or hears it ring on.
#[utoipa::path(
    post, path = "/v1/transfers/{transfer}/complete", params(("transfer" = String, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "Done"),
        (status = 400, description = "The id in the address is none", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "Not your consultation (`denied.…`)", body = ApiError),
        (status = 404, description = "No such transfer", body = ApiError),
        (status = 409, description = "Nobody is being consulted: `denied.not_consulting`", body = ApiError),
    )
)]
pub(super) async fn complete(State(api): State<Api>, caller: Caller, Named(id): Named) -> Answer<StatusCode> {
    api.step(Command::CompleteTransfer { by: caller.user, transfer: TransferId(id) }).await
}

/// In a consultation, speak with the other one of caller and target; who is not spoken with hears music.
#[utoipa::path(
    post, path = "/v1/transfers/{transfer}/swap", params(("transfer" = String, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "Done"),
        (status = 400, description = "The id in the address is none", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 403, description = "Not your consultation (`denied.…`)", body = ApiError),
        (status = 404, description = "No such transfer", body = ApiError),
        (status = 409, description = "Not now: `denied.not_consulting`, `denied.not_connected_yet`", body = ApiError),
    )
)]
pub(super) async fn swap(State(api): State<Api>, caller: Caller, Named(id): Named) -> Answer<StatusCode> {
    api.step(Command::SwapTransfer { by: caller.user, transfer: TransferId(id) }).await
}

impl Api {
    /// What `user` may do with the call, with no targets yet.
    async fn right_to_move(&self, user: UserId, call: CallId) -> Answer<Option<TransferTargets>> {
        let right = self.0.brain.look(move |s| {
            let live = s.live_calls().find(|c| c.id == call && s.may_see(&user, c))?;
            let Rights { transfer, consult, outside, .. } = s.rights(&user, &call);
            let (right, consult, outside) = (transfer.into(), consult.into(), outside.into());
            Some(TransferTargets { call, revision: live.revision, right, consult, outside, targets: Vec::new() })
        });
        Ok(right.await?)
    }

    async fn step(&self, command: Command) -> Answer<StatusCode> {
        let answer = self.0.brain.command(command).await?.step_answer;
        answer.unwrap_or(Err(Refusal::UnknownTransfer))?;
        Ok(StatusCode::NO_CONTENT)
    }
}
