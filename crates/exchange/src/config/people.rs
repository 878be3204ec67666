//! The account: users, departments, policy.

use std::collections::{BTreeMap, HashMap};

use protocol::{DepartmentId, Role, Strategy, UserId};
use switchboard::{
    Account, DepartmentConfig, Fallback, FallbackStep, MailboxOf, OutsideRule, Policy, RecallWhom, Release,
    Unavailable, UserConfig,
};
use toml::Spanned;

use super::{
    PasswordHash, Section,
    mistakes::Found,
    network::{NUMBER_REMEDY, is_number},
    section::short,
};

pub(super) fn read(root: &mut Section<'_, '_>, found: &mut Found) -> Option<(Account, BTreeMap<UserId, PasswordHash>)> {
    let mut account = root.table(found, "account");
    let name = account.need::<String>(found, "name", "add a line: name = \"Your company\"");
    account.finish(found);
    if let Some(name) = &name {
        check_name(name, found);
    }
    let policy = policy(root.table(found, "policy"), found);
    let mut taken = Taken::default();
    let tables = root.tables(found, "department");
    let departments: Vec<_> = tables.into_iter().map(|t| department(t, &mut taken, found)).collect();
    let known: Vec<_> = departments.iter().flatten().map(|d| d.id.clone()).collect();
    let tables = root.tables(found, "user");
    if tables.is_empty() {
        found.say(&(0..0), "there is no user", "add a [[user]] with id, name, role and extension");
    }
    let users: Vec<_> = tables.into_iter().map(|t| user(t, &known, &mut taken, found)).collect();
    let users = users.into_iter().collect::<Option<Vec<_>>>()?;
    let departments = departments.into_iter().collect::<Option<Vec<_>>>()?;
    let passwords = users.iter().filter_map(|(u, hash)| Some((u.id.clone(), hash.clone()?))).collect();
    let users = users.into_iter().map(|(user, _)| user).collect();
    let has_trunk = false;
    Some((Account { name: name?.into_inner(), users, departments, policy: policy?, has_trunk }, passwords))
}

/// What may be there only once: ids (a dialled name finds a user or a department), extensions and numbers.
#[derive(Default)]
struct Taken {
    ids: HashMap<String, String>,
    dialled: HashMap<String, String>,
}

impl Taken {
    fn id(&mut self, id: &Spanned<String>, whose: &str, found: &mut Found) {
        Self::once(&mut self.ids, "id", id, whose, found);
    }

    fn dialled(&mut self, what: &str, number: &Spanned<String>, whose: &str, found: &mut Found) {
        Self::once(&mut self.dialled, what, number, whose, found);
    }

    fn once(map: &mut HashMap<String, String>, what: &str, new: &Spanned<String>, whose: &str, found: &mut Found) {
        let text = new.get_ref();
        if let Some(other) = map.insert(text.clone(), whose.to_owned()) {
            let remedy = format!("give {whose} another {what}");
            found.say(&new.span(), format!("the {what} \"{}\" is already taken by {other}", short(text)), remedy);
        }
    }
}

fn department(mut section: Section<'_, '_>, taken: &mut Taken, found: &mut Found) -> Option<DepartmentConfig> {
    let (id, name, extension) = who(&mut section, taken, found);
    let numbers = section.get_or::<Vec<Spanned<String>>>(found, "numbers", Vec::new());
    let ring = seconds(&mut section, "ring_seconds", 20, 5..=300, found);
    let queue = seconds(&mut section, "queue_seconds", 120, 5..=3600, found);
    for number in numbers.get_ref() {
        if is_number(number.get_ref()) {
            taken.dialled("number", number, &section.name, found);
        } else {
            let what = format!("`numbers` has \"{}\" in it", short(number.get_ref()));
            found.say(&number.span(), what, NUMBER_REMEDY);
        }
    }
    section.finish(found);
    Some(DepartmentConfig {
        id: DepartmentId(id?),
        name: name?,
        extension: extension?,
        numbers: numbers.into_inner().into_iter().map(Spanned::into_inner).collect(),
        ring_seconds: ring,
        queue_seconds: queue,
        strategy: Strategy::AllAtOnce,
        fallback: None,
    })
}

type ReadUser = (UserConfig, Option<PasswordHash>);

