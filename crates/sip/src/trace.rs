//! Every message that goes over the wire, for whoever asked to see it.

use std::{fmt, sync::Arc};

use crate::sdp::names_key;

/// Whether a message was sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    Out,
    In,
}

/// Is shown every message as it is sent or has arrived, values of `Authorization` and `Proxy-Authorization` and keys for sound struck out.
/// Called from the endpoint's tasks: be quick. What was lost on the way in ([`crate::Impairment`]) is not shown, what
/// was lost on the way out is.
#[derive(Clone)]
pub struct Trace(Arc<Show>);

type Show = dyn Fn(Way, &str) + Send + Sync;

impl Trace {
    #[must_use]
    pub fn new(show: impl Fn(Way, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    pub(crate) fn show(&self, way: Way, bytes: &[u8]) {
        if !is_keep_alive(bytes) {
            (self.0)(way, &redacted(&String::from_utf8_lossy(bytes)));
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace(…)")
    }
}

/// RFC 5626 section 3.5.1, and the zero bytes that some send instead.
pub(crate) fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// The message without the answers to challenges, folded lines (RFC 3261 section 7.3.1) of theirs included.
fn redacted(text: &str) -> String {
    let (head, body) = text.split_once("\r\n\r\n").map_or((text, None), |(head, body)| (head, Some(body)));
    let mut out = String::with_capacity(text.len());
    let mut secret = false;
    for line in head.split_inclusive('\n') {
        if line.starts_with([' ', '\t']) {
            if !secret {
                out.push_str(line);
            }
            continue;
        }
        let name = line.split(':').next().unwrap_or_default().trim();
        secret = name.eq_ignore_ascii_case("Authorization") || name.eq_ignore_ascii_case("Proxy-Authorization");
        if secret {
            out.push_str(name);
            out.push_str(": …\r\n");
        } else {
            out.push_str(line);
        }
    }
    if let Some(body) = body {
        // A struck out header brought its own line end.
        if !out.ends_with('\n') {
            out.push_str("\r\n");
        }
        out.push_str("\r\n");
        body.split_inclusive('\n').for_each(|line| out.push_str(without_key(line)));
    }
    out
}

/// A line of SDP without its key (RFC 4568).
fn without_key(line: &str) -> &str {
    if names_key(line) { "a=crypto:…\r\n" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_challenges_are_struck_out() {
        let head =
            "REGISTER sip:x SIP/2.0\r\nauthorization : Digest response=\"s3\",\r\n\tcnonce=\"s4\"\r\nCSeq: 1 REGISTER";
        let shown = redacted(&format!("{head}\r\nProxy-Authorization: s5\r\n\r\nbody: s6"));
        assert_eq!(
            shown,
            "REGISTER sip:x SIP/2.0\r\nauthorization: …\r\nCSeq: 1 REGISTER\r\nProxy-Authorization: …\r\n\r\nbody: s6"
        );
    }

    #[test]
    fn keys_for_sound_are_struck_out() {
        let shown = redacted("SIP/2.0 200 OK\r\nVia: a\r\n\r\nv=0\r\nA=Crypto:1 X inline:s7\r\na=x\r\na=crypto:2 s8");
        assert_eq!(shown, "SIP/2.0 200 OK\r\nVia: a\r\n\r\nv=0\r\na=crypto:…\r\na=x\r\na=crypto:…\r\n");
    }

    #[test]
    fn everything_else_is_shown_as_it_is() {
        for text in ["", "x", "SIP/2.0 200 OK\r\nVia: a\r\n b\r\n\r\nv=0\r\n", "WWW-Authenticate: x\r\n\r\n"] {
            assert_eq!(redacted(text), text);
        }
    }
}
