//! The exchange's side of REGISTER (RFC 3261 section 10.3): reading it and answering. The owner keeps the bindings.

use std::fmt::Write;

use crate::{
    ContactBinding, Flow, Instance, NameAddr, Register, RegisterKey, Scheme,
    io::{Io, RUN, random_tag},
    leg::has_option,
    message::{Message, split_list},
};

/// What a device gets that asks for no lifetime, seconds.
const DEFAULT_EXPIRES: u32 = 3600;
/// Contacts in one REGISTER.
const MAX_CONTACTS: usize = 16;
/// Proxies on its path.
const MAX_PATH: usize = 8;

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
    let path = path(request)?;
    Ok(Register { request: key, user: to.uri.user().to_owned(), auth_user, contacts, remove_all, expires, flow, path })
}

fn path(request: &Message) -> Result<Vec<String>, u16> {
    let path: Vec<&str> = request.all("Path").flat_map(split_list).collect();
    // In brackets, as a Route.
    let is_route =
        |one: &&str| one.contains('<') && one.parse::<NameAddr>().is_ok_and(|to| to.uri.scheme != Scheme::Tel);
    if path.len() > MAX_PATH || !path.iter().all(is_route) {
        return Err(400);
    }
    Ok(path.into_iter().map(str::to_owned).collect())
}

pub(crate) fn accept(io: &mut Io, tx: u64, bindings: &[ContactBinding]) {
    let run = io.run.clone();
    // Told only to who knows what it is (RFC 3327 section 5.3).
    let asked = io.txs.pending(tx).filter(|(request, _)| has_option(request, "Supported", "path"));
    let path: Vec<String> = asked.iter().flat_map(|(request, _)| request.all("Path")).map(str::to_owned).collect();
    io.respond(tx, 200, &random_tag(), |mut m| {
        m.add(RUN, run);
        for value in path {
            m.add("Path", value);
        }
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
