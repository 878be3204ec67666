//! Finding the servers of a name (RFC 3263): NAPTR says which transports, SRV which servers in which order, A and AAAA
//! where they are.

mod names;
mod system;

use std::{future::Future, net::IpAddr, net::SocketAddr, pin::Pin, sync::Arc};

use rand::Rng;

use crate::{Host, Transport, Uri, net::Hop};
pub use names::{Names, NamesError};
pub(crate) use system::System;

/// Servers of one name that are tried.
const MAX_HOPS: usize = 16;

/// Answers of a name service. What is not there, or could not be asked, is an empty list.
pub trait Zone: Send + Sync {
    fn naptr<'a>(&'a self, name: &'a str) -> Answer<'a, Naptr>;
    fn srv<'a>(&'a self, name: &'a str) -> Answer<'a, Srv>;
    /// In the order in which they should be tried.
    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr>;
}

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Vec<T>> + Send + 'a>>;

/// RFC 3403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
    pub service: String,
    /// The name to ask for SRV.
    pub replacement: String,
}

/// RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The lowest is tried first.
    pub priority: u16,
    /// Share among those of the same priority.
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

/// The servers of a URI, in the order in which they are to be tried.
pub(crate) async fn locate(zone: Arc<dyn Zone>, uri: Uri) -> Vec<Hop> {
    let zone = zone.as_ref();
    let mut hops = match &uri.host {
        Host::Ip(ip) => vec![Hop::new(uri.transport(), SocketAddr::new(*ip, uri.port_or_default()))],
        // An explicit port names one server (RFC 3263 section 4.2).
        Host::Name(name) if uri.port.is_some() || !has_services(name) => {
            at(zone, name, uri.transport(), uri.port_or_default()).await
        }
        Host::Name(name) => match services(zone, name, uri.wanted_transport()).await {
            found if found.is_empty() => at(zone, name, uri.transport(), uri.port_or_default()).await,
            found => found,
        },
    };
    if let Host::Name(name) = &uri.host {
        // The certificate is of the name that was asked for, not of what DNS made of it (RFC 5922 section 4).
        hops.iter_mut().filter(|hop| hop.transport == Transport::Tls).for_each(|hop| hop.name = Some(name.clone()));
    }
    hops.truncate(MAX_HOPS);
    hops
}

/// Names of a host alone, and those of multicast DNS, have no services.
fn has_services(name: &str) -> bool {
    name.trim_end_matches('.').contains('.') && !name.ends_with(".local")
}

async fn at(zone: &dyn Zone, name: &str, transport: Transport, port: u16) -> Vec<Hop> {
    let addresses = zone.addresses(name).await;
    addresses.into_iter().map(|ip| Hop::new(transport, SocketAddr::new(ip, port))).collect()
}

async fn services(zone: &dyn Zone, name: &str, wanted: Option<Transport>) -> Vec<Hop> {
    let named = |transport| (transport, format!("{}.{name}", service_of(transport)));
    let asked: Vec<(Transport, String)> = match wanted {
        Some(transport) => vec![named(transport)],
        None => match by_naptr(zone.naptr(name).await) {
            none if none.is_empty() => [Transport::Udp, Transport::Tcp, Transport::Tls].map(named).into(),
            found => found,
        },
    };
    let mut hops = Vec::new();
    for (transport, service) in asked {
        for srv in in_order(zone.srv(&service).await) {
            hops.extend(at(zone, &srv.target, transport, srv.port).await);
            if hops.len() >= MAX_HOPS {
                return hops;
            }
        }
    }
    hops
}

fn service_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    }
}

fn by_naptr(mut records: Vec<Naptr>) -> Vec<(Transport, String)> {
    records.sort_by_key(|r| (r.order, r.preference));
    let transport = |service: &str| match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    };
    records.into_iter().filter_map(|r| Some((transport(&r.service)?, r.replacement))).collect()
}

