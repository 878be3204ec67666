//! `[[disposition]]`: what finished calls can be marked as.

use std::collections::HashMap;

use protocol::{Disposition, DispositionId};
use toml::Spanned;

use super::{
    Section,
    mistakes::Found,
    people::{check_id, check_name},
    section::short,
};

/// If the file names none. Ids stay with the calls for ever.
const DEFAULTS: [(&str, &str); 4] =
    [("resolved", "Resolved"), ("call_back", "Call back"), ("wrong_number", "Wrong number"), ("spam", "Spam")];

pub(super) fn read(root: &mut Section<'_, '_>, found: &mut Found) -> Vec<Disposition> {
    if !root.has("disposition") {
        return DEFAULTS.map(|(id, name)| Disposition { id: id.into(), name: name.to_owned() }).into();
    }
    let mut taken = HashMap::new();
    let tables = root.tables(found, "disposition");
    tables.into_iter().filter_map(|table| disposition(table, &mut taken, found)).collect()
}

/// `taken` holds each id and name, and whose it is.
fn disposition(
    mut section: Section<'_, '_>,
    taken: &mut HashMap<(&'static str, String), String>,
    found: &mut Found,
) -> Option<Disposition> {
    let id = section.need::<String>(found, "id", "add a line: id = \"a_short_word\"");
    if let Some(id) = &id {
        check_id(id, found);
        section.name = format!("{} {}", section.name, short(id.get_ref()));
    }
    let name = section.need::<String>(found, "name", "add a line: name = \"What people choose\"");
    if let Some(name) = &name {
        check_name(name, found);
    }
    for (what, value) in [("id", &id), ("name", &name)] {
        let Some(value) = value else { continue };
        if let Some(other) = taken.insert((what, value.get_ref().clone()), section.name.clone()) {
            let said = format!("the {what} \"{}\" is already taken by {other}", short(value.get_ref()));
            found.say(&value.span(), said, format!("give {} another {what}", section.name));
        }
    }
    section.finish(found);
    Some(Disposition { id: DispositionId(id.map(Spanned::into_inner)?), name: name?.into_inner() })
}
