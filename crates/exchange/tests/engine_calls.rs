//! The embedded engine against real phones on loopback, with the test as its switchboard.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod engine_phone;

use engine_phone::{House, PATIENCE, Phone, device, purity};
use exchange::engine::Engine;
use media::Codec;
use protocol::{LegId, Party, Reason};
use sip::sdp::Direction;
use sip::{LegEvent, RegistrationState};
use switchboard::{EngineEvent, Order, Origin, Prompt, ReferProgress, RingCard, RingKind};
use tempfile::TempDir;

const CALLER: LegId = LegId(1);
const RAVI: LegId = LegId(2);
const MINA: LegId = LegId(4);

fn card() -> RingCard {
    RingCard {
        call: "c-7f".into(),
        kind: RingKind::Transfer,
        caller: Party { name: "João Pereira".into(), number: "+351912345678".into() },
        department: Some("Support".into()),
        transferred_by: Some(Party { name: "Maya Lindqvist".into(), number: "maya".into() }),
        note: Some("Grüße, bill 7".into()),
        back_from: None,
        answer: switchboard::AnswerMode::Manual,
    }
}

fn ring(leg: LegId, user: &str) -> Order {
    Order::Ring { leg, device: device(user), card: card() }
}

/// A trunk, an office and Ravi's registered phone.
struct Stage {
    house: House,
    trunk: Phone,
    ravi: Phone,
    folder: TempDir,
}

impl Stage {
    async fn new(trunk: Codec, ravi: Codec) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (trunk, mut ravi) = (Phone::start(trunk, 500.0).await, Phone::start(ravi, 1000.0).await);
        let mut house = House::start(&trunk, folder.path(), |_| {}).await;
        ravi.register(&mut house, "ravi").await;
        Self { house, trunk, ravi, folder }
    }

    /// An outside caller that has been answered.
    async fn caller(&mut self) -> sip::LegKey {
        let key = self.trunk.call(&self.house, ("Priya Nair", "+919812345678"), "+442079460200");
        let leg = self.house.arrived().await;
        assert_eq!(leg, CALLER);
        self.house.order(Order::Answer { leg });
        self.trunk.answered().await;
        self.house.expect(EngineEvent::Answered { leg }).await;
        key
    }

    /// Ravi, rung and answered.
    async fn colleague(&mut self) -> sip::LegKey {
        self.house.order(ring(RAVI, "ravi"));
        let call = self.ravi.rings().await;
        self.ravi.pick_up(&call);
        self.house.expect(EngineEvent::Answered { leg: RAVI }).await;
        call.leg
    }

    async fn talking(&mut self) -> (sip::LegKey, sip::LegKey) {
        let keys = (self.caller().await, self.colleague().await);
        self.house.order(Order::Bridge { a: CALLER, b: RAVI });
        self.trunk.hears_tone(1000.0).await;
        self.ravi.hears_tone(500.0).await;
        keys
    }

    async fn stop(self) {
        self.house.engine.stop().await;
        self.trunk.stop().await;
        self.ravi.stop().await;
    }
}

#[tokio::test]
async fn a_device_registers_and_unregisters() {
    let folder = tempfile::tempdir().unwrap();
    let (trunk, mut phone) = (Phone::start(Codec::Pcmu, 500.0).await, Phone::start(Codec::Pcmu, 500.0).await);
    let mut house = House::start(&trunk, folder.path(), |_| {}).await;
    let key = phone.try_register(&house, "ravi", "ravi").await;
    assert!(matches!(phone.registration().await.0, RegistrationState::Registered { .. }));
    let (user, device) = ("ravi".into(), device("ravi"));
    house.expect(EngineEvent::DeviceRegistered { user, device: device.clone() }).await;
    phone.endpoint.unregister(key);
    house.expect(EngineEvent::DeviceGone { user: "ravi".into(), device }).await;
    house.order(ring(RAVI, "ravi"));
    house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::Unreachable }).await;
}