fn user(
    mut section: Section<'_, '_>,
    known: &[DepartmentId],
    taken: &mut Taken,
    found: &mut Found,
) -> Option<ReadUser> {
    let (id, name, extension) = who(&mut section, taken, found);
    let role = section.need::<String>(found, "role", "add a line: role = \"agent\"");
    let role = role.and_then(|given| role_of(&given, found).map(|role| Spanned::new(given.span(), role)));
    let departments = section.get_or::<Vec<Spanned<String>>>(found, "departments", Vec::new());
    let disabled = *section.get_or(found, "disabled", false).get_ref();
    let hash = password(&mut section, id.as_deref(), disabled, found);
    let unknown = |d: &&Spanned<String>| !known.iter().any(|k| k.as_str() == d.get_ref());
    for department in departments.get_ref().iter().filter(unknown) {
        let list = known.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
        let what = format!("there is no department \"{}\"", short(department.get_ref()));
        found.say(&department.span(), what, format!("use one of: {list}; or add a [[department]]"));
    }
    if let Some(role) = role.as_ref().filter(|r| *r.get_ref() == Role::Manager && departments.get_ref().is_empty()) {
        let remedy = "list the departments that this manager looks after: departments = [\"…\"]";
        found.say(&role.span(), "a manager without departments would see no call", remedy);
    }
    section.finish(found);
    let user = UserConfig {
        id: UserId(id?),
        name: name?,
        extension: extension?,
        role: role?.into_inner(),
        departments: departments.into_inner().into_iter().map(|d| DepartmentId(d.into_inner())).collect(),
        disabled,
        may_transfer_outside: None,
        fallback: None,
    };
    Some((user, hash))
}

/// Id, name and extension: the same for users and departments.
fn who(
    section: &mut Section<'_, '_>,
    taken: &mut Taken,
    found: &mut Found,
) -> (Option<String>, Option<String>, Option<String>) {
    let id = section.need::<String>(found, "id", "add a line: id = \"a-short-word\"");
    if let Some(id) = &id {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let text = id.get_ref();
        if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
            let remedy = "use 1 to 32 small letters, digits, dots, dashes";
            found.say(&id.span(), format!("`id` is \"{}\"", short(text)), remedy);
        }
        section.name = format!("{} {}", section.name, short(text));
        taken.id(id, &section.name.clone(), found);
    }
    let name = section.need::<String>(found, "name", "add a line: name = \"Name that colleagues see\"");
    if let Some(name) = &name {
        check_name(name, found);
    }
    let extension = section.need::<String>(found, "extension", "add a line: extension = \"101\"");
    if let Some(extension) = &extension {
        let text = extension.get_ref();
        if (2..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
            taken.dialled("extension", extension, &section.name.clone(), found);
        } else {
            found.say(&extension.span(), format!("`extension` is \"{}\"", short(text)), "use 2 to 6 digits");
        }
    }
    (id.map(Spanned::into_inner), name.map(Spanned::into_inner), extension.map(Spanned::into_inner))
}

fn check_name(name: &Spanned<String>, found: &mut Found) {
    let text = name.get_ref();
    if text.trim().is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
        let remedy = "use 1 to 64 characters, none of them control characters";
        found.say(&name.span(), format!("`name` is \"{}\"", short(text)), remedy);
    }
}

fn role_of(given: &Spanned<String>, found: &mut Found) -> Option<Role> {
    match given.get_ref().as_str() {
        "administrator" => Some(Role::Administrator),
        "manager" => Some(Role::Manager),
        "agent" => Some(Role::Agent),
        other => {
            let what = format!("`role` is \"{}\"", short(other));
            found.say(&given.span(), what, "use \"administrator\", \"manager\" or \"agent\"");
            None
        }
    }
}

/// Only a disabled user may lack a password.
fn password(
    section: &mut Section<'_, '_>,
    id: Option<&str>,
    disabled: bool,
    found: &mut Found,
) -> Option<PasswordHash> {
    let id = id.map_or_else(|| "ID".into(), short);
    let remedy = format!("make one with `patchcord-exchange user password --user {id}`");
    let given = if disabled {
        section.get::<String>(found, "password_hash")
    } else {
        section.need::<String>(found, "password_hash", &remedy)
    }?;
    match PasswordHash::parse(given.get_ref()) {
        Ok(hash) => Some(hash),
        Err(why) => {
            // Never the text itself: it may well be the password.
            found.say(&given.span(), format!("`password_hash` of {} {why}", section.name), remedy);
            None
        }
    }
}

