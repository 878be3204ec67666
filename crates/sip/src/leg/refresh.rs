//! Session timers (RFC 4028): a call that nobody refreshes any more has ended, even if no goodbye came through.

use std::time::Duration;

use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Leg, Modify, State};
use crate::{
    EndCause, EndedBy,
    io::{Io, random_tag},
    message::{Message, param_of, split_list},
    timer::Timer,
    transaction::Outcome,
};

/// What we ask for (RFC 4028 section 4 recommends it), seconds.
const WANTED: u32 = 1800;
/// The least that we take (section 4: never less).
const MIN_SE: u32 = 90;
/// What we live with if the far end has decided so, and the longest Min-SE that we follow.
const BELIEVED: [u32; 2] = [30, 86_400];
/// How soon a refresh that came to nothing is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// The session timer of one dialog.
pub(super) struct Expiry {
    wanted: u32,
    agreed: Option<Agreed>,
    /// The far end takes UPDATE; otherwise a re-INVITE refreshes.
    updates: bool,
    /// A refresh of ours waits for its answer.
    asking: bool,
}

struct Agreed {
    seconds: u32,
    we_refresh: bool,
    ask_at: Instant,
    ends_at: Instant,
}

impl Expiry {
    pub fn new() -> Self {
        Self { wanted: WANTED, agreed: None, updates: false, asking: false }
    }

    pub fn takes_update(&self) -> bool {
        self.updates
    }

    /// A refresh could not even be sent; `false` if it was none.
    pub fn not_sent(&mut self) -> bool {
        std::mem::take(&mut self.asking)
    }

    pub fn learn_allow(&mut self, m: &Message) {
        if m.get("Allow").is_some() {
            self.updates = m.all("Allow").flat_map(split_list).any(|method| method == "UPDATE");
        }
    }
}

/// What a request says of the session timer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    supported: bool,
    /// Seconds, and whether whoever asks wants to refresh.
    expires: Option<(u32, Option<bool>)>,
}

impl Asked {
    pub fn read(m: &Message) -> Self {
        Self { supported: has_option(m, "Supported", "timer"), expires: session_expires(m) }
    }

    /// Refused with 422; only whoever knows of timers would understand it (section 9).
    pub fn too_brief(self) -> bool {
        self.supported && self.expires.is_some_and(|(seconds, _)| seconds < MIN_SE)
    }
}

/// What our 2xx says of the session timer.
pub(super) struct Granted {
    value: String,
    required: bool,
}

impl Granted {
    pub fn write(this: Option<&Self>, m: &mut Message) {
        let Some(granted) = this else { return };
        m.add("Session-Expires", granted.value.clone());
        if granted.required {
            m.add("Require", "timer");
        }
    }
}

/// Whether an option tag stands in a list header.
pub(crate) fn has_option(m: &Message, name: &str, tag: &str) -> bool {
    m.all(name).flat_map(split_list).any(|option| option.eq_ignore_ascii_case(tag))
}

fn session_expires(m: &Message) -> Option<(u32, Option<bool>)> {
    let value = m.get("Session-Expires")?;
    let seconds = value.split(';').next()?.trim().parse().ok()?;
    let refresher = param_of(value, "refresher").map(str::to_ascii_lowercase);
    let by_uac = match refresher.as_deref() {
        Some("uac") => Some(true),
        Some("uas") => Some(false),
        Some(_) | None => None,
    };
    Some((seconds, by_uac))
}

fn min_se(m: &Message) -> Option<u32> {
    m.get("Min-SE")?.split(';').next()?.trim().parse().ok()
}

/// An INVITE whose session timer is too short.
pub(crate) fn refuses_as_too_brief(tx: u64, invite: &Message, io: &mut Io) -> bool {
    let too_brief = Asked::read(invite).too_brief();
    if too_brief {
        refuse_too_brief(tx, &random_tag(), io);
    }
    too_brief
}

pub(super) fn refuse_too_brief(tx: u64, to_tag: &str, io: &mut Io) {
    io.respond(tx, 422, to_tag, |mut m| {
        m.add("Min-SE", MIN_SE.to_string());
        m
    });
}

impl Leg {
    /// Says in an INVITE or UPDATE of ours what we wish.
    pub(super) fn wish_session(&self, m: &mut Message, io: &Io) {
        m.set("Supported", io.supported);
        let wanted = self.expiry.wanted;
        let value = match &self.expiry.agreed {
            Some(a) => format!("{};refresher={}", a.seconds.max(wanted), if a.we_refresh { "uac" } else { "uas" }),
            None => wanted.to_string(),
        };
        m.set("Session-Expires", value);
        if wanted > WANTED {
            m.set("Min-SE", wanted.to_string());
        }
    }

