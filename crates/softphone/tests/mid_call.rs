//! What far ends do to the sound of a call that stands: each with an ear on it. The phone says what it hears.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr};

use media::rtp::Position;
use media::{Codec, RtpSender, SILENCE, SenderConfig};
use sip::sdp::Session;
use sip::{LegEvent, LegKey};
use softphone::{CallEvent, CallKey, HeldBy, Play, QualityReport, Sound};
use tokio::net::UdpSocket;

mod common;

use common::Desk;
use common::far::Far;
use common::talker::Talker;
use common::wire::{Wire, body};

const EVENTS: &str = "a=rtpmap:101 telephone-event/8000\r\n";

/// A call to a phone that says what it hears.
struct Scene {
    desk: Desk,
    call: CallKey,
    far: Far,
    leg: LegKey,
    talker: Talker,
}

impl Scene {
    /// The far end answers with these formats and attributes.
    async fn with(at: &str, formats: &str, attributes: &str) -> Self {
        let at: SocketAddr = at.parse().unwrap();
        let mut desk = Desk::with(|config| {
            config.listen = at;
            config.codecs = vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma];
            config.sound = Sound::Files { play: Play::Silence, record: None, loopback: true };
        })
        .await;
        let mut far = Far::at(at).await;
        let call = desk.phone.call(&far.uri().to_string());
        let incoming = far.incoming().await;
        let talker = Talker::open(at.ip(), there(incoming.sdp.as_deref().unwrap())).await;
        far.endpoint.answer(incoming.leg, talker.sdp(formats, attributes));
        desk.answered(call).await;
        Self { desk, call, far, leg: incoming.leg, talker }
    }

    async fn open() -> Self {
        let mut scene = Self::with("127.0.0.1:0", "0 101", EVENTS).await;
        scene.talker.speak(Codec::Pcmu, 0, Some(101), 20);
        scene
    }

    /// The far end offers anew; the phone's answer.
    async fn offer(&mut self, sdp: String) -> Result<String, u16> {
        self.far.endpoint.offer(self.leg, sdp);
        self.far
            .until(self.leg, |event| match event {
                LegEvent::OfferAnswered { sdp } => Some(Ok(sdp)),
                LegEvent::OfferFailed { status } => Some(Err(status)),
                _ => None,
            })
            .await
    }

    async fn offers(&mut self, formats: &str, attributes: &str) -> String {
        let offer = self.talker.sdp(formats, attributes);
        self.offer(offer).await.unwrap()
    }

    /// What the phone says of the whole call.
    async fn ends(mut self) -> QualityReport {
        self.desk.phone.hang_up(self.call);
        let quality = |event: &CallEvent| matches!(event, CallEvent::Quality(_));
        match self.desk.call(self.call, "quality", quality).await {
            CallEvent::Quality(report) => report,
            other => panic!("{other:?}"),
        }
    }
}

fn there(sdp: &str) -> SocketAddr {
    Session::parse(sdp).unwrap().remote_rtp()
}

#[tokio::test]
async fn packets_are_as_long_as_the_far_end_wants_them() {
    let mut scene = Scene::open().await;
    for (ptime, wanted) in [(10, "a=ptime:10"), (30, "a=ptime:30"), (40, "a=ptime:40"), (60, "a=ptime:60")] {
        scene.offers("0", &format!("{wanted}\r\n")).await;
        scene.talker.speak(Codec::Pcmu, 0, None, ptime);
        scene.talker.hears_itself().await;
        let (_, length) = scene.talker.packets.last().unwrap();
        assert_eq!(*length, 8 * ptime as usize, "{wanted}");
    }
    scene.offers("0", "a=maxptime:10\r\n").await;
    scene.talker.speak(Codec::Pcmu, 0, None, 10);
    scene.talker.hears_itself().await;
    assert_eq!(scene.talker.packets.last().unwrap().1, 80);
    for ptime in [10, 40, 60] {
        scene.offers("96", &format!("a=rtpmap:96 opus/48000/2\r\na=ptime:{ptime}\r\n")).await;
        scene.talker.speak(Codec::Opus, 96, None, ptime);
        scene.talker.hears_itself().await;
        let pair = &scene.talker.packets[scene.talker.packets.len() - 2..];
        assert_eq!(pair[1].0.timestamp.wrapping_sub(pair[0].0.timestamp), 48 * ptime);
    }
}

