//! What handlers ask for: who asks, and a body that is what it should be.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
};
use protocol::{DeviceId, UserId};
use serde::de::DeserializeOwned;
use switchboard::Command;

use super::{
    Api, check,
    refusal::{Answer, Refused},
};
use crate::store::sessions;

/// The signed-in user who asks.
#[derive(Clone)]
pub(super) struct Caller {
    pub user: UserId,
    pub token: String,
    pub device: DeviceId,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
        let token = header.and_then(|h| h.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Our tokens have 64 characters; anything much longer is not worth hashing.
        let token = token.map(|(_, t)| t.trim().to_owned()).filter(|t| t.len() <= 256);
        api.caller(token.ok_or_else(Refused::unauthorized)?).await
    }
}

impl Api {
    /// Whose token this is, if the session still goes on and the user is still there and not disabled.
    pub(super) async fn caller(&self, token: String) -> Answer<Caller> {
        let now = self.0.brain.now();
        let asked = token.clone();
        let session = self.0.store.read(move |c| sessions::find(c, &asked, now)).await?;
        let session = session.ok_or_else(Refused::unauthorized)?;
        if !self.0.passwords.contains_key(&session.user) {
            self.shut_out(session.user, token).await?;
            return Err(Refused::unauthorized());
        }
        if session.touch {
            let token = token.clone();
            self.0.store.write(move |c| sessions::touch(c, &token, now)).await?;
        }
        Ok(Caller { user: session.user, token, device: session.device })
    }

    /// Ends the session of somebody who was disabled or removed. The trail has one line about it, however often they
    /// try.
    async fn shut_out(&self, user: UserId, token: String) -> Answer<()> {
        let ended = self.0.store.write(move |c| {
            sessions::end(c, &token)?;
            Ok(c.changes() > 0)
        });
        if ended.await? {
            let rule = if self.0.disabled.contains(&user) { "denied: disabled" } else { "denied: unknown_user" };
            self.0.brain.command(Command::SignedIn { user, accepted: false, rule: rule.to_owned() }).await?;
        }
        Ok(())
    }
}

/// A JSON body. A mistake in it is told with its place.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, api: &Api) -> Answer<Self> {
        let bytes = Bytes::from_request(request, api).await.map_err(|rejection: BytesRejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Refused::too_large()
            } else {
                Refused::bad_request("The request broke off. Send it again.")
            }
        })?;
        let body = serde_json::from_slice(&bytes);
        body.map(Self).map_err(|e| Refused::bad_request(format!("The body is not what it should be: {e}.")))
    }
}

/// What the path names: the id of a call or a transfer.
pub(super) struct Named(pub String);

impl FromRequestParts<Api> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        let Path(name) = path.map_err(|e| Refused::bad_request(format!("{}.", e.body_text())))?;
        check::id("the id in the address", &name)?;
        Ok(Self(name))
    }
}

/// The query string. A mistake in it is told.
pub(super) struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let query = Query::<T>::from_request_parts(parts, api).await;
        query.map(|Query(asked)| Self(asked)).map_err(|e| Refused::bad_request(format!("{}.", e.body_text())))
    }
}
