//! The sound of a far end: says a tone, and keeps what it hears.

use std::f64::consts::TAU;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use media::rtp::Header;
use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig};
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::PATIENCE;

pub struct Talker {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// Where the phone is.
    pub to: SocketAddr,
    pub sender: RtpSender,
    pub receiver: RtpReceiver,
    pub heard: Vec<i16>,
    /// Headers and lengths of payloads.
    pub packets: Vec<(Header, usize)>,
    pub digits: String,
    tone: Vec<i16>,
    at: usize,
    started: Instant,
}

impl Talker {
    /// Says 500 Hz in PCMU.
    pub async fn open(ip: IpAddr, to: SocketAddr) -> Self {
        let (rtp, rtcp) = (UdpSocket::bind((ip, 0)).await.unwrap(), UdpSocket::bind((ip, 0)).await.unwrap());
        let ssrc = rand::random();
        let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc, dtmf_payload_type: None };
        let receives = ReceiverConfig { payload_types: vec![(0, Codec::Pcmu)], dtmf_payload_type: None };
        Self {
            rtp,
            rtcp,
            to,
            sender: RtpSender::new(config).unwrap(),
            receiver: RtpReceiver::new(&receives),
            heard: Vec::new(),
            packets: Vec::new(),
            digits: String::new(),
            tone: media::tones::sine(500.0, 1000, -10.0),
            at: 0,
            started: Instant::now(),
        }
    }

    /// Goes on in the same stream with another codec, payload types, and so many milliseconds in a packet.
    pub fn speak(&mut self, codec: Codec, payload_type: u8, dtmf: Option<u8>, ptime: u32) {
        let config = SenderConfig { codec, payload_type, dtmf_payload_type: dtmf, ..self.sender.config() };
        self.sender = RtpSender::resume(config, self.sender.position()).unwrap();
        self.sender.set_packet_time(ptime);
        let payload_types = vec![(payload_type, codec)];
        self.receiver = RtpReceiver::new(&ReceiverConfig { payload_types, dtmf_payload_type: dtmf });
        self.forget();
    }

    pub fn forget(&mut self) {
        self.heard.clear();
        self.packets.clear();
    }

    /// A description with this m-line's formats and more attributes.
    pub fn sdp(&self, formats: &str, attributes: &str) -> String {
        let (rtp, rtcp) = (self.rtp.local_addr().unwrap(), self.rtcp.local_addr().unwrap().port());
        let (ip, port) = (rtp.ip(), rtp.port());
        let version = if ip.is_ipv6() { 6 } else { 4 };
        format!(
            "v=0\r\no=- 1 1 IN IP{version} {ip}\r\ns=-\r\nc=IN IP{version} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {formats}\r\na=rtcp:{rtcp}\r\n{attributes}"
        )
    }

    /// Talks until `done`, at the pace of speech.
    pub async fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let mut pace = interval(FRAME_TIME);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let talk = async {
            while !done(self) {
                pace.tick().await;
                // `readable` would wait; polling it once lets tokio see what has come.
                let _ = timeout(Duration::ZERO, self.rtp.readable()).await;
                self.frame();
            }
        };
        let talked = timeout(PATIENCE, talk).await;
        let heard = self.heard.len() / FRAME;
        assert!(talked.is_ok(), "never {what}; {heard} frames, {} packets, keys {:?}", self.packets.len(), self.digits);
    }

    /// Its own tone comes back from a phone that says what it hears.
    pub async fn hears_itself(&mut self) {
        self.forget();
        self.until("heard itself", |talker| purity(&talker.heard, 500.0) > 0.8).await;
    }

    pub async fn frames(&mut self, count: usize) {
        let until = self.heard.len() + count * FRAME;
        self.until("so many frames", |talker| talker.heard.len() >= until).await;
    }

    /// 20 ms: hear what has come, say the next bit.
    fn frame(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.rtp.try_recv_from(&mut buffer) {
            let header = Header::parse(&buffer[..length]).unwrap();
            self.packets.push((header, length - 12));
            self.receiver.packet(self.started.elapsed(), &buffer[..length]).unwrap();
        }
        let mut frame = SILENCE;
        self.receiver.frame(self.started.elapsed(), &mut frame);
        self.heard.extend_from_slice(&frame);
        self.digits.extend(self.receiver.digits());
        let mut said: Frame = SILENCE;
        for sample in &mut said {
            *sample = self.tone[self.at];
            self.at = (self.at + 1) % self.tone.len();
        }
        let mut next = self.sender.frame(&said);
        while let Some(packet) = next {
            let _ = self.rtp.try_send_to(packet, self.to);
            next = self.sender.rest();
        }
    }
}

/// Power of `hertz` in the last 200 ms, against all of it: 0 to 1.
pub fn purity(heard: &[i16], hertz: f64) -> f64 {
    let Some(tail) = heard.len().checked_sub(9600).map(|n| &heard[n..]) else { return 0.0 };
    let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
    for (n, sample) in tail.iter().enumerate() {
        let (x, phase) = (f64::from(*sample), TAU * hertz * n as f64 / 48_000.0);
        re += x * phase.cos();
        im += x * phase.sin();
        all += x * x;
    }
    if media::level_dbfs(tail) < -30.0 { 0.0 } else { 2.0 * (re * re + im * im) / (all * tail.len() as f64) }
}
