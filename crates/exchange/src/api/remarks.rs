//! What people put on a finished call, and that they have heard its message.

use axum::{Json, extract::State};
use protocol::{ApiError, CallId, CallRecord, Heard, MAX_REMARK_CHARS, Remarks, RemarksConflict, SetRemarks};
use switchboard::Amendment;

use super::{
    Api, check,
    extract::{Body, Caller, Named},
    refusal::{Answer, Refused},
};

/// Put a note and a disposition on a finished call, for all who may see it. `base` says which remarks you saw: if there
/// are others by now, nothing is changed and the answer holds them. Say the same again if an answer was lost: it is done
/// once.
#[utoipa::path(
    put, path = "/v1/calls/{call}/remarks", params(("call" = String, Path,)), request_body = SetRemarks,
    security(("token" = [])),
    responses(
        (status = 200, description = "They are on the disk", body = Remarks),
        (status = 400, description = "The body or the id is not what it should be, or there is no such disposition", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 404, description = "No such finished call, or not for you", body = ApiError),
        (status = 409, description = "Others were faster (`conflict.remarks`); with what there is now", body = RemarksConflict),
        (status = 413, description = "The body has more than 32 KiB", body = ApiError),
        (status = 503, description = "Done, but not on the disk yet (`unwritten`): send it again later", body = ApiError),
    )
)]
pub(super) async fn set_remarks(
    State(api): State<Api>,
    caller: Caller,
    Named(call): Named,
    Body(mut said): Body<SetRemarks>,
) -> Answer<Json<Remarks>> {
    said.note = said.note.trim().to_owned();
    check::lines("`note`", &said.note, MAX_REMARK_CHARS)?;
    if let Some(disposition) = &said.disposition {
        check::id("`disposition`", disposition.as_str())?;
    }
    let record = api.amend(CallId(call), Amendment::Remarks { by: caller.user, said }).await?;
    record.remarks.map(Json).ok_or_else(Refused::no_record)
}

/// Say that you have listened to the message of a call. Answers with who did first, and when: you, or somebody before.
#[utoipa::path(
    put, path = "/v1/voicemail/{call}/heard", params(("call" = String, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "Who heard it first; on the disk", body = Heard),
        (status = 400, description = "The id in the address is none", body = ApiError),
        (status = 401, description = "Not signed in", body = ApiError),
        (status = 404, description = "No message, or not for you", body = ApiError),
        (status = 503, description = "Done, but not on the disk yet (`unwritten`): send it again later", body = ApiError),
    )
)]
pub(super) async fn heard(State(api): State<Api>, caller: Caller, Named(call): Named) -> Answer<Json<Heard>> {
    let record = api.amend(CallId(call), Amendment::Heard { by: caller.user }).await?;
    record.voicemail.and_then(|v| v.heard).map(Json).ok_or_else(Refused::no_record)
}

impl Api {
    /// Changes a record and waits until that is on the disk: what is answered is not lost.
    async fn amend(&self, call: CallId, amendment: Amendment) -> Answer<CallRecord> {
        let record = self.0.brain.amend(call, amendment).await??;
        match self.0.store.has_written(record.id.clone(), record.seq).await {
            Ok(true) => Ok(record),
            Ok(false) => Err(Refused::unwritten()),
            Err(error) => {
                tracing::error!(%error, "whether a record was written is not known");
                Err(Refused::unwritten())
            }
        }
    }
}
