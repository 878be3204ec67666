//! Who is registered from where (RFC 3261 section 10). Time comes in; nothing here touches a socket.

use std::collections::HashMap;
use std::time::Duration;

use protocol::{DeviceId, UserId};
use sip::{ContactBinding, Flow, Instance, Register, Uri};
use tokio::time::Instant;

/// Contacts that one device may have; the oldest gives way.
const MAX_CONTACTS: usize = 4;
/// Shorter lifetimes are refused with 423 (RFC 3261 section 10.2.8).
const MIN_EXPIRES: u32 = 30;
/// Longer ones are cut.
const MAX_EXPIRES: u32 = 3600;

/// The bindings of all devices.
#[derive(Debug, Default)]
pub struct Registrar {
    devices: HashMap<DeviceId, Device>,
}

#[derive(Debug)]
struct Device {
    user: UserId,
    /// Oldest first.
    bindings: Vec<Binding>,
}

/// Where a device is reached.
#[derive(Debug, Clone)]
pub struct Binding {
    pub contact: Uri,
    instance: Option<Instance>,
    pub flow: Flow,
    /// The proxies on the way (RFC 3327).
    pub path: Vec<String>,
    expires: Instant,
}

/// What a REGISTER, or the passing of time, made of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Registered { user: UserId, device: DeviceId },
    Gone { user: UserId, device: DeviceId },
}

/// What to answer to a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All bindings that it has now, and the Contacts that it had until now.
    Accept {
        bindings: Vec<ContactBinding>,
        left: Vec<Uri>,
    },
    Refuse {
        status: u16,
        min_expires: Option<u32>,
    },
}

impl Registrar {
    /// Carries out a REGISTER that passed the digest as `device` of `owner`.
    pub fn register(
        &mut self,
        now: Instant,
        request: &Register,
        device: &DeviceId,
        owner: &UserId,
    ) -> (Answer, Option<Change>) {
        if request.user != owner.as_str() {
            return (Answer::Refuse { status: 403, min_expires: None }, None);
        }
        if request.contacts.iter().any(|c| c.expires > 0 && c.expires < MIN_EXPIRES) {
            return (Answer::Refuse { status: 423, min_expires: Some(MIN_EXPIRES) }, None);
        }
        let known = self.devices.contains_key(device);
        let entry =
            self.devices.entry(device.clone()).or_insert_with(|| Device { user: owner.clone(), bindings: vec![] });
        let before: Vec<Uri> = entry.bindings.iter().map(|b| b.contact.clone()).collect();
        if request.remove_all {
            entry.bindings.clear();
        }
        for contact in &request.contacts {
            entry.bind(now, contact, request);
        }
        let is_bound = |contact: &Uri| entry.bindings.iter().any(|b| same_contact(&b.contact, contact));
        let left = before.into_iter().filter(|contact| !is_bound(contact)).collect();
        let answer = Answer::Accept { bindings: entry.contacts(now), left };
        let (user, device) = (owner.clone(), device.clone());
        let change = match (known, entry.bindings.is_empty()) {
            (false, false) => Some(Change::Registered { user, device }),
            (true, true) => {
                self.devices.remove(&device);
                Some(Change::Gone { user, device })
            }
            (false, true) => {
                self.devices.remove(&device);
                None
            }
            (true, false) => None,
        };
        (answer, change)
    }

    /// Drops what has run out.
    pub fn expire(&mut self, now: Instant) -> Vec<Change> {
        let mut gone = vec![];
        self.devices.retain(|id, device| {
            device.bindings.retain(|b| b.expires > now);
            if device.bindings.is_empty() {
                gone.push(Change::Gone { user: device.user.clone(), device: id.clone() });
            }
            !device.bindings.is_empty()
        });
        gone
    }

