//! Fallback steps, written as a person would say them.

use std::{collections::BTreeMap, fmt::Write as _, ops::RangeInclusive};

use protocol::{DepartmentId, Strategy};
use switchboard::{Fallback, FallbackStep, MailboxOf, Miss, RecallWhom};
use toml::Spanned;

use super::{Section, mistakes::Found, section::short};

/// What `fallback_on` may name.
const MISSES: [(&str, Miss); 6] = [
    ("busy", Miss::Busy),
    ("declined", Miss::Declined),
    ("no_device", Miss::NoDevice),
    ("do_not_disturb", Miss::DoNotDisturb),
    ("away", Miss::Away),
    ("no_answer", Miss::NoAnswer),
];

pub(super) const STRATEGIES: [(&str, Strategy); 4] = [
    ("all at once", Strategy::AllAtOnce),
    ("longest idle", Strategy::LongestIdle),
    ("round robin", Strategy::RoundRobin),
    ("fixed order", Strategy::FixedOrder),
];

/// More steps than this would try a caller's patience, and ours.
const MAX_STEPS: usize = 20;
const RING: RangeInclusive<u32> = 5..=300;
const WAIT: RangeInclusive<u32> = 5..=3600;

/// Departments that steps name; looked at when all departments are known.
#[derive(Default)]
pub(super) struct Mentioned(Vec<Spanned<String>>);

impl Mentioned {
    /// Says which of them there are not.
    pub fn check(&self, known: &[DepartmentId], found: &mut Found) {
        for name in self.0.iter().filter(|name| !known.iter().any(|k| k.as_str() == name.get_ref())) {
            unknown_department(name, known, found);
        }
    }
}

pub(super) fn unknown_department(name: &Spanned<String>, known: &[DepartmentId], found: &mut Found) {
    let list = known.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
    let what = format!("there is no department \"{}\"", short(name.get_ref()));
    let remedy = if list.is_empty() {
        "add a [[department]]".into()
    } else {
        format!("use one of: {list}; or add a [[department]]")
    };
    found.say(&name.span(), what, remedy);
}

/// `fallback` and `fallback_on` of a section. Without both: `default`, if there is one; with only the latter, all other
/// reasons need it.
pub(super) fn fallback(
    section: &mut Section<'_, '_>,
    default: Option<Vec<FallbackStep>>,
    named: &mut Mentioned,
    found: &mut Found,
) -> Option<Fallback> {
    let given = section.get::<Vec<Spanned<String>>>(found, "fallback");
    let steps = given.map(|given| list("fallback", &given, named, found)).or(default);
    let Some(table) = section.sub_table_if_present(found, "fallback_on") else { return steps.map(Fallback::of) };
    if steps.is_none() && !section.has("fallback") {
        let what = format!("{} has `fallback_on`, but no `fallback` for all other reasons", section.name);
        found.say(&table.span, what, "add a line: fallback = [\"recall transferor 20 s\", \"voicemail\"]");
    }
    Some(Fallback { steps: steps.unwrap_or_default(), on: on(table, named, found) })
}

/// What the account does if its file does not say.
pub(super) fn account_default() -> Vec<FallbackStep> {
    vec![
        FallbackStep::Recall { whom: RecallWhom::Transferor, seconds: 20 },
        FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: 30 },
        FallbackStep::Voicemail { of: MailboxOf::Target },
    ]
}

fn on(mut table: Section<'_, '_>, named: &mut Mentioned, found: &mut Found) -> BTreeMap<Miss, Vec<FallbackStep>> {
    let mut on = BTreeMap::new();
    for (key, miss) in MISSES {
        if let Some(given) = table.get::<Vec<Spanned<String>>>(found, key) {
            on.insert(miss, list(key, &given, named, found));
        }
    }
    table.finish(found);
    on
}