#[tokio::test]
async fn a_device_may_not_register_as_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (trunk, mut phone) = (Phone::start(Codec::Pcmu, 500.0).await, Phone::start(Codec::Pcmu, 500.0).await);
    let mut house = House::start(&trunk, folder.path(), |_| {}).await;
    phone.try_register(&house, "ravi", "mina").await;
    let (state, _) = phone.registration().await;
    assert!(matches!(state, RegistrationState::Failed { status: 403, .. }), "{state:?}");
    phone.try_register(&house, "nobody", "nobody").await;
    let (state, _) = phone.registration().await;
    assert!(matches!(state, RegistrationState::Failed { .. }), "{state:?}");
    house.engine.stop().await;
    assert_eq!(house.rest().await, vec![]);
}

#[tokio::test]
async fn an_outside_call_reaches_a_device_with_the_whole_card() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    s.trunk.call(&s.house, ("Priya Nair", "+919812345678"), "+442079460200");
    let arrived = s.house.until(|e| matches!(e, EngineEvent::Arrived { .. })).await;
    let caller = Party { name: "Priya Nair".into(), number: "+919812345678".into() };
    let dialled = "+442079460200".to_owned();
    assert_eq!(arrived, EngineEvent::Arrived { leg: CALLER, origin: Origin::Trunk, caller, dialled });
    s.house.order(Order::IndicateRinging { leg: CALLER });
    s.trunk.until(|e| *e == LegEvent::Ringing).await;

    s.house.order(ring(RAVI, "ravi"));
    let call = s.ravi.rings().await;
    assert_eq!(call.from.display.as_deref(), Some("João Pereira"));
    assert_eq!(call.from.uri.user(), "+351912345678");
    assert_eq!(call.headers.asserted_identity.unwrap().uri.user(), "+351912345678");
    assert_eq!(call.headers.alert_info.as_deref(), Some("urn:alert:source:internal"));
    assert_eq!(call.headers.referred_by.unwrap().display.as_deref(), Some("Maya Lindqvist"));
    assert_eq!(call.headers.subject.as_deref(), Some("Support"));
    assert_eq!(call.headers.user_to_user.as_deref(), Some("Grüße, bill 7"));
    assert!(call.headers.session_id.is_some());
    let call_id = call.headers.call_info.iter().find(|(n, _)| n.eq_ignore_ascii_case("X-Patchcord-Call")).unwrap();
    assert_eq!(call_id.1, "c-7f");
    s.ravi.endpoint.ring(call.leg);
    s.house.expect(EngineEvent::Ringing { leg: RAVI }).await;

    // The caller gives up.
    s.house.order(Order::HangUp { leg: RAVI, reason: Reason::CallerGone });
    s.ravi.ended().await;
    s.house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::CallerGone }).await;
    s.house.order(Order::HangUp { leg: CALLER, reason: Reason::Busy });
    assert_eq!(s.trunk.ended().await.status, Some(486));
    s.house.expect(EngineEvent::Ended { leg: CALLER, reason: Reason::Busy }).await;
    s.stop().await;
}

#[tokio::test]
async fn both_hear_each_other_and_the_caller_hangs_up() {
    for (trunk, ravi) in [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcmu, Codec::Opus), (Codec::Pcma, Codec::G722)] {
        let mut s = Stage::new(trunk, ravi).await;
        let (caller, _) = s.talking().await;
        s.trunk.endpoint.hang_up(caller, None);
        s.house.expect(EngineEvent::Ended { leg: CALLER, reason: Reason::CallerGone }).await;
        s.house.order(Order::HangUp { leg: RAVI, reason: Reason::CallerGone });
        s.ravi.ended().await;
        s.house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::CallerGone }).await;
        let ends = s.house.past.iter().filter(|e| matches!(e, EngineEvent::Ended { .. })).count();
        assert_eq!(ends, 2);
        s.stop().await;
    }
}

