//! What `check` says about a file without a mistake: the policies in force, in a few lines.

use std::fmt::Write as _;

use switchboard::{Account, Fallback, OutsideRule, Release, Unavailable};

use super::steps::{line, miss_words, strategy_words};

/// Who may transfer what, and what happens then. Ends without a newline.
#[must_use]
pub fn summary(account: &Account) -> String {
    let mut out = String::from("Transfers\n");
    // Writing to a String can't fail.
    let _ = writeln!(out, "  {}; {}.", who(account), outside(account));
    let _ = writeln!(out, "  A target rings {} s; {}.", account.policy.transfer_ring_seconds, release(account));
    let _ = writeln!(out, "  {}; {}.", unavailable(account), keys(account));
    out.push_str("If a target does not take the call\n");
    fallback(&mut out, "everybody", &account.policy.fallback);
    for department in &account.departments {
        if let Some(own) = &department.fallback {
            fallback(&mut out, &department.name, own);
        }
    }
    for user in &account.users {
        if let Some(own) = &user.fallback {
            fallback(&mut out, &user.name, own);
        }
    }
    out.push_str("Departments");
    for d in &account.departments {
        let order = strategy_words(d.strategy);
        let _ = write!(out, "\n  {}: rings {} s, {order}; waits up to {} s", d.name, d.ring_seconds, d.queue_seconds);
    }
    if account.departments.is_empty() {
        out.push_str(": none");
    }
    let marks: Vec<_> = account.dispositions.iter().map(|d| d.name.as_str()).collect();
    let _ = write!(out, "\nFinished calls can be marked: {}", marks.join(", "));
    out
}

fn who(account: &Account) -> String {
    let agents =
        if account.policy.agents_may_transfer { "agents move their own calls" } else { "agents move no calls" };
    let across =
        if account.policy.transfer_across_departments { "any department" } else { "their own departments only" };
    format!("Administrators move every call, managers those of their departments, {agents}; to {across}")
}

fn outside(account: &Account) -> String {
    if !account.has_trunk {
        return "to no outside number, because there is no [trunk]".into();
    }
    let mut out = match account.policy.outside {
        OutsideRule::Nobody => "nobody to outside numbers",
        OutsideRule::Administrators => "administrators to outside numbers",
        OutsideRule::Managers => "managers and administrators to outside numbers",
        OutsideRule::Everyone => "everyone to outside numbers",
    }
    .to_owned();
    for (word, may) in [("also", true), ("but not", false)] {
        let named = account.users.iter().filter(|u| u.may_transfer_outside == Some(may));
        let names: Vec<_> = named.map(|u| u.name.as_str()).collect();
        if !names.is_empty() {
            let _ = write!(out, ", {word} {}", names.join(", "));
        }
    }
    out
}

fn release(account: &Account) -> &'static str {
    match account.policy.release {
        Release::AtOnce => "who had the call is free at once",
        Release::WhenAnswered => "who had the call stays on the line until it is answered",
    }
}

fn unavailable(account: &Account) -> &'static str {
    match account.policy.unavailable {
        Unavailable::Refuse => "A target that can't take a call is refused, with the reason",
        Unavailable::Follow => "A call to a target that can't take it goes on to the steps below",
    }
}

fn keys(account: &Account) -> String {
    match &account.policy.feature_code {
        Some(code) => format!("from any phone: {code} and an extension"),
        None => "no keys for it on other phones".into(),
    }
}

fn fallback(out: &mut String, whose: &str, fallback: &Fallback) {
    let _ = writeln!(out, "  {whose}: {}", line(&fallback.steps));
    for (miss, steps) in &fallback.on {
        let _ = writeln!(out, "  {whose}, {}: {}", miss_words(*miss), line(steps));
    }
}
