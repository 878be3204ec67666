//! Where the exchange is.

use reqwest::Url;

/// An exchange's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: Url,
    port: u16,
}

/// Why an address can't be used, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("Write the exchange's address as host:port, for example desk.example.com:7443.")]
    Malformed,
    #[error("The address needs a port, for example {0}:7443. Ask whoever runs the exchange.")]
    NoPort(String),
    #[error("Plain http:// works on this machine only. Write https://{0} instead.")]
    PlainHttp(String),
}

impl Address {
    /// `https://host:port`, `host:port`, or `http://host:port` if the host is this machine.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(typed: &str) -> Result<Self, BadAddress> {
        let typed = typed.trim().trim_end_matches('/');
        let with_scheme = if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
        let base = Url::parse(&with_scheme).map_err(|_| BadAddress::Malformed)?;
        let host = base.host_str().filter(|host| !host.is_empty()).ok_or(BadAddress::Malformed)?;
        let bare = base.path() == "/" && base.query().is_none() && base.fragment().is_none();
        if !bare || !base.username().is_empty() || base.password().is_some() {
            return Err(BadAddress::Malformed);
        }
        // Url drops a scheme's own port: then it was written out, or is meant by the scheme.
        let port = match (base.port(), base.port_or_known_default()) {
            (Some(port), _) => port,
            (None, Some(port)) if typed.contains("://") || typed.ends_with(&format!(":{port}")) => port,
            (None, _) => return Err(BadAddress::NoPort(host.to_owned())),
        };
        match base.scheme() {
            "https" => Ok(Self { port, base }),
            "http" if is_this_machine(host) => Ok(Self { port, base }),
            "http" => Err(BadAddress::PlainHttp(format!("{host}:{port}"))),
            _ => Err(BadAddress::Malformed),
        }
    }

    /// Host as in the address, IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// What a pinned certificate is filed under.
    pub(crate) fn host_port(&self) -> String {
        format!("{}:{}", self.host(), self.port)
    }

    /// The address of one resource of the control API; `segments` are escaped.
    pub(crate) fn resource(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push("v1").extend(segments);
        }
        url
    }

    /// The address of the feed.
    pub(crate) fn feed(&self) -> String {
        let scheme = if self.base.scheme() == "https" { "wss" } else { "ws" };
        format!("{scheme}://{}/v1/feed", self.host_port())
    }
}

impl std::fmt::Display for Address {
    /// As a person would write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.base.scheme() == "http" {
            f.write_str("http://")?;
        }
        f.write_str(&self.host_port())
    }
}

fn is_this_machine(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_taken() {
        for (typed, shown, feed) in [
            ("desk.example.com:7443", "desk.example.com:7443", "wss://desk.example.com:7443/v1/feed"),
            (" https://desk.example.com:7443/ ", "desk.example.com:7443", "wss://desk.example.com:7443/v1/feed"),
            ("https://desk.example.com", "desk.example.com:443", "wss://desk.example.com:443/v1/feed"),
            ("desk.example.com:443", "desk.example.com:443", "wss://desk.example.com:443/v1/feed"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/feed"),
            ("http://[::1]:8080", "http://[::1]:8080", "ws://[::1]:8080/v1/feed"),
        ] {
            let address = Address::parse(typed).unwrap();
            assert_eq!((address.to_string().as_str(), address.feed().as_str()), (shown, feed), "{typed}");
            assert_eq!(Address::parse(&address.to_string()), Ok(address), "what is shown can be typed");
        }
    }

    #[test]
    fn the_rest_is_refused_with_a_remedy() {
        use BadAddress::{Malformed, NoPort, PlainHttp};
        for (typed, fault) in [
            ("", Malformed),
            ("desk.example.com", NoPort("desk.example.com".into())),
            ("http://192.0.2.1:8080", PlainHttp("192.0.2.1:8080".into())),
            ("https://user:secret@desk.example.com:1", Malformed),
            ("https://desk.example.com:1/other", Malformed),
            ("ftp://127.0.0.1:21", Malformed),
            ("desk.example.com:99999", Malformed),
        ] {
            assert_eq!(Address::parse(typed), Err(fault), "{typed}");
        }
    }

    #[test]
    fn ids_cannot_break_out_of_their_place_in_the_path() {
        let address = Address::parse("x:1").unwrap();
        assert_eq!(address.resource(&["calls", "../a?b#c"]).as_str(), "https://x:1/v1/calls/..%2Fa%3Fb%23c");
    }
}
