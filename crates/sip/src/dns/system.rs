//! The machine's own name service.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    proto::rr::{RData, RecordType},
};

use super::{Answer, Naptr, Srv, Zone};

/// How long a server may take; there are two tries.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Services are asked of the name servers that the system names at that moment, addresses of the system itself (its
/// hosts file, its VPN, multicast DNS).
pub(crate) struct System;

impl Zone for System {
    fn naptr<'a>(&'a self, name: &'a str) -> Answer<'a, Naptr> {
        Box::pin(records(name, RecordType::NAPTR, |data| match data {
            RData::NAPTR(r) => Some(Naptr {
                order: r.order,
                preference: r.preference,
                service: String::from_utf8_lossy(&r.services).into_owned(),
                replacement: r.replacement.to_ascii(),
            }),
            _ => None,
        }))
    }

    fn srv<'a>(&'a self, name: &'a str) -> Answer<'a, Srv> {
        Box::pin(records(name, RecordType::SRV, |data| match data {
            RData::SRV(r) => {
                Some(Srv { priority: r.priority, weight: r.weight, port: r.port, target: r.target.to_ascii() })
            }
            _ => None,
        }))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await;
            found.map(|all| all.map(|a| a.ip()).collect()).unwrap_or_default()
        })
    }
}

/// A resolver of its own for each question: it reads the system's settings anew, which a change of network changes.
async fn records<T>(name: &str, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Vec<T> {
    let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (PATIENCE, 2);
        builder.build()
    });
    let Ok(resolver) = resolver else { return Vec::new() };
    // With a dot at the end: no search domain is tried.
    let name = format!("{}.", name.trim_end_matches('.'));
    match resolver.lookup(name.as_str(), kind).await {
        Ok(found) => found.answers().iter().filter_map(|record| read(&record.data)).collect(),
        Err(error) => {
            tracing::debug!(name, %kind, %error, "nothing found");
            Vec::new()
        }
    }
}
