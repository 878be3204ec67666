//! The account: users and departments.

use std::collections::{BTreeMap, HashMap};

use protocol::{DepartmentId, Role, Strategy, UserId};
use switchboard::{Account, DepartmentConfig, UserConfig};
use toml::Spanned;

use super::{
    PasswordHash, Section,
    mistakes::Found,
    network::{NUMBER_REMEDY, is_number},
    policy,
    section::short,
    steps::{self, Mentioned, STRATEGIES, unknown_department},
    words::{meaning, word},
};

pub(super) fn read(root: &mut Section<'_, '_>, found: &mut Found) -> Option<(Account, BTreeMap<UserId, PasswordHash>)> {
    let mut account = root.table(found, "account");
    let name = account.need::<String>(found, "name", "add a line: name = \"Your company\"");
    account.finish(found);
    if let Some(name) = &name {
        check_name(name, found);
    }
    let mut named = Mentioned::default();
    let (policy, code) = policy::read(root.table(found, "policy"), &mut named, found);
    let mut taken = Taken::default();
    let tables = root.tables(found, "department");
    let departments: Vec<_> = tables.into_iter().map(|t| department(t, &mut taken, &mut named, found)).collect();
    let known: Vec<_> = departments.iter().flatten().map(|d| d.id.clone()).collect();
    let tables = root.tables(found, "user");
    if tables.is_empty() {
        found.say(&(0..0), "there is no user", "add a [[user]] with id, name, role and extension");
    }
    let users: Vec<_> = tables.into_iter().map(|t| user(t, &known, &mut taken, &mut named, found)).collect();
    named.check(&known, found);
    code.inspect(|code| taken.code(code, found));
    let users = users.into_iter().collect::<Option<Vec<_>>>()?;
    let departments = departments.into_iter().collect::<Option<Vec<_>>>()?;
    let passwords = users.iter().filter_map(|(u, hash)| Some((u.id.clone(), hash.clone()?))).collect();
    let users = users.into_iter().map(|(user, _)| user).collect();
    // What the other sections say.
    let (has_trunk, dispositions) = (false, Vec::new());
    Some((Account { name: name?.into_inner(), users, departments, policy, has_trunk, dispositions }, passwords))
}

/// What may be there only once: ids (a dialled name finds a user or a department), extensions and numbers.
#[derive(Default)]
struct Taken {
    ids: HashMap<String, String>,
    dialled: BTreeMap<String, String>,
}

impl Taken {
    fn id(&mut self, id: &Spanned<String>, whose: &str, found: &mut Found) {
        let before = self.ids.insert(id.get_ref().clone(), whose.to_owned());
        Self::once(before, "id", id, whose, found);
    }

    fn dialled(&mut self, what: &str, number: &Spanned<String>, whose: &str, found: &mut Found) {
        let before = self.dialled.insert(number.get_ref().clone(), whose.to_owned());
        Self::once(before, what, number, whose, found);
    }

    fn once(before: Option<String>, what: &str, new: &Spanned<String>, whose: &str, found: &mut Found) {
        if let Some(other) = before {
            let remedy = format!("give {whose} another {what}");
            let what = format!("the {what} \"{}\" is already taken by {other}", short(new.get_ref()));
            found.say(&new.span(), what, remedy);
        }
    }

    /// Who presses the code's keys for something else must not begin a transfer by it.
    fn code(&self, code: &Spanned<String>, found: &mut Found) {
        let text = code.get_ref().as_str();
        let clash = self.dialled.iter().find(|(number, _)| number.starts_with(text) || text.starts_with(*number));
        if let Some((number, whose)) = clash {
            let what = format!("`feature_code` \"{text}\" overlaps with \"{}\" of {whose}", short(number));
            found.say(&code.span(), what, "begin the code with *, for example \"*2\"");
        }
    }
}

fn department(
    mut section: Section<'_, '_>,
    taken: &mut Taken,
    named: &mut Mentioned,
    found: &mut Found,
) -> Option<DepartmentConfig> {
    let (id, name, extension) = who(&mut section, taken, found);
    let numbers = section.get_or::<Vec<Spanned<String>>>(found, "numbers", Vec::new());
    let ring = seconds(&mut section, "ring_seconds", 20, 5..=300, found);
    let queue = seconds(&mut section, "queue_seconds", 120, 5..=3600, found);
    let strategy = word(&mut section, "strategy", &STRATEGIES, Strategy::default(), found);
    let fallback = steps::fallback(&mut section, None, named, found);
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
        strategy,
        fallback,
    })
}

type ReadUser = (UserConfig, Option<PasswordHash>);

fn user(
    mut section: Section<'_, '_>,
    known: &[DepartmentId],
    taken: &mut Taken,
    named: &mut Mentioned,
    found: &mut Found,
) -> Option<ReadUser> {
    let (id, name, extension) = who(&mut section, taken, found);
    let role = section.need::<String>(found, "role", "add a line: role = \"agent\"");
    let role = role.and_then(|given| meaning(&given, "role", &ROLES, found).map(|r| Spanned::new(given.span(), r)));
    let departments = section.get_or::<Vec<Spanned<String>>>(found, "departments", Vec::new());
    let disabled = *section.get_or(found, "disabled", false).get_ref();
    let hash = password(&mut section, id.as_deref(), disabled, found);
    let unknown = |d: &&Spanned<String>| !known.iter().any(|k| k.as_str() == d.get_ref());
    for department in departments.get_ref().iter().filter(unknown) {
        unknown_department(department, known, found);
    }
    if let Some(role) = role.as_ref().filter(|r| *r.get_ref() == Role::Manager && departments.get_ref().is_empty()) {
        let remedy = "list the departments that this manager looks after: departments = [\"…\"]";
        found.say(&role.span(), "a manager without departments would see no call", remedy);
    }
    let outside = section.get::<bool>(found, "transfer_outside").map(Spanned::into_inner);
    let fallback = steps::fallback(&mut section, None, named, found);
    section.finish(found);
    let user = UserConfig {
        id: UserId(id?),
        name: name?,
        extension: extension?,
        role: role?.into_inner(),
        departments: departments.into_inner().into_iter().map(|d| DepartmentId(d.into_inner())).collect(),
        disabled,
        may_transfer_outside: outside,
        fallback,
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
        check_id(id, found);
        section.name = format!("{} {}", section.name, short(id.get_ref()));
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

pub(super) fn check_id(id: &Spanned<String>, found: &mut Found) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let text = id.get_ref();
    if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
        let remedy = "use 1 to 32 small letters, digits, dots, dashes";
        found.say(&id.span(), format!("`id` is \"{}\"", short(text)), remedy);
    }
}

pub(super) fn check_name(name: &Spanned<String>, found: &mut Found) {
    let text = name.get_ref();
    if text.trim().is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
        let remedy = "use 1 to 64 characters, none of them control characters";
        found.say(&name.span(), format!("`name` is \"{}\"", short(text)), remedy);
    }
}

const ROLES: [(&str, Role); 3] =
    [("administrator", Role::Administrator), ("manager", Role::Manager), ("agent", Role::Agent)];

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

pub(super) fn seconds(
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
