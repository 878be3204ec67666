//! Bytes to messages. Everything that arrives is cleaned and bounded here, before anybody else sees it.

use bytes::BytesMut;
use rsipstack::sip::{Header, Method, headers::make_header};

use crate::message::{Message, Start, split_list, split_outside};

/// Start line and headers, bytes.
const MAX_HEAD: usize = 32 * 1024;
const MAX_BODY: usize = 64 * 1024;
const MAX_HEADERS: usize = 200;

/// What was read.
pub(crate) enum Received {
    Message(Message),
    /// A request that must be refused as it stands; `message` has what the answer needs.
    Refuse {
        status: u16,
        message: Message,
    },
}

/// Why bytes were thrown away. Nothing can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Garbage {
    #[error("no end of headers")]
    NoEnd,
    #[error("too large")]
    TooLarge,
    #[error("no start line of SIP/2.0")]
    StartLine,
    #[error("a mandatory header is missing or cannot be read")]
    Headers,
    #[error("wrong Content-Length")]
    Length,
}

/// Reads one datagram. A missing Content-Length means all that follows the headers (RFC 3261 section 18.3).
pub(crate) fn read_datagram(bytes: &[u8]) -> Result<Received, Garbage> {
    let (head_len, body_at) = end_of_head(bytes).ok_or(Garbage::NoEnd)?;
    if head_len > MAX_HEAD || bytes.len() - body_at > MAX_BODY {
        return Err(Garbage::TooLarge);
    }
    let (start, headers) = read_head(&bytes[..head_len])?;
    let body = &bytes[body_at..];
    let length = match content_length(&headers) {
        Ok(Some(n)) if n <= body.len() => Ok(n),
        Ok(None) => Ok(body.len()),
        Ok(Some(_)) | Err(_) => Err(Garbage::Length),
    };
    finish(start, headers, length.map(|n| &body[..n]))
}

/// Takes the next message out of a stream; `None` if it is not complete yet. After an error the stream is lost: its
/// frames cannot be found again, close it.
pub(crate) fn read_stream(buffer: &mut BytesMut) -> Result<Option<Received>, Garbage> {
    let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let _ = buffer.split_to(blank);
    let Some((head_len, body_at)) = end_of_head(buffer) else {
        return if buffer.len() > MAX_HEAD { Err(Garbage::TooLarge) } else { Ok(None) };
    };
    if head_len > MAX_HEAD {
        return Err(Garbage::TooLarge);
    }
    let (start, headers) = read_head(&buffer[..head_len])?;
    // Without a Content-Length a stream has no frames (RFC 3261 section 18.3): taken as no body.
    let length = content_length(&headers)?.unwrap_or(0);
    if length > MAX_BODY {
        return Err(Garbage::TooLarge);
    }
    if buffer.len() < body_at + length {
        return Ok(None);
    }
    let whole = buffer.split_to(body_at + length);
    finish(start, headers, Ok(&whole[body_at..])).map(Some)
}

/// Length of start line and headers, and where the body begins.
fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(lf) = bytes[from..].iter().position(|b| *b == b'\n').map(|i| i + from) {
        match &bytes[lf + 1..] {
            [b'\r', b'\n', ..] => return Some((lf + 1, lf + 3)),
            [b'\n', ..] => return Some((lf + 1, lf + 2)),
            _ => from = lf + 1,
        }
    }
    None
}

type Head = (Result<Start, (u16, Start)>, Vec<Header>);

fn read_head(head: &[u8]) -> Result<Head, Garbage> {
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let start = lines.by_ref().find(|l| !l.is_empty()).ok_or(Garbage::StartLine)?;
    let start = read_start(&clean(start))?;
    let mut headers: Vec<Header> = Vec::with_capacity(24);
    let mut open: Option<(String, String)> = None;
    for line in lines.filter(|l| !l.is_empty()) {
        let folded = matches!(line[0], b' ' | b'\t');
        let text = clean(line);
        if folded {
            let text = text.trim();
            if let Some((_, value)) = open.as_mut().filter(|_| !text.is_empty()) {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(text);
            }
            continue;
        }
        if let Some((name, value)) = open.take() {
            headers.push(make_header(&name, value));
        }
        if headers.len() >= MAX_HEADERS {
            return Err(Garbage::TooLarge);
        }
        if let Some((name, value)) = text.split_once(':') {
            open = Some((long_name(name.trim()).to_owned(), value.trim().to_owned()));
        }
    }
    if let Some((name, value)) = open {
        headers.push(make_header(&name, value));
    }
    Ok((start, headers))
}

/// The long form of a compact name that rsipstack does not know (RFC 3515, 3892, 4028, 6665).
fn long_name(name: &str) -> &str {
    match name {
        "r" | "R" => "Refer-To",
        "b" | "B" => "Referred-By",
        "x" | "X" => "Session-Expires",
        "u" | "U" => "Allow-Events",
        other => other,
    }
}