    /// When [`Self::expire`] has something to do next.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.devices.values().flat_map(|d| &d.bindings).map(|b| b.expires).min()
    }

    /// Where to ring a device: its newest binding.
    #[must_use]
    pub fn locate(&self, now: Instant, device: &DeviceId) -> Option<&Binding> {
        self.devices.get(device)?.bindings.iter().rev().find(|b| b.expires > now)
    }
}

impl Device {
    fn bind(&mut self, now: Instant, contact: &ContactBinding, request: &Register) {
        // A device that has moved is not where it was (RFC 5626 section 6).
        let moved = |b: &Binding| b.instance.is_some() && b.instance == contact.instance;
        self.bindings.retain(|b| !same_contact(&b.contact, &contact.uri) && !moved(b));
        if contact.expires == 0 {
            return;
        }
        if self.bindings.len() >= MAX_CONTACTS {
            self.bindings.remove(0);
        }
        let lifetime = Duration::from_secs(contact.expires.min(MAX_EXPIRES).into());
        self.bindings.push(Binding {
            contact: contact.uri.clone(),
            instance: contact.instance.clone(),
            flow: request.flow,
            path: request.path.clone(),
            expires: now + lifetime,
        });
    }

    fn contacts(&self, now: Instant) -> Vec<ContactBinding> {
        self.bindings
            .iter()
            .map(|b| ContactBinding {
                uri: b.contact.clone(),
                instance: b.instance.clone(),
                expires: u32::try_from(b.expires.saturating_duration_since(now).as_secs()).unwrap_or(MAX_EXPIRES),
            })
            .collect()
    }
}

