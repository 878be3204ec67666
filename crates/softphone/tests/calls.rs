//! Phones on loopback, calling each other over real SIP and RTP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use media::Codec;
use softphone::{CallEvent, HeldBy, PhoneConfig, PhoneEvent, Play, Sound};

mod common;

use common::{Desk, PATIENCE, connect};

fn samples(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().samples::<i16>().map(Result::unwrap).collect()
}

/// How much of what was heard after the first sound is a tone of 1 kHz, 0 to 1: the best half second, since a busy
/// machine may lose some of it.
fn purity(pcm: &[i16]) -> f64 {
    let start = pcm.iter().position(|s| s.unsigned_abs() > 1000).expect("no sound at all");
    pcm[start + 4800..].windows(24_000).step_by(12_000).map(share_of_1_khz).fold(0.0, f64::max)
}

fn share_of_1_khz(heard: &[i16]) -> f64 {
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
    for (i, s) in heard.iter().enumerate() {
        let (sin, cos) = (std::f64::consts::TAU * 1000.0 * i as f64 / 48_000.0).sin_cos();
        let s = f64::from(*s);
        (sine, cosine, all) = (sine + s * sin, cosine + s * cos, all + s * s);
    }
    2.0 * (sine * sine + cosine * cosine) / (all * heard.len() as f64)
}

/// Waits until the file holds so many seconds of sound.
async fn recorded(path: &Path, seconds: u32) {
    let growing = async {
        // Another thread writes the file: it can only be looked at again.
        while hound::WavReader::open(path).map_or(0, |r| r.len()) < seconds * 48_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, growing).await.expect("the recording does not grow");
}

/// Waits until the tone is clear in it; a busy machine may spoil the first seconds.
async fn becomes_pure(wav: &Path) {
    let mut seconds = 2;
    loop {
        recorded(wav, seconds).await;
        let pure = purity(&samples(wav));
        if pure > 0.9 {
            return;
        }
        assert!(seconds < 20, "{} after {seconds} s: {pure}", wav.display());
        seconds += 2;
    }
}