/// A line as text: not UTF-8 means Latin-1 (old devices write names so); control characters go.
fn clean(line: &[u8]) -> String {
    let repair = |c: char| if c == '\t' { ' ' } else { c };
    match std::str::from_utf8(line) {
        Ok(text) => text.chars().map(repair).filter(|c| !c.is_control()).collect(),
        Err(_) => line.iter().map(|b| repair(char::from(*b))).filter(|c| !c.is_control()).collect(),
    }
}

/// The start line; a request of ours to refuse comes as its status with a start that can be answered.
fn read_start(line: &str) -> Result<Result<Start, (u16, Start)>, Garbage> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (code, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let status: u16 = code.parse().map_err(|_| Garbage::StartLine)?;
        if !(100..700).contains(&status) {
            return Err(Garbage::StartLine);
        }
        return Ok(Ok(Start::Response { status, phrase: phrase.to_owned() }));
    }
    let parts: Vec<&str> = line.split_ascii_whitespace().collect();
    let [method, uri @ .., version] = parts.as_slice() else { return Err(Garbage::StartLine) };
    // A space within the Request-URI leaves enough to say so.
    let [uri] = uri else {
        let start = Start::Request { method: Method::Message, uri: uri.join(" ") };
        return if *version == "SIP/2.0" { Ok(Err((400, start))) } else { Err(Garbage::StartLine) };
    };
    let (method, uri, version) = (*method, *uri, *version);
    let refuse = |status, method| Ok(Err((status, Start::Request { method, uri: uri.to_owned() })));
    if version != "SIP/2.0" {
        return if version.starts_with("SIP/") { refuse(505, Method::Message) } else { Err(Garbage::StartLine) };
    }
    // Methods are case-sensitive (RFC 3261 section 7.1); rsipstack's reading of them is not.
    match method.parse::<Method>() {
        Ok(known) if known.to_string() == method => Ok(Ok(Start::Request { method: known, uri: uri.to_owned() })),
        Ok(_) | Err(_) => refuse(405, Method::Message),
    }
}

fn content_length(headers: &[Header]) -> Result<Option<usize>, Garbage> {
    let mut found = None;
    for h in headers {
        let Header::ContentLength(_) = h else { continue };
        let value = h.value();
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Garbage::Length);
        }
        let n: usize = value.parse().map_err(|_| Garbage::Length)?;
        if found.is_some_and(|f| f != n) {
            return Err(Garbage::Length);
        }
        found = Some(n);
    }
    Ok(found)
}

fn finish(
    start: Result<Start, (u16, Start)>,
    mut headers: Vec<Header>,
    body: Result<&[u8], Garbage>,
) -> Result<Received, Garbage> {
    let (start, mut refusal) = match start {
        Ok(start) => (start, None),
        Err((status, start)) => (start, Some(status)),
    };
    headers.retain(|h| !matches!(h, Header::ContentLength(_)));
    let mut message = Message { start, headers, body: String::new() };
    check_headers(&message)?;
    let is_request = message.method().is_some();
    if is_request && !is_sufficient(&message) {
        refusal = Some(400);
    }
    match body {
        Ok(body) => message.body = String::from_utf8_lossy(body).into_owned(),
        Err(garbage) if !is_request => return Err(garbage),
        Err(_) => refusal = refusal.or(Some(400)),
    }
    if is_request && refusal.is_none() {
        refusal = inconsistent(&message);
    }
    Ok(match refusal {
        Some(status) => Received::Refuse { status, message },
        None => Received::Message(message),
    })
}

/// What every message needs to be answered or matched at all.
fn check_headers(m: &Message) -> Result<(), Garbage> {
    let a_response = m.method().is_none();
    let present = !m.top_via().is_empty() && !m.sent_by().is_empty() && (!a_response || is_sufficient(m));
    if present { Ok(()) } else { Err(Garbage::Headers) }
}

/// RFC 3261 section 8.1.1.
fn is_sufficient(m: &Message) -> bool {
    let present = |name| m.get(name).is_some_and(|v| !v.is_empty());
    present("From") && present("To") && !m.call_id().is_empty() && !m.cseq().1.is_empty()
}

/// The status that is due to a request that contradicts itself.
fn inconsistent(m: &Message) -> Option<u16> {
    let Start::Request { method, uri } = &m.start else { return None };
    let number = m.get("CSeq").unwrap_or_default().split_ascii_whitespace().next().unwrap_or_default();
    let cseq_ok = number.parse::<u32>().is_ok_and(|n| n < 1 << 31) && m.cseq().1 == method.to_string();
    let double = ["From", "To", "Call-ID", "CSeq"].iter().any(|name| m.all(name).nth(1).is_some());
    // A comma outside of quotes and brackets: two senders, or a name that should have been quoted.
    let several = ["From", "To"].iter().any(|name| m.all(name).flat_map(split_list).nth(1).is_some());
    if !cseq_ok || double || several || m.tag_of_from().is_empty() || has_stray_separators(m) {
        return Some(400);
    }
    match uri.parse::<crate::Uri>() {
        Ok(uri) => uri.headers.is_some().then_some(400),
        Err(_) if is_of_another_scheme(uri) => Some(416),
        Err(_) => Some(400),
    }
}

