//! Colleagues and departments.

use axum::{Json, extract::State};
use protocol::{ApiError, Directory, SetPresence, User};
use switchboard::Command;

use super::{
    Api,
    extract::{Body, Caller},
    refusal::{Answer, Refused},
};
use crate::brain;

/// Everyone in the account, with presence, and every department.
#[utoipa::path(get, path = "/v1/directory", security(("token" = [])), responses(
    (status = 200, description = "Users and departments", body = Directory),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn directory(State(api): State<Api>, _caller: Caller) -> Answer<Json<Directory>> {
    Ok(Json(api.0.brain.look(brain::directory).await?))
}

/// Say of yourself that you are available, away, or not to be disturbed. Answers with you as colleagues now see you.
#[utoipa::path(put, path = "/v1/presence", request_body = SetPresence, security(("token" = [])), responses(
    (status = 200, description = "Done", body = User),
    (status = 400, description = "The body is not what it should be", body = ApiError),
    (status = 401, description = "Not signed in", body = ApiError),
    (status = 413, description = "The body has more than 32 KiB", body = ApiError),
))]
pub(super) async fn set_presence(
    State(api): State<Api>,
    caller: Caller,
    Body(SetPresence { presence }): Body<SetPresence>,
) -> Answer<Json<User>> {
    let user = caller.user.clone();
    api.0.brain.command(Command::SetPresence { by: user.clone(), presence }).await?;
    let me = api.0.brain.look(move |s| s.users().into_iter().find(|u| u.id == user)).await?;
    me.map(Json).ok_or_else(Refused::unauthorized)
}
