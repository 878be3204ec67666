//! Names known beforehand.

use std::{net::IpAddr, str::FromStr};

use super::{Answer, Naptr, Srv, Zone};

/// A name service of its own, which knows nothing else. For tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    naptr: Vec<(String, Naptr)>,
    srv: Vec<(String, Srv)>,
    hosts: Vec<(String, IpAddr)>,
}

/// What is wrong with a text that should describe [`Names`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not one of naptr NAME ORDER PREFERENCE SERVICE REPLACEMENT, srv NAME PRIORITY WEIGHT PORT TARGET, host NAME \
     ADDRESS"
)]
pub struct NamesError(String);

impl FromStr for Names {
    type Err = NamesError;

    /// Records with `;` between: `srv _sip._udp.office.test 1 1 5060 pbx; host pbx 192.0.2.1`.
    fn from_str(text: &str) -> Result<Self, NamesError> {
        let mut names = Self::default();
        for record in text.split(';').map(str::trim).filter(|record| !record.is_empty()) {
            names.add(record).ok_or_else(|| NamesError(record.chars().take(80).collect()))?;
        }
        Ok(names)
    }
}

impl Names {
    fn add(&mut self, record: &str) -> Option<()> {
        match record.split_whitespace().collect::<Vec<_>>()[..] {
            ["naptr", name, order, preference, service, replacement] => {
                let (order, preference) = (order.parse().ok()?, preference.parse().ok()?);
                let (service, replacement) = (service.to_owned(), replacement.to_owned());
                self.naptr.push((name.to_owned(), Naptr { order, preference, service, replacement }));
            }
            ["srv", name, priority, weight, port, target] => {
                let (priority, weight) = (priority.parse().ok()?, weight.parse().ok()?);
                let (port, target) = (port.parse().ok()?, target.to_owned());
                self.srv.push((name.to_owned(), Srv { priority, weight, port, target }));
            }
            ["host", name, address] => self.hosts.push((name.to_owned(), address.parse().ok()?)),
            _ => return None,
        }
        Some(())
    }
}

impl Zone for Names {
    fn naptr<'a>(&'a self, name: &'a str) -> Answer<'a, Naptr> {
        of(&self.naptr, name)
    }
    fn srv<'a>(&'a self, name: &'a str) -> Answer<'a, Srv> {
        of(&self.srv, name)
    }
    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
        of(&self.hosts, name)
    }
}

fn of<'a, T: Clone + Send + Sync>(records: &'a [(String, T)], name: &'a str) -> Answer<'a, T> {
    let found = records.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, of)| of.clone());
    Box::pin(async { found.collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn records_are_found_by_name_and_mistakes_are_shown() {
        let names: Names = "naptr a.test 1 2 SIPS+D2T _sips._tcp.a.test; srv _sips._tcp.a.test 1 2 5061 b; host b ::1;"
            .parse()
            .unwrap();
        assert_eq!(names.naptr("A.test").await[0].replacement, "_sips._tcp.a.test");
        assert_eq!(names.srv("_sips._tcp.a.test").await[0].port, 5061);
        assert_eq!(names.addresses("b").await, ["::1".parse::<IpAddr>().unwrap()]);
        assert!(names.addresses("a.test").await.is_empty());
        for wrong in ["host b", "host b nowhere", "srv a 1 1 99999 b", "mx a b"] {
            assert!(wrong.parse::<Names>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}