async fn tone_both_ways(codec: Codec) {
    let dir = tempfile::tempdir().unwrap();
    let (a_wav, b_wav) = (dir.path().join("a.wav"), dir.path().join("b.wav"));
    let mut a = Desk::start(Play::Tone, Some(a_wav.clone()), &[codec, Codec::Pcmu]).await;
    let mut b = Desk::start(Play::Tone, Some(b_wav.clone()), &Codec::ALL).await;
    let out = a.phone.call(&b.uri());
    let call = b.rung().await.key;
    a.told(out, CallEvent::Ringing).await;
    b.phone.answer(call);
    assert_eq!(b.answered(call).await, codec);
    assert_eq!(a.answered(out).await, codec);
    a.hears(out).await;
    b.hears(call).await;
    for wav in [&a_wav, &b_wav] {
        becomes_pure(wav).await;
    }
    a.phone.hang_up(out);
    assert_eq!(b.ended(call).await.cause, "hung up by the other side");
    assert!(a.ended(out).await.talked.is_some());
    a.phone.stop().await;
    b.phone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opus_carries_a_tone_both_ways() {
    tone_both_ways(Codec::Opus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g722_carries_a_tone_both_ways() {
    tone_both_ways(Codec::G722).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcmu_carries_a_tone_both_ways() {
    tone_both_ways(Codec::Pcmu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcma_carries_a_tone_both_ways() {
    tone_both_ways(Codec::Pcma).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_busy_and_given_up_calls_end_with_their_cause() {
    let (mut a, mut b) = (Desk::silent().await, Desk::silent().await);
    let out = a.phone.call(&b.uri());
    let call = b.rung().await.key;
    b.phone.decline(call);
    assert_eq!(a.ended(out).await.status, Some(603));
    b.ended(call).await;

    let out = a.phone.call(&b.uri());
    let call = b.rung().await.key;
    b.phone.busy(call);
    let ended = a.ended(out).await;
    assert_eq!((ended.cause.as_str(), ended.status), ("busy", Some(486)));
    b.ended(call).await;

    let out = a.phone.call(&b.uri());
    let call = b.rung().await.key;
    a.told(out, CallEvent::Ringing).await;
    a.phone.hang_up(out);
    assert_eq!(b.ended(call).await.cause, "the caller gave up");
    assert_eq!(a.ended(out).await.cause, "given up");

    let out = a.phone.call("nobody");
    assert!(a.ended(out).await.cause.contains("cannot be called"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_stops_the_sound_and_resume_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("b.wav");
    let mut a = Desk::speaking().await;
    let mut b = Desk::start(Play::Silence, Some(wav.clone()), &[Codec::Pcmu]).await;
    let (out, call) = connect(&mut a, &mut b).await;
    b.hears(call).await;
    a.phone.hold(out, true);
    b.told(call, CallEvent::Held { by: HeldBy::Them }).await;
    a.told(out, CallEvent::Held { by: HeldBy::Us }).await;
    let so_far = hound::WavReader::open(&wav).unwrap().len() / 48_000;
    recorded(&wav, so_far + 4).await;
    a.phone.hold(out, false);
    b.told(call, CallEvent::Resumed { by: HeldBy::Them }).await;
    let so_far = hound::WavReader::open(&wav).unwrap().len() / 48_000;
    recorded(&wav, so_far + 3).await;
    b.phone.hang_up(call);
    a.ended(out).await;
    b.ended(call).await;
    let loud: Vec<bool> = samples(&wav).chunks(48_000 / 10).map(|c| media::level_dbfs(c) > -40.0).collect();
    let changes = loud.windows(2).filter(|w| w[0] != w[1]).count();
    assert!(loud.iter().filter(|l| !**l).count() >= 20, "two seconds of silence: {loud:?}");
    assert!(changes >= 2 && loud[loud.len() - 5], "sound, silence, sound: {loud:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_arrive_in_order() {
    let (mut a, mut b) = (Desk::speaking().await, Desk::silent().await);
    let (out, call) = connect(&mut a, &mut b).await;
    b.hears(call).await;
    a.phone.dtmf(out, "15#");
    for digit in ['1', '5', '#'] {
        let event = b.call(call, "key", |e| matches!(e, CallEvent::Dtmf { .. })).await;
        assert_eq!(event, CallEvent::Dtmf { digit });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answering_a_waiting_call_puts_the_first_on_hold() {
    let (mut a, mut b, mut c) = (Desk::silent().await, Desk::silent().await, Desk::silent().await);
    let (first, _) = connect(&mut a, &mut b).await;
    let from_c = c.phone.call(&a.uri());
    let second = a.rung().await.key;
    a.phone.answer(second);
    c.answered(from_c).await;
    // Both of a's calls report in whatever order the network has it.
    let (mut held, mut up) = (false, false);
    a.until("hold and answer", |event| {
        let PhoneEvent::Call { call, event } = event else { return None };
        held |= call == first && event == CallEvent::Held { by: HeldBy::Us };
        up |= call == second && matches!(event, CallEvent::Answered { .. });
        (held && up).then_some(())
    })
    .await;
    a.phone.hold(first, false);
    a.until("swap", |event| match event {
        PhoneEvent::Call { call, event } if call == first && event == CallEvent::Resumed { by: HeldBy::Us } => Some(()),
        _ => None,
    })
    .await;
    c.told(from_c, CallEvent::Held { by: HeldBy::Them }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_transfer_moves_the_call_to_a_third_phone() {
    let (mut a, mut b, mut c) = (Desk::speaking().await, Desk::silent().await, Desk::speaking().await);
    let (at_a, at_b) = connect(&mut a, &mut b).await;
    b.phone.transfer(at_b, &c.uri());
    b.told(at_b, CallEvent::Held { by: HeldBy::Us }).await;
    let at_c = c.rung().await.key;
    b.told(at_b, CallEvent::TransferProgress { status: 180 }).await;
    c.phone.answer(at_c);
    c.answered(at_c).await;
    let next = match a.call(at_a, "following", |e| matches!(e, CallEvent::Following { .. })).await {
        CallEvent::Following { call, .. } => call,
        other => panic!("{other:?}"),
    };
    b.told(at_b, CallEvent::TransferProgress { status: 200 }).await;
    b.ended(at_b).await;
    // The old call's end and the new one's sound come in any order.
    let (mut gone, mut sound) = (false, false);
    a.until("sound from c, and b's goodbye", |event| {
        let PhoneEvent::Call { call, event } = event else { return None };
        gone |= call == at_a && matches!(event, CallEvent::Ended(_));
        sound |= call == next && event == CallEvent::FirstAudio;
        (gone && sound).then_some(())
    })
    .await;
    c.hears(at_c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_declined_gives_the_call_back() {
    let (mut a, mut b, mut c) = (Desk::silent().await, Desk::silent().await, Desk::silent().await);
    let (at_a, at_b) = connect(&mut a, &mut b).await;
    b.phone.transfer(at_b, &c.uri());
    let at_c = c.rung().await.key;
    c.phone.decline(at_c);
    b.told(at_b, CallEvent::TransferFailed { status: 603 }).await;
    b.told(at_b, CallEvent::Resumed { by: HeldBy::Us }).await;
    a.told(at_a, CallEvent::Resumed { by: HeldBy::Them }).await;
}

/// The UDP ports that this process has open: those of the phones under test.
fn own_udp_ports() -> Vec<u16> {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let ours: Vec<String> =
        links.filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned())).collect();
    let table = std::fs::read_to_string("/proc/self/net/udp").unwrap();
    let ports = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.split_once(':')?;
        ours.contains(&format!("socket:[{}]", fields.get(9)?)).then(|| u16::from_str_radix(port, 16).ok())?
    });
    let ports: Vec<u16> = ports.collect();
    assert!(ports.len() >= 6, "two phones with SIP, RTP and RTCP each: {ports:?}");
    ports
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_the_ports_does_no_harm() {
    let (mut a, mut b) = (Desk::speaking().await, Desk::speaking().await);
    let (out, call) = connect(&mut a, &mut b).await;
    b.hears(call).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let throw = |to: SocketAddr, bytes: &[u8]| drop(stranger.send_to(bytes, to));
    for sip in [&b"\x00\xff\x80garbage"[..], b"INVITE\r\n\r\n", b"BYE sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n"] {
        throw(b.phone.listen(), sip);
    }
    // What looks like RTP, like RTCP, and like nothing at all.
    for port in own_udp_ports() {
        for packet in [&b"\x80\x00\x00\x01\x00\x00\x00\x01\xde\xad\xbe\xefxx"[..], b"\x80\xc8\xff\xff", b""] {
            throw(SocketAddr::new([127, 0, 0, 1].into(), port), packet);
        }
    }
    a.phone.dtmf(out, "7");
    b.told(call, CallEvent::Dtmf { digit: '7' }).await;
    b.phone.hang_up(call);
    assert_eq!(a.ended(out).await.cause, "hung up by the other side");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_phone_says_goodbye() {
    let (mut a, mut b) = (Desk::silent().await, Desk::silent().await);
    let (out, call) = connect(&mut a, &mut b).await;
    a.phone.clone().stop().await;
    a.ended(out).await;
    assert_eq!(b.ended(call).await.cause, "hung up by the other side");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_card_travels_whole_and_a_call_answered_elsewhere_is_not_missed() {
    let mut b = Desk::silent().await;
    let (exchange, mut network) = exchange().await;
    let from: sip::NameAddr = "\"Priya Nair\" <sip:+919812345678@127.0.0.1>".parse().unwrap();
    let leg = exchange.invite(sip::Invite {
        to: b.uri().parse().unwrap(),
        from: from.clone(),
        to_display: None,
        sdp: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
            .into(),
        via_flow: None,
        routes: Vec::new(),
        through: None,
        credentials: None,
        headers: sip::CallHeaders {
            asserted_identity: Some(from),
            referred_by: Some("\"Ravi Kumar\" <sip:ravi@127.0.0.1>".parse().unwrap()),
            alert_info: Some("urn:alert:source:internal".into()),
            user_to_user: Some("João wants the May invoice".into()),
            subject: Some("Support".into()),
            call_info: vec![("X-Patchcord-Call".into(), "c17".into())],
            ..sip::CallHeaders::default()
        },
    });
    let card = b.rung().await;
    assert_eq!(card.kind, softphone::RingKind::Transfer);
    assert_eq!((card.caller.name.as_str(), card.caller.number.as_str()), ("Priya Nair", "+919812345678"));
    assert_eq!(card.transferred_by.unwrap().name, "Ravi Kumar");
    assert_eq!(card.note.as_deref(), Some("João wants the May invoice"));
    assert_eq!(card.department.as_deref(), Some("Support"));
    assert_eq!(card.call_id.unwrap().as_str(), "c17");
    let ringing =
        async { while !matches!(network.recv().await, Some(sip::Event::Leg { event: sip::LegEvent::Ringing, .. })) {} };
    tokio::time::timeout(PATIENCE, ringing).await.expect("no 180");
    exchange.hang_up(leg, Some(sip::ReasonHeader::answered_elsewhere()));
    let ended = b.ended(card.key).await;
    assert!(ended.answered_elsewhere, "{ended:?}");
}

async fn exchange() -> (sip::Endpoint, tokio::sync::mpsc::UnboundedReceiver<sip::Event>) {
    let udp = vec!["127.0.0.1:0".parse().unwrap()];
    sip::Endpoint::bind(sip::EndpointConfig { udp, ..sip::EndpointConfig::default() }).await.unwrap()
}

fn account_at(exchange: &sip::Endpoint) -> softphone::Account {
    softphone::Account {
        registrar: format!("sip:{}", exchange.local_addr(sip::Transport::Udp).unwrap()),
        outbound_proxy: None,
        device: None,
        insists: false,
        user: "ravi".into(),
        auth_user: None,
        password: softphone::Secret::new("x"),
        display: Some("Ravi Kumar".into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_registers_and_unregisters() {
    let (exchange, mut network) = exchange().await;
    let mut ravi = Desk::with(|config| config.account = Some(account_at(&exchange))).await;
    let bindings = async {
        let mut seen = Vec::new();
        while let Some(event) = network.recv().await {
            let sip::Event::Register(register) = event else { continue };
            seen.push(register.contacts.iter().map(|c| c.expires).max());
            assert_eq!(register.user, "ravi");
            exchange.accept_register(register.request, register.contacts);
            if seen.last() == Some(&Some(0)) {
                break;
            }
        }
        seen
    };
    let phone = async {
        ravi.until("registration", |event| match event {
            PhoneEvent::Registration(softphone::RegistrationState::Registered) => Some(()),
            _ => None,
        })
        .await;
        ravi.phone.clone().stop().await;
    };
    let (seen, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(bindings, phone) }).await.unwrap();
    assert!(seen.first().unwrap().unwrap() > 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_talk_over_ipv6() {
    let on_v6 = |config: &mut PhoneConfig| {
        config.listen = "[::1]:0".parse().unwrap();
        config.sound = Sound::Files { play: Play::Tone, record: None, loopback: false };
    };
    let (mut ravi, mut mina) = (Desk::with(on_v6).await, Desk::with(on_v6).await);
    let (out, call) = connect(&mut ravi, &mut mina).await;
    ravi.hears(out).await;
    mina.hears(call).await;
    ravi.phone.hang_up(out);
    mina.ended(call).await;
}

/// A phone of that account, which the exchange has taken.
async fn registered(
    exchange: &sip::Endpoint,
    mut network: tokio::sync::mpsc::UnboundedReceiver<sip::Event>,
    change: impl FnOnce(&mut PhoneConfig),
) -> Desk {
    let mut desk = Desk::with(|config| {
        config.account = Some(account_at(exchange));
        change(config);
    })
    .await;
    let exchange = exchange.clone();
    // Its phone keeps asking whether it is there.
    tokio::spawn(async move {
        while let Some(event) = network.recv().await {
            if let sip::Event::Register(register) = event {
                exchange.accept_register(register.request, register.contacts);
            }
        }
    });
    desk.until("registration", |event| {
        matches!(event, PhoneEvent::Registration(softphone::RegistrationState::Registered)).then_some(())
    })
    .await;
    desk
}

fn ring(from: &sip::Endpoint, to: &Desk, call_info: Vec<(String, String)>) -> sip::LegKey {
    from.invite(sip::Invite {
        to: to.uri().parse().unwrap(),
        from: sip::NameAddr::new(None, "sip:priya@127.0.0.1".parse().unwrap()),
        to_display: None,
        sdp: common::far::sdp("sendrecv"),
        via_flow: None,
        routes: Vec::new(),
        through: None,
        credentials: None,
        headers: sip::CallHeaders { call_info, ..sip::CallHeaders::default() },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_for_so_long_only_unless_our_exchange_looks_after_it() {
    let (exchange, network) = exchange().await;
    let mut ravi = registered(&exchange, network, |config| config.rings_at_most = Duration::from_millis(200)).await;
    let of_ours = ("X-Patchcord-Call".to_owned(), "c17".to_owned());
    let _ = ring(&exchange, &ravi, vec![of_ours.clone()]);
    let ours = ravi.rung().await.key;
    let _ = ring(&exchange, &ravi, Vec::new());
    let theirs = ravi.rung().await.key;
    let ended = ravi.ended(theirs).await;
    assert_eq!((ended.cause.as_str(), ended.status), ("rang 0 s unanswered", Some(480)));
    ravi.phone.answer(ours);
    ravi.answered(ours).await;

    let mut peer = Desk::with(|config| config.rings_at_most = Duration::from_millis(200)).await;
    let _ = ring(&exchange, &peer, vec![of_ours]);
    let rung = peer.rung().await.key;
    assert_eq!(peer.ended(rung).await.status, Some(480), "a phone that is registered nowhere believes nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_leave_room_for_the_calls_of_our_exchange() {
    let (exchange, network) = exchange().await;
    let mut ravi = registered(&exchange, network, |_| {}).await;
    let mut stranger = common::far::Far::open().await;
    for _ in 0..3 {
        let _ = ring(&stranger.endpoint, &ravi, Vec::new());
        ravi.rung().await;
    }
    // Each new socket is another stranger, and their calls count together.
    let mut other = common::far::Far::open().await;
    for far in [&mut stranger, &mut other] {
        let leg = ring(&far.endpoint, &ravi, Vec::new());
        let refused =
            far.until(leg, |event| if let sip::LegEvent::Ended { cause } = event { Some(cause) } else { None });
        assert_eq!(refused.await.status, Some(486));
    }
    // Only those that are announced count: what was refused rang nobody.
    for _ in 0..5 {
        let _ = ring(&exchange, &ravi, Vec::new());
        ravi.rung().await;
    }
}
