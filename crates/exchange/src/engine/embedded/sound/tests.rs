//! Lines with phones made of a socket and `media`, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media::rtp::{Header, Position};
use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig};
use protocol::{LegId, SoundWay};
use switchboard::SoundQuality;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::core::FromLine;
use super::super::ports::PortPool;
use super::{Heard, Library, Line, Terms};

const PATIENCE: Duration = Duration::from_secs(20);
const DIGITS: u8 = 101;

/// A far end: sends a tone, keeps what it hears.
struct Phone {
    socket: UdpSocket,
    codec: Codec,
    sender: RtpSender,
    receiver: RtpReceiver,
    tone: Vec<i16>,
    at: usize,
    packets: Vec<Header>,
    heard: Vec<i16>,
    digits: String,
    started: Instant,
    /// Every so many packets of ours one is lost on its way.
    loses: Option<usize>,
}

impl Phone {
    async fn new(codec: Codec, hertz: f32) -> Self {
        let payload_type = payload_type(codec);
        let config = SenderConfig { codec, payload_type, ssrc: rand::random(), dtmf_payload_type: Some(DIGITS) };
        let receives = ReceiverConfig { payload_types: vec![(payload_type, codec)], dtmf_payload_type: Some(DIGITS) };
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            codec,
            sender: RtpSender::new(config).unwrap(),
            receiver: RtpReceiver::new(&receives),
            tone: media::tones::sine(hertz, 1000, -10.0),
            at: 0,
            packets: vec![],
            heard: vec![],
            digits: String::new(),
            started: Instant::now(),
            loses: None,
        }
    }

    fn terms(&self) -> Terms {
        let address = self.socket.local_addr().unwrap();
        Terms {
            remote: Some(address),
            remote_rtcp: Some(address),
            signalling: address.ip(),
            send: (self.codec, payload_type(self.codec)),
            send_digits: Some(DIGITS),
            ptime: 20,
            receive: vec![(payload_type(self.codec), self.codec)],
            srtp: None,
            receive_digits: Some(DIGITS),
        }
    }

    /// 20 ms of a conversation: hear what has come, say the next bit.
    fn frame(&mut self, to: SocketAddr) {
        let mut buffer = [0; 2048];
        while let Ok((n, _)) = self.socket.try_recv_from(&mut buffer) {
            if media::rtcp::is_rtcp(&buffer[..n]) {
                media::rtcp::read(self.started.elapsed(), &buffer[..n], &mut self.sender, &mut self.receiver).unwrap();
                continue;
            }
            self.packets.push(Header::parse(&buffer[..n]).unwrap());
            self.receiver.packet(self.started.elapsed(), &buffer[..n]).unwrap();
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
        let frames = self.heard.len() / FRAME;
        let lost = self.loses.is_some_and(|every| frames.is_multiple_of(every));
        if let Some(packet) = self.sender.frame(&said).filter(|_| !lost) {
            self.socket.try_send_to(packet, to).unwrap();
        }
        if self.heard.len().is_multiple_of(10 * FRAME) {
            let mut report = vec![];
            media::rtcp::report(self.started.elapsed(), "phone", &self.sender, &mut self.receiver, &mut report);
            self.socket.try_send_to(&report, to).unwrap();
        }
    }
}

fn payload_type(codec: Codec) -> u8 {
    codec.static_payload_type().unwrap_or(96)
}

struct House {
    ports: PortPool,
    library: Arc<Library>,
    epoch: Instant,
    heard: mpsc::UnboundedSender<FromLine>,
    reports: mpsc::UnboundedReceiver<FromLine>,
}

impl House {
    fn new() -> Self {
        let (heard, reports) = mpsc::unbounded_channel();
        let short = |hertz| media::tones::sine(hertz, 400, -10.0).into();
        Self {
            ports: PortPool::new(IpAddr::from([127, 0, 0, 1]), &(0..=0)).unwrap(),
            library: Arc::new(Library {
                hold_music: short(350.0),
                greeting: short(700.0),
                closing: short(900.0),
                not_possible: short(1200.0),
                ringback: short(425.0),
            }),
            epoch: Instant::now(),
            heard,
            reports,
        }
    }

    /// Of a device that may press `*2`.
    fn line(&mut self, leg: u64, phone: &Phone) -> Line {
        let pair = self.ports.take().unwrap();
        let line = Line::open(LegId(leg), "*2", pair, self.epoch, self.library.clone(), self.heard.clone());
        line.agree(phone.terms()).unwrap();
        line
    }