#[tokio::test]
async fn hold_music_then_another_colleague_in_one_stream() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    let mut mina = Phone::start(Codec::Opus, 1500.0).await;
    mina.register(&mut s.house, "mina").await;
    let (_, ravi) = s.talking().await;

    // Ravi holds, and takes the caller back.
    s.ravi.offer(ravi, Direction::SendOnly);
    s.house.expect(EngineEvent::Held { leg: RAVI, held: true }).await;
    s.house.order(Order::PlayMusic { leg: CALLER });
    let from = s.trunk.ear().pcm.len();
    s.trunk.hears("three seconds of music", |ear| ear.pcm.len() > from + 3 * 48_000 + 9600).await;
    let pcm = s.trunk.ear().pcm;
    let (music, greeting) = (sound("hold-music"), sound("greeting"));
    let candidates: [(&str, &[i16]); 2] = [("music", &music), ("greeting", &greeting)];
    let heard = media::compare::best_match(&pcm[from + 9600..], 48_000, &candidates).expect("a known sound");
    assert_eq!(heard.name, "music", "{heard:?}");
    s.ravi.offer(ravi, Direction::SendRecv);
    s.house.expect(EngineEvent::Held { leg: RAVI, held: false }).await;
    s.house.order(Order::Bridge { a: CALLER, b: RAVI });
    s.trunk.hears_tone(1000.0).await;

    // The transfer: music, then Mina, whose codec is another.
    s.house.order(Order::PlayMusic { leg: CALLER });
    s.house.order(Order::HangUp { leg: RAVI, reason: Reason::AgentGone });
    s.house.order(ring(MINA, "mina"));
    let call = mina.rings().await;
    mina.pick_up(&call);
    s.house.expect(EngineEvent::Answered { leg: MINA }).await;
    s.house.order(Order::Bridge { a: CALLER, b: MINA });
    s.trunk.hears_tone(1500.0).await;
    mina.hears_tone(500.0).await;

    let packets = s.trunk.ear().packets;
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(packet.ssrc, packets[0].ssrc);
        assert_eq!(packet.sequence, packets[0].sequence.wrapping_add(n as u16), "packet {n}");
    }
    mina.endpoint.hang_up(call.leg, None);
    s.house.expect(EngineEvent::Ended { leg: MINA, reason: Reason::AgentGone }).await;
    s.stop().await;
    mina.stop().await;
}

#[tokio::test]
async fn a_voicemail_holds_the_caller_and_is_reported_before_the_end() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    let caller = s.caller().await;
    let order = Order::RecordVoicemail { leg: CALLER, call: "c-7f".into(), mailbox: "ravi".into(), max_seconds: 60 };
    s.house.order(order);
    let greeting = sound("greeting");
    let (music, long) = (sound("hold-music"), greeting.len() + 5 * 48_000);
    s.trunk.hears("the greeting and a while", |ear| ear.pcm.len() > long).await;
    let candidates: [(&str, &[i16]); 2] = [("music", &music), ("greeting", &greeting)];
    let heard = media::compare::best_match(&s.trunk.ear().pcm, 48_000, &candidates).expect("a known sound");
    assert_eq!(heard.name, "greeting", "{heard:?}");
    s.trunk.endpoint.hang_up(caller, None);
    let recorded = s.house.until(|e| matches!(e, EngineEvent::Recorded { .. } | EngineEvent::Ended { .. })).await;
    let EngineEvent::Recorded { leg: CALLER, duration_ms, file } = recorded else { panic!("{recorded:?}") };
    s.house.expect(EngineEvent::Ended { leg: CALLER, reason: Reason::CallerGone }).await;
    assert_eq!(file, s.folder.path().join("c-7f.wav").display().to_string());
    let pcm = media::wav::parse(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(pcm.len() as u64 / 48, duration_ms);
    // A busy machine may cost a moment here and there.
    let parts = pcm.chunks_exact(9600).map(|part| purity(part, 500.0) > 0.8);
    let (clear, all) = parts.fold((0, 0), |(clear, all), clean| (clear + usize::from(clean), all + 1));
    assert!(3 * clear > all, "the caller's voice is in {clear} of {all} parts");
    s.stop().await;
}

#[tokio::test]
async fn the_closing_announcement_is_reported_when_it_is_over() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    s.caller().await;
    s.house.order(Order::PlayPrompt { leg: CALLER, prompt: Prompt::Closing });
    s.house.expect(EngineEvent::PromptFinished { leg: CALLER }).await;
    let (closing, music) = (sound("closing"), sound("hold-music"));
    let candidates: [(&str, &[i16]); 2] = [("music", &music), ("closing", &closing)];
    let heard = media::compare::best_match(&s.trunk.ear().pcm, 48_000, &candidates).expect("a known sound");
    assert_eq!(heard.name, "closing", "{heard:?}");
    s.stop().await;
}

