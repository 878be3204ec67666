//! What comes from the far ends: calls, and what becomes of legs.

use protocol::{LegId, Party, Reason};
use sip::sdp::{self, Session};
use sip::{EndCause, Incoming, LegEvent, Replaced};
use switchboard::{EngineEvent, Origin, Replaces};

use super::core::{Core, Leg, Stage};
use super::reasons::{self, Side};
use super::{card, terms};

impl Core {
    pub fn incoming(&mut self, call: &Incoming) {
        let Some((origin, caller, dialled)) = self.origin(call) else {
            self.endpoint.refuse(call.leg, 403, None);
            return;
        };
        let secure = call.source.transport == sip::Transport::Tls;
        let offer = match call.sdp.as_deref().map(|text| self.usable(text, secure)) {
            None => None,
            Some(Ok(offer)) => Some(offer),
            Some(Err(e)) => {
                tracing::info!(source = %call.source.remote, "call refused: {e}");
                self.endpoint.refuse(call.leg, 488, None);
                return;
            }
        };
        let leg = self.next_arrival();
        let of_device = matches!(origin, Origin::Device { .. });
        let arrived = Leg::new(call.leg, Side::Caller, Stage::Arrived { offer }, call.source.remote);
        self.add(leg, Leg { of_device, secure, ..arrived });
        self.report(EngineEvent::Arrived { leg, origin, caller, dialled });
    }

    /// Who calls, and whom. `None`: nobody that we know.
    fn origin(&self, call: &Incoming) -> Option<(Origin, Party, String)> {
        let dialled = call.request_uri.user();
        if let Some(device) = call.authenticated_as.as_deref() {
            let (user, _) = self.secrets.secret(device)?;
            // The digest says who it is; only the display name is the device's to choose.
            let name = call.from.display.clone().unwrap_or_default();
            let caller = Party { name, number: user.0.clone() };
            return Some((Origin::Device { user, device: device.into() }, caller, dialled.to_owned()));
        }
        let trunk = self.trunk.as_ref().filter(|t| t.trusts(call.source.remote))?;
        Some((Origin::Trunk, card::caller(&call.from, &call.headers), trunk.dialled(dialled).to_owned()))
    }

    /// Reads an offer and makes sure that it could be answered.
    fn usable(&self, text: &str, secure: bool) -> Result<Session, sdp::SdpError> {
        let offer = Session::parse(text)?;
        let nowhere = (self.config.rtp_bind, 9).into();
        sdp::answer(&offer, &terms::local(&self.config.codecs, nowhere, secure))?;
        Ok(offer)
    }

    pub fn leg_event(&mut self, id: LegId, event: LegEvent) {
        match event {
            // Who a trunk says has answered is not shown: the switchboard knows whom it called.
            LegEvent::Trying | LegEvent::ReferProgress { .. } | LegEvent::Identity { .. } => {}
            // The sound of an unanswered leg is not bridged: the switchboard decides what a caller hears.
            LegEvent::Ringing | LegEvent::EarlyMedia { .. } => self.ringing(id),
            LegEvent::Answered { sdp } => self.answered(id, &sdp),
            LegEvent::Confirmed { sdp } => self.confirmed(id, sdp.as_deref()),
            LegEvent::Offer { sdp } => self.offered(id, &sdp),
            LegEvent::OfferAnswered { sdp } => self.lives(id, &sdp),
            LegEvent::OfferFailed { status } => self.offer_failed(id, status),
            LegEvent::Refer { to, referred_by: _, replaces } => self.referred(id, to.uri.user(), replaces.as_ref()),
            LegEvent::Dtmf { digit } => self.digit(id, digit),
            LegEvent::Ended { cause } => self.far_end_gone(id, &cause),
        }
    }

    fn ringing(&mut self, id: LegId) {
        if let Some(Leg { stage: Stage::Calling { rang }, .. }) = self.legs.get_mut(&id)
            && !std::mem::replace(rang, true)
        {
            self.report(EngineEvent::Ringing { leg: id });
        }
    }