    async fn report(&mut self) -> Heard {
        match timeout(PATIENCE, self.reports.recv()).await.expect("nothing reported").unwrap() {
            FromLine::Heard(heard) => heard,
            FromLine::Closed(_) => panic!("nobody closed a leg"),
        }
    }
}

fn address(line: &Line) -> SocketAddr {
    (IpAddr::from([127, 0, 0, 1]), line.rtp_port()).into()
}

/// Lets phones and lines run until `done`, at the pace of speech.
async fn talk(phones: &mut [(&mut Phone, &Line)], mut done: impl FnMut(&[(&mut Phone, &Line)]) -> bool) {
    let mut pace = interval(FRAME_TIME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let all = async {
        while !done(phones) {
            pace.tick().await;
            for (phone, line) in phones.iter_mut() {
                // `readable` would wait; polling it once lets tokio see what has come.
                let _ = timeout(Duration::ZERO, phone.socket.readable()).await;
                phone.frame(address(line));
            }
        }
    };
    if timeout(PATIENCE, all).await.is_err() {
        let digits: Vec<&str> = phones.iter().map(|(phone, _)| phone.digits.as_str()).collect();
        panic!("the phones never heard what they should; keys: {digits:?}");
    }
}

/// Power of `hertz` in the last 200 ms, against all of it: 0 to 1.
fn purity(heard: &[i16], hertz: f64) -> f64 {
    let Some(tail) = heard.len().checked_sub(9600).map(|n| &heard[n..]) else { return 0.0 };
    let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
    for (n, sample) in tail.iter().enumerate() {
        let (x, phase) = (f64::from(*sample), std::f64::consts::TAU * hertz * n as f64 / 48_000.0);
        re += x * phase.cos();
        im += x * phase.sin();
        all += x * x;
    }
    if media::level_dbfs(tail) < -30.0 { 0.0 } else { 2.0 * (re * re + im * im) / (all * tail.len() as f64) }
}

fn hears(phone: &Phone, hertz: f64) -> bool {
    purity(&phone.heard, hertz) > 0.8
}

/// One SSRC, sequence numbers without a gap: what a phone needs to not notice a switch.
fn assert_continuous(phone: &Phone) {
    let first = phone.packets.first().expect("packets came");
    for (n, packet) in phone.packets.iter().enumerate() {
        assert_eq!(packet.ssrc, first.ssrc);
        assert_eq!(packet.sequence, first.sequence.wrapping_add(n as u16), "packet {n}");
    }
    let clock = phone.codec.rtp_clock();
    for pair in phone.packets.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step <= 10 * clock, "timestamp jumps by {step}");
    }
}

async fn both_hear(a: Codec, b: Codec) -> (Phone, Phone) {
    let (mut house, mut alice, mut bob) = (House::new(), Phone::new(a, 500.0).await, Phone::new(b, 1000.0).await);
    let (line_a, line_b) = (house.line(1, &alice), house.line(2, &bob));
    line_a.bridge_to(&line_b);
    line_b.bridge_to(&line_a);
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| hears(p[0].0, 1000.0) && hears(p[1].0, 500.0)).await;
    // Reports pass the relay, or are answered by the transcoder.
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| p.iter().all(|(p, _)| p.sender.round_trip().is_some()))
        .await;
    // A digit that came by INFO goes out as an event, even in a relayed bridge.
    line_a.key('7');
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| p[1].0.digits == "7").await;
    alice.sender.dtmf("5#");
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| p[1].0.digits == "75#").await;
    for (line, codec) in [(line_a, a), (line_b, b)] {
        let quality = line.close().await.expect("it has sounded");
        assert_eq!((quality.codec.as_str(), quality.lost_permille), (codec.name(), 0));
        assert!(quality.round_trip_ms.is_some() && (100..=450).contains(&quality.score), "{quality:?}");
    }
    (alice, bob)
}