/// By priority, and by chance according to the weights (RFC 2782).
fn in_order(mut records: Vec<Srv>) -> Vec<Srv> {
    // A lone dot says that there is no such service.
    records.retain(|r| !r.target.trim_end_matches('.').is_empty());
    records.sort_by_key(|r| (r.priority, r.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let group = records.iter().take_while(|r| r.priority == first.priority).count();
        let total: u32 = records[..group].iter().map(|r| u32::from(r.weight)).sum();
        let mut chance = rand::rng().random_range(0..=total);
        let at = records[..group].iter().position(|r| {
            let chosen = chance <= u32::from(r.weight);
            chance = chance.saturating_sub(u32::from(r.weight));
            chosen
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Book {
        naptr: Vec<Naptr>,
        srv: HashMap<&'static str, Vec<Srv>>,
        hosts: HashMap<&'static str, Vec<IpAddr>>,
    }

    impl Zone for Book {
        fn naptr<'a>(&'a self, name: &'a str) -> Answer<'a, Naptr> {
            let found = if name == "example.com" { self.naptr.clone() } else { vec![] };
            Box::pin(async { found })
        }
        fn srv<'a>(&'a self, name: &'a str) -> Answer<'a, Srv> {
            let found = self.srv.get(name).cloned().unwrap_or_default();
            Box::pin(async { found })
        }
        fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
            let found = self.hosts.get(name).cloned().unwrap_or_default();
            Box::pin(async { found })
        }
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
        Srv { priority, weight, port, target: target.into() }
    }

    fn book() -> Book {
        let ip = |text: &str| vec![text.parse::<IpAddr>().unwrap()];
        Book {
            naptr: vec![],
            srv: HashMap::from([
                ("_sip._udp.example.com", vec![srv(20, 1, 5070, "b.example.com"), srv(10, 1, 5060, "a.example.com")]),
                ("_sips._tcp.example.com", vec![srv(1, 1, 5061, "a.example.com")]),
            ]),
            hosts: HashMap::from([
                ("example.com", ip("192.0.2.9")),
                ("a.example.com", vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()]),
                ("b.example.com", ip("192.0.2.2")),
                ("pbx", ip("192.0.2.3")),
            ]),
        }
    }

    async fn found(book: Book, uri: &str) -> Vec<String> {
        let hops = locate(Arc::new(book), uri.parse().unwrap()).await;
        hops.iter().map(|hop| format!("{} {hop}", hop.transport)).collect()
    }

    #[tokio::test]
    async fn services_name_the_servers_in_order() {
        let all = ["UDP [2001:db8::1]:5060", "UDP 192.0.2.1:5060", "UDP 192.0.2.2:5070"];
        let tls = ["TLS example.com ([2001:db8::1]:5061)", "TLS example.com (192.0.2.1:5061)"];
        assert_eq!(found(book(), "sip:example.com").await, [&all[..], &tls[..]].concat());
        assert_eq!(found(book(), "sips:example.com").await, tls);
        assert_eq!(found(book(), "sip:example.com;transport=tls").await, tls);
    }

    #[tokio::test]
    async fn naptr_chooses_the_transport() {
        let record = |order, service: &str, name: &str| Naptr {
            order,
            preference: 1,
            service: service.into(),
            replacement: name.into(),
        };
        let naptr = vec![
            record(20, "SIP+D2U", "_sip._udp.example.com"),
            record(10, "sips+d2t", "_sips._tcp.example.com"),
            record(5, "E2U+email", "x"),
        ];
        let found = found(Book { naptr, ..book() }, "sip:example.com").await;
        assert!(found[0].starts_with("TLS") && found.last().unwrap().starts_with("UDP"), "{found:?}");
    }

    #[tokio::test]
    async fn a_port_an_address_or_a_plain_host_names_one_server() {
        for (uri, is) in [
            ("sip:example.com:5080", vec!["UDP 192.0.2.9:5080"]),
            ("sip:example.com;transport=tcp", vec!["TCP 192.0.2.9:5060"]),
            ("sip:192.0.2.7", vec!["UDP 192.0.2.7:5060"]),
            ("sip:[::1];transport=tls", vec!["TLS [::1]:5061"]),
            ("sip:pbx", vec!["UDP 192.0.2.3:5060"]),
            ("sip:nowhere.example.net", vec![]),
        ] {
            assert_eq!(found(book(), uri).await, is, "{uri}");
        }
        let mut none = book();
        none.srv = HashMap::from([("_sip._udp.example.com", vec![srv(0, 0, 0, ".")])]);
        assert_eq!(found(none, "sip:example.com").await, ["UDP 192.0.2.9:5060"]);
    }

    #[test]
    fn weights_share_and_priorities_rule() {
        let records = || vec![srv(1, 90, 1, "a"), srv(1, 10, 1, "b"), srv(0, 0, 1, "z"), srv(1, 0, 1, "c")];
        let mut first = HashMap::new();
        for _ in 0..1000 {
            let ordered = in_order(records());
            assert_eq!((ordered.len(), ordered[0].target.as_str()), (4, "z"));
            *first.entry(ordered[1].target.clone()).or_insert(0) += 1;
        }
        assert!(first["a"] > 800 && (40..200).contains(&first["b"]), "{first:?}");
    }
}
