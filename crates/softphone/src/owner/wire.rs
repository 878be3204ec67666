//! What the far ends do.

use sip::{EndCause, EndedBy, Incoming, LegEvent};

use super::{Asked, Line, MAX_CALLS, MAX_STRANGERS, Owner};
use crate::call::{Call, Input, State};
use crate::config::Encryption;
use crate::dialled;
use crate::event::{CallEvent, CallKey, PhoneEvent};
use crate::incoming::{IncomingCall, cleaned, party};

/// No codec in common, or no SDP that can be read (RFC 3261 section 21.4.26).
const NOT_ACCEPTABLE_HERE: u16 = 488;

impl Owner {
    pub(super) fn incoming(&mut self, invite: &Incoming) {
        let refuse = |status| self.endpoint.refuse(invite.leg, status, None);
        let of_stranger = self.is_registered && invite.from_stranger;
        let strangers = self.lines.values().filter(|line| line.of_stranger).count();
        let full = self.lines.len() >= MAX_CALLS || (of_stranger && strangers >= MAX_STRANGERS);
        if full && invite.replaces.is_none() {
            return refuse(486);
        }
        let secure = invite.source.transport == sip::Transport::Tls;
        if !secure && self.encryption == Encryption::Required {
            tracing::warn!("refused a call that did not come over TLS: only encrypted calls are allowed");
            return refuse(NOT_ACCEPTABLE_HERE);
        }
        let Ok((sockets, mut session)) = self.media(secure) else { return refuse(500) };
        let answer = match invite.sdp.as_ref().map(|offer| session.answer(offer, false)).transpose() {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(%error, "refused a call that has no usable sound");
                return refuse(NOT_ACCEPTABLE_HERE);
            }
        };
        let security = answer.as_ref().map(|(_, agreed)| self.security(agreed));
        let signalling = Some(invite.source.remote.ip());
        let offer = invite.sdp.clone();
        let line = Line { signalling, offer, answer, ..Line::new(invite.leg, Call::incoming(), session) };
        if let Some(replaced) = invite.replaces {
            return self.replace(replaced, invite, line, sockets);
        }
        let call = self.new_key();
        let mut ring_card = IncomingCall::read(call, invite);
        let talking = self.talking_elsewhere || self.lines.values().any(|line| line.call.has_sound());
        ring_card.answers_itself = !talking && self.answers.itself(&invite.headers, ring_card.call_id.as_ref());
        ring_card.security = security;
        let answers_itself = ring_card.answers_itself;
        self.open_theirs(call, Line { kind: Some(ring_card.kind), of_stranger, ..line }, sockets);
        self.settle(call);
        // Only whoever our registrar vouches for can name a call of our exchange.
        if self.is_registered && !invite.from_stranger && ring_card.call_id.is_some() {
            self.endpoint.ring(invite.leg);
        } else {
            self.endpoint.ring_at_most(invite.leg, self.rings_at_most);
        }
        self.tell(PhoneEvent::Incoming(ring_card));
        if answers_itself {
            self.input(call, Input::Answer);
        }
    }

    pub(super) fn leg_event(&mut self, call: CallKey, event: LegEvent) {
        match event {
            LegEvent::Trying => {}
            LegEvent::Ringing => self.far_rings(call),
            LegEvent::EarlyMedia { sdp } => {
                if let Some(Ok(agreed)) = self.lines.get_mut(&call).map(|line| line.session.accept(&sdp)) {
                    self.agree(call, agreed);
                }
                self.far_rings(call);
            }
            LegEvent::Answered { sdp } => self.answered(call, &sdp),
            LegEvent::Confirmed { sdp } => self.confirmed(call, sdp.as_deref()),
            LegEvent::Offer { sdp } => self.offered(call, &sdp),
            LegEvent::OfferAnswered { sdp } => self.offer_answered(call, &sdp),
            LegEvent::OfferFailed { status } => self.input(call, Input::OfferFailed { status }),
            LegEvent::Refer { to, referred_by, replaces } => {
                let dear = !self.follows_outside && self.account.is_some() && dialled::may_cost_money(&to.uri);
                if dear {
                    let number = cleaned(to.uri.user(), 80);
                    let sentence = format!(
                        "The other side asked this phone to call {number}, which can cost money, so it did not. Dial it \
                         yourself, or let the account follow transfers to outside numbers."
                    );
                    self.tell_call(call, CallEvent::Trouble { sentence });
                }
                let follow = !dear && self.can_follow(&to.uri);
                let Some(line) = self.lines.get_mut(&call) else { return };
                if follow {
                    let replaces = replaces.map(|r| r.dialog);
                    line.asked = Some(Asked { to: to.uri, referred_by, replaces });
                    self.input(call, Input::Referred);
                } else {
                    self.endpoint.accept_refer(line.leg, false);
                }
            }
            LegEvent::Identity { who } => self.tell_call(call, CallEvent::Identity { party: party(&who) }),
            LegEvent::ReferProgress { status } => self.input(call, Input::TransferProgress { status }),
            LegEvent::Dtmf { digit } => self.tell_call(call, CallEvent::Dtmf { digit }),
            LegEvent::Ended { cause } => self.ended(call, &cause),
        }
    }

    fn far_rings(&mut self, call: CallKey) {
        self.report_to_referrer(call, 180);
        self.input(call, Input::FarRings);
    }

    fn answered(&mut self, call: CallKey, sdp: &str) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        match line.session.accept(sdp) {
            Ok(agreed) => {
                let input = Input::FarAnswered { codec: agreed.codec, held_by_them: agreed.held_by_them };
                self.agree(call, agreed);
                self.input(call, input);
            }
            Err(error) => self.no_sound(call, &error),
        }
    }

    fn confirmed(&mut self, call: CallKey, sdp: Option<&str>) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        // The answer counts only if our 200 was the offer.
        match sdp.filter(|_| line.codec.is_none()).map(|sdp| line.session.accept(sdp)) {
            Some(Ok(agreed)) => self.agree(call, agreed),
            Some(Err(error)) => return self.no_sound(call, &error),
            None => {}
        }
        let Some(line) = self.lines.get(&call) else { return };
        match line.codec {
            Some(codec) => self.input(call, Input::Acknowledged { codec, held_by_them: line.held_by_them }),
            None => self.no_sound(call, &sip::sdp::SdpError::NoAudio),
        }
    }

    /// A call without sound is no call.
    fn no_sound(&mut self, call: CallKey, error: &sip::sdp::SdpError) {
        self.tell_call(call, CallEvent::Trouble { sentence: format!("The call has no sound: {error}.") });
        self.input(call, Input::HangUp);
    }

    fn offered(&mut self, call: CallKey, sdp: &str) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        let leg = line.leg;
        if sdp.is_empty() {
            let offer = line.session.offer(line.call.wants_hold());
            return self.endpoint.answer_offer(leg, Ok(offer));
        }
        match line.session.answer(sdp, line.call.wants_hold()) {
            Ok((answer, agreed)) => {
                self.endpoint.answer_offer(leg, Ok(answer));
                let held_by_them = agreed.held_by_them;
                self.agree(call, agreed);
                self.input(call, Input::Agreed { ours: false, held_by_them });
            }
            // Also where their audio has port 0 now (RFC 3264 section 8.2): without sound it is no call for us, and refused
            // it goes on as it was (RFC 3261 section 14.2). Whoever wants silence puts it on hold.
            Err(_) => self.endpoint.answer_offer(leg, Err(NOT_ACCEPTABLE_HERE)),
        }
    }

    fn offer_answered(&mut self, call: CallKey, sdp: &str) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        match line.session.accept(sdp) {
            Ok(agreed) => {
                let held_by_them = agreed.held_by_them;
                self.agree(call, agreed);
                self.input(call, Input::Agreed { ours: true, held_by_them });
            }
            Err(_) => self.input(call, Input::OfferFailed { status: NOT_ACCEPTABLE_HERE }),
        }
    }

    fn ended(&mut self, call: CallKey, cause: &EndCause) {
        let Some(mut line) = self.lines.remove(&call) else { return };
        self.legs.remove(&line.leg);
        line.call.handle(Input::Gone);
        // Whoever lost a call of ours may have lost our registration too.
        if cause.by == EndedBy::Network {
            self.register_now();
        }
        debug_assert_eq!(*line.call.state(), State::Over);
        self.close(call, &line, cause);
        if let Some(referrer) = line.follows.filter(|_| line.answered_at.is_none()) {
            self.follow_failed(referrer, cause.status.unwrap_or(487));
        }
        self.settle(call);
    }
}