#[tokio::test]
async fn what_is_lost_on_one_leg_is_measured_there_and_heard_on_the_other() {
    for bobs in [Codec::Pcmu, Codec::Pcma] {
        let (mut alice, mut bob) = (Phone::new(Codec::Pcmu, 500.0).await, Phone::new(bobs, 1000.0).await);
        let mut house = House::new();
        let silent = Phone::new(Codec::Pcmu, 1.0).await;
        let (line_a, line_b, line_c) = (house.line(1, &alice), house.line(2, &bob), house.line(4, &silent));
        line_a.bridge_to(&line_b);
        line_b.bridge_to(&line_a);
        alice.loses = Some(5);
        let both = &mut [(&mut alice, &line_a), (&mut bob, &line_b)];
        // The last report came at most ten frames ago.
        talk(both, |p| p[0].0.heard.len() > 200 * FRAME).await;
        let (at_alice, at_bob) = (line_a.close().await.unwrap(), line_b.close().await.unwrap());
        assert!((180..=220).contains(&at_alice.lost_permille), "{at_alice:?}");
        let relayed = bobs == Codec::Pcmu;
        // What is decoded and encoded anew has no holes: they are concealed.
        let heard = if relayed { 180..=230 } else { 0..=0 };
        assert!(heard.contains(&at_bob.lost_permille), "{at_bob:?}");
        let way = |quality: &SoundQuality| quality.trouble.map(|trouble| trouble.way);
        assert_eq!(way(&at_alice), Some(SoundWay::From), "{at_alice:?}");
        assert_eq!(way(&at_bob), relayed.then_some(SoundWay::Before), "{at_bob:?}");
        assert!(at_alice.score < if relayed { 400 } else { at_bob.score }, "{at_alice:?} {at_bob:?}");
        assert_eq!(line_c.close().await, None, "nobody spoke there");
    }
}

#[tokio::test]
async fn like_codecs_are_relayed_both_ways() {
    let (alice, bob) = both_hear(Codec::Pcmu, Codec::Pcmu).await;
    assert_continuous(&alice);
    assert_continuous(&bob);
}

#[tokio::test]
async fn unlike_codecs_are_transcoded_both_ways() {
    for (a, b) in [(Codec::Opus, Codec::Pcmu), (Codec::G722, Codec::Pcma)] {
        let (alice, bob) = both_hear(a, b).await;
        assert_continuous(&alice);
        assert_continuous(&bob);
    }
}

#[tokio::test]
async fn a_caller_goes_from_bridge_to_music_to_another_bridge_in_one_stream() {
    let mut house = House::new();
    let mut caller = Phone::new(Codec::Pcmu, 500.0).await;
    let (mut ravi, mut mina) = (Phone::new(Codec::Pcmu, 1000.0).await, Phone::new(Codec::Opus, 1500.0).await);
    let (line_c, line_r, line_m) = (house.line(1, &caller), house.line(2, &ravi), house.line(4, &mina));
    line_c.bridge_to(&line_r);
    line_r.bridge_to(&line_c);
    talk(&mut [(&mut caller, &line_c), (&mut ravi, &line_r)], |p| hears(p[0].0, 1000.0)).await;
    line_c.play_music();
    line_r.silence();
    talk(&mut [(&mut caller, &line_c), (&mut ravi, &line_r)], |p| hears(p[0].0, 350.0)).await;
    let while_held = ravi.packets.len();
    line_c.bridge_to(&line_m);
    line_m.bridge_to(&line_c);
    talk(&mut [(&mut caller, &line_c), (&mut mina, &line_m)], |p| hears(p[0].0, 1500.0) && hears(p[1].0, 500.0)).await;
    ravi.frame(address(&line_r));
    assert!(ravi.packets.len() <= while_held + 1, "a held colleague hears nothing of the caller");
    assert_continuous(&caller);
    for line in [line_c, line_r, line_m] {
        line.close().await;
    }
}

#[tokio::test]
async fn a_codec_that_changes_in_mid_call_is_transcoded_then_relayed_again() {
    let mut house = House::new();
    let mut alice = Phone::new(Codec::Pcmu, 500.0).await;
    let line_a = house.line(1, &alice);
    let mut bob = Phone::new(Codec::Pcmu, 1000.0).await;
    let line_b = house.line(2, &bob);
    line_a.bridge_to(&line_b);
    line_b.bridge_to(&line_a);
    for codec in [Codec::Pcmu, Codec::Opus, Codec::Pcmu] {
        bob = Phone::new(codec, 1000.0).await;
        line_b.agree(bob.terms()).unwrap();
        let before = alice.heard.len();
        talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| {
            p[0].0.heard.len() > before + 24_000 && hears(p[0].0, 1000.0) && hears(p[1].0, 500.0)
        })
        .await;
    }
    assert_continuous(&alice);
    // One source only: what is relayed is not sent a second time from the jitter buffer.
    let frames = bob.heard.len() / FRAME;
    assert!(bob.packets.len() <= frames + 10, "{} packets in {frames} frames", bob.packets.len());
    line_a.close().await;
    line_b.close().await;
}