fn policy(mut section: Section<'_, '_>, found: &mut Found) -> Option<Policy> {
    let agents = *section.get_or(found, "agents_may_transfer", true).get_ref();
    let across = *section.get_or(found, "transfer_across_departments", true).get_ref();
    let ring = seconds(&mut section, "transfer_ring_seconds", 20, 5..=300, found);
    let default = ["recall transferor 20 s", "next agent 30 s", "voicemail"];
    let default = default.iter().map(|s| Spanned::new(0..0, (*s).to_owned())).collect();
    let given = section.get_or::<Vec<Spanned<String>>>(found, "fallback", default);
    section.finish(found);
    let steps: Vec<_> = given.get_ref().iter().map(|step| fallback_step(step, found)).collect();
    let fallback = steps.into_iter().collect::<Option<Vec<_>>>()?;
    if let Some(n) = fallback.iter().position(|s| matches!(s, FallbackStep::Voicemail { .. }))
        && let Some(after) = given.get_ref().get(n + 1)
    {
        let remedy = "make voicemail the last step";
        found.say(&after.span(), "this step comes after voicemail, so it would never be reached", remedy);
    }
    Some(Policy {
        agents_may_transfer: agents,
        transfer_across_departments: across,
        outside: OutsideRule::default(),
        unavailable: Unavailable::default(),
        release: Release::default(),
        transfer_ring_seconds: ring,
        feature_code: Some("*2".to_owned()),
        fallback: Fallback::of(fallback),
    })
}

/// "recall transferor 20 s", "recall former agent 20 s", "next agent 30 s", "voicemail"; the space before s may lack.
fn fallback_step(given: &Spanned<String>, found: &mut Found) -> Option<FallbackStep> {
    let step = parse_step(given.get_ref());
    if step.is_none() {
        let remedy = "use \"recall transferor 20 s\", \"recall former agent 20 s\", \"next agent 30 s\" or \
                      \"voicemail\", with 5 to 300 seconds";
        found.say(&given.span(), format!("`fallback` has \"{}\" in it", short(given.get_ref())), remedy);
    }
    step
}

fn parse_step(text: &str) -> Option<FallbackStep> {
    let text = text.trim();
    if text == "voicemail" {
        return Some(FallbackStep::Voicemail { of: MailboxOf::Target });
    }
    let words = text.strip_suffix('s')?.trim_end();
    let (what, seconds) = words.rsplit_once(' ')?;
    let seconds = seconds.parse().ok().filter(|s| (5..=300).contains(s))?;
    match what.split_whitespace().collect::<Vec<_>>()[..] {
        ["recall", "transferor"] => Some(FallbackStep::Recall { whom: RecallWhom::Transferor, seconds }),
        ["recall", "former", "agent"] => Some(FallbackStep::Recall { whom: RecallWhom::FormerAgent, seconds }),
        ["next", "agent"] => Some(FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds }),
        _ => None,
    }
}

fn seconds(
    section: &mut Section<'_, '_>,
    key: &'static str,
    default: u32,
    allowed: std::ops::RangeInclusive<u32>,
    found: &mut Found,
) -> u32 {
    let given = section.get_or(found, key, default);
    let value = *given.get_ref();
    if !allowed.contains(&value) {
        let remedy = format!("use {} to {} seconds", allowed.start(), allowed.end());
        found.say(&given.span(), format!("`{key}` is {value}"), remedy);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fallback_steps_read_like_a_sentence() {
        let recall = |whom| Some(FallbackStep::Recall { whom, seconds: 20 });
        assert_eq!(parse_step("recall transferor 20 s"), recall(RecallWhom::Transferor));
        assert_eq!(parse_step(" recall  former agent 20s "), recall(RecallWhom::FormerAgent));
        assert_eq!(
            parse_step("next agent 30s"),
            Some(FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: 30 })
        );
        assert_eq!(parse_step("voicemail"), Some(FallbackStep::Voicemail { of: MailboxOf::Target }));
        for wrong in ["", "s", " s", "20 s", "next agent", "next agent 4 s", "next agent 301 s", "voicemail 20 s"] {
            assert_eq!(parse_step(wrong), None, "{wrong:?}");
        }
    }
}
