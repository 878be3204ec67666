//! SIP addresses: URIs and name-addrs (RFC 3261 section 19.1, 20.10). Our own types, since `rsip`'s reject IPv6 and `tel:`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use crate::Error;

/// Longest address that is read, bytes.
const MAX_LEN: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// As in a Via: `UDP`, `TCP`, `TLS`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Where SIP is heard if nothing else is said.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// The value of `;transport=`; none for UDP, which is meant if there is none.
    fn param(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
        }
    }

    /// Whether it carries a stream of bytes over a connection: nothing is lost or sent again.
    pub(crate) fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Sip,
    Sips,
    /// The number is in [`Uri::user`]; the host is empty.
    Tel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(a)) => write!(f, "{a}"),
            Self::Ip(IpAddr::V6(a)) => write!(f, "[{a}]"),
            Self::Name(n) => f.write_str(n),
        }
    }
}

/// `sip:`, `sips:` or `tel:` URI. Displayed, it is a URI again; reading what was displayed gives the same value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    pub scheme: Scheme,
    /// Unescaped.
    pub user: Option<String>,
    pub host: Host,
    pub port: Option<u16>,
    /// `;name` or `;name=value`; names in lower case.
    pub params: Vec<(String, Option<String>)>,
    /// After the `?`, as it was: `Replaces=…`.
    pub headers: Option<String>,
}

impl Uri {
    /// `sip:user@host:port`.
    #[must_use]
    pub fn sip(user: &str, host: Host, port: Option<u16>) -> Self {
        let user = (!user.is_empty()).then(|| user.to_owned());
        Self { scheme: Scheme::Sip, user, host, port, params: Vec::new(), headers: None }
    }

    /// `sip:user@ip:port`, with `;transport=tcp` for TCP and `;transport=tls` for TLS: deprecated (RFC 3261 section
    /// 26.2.2), and what everybody writes and reads.
    #[must_use]
    pub fn at(user: &str, address: SocketAddr, transport: Transport) -> Self {
        Self::sip(user, Host::Ip(address.ip()), Some(address.port())).over(transport)
    }

    /// The same with `;transport=`, unless it asks for one already.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        if let Some(value) = transport.param().filter(|_| self.param("transport").is_none()) {
            self.params.push(("transport".into(), Some(value.into())));
        }
        self
    }

    /// The user part, or an empty text.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// Value of a parameter; `Some("")` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        find_param(&self.params, name)
    }

    /// Value of a header of the URI, unescaped: `?Replaces=…`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let all = self.headers.as_deref()?.split('&');
        let mut named = all.filter_map(|h| h.split_once('=')).filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| unescape(value))
    }

    /// The transport that the scheme or `;transport=` asks for; UDP if they ask for none or for one we do not have.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.wanted_transport().unwrap_or(Transport::Udp)
    }

    /// The same, if one is asked for. `sips:` means TLS whatever the parameter says (RFC 3261 section 26.2.2).
    #[must_use]
    pub fn wanted_transport(&self) -> Option<Transport> {
        if self.scheme == Scheme::Sips {
            return Some(Transport::Tls);
        }
        let named = |t: &Transport| self.param("transport").is_some_and(|p| p.eq_ignore_ascii_case(t.as_str()));
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find(named)
    }

    /// The port, or the one of its transport.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport().default_port())
    }

    /// Whether both name the same user at the same host and port; other parameters may change with a refresh (RFC 3261
    /// section 19.1.4).
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.user == other.user && self.host == other.host && self.port == other.port
    }
}

fn find_param<'a>(params: &'a [(String, Option<String>)], name: &str) -> Option<&'a str> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_deref().unwrap_or(""))
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let bad = |why| Error::Address { text: s.chars().take(80).collect(), why };
        let s = s.trim();
        if s.len() > MAX_LEN {
            return Err(bad("too long"));
        }
        if s.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"')) {
            return Err(bad("a character that must be escaped"));
        }
        let (scheme, rest) = s.split_once(':').ok_or_else(|| bad("no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "sip" => Scheme::Sip,
            "sips" => Scheme::Sips,
            "tel" => Scheme::Tel,
            _ => return Err(bad("scheme is not sip, sips or tel")),
        };
        if scheme == Scheme::Tel {
            let (number, params) = rest.split_once(';').map_or((rest, None), |(n, p)| (n, Some(p)));
            let number = unescape(number);
            // RFC 3966 section 3, with its visual separators.
            let dialled = |c: char| c.is_ascii_hexdigit() || matches!(c, '*' | '#' | '+' | '-' | '.' | '(' | ')');
            if number.is_empty() || !number.chars().all(dialled) {
                return Err(bad("no telephone number"));
            }
            return Ok(Self {
                scheme,
                user: Some(number),
                host: Host::Name(String::new()),
                port: None,
                params: parse_params(params),
                headers: None,
            });
        }
        // A header's value may hold an @ that nobody escaped: what is before it is not the user part.
        let host_at = rest.find('@').unwrap_or(0);
        let (rest, headers) = match rest[host_at..].find('?') {
            Some(at) => (&rest[..host_at + at], Some(rest[host_at + at + 1..].to_owned())),
            None => (rest, None),
        };
        let (user, rest) = match rest.rfind('@') {
            Some(at) => (Some(unescape(rest[..at].split(':').next().unwrap_or_default())), &rest[at + 1..]),
            None => (None, rest),
        };
        if user.as_deref().is_some_and(|u| u.is_empty() || u.chars().any(char::is_control)) {
            return Err(bad("bad user part"));
        }
        let (host_port, params) = rest.split_once(';').map_or((rest, None), |(h, p)| (h, Some(p)));
        let (host, port) = parse_host_port(host_port).map_err(bad)?;
        Ok(Self { scheme, user, host, port, params: parse_params(params), headers })
    }
}

