//! A player whose clock may be led, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, RtpSender, SenderConfig, tones};

/// SplitMix64, 0 to 1.
struct Seeded(u64);

impl Seeded {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A phone without a device: sends a tone and plays what comes, each 20 ms of its own clock.
struct Phone {
    sender: RtpSender,
    receiver: RtpReceiver,
    at: Duration,
    ticks: usize,
    /// By what factor its clock is slow.
    off: f64,
    led: bool,
    /// Of the packets on the way here, in order.
    coming: Vec<(Duration, Vec<u8>)>,
    delays: Vec<f64>,
}

impl Phone {
    fn new(ssrc: u32, phase_ms: f64, ppm: f64, led: bool) -> Self {
        let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc, dtmf_payload_type: None };
        let hears = ReceiverConfig { payload_types: vec![(0, Codec::Pcmu)], dtmf_payload_type: None };
        Self {
            sender: RtpSender::new(config).unwrap(),
            receiver: RtpReceiver::new(&hears),
            at: Duration::from_secs_f64(1.0 + phase_ms / 1e3),
            ticks: 0,
            off: 1.0 + ppm * 1e-6,
            led,
            coming: Vec::new(),
            delays: Vec::new(),
        }
    }

    /// 20 ms; gives the packet that it sends.
    fn tick(&mut self, tone: &[i16]) -> Vec<u8> {
        let landed = self.coming.partition_point(|(at, _)| *at <= self.at);
        for (at, packet) in self.coming.drain(..landed) {
            self.receiver.packet(at, &packet).unwrap();
        }
        let mut heard = [0; FRAME];
        self.receiver.frame(self.at, &mut heard);
        self.delays.push(f64::from(self.receiver.stats().delay_ms));
        let frame: Frame = tone[self.ticks % 40 * FRAME..][..FRAME].try_into().unwrap();
        self.ticks += 1;
        let pace = if self.led { self.receiver.pace(self.sender.position().ssrc) } else { FRAME_TIME };
        self.at += pace.mul_f64(self.off);
        self.sender.frame(&frame).unwrap().to_vec()
    }

    fn take(&mut self, at: Duration, packet: Vec<u8>) {
        let place = self.coming.partition_point(|(other, _)| *other <= at);
        self.coming.insert(place, (at, packet));
    }

    /// The mean over the last `seconds`.
    fn delay_ms(&self, seconds: usize) -> f64 {
        let last = &self.delays[self.delays.len() - seconds * 50..];
        last.iter().sum::<f64>() / last.len() as f64
    }
}

/// Two phones in a call for so many seconds, each packet flying as long as `flight` says.
fn talk(phones: &mut [Phone; 2], seconds: u64, mut flight: impl FnMut() -> Duration) {
    let tone = tones::sine(300.0, 1000, -10.0)[480..480 + 40 * FRAME].to_vec();
    while phones.iter().any(|phone| phone.at < Duration::from_secs(seconds)) {
        let now = usize::from(phones[1].at < phones[0].at);
        let sent_at = phones[now].at;
        let packet = phones[now].tick(&tone);
        phones[1 - now].take(sent_at + flight(), packet);
    }
}

const PHASES: [f64; 5] = [1.5, 5.5, 9.5, 13.5, 17.5];

/// The mean delay of one who is led or not, over all phases, and how many packets came too late.
fn led(led: bool, ppm: f64, jitter_ms: f64) -> (f64, u64) {
    let all = PHASES.map(|phase| {
        let mut random = Seeded(77 + phase as u64);
        let mut phones = [Phone::new(5, 0.0, 0.0, false), Phone::new(6, phase, ppm, led)];
        talk(&mut phones, 70, || Duration::from_secs_f64((30.0 + random.unit() * jitter_ms) / 1e3));
        (phones[1].delay_ms(30), phones[1].receiver.stats().late)
    });
    (all.iter().map(|(delay, _)| delay).sum::<f64>() / 5.0, all.iter().map(|(_, late)| late).sum())
}

#[test]
fn a_led_clock_saves_the_wait_for_the_next_frame() {
    for (ppm, jitter_ms) in [(0.0, 0.0), (100.0, 0.0), (-100.0, 0.0), (0.0, 60.0), (0.0, 5.0)] {
        let ((free, free_late), (led, led_late)) = (led(false, ppm, jitter_ms), led(true, ppm, jitter_ms));
        println!("{ppm} ppm, 0 to {jitter_ms} ms: {free:.1} ms, {free_late} late; led {led:.1} ms, {led_late} late");
        assert!(led < free - 5.0, "{ppm} ppm, 0 to {jitter_ms} ms: {free} ms, led {led} ms");
        assert!(led_late <= free_late, "{ppm} ppm, 0 to {jitter_ms} ms: {led_late} late instead of {free_late}");
    }
}

#[test]
fn two_that_follow_each_other_gain_and_do_not_run_away() {
    let (mut free, mut led) = (0.0, 0.0);
    for (ssrc, phase) in (100..).zip(PHASES) {
        let flight = Duration::from_millis(u64::from(ssrc % 4 * 5));
        for (sum, following) in [(&mut free, false), (&mut led, true)] {
            let other = if ssrc % 2 == 0 { 1 } else { 900 };
            let mut phones = [Phone::new(ssrc, 0.0, 0.0, following), Phone::new(other, phase, 0.0, following)];
            talk(&mut phones, 150, || flight);
            let before = phones.each_ref().map(|phone| (phone.at, phone.ticks));
            talk(&mut phones, 180, || flight);
            for (phone, (at, ticks)) in phones.iter().zip(before) {
                let ppm = ((phone.ticks - ticks) as f64 * 0.02 / (phone.at - at).as_secs_f64() - 1.0) * 1e6;
                println!("{flight:?}, {phase} ms, {following}: {:.1} ms, {ppm:.0} ppm", phone.delay_ms(20));
                assert!(ppm.abs() <= 150.0, "{flight:?}, {phase} ms: {ppm} ppm");
                assert_eq!(phone.receiver.stats().late, 0);
                *sum += phone.delay_ms(20) / 10.0;
            }
        }
    }
    println!("{free:.1} ms, both led {led:.1} ms");
    assert!(led < free - 2.0, "{free} ms, both led {led} ms");
}