#[tokio::test]
async fn codecs_and_payload_types_change_and_the_sound_goes_on() {
    let mut scene = Scene::open().await;
    scene.talker.hears_itself().await;
    for (formats, attributes, codec, payload_type) in [
        ("96", "a=rtpmap:96 opus/48000/2\r\n", Codec::Opus, 96),
        ("108", "a=rtpmap:108 opus/48000/2\r\n", Codec::Opus, 108),
        ("9", "", Codec::G722, 9),
        ("8", "", Codec::Pcma, 8),
        ("96", "a=rtpmap:96 PCMU/8000\r\n", Codec::Pcmu, 96),
        ("0", "", Codec::Pcmu, 0),
    ] {
        let answer = scene.offers(formats, attributes).await;
        assert!(answer.contains(&format!("RTP/AVP {formats}\r\n")), "{answer}");
        scene.talker.speak(codec, payload_type, None, 20);
        scene.talker.hears_itself().await;
        assert_eq!(scene.talker.packets.last().unwrap().0.payload_type, payload_type);
    }
}

#[tokio::test]
async fn keys_follow_their_payload_type() {
    let mut scene = Scene::open().await;
    for (payload_type, key) in [(101, '1'), (97, '2'), (120, '3')] {
        let events = format!("a=rtpmap:{payload_type} telephone-event/8000\r\n");
        scene.offers(&format!("0 {payload_type}"), &events).await;
        scene.talker.speak(Codec::Pcmu, 0, Some(payload_type), 20);
        scene.talker.sender.dtmf(&key.to_string());
        scene.desk.phone.dtmf(scene.call, &key.to_string());
        scene.talker.until("got the key", |talker| talker.digits.ends_with(key)).await;
        scene.talker.hears_itself().await;
        scene.desk.told(scene.call, CallEvent::Dtmf { digit: key }).await;
    }
    assert_eq!(scene.talker.digits, "123");
}

#[tokio::test]
async fn hold_by_an_address_of_zeros_is_a_hold_and_its_end_brings_the_sound_back() {
    let mut scene = Scene::open().await;
    scene.talker.hears_itself().await;
    let sdp = scene.talker.sdp("0", "").replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    scene.offer(sdp).await.unwrap();
    scene.desk.told(scene.call, CallEvent::Held { by: HeldBy::Them }).await;
    // What was under way has come within a few frames.
    scene.talker.frames(10).await;
    scene.talker.forget();
    scene.talker.frames(20).await;
    assert_eq!(scene.talker.packets, []);
    scene.offers("0", "").await;
    scene.desk.told(scene.call, CallEvent::Resumed { by: HeldBy::Them }).await;
    scene.talker.hears_itself().await;
}

#[tokio::test]
async fn an_offer_that_cannot_be_met_is_refused_and_the_sound_goes_on() {
    let mut scene = Scene::open().await;
    scene.talker.hears_itself().await;
    let no_codec = scene.talker.sdp("18", "a=rtpmap:18 G729/8000\r\n");
    let no_port = scene.talker.sdp("0", "").replace("m=audio ", "m=audio 0 RTP/AVP 0\r\nm=image ");
    for offer in [no_codec, no_port, "nonsense".to_owned()] {
        assert_eq!(scene.offer(offer).await, Err(488));
        scene.talker.hears_itself().await;
    }
    // One stream of several is refused by its port.
    let answer = scene.offers("0", "m=video 4000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n").await;
    assert!(answer.contains("m=video 0 RTP/AVP 99"), "{answer}");
    scene.talker.hears_itself().await;
    // The far end refuses ours: it hears nothing, as the person wished, and what it says later counts again.
    scene.desk.phone.hold(scene.call, true);
    scene.far.offer(scene.leg).await;
    scene.far.endpoint.answer_offer(scene.leg, Err(488));
    scene.desk.call(scene.call, "trouble", |e| matches!(e, CallEvent::Trouble { .. })).await;
    scene.desk.phone.hold(scene.call, false);
    scene.talker.hears_itself().await;
}

#[tokio::test]
async fn signalling_and_sound_go_over_ipv6() {
    let mut scene = Scene::with("[::1]:0", "96", "a=rtpmap:96 opus/48000/2\r\n").await;
    scene.talker.speak(Codec::Opus, 96, None, 20);
    scene.talker.hears_itself().await;
    scene.offers("0", "").await;
    scene.talker.speak(Codec::Pcmu, 0, None, 20);
    scene.talker.hears_itself().await;
}