#[tokio::test]
async fn what_is_not_sent_during_a_hold_is_not_taken_for_lost() {
    let mut house = House::new();
    let (mut alice, mut bob) = (Phone::new(Codec::Pcmu, 500.0).await, Phone::new(Codec::Pcmu, 1000.0).await);
    let (line_a, line_b) = (house.line(1, &alice), house.line(2, &bob));
    line_a.bridge_to(&line_b);
    line_b.bridge_to(&line_a);
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| hears(p[0].0, 1000.0)).await;
    line_a.agree(Terms { remote: None, remote_rtcp: None, ..alice.terms() }).unwrap();
    let before = alice.heard.len();
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| p[0].0.heard.len() > before + 24_000).await;
    line_a.agree(alice.terms()).unwrap();
    talk(&mut [(&mut alice, &line_a), (&mut bob, &line_b)], |p| hears(p[0].0, 1000.0)).await;
    assert_continuous(&alice);
    line_a.close().await;
    line_b.close().await;
}

/// Relayed, and transcoded; as events, and told by signalling.
#[tokio::test]
async fn the_keys_of_a_feature_code_are_not_passed_on_and_all_others_are_in_order() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut house = House::new();
        let (mut ravi, mut caller) = (Phone::new(Codec::Pcmu, 1000.0).await, Phone::new(codec, 500.0).await);
        let (line_r, line_c) = (house.line(2, &ravi), house.line(1, &caller));
        line_r.bridge_to(&line_c);
        line_c.bridge_to(&line_r);
        let mut pressed = String::new();
        for (keys, passed) in [("5", "5"), ("*9", "5*9"), ("**9", "5*9**9")] {
            ravi.sender.dtmf(keys);
            talk(&mut [(&mut ravi, &line_r), (&mut caller, &line_c)], |p| p[1].0.digits == passed).await;
        }
        "*37".chars().for_each(|key| line_r.key(key));
        talk(&mut [(&mut ravi, &line_r), (&mut caller, &line_c)], |p| p[1].0.digits == "5*9**9*37").await;
        ravi.sender.dtmf("*2105");
        talk(&mut [(&mut ravi, &line_r), (&mut caller, &line_c)], |_| {
            while let Ok(FromLine::Heard(Heard::Digit { digit, .. })) = house.reports.try_recv() {
                pressed.push(digit);
            }
            pressed.ends_with("*2105")
        })
        .await;
        // The last key is still being pressed.
        line_c.play_music();
        line_r.silence();
        line_r.bridge_to(&line_c);
        line_c.bridge_to(&line_r);
        talk(&mut [(&mut ravi, &line_r), (&mut caller, &line_c)], |p| !p[0].0.sender.is_sending_digits()).await;
        ravi.sender.dtmf("#");
        talk(&mut [(&mut ravi, &line_r), (&mut caller, &line_c)], |p| p[1].0.digits.ends_with('#')).await;
        assert_eq!(caller.digits, "5*9**9*37#");
        assert_continuous(&caller);
        line_r.close().await;
        line_c.close().await;
    }
}

#[tokio::test]
async fn a_prompt_is_heard_and_its_end_reported() {
    let mut house = House::new();
    let mut caller = Phone::new(Codec::Opus, 500.0).await;
    let line = house.line(1, &caller);
    line.play_prompt(house.library.closing.clone());
    talk(&mut [(&mut caller, &line)], |p| hears(p[0].0, 900.0)).await;
    assert!(matches!(house.report().await, Heard::PromptFinished { leg: LegId(1) }));
    line.close().await;
}

#[tokio::test]
async fn a_voicemail_holds_what_the_caller_said_after_the_beep() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["pound", "hang-up"] {
        let file = folder.path().join(format!("{ending}.wav"));
        let mut house = House::new();
        let mut caller = Phone::new(Codec::Pcmu, 500.0).await;
        let line = house.line(1, &caller);
        line.record(house.library.greeting.clone(), file.clone(), 30);
        talk(&mut [(&mut caller, &line)], |p| hears(p[0].0, 700.0)).await;
        let spoken = caller.heard.len() + 3 * 48_000;
        talk(&mut [(&mut caller, &line)], |p| p[0].0.heard.len() > spoken).await;
        if ending == "pound" {
            caller.sender.dtmf("#");
            let mut until = 0;
            talk(&mut [(&mut caller, &line)], |_| {
                until += 1;
                until > 20
            })
            .await;
            assert!(matches!(house.report().await, Heard::Digit { leg: LegId(1), digit: '#' }));
            let Heard::Recorded { duration_ms, .. } = house.report().await else { panic!("not recorded") };
            assert!(duration_ms >= 2000, "{duration_ms}");
            line.close().await;
        } else {
            line.close().await;
            assert!(matches!(house.report().await, Heard::Recorded { .. }));
        }
        let sound = media::wav::parse(&std::fs::read(&file).unwrap()).unwrap();
        let middle = &sound[..sound.len() / 2];
        assert!(purity(middle, 500.0) > 0.8, "{ending}: {}", purity(middle, 500.0));
    }
}

