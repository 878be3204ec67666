//! One SIP message in memory, over rsipstack's header vocabulary.

use std::{fmt::Write, net::SocketAddr};

use rsipstack::sip::{Header, Method, StatusCode, headers::make_header};

use crate::{NameAddr, ReasonHeader, Uri, address::unquote};

/// Methods we answer; everything else gets 405 with this list.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, REFER, NOTIFY, INFO, UPDATE, PRACK";

/// Option tags that may be required of us.
const SUPPORTED: [&str; 3] = ["100rel", "replaces", "timer"];

#[derive(Clone, Debug)]
pub(crate) enum Start {
    Request { method: Method, uri: String },
    Response { status: u16, phrase: String },
}

#[derive(Clone)]
pub(crate) struct Message {
    pub start: Start,
    pub headers: Vec<Header>,
    pub body: String,
}

impl Message {
    pub fn request(method: Method, uri: String) -> Self {
        Self { start: Start::Request { method, uri }, headers: Vec::with_capacity(16), body: String::new() }
    }

    /// An answer to `request` with its Via, From, To, Call-ID, CSeq and, for dialogs, Record-Route.
    pub fn response(request: &Self, status: u16, to_tag: &str) -> Self {
        let mut headers = Vec::with_capacity(12);
        for h in &request.headers {
            match h {
                Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => headers.push(h.clone()),
                Header::To(to) => {
                    let to: &str = to.value();
                    let tagged = param_of(to, "tag").is_some() || status == 100;
                    let to = if tagged { to.to_owned() } else { format!("{to};tag={to_tag}") };
                    headers.push(make_header("To", to));
                }
                Header::RecordRoute(_) if (101..300).contains(&status) => headers.push(h.clone()),
                _ => {}
            }
        }
        Self {
            start: Start::Response { status, phrase: StatusCode::from(status).text().to_owned() },
            headers,
            body: String::new(),
        }
    }

    pub fn method(&self) -> Option<Method> {
        match &self.start {
            Start::Request { method, .. } => Some(*method),
            Start::Response { .. } => None,
        }
    }

    pub fn status(&self) -> u16 {
        match &self.start {
            Start::Response { status, .. } => *status,
            Start::Request { .. } => 0,
        }
    }

