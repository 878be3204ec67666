//! The jitter buffer in virtual time, with seeded loss and jitter.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, RtpSender, SenderConfig, level_dbfs, tones};

const DTMF: u8 = 101;

/// A small generator, so that every run is the same (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn config(codec: Codec, ssrc: u32) -> SenderConfig {
    let payload_type = codec.static_payload_type().unwrap_or(111);
    SenderConfig { codec, payload_type, ssrc, dtmf_payload_type: Some(DTMF) }
}

fn receiver() -> RtpReceiver {
    let payload_types = Codec::ALL.map(|codec| (codec.static_payload_type().unwrap_or(111), codec)).to_vec();
    RtpReceiver::new(&ReceiverConfig { payload_types, dtmf_payload_type: Some(DTMF) })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One way from a sender to a receiver. Sends a tone every 20 ms; plays every 20 ms, 7 ms out of step.
struct Line {
    sender: RtpSender,
    receiver: RtpReceiver,
    now: Duration,
    tone: Vec<i16>,
    sent: usize,
    flying: Vec<(Duration, Vec<u8>)>,
    heard: Vec<i16>,
}

impl Line {
    fn new(codec: Codec) -> Self {
        Self::with(RtpSender::new(config(codec, 0x1234_5678)).unwrap())
    }

    fn with(sender: RtpSender) -> Self {
        let tone = tones::sine(300.0, 1000, -10.0);
        // The soft ends of the tone are left out: it must not pause.
        let tone = tone[480..480 + 40 * FRAME].to_vec();
        Self { sender, receiver: receiver(), now: ms(1000), tone, sent: 0, flying: Vec::new(), heard: Vec::new() }
    }

    /// Lets 20 ms pass; `fate` says how long the packet flies, or `None` if it is lost.
    fn step(&mut self, fate: Option<Duration>) {
        let frame: Frame = self.tone[self.sent % 40 * FRAME..][..FRAME].try_into().unwrap();
        self.sent += 1;
        let packet = self.sender.frame(&frame).map(<[u8]>::to_vec);
        if let (Some(packet), Some(flight)) = (packet, fate) {
            self.flying.push((self.now + flight, packet));
        }
        self.play();
    }

    fn play(&mut self) {
        let play_at = self.now + ms(7);
        self.flying.sort_by_key(|(at, _)| *at);
        let landed = self.flying.partition_point(|(at, _)| *at <= play_at);
        for (at, packet) in self.flying.drain(..landed) {
            self.receiver.packet(at, &packet).unwrap();
        }
        let mut out = [0; FRAME];
        self.receiver.frame(play_at, &mut out);
        self.heard.extend_from_slice(&out);
        self.now += FRAME_TIME;
    }

    fn run(&mut self, seconds: u64, mut fate: impl FnMut(usize) -> Option<Duration>) {
        for i in 0..seconds as usize * 50 {
            self.step(fate(i));
        }
    }

    /// How many packets were sent and are not in flight.
    fn landed(&self) -> u64 {
        (self.sent - self.flying.len()) as u64
    }

    /// The quietest 20 ms among the last `seconds`.
    fn quietest(&self, seconds: usize) -> f32 {
        let from = self.heard.len() - seconds * 50 * FRAME;
        self.heard[from..].chunks(FRAME).map(level_dbfs).fold(0.0, f32::min)
    }
}

#[test]
fn silence_before_anything_arrives() {
    let (mut receiver, mut out) = (receiver(), [7; FRAME]);
    receiver.frame(ms(20), &mut out);
    assert_eq!(out, [0; FRAME]);
    assert_eq!(receiver.stats(), media::Stats::default());
}

#[test]
fn without_jitter_the_delay_is_small_and_nothing_is_made_up() {
    for codec in Codec::ALL {
        let mut line = Line::new(codec);
        line.run(10, |_| Some(ms(30)));
        let stats = line.receiver.stats();
        assert!(stats.delay_ms <= 40.0, "{codec:?} {stats:?}");
        assert_eq!((stats.received, stats.lost, stats.late, stats.concealed_ms), (line.landed(), 0, 0, 0), "{codec:?}");
        assert!(stats.jitter_ms < 1.0);
        assert!(line.quietest(9) > -16.0, "{codec:?} {}", line.quietest(9));
    }
}

#[test]
fn jitter_is_learnt_and_forgotten() {
    for codec in Codec::ALL {
        let mut random = Seeded(7);
        let mut line = Line::new(codec);
        line.run(10, |_| Some(ms(30 + random.below(61))));
        let early = line.receiver.stats();
        line.run(20, |_| Some(ms(30 + random.below(61))));
        let late = line.receiver.stats().since(&early);
        assert!(late.late * 100 <= late.received * 2, "{codec:?} {late:?}");
        assert!((50.0..=120.0).contains(&late.delay_ms), "{codec:?} {late:?}");
        assert!(late.jitter_ms > 5.0);
        line.run(12, |_| Some(ms(40)));
        let calm = line.receiver.stats();
        assert!(calm.delay_ms <= 45.0, "{codec:?} {calm:?}");
        assert_eq!(calm.lost, 0);
    }
}

#[test]
fn a_sudden_delay_is_followed_at_once() {
    let mut line = Line::new(Codec::Pcmu);
    line.run(3, |_| Some(ms(10)));
    let before = line.receiver.stats();
    // Every third packet takes 100 ms longer from now on.
    line.run(1, |i| Some(ms(if i % 3 == 0 { 110 } else { 10 })));
    let during = line.receiver.stats();
    line.run(3, |i| Some(ms(if i % 3 == 0 { 110 } else { 10 })));
    let after = line.receiver.stats();
    assert!(during.since(&before).late < 12, "{during:?}");
    assert_eq!(after.since(&during).late, 0, "{after:?}");
    assert!(after.delay_ms >= 100.0);
}

#[test]
fn lost_packets_are_concealed_and_counted() {
    for codec in Codec::ALL {
        let mut line = Line::new(codec);
        line.run(5, |_| Some(ms(10)));
        line.run(10, |i| (i % 10 != 5).then_some(ms(10)));
        let stats = line.receiver.stats();
        assert_eq!((stats.received, stats.lost, stats.late), (line.landed() - 50, 50, 0), "{codec:?}");
        assert!((900..=1300).contains(&stats.concealed_ms), "{codec:?} {stats:?}");
        assert!(line.quietest(10) > -30.0, "{codec:?}: a hole of {}", line.quietest(10));
        assert!(stats.delay_ms <= 45.0, "{codec:?} {stats:?}");
    }
}

#[test]
fn a_burst_of_loss_does_not_leave_delay_behind() {
    for codec in Codec::ALL {
        let mut line = Line::new(codec);
        line.run(5, |_| Some(ms(10)));
        line.run(1, |i| (i >= 15).then_some(ms(10)));
        line.run(4, |_| Some(ms(10)));
        let stats = line.receiver.stats();
        assert_eq!((stats.lost, stats.late), (15, 0));
        assert!(stats.delay_ms <= 45.0, "{codec:?} {stats:?}");
    }
}

#[test]
fn reordered_and_doubled_packets_play_once_in_order() {
    let mut line = Line::new(Codec::Pcma);
    line.run(5, |i| Some(ms(if i % 4 == 0 { 45 } else { 10 })));
    line.run(5, |i| Some(ms(if i % 4 == 0 { 45 } else { 10 })));
    let stats = line.receiver.stats();
    assert_eq!((stats.lost, stats.duplicate), (0, 0));
    assert!(stats.late <= 3, "{stats:?}");
    let twice: Vec<_> = line.flying.clone();
    for (_, packet) in &twice {
        line.receiver.packet(line.now, packet).unwrap();
        line.receiver.packet(line.now, packet).unwrap();
    }
    assert_eq!(line.receiver.stats().duplicate, twice.len() as u64);
}

#[test]
fn numbers_wrap_unnoticed() {
    let position = media::rtp::Position { ssrc: 9, sequence: 65_500, timestamp: u32::MAX - 160 * 40 };
    let mut line = Line::with(RtpSender::resume(config(Codec::Pcmu, 9), position).unwrap());
    line.run(10, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!((stats.received, stats.lost, stats.late, stats.concealed_ms), (line.landed(), 0, 0, 0));
    assert!(stats.delay_ms <= 40.0);
}

#[test]
fn another_source_takes_over() {
    let mut line = Line::new(Codec::Pcmu);
    line.run(2, |_| Some(ms(10)));
    line.sender = RtpSender::new(config(Codec::Opus, 99)).unwrap();
    line.run(3, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!(stats.lost, 0);
    assert!(stats.received >= 248, "{stats:?}");
    assert!(line.quietest(2) > -16.0);
    assert_eq!(line.receiver.codec(), Some(Codec::Opus));
}

#[test]
fn the_codec_may_change_within_the_stream() {
    let mut line = Line::new(Codec::Pcmu);
    for codec in [Codec::G722, Codec::Opus, Codec::Pcma, Codec::Opus] {
        line.run(2, |_| Some(ms(10)));
        let position = line.sender.position();
        line.sender = RtpSender::resume(config(codec, position.ssrc), position).unwrap();
    }
    line.run(3, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!((stats.received, stats.lost, stats.late), (line.landed(), 0, 0));
    assert!(stats.delay_ms < 60.0, "{stats:?}");
    assert!(line.quietest(2) > -16.0);
}

#[test]
fn a_pause_is_no_loss_and_restores_the_delay() {
    let mut line = Line::new(Codec::Pcmu);
    line.run(3, |_| Some(ms(10)));
    for _ in 0..100 {
        line.sender.skip();
        line.play();
    }
    assert!(level_dbfs(&line.heard[line.heard.len() - FRAME..]) < -80.0);
    line.run(3, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!((stats.received, stats.lost, stats.late, stats.concealed_ms), (line.landed(), 0, 0, 0));
    assert!(stats.delay_ms <= 40.0, "{stats:?}");
    assert!(line.quietest(2) > -16.0);
}

#[test]
fn a_sender_whose_clock_stood_still_is_followed() {
    let mut line = Line::new(Codec::Opus);
    line.run(3, |_| Some(ms(10)));
    for _ in 0..250 {
        line.play();
    }
    line.run(5, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!((stats.lost, stats.late), (0, 0));
    assert!(stats.delay_ms <= 60.0, "{stats:?}");
    assert!(line.quietest(3) > -16.0);
}

#[test]
fn a_stream_that_goes_on_later_for_good_is_no_jitter() {
    for codec in Codec::ALL {
        for pause in [6, 15, 25, 60] {
            let mut line = Line::new(codec);
            line.run(5, |_| Some(ms(10)));
            // Another system's transfer: it sends nothing for a while, and its timestamps stand still.
            (0..pause).for_each(|_| line.play());
            line.run(6, |_| Some(ms(10)));
            let stats = line.receiver.stats();
            assert_eq!((stats.lost, stats.late), (0, 0), "{codec:?} {pause}");
            assert!(stats.delay_ms <= 60.0, "{codec:?}, {pause} frames: {stats:?}");
        }
    }
}

#[test]
fn a_reader_that_stayed_away_hears_the_present() {
    let mut line = Line::new(Codec::Pcmu);
    line.run(2, |_| Some(ms(10)));
    for _ in 0..500 {
        let frame = line.tone[..FRAME].try_into().unwrap();
        let packet = line.sender.frame(&frame).unwrap().to_vec();
        line.receiver.packet(line.now, &packet).unwrap();
        line.now += FRAME_TIME;
    }
    line.run(8, |_| Some(ms(10)));
    assert!(line.receiver.stats().delay_ms < 60.0, "{:?}", line.receiver.stats());
}

#[test]
fn drifting_clocks_build_up_no_delay() {
    for faster in [true, false] {
        let mut line = Line::new(Codec::Pcmu);
        // 500 ppm for two minutes: 60 ms in all.
        line.run(120, |i| {
            Some(Duration::from_micros(if faster { 100_000 - i as u64 * 10 } else { 10_000 + i as u64 * 10 }))
        });
        let stats = line.receiver.stats();
        assert!(stats.late <= 2 && stats.delay_ms <= 60.0, "{stats:?}");
        assert!(line.quietest(5) > -16.0);
    }
}

/// The largest second difference of each 20 ms: a click stands out of a slow tone by far.
fn sharpest(frame: &[i16]) -> i32 {
    let second = |w: &[i16]| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs();
    frame.windows(3).map(second).max().unwrap_or(0)
}

#[test]
fn an_hour_of_drifting_clocks_makes_no_click_and_no_delay() {
    for ppm in [200.0_f64, -200.0] {
        let mut line = Line::new(Codec::Pcmu);
        line.run(10, |_| Some(ms(1000)));
        let calm = line.heard[line.heard.len() - 100 * FRAME..].chunks(FRAME).map(sharpest).max().unwrap_or(0);
        let (mut worst, mut longest, mut shortest) = (0, 0.0_f32, f32::MAX);
        for second in 0..3600_u32 {
            line.heard.clear();
            // 200 ppm are 720 ms in an hour.
            line.run(1, |i| Some(Duration::from_secs_f64(1.0 + (f64::from(second) + i as f64 / 50.0) * ppm * 1e-6)));
            worst = line.heard.chunks(FRAME).map(sharpest).fold(worst, i32::max);
            let delay = line.receiver.stats().delay_ms;
            (longest, shortest) = (longest.max(delay), shortest.min(delay));
        }
        let stats = line.receiver.stats();
        // A player that takes 20 ms at a time waits for up to one packet more.
        assert!(shortest > 0.0 && longest < 50.0, "{ppm} ppm: {shortest} to {longest} ms, {stats:?}");
        // 720 ms in all were more or less than what was sent; each packet that came just too late is made up once.
        assert!(stats.late == 0 && stats.concealed_ms <= 720, "{ppm} ppm: {stats:?}");
        assert!(worst <= 3 * calm, "{ppm} ppm: a click of {worst} in a tone of {calm}");
    }
}

#[test]
fn digits_are_told_once_through_loss_and_reordering() {
    for seed in 0..20 {
        let mut random = Seeded(seed);
        let mut line = Line::new(Codec::Pcmu);
        line.run(1, |_| Some(ms(10)));
        assert_eq!(line.sender.dtmf("1122*#00"), 8);
        line.run(4, |_| (random.below(5) > 0).then(|| ms(10 + random.below(80))));
        assert_eq!(line.receiver.digits().collect::<String>(), "1122*#00", "seed {seed}");
    }
}

#[test]
fn digits_survive_loss() {
    let mut random = Seeded(3);
    let mut line = Line::new(Codec::Opus);
    line.run(1, |_| Some(ms(10)));
    assert_eq!(line.sender.dtmf("12-3 3#a"), 6);
    line.run(3, |_| (random.below(10) >= 4).then(|| ms(10 + random.below(50))));
    assert_eq!(line.receiver.digits().collect::<String>(), "1233#A");
    assert!(!line.sender.is_sending_digits());
    line.run(1, |_| Some(ms(10)));
    assert_eq!(line.receiver.digits().count(), 0);
}

#[test]
fn digits_leave_no_mark_on_the_sound() {
    let mut line = Line::new(Codec::Pcmu);
    line.run(2, |_| Some(ms(10)));
    line.sender.dtmf("159");
    line.run(5, |_| Some(ms(10)));
    let stats = line.receiver.stats();
    assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "{stats:?}");
    assert!(stats.delay_ms <= 40.0);
    assert!(line.quietest(2) > -16.0);
}

#[test]
fn nothing_is_queued_for_a_peer_without_events() {
    let mut sender = RtpSender::new(SenderConfig { dtmf_payload_type: None, ..config(Codec::Pcmu, 1) }).unwrap();
    assert_eq!(sender.dtmf("123"), 0);
}

/// What is lost is said nowhere else: plain concealment goes on with the silence before.
#[test]
fn a_lost_opus_packet_is_heard_from_the_copy_in_the_next_one() {
    let voice = media::wav::parse(include_bytes!("../../../tests/voices/priya.wav")).unwrap();
    let loudest = voice.chunks_exact(FRAME).max_by(|a, b| level_dbfs(a).total_cmp(&level_dbfs(b))).unwrap();
    let heard = |codec: Codec, lost: bool| {
        let mut line = Line::new(codec);
        let mut random = Seeded(5);
        line.tone = vec![0; 40 * FRAME];
        // Opus looks 6.5 ms ahead: the second half would be in the next packet, too.
        line.tone[20 * FRAME..][..FRAME / 2].copy_from_slice(&loudest[..FRAME / 2]);
        line.run(8, |i| (!lost || i % 40 != 20).then(|| ms(10 + random.below(60))));
        assert_eq!(line.receiver.stats().lost, if lost { 10 } else { 0 });
        let last = &line.heard[line.heard.len() - 4 * 50 * FRAME..];
        last.chunks(FRAME).map(level_dbfs).fold(-100.0, f32::max)
    };
    let (whole, repaired) = (heard(Codec::Opus, false), heard(Codec::Opus, true));
    println!("{whole} dBFS, of a lost packet {repaired}, without a copy {}", heard(Codec::Pcmu, true));
    assert!(repaired > whole - 10.0, "{repaired} instead of {whole} dBFS");
    assert!(heard(Codec::Pcmu, true) < whole - 15.0, "what carries no copy has no other way");
}