    /// A 2xx to an INVITE or UPDATE of ours (section 7.2): without Session-Expires the session never expires.
    pub(super) fn session_answered(&mut self, response: &Message, io: &mut Io) {
        self.expiry.asking = false;
        self.expiry.learn_allow(response);
        match session_expires(response) {
            Some((seconds, by_us)) => self.agree_session(seconds, by_us != Some(false), io),
            None => self.expiry.agreed = None,
        }
    }

    /// What our 2xx to their request says (section 9).
    pub(super) fn grant_session(&mut self, asked: Asked, io: &mut Io) -> Option<Granted> {
        let before = self.expiry.agreed.as_ref().map(|a| (a.seconds, Some(!a.we_refresh)));
        let wanted = asked.expires.or(before.filter(|_| asked.supported));
        let Some((seconds, by_them)) = wanted else {
            self.expiry.agreed = None;
            return None;
        };
        let seconds = seconds.clamp(MIN_SE, BELIEVED[1]);
        let by_them = asked.supported && by_them != Some(false);
        self.agree_session(seconds, !by_them, io);
        let value = format!("{seconds};refresher={}", if by_them { "uac" } else { "uas" });
        Some(Granted { value, required: asked.supported })
    }

    fn agree_session(&mut self, seconds: u32, we_refresh: bool, io: &mut Io) {
        let seconds = seconds.clamp(BELIEVED[0], BELIEVED[1]);
        let whole = Duration::from_secs(seconds.into());
        // Sections 10: the refresher asks at half the time; the other says goodbye a little before the end. Before that
        // it asks for itself, so that nobody loses a call whose refresher has forgotten it.
        let (ask, end) = if we_refresh {
            (whole / 2, whole)
        } else {
            (whole * 3 / 5, whole - (whole / 3).min(Duration::from_secs(32)))
        };
        let ask_at = io.timer(ask, Timer::Leg(self.key));
        let ends_at = io.timer(end, Timer::Leg(self.key));
        self.expiry.agreed = Some(Agreed { seconds, we_refresh, ask_at, ends_at });
    }

    pub(super) fn expiry_due(&mut self, due: Instant, io: &mut Io) {
        let Some(agreed) = &mut self.expiry.agreed else { return };
        if !matches!(self.state, State::Up) {
            return;
        }
        if agreed.ends_at == due {
            self.bye(None, io);
            return self.tell_end(EndCause::new(EndedBy::Network, Some(408), None), io);
        }
        if agreed.ask_at == due {
            agreed.ask_at = io.timer(AGAIN, Timer::Leg(self.key));
            self.ask_session(io);
        }
    }

    /// Refreshes, unless what is under way does so already or must be waited for.
    fn ask_session(&mut self, io: &mut Io) {
        let free = matches!(self.modify, Modify::Idle) && self.confirming.is_none() && self.next_offer.is_none();
        if self.expiry.asking || !free {
            return;
        }
        self.expiry.asking = true;
        if self.expiry.updates {
            let mut update = self.numbered_request(Method::Update, 0, io);
            self.wish_session(&mut update, io);
            self.send_in_turn(update, io);
        } else {
            self.next_offer = Some(self.local_sdp.clone());
            self.try_next_offer(io);
        }
    }

    /// What became of an UPDATE without an offer.
    pub(super) fn update_answered(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        match response.status() {
            200..300 => {
                self.learn_target(response, io);
                self.session_answered(response, io);
            }
            status => _ = self.refresh_failed(status, response, io),
        }
    }

    /// Whether an offer was a refresh only: then nobody need know that it failed. It is tried again until the time is
    /// up: a network that is away for a minute ends no call.
    pub(super) fn refresh_failed(&mut self, status: u16, response: &Message, io: &mut Io) -> bool {
        if !std::mem::take(&mut self.expiry.asking) {
            return false;
        }
        match status {
            405 | 501 if self.expiry.updates => {
                self.expiry.updates = false;
                self.ask_session(io);
            }
            422 if self.raise_session(response) => self.ask_session(io),
            _ => {}
        }
        true
    }

    /// Asks for as long a time as a 422 wants; `false` if that is no answer.
    pub(super) fn raise_session(&mut self, response: &Message) -> bool {
        let least = min_se(response).unwrap_or(0);
        let raised = least > self.expiry.wanted && least <= BELIEVED[1];
        if raised {
            self.expiry.wanted = least;
        }
        raised
    }
}
