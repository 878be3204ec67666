//! What transfers ask of the embedded engine, against real phones on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod engine_phone;

use std::time::Duration;

use engine_phone::{House, Phone, device};
use exchange::engine::Engine;
use media::Codec;
use protocol::{LegId, Party, Reason};
use sip::sdp::Direction;
use sip::{LegEvent, LegKey};
use switchboard::{AnswerMode, EngineEvent, Order, Prompt, ReferProgress, Replaces, RingCard, RingKind};

const CALLER: LegId = LegId(1);
const SECOND_CALLER: LegId = LegId(3);
const RAVI: LegId = LegId(2);
const MINA: LegId = LegId(4);

struct Stage {
    house: House,
    trunk: Phone,
    ravi: Phone,
    mina: Phone,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(trunk: Codec, ravi: Codec, mina: Codec) -> Self {
        Self::with_quiet(trunk, ravi, mina, Duration::from_secs(60)).await
    }

    async fn with_quiet(trunk: Codec, ravi: Codec, mina: Codec, quiet: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trunk = Phone::start(trunk, 500.0).await;
        let (mut ravi, mut mina) = (Phone::start(ravi, 1000.0).await, Phone::start(mina, 1500.0).await);
        let mut house = House::start(&trunk, folder.path(), |c| c.quiet = quiet).await;
        ravi.register(&mut house, "ravi").await;
        mina.register(&mut house, "mina").await;
        Self { house, trunk, ravi, mina, _folder: folder }
    }

    async fn caller(&mut self) -> LegKey {
        let key = self.trunk.call(&self.house, ("Priya Nair", "+919812345678"), "+442079460200");
        let leg = self.house.arrived().await;
        self.house.order(Order::Answer { leg });
        self.trunk.answered().await;
        self.house.expect(EngineEvent::Answered { leg }).await;
        key
    }

    async fn ravi(&mut self, leg: LegId) -> LegKey {
        self.house.order(ring(leg, "ravi"));
        let call = self.ravi.rings().await;
        self.ravi.pick_up(&call);
        self.house.expect(EngineEvent::Answered { leg }).await;
        call.leg
    }

    async fn mina(&mut self) -> LegKey {
        self.house.order(ring(MINA, "mina"));
        let call = self.mina.rings().await;
        self.mina.pick_up(&call);
        self.house.expect(EngineEvent::Answered { leg: MINA }).await;
        call.leg
    }

    /// The caller and Ravi talk.
    async fn talking(&mut self) -> (LegKey, LegKey) {
        let keys = (self.caller().await, self.ravi(RAVI).await);
        self.house.order(Order::Bridge { a: CALLER, b: RAVI });
        self.trunk.hears_tone(1000.0).await;
        self.ravi.hears_tone(500.0).await;
        keys
    }

    fn digits(&self, of: LegId) -> String {
        let digit = |e: &EngineEvent| match e {
            EngineEvent::Digit { leg, digit } if *leg == of => Some(*digit),
            _ => None,
        };
        self.house.past.iter().filter_map(digit).collect()
    }

    async fn stop(self) {
        self.house.engine.stop().await;
        for phone in [self.trunk, self.ravi, self.mina] {
            phone.stop().await;
        }
    }
}

fn ring(leg: LegId, user: &str) -> Order {
    let card = RingCard {
        call: "c-7f".into(),
        kind: RingKind::Transfer,
        caller: Party { name: "Priya Nair".into(), number: "+919812345678".into() },
        department: None,
        transferred_by: None,
        note: None,
        back_from: None,
        answer: AnswerMode::Manual,
    };
    Order::Ring { leg, device: device(user), card }
}

