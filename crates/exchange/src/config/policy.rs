//! `[policy]`: the rules of the whole account.

use switchboard::{OutsideRule, Policy, Release, Unavailable};
use toml::Spanned;

use super::{
    Section,
    mistakes::Found,
    people::seconds,
    section::short,
    steps::{Mentioned, account_default, fallback},
    words::word,
};

const OUTSIDE: [(&str, OutsideRule); 4] = [
    ("nobody", OutsideRule::Nobody),
    ("administrators", OutsideRule::Administrators),
    ("managers", OutsideRule::Managers),
    ("everyone", OutsideRule::Everyone),
];
const UNAVAILABLE: [(&str, Unavailable); 2] = [("refuse", Unavailable::Refuse), ("follow", Unavailable::Follow)];
const RELEASE: [(&str, Release); 2] = [("at once", Release::AtOnce), ("when answered", Release::WhenAnswered)];
const FEATURE_CODE: &str = "*2";

/// The policy, and where its feature code stands in the file.
pub(super) fn read(
    mut section: Section<'_, '_>,
    named: &mut Mentioned,
    found: &mut Found,
) -> (Policy, Option<Spanned<String>>) {
    let agents = *section.get_or(found, "agents_may_transfer", true).get_ref();
    let across = *section.get_or(found, "transfer_across_departments", true).get_ref();
    let outside = word(&mut section, "outside", &OUTSIDE, OutsideRule::default(), found);
    let unavailable = word(&mut section, "unavailable", &UNAVAILABLE, Unavailable::default(), found);
    let release = word(&mut section, "release", &RELEASE, Release::default(), found);
    let ring = seconds(&mut section, "transfer_ring_seconds", 20, 5..=300, found);
    let code = section.get_or(found, "feature_code", FEATURE_CODE.to_owned());
    let code = feature_code(code, found);
    let fallback = fallback(&mut section, Some(account_default()), named, found).unwrap_or_default();
    section.finish(found);
    let policy = Policy {
        agents_may_transfer: agents,
        transfer_across_departments: across,
        outside,
        unavailable,
        release,
        transfer_ring_seconds: ring,
        feature_code: code.as_ref().map(|c| c.get_ref().clone()),
        fallback,
    };
    (policy, code)
}

/// Empty: none. `#` is not part of a code, because it ends the extension.
fn feature_code(code: Spanned<String>, found: &mut Found) -> Option<Spanned<String>> {
    let text = code.get_ref();
    if text.is_empty() {
        return None;
    }
    if text.len() > 4 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'*') {
        let remedy = "use 1 to 4 of the keys 0–9 and *, for example \"*2\", or \"\" for no code";
        found.say(&code.span(), format!("`feature_code` is \"{}\"", short(text)), remedy);
        return None;
    }
    Some(code)
}
