//! The exchange's side of REGISTER (RFC 3261 section 10.3): reading it and answering. The owner keeps the bindings.

use std::fmt::Write;

use crate::{
    ContactBinding, Flow, Instance, NameAddr, Register, RegisterKey,
    io::{Io, RUN, random_tag},
    message::{Message, split_list},
};

/// What a device gets that asks for no lifetime, seconds.
const DEFAULT_EXPIRES: u32 = 3600;
/// Contacts in one REGISTER.
const MAX_CONTACTS: usize = 16;

/// # Errors
/// The status to refuse with.
pub(crate) fn read(key: RegisterKey, request: &Message, auth_user: String, flow: Flow) -> Result<Register, u16> {
    let to = request.name_addr("To").ok_or(400_u16)?;
    let expires = match request.get("Expires") {
        Some(text) => text.trim().parse().unwrap_or(DEFAULT_EXPIRES),
        None => DEFAULT_EXPIRES,
    };
    let mut contacts = Vec::new();
    let mut remove_all = false;
    for one in request.all("Contact").flat_map(split_list) {
        if one == "*" {
            remove_all = true;
            continue;
        }
        // Whose headers those would be is not clear (RFC 3261 section 20.10).
        if !one.contains('<') && one.contains('?') {
            return Err(400);
        }
        let contact: NameAddr = one.parse().map_err(|_| 400_u16)?;
        let own = contact.param("expires").and_then(|e| e.parse().ok());
        let instance = Instance::of(&contact);
        contacts.push(ContactBinding { uri: contact.uri, instance, expires: own.unwrap_or(expires) });
    }
    let star_abused = remove_all && (expires != 0 || !contacts.is_empty());
    if star_abused || contacts.len() > MAX_CONTACTS {
        return Err(400);
    }
    Ok(Register { request: key, user: to.uri.user().to_owned(), auth_user, contacts, remove_all, expires, flow })
}

pub(crate) fn accept(io: &mut Io, tx: u64, bindings: &[ContactBinding]) {
    let run = io.run.clone();
    io.respond(tx, 200, &random_tag(), |mut m| {
        m.add(RUN, run);
        for b in bindings {
            let mut value = String::new();
            let _ = write!(value, "<{}>;expires={}", b.uri, b.expires);
            if let Some(instance) = &b.instance {
                let _ = write!(value, ";{instance}");
            }
            m.add("Contact", value);
        }
        m
    });
}

pub(crate) fn refuse(io: &mut Io, tx: u64, status: u16, min_expires: Option<u32>) {
    let status = if (300..700).contains(&status) { status } else { 403 };
    io.respond(tx, status, &random_tag(), |mut m| {
        if let Some(seconds) = min_expires {
            m.add("Min-Expires", seconds.to_string());
        }
        m
    });
}
