//! `[limits]`: what one address, device and user may ask of the exchange.

use std::{ops::RangeInclusive, time::Duration};

use sip::{Limit, Limits};
use toml::Spanned;

use super::{Section, mistakes::Found};

pub(super) fn read(mut section: Section<'_, '_>, found: &mut Found) -> Limits {
    let usual = Limits::default();
    let at_once = number(&mut section, found, "messages_at_once", usual.messages.spare, 20..=1_000_000);
    let per_second = number(&mut section, found, "messages_per_second", rate(&usual.messages), 1..=100_000);
    let wrong = number(&mut section, found, "wrong_passwords", usual.wrong_passwords.spare, 3..=1000);
    let connections = number(&mut section, found, "connections", usual.connections as u32, 2..=100_000);
    let calls = number(&mut section, found, "calls", usual.calls as u32, 2..=10_000);
    section.finish(found);
    Limits {
        messages: Limit { spare: at_once, refill: Duration::from_secs(1) / per_second },
        wrong_passwords: Limit { spare: wrong, ..usual.wrong_passwords },
        connections: connections as usize,
        calls: calls as usize,
    }
}

/// What `check` says of them.
#[must_use]
pub fn limits_in_words(limits: &Limits) -> String {
    let Limits { messages, wrong_passwords, connections, calls } = limits;
    let per_second = rate(messages);
    format!(
        "Limits\n  One address: {} messages at once and {per_second} a second without signing in, {connections} connections; \
         one signed-in device: as many messages for itself.\n  One user: {calls} calls at once; {} wrong SIP passwords in a \
         row from one address.",
        messages.spare, wrong_passwords.spare
    )
}

fn rate(messages: &Limit) -> u32 {
    (1.0 / messages.refill.as_secs_f64()).round() as u32
}

/// A number that is within bounds; an absent one, or a mistake that has been told, is the usual one.
fn number(
    section: &mut Section<'_, '_>,
    found: &mut Found,
    key: &'static str,
    usual: u32,
    bounds: RangeInclusive<u32>,
) -> u32 {
    let given: Spanned<u32> = section.get_or(found, key, usual);
    if bounds.contains(given.get_ref()) {
        return given.into_inner();
    }
    let remedy = format!("use {} to {}, or take the line out for {usual}", bounds.start(), bounds.end());
    found.say(&given.span(), format!("`{key}` is {}", given.get_ref()), remedy);
    usual
}