    pub fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    /// First header of that (long) name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|h| h.name().eq_ignore_ascii_case(name)).map(Header::value)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |h| h.name().eq_ignore_ascii_case(name)).map(Header::value)
    }

    /// Adds a header. Control characters are dropped: no value can smuggle in a line of its own.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        let mut value = value.into();
        value.retain(|c| !c.is_control());
        self.headers.push(make_header(name, value));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|h| !h.name().eq_ignore_ascii_case(name));
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.add(name, value);
    }

    pub fn with_sdp(mut self, sdp: String) -> Self {
        self.add("Content-Type", "application/sdp");
        self.body = sdp;
        self
    }

    /// The body if it is a session description, or that part of it (RFC 5621): carriers send theirs beside others.
    pub fn sdp(&self) -> Option<&str> {
        let kind = self.get("Content-Type").unwrap_or("application/sdp");
        if is_type(kind, "multipart/") {
            return self.part(param_of(kind, "boundary")?);
        }
        (is_type(kind, "application/sdp") && !self.body.trim().is_empty()).then_some(self.body.as_str())
    }

    /// The part of a multipart body that is a session description (RFC 2046 section 5.1).
    fn part(&self, boundary: &str) -> Option<&str> {
        let delimiter = format!("--{boundary}");
        let mut parts = self.body.split(delimiter.as_str()).skip(1).take(16);
        parts.find_map(|part| {
            let part = part.trim_start_matches([' ', '\t']).strip_prefix("\r\n")?;
            let (head, body) = part.split_once("\r\n\r\n")?;
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            let is_sdp = headers
                .any(|(name, kind)| name.eq_ignore_ascii_case("Content-Type") && is_type(kind, "application/sdp"));
            (is_sdp && !body.trim().is_empty()).then_some(body)
        })
    }

    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or_default()
    }

    /// Number and method of the CSeq.
    pub fn cseq(&self) -> (u32, &str) {
        let mut parts = self.get("CSeq").unwrap_or_default().split_ascii_whitespace();
        let number = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        (number, parts.next().unwrap_or_default())
    }

    pub fn tag_of_from(&self) -> &str {
        self.get("From").and_then(|v| param_of(v, "tag")).unwrap_or_default()
    }

    pub fn tag_of_to(&self) -> &str {
        self.get("To").and_then(|v| param_of(v, "tag")).unwrap_or_default()
    }

    pub fn name_addr(&self, name: &str) -> Option<NameAddr> {
        first_of_list(self.get(name)?).parse().ok()
    }

    /// The option tags that a request requires and we do not have (RFC 3261 section 8.2.2.3).
    pub fn unsupported(&self) -> Vec<&str> {
        // Only a registrar has anything to do with a path (RFC 3327 section 5.3).
        let of_registrar = if self.method() == Some(Method::Register) { "path" } else { "" };
        let ours = |tag: &str| SUPPORTED.iter().chain([&of_registrar]).any(|s| s.eq_ignore_ascii_case(tag));
        self.all("Require").flat_map(split_list).filter(|tag| !ours(tag)).collect()
    }

    /// The remote target that a Contact names.
    pub fn contact(&self) -> Option<Uri> {
        self.name_addr("Contact").map(|c| c.uri)
    }

    /// The topmost Via, without the others of a comma list.
    pub fn top_via(&self) -> &str {
        self.get("Via").map(first_of_list).unwrap_or_default()
    }

    pub fn branch(&self) -> &str {
        param_of(self.top_via(), "branch").unwrap_or_default()
    }

    /// Host and port of the topmost Via, as they stand.
    pub fn sent_by(&self) -> &str {
        // `SIP / 2.0 / UDP host:port ;…`: spaces may stand around the slashes.
        let after_version = self.top_via().splitn(3, '/').nth(2).unwrap_or_default().trim_start();
        let rest = after_version.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
        rest.split(';').next().unwrap_or_default().trim()
    }

    /// Writes into the topmost Via where the request really came from (RFC 3261 section 18.2.1, RFC 3581).
    pub fn stamp_source(&mut self, source: SocketAddr) {
        let Some(at) = self.headers.iter().position(|h| matches!(h, Header::Via(_))) else { return };
        let whole = self.headers[at].value().to_owned();
        let top = first_of_list(&whole);
        let rest = &whole[top.len()..];
        let mut via = String::with_capacity(whole.len() + 48);
        for (i, part) in top.split(';').enumerate() {
            let name = part.split('=').next().unwrap_or_default().trim();
            if i > 0 && (name.eq_ignore_ascii_case("rport") || name.eq_ignore_ascii_case("received")) {
                continue;
            }
            if i > 0 {
                via.push(';');
            }
            via.push_str(part.trim());
        }
        let _ = write!(via, ";rport={};received={}", source.port(), source.ip());
        via.push_str(rest);
        self.headers[at] = make_header("Via", via);
    }

    /// Of a response: where its sender saw our request come from (RFC 3581).
    pub fn seen_from(&self) -> Option<SocketAddr> {
        let via = self.top_via();
        let ip = param_of(via, "received")?.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(SocketAddr::new(ip, param_of(via, "rport")?.parse().ok()?))
    }

    /// The Reason header (RFC 3326); the one of protocol SIP if there are several.
    pub fn reason(&self) -> Option<ReasonHeader> {
        let mut found = None;
        for one in self.all("Reason").flat_map(split_list) {
            let Some(reason) = parse_reason(one) else { continue };
            if reason.protocol.eq_ignore_ascii_case("SIP") {
                return Some(reason);
            }
            found.get_or_insert(reason);
        }
        found
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(512 + self.body.len());
        let _ = match &self.start {
            Start::Request { method, uri } => write!(out, "{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, phrase } => write!(out, "SIP/2.0 {status} {phrase}\r\n"),
        };
        for h in &self.headers {
            let _ = write!(out, "{}: {}\r\n", h.name(), h.value());
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n", self.body.len());
        out.push_str(&self.body);
        out.into_bytes()
    }
}

fn is_type(kind: &str, wanted: &str) -> bool {
    kind.trim().get(..wanted.len()).is_some_and(|k| k.eq_ignore_ascii_case(wanted))
}

fn parse_reason(text: &str) -> Option<ReasonHeader> {
    let protocol = text.split(';').next()?.trim();
    let cause = param_of(text, "cause")?.parse().ok()?;
    Some(ReasonHeader { protocol: protocol.to_owned(), cause, text: quoted_param(text, "text").unwrap_or_default() })
}

/// Value of a `;name=value` parameter of a header value, outside angle brackets and quotes.
pub(crate) fn param_of<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    params(value).find_map(|p| {
        let (n, v) = p.split_once('=').unwrap_or((p, ""));
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim().trim_matches('"'))
    })
}