    fn answered(&mut self, id: LegId, sdp: &str) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match leg.stage {
            Stage::Calling { .. } => match accept(leg, sdp) {
                Ok(_) => {
                    leg.stage = Stage::Up;
                    self.report(EngineEvent::Answered { leg: id });
                }
                Err(detail) => self.give_up(id, detail),
            },
            // The 200 crossed our CANCEL.
            Stage::Ending { reason } => self.endpoint.hang_up(leg.key, reasons::header(reason)),
            Stage::Arrived { .. } | Stage::Answering | Stage::Up => {}
        }
    }

    fn confirmed(&mut self, id: LegId, sdp: Option<&str>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        // The answer to an offer of ours that went out in a 200.
        if let Some(sdp) = sdp
            && let Err(detail) = accept(leg, sdp)
        {
            return self.give_up(id, detail);
        }
        match leg.stage {
            Stage::Answering => {
                leg.stage = Stage::Up;
                self.report(EngineEvent::Answered { leg: id });
            }
            Stage::Arrived { .. } | Stage::Calling { .. } | Stage::Up | Stage::Ending { .. } => {}
        }
    }

    /// The far end's SDP can't be used.
    fn give_up(&mut self, id: LegId, detail: String) {
        self.failed(id, detail, true);
        self.hang_up(id, Reason::Failed);
    }

    /// A re-INVITE: hold, resume, another address or codec. The sound goes on.
    fn offered(&mut self, id: LegId, sdp: &str) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match renegotiate(leg, sdp) {
            Ok(answer) => {
                leg.said.clone_from(&answer.sdp);
                self.endpoint.answer_offer(leg.key, Ok(answer.sdp));
                self.held(id, answer.held);
            }
            Err(detail) => {
                tracing::info!(leg = %id, "offer refused, the call goes on as it was: {detail}");
                self.endpoint.answer_offer(leg.key, Err(488));
            }
        }
    }

    /// Reports a hold that begins or ends.
    pub fn held(&mut self, id: LegId, held: bool) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if std::mem::replace(&mut leg.held, held) != held {
            self.report(EngineEvent::Held { leg: id, held });
        }
    }

    fn referred(&mut self, id: LegId, to: &str, replaces: Option<&Replaced>) {
        let replaces = match replaces.map(|r| r.leg.and_then(|key| self.leg_of(key))) {
            None => Replaces::Nothing,
            Some(Some(other)) => Replaces::Leg(other),
            Some(None) => Replaces::Gone,
        };
        match self.legs.get_mut(&id) {
            Some(leg) if matches!(leg.stage, Stage::Up) && (!to.is_empty() || replaces != Replaces::Nothing) => {
                leg.refers_to_nothing = replaces == Replaces::Gone;
                self.report(EngineEvent::ReferRequested { leg: id, to: to.to_owned(), replaces });
            }
            Some(leg) => self.endpoint.accept_refer(leg.key, false),
            None => {}
        }
    }

    /// A digit by INFO goes on as an RFC 4733 event.
    fn digit(&self, id: LegId, digit: char) {
        let Some(leg) = self.legs.get(&id) else { return };
        if let Some(line) = &leg.line {
            line.key(digit);
        }
        self.report(EngineEvent::Digit { leg: id, digit });
    }

    fn far_end_gone(&mut self, id: LegId, cause: &EndCause) {
        let Some(leg) = self.legs.get(&id) else { return };
        let reason = match leg.stage {
            Stage::Ending { reason } => reason,
            Stage::Calling { rang } => {
                // An outside number that is answered by another number is not followed: it would be dialled on our bill.
                let to = cause.diverted_to.as_ref().filter(|_| leg.side == Side::Colleague).map(|to| to.uri.user());
                if let Some(to) = to.filter(|to| !to.is_empty()) {
                    return self.over(id, EngineEvent::Diverted { leg: id, to: to.to_owned() });
                }
                reasons::unanswered(cause, rang)
            }
            Stage::Arrived { .. } | Stage::Answering | Stage::Up => reasons::gone(cause, leg.side),
        };
        self.ended(id, reason);
    }
}

struct Renegotiated {
    sdp: String,
    held: bool,
}

fn renegotiate(leg: &mut Leg, text: &str) -> Result<Renegotiated, String> {
    let (Some(line), Some(local)) = (&leg.line, &mut leg.local) else { return Err("the leg has no sound yet".into()) };
    let mut next = local.clone();
    next.version += 1;
    if text.trim().is_empty() {
        // No offer: ours goes into the 200, theirs comes in the ACK.
        *local = next;
        return Ok(Renegotiated { sdp: sdp::offer(local), held: leg.held });
    }
    let offer = Session::parse(text).map_err(|e| e.to_string())?;
    let (answer, negotiated) = sdp::answer_anew(&offer, &mut next, &mut leg.their_key).map_err(|e| e.to_string())?;
    let terms =
        terms::terms(&negotiated, None, leg.remote.ip()).ok_or_else(|| sdp::SdpError::NoCommonCodec.to_string())?;
    let held = terms.remote.is_none();
    line.agree(terms).map_err(|e| e.to_string())?;
    *local = next;
    Ok(Renegotiated { sdp: answer, held })
}

/// Takes the answer to our offer over, and says whether it holds us.
pub fn accept(leg: &mut Leg, text: &str) -> Result<bool, String> {
    let (Some(line), Some(local)) = (&leg.line, &leg.local) else { return Err("an answer to no offer".into()) };
    let answer = Session::parse(text).map_err(|e| e.to_string())?;
    let negotiated = sdp::accept_answer(local, &answer).map_err(|e| e.to_string())?;
    let terms = terms::terms(&negotiated, Some(local), leg.remote.ip())
        .ok_or_else(|| sdp::SdpError::NoCommonCodec.to_string())?;
    let held = terms.remote.is_none();
    line.agree(terms).map_err(|e| e.to_string())?;
    leg.their_key.learn(negotiated.srtp.as_ref());
    Ok(held)
}
