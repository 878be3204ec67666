//! What the API says about itself.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{Api, calls, feed, people, refusal::Answer, remarks, session, transfers, voicemail};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Patchcord exchange",
        description = "See and move an account's calls. Every answer with status 4xx or 5xx is an `ApiError`: a code \
                       for machines (`bad_request`, `unauthorized`, `not_found`, `rate_limited`, `stopping`; \
                       `denied.` with a code of `Denied`; `ineligible.` with a code of `Ineligible`; \
                       `conflict.remarks`, with the present `remarks` beside it) and a sentence for people. 503 with \
                       `stopping`: the exchange is being stopped; with `unwritten`: it is done, but not on the disk \
                       yet. Times are milliseconds since the Unix epoch."
    ),
    paths(
        session::sign_in,
        session::sign_out,
        people::directory,
        people::set_presence,
        calls::live,
        calls::records,
        calls::record,
        remarks::set_remarks,
        remarks::heard,
        voicemail::voicemail,
        transfers::transfer_targets,
        transfers::transfer,
        transfers::cancel,
        transfers::complete,
        transfers::swap,
        feed::feed,
        openapi,
        health,
    ),
    components(schemas(protocol::FeedMessage, protocol::FeedRequest, protocol::Denied, protocol::Ineligible)),
    modifiers(&BearerToken),
)]
pub(super) struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

/// The exchange is there and answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Of this program.
    version: &'static str,
}

/// Whether the exchange answers; also when nobody is signed in.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn health(State(api): State<Api>) -> Answer<Json<Health>> {
    // Through the inbox and back: it is the switchboard's task that must be alive.
    api.0.brain.look(|_| ()).await?;
    Ok(Json(Health { version: env!("CARGO_PKG_VERSION") }))
}