/// `host`, `host:port`, `[v6]:port`.
pub(crate) fn parse_host_port(s: &str) -> Result<(Host, Option<u16>), &'static str> {
    let port_of = |p: &str| p.parse::<u16>().map_err(|_| "bad port");
    if let Some(v6) = s.strip_prefix('[') {
        let (ip, rest) = v6.split_once(']').ok_or("no closing bracket")?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| "bad IPv6 address")?;
        let port = match rest.strip_prefix(':') {
            Some(p) => Some(port_of(p)?),
            None if rest.is_empty() => None,
            None => return Err("rubbish after the host"),
        };
        return Ok((Host::Ip(ip.into()), port));
    }
    let (host, port) = match s.split_once(':') {
        Some((h, p)) => (h, Some(port_of(p)?)),
        None => (s, None),
    };
    if let Ok(ip) = host.parse::<std::net::Ipv4Addr>() {
        return Ok((Host::Ip(ip.into()), port));
    }
    let ok = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if ok { Ok((Host::Name(host.to_ascii_lowercase()), port)) } else { Err("bad host") }
}

fn parse_params(s: Option<&str>) -> Vec<(String, Option<String>)> {
    s.into_iter()
        .flat_map(|s| s.split(';'))
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .take(16)
        .map(|p| match p.split_once('=') {
            Some((n, v)) => (n.trim().to_ascii_lowercase(), Some(v.trim().trim_matches('"').to_owned())),
            None => (p.to_ascii_lowercase(), None),
        })
        .collect()
}

fn unescape(s: &str) -> String {
    let bytes = s.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%')
            .then(|| bytes.get(i + 1..i + 3))
            .flatten()
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(b) => {
                out.push(b);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes what may not stand in a user part (RFC 3261 section 25.1, `user`).
fn escape_user(s: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for b in s.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,?/".contains(&b) {
            write!(f, "{}", b as char)?;
        } else {
            write!(f, "%{b:02X}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Sip => "sip:",
            Scheme::Sips => "sips:",
            Scheme::Tel => "tel:",
        })?;
        if let Some(user) = &self.user {
            escape_user(user, f)?;
            if self.scheme != Scheme::Tel {
                f.write_str("@")?;
            }
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write_params(&self.params, f)?;
        match &self.headers {
            Some(h) => write!(f, "?{h}"),
            None => Ok(()),
        }
    }
}

fn write_params(params: &[(String, Option<String>)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (name, value) in params {
        match value {
            Some(v) => write!(f, ";{name}={v}")?,
            None => write!(f, ";{name}")?,
        }
    }
    Ok(())
}

/// `"Display" <uri>;params`, as in From, To, Contact, Referred-By, Diversion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// Unquoted; without control characters.
    pub display: Option<String>,
    pub uri: Uri,
    /// Header parameters (`tag`, `reason`, `expires`).
    pub params: Vec<(String, Option<String>)>,
}

impl NameAddr {
    #[must_use]
    pub fn new(display: Option<&str>, uri: Uri) -> Self {
        Self { display: display.filter(|d| !d.is_empty()).map(str::to_owned), uri, params: Vec::new() }
    }

    /// Value of a header parameter; `Some("")` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        find_param(&self.params, name)
    }

    /// The same with one more header parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.params.retain(|(n, _)| n != name);
        self.params.push((name.to_owned(), Some(value.to_owned())));
        self
    }
}

impl FromStr for NameAddr {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let s = s.trim();
        let bad = |why| Error::Address { text: s.chars().take(80).collect(), why };
        if s.len() > MAX_LEN {
            return Err(bad("too long"));
        }
        let (display, rest) = match s.strip_prefix('"') {
            Some(quoted) => {
                let (text, rest) = unquote(quoted).ok_or_else(|| bad("no closing quote"))?;
                (text, rest.trim_start())
            }
            None => match s.find('<') {
                Some(open) => (s[..open].trim().to_owned(), &s[open..]),
                None => (String::new(), s),
            },
        };
        let display: String = display.chars().filter(|c| !c.is_control()).collect();
        let (uri, params) = match rest.strip_prefix('<') {
            Some(inner) => {
                let (uri, after) = inner.split_once('>').ok_or_else(|| bad("no closing angle bracket"))?;
                (uri, after.trim_start().strip_prefix(';'))
            }
            // Without brackets, parameters belong to the header (RFC 3261 section 20).
            None => rest.split_once(';').map_or((rest, None), |(u, p)| (u, Some(p))),
        };
        Ok(Self { display: (!display.is_empty()).then_some(display), uri: uri.parse()?, params: parse_params(params) })
    }
}

/// Text up to the closing quote, unescaped, and what follows it.
pub(crate) fn unquote(s: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = s.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((text, &s[i + 1..])),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

/// Quotes a text; control characters are dropped.
pub(crate) fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", quote(display))?;
        }
        write!(f, "<{}>", self.uri)?;
        write_params(&self.params, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tel_address_is_digits_and_their_separators() {
        let number: Uri = "tel:+49(30)12-34;ext=5".parse().unwrap();
        assert_eq!((number.user(), number.param("ext")), ("+49(30)12-34", Some("5")));
        assert_eq!("tel:%2B4930".parse::<Uri>().unwrap().user(), "+4930");
        for wrong in ["tel:", "tel:+49:30", "tel:49@example.com", "tel:%0d%0aX", "tel:x30"] {
            assert!(wrong.parse::<Uri>().is_err(), "{wrong}");
        }
    }
}