fn sound(name: &str) -> Vec<i16> {
    let file = format!("{}/sounds/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    media::wav::parse(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn a_consultant_hears_the_ringing_while_the_caller_hears_music() {
    let mut s = Stage::new(Codec::Pcmu, Codec::G722, Codec::Opus).await;
    s.talking().await;
    s.house.order(Order::PlayMusic { leg: CALLER });
    s.house.order(Order::PlayRingback { leg: RAVI });
    s.ravi.hears_tone(425.0).await;
    // Consulting, then swapped, then completed: whoever is bridged hears the other, in whatever codec.
    s.mina().await;
    s.house.order(Order::Bridge { a: RAVI, b: MINA });
    s.ravi.hears_tone(1500.0).await;
    s.mina.hears_tone(1000.0).await;
    s.house.order(Order::PlayMusic { leg: MINA });
    s.house.order(Order::Bridge { a: CALLER, b: RAVI });
    s.ravi.hears_tone(500.0).await;
    s.trunk.hears_tone(1000.0).await;
    s.house.order(Order::Bridge { a: CALLER, b: MINA });
    s.house.order(Order::HangUp { leg: RAVI, reason: Reason::AgentGone });
    s.trunk.hears_tone(1500.0).await;
    s.mina.hears_tone(500.0).await;
    s.stop().await;
}

#[tokio::test]
async fn a_notice_is_heard_by_one_alone_and_the_talk_goes_on() {
    for ravi in [Codec::Pcmu, Codec::Opus] {
        let mut s = Stage::new(Codec::Pcmu, ravi, Codec::Pcmu).await;
        s.talking().await;
        let notice = sound("not-possible");
        let (closing, greeting) = (sound("closing"), sound("greeting"));
        let candidates: [(&str, &[i16]); 3] = [("notice", &notice), ("closing", &closing), ("greeting", &greeting)];
        let trunk_from = s.trunk.ear().pcm.len();
        // A machine that hiccups spoils one of them.
        let mut heard = None;
        for _ in 0..4 {
            let from = s.ravi.ear().pcm.len();
            s.house.order(Order::Notice { leg: RAVI, prompt: Prompt::NotPossible });
            s.ravi
                .hears("the whole notice and the caller again", |ear| {
                    ear.pcm.len() > from + notice.len() + 9600 && ear.hears(500.0)
                })
                .await;
            heard = media::compare::best_match(&s.ravi.ear().pcm[from..], 48_000, &candidates);
            if heard.is_some() {
                break;
            }
        }
        assert_eq!(heard.as_ref().map(|h| h.name.as_str()), Some("notice"), "{heard:?}");
        // The caller heard Ravi all the time; a busy machine may cost a moment here and there.
        let trunk = s.trunk.ear().pcm;
        let parts = trunk[trunk_from..].chunks_exact(9600).map(|part| engine_phone::purity(part, 1000.0) > 0.8);
        let (clear, all) = parts.fold((0, 0), |(clear, all), heard| (clear + usize::from(heard), all + 1));
        assert!(4 * clear > all, "the caller was disturbed: {clear} of {all}");
        let heard = media::compare::best_match(&trunk[trunk_from..], 48_000, &candidates);
        assert!(heard.is_none(), "the caller heard what was not for them: {heard:?}");
        assert!(!s.house.past.iter().any(|e| matches!(e, EngineEvent::OrderFailed { .. })));
        s.stop().await;
    }
}

#[tokio::test]
async fn keys_are_told_once_each_and_go_on_to_the_other_side() {
    for ravi in [Codec::Pcmu, Codec::Opus] {
        let mut s = Stage::new(Codec::Pcmu, ravi, Codec::Pcmu).await;
        let (_, ravi) = s.talking().await;
        s.ravi.press("*2104#");
        s.house.expect(EngineEvent::Digit { leg: RAVI, digit: '#' }).await;
        s.trunk.hears("the keys", |ear| ear.digits == "*2104#").await;
        s.ravi.endpoint.info_dtmf(ravi, '9');
        s.house.expect(EngineEvent::Digit { leg: RAVI, digit: '9' }).await;
        s.trunk.hears("the key by INFO", |ear| ear.digits == "*2104#9").await;
        assert_eq!(s.digits(RAVI), "*2104#9");
        // On hold, too.
        s.house.order(Order::PlayMusic { leg: CALLER });
        s.trunk.press("77");
        for _ in 0..2 {
            s.house.expect(EngineEvent::Digit { leg: CALLER, digit: '7' }).await;
        }
        s.trunk.endpoint.clone().shut_down().await;
        s.house.until(|e| matches!(e, EngineEvent::Ended { leg: CALLER, .. })).await;
        assert_eq!(s.digits(CALLER), "77");
        s.house.engine.stop().await;
    }
}

#[tokio::test]
async fn a_colleague_sends_the_call_elsewhere() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu, Codec::Pcmu).await;
    s.house.order(ring(RAVI, "ravi"));
    let call = s.ravi.rings().await;
    s.ravi.endpoint.ring(call.leg);
    s.house.expect(EngineEvent::Ringing { leg: RAVI }).await;
    s.ravi.endpoint.divert(call.leg, s.house.uri("104"));
    s.house.expect(EngineEvent::Diverted { leg: RAVI, to: "104".into() }).await;
    // An outside number is not followed to another.
    s.house.order(Order::Dial { leg: MINA, number: "+4930123".into(), from: Party::default() });
    let call = s.trunk.rings().await;
    s.trunk.endpoint.divert(call.leg, s.house.uri("+9001"));
    s.house.expect(EngineEvent::Ended { leg: MINA, reason: Reason::Declined }).await;
    s.house.engine.stop().await;
    s.house.rest().await;
    assert!(!s.house.past.iter().any(|e| matches!(e, EngineEvent::Ended { leg: RAVI, .. })), "diverted is the end");
}

