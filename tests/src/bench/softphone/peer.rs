//! The far end of a measured call: just enough SIP, with nothing between the clock and the socket.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use media::Codec;

/// RFC 3261's T1: an unanswered INVITE is sent again.
const AGAIN: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer {
    sip: UdpSocket,
    pub rtp: UdpSocket,
}

/// An INVITE and what came of it.
pub struct Dialog<'a> {
    peer: &'a Peer,
    to: SocketAddr,
    call_id: String,
    codec: Codec,
    /// From the INVITE to its 180.
    pub ringing_after: Option<Duration>,
    answer: Message,
}

/// A SIP message as text.
#[derive(Default, Clone)]
pub struct Message(String);

impl Peer {
    pub fn new() -> Result<Self> {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        Ok(Self { sip: bind()?, rtp: bind()? })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.sip.local_addr()?)
    }

    /// The next message, with when it came; `None` if none comes for so long.
    pub fn next(&self, patience: Duration) -> Result<Option<(Instant, SocketAddr, Message)>> {
        let until = Instant::now() + patience;
        let mut space = [0; 8192];
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.sip.set_read_timeout(Some(left))?;
            // Time-outs and ICMP errors look alike here: the clock decides.
            if let Ok((length, from)) = self.sip.recv_from(&mut space)
                && length > 4
            {
                return Ok(Some((
                    Instant::now(),
                    from,
                    Message(String::from_utf8_lossy(&space[..length]).into_owned()),
                )));
            }
        }
        Ok(None)
    }

    /// Answers a request with `status` and the given further lines.
    pub fn respond(&self, to: SocketAddr, request: &Message, status: &str, more: &str, body: &str) -> Result<()> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.0.lines().take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if ["via", "from", "call-id", "cseq", "record-route"].contains(&name.as_str()) {
                text += &format!("{line}\r\n");
            } else if name == "to" {
                let tag = if line.contains(";tag=") { "" } else { ";tag=bench" };
                text += &format!("{line}{tag}\r\n");
            }
        }
        text += &format!("Contact: <sip:bench@{}>\r\n{more}", self.address()?);
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.sip.send_to(text.as_bytes(), to)?;
        Ok(())
    }

    /// Calls `to`, until it rings or, if `answered`, until it has answered.
    pub fn call(&self, to: SocketAddr, codec: Codec, answered: bool) -> Result<Dialog<'_>> {
        let call_id = format!("{:?}", Instant::now()).replace(|c: char| !c.is_ascii_digit(), "");
        let mut dialog = Dialog { peer: self, to, call_id, codec, ringing_after: None, answer: Message::default() };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            dialog.send("INVITE", 1, "Content-Type: application/sdp\r\n", &self.offer(codec, "sendrecv")?)?;
            while let Some((at, _, message)) = self.next(AGAIN)? {
                match message.status() {
                    Some(180) => {
                        dialog.ringing_after.get_or_insert(at - begun);
                        if !answered {
                            return Ok(dialog);
                        }
                    }
                    Some(200) if message.header("cseq").contains("INVITE") => {
                        dialog.answer = message;
                        dialog.send("ACK", 1, "", "")?;
                        return Ok(dialog);
                    }
                    Some(code @ 300..) => bail!("{to} refuses the call: {code}"),
                    Some(_) | None => {}
                }
            }
        }
        bail!("{to} does not answer the call")
    }

    pub fn offer(&self, codec: Codec, direction: &str) -> Result<String> {
        let payload_type = payload_type(codec);
        let (name, clock) = (codec.name(), codec.rtp_clock());
        let channels = if codec == Codec::Opus { "/2" } else { "" };
        let fec = if codec == Codec::Opus { "a=fmtp:111 useinbandfec=1\r\n" } else { "" };
        Ok(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP {payload_type}\r\n\
             a=rtpmap:{payload_type} {name}/{clock}{channels}\r\n{fec}a={direction}\r\na=ptime:20\r\n",
            self.rtp.local_addr()?.port()
        ))
    }
}

/// The payload type that we offer.
pub fn payload_type(codec: Codec) -> u8 {
    codec.static_payload_type().unwrap_or(111)
}

impl Dialog<'_> {
    fn send(&self, method: &str, number: u32, more: &str, body: &str) -> Result<()> {
        let (me, to) = (self.peer.address()?, self.to);
        let to_header = Some(self.answer.header("to")).filter(|to| !to.is_empty());
        let to_header = to_header.unwrap_or_else(|| format!("<sip:phone@{to}>"));
        let contact = self.answer.header("contact");
        let uri = contact.split(['<', '>']).nth(1).map_or_else(|| format!("sip:phone@{to}"), str::to_owned);
        let call_id = &self.call_id;
        // An ACK of a 200 is a transaction of its own; a CANCEL belongs to the INVITE's.
        let branch = if method == "CANCEL" { "INVITE" } else { method };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call_id}{branch}{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bench@{me}>;tag=b{call_id}\r\nTo: {to_header}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:bench@{me}>\r\nAllow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY\r\n\
             {more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.peer.sip.send_to(text.as_bytes(), to)?;
        Ok(())
    }

    /// Where the phone takes sound.
    pub fn remote_rtp(&self) -> Result<SocketAddr> {
        let body = self.answer.body();
        let port = body.lines().find_map(|line| line.strip_prefix("m=audio "));
        let port = port.and_then(|rest| rest.split(' ').next()).context("no audio in the answer")?;
        Ok(SocketAddr::new(self.to.ip(), port.parse()?))
    }

    pub fn notify(&self, number: u32, state: &str, fragment: &str) -> Result<()> {
        let more =
            format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n");
        self.send("NOTIFY", number, &more, fragment)
    }

    pub fn answer_offer(&self, to: SocketAddr, request: &Message) -> Result<()> {
        let direction = if request.body().contains("a=sendonly") { "recvonly" } else { "sendrecv" };
        let sdp = self.peer.offer(self.codec, direction)?;
        self.peer.respond(to, request, "200 OK", "Content-Type: application/sdp\r\n", &sdp)
    }

    pub fn cancel(&self) -> Result<()> {
        self.send("CANCEL", 1, "", "")?;
        // Its 200, and the INVITE's 487, which we acknowledge.
        while let Some((_, _, message)) = self.peer.next(Duration::from_secs(2))? {
            if message.status() == Some(487) {
                return self.send("ACK", 1, "", "");
            }
        }
        Ok(())
    }

    pub fn bye(&self) -> Result<()> {
        self.send("BYE", 90, "", "")?;
        self.peer.next(Duration::from_secs(1)).map(drop)
    }
}

impl Message {
    pub fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub fn method(&self) -> &str {
        if self.status().is_some() { "" } else { self.0.split(' ').next().unwrap_or_default() }
    }

    pub fn header(&self, name: &str) -> String {
        let named = |line: &str| {
            line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned())
        };
        self.0.lines().take_while(|line| !line.is_empty()).find_map(named).unwrap_or_default()
    }

    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}