/// The same, with a quoted value unescaped.
fn quoted_param(value: &str, name: &str) -> Option<String> {
    params(value).find_map(|p| {
        let (n, v) = p.split_once('=')?;
        if !n.trim().eq_ignore_ascii_case(name) {
            return None;
        }
        match v.trim().strip_prefix('"') {
            Some(quoted) => unquote(quoted).map(|(text, _)| text),
            None => Some(v.trim().to_owned()),
        }
    })
}

fn params(value: &str) -> impl Iterator<Item = &str> {
    split_outside(value, ';').skip(1)
}

/// The values of a comma list, commas in quotes and angle brackets apart.
pub(crate) fn split_list(value: &str) -> impl Iterator<Item = &str> {
    split_outside(value, ',').map(str::trim).filter(|s| !s.is_empty())
}

pub(crate) fn first_of_list(value: &str) -> &str {
    split_outside(value, ',').next().unwrap_or_default()
}

/// Splits at `at`, but not within quotes or angle brackets.
pub(crate) fn split_outside(value: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracket) = (false, false, false);
    value.split(move |c: char| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' if !bracket => quoted = !quoted,
            '<' if !quoted => bracket = true,
            '>' if !quoted => bracket = false,
            c => return c == at && !quoted && !bracket,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn splits_outside_quotes_and_brackets_only() {
        let list: Vec<_> = split_list(r#""a, \"b" <sip:x@y;z,w>;tag=1, <sip:q>"#).collect();
        assert_eq!(list, [r#""a, \"b" <sip:x@y;z,w>;tag=1"#, "<sip:q>"]);
        assert_eq!(param_of(list[0], "tag"), Some("1"));
        assert_eq!(param_of("<sip:x;tag=no>;Tag=yes", "tag"), Some("yes"));
    }

    #[test]
    fn the_description_is_found_among_other_parts() {
        let mut m = Message::request(Method::Invite, "sip:x".into());
        m.add("Content-Type", "Multipart/mixed; boundary=\"b1\"");
        m.body = "--b1\r\nContent-Type: application/isup;version=x\r\n\r\n\u{1}\u{2}\r\n--b1\r\ncontent-disposition: session\r\n\
                  content-type: application/SDP\r\n\r\nv=0\r\n\r\n--b1--\r\n"
            .into();
        assert_eq!(m.sdp(), Some("v=0\r\n\r\n"));
        for (from, to) in [("SDP", "xml"), ("--b1", "--b2"), ("v=0", ""), ("\r\n\r\n", "\r\n")] {
            let spoiled = Message { body: m.body.replace(from, to), ..m.clone() };
            assert_eq!(spoiled.sdp(), None, "{from:?}");
        }
    }

    #[test]
    fn the_source_replaces_what_the_via_claims() {
        let mut m = Message::request(Method::Bye, "sip:x".into());
        m.add("Via", "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa;received=1.1.1.1, SIP/2.0/UDP b;branch=c");
        m.stamp_source("192.0.2.1:4000".parse().unwrap());
        assert_eq!(
            m.get("Via"),
            Some("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;rport=4000;received=192.0.2.1, SIP/2.0/UDP b;branch=c")
        );
        assert_eq!((m.branch(), m.sent_by()), ("z9hG4bKa", "10.0.0.1:5060"));
        assert_eq!(m.seen_from(), Some("192.0.2.1:4000".parse().unwrap()));
    }

    #[test]
    fn the_reason_of_protocol_sip_wins() {
        let mut m = Message::request(Method::Bye, "sip:x".into());
        m.add("Reason", r#"Q.850;cause=16;text="x", SIP ;cause=200 ;text="Call \"completed\", elsewhere""#);
        let reason = m.reason().unwrap();
        assert_eq!(reason.text, r#"Call "completed", elsewhere"#);
        assert!(reason.is_answered_elsewhere());
    }
}
