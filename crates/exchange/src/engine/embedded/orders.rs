//! Carrying out what the switchboard orders.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use protocol::{CallId, DeviceId, LegId, Party, Reason};
use sip::sdp::{self, LocalMedia, Session, TheirKey};
use sip::{Invite, Transport};
use switchboard::{EngineEvent, Order, Prompt, ReferProgress, RingCard};
use tokio::time::Instant;

use super::core::{Core, Leg, Stage};
use super::reasons::{self, Side};
use super::sound::Line;
use super::{card, terms};

/// Longest call id that becomes a file name.
const MAX_CALL_ID: usize = 128;

impl Core {
    pub fn carry_out(&mut self, order: Order) {
        match order {
            Order::Ring { leg, device, card } => self.ring(leg, &device, &card),
            Order::Dial { leg, number, from } => self.dial(leg, &number, &from),
            Order::IndicateRinging { leg } => self.indicate_ringing(leg),
            Order::Answer { leg } => self.answer(leg),
            Order::Bridge { a, b } => self.bridge(a, b),
            Order::PlayMusic { leg } => self.play(leg, Line::play_music),
            Order::PlayPrompt { leg, prompt } => {
                let sound = self.prompt(prompt);
                self.play(leg, |line| line.play_prompt(sound));
            }
            Order::PlayRingback { leg } => {
                let tone = self.library.ringback.clone();
                self.play(leg, |line| line.play_ringback(tone));
            }
            Order::Notice { leg, prompt } => self.with_sound(leg, |line| line.notice(self.prompt(prompt))),
            // One greeting serves all mailboxes.
            Order::RecordVoicemail { leg, call, mailbox: _, max_seconds } => self.record(leg, &call, max_seconds),
            Order::HangUp { leg, reason } => self.hang_up(leg, reason),
            Order::ReferProgress { leg, progress } => self.refer_progress(leg, progress),
        }
    }

    fn ring(&mut self, id: LegId, device: &DeviceId, card: &RingCard) {
        let Some(found) = self.registrar.locate(Instant::now(), device) else {
            self.report(EngineEvent::Ended { leg: id, reason: Reason::Unreachable });
            return;
        };
        let (contact, flow, routes) = (found.contact.clone(), found.flow, found.path.clone());
        self.call(id, Side::Colleague, (flow.transport, flow.remote), |core, sdp| {
            let here = core.here(flow.transport, flow.remote);
            Invite {
                to: contact,
                from: card::address(&card.caller.name, &card.caller.number, here),
                to_display: None,
                sdp,
                via_flow: Some(flow),
                routes,
                through: None,
                credentials: None,
                headers: card::headers(card, here),
            }
        });
    }

    fn dial(&mut self, id: LegId, number: &str, from: &Party) {
        let Some((trunk, gateway)) = self.trunk.clone().and_then(|t| t.gateway().map(|g| (t, g))) else {
            self.unusable(id, "there is no trunk to dial through".into());
            return;
        };
        self.call(id, Side::Caller, (Transport::Udp, gateway), |core, sdp| {
            trunk.invite(number, from, core.here(Transport::Udp, gateway), sdp)
        });
    }

    /// Offers all our codecs from fresh ports.
    fn call(
        &mut self,
        id: LegId,
        side: Side,
        (transport, remote): (Transport, SocketAddr),
        invite: impl FnOnce(&Self, String) -> Invite,
    ) {
        if self.legs.contains_key(&id) {
            self.failed(id, "this leg exists already".into(), false);
            return;
        }
        let line = match self.open_line(id, side == Side::Colleague) {
            Ok(line) => line,
            Err(detail) => return self.unusable(id, detail),
        };
        let secure = transport == Transport::Tls;
        let local = terms::local(&self.config.codecs, self.sound_address(&line, remote), secure);
        let said = sdp::offer(&local);
        let invite = invite(self, said.clone());
        let key = self.endpoint.invite(invite);
        let leg = Leg::new(key, side, Stage::Calling { rang: false }, remote);
        self.add(id, Leg { line: Some(line), local: Some(local), said, secure, ..leg });
    }

    /// A leg that never came to be.
    fn unusable(&self, leg: LegId, detail: String) {
        self.failed(leg, detail, true);
        self.report(EngineEvent::Ended { leg, reason: Reason::Failed });
    }

    fn indicate_ringing(&self, id: LegId) {
        if let Some(Leg { key, stage: Stage::Arrived { .. }, .. }) = self.legs.get(&id) {
            self.endpoint.ring(*key);
        }
    }