fn same_contact(a: &Uri, b: &Uri) -> bool {
    a.is_same_place(b) && a.transport() == b.transport()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sip::{RegisterKey, Transport};

    use super::*;

    fn contact(port: u16, expires: u32) -> ContactBinding {
        ContactBinding { uri: format!("sip:ravi@192.0.2.1:{port}").parse().unwrap(), instance: None, expires }
    }

    fn request(user: &str, contacts: Vec<ContactBinding>) -> Register {
        let address = "127.0.0.1:5060".parse().unwrap();
        Register {
            request: RegisterKey(1),
            user: user.into(),
            auth_user: "d1".into(),
            contacts,
            remove_all: false,
            expires: 60,
            flow: Flow { transport: Transport::Udp, local: address, remote: address, connection: 0 },
            path: vec![],
        }
    }

    fn ids() -> (DeviceId, UserId) {
        ("d1".into(), "ravi".into())
    }

    #[test]
    fn registers_refreshes_and_expires() {
        let (device, user) = ids();
        let (mut registrar, start) = (Registrar::default(), Instant::now());
        let (answer, change) = registrar.register(start, &request("ravi", vec![contact(5060, 60)]), &device, &user);
        assert_eq!(answer, Answer::Accept { bindings: vec![contact(5060, 60)], left: vec![] });
        assert_eq!(change, Some(Change::Registered { user: user.clone(), device: device.clone() }));

        let later = start + Duration::from_secs(40);
        let (_, change) = registrar.register(later, &request("ravi", vec![contact(5060, 60)]), &device, &user);
        assert_eq!(change, None);
        assert_eq!(registrar.next_expiry(), Some(later + Duration::from_secs(60)));
        assert_eq!(registrar.expire(start + Duration::from_secs(61)), vec![]);
        assert!(registrar.locate(start + Duration::from_secs(61), &device).is_some());

        let end = later + Duration::from_secs(60);
        assert!(registrar.locate(end, &device).is_none());
        assert_eq!(registrar.expire(end), vec![Change::Gone { user, device }]);
        assert_eq!(registrar.next_expiry(), None);
    }

    #[test]
    fn unregisters_one_contact_or_all() {
        let (device, user) = ids();
        let (mut registrar, now) = (Registrar::default(), Instant::now());
        let two = vec![contact(5060, 60), contact(5070, 60)];
        registrar.register(now, &request("ravi", two), &device, &user);
        let (answer, change) = registrar.register(now, &request("ravi", vec![contact(5060, 0)]), &device, &user);
        let left = vec![contact(5060, 0).uri];
        assert_eq!((answer, change), (Answer::Accept { bindings: vec![contact(5070, 60)], left }, None));
        let all = Register { remove_all: true, ..request("ravi", vec![]) };
        let (answer, change) = registrar.register(now, &all, &device, &user);
        let answered = Answer::Accept { bindings: vec![], left: vec![contact(5070, 0).uri] };
        assert_eq!((answer, change), (answered, Some(Change::Gone { user, device })));
    }

    #[test]
    fn refuses_a_foreign_address_of_record_and_a_tiny_lifetime() {
        let (device, user) = ids();
        let (mut registrar, now) = (Registrar::default(), Instant::now());
        let (answer, change) = registrar.register(now, &request("mina", vec![contact(5060, 60)]), &device, &user);
        assert_eq!((answer, change), (Answer::Refuse { status: 403, min_expires: None }, None));
        let (answer, _) = registrar.register(now, &request("ravi", vec![contact(5060, 1)]), &device, &user);
        assert_eq!(answer, Answer::Refuse { status: 423, min_expires: Some(MIN_EXPIRES) });
        assert!(registrar.locate(now, &device).is_none());
    }

    #[test]
    fn a_device_that_has_moved_is_not_where_it_was() {
        let (device, user) = ids();
        let (mut registrar, now) = (Registrar::default(), Instant::now());
        let of = |name, port| ContactBinding { instance: Some(Instance::named(name)), ..contact(port, 60) };
        let mut bind = |binding: ContactBinding| match registrar
            .register(now, &request("ravi", vec![binding]), &device, &user)
            .0
        {
            Answer::Accept { bindings, left } => (bindings, left.iter().filter_map(|uri| uri.port).collect::<Vec<_>>()),
            Answer::Refuse { status, .. } => panic!("{status}"),
        };
        bind(contact(5050, 60));
        bind(of("desk", 5060));
        assert!(bind(of("home", 5070)).1.is_empty());
        let moved = vec![contact(5050, 60), of("home", 5070), of("desk", 5080)];
        assert_eq!(bind(of("desk", 5080)), (moved.clone(), vec![5060]));
        // The phone that it was leaves late, and does not take its successor with it.
        assert_eq!(bind(contact(5060, 0)), (moved.clone(), vec![]));
        let left = bind(ContactBinding { expires: 0, ..of("home", 5090) });
        assert_eq!(left, (vec![moved[0].clone(), moved[2].clone()], vec![5070]));
    }

    #[test]
    fn a_device_is_reached_by_the_path_of_its_last_registration() {
        let (device, user) = ids();
        let (mut registrar, now) = (Registrar::default(), Instant::now());
        for edge in ["<sip:edge.example;lr>", "<sip:other.example;lr>"] {
            let path = vec![edge.to_owned()];
            let request = Register { path: path.clone(), ..request("ravi", vec![contact(5060, 60)]) };
            registrar.register(now, &request, &device, &user);
            assert_eq!(registrar.locate(now, &device).unwrap().path, path);
        }
        registrar.register(now, &request("ravi", vec![contact(5060, 60)]), &device, &user);
        assert!(registrar.locate(now, &device).unwrap().path.is_empty(), "it has come without the proxy");
    }

    #[test]
    fn the_number_of_contacts_is_bounded() {
        let (device, user) = ids();
        let (mut registrar, now) = (Registrar::default(), Instant::now());
        let many = (0..100).map(|i| contact(6000 + i, 60)).collect();
        let (answer, _) = registrar.register(now, &request("ravi", many), &device, &user);
        let Answer::Accept { bindings: kept, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(kept.len(), MAX_CONTACTS);
        assert_eq!(registrar.locate(now, &device).unwrap().contact.port, Some(6099));
    }
}
