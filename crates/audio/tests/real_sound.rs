//! Real devices, measured through PulseAudio's own tools. Needs a private PulseAudio that has a null sink `spk` as default
//! and a source `mic` fed by the sink `micfeed`; the flow tests bring such a one along and listen to the whole app on it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use audio::Sound;
use media::{FRAME, FRAME_TIME, level_dbfs, tones};

/// Level at exactly `hertz`, dBFS.
fn level_at(pcm: &[i16], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let turned =
        |f: fn(f64) -> f64| pcm.iter().enumerate().map(|(i, &s)| f64::from(s) * f(step * i as f64)).sum::<f64>();
    let amplitude = turned(f64::cos).hypot(turned(f64::sin)) * 2.0 / pcm.len() as f64;
    20.0 * (amplitude / 32_768.0).max(1e-6).log10()
}

/// Records what a source hears, until dropped.
struct Recorder {
    child: Child,
    pcm: mpsc::Receiver<Vec<i16>>,
}

impl Recorder {
    fn start(source: &str) -> Self {
        let mut child = Command::new("parec")
            .args(["--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=10", "-d", source])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let (tell, pcm) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 1920];
            while out.read_exact(&mut bytes).is_ok() {
                let pcm = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
                if tell.send(pcm).is_err() {
                    break;
                }
            }
        });
        Self { child, pcm }
    }

    /// Waits until `seconds` in a row have been heard for which `right` holds.
    fn hear(&self, seconds: usize, right: impl Fn(&[i16]) -> bool) -> Vec<i16> {
        let mut heard: Vec<i16> = Vec::new();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            heard.extend(self.pcm.recv_timeout(Duration::from_secs(5)).expect("no sound from the server"));
            let enough = seconds * 48_000;
            if heard.len() >= enough && right(&heard[heard.len() - enough..]) {
                return heard.split_off(heard.len() - enough);
            }
            if Instant::now() > until {
                let levels: Vec<i32> =
                    heard[heard.len() - 96_000..].chunks(480).map(|part| level_dbfs(part) as i32).collect();
                panic!("not heard; the levels of the last 2 s, every 10 ms: {levels:?}");
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `step` every 20 ms on a thread, until it says no.
fn paced(mut step: impl FnMut() -> bool + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut next = Instant::now();
        while step() {
            next += FRAME_TIME;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    })
}

#[test]
#[ignore = "needs a PulseAudio of its own"]
fn speaker_microphone_and_ringer_on_real_devices() {
    let sound = Sound::system();
    let devices = sound.devices();
    eprintln!("{devices:#?}");
    assert!(devices.speakers.iter().any(|device| device.default));
    assert!(devices.microphones.iter().any(|device| device.default && !device.id.ends_with(".monitor")));
    speaker(&sound);
    ringer(&sound);
    microphone(&sound);
}

/// Nearly all of it, in pieces of 100 ms, since a filled-in or left-out piece shifts the phase.
fn is_440(pcm: &[i16]) -> bool {
    let pieces = pcm.chunks(4800);
    let count = pieces.len();
    pieces.filter(|piece| (level_at(piece, 440.0) + 12.0).abs() < 1.0).count() * 10 >= count * 8
}

fn speaker(sound: &Sound) {
    let recorder = Recorder::start("spk.monitor");
    let started = Instant::now();
    let mut speaker = sound.speaker(None).unwrap();
    eprintln!("speaker opened in {:?}", started.elapsed());
    // A second holds a whole number of periods; the soft ends are cut off.
    let tone = tones::sine(440.0, 3000, -12.0)[48_000..96_000].to_vec();
    let (stop, stopped) = mpsc::channel::<()>();
    let (mut i, mut most) = (0, 0);
    let (tell, told) = mpsc::channel();
    let playing = paced(move || {
        speaker.push(&tone[i % 50 * FRAME..][..FRAME]);
        i += 1;
        most = if i > 25 { most.max(speaker.queued()) } else { 0 };
        let go_on = stopped.try_recv() == Err(mpsc::TryRecvError::Empty);
        if !go_on {
            tell.send((most, speaker.glitches(), speaker.trouble())).unwrap();
        }
        go_on
    });
    let heard = recorder.hear(2, is_440);
    let holes = heard.chunks(480).filter(|part| level_dbfs(part) < -18.0).count();
    drop(stop);
    playing.join().unwrap();
    let (most, glitches, trouble) = told.recv().unwrap();
    eprintln!(
        "440 Hz heard at {:.1} dBFS of {:.1} in all; at most {} ms queued, {glitches} glitches, {holes} of 200 parts with holes",
        level_at(&heard[..4800], 440.0),
        level_dbfs(&heard),
        most / 48
    );
    assert!(most <= 60 * 48 + 960 && trouble.is_none());
}

fn ringer(sound: &Sound) {
    let recorder = Recorder::start("spk.monitor");
    recorder.hear(1, |pcm| level_dbfs(pcm) < -60.0);
    let mut ringer = sound.ringer(None);
    let started = Instant::now();
    ringer.start(&tones::sine(880.0, 1000, -12.0)).unwrap();
    let opened = started.elapsed();
    recorder.hear(1, |pcm| level_at(pcm, 880.0) > -18.0);
    eprintln!("ringer opened in {opened:?}");
    ringer.stop();
    recorder.hear(1, |pcm| level_dbfs(pcm) < -60.0);
}

fn microphone(sound: &Sound) {
    let mut feeder = Command::new("paplay")
        .args(["--raw", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=50", "-d", "micfeed"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut into = feeder.stdin.take().unwrap();
    let tone: Vec<u8> = tones::sine(660.0, 20_000, -12.0).iter().flat_map(|s| s.to_le_bytes()).collect();
    let feeding = thread::spawn(move || {
        let _ = into.write_all(&tone);
    });
    let mut microphone = sound.microphone(None).unwrap();
    let (tell, told) = mpsc::channel();
    let pulling = paced(move || {
        let mut out = [0; FRAME];
        let count = microphone.pull(&mut out);
        tell.send(out[..count].to_vec()).is_ok()
    });
    let (mut heard, until) = (Vec::new(), Instant::now() + Duration::from_secs(15));
    while heard.len() < 48_000 || level_at(&heard[heard.len() - 48_000..], 660.0) < -14.0 {
        heard.extend(told.recv_timeout(Duration::from_secs(5)).unwrap());
        assert!(Instant::now() < until, "the tone did not arrive");
    }
    drop(told);
    pulling.join().unwrap();
    eprintln!("660 Hz through the microphone at {:.1} dBFS", level_at(&heard[heard.len() - 48_000..], 660.0));
    let _ = feeder.kill();
    let _ = feeder.wait();
    feeding.join().unwrap();
}
