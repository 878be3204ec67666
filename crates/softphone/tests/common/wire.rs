//! A far end that writes its SIP by hand, for what our own endpoint would not do.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::PATIENCE;

/// It calls. One dialog.
pub struct Wire {
    socket: UdpSocket,
    phone: SocketAddr,
    to: String,
    cseq: u32,
}

impl Wire {
    pub async fn open(phone: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket, phone, to: format!("<sip:desk@{phone}>"), cseq: 0 }
    }

    /// Sends a request of the dialog; `sdp` may be empty.
    pub async fn request(&mut self, method: &str, sdp: &str) {
        self.cseq += u32::from(method != "ACK");
        let (us, phone, to, cseq) = (self.socket.local_addr().unwrap(), self.phone, &self.to, self.cseq);
        let head = format!(
            "{method} sip:desk@{phone} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{cseq}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:wire@{us}>;tag=wire\r\nTo: {to}\r\nCall-ID: wire@{us}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:wire@{us}>\r\n"
        );
        self.send(&head, sdp).await;
    }

    /// Answers a request.
    pub async fn respond(&self, request: &str, status: &str, sdp: &str) {
        let us = self.socket.local_addr().unwrap();
        let kept = ["Via", "From", "To", "Call-ID", "CSeq"];
        let lines = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(&format!("{name}:"))));
        let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
        self.send(&format!("SIP/2.0 {status}\r\n{lines}Contact: <sip:wire@{us}>\r\n"), sdp).await;
    }

    /// The next message that begins so; what comes before is let go.
    pub async fn until(&mut self, start: &str) -> String {
        let mut buffer = [0; 4096];
        let search = async {
            loop {
                let length = self.socket.recv(&mut buffer).await.unwrap();
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if message.starts_with(start) {
                    return message;
                }
            }
        };
        let message = timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {start}"));
        if let Some(to) =
            message.lines().find_map(|line| line.strip_prefix("To: ")).filter(|_| start.starts_with("SIP/"))
        {
            self.to = to.to_owned();
        }
        message
    }

    async fn send(&self, head: &str, sdp: &str) {
        let body = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let message = format!("{head}{body}Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        self.socket.send_to(message.as_bytes(), self.phone).await.unwrap();
    }
}

/// The description in a message.
pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}