fn list(
    key: &str,
    given: &Spanned<Vec<Spanned<String>>>,
    named: &mut Mentioned,
    found: &mut Found,
) -> Vec<FallbackStep> {
    if given.get_ref().len() > MAX_STEPS {
        let what = format!("`{key}` has {} steps", given.get_ref().len());
        found.say(&given.span(), what, format!("use at most {MAX_STEPS}"));
    }
    let mut steps = Vec::new();
    let mut last: Option<&'static str> = None;
    for text in given.get_ref() {
        if let Some(last) = last {
            let what =
                format!("the step \"{}\" comes after {last}, so it would never be reached", short(text.get_ref()));
            found.say(&text.span(), what, format!("make {last} the last step"));
        }
        match parse(text.get_ref()) {
            Ok(step) => {
                last = last.or(match step {
                    FallbackStep::Voicemail { .. } => Some("voicemail"),
                    FallbackStep::Announcement => Some("announcement"),
                    FallbackStep::Recall { .. } | FallbackStep::NextAgent { .. } | FallbackStep::Queue { .. } => None,
                });
                if let FallbackStep::Queue { department: Some(id), .. } = &step {
                    named.0.push(Spanned::new(text.span(), id.0.clone()));
                }
                steps.push(step);
            }
            Err(remedy) => {
                found.say(&text.span(), format!("`{key}` has \"{}\" in it", short(text.get_ref())), remedy);
            }
        }
    }
    steps
}

/// Reads one step; the space before `s` may lack.
///
/// # Errors
/// What to write instead.
fn parse(text: &str) -> Result<FallbackStep, String> {
    let apart = |word| match str::strip_suffix(word, 's') {
        Some(n) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => [Some(n), Some("s")],
        Some(_) | None => [Some(word), None],
    };
    let words: Vec<&str> = text.split_whitespace().flat_map(apart).flatten().collect();
    match words[..] {
        ["recall", "transferor", n, "s"] => {
            Ok(FallbackStep::Recall { whom: RecallWhom::Transferor, seconds: seconds(n, &RING)? })
        }
        ["recall", "former", "agent", n, "s"] => {
            Ok(FallbackStep::Recall { whom: RecallWhom::FormerAgent, seconds: seconds(n, &RING)? })
        }
        ["next", "agent", n, "s"] => {
            Ok(FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: seconds(n, &RING)? })
        }
        ["next", "agent", n, "s", "by", first, second] => {
            Ok(FallbackStep::NextAgent { seconds: seconds(n, &RING)?, strategy: strategy(&[first, second])? })
        }
        ["next", "agent", n, "s", "by", a, b, c] => {
            Ok(FallbackStep::NextAgent { seconds: seconds(n, &RING)?, strategy: strategy(&[a, b, c])? })
        }
        ["queue", n, "s"] => Ok(FallbackStep::Queue { department: None, seconds: seconds(n, &WAIT)? }),
        ["queue", "of", id, n, "s"] => {
            Ok(FallbackStep::Queue { department: Some(DepartmentId(id.to_owned())), seconds: seconds(n, &WAIT)? })
        }
        ["voicemail"] | ["voicemail", "of", "target"] => Ok(FallbackStep::Voicemail { of: MailboxOf::Target }),
        ["voicemail", "of", "department"] => Ok(FallbackStep::Voicemail { of: MailboxOf::Department }),
        ["announcement"] => Ok(FallbackStep::Announcement),
        _ => Err(EXAMPLES.to_owned()),
    }
}

const EXAMPLES: &str = "use \"recall transferor 20 s\", \"recall former agent 20 s\", \"next agent 30 s\", \"next agent \
                        20 s by longest idle\", \"queue 60 s\", \"queue of DEPARTMENT 60 s\", \"voicemail\", \
                        \"voicemail of department\" or \"announcement\"";

fn seconds(text: &str, allowed: &RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.parse().ok().filter(|s| allowed.contains(s));
    number.ok_or_else(|| format!("use {} to {} seconds, as a whole number", allowed.start(), allowed.end()))
}

fn strategy(words: &[&str]) -> Result<Strategy, String> {
    let text = words.join(" ");
    let found = STRATEGIES.iter().find(|(name, _)| *name == text).map(|(_, strategy)| *strategy);
    found.ok_or_else(|| format!("after \"by\" use {}", super::words::choices(STRATEGIES.iter().map(|(name, _)| *name))))
}

pub(super) fn strategy_words(strategy: Strategy) -> &'static str {
    STRATEGIES.iter().find(|(_, s)| *s == strategy).map_or("", |(name, _)| *name)
}