#[tokio::test]
async fn an_attended_transfer_names_the_other_leg_or_one_that_is_gone() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Pcmu, Codec::Pcmu).await;
    let (_, first) = s.talking().await;
    s.caller().await;
    let second = s.ravi(LegId(6)).await;
    s.house.order(Order::Bridge { a: SECOND_CALLER, b: LegId(6) });

    // A dialog that never was: refused, and both calls go on.
    let nowhere = format!("{}?Replaces=nobody%3Bto-tag%3Da%3Bfrom-tag%3Db", s.house.uri("104"));
    s.ravi.endpoint.refer(first, nowhere, None);
    let asked = EngineEvent::ReferRequested { leg: RAVI, to: "104".into(), replaces: Replaces::Gone };
    s.house.expect(asked).await;
    s.house.order(Order::ReferProgress { leg: RAVI, progress: ReferProgress::Refused });
    s.ravi.until(|e| *e == LegEvent::ReferProgress { status: 481 }).await;

    s.ravi.endpoint.refer_replacing(first, second, false, None);
    let asked = s.house.until(|e| matches!(e, EngineEvent::ReferRequested { .. })).await;
    let EngineEvent::ReferRequested { leg: RAVI, to: _, replaces: Replaces::Leg(LegId(6)) } = asked else {
        panic!("{asked:?}")
    };
    s.house.order(Order::ReferProgress { leg: RAVI, progress: ReferProgress::Accepted });
    s.house.order(Order::Bridge { a: CALLER, b: SECOND_CALLER });
    s.house.order(Order::ReferProgress { leg: RAVI, progress: ReferProgress::Done });
    s.ravi.until(|e| *e == LegEvent::ReferProgress { status: 200 }).await;
    for leg in [RAVI, LegId(6)] {
        s.house.order(Order::HangUp { leg, reason: Reason::Joined });
        s.house.expect(EngineEvent::Ended { leg, reason: Reason::Joined }).await;
    }
    s.stop().await;
}

#[tokio::test]
async fn an_outside_target_rings_answers_or_says_why_not() {
    let mut s = Stage::new(Codec::Pcmu, Codec::Opus, Codec::Pcmu).await;
    s.ravi(RAVI).await;
    s.house.order(Order::PlayMusic { leg: RAVI });
    let refusals = [
        (486, Reason::Busy),
        (603, Reason::Declined),
        (404, Reason::Unreachable),
        (480, Reason::Unreachable),
        (503, Reason::Unreachable),
        (500, Reason::Failed),
    ];
    for (n, (status, reason)) in refusals.into_iter().enumerate() {
        let leg = LegId(100 + 2 * n as u64);
        s.house.order(Order::Dial { leg, number: "+4930123".into(), from: Party::default() });
        let call = s.trunk.rings().await;
        s.trunk.endpoint.refuse(call.leg, status, None);
        s.house.expect(EngineEvent::Ended { leg, reason }).await;
    }
    s.house.order(Order::Dial { leg: MINA, number: "+4930123".into(), from: Party::default() });
    let call = s.trunk.rings().await;
    s.trunk.endpoint.ring(call.leg);
    s.house.expect(EngineEvent::Ringing { leg: MINA }).await;
    s.trunk.pick_up(&call);
    s.house.expect(EngineEvent::Answered { leg: MINA }).await;
    s.house.order(Order::Bridge { a: RAVI, b: MINA });
    s.ravi.hears_tone(500.0).await;
    s.trunk.hears_tone(1000.0).await;
    s.trunk.endpoint.hang_up(call.leg, None);
    s.house.until(|e| matches!(e, EngineEvent::Ended { leg: MINA, .. })).await;
    s.stop().await;
}

