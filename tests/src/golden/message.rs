//! As much of a SIP message as a transcript tells.

/// Seen from the lane's peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Out,
    In,
}

#[derive(Debug, Clone)]
pub struct Message {
    /// The request's method, or nothing for a response.
    pub method: Option<String>,
    /// The response's status.
    pub status: Option<u16>,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    /// `None` for what is no SIP message at all: keep-alives, garbage.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim_start().replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let first = lines.next()?;
        let (method, status) = match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => (None, Some(rest.split(' ').next()?.parse().ok()?)),
            None => (Some(first.strip_suffix(" SIP/2.0")?.split(' ').next()?.to_owned()), None),
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match (line.split_once(':'), headers.last_mut()) {
                (_, Some((_, value))) if line.starts_with([' ', '\t']) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (Some((name, value)), _) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
                (None, _) => {}
            }
        }
        Some(Self { method, status, headers, body: body.to_owned() })
    }

    /// The first header of this name, long or compact.
    pub fn get(&self, name: &str) -> Option<&str> {
        let short = match name {
            "Call-ID" => "i",
            "From" => "f",
            "To" => "t",
            "Refer-To" => "r",
            "Referred-By" => "b",
            _ => "",
        };
        let is = |n: &str| n.eq_ignore_ascii_case(name) || (!short.is_empty() && n.eq_ignore_ascii_case(short));
        self.headers.iter().find(|(n, _)| is(n)).map(|(_, value)| value.as_str())
    }

    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or_default()
    }

    /// Number and method of the transaction.
    pub fn cseq(&self) -> (u32, &str) {
        let mut words = self.get("CSeq").unwrap_or_default().split_whitespace();
        (words.next().and_then(|n| n.parse().ok()).unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The display name and user part of an address header: `Priya Nair +9198`.
    pub fn party(&self, header: &str) -> Option<String> {
        let value = self.get(header)?;
        let (name, rest) = value.split_once('<').unwrap_or(("", value));
        let name = name.trim().trim_matches('"');
        let user = user_of(rest);
        Some(if name.is_empty() { user.to_owned() } else { format!("{name} {user}") })
    }

    /// The user part of an address header.
    pub fn user(&self, header: &str) -> Option<&str> {
        let value = self.get(header)?;
        Some(user_of(value.split_once('<').map_or(value, |(_, rest)| rest)))
    }

    /// A parameter behind the address: `tag` of From.
    pub fn parameter(&self, header: &str, name: &str) -> Option<&str> {
        let value = self.get(header)?;
        let behind = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
        behind.split(';').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('=')).map(|v| v.trim_matches('"'))
    }

    /// Direction and codecs of an SDP: `sendrecv opus PCMU`.
    pub fn sound(&self) -> Option<String> {
        let media = self.body.lines().find(|line| line.starts_with("m=audio"))?;
        let direction = ["sendonly", "recvonly", "inactive"];
        let direction = direction.iter().find(|d| self.body.lines().any(|line| line.strip_prefix("a=") == Some(d)));
        let codecs: Vec<&str> = media.split_whitespace().skip(3).filter_map(|payload| self.codec(payload)).collect();
        Some(format!("{} {}", direction.unwrap_or(&"sendrecv"), codecs.join(" ")))
    }

    fn codec<'a>(&'a self, payload: &'a str) -> Option<&'a str> {
        let map =
            self.body.lines().find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_prefix(payload)?.strip_prefix(' '));
        let name = map.map_or(payload, |map| map.split('/').next().unwrap_or_default());
        match name {
            "0" => Some("PCMU"),
            "8" => Some("PCMA"),
            "9" => Some("G722"),
            "telephone-event" => None,
            name => Some(name),
        }
    }

    /// The status in a NOTIFY's `message/sipfrag`.
    pub fn fragment(&self) -> Option<&str> {
        self.body.strip_prefix("SIP/2.0 ")?.split_whitespace().next()
    }
}

fn user_of(uri: &str) -> &str {
    let uri = uri.split(['>', ';', '?']).next().unwrap_or_default();
    let bare = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    bare.split_once('@').map_or("", |(user, _)| user)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_transcript_tells_is_read() {
        let text = "INVITE sip:tom@127.0.0.1:5 SIP/2.0\r\nf: \"Priya Nair\" <sip:+91@127.0.0.9:1>;tag=ab\r\n\
                    Call-ID: 1@x\r\nCSeq: 7 INVITE\r\nDiversion: <sip:tom@h>;reason=\"no-answer\";tried=5\r\n\r\n\
                    v=0\r\nm=audio 4 RTP/AVP 96 0 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
                    a=sendonly\r\n";
        let message = Message::read(text).unwrap();
        assert_eq!((message.method.as_deref(), message.cseq()), (Some("INVITE"), (7, "INVITE")));
        assert_eq!(message.party("From").as_deref(), Some("Priya Nair +91"));
        assert_eq!(message.parameter("Diversion", "reason"), Some("no-answer"));
        assert_eq!(message.sound().as_deref(), Some("sendonly opus PCMU"));
        assert!(Message::read("\r\n\r\n").is_none() && Message::read("hello there").is_none());
    }
}