#[tokio::test]
async fn refusals_and_answers_elsewhere_keep_their_reasons() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    for (n, (status, reason)) in
        [(486, Reason::Busy), (603, Reason::Declined), (480, Reason::Unreachable), (488, Reason::Failed)]
            .into_iter()
            .enumerate()
    {
        let leg = LegId(100 + 2 * n as u64);
        s.house.order(ring(leg, "ravi"));
        let call = s.ravi.rings().await;
        s.ravi.endpoint.refuse(call.leg, status, None);
        s.house.expect(EngineEvent::Ended { leg, reason }).await;
    }
    s.house.order(ring(RAVI, "ravi"));
    let call = s.ravi.rings().await;
    s.ravi.endpoint.ring(call.leg);
    s.house.expect(EngineEvent::Ringing { leg: RAVI }).await;
    s.house.order(Order::HangUp { leg: RAVI, reason: Reason::AnsweredElsewhere });
    // The refusals above ended legs of this phone, too.
    loop {
        let cause = s.ravi.ended().await;
        if cause.by == sip::EndedBy::Them {
            assert!(cause.reason.is_some_and(|r| r.is_answered_elsewhere()));
            break;
        }
    }
    s.house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::AnsweredElsewhere }).await;
    s.stop().await;
}

#[tokio::test]
async fn a_refer_is_reported_and_its_progress_told() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    let (_, ravi) = s.talking().await;
    s.ravi.endpoint.refer(ravi, s.house.uri("104").to_string(), None);
    s.house
        .expect(EngineEvent::ReferRequested { leg: RAVI, to: "104".into(), replaces: switchboard::Replaces::Nothing })
        .await;
    for progress in [ReferProgress::Accepted, ReferProgress::Ringing, ReferProgress::Done] {
        s.house.order(Order::ReferProgress { leg: RAVI, progress });
    }
    for status in [180, 200] {
        s.ravi.until(|e| *e == LegEvent::ReferProgress { status }).await;
    }
    s.stop().await;
}

#[tokio::test]
async fn a_device_dials_and_strangers_are_kept_out() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    let mut stranger = Phone::start(Codec::Pcmu, 700.0).await;
    stranger.call(&s.house, ("Mallory", "ravi"), "103");
    let refused = stranger.ended().await.status.unwrap();
    assert!([401, 403, 407].contains(&refused), "{refused}");
    s.trunk.call_with(&s.house, ("", "+1"), "200", "v=0\r\nthis is no SDP".into());
    assert_eq!(s.trunk.ended().await.status, Some(488));

    s.ravi.call(&s.house, ("Ravi Kumar", "ravi"), "104");
    let arrived = s.house.until(|e| matches!(e, EngineEvent::Arrived { .. })).await;
    let EngineEvent::Arrived { leg, origin, caller, dialled } = arrived else { unreachable!() };
    assert_eq!(origin, Origin::Device { user: "ravi".into(), device: device("ravi") });
    assert_eq!((caller.number.as_str(), dialled.as_str()), ("ravi", "104"));

    // Out through the trunk, with the office's number.
    s.house.order(Order::Dial { leg: MINA, number: "+4930123".into(), from: caller });
    let call = s.trunk.rings().await;
    assert_eq!((call.request_uri.user(), call.from.uri.user()), ("+4930123", "+442079460000"));
    s.trunk.pick_up(&call);
    s.house.order(Order::Answer { leg });
    s.ravi.answered().await;
    s.house.expect(EngineEvent::Answered { leg }).await;
    s.house.order(Order::Bridge { a: leg, b: MINA });
    s.ravi.hears_tone(500.0).await;
    s.trunk.hears_tone(1000.0).await;
    stranger.stop().await;
    s.stop().await;
}

#[tokio::test]
async fn running_out_of_ports_fails_the_order_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut trunk, mut ravi) = (Phone::start(Codec::Pcmu, 500.0).await, Phone::start(Codec::Pcmu, 1000.0).await);
    // A range that somebody else uses up.
    let (taken, port) = loop {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        if port.is_multiple_of(2) {
            break (socket, port);
        }
    };
    let mut house = House::start(&trunk, folder.path(), |c| c.rtp_ports = port..=port + 1).await;
    ravi.register(&mut house, "ravi").await;
    house.order(ring(RAVI, "ravi"));
    let failed = house.until(|e| matches!(e, EngineEvent::OrderFailed { .. })).await;
    assert!(matches!(failed, EngineEvent::OrderFailed { leg: RAVI, fatal: true, .. }), "{failed:?}");
    house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::Failed }).await;
    trunk.call(&house, ("", "+1"), "200");
    let leg = house.arrived().await;
    house.order(Order::Answer { leg });
    assert_eq!(trunk.ended().await.status, Some(503));
    house.expect(EngineEvent::Ended { leg, reason: Reason::Failed }).await;
    drop(taken);
    house.order(ring(MINA, "ravi"));
    ravi.rings().await;
    house.engine.stop().await;
}

