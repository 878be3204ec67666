//! Live calls and finished calls.

use axum::{Json, extract::State};
use protocol::{ApiError, CallId, CallRecord, LiveRow, RecordPage, UserId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api,
    extract::{Asked, Caller, Named},
    refusal::{Answer, Refused},
};
use crate::{brain, store::records};

/// The live calls that you may see, with what you may do to them.
#[utoipa::path(get, path = "/v1/live", security(("token" = [])), responses(
    (status = 200, description = "Live calls, oldest first", body = [LiveRow]),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn live(State(api): State<Api>, caller: Caller) -> Answer<Json<Vec<LiveRow>>> {
    Ok(Json(api.0.brain.look(move |s| brain::rows(s, &caller.user)).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
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
    let (limit, reader) = (limit as usize, caller.user.clone());
    let scope = api.0.brain.look(move |s| brain::scope(s, &reader)).await?;
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
    Ok(Json(RecordPage { store: api.0.store.id().to_owned(), scope, records: seen, more }))
}

/// One finished call, with its journey and audit trail.
#[utoipa::path(get, path = "/v1/calls/{call}", params(("call" = String, Path,)), security(("token" = [])), responses(
    (status = 200, description = "The record", body = CallRecord),
    (status = 400, description = "The id in the address is none", body = ApiError),
    (status = 401, description = "Not signed in", body = ApiError),
    (status = 404, description = "No such finished call, or not for you", body = ApiError),
))]
pub(super) async fn record(State(api): State<Api>, caller: Caller, Named(call): Named) -> Answer<Json<CallRecord>> {
    api.record(caller.user, CallId(call)).await.map(Json)
}

impl Api {
    async fn visible(&self, user: UserId, records: Vec<CallRecord>) -> Answer<Vec<CallRecord>> {
        let visible = self.0.brain.look(move |s| records.into_iter().filter(|r| s.may_see_record(&user, r)).collect());
        Ok(visible.await?)
    }

    /// A finished call's record, if `user` may see it.
    pub(super) async fn record(&self, user: UserId, call: CallId) -> Answer<CallRecord> {
        let record = self.0.store.record(call).await?;
        let visible = self.visible(user, record.into_iter().collect()).await?;
        visible.into_iter().next().ok_or_else(Refused::no_record)
    }
}
