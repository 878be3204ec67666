//! What a request that has come brings about.

use std::sync::atomic::Ordering;

use rsipstack::sip::Method;

use super::{Core, MAX_LEGS};
use crate::{
    Event, Flow, LegKey, RegisterKey,
    auth::Verdict,
    io::{RUN, random_tag},
    leg::{self, Leg},
    message::{Message, split_list},
    registrar, subscription,
};

impl Core {
    /// A new request, well formed.
    pub(super) fn request(&mut self, tx: u64, flow: Flow) {
        let Some((request, _)) = self.io.txs.pending(tx) else { return };
        let Some(method) = request.method() else { return };
        let request = request.clone();
        if method == Method::Cancel {
            return self.cancel(tx, &request);
        }
        // RFC 3891 section 3.
        if method != Method::Invite && request.get("Replaces").is_some() {
            return self.io.refuse(tx, 400);
        }
        let unsupported = request.unsupported().join(", ");
        // A BYE ends the call, whatever it requires besides.
        if !unsupported.is_empty() && method != Method::Bye {
            self.io.respond(tx, 420, &random_tag(), |mut m| {
                m.add("Unsupported", unsupported);
                m
            });
            return;
        }
        if !request.tag_of_to().is_empty() {
            return match self.dialog_of(&request) {
                Some(key) => {
                    if self.challenger.is_some() {
                        self.io.net.door.vouch(self.io.now, &flow);
                    }
                    let replaced = self.replaced_by(&request);
                    self.with_leg(key, |leg, io| leg.request(tx, method, (&request, replaced), io));
                }
                None if method == Method::Subscribe => self.subscribed_again(tx, flow, &request),
                None => match self.subscription_of(&request).filter(|_| method == Method::Notify) {
                    Some(key) => self.with_subscription(key, |s, io| s.notified(tx, &request, io)),
                    None => self.io.refuse(tx, 481),
                },
            };
        }
        match method {
            Method::Options => self.options(tx),
            Method::Invite => self.invite(tx, flow, &request),
            Method::Register => self.register(tx, flow, &request),
            Method::Bye | Method::Info | Method::Update | Method::PRack => self.io.refuse(tx, 481),
            Method::Notify => {
                let from_registrar = self.registrations.values().any(|r| r.is_from(flow.remote.ip()));
                subscription::unsolicited(tx, &request, from_registrar, &mut self.io);
            }
            Method::Refer => self.io.refuse(tx, 403),
            Method::Subscribe => self.subscribed(tx, flow, &request),
            Method::Ack | Method::Cancel | Method::Message | Method::Publish => {
                self.io.refuse(tx, 405);
            }
        }
    }

    fn options(&mut self, tx: u64) {
        let run = self.io.run.clone();
        self.io.respond(tx, 200, &random_tag(), |mut m| {
            m.add(RUN, run);
            m.add("Accept", "application/sdp");
            m
        });
    }

    fn cancel(&mut self, tx: u64, cancel: &Message) {
        let found = self.io.txs.cancelled_by(cancel);
        self.io.refuse(tx, if found.is_some() { 200 } else { 481 });
        if let Some((invite, Some(key))) = found {
            self.with_leg(key, |leg, io| leg.cancelled(invite, cancel.reason(), io));
        }
    }

    /// The digest user name if the request may pass; otherwise it has been answered.
    pub(super) fn authenticate(&mut self, tx: u64, flow: Flow, request: &Message) -> Option<String> {
        let Some(challenger) = &mut self.challenger else { return Some(String::new()) };
        let (now, door) = (self.io.now, self.io.net.door.clone());
        let verdict = challenger.judge(now, request, flow.remote, |user| door.may_try(now, &flow, user));
        let stale = match verdict {
            Verdict::Passed(user) => {
                door.vouch(now, &flow);
                return Some(user);
            }
            Verdict::Barred => {
                self.io.refuse(tx, 403);
                return None;
            }
            Verdict::Wrong(user) => {
                door.wrong_password(now, &flow, &user);
                false
            }
            Verdict::Challenge { stale } => stale,
        };
        let values = challenger.challenges(now, stale, request.get("User-Agent").unwrap_or_default());
        self.io.respond(tx, 401, &random_tag(), |mut m| {
            for value in values {
                m.add("WWW-Authenticate", value);
            }
            m
        });
        None
    }

    /// Whether this user has as many calls here as one may have.
    fn calls_too_often(&self, user: &str) -> bool {
        !user.is_empty() && self.callers.values().filter(|caller| *caller == user).count() >= self.limits.calls
    }

    fn invite(&mut self, tx: u64, flow: Flow, request: &Message) {
        if self.closing.is_some() || self.legs.len() >= MAX_LEGS {
            return self.io.refuse_for_now(tx, 503);
        }
        let Some(user) = self.authenticate(tx, flow, request) else { return };
        if self.calls_too_often(&user) {
            tracing::info!(?user, calls = self.limits.calls, "has as many calls as one may have: another is refused");
            return self.io.refuse_for_now(tx, 480);
        }
        if let Some(status) = unacceptable(request) {
            return self.io.refuse(tx, status);
        }
        let replaces = match self.takes_over(request, &flow) {
            Ok(replaces) => replaces,
            Err(status) => return self.io.refuse(tx, status),
        };
        if leg::refuses_as_too_brief(tx, request, &mut self.io) {
            return;
        }
        let key = LegKey(self.keys.fetch_add(1, Ordering::Relaxed));
        let user = (!user.is_empty()).then_some(user);
        let caller = user.clone();
        if let Some(leg) = Leg::arrive(key, tx, flow, request, (user, replaces), &mut self.io) {
            self.io.txs.made(tx, key);
            caller.map(|caller| self.callers.insert(key, caller));
            self.dialogs.insert(leg.dialog(), key);
            self.legs.insert(key, leg);
        }
    }

    fn register(&mut self, tx: u64, flow: Flow, request: &Message) {
        if self.closing.is_some() {
            return self.io.refuse(tx, 503);
        }
        let Some(user) = self.authenticate(tx, flow, request) else { return };
        let key = RegisterKey(self.keys.fetch_add(1, Ordering::Relaxed));
        match registrar::read(key, request, user, flow) {
            Ok(register) => {
                self.registers.insert(key, tx);
                let _ = self.io.events.send(Event::Register(Box::new(register)));
            }
            Err(status) => self.io.refuse(tx, status),
        }
    }
}

/// An INVITE whose body or whose wish for one nobody here understands (RFC 3261 sections 8.2.3 and 21.4.7).
fn unacceptable(invite: &Message) -> Option<u16> {
    let foreign_body = !invite.body.trim().is_empty() && invite.sdp().is_none();
    let types: Vec<&str> = invite.all("Accept").flat_map(split_list).collect();
    let takes_sdp = |t: &&str| {
        let kind = t.split(';').next().unwrap_or_default().trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|ours| kind.eq_ignore_ascii_case(ours))
    };
    if foreign_body { Some(415) } else { (!types.is_empty() && !types.iter().any(takes_sdp)).then_some(406) }
}