pub(super) fn miss_words(miss: Miss) -> String {
    MISSES.iter().find(|(_, m)| *m == miss).map_or(String::new(), |(name, _)| name.replace('_', " "))
}

/// The step as the file would say it.
fn words(step: &FallbackStep) -> String {
    match step {
        FallbackStep::Recall { whom: RecallWhom::Transferor, seconds } => format!("recall transferor {seconds} s"),
        FallbackStep::Recall { whom: RecallWhom::FormerAgent, seconds } => format!("recall former agent {seconds} s"),
        FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds } => format!("next agent {seconds} s"),
        FallbackStep::NextAgent { strategy, seconds } => {
            format!("next agent {seconds} s by {}", strategy_words(*strategy))
        }
        FallbackStep::Queue { department: None, seconds } => format!("queue {seconds} s"),
        FallbackStep::Queue { department: Some(id), seconds } => format!("queue of {id} {seconds} s"),
        FallbackStep::Voicemail { of: MailboxOf::Target } => "voicemail".into(),
        FallbackStep::Voicemail { of: MailboxOf::Department } => "voicemail of department".into(),
        FallbackStep::Announcement => "announcement".into(),
    }
}

/// Steps as one line. Where the caller ends up is said even if the file leaves it to the default.
pub(super) fn line(steps: &[FallbackStep]) -> String {
    let mut line = String::new();
    for step in steps {
        let _ = write!(line, "{}, then ", words(step));
    }
    match steps.last() {
        Some(FallbackStep::Voicemail { .. } | FallbackStep::Announcement) => {
            line.truncate(line.len() - ", then ".len());
        }
        Some(FallbackStep::Recall { .. } | FallbackStep::NextAgent { .. } | FallbackStep::Queue { .. }) | None => {
            line.push_str("announcement");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_step_reads_like_a_sentence_and_back() {
        let all = [
            "recall transferor 20 s",
            "recall former agent 5 s",
            "next agent 300 s",
            "next agent 30 s by longest idle",
            "next agent 30 s by round robin",
            "next agent 30 s by fixed order",
            "queue 3600 s",
            "queue of tier-2.east 60 s",
            "voicemail",
            "voicemail of department",
            "announcement",
        ];
        for text in all {
            assert_eq!(words(&parse(text).unwrap()), text);
        }
        for (loose, strict) in [
            (" recall  former agent 20s ", "recall former agent 20 s"),
            ("next agent 30s by all at once", "next agent 30 s"),
            ("next agent 30s by round robin", "next agent 30 s by round robin"),
            ("queue of support 60s", "queue of support 60 s"),
            ("voicemail of target", "voicemail"),
        ] {
            assert_eq!(words(&parse(loose).unwrap()), strict);
        }
    }

    #[test]
    fn what_is_no_step_is_told_what_to_write() {
        for (wrong, says) in [
            ("", "use \"recall transferor 20 s\""),
            ("s", "use \"recall"),
            ("20 s", "use \"recall"),
            ("next agent", "use \"recall"),
            ("voicemail 20 s", "use \"recall"),
            ("announcement of support", "use \"recall"),
            ("queue of 60 s", "use \"recall"),
            ("next agent 4 s", "use 5 to 300 seconds"),
            ("next agent 301 s", "use 5 to 300 seconds"),
            ("next agent -5 s", "use 5 to 300 seconds"),
            ("next agent ٣٠ s", "use 5 to 300 seconds"),
            ("recall transferor 99999999999999999999 s", "use 5 to 300 seconds"),
            ("queue 3601 s", "use 5 to 3600 seconds"),
            ("next agent 30 s by luck of draw", "after \"by\" use \"all at once\", \"longest idle\""),
            ("next agent 30 s by longest", "use \"recall"),
        ] {
            let remedy = parse(wrong).unwrap_err();
            assert!(remedy.starts_with(says), "{wrong:?}: {remedy}");
        }
    }

    #[test]
    fn a_line_says_where_the_caller_ends_up() {
        assert_eq!(line(&account_default()), "recall transferor 20 s, then next agent 30 s, then voicemail");
        assert_eq!(line(&[parse("queue 60 s").unwrap()]), "queue 60 s, then announcement");
        assert_eq!(line(&[]), "announcement");
    }
}