#[tokio::test]
async fn orders_about_nothing_are_ignored_and_odd_ones_answered() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    let gone = LegId(99);
    for order in [
        Order::Answer { leg: gone },
        Order::IndicateRinging { leg: gone },
        Order::PlayMusic { leg: gone },
        Order::Bridge { a: gone, b: LegId(98) },
        Order::HangUp { leg: gone, reason: Reason::Failed },
        Order::ReferProgress { leg: gone, progress: ReferProgress::Done },
    ] {
        s.house.order(order);
    }
    s.caller().await;
    s.house.order(Order::Bridge { a: CALLER, b: CALLER });
    let failed = s.house.until(|e| matches!(e, EngineEvent::OrderFailed { .. })).await;
    assert!(matches!(failed, EngineEvent::OrderFailed { leg: CALLER, fatal: false, .. }));
    let escape = Order::RecordVoicemail { leg: CALLER, call: "../x".into(), mailbox: "m".into(), max_seconds: 1 };
    s.house.order(escape);
    s.house.until(|e| matches!(e, EngineEvent::OrderFailed { .. })).await;
    let about_nothing = |e: &EngineEvent| matches!(e, EngineEvent::Ended { .. });
    assert!(!s.house.past.iter().any(about_nothing));
    s.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_leg_once_and_leaves_no_socket() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    s.talking().await;
    let engine_rtp = s.trunk.ear().packets.len();
    assert!(engine_rtp > 0);
    tokio::time::timeout(PATIENCE, s.house.engine.stop()).await.unwrap();
    assert!(s.trunk.ended().await.status.is_none());
    assert!(s.ravi.ended().await.status.is_none());
    let mut ended: Vec<LegId> = s
        .house
        .rest()
        .await
        .into_iter()
        .filter_map(|e| match e {
            EngineEvent::Ended { leg, reason: Reason::Shutdown } => Some(leg),
            _ => None,
        })
        .collect();
    ended.sort();
    assert_eq!(ended, vec![CALLER, RAVI]);
    std::net::UdpSocket::bind(s.house.address).expect("the SIP address is free again");
    s.stop().await;
}

/// A built-in sound, 48 kHz.
fn sound(name: &str) -> Vec<i16> {
    let file = format!("{}/sounds/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    media::wav::parse(&std::fs::read(file).unwrap()).unwrap()
}

/// Of the leg that ends by itself, and of the one that the switchboard then ends; not of one that never sounded.
#[tokio::test]
async fn how_a_leg_sounded_is_reported_before_its_end() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu).await;
    s.talking().await;
    s.house.order(ring(MINA, "ravi"));
    s.ravi.rings().await;
    for (leg, reason) in [(MINA, Reason::Cancelled), (RAVI, Reason::AgentGone), (CALLER, Reason::CallerGone)] {
        s.house.order(Order::HangUp { leg, reason });
        s.house.expect(EngineEvent::Ended { leg, reason }).await;
    }
    let measured: Vec<_> = s.house.past.iter().filter(|e| matches!(e, EngineEvent::Quality { .. })).collect();
    let [EngineEvent::Quality { leg: RAVI, quality }, EngineEvent::Quality { leg: CALLER, .. }] = &measured[..] else {
        panic!("{measured:?}");
    };
    assert_eq!((quality.codec.as_str(), quality.lost_permille), ("PCMU", 0));
    let place = |wanted: fn(&EngineEvent) -> bool| s.house.past.iter().position(wanted).unwrap();
    let ended = place(|e| matches!(e, EngineEvent::Ended { leg: RAVI, .. }));
    assert!(place(|e| matches!(e, EngineEvent::Quality { leg: RAVI, .. })) < ended);
    s.stop().await;
}