#[tokio::test]
async fn holds_from_both_sides_and_a_held_leg_that_is_moved() {
    for (trunk, ravi, mina) in [(Codec::Pcmu, Codec::Opus, Codec::G722), (Codec::G722, Codec::G722, Codec::G722)] {
        let mut s = Stage::new(trunk, ravi, mina).await;
        let (caller, ravi) = s.talking().await;
        s.ravi.offer(ravi, Direction::SendOnly);
        s.ravi.agreed().await;
        s.house.expect(EngineEvent::Held { leg: RAVI, held: true }).await;
        s.trunk.offer(caller, Direction::SendOnly);
        s.trunk.agreed().await;
        s.house.expect(EngineEvent::Held { leg: CALLER, held: true }).await;
        s.ravi.offer(ravi, Direction::SendRecv);
        assert!(!s.ravi.agreed().await.held_by_remote());
        s.house.expect(EngineEvent::Held { leg: RAVI, held: false }).await;
        s.ravi.hears_tone(500.0).await;

        // The caller, who still holds, is moved to Mina.
        s.house.order(Order::PlayMusic { leg: CALLER });
        s.house.order(Order::HangUp { leg: RAVI, reason: Reason::AgentGone });
        s.mina().await;
        s.house.order(Order::Bridge { a: CALLER, b: MINA });
        s.mina.hears_tone(500.0).await;
        s.trunk.offer(caller, Direction::SendRecv);
        s.trunk.agreed().await;
        s.house.expect(EngineEvent::Held { leg: CALLER, held: false }).await;
        s.trunk.hears_tone(1500.0).await;
        s.stop().await;
    }
}

#[tokio::test]
async fn a_silent_leg_is_asked_and_lives_or_is_gone() {
    let quiet = Duration::from_secs(1);
    let mut s = Stage::with_quiet(Codec::Pcmu, Codec::Opus, Codec::Pcmu, quiet).await;
    let (caller, ravi) = s.talking().await;
    s.ravi.fall_silent();
    // It answers, so it lives, and is asked again after as long a silence.
    for _ in 0..2 {
        assert!(!s.ravi.accept_offer(ravi).await.held_by_remote());
    }
    assert!(!s.house.past.iter().any(|e| matches!(e, EngineEvent::Ended { .. } | EngineEvent::Held { .. })));
    // It has been restarted and knows nothing of the call.
    s.ravi.until(|e| matches!(e, LegEvent::Offer { .. })).await;
    s.ravi.endpoint.answer_offer(ravi, Err(481));
    s.house.expect(EngineEvent::Ended { leg: RAVI, reason: Reason::Unreachable }).await;

    // Whoever holds may be silent for longer, and stays on hold when asked.
    s.trunk.offer(caller, Direction::SendOnly);
    s.trunk.agreed().await;
    s.house.expect(EngineEvent::Held { leg: CALLER, held: true }).await;
    s.trunk.fall_silent();
    s.trunk.accept_offer(caller).await;
    s.trunk.until(|e| matches!(e, LegEvent::Offer { .. })).await;
    assert!(!s.house.past.contains(&EngineEvent::Held { leg: CALLER, held: false }));
    s.trunk.endpoint.answer_offer(caller, Err(481));
    s.house.expect(EngineEvent::Ended { leg: CALLER, reason: Reason::Unreachable }).await;
    s.stop().await;
}
