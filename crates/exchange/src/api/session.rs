//! Signing in and out.

use std::{
    net::SocketAddr,
    sync::{MutexGuard, PoisonError},
};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::StatusCode,
};
use protocol::{ApiError, DeviceId, Session, SignIn, UserId};
use switchboard::Command;

use super::{
    Api, check,
    extract::{Body, Caller},
    limit::Attempts,
    refusal::{Answer, Refused},
};
use crate::{
    config::MAX_PASSWORD,
    store::{devices, sessions},
};

/// Sign in with user and password: a token for this API, and SIP credentials for this device.
#[utoipa::path(post, path = "/v1/session", request_body = SignIn, responses(
    (status = 200, description = "Signed in", body = Session),
    (status = 400, description = "The body is not what it should be", body = ApiError),
    (status = 401, description = "User or password is wrong", body = ApiError),
    (status = 413, description = "The body has more than 32 KiB", body = ApiError),
    (status = 429, description = "Too many attempts failed; Retry-After says how long to wait", body = ApiError),
))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    Body(sign_in): Body<SignIn>,
) -> Answer<Json<Session>> {
    let SignIn { user, password, device_name, device } = sign_in;
    check::filled("`user`", &user, check::MAX_NAME)?;
    check::text("`device_name`", &device_name, check::MAX_NAME)?;
    if password.len() > MAX_PASSWORD {
        return Err(Refused::bad_request(format!("`password` has more than {MAX_PASSWORD} bytes.")));
    }
    if let Some(device) = &device {
        check::id("`device`", device.as_str())?;
    }
    let brain = &api.0.brain;
    api.attempts().begin(source.ip(), &user, brain.now()).map_err(Refused::too_many)?;
    let user_id = UserId(user);
    if !api.password_matches(&user_id, password).await? {
        tracing::info!(source = %source.ip(), "a sign-in was refused");
        // Unknown names don't go to the trail: anyone could write into it.
        let disabled = api.0.disabled.contains(&user_id);
        if disabled || api.0.passwords.contains_key(&user_id) {
            let rule = if disabled { "denied: disabled" } else { "wrong password" }.to_owned();
            brain.command(Command::SignedIn { user: user_id, accepted: false, rule }).await?;
        }
        return Err(Refused::sign_in());
    }
    api.attempts().succeeded(source.ip(), user_id.as_str());
    let wanted = user_id.clone();
    let user = brain.look(move |s| s.users().into_iter().find(|u| u.id == wanted)).await?;
    let user = user.ok_or_else(Refused::sign_in)?;
    let session = api.begin_session(user, &device_name, device).await?;
    let rule = format!("password, device {}", session.sip.device);
    brain.command(Command::SignedIn { user: user_id, accepted: true, rule }).await?;
    Ok(Json(session))
}

/// Sign out. The token is worth nothing any more, and neither are the device's SIP credentials.
#[utoipa::path(delete, path = "/v1/session", security(("token" = [])), responses(
    (status = 204, description = "Signed out"),
    (status = 401, description = "Not signed in", body = ApiError),
))]
pub(super) async fn sign_out(State(api): State<Api>, caller: Caller) -> Answer<StatusCode> {
    let Caller { user, token, device } = caller;
    api.0.store.write(move |c| sessions::end(c, &token).and_then(|()| devices::sign_out(c, &device))).await?;
    api.0.brain.command(Command::SignedOut { user }).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as long for a user who does not exist.
    async fn password_matches(&self, user: &UserId, password: String) -> Answer<bool> {
        let known = self.0.passwords.get(user).cloned();
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.0.nobody.clone());
        let _permit = self.0.hashing.acquire().await.map_err(|_| crate::brain::Stopping)?;
        let matches = tokio::task::spawn_blocking(move || hash.matches(&password)).await;
        Ok(matches.map_err(|_| crate::brain::Stopping)? && exists)
    }

    async fn begin_session(&self, user: protocol::User, name: &str, again: Option<DeviceId>) -> Answer<Session> {
        let (now, name, token) = (self.0.brain.now(), name.to_owned(), sessions::random_token());
        let (id, given) = (user.id.clone(), token.clone());
        let credentials = self.0.store.write(move |c| {
            let change = c.transaction()?;
            let credentials = devices::issue(&change, &id, &name, again.as_ref(), now)?;
            sessions::begin(&change, &given, &id, &credentials.device, now)?;
            change.commit()?;
            Ok(credentials)
        });
        let sip = self.0.registrar.account(&user.id, credentials.await?);
        Ok(Session { token, user, account: self.0.account.clone(), sip })
    }
}