/// `Via: SIP/2.0/UDP host;;,;,,`
fn has_stray_separators(m: &Message) -> bool {
    let stray = |via: &str| split_outside(via, ';').any(|part| part.trim().is_empty());
    m.all("Via").any(|value| split_outside(value, ',').any(stray))
}

/// RFC 3261 section 8.2.2.1.
fn is_of_another_scheme(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return false };
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    well_formed && !["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn message(extra: &str, body: &str) -> String {
        format!(
            "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\n\
             To: <sip:bob@example.com>\r\ni: x\r\nCSeq: 1 INVITE\r\n{extra}\r\n{body}"
        )
    }

    #[test]
    fn an_empty_folded_line_adds_nothing() {
        let folded = ok(message("Subject: a\r\n \r\nX-Note:\r\n b\r\n", "").as_bytes());
        assert_eq!((folded.get("Subject"), folded.get("X-Note")), (Some("a"), Some("b")));
    }

    fn ok(bytes: &[u8]) -> Message {
        match read_datagram(bytes).unwrap() {
            Received::Message(m) => m,
            Received::Refuse { status, .. } => panic!("refused with {status}"),
        }
    }

    fn refused(bytes: &[u8]) -> u16 {
        match read_datagram(bytes).unwrap() {
            Received::Message(_) => panic!("accepted"),
            Received::Refuse { status, .. } => status,
        }
    }

    #[test]
    fn a_datagram_without_content_length_keeps_its_body() {
        assert_eq!(ok(message("", "v=0\r\n").as_bytes()).body, "v=0\r\n");
        assert_eq!(ok(message("l: 3\r\n", "v=0\r\n").as_bytes()).body, "v=0");
        assert_eq!(ok(message("l: 3\r\nContent-Length: 3\r\n", "v=0\r\n").as_bytes()).body, "v=0");
    }

    #[test]
    fn a_wrong_content_length_is_refused() {
        for bad in ["-1", "99", "abc", "", "+3", "99999999999999999999", "3\r\nl: 4"] {
            assert_eq!(refused(message(&format!("Content-Length: {bad}\r\n"), "v=0\r\n").as_bytes()), 400, "{bad}");
        }
    }

    #[test]
    fn latin_1_is_repaired_and_later_headers_stay() {
        let mut bytes = message("Subject: Jo\u{1}o\r\nX-After: \t yes\r\n folded\r\n", "").into_bytes();
        let at = bytes.iter().position(|b| *b == 1).unwrap();
        bytes[at] = 0xe3;
        let m = ok(&bytes);
        assert_eq!((m.get("Subject"), m.get("X-After")), (Some("João"), Some("yes folded")));
    }

    #[test]
    fn unknown_methods_and_versions_can_be_answered() {
        assert_eq!(refused(message("", "").replace("INVITE", "JUGGLE").as_bytes()), 405);
        assert_eq!(refused(message("", "").replace("INVITE", "invite").as_bytes()), 405);
        assert_eq!(refused(message("", "").replace(" SIP/2.0\r", " SIP/3.0\r").as_bytes()), 505);
        assert_eq!(refused(message("", "").replace("1 INVITE", "1 BYE").as_bytes()), 400);
        assert_eq!(refused(message("", "").replace("1 INVITE", "4294967296 INVITE").as_bytes()), 400);
        assert_eq!(refused(message("", "").replace(";tag=1", "").as_bytes()), 400);
        assert_eq!(refused(message("", "").replace("sip:bob@example.com SIP", "mailto:x SIP").as_bytes()), 416);
        assert_eq!(refused(message("To: <sip:c@d>\r\n", "").as_bytes()), 400);
    }

    #[test]
    fn a_stream_is_framed_whatever_the_pieces() {
        let text = format!("\r\n\r\n{}{}", message("l: 4\r\n", "v=0\n"), message("l: 0\r\n", ""));
        let (mut buffer, mut bodies) = (BytesMut::new(), Vec::new());
        for byte in text.bytes() {
            buffer.extend_from_slice(&[byte]);
            if let Some(Received::Message(m)) = read_stream(&mut buffer).unwrap() {
                bodies.push(m.body);
            }
        }
        assert_eq!(bodies, ["v=0\n", ""]);
        let mut bad = BytesMut::from(message("l: -1\r\n", "").as_bytes());
        assert!(matches!(read_stream(&mut bad), Err(Garbage::Length)));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read_datagram(&bytes);
            let _ = read_stream(&mut BytesMut::from(&bytes[..]));
        }

        #[test]
        fn a_spoiled_message_never_panics(at in 0usize..200, with in any::<u8>(), cut in 0usize..260) {
            let mut bytes = message("Contact: \"x\" <sip:a@b>;expires=3\r\nReason: SIP;cause=200\r\n", "v=0\r\n").into_bytes();
            let at = at % bytes.len();
            bytes[at] = with;
            bytes.truncate(cut.max(1));
            if let Ok(Received::Message(mut m) | Received::Refuse { message: mut m, .. }) = read_datagram(&bytes) {
                m.stamp_source("127.0.0.1:1".parse().unwrap());
                let _ = (m.contact(), m.reason(), m.branch().len(), Message::response(&m, 200, "t").to_bytes());
            }
        }
    }
}