/// A call from a far end that writes its SIP by hand, to a phone that says what it hears.
async fn called_by_hand() -> (Desk, CallKey, Wire, Talker) {
    let mut desk = Desk::with(|config| {
        config.codecs = vec![Codec::Opus, Codec::Pcmu, Codec::Pcma];
        config.sound = Sound::Files { play: Play::Silence, record: None, loopback: true };
    })
    .await;
    let mut wire = Wire::open(desk.phone.listen()).await;
    let mut talker = Talker::open(IpAddr::from([127, 0, 0, 1]), desk.phone.listen()).await;
    wire.request("INVITE", &talker.sdp("0", "")).await;
    let call = desk.rung().await.key;
    desk.phone.answer(call);
    talker.to = there(body(&wire.until("SIP/2.0 200").await));
    wire.request("ACK", "").await;
    talker.hears_itself().await;
    (desk, call, wire, talker)
}

/// Some systems end a hold by asking the phone what it can do.
#[tokio::test]
async fn an_invite_without_an_offer_gets_all_that_the_phone_can_do() {
    let (mut desk, call, mut wire, mut talker) = called_by_hand().await;
    wire.request("INVITE", &talker.sdp("0", "a=inactive\r\n")).await;
    assert!(wire.until("SIP/2.0 200").await.contains("a=inactive"));
    wire.request("ACK", "").await;
    desk.told(call, CallEvent::Held { by: HeldBy::Them }).await;
    wire.request("INVITE", "").await;
    let offer = wire.until("SIP/2.0 200").await;
    for part in ["a=sendrecv", "opus/48000/2", "PCMU/8000", "PCMA/8000"] {
        assert!(offer.contains(part), "{part} in {offer}");
    }
    wire.request("ACK", &talker.sdp("8", "")).await;
    desk.told(call, CallEvent::Resumed { by: HeldBy::Them }).await;
    talker.speak(Codec::Pcma, 8, None, 20);
    talker.hears_itself().await;
}

#[tokio::test]
async fn an_offer_that_crosses_another_is_made_again() {
    let (mut desk, call, mut wire, mut talker) = called_by_hand().await;
    desk.phone.hold(call, true);
    let ours = wire.until("INVITE").await;
    // Theirs is on its way already: each gets 491.
    wire.request("INVITE", &talker.sdp("8", "")).await;
    wire.until("SIP/2.0 491").await;
    wire.request("ACK", "").await;
    wire.respond(&ours, "491 Request Pending", "").await;
    let again = wire.until("INVITE").await;
    assert!(again.contains("a=sendonly"), "{again}");
    wire.respond(&again, "200 OK", &talker.sdp("0", "a=recvonly\r\n")).await;
    wire.until("ACK").await;
    desk.told(call, CallEvent::Held { by: HeldBy::Us }).await;
    desk.phone.hold(call, false);
    let resume = wire.until("INVITE").await;
    wire.respond(&resume, "200 OK", &talker.sdp("0", "")).await;
    talker.hears_itself().await;
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
async fn nothing_of_a_stranger_is_heard_or_counted() {
    let mut scene = Scene::open().await;
    scene.talker.hears_itself().await;
    let (position, ours) = (scene.talker.sender.position(), scene.talker.packets[0].0.ssrc);
    let forger = |ssrc| {
        let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc, dtmf_payload_type: Some(101) };
        RtpSender::resume(config, Position { ssrc, ..position }).unwrap()
    };
    let stranger = UdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
    let reports = SocketAddr::new(scene.talker.to.ip(), scene.talker.to.port() + 1);
    let (mut elsewhere, mut beside) = (forger(position.ssrc), forger(position.ssrc ^ 1));
    let mut shout = SILENCE;
    shout.copy_from_slice(&media::tones::sine(2000.0, 20, -3.0));
    elsewhere.dtmf("9");
    for socket in [&stranger, &scene.talker.rtp, &scene.talker.rtcp] {
        socket.writable().await.unwrap();
    }
    let mut forged = 0;
    let forge = |talker: &mut Talker| {
        let (from_far, to) = ((&talker.rtp, &talker.rtcp), talker.to);
        stranger.try_send_to(elsewhere.frame(&shout).unwrap(), to).unwrap();
        stranger.try_send_to(&forged_report(position.ssrc, ours), reports).unwrap();
        from_far.0.try_send_to(beside.frame(&shout).unwrap(), to).unwrap();
        from_far.1.try_send_to(&forged_report(position.ssrc ^ 1, ours), reports).unwrap();
        forged += 1;
        forged > 60
    };
    scene.talker.until("was disturbed", forge).await;
    assert!(common::talker::purity(&scene.talker.heard, 500.0) > 0.8);
    // Another stream of the far end itself, as after a transfer behind Asterisk.
    scene.talker.sender = forger(position.ssrc ^ 2);
    scene.talker.hears_itself().await;
    let report = scene.ends().await;
    assert_eq!((report.lost, report.round_trip_ms), (0, None), "{report:?}");
}