    fn answer(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Arrived { offer } = &mut leg.stage else { return };
        let (offer, key, remote, of_device) = (offer.take(), leg.key, leg.remote, leg.of_device);
        let secure = leg.secure;
        let line = match self.open_line(id, of_device) {
            Ok(line) => line,
            Err(detail) => return self.refuse(id, 503, detail),
        };
        let mut local = terms::local(&self.config.codecs, self.sound_address(&line, remote), secure);
        let mut their_key = TheirKey::default();
        let sdp = match offer {
            // No offer in the INVITE: ours goes into the 200, theirs comes in the ACK (RFC 3264 section 4).
            None => Ok(sdp::offer(&local)),
            Some(offer) => agree(&line, &offer, (&mut local, &mut their_key), remote.ip()),
        };
        match (sdp, self.legs.get_mut(&id)) {
            (Ok(sdp), Some(leg)) => {
                leg.stage = Stage::Answering;
                leg.line = Some(line);
                leg.local = Some(local);
                leg.their_key = their_key;
                leg.said.clone_from(&sdp);
                self.endpoint.answer(key, sdp);
            }
            (Ok(_), None) => {}
            (Err(detail), _) => self.refuse(id, 488, detail),
        }
    }

    /// An arrived leg that can't be taken.
    fn refuse(&mut self, id: LegId, status: u16, detail: String) {
        self.failed(id, detail, true);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.stage = Stage::Ending { reason: Reason::Failed };
            self.endpoint.refuse(leg.key, status, None);
        }
    }

    fn bridge(&mut self, a: LegId, b: LegId) {
        if a == b {
            self.failed(a, "a leg cannot be bridged with itself".into(), false);
            return;
        }
        for (leg, other) in [(a, b), (b, a)] {
            match self.legs.get(&leg).map(|l| l.line.is_some()) {
                Some(true) => {}
                Some(false) => return self.failed(leg, "the leg has no sound to bridge yet".into(), false),
                // An ended leg: its partner-to-be learns by `Ended`, and waits in silence for no longer than that.
                None => return tracing::debug!(%leg, %other, "bridge with an ended leg ignored"),
            }
        }
        self.unbridge(a);
        self.unbridge(b);
        if let (Some(Leg { line: Some(la), .. }), Some(Leg { line: Some(lb), .. })) =
            (self.legs.get(&a), self.legs.get(&b))
        {
            la.bridge_to(lb);
            lb.bridge_to(la);
        }
        for (leg, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.partner = Some(other);
            }
        }
    }

    fn prompt(&self, prompt: Prompt) -> Arc<[i16]> {
        match prompt {
            Prompt::Closing => self.library.closing.clone(),
            Prompt::NotPossible => self.library.not_possible.clone(),
        }
    }

    fn play(&mut self, id: LegId, what: impl FnOnce(&Line)) {
        self.unbridge(id);
        self.with_sound(id, what);
    }

    fn with_sound(&self, id: LegId, what: impl FnOnce(&Line)) {
        match self.legs.get(&id) {
            Some(Leg { line: Some(line), .. }) => what(line),
            Some(_) => self.failed(id, "the leg has not been answered, it hears nothing".into(), false),
            None => {}
        }
    }

    fn record(&mut self, id: LegId, call: &CallId, max_seconds: u32) {
        let name = call.as_str();
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if name.is_empty() || name.len() > MAX_CALL_ID || !plain {
            self.failed(id, "the call's id is no file name".into(), false);
            return;
        }
        let file = self.config.voicemail_dir.join(format!("{name}.wav"));
        let greeting = self.library.greeting.clone();
        self.play(id, |line| line.record(greeting, file, max_seconds));
    }

    pub fn hang_up(&mut self, id: LegId, reason: Reason) {
        self.unbridge(id);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let header = reasons::header(reason);
        match leg.stage {
            Stage::Ending { .. } => return,
            Stage::Arrived { .. } => self.endpoint.refuse(leg.key, reasons::status(reason), header),
            Stage::Answering | Stage::Calling { .. } | Stage::Up => self.endpoint.hang_up(leg.key, header),
        }
        leg.stage = Stage::Ending { reason };
        if let Some(line) = &leg.line {
            line.silence();
        }
    }

    fn refer_progress(&self, id: LegId, progress: ReferProgress) {
        let Some(leg) = self.legs.get(&id) else { return };
        match progress {
            ReferProgress::Accepted => self.endpoint.accept_refer(leg.key, true),
            // A 481 to the REFER itself would end this dialog, too, for many devices (RFC 5589 section 7.3).
            ReferProgress::Refused if leg.refers_to_nothing => {
                self.endpoint.accept_refer(leg.key, true);
                self.endpoint.notify_refer(leg.key, 481);
            }
            ReferProgress::Refused => self.endpoint.accept_refer(leg.key, false),
            ReferProgress::Ringing => self.endpoint.notify_refer(leg.key, 180),
            ReferProgress::Done => self.endpoint.notify_refer(leg.key, 200),
            ReferProgress::Failed(reason) => self.endpoint.notify_refer(leg.key, reasons::status(reason)),
        }
    }
}

/// Answers an offer and gives the line what was agreed.
fn agree(
    line: &Line,
    offer: &Session,
    (local, their_key): (&mut LocalMedia, &mut TheirKey),
    remote: IpAddr,
) -> Result<String, String> {
    let (text, negotiated) = sdp::answer_anew(offer, local, their_key).map_err(|e| e.to_string())?;
    let terms = terms::terms(&negotiated, None, remote).ok_or_else(|| sdp::SdpError::NoCommonCodec.to_string())?;
    line.agree(terms).map_err(|e| e.to_string())?;
    Ok(text)
}