/// A report that half of stream `about` is lost, and a BYE, as `ssrc` writes them.
fn forged_report(ssrc: u32, about: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7];
    report.extend(ssrc.to_be_bytes());
    report.extend(about.to_be_bytes());
    report.extend([128, 0, 0, 200]);
    report.extend([0; 16]);
    report.extend([0x81, 203, 0, 1]);
    report.extend(ssrc.to_be_bytes());
    report
}

#[tokio::test]
async fn a_stranger_can_not_join_and_rubbish_is_dropped() {
    let mut house = House::new();
    let mut caller = Phone::new(Codec::Pcmu, 500.0).await;
    let mut ravi = Phone::new(Codec::Pcmu, 1000.0).await;
    let (line_c, line_r) = (house.line(1, &caller), house.line(2, &ravi));
    line_c.bridge_to(&line_r);
    line_r.bridge_to(&line_c);
    talk(&mut [(&mut caller, &line_c), (&mut ravi, &line_r)], |p| hears(p[1].0, 500.0)).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for rubbish in [&[][..], &[0x80; 3], &[0xff; 1500], &[0x80, 0, 0, 1]] {
        stranger.send_to(rubbish, address(&line_c)).await.unwrap();
        caller.socket.send_to(rubbish, address(&line_c)).await.unwrap();
    }
    // The caller's SSRC from elsewhere; another SSRC from where the caller is.
    let heard = caller.packets[0].ssrc;
    let (position, shout) = (caller.sender.position(), media::tones::sine(2000.0, 20, -3.0));
    let forger = |ssrc| {
        let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc, dtmf_payload_type: Some(DIGITS) };
        RtpSender::resume(config, Position { ssrc, ..position }).unwrap()
    };
    let (mut elsewhere, mut beside) = (forger(position.ssrc), forger(position.ssrc ^ 1));
    beside.dtmf("9");
    let (to, mut forged) = (address(&line_c), 0);
    let mut frame = SILENCE;
    frame.copy_from_slice(&shout);
    talk(&mut [(&mut caller, &line_c), (&mut ravi, &line_r)], |p| {
        stranger.try_send_to(elsewhere.frame(&frame).unwrap(), to).unwrap();
        stranger.try_send_to(&forged_report(position.ssrc, heard), to).unwrap();
        p[0].0.socket.try_send_to(beside.frame(&frame).unwrap(), to).unwrap();
        p[0].0.socket.try_send_to(&forged_report(position.ssrc ^ 1, heard), to).unwrap();
        forged += 1;
        forged > 50
    })
    .await;
    assert_continuous(&ravi);
    assert!(hears(&ravi, 500.0), "{}", purity(&ravi.heard, 500.0));
    assert_eq!((ravi.digits.as_str(), ravi.receiver.stats().lost), ("", 0));
    for line in [line_c, line_r] {
        assert_eq!(line.close().await.unwrap().lost_permille, 0);
    }
}

/// As Asterisk does after a transfer.
#[tokio::test]
async fn a_far_end_that_begins_another_stream_is_heard_on() {
    let mut house = House::new();
    let (mut caller, mut ravi) = (Phone::new(Codec::Pcmu, 500.0).await, Phone::new(Codec::Pcmu, 1000.0).await);
    let (line_c, line_r) = (house.line(1, &caller), house.line(2, &ravi));
    line_c.bridge_to(&line_r);
    line_r.bridge_to(&line_c);
    for hertz in [500.0, 1500.0, 2500.0] {
        let config = SenderConfig { ssrc: rand::random(), ..caller.sender.config() };
        caller.sender = RtpSender::new(config).unwrap();
        caller.tone = media::tones::sine(hertz, 1000, -10.0);
        talk(&mut [(&mut caller, &line_c), (&mut ravi, &line_r)], |p| hears(p[1].0, f64::from(hertz))).await;
    }
    assert_continuous(&ravi);
    for line in [line_c, line_r] {
        line.close().await;
    }
}
