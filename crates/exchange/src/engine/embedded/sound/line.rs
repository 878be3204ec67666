use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use media::rtp::{DigitReader, Header};
use media::{CodecError, FRAME, FRAME_TIME, Frame, SILENCE};
use protocol::LegId;
use switchboard::SoundQuality;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::super::core::FromLine;
use super::super::ports::PortPair;
use super::Library;
use super::keys::Keys;
use super::port::{Carried, MAX_PACKET, Port, Terms};
use super::recorder::Recorder;

/// If the pacer is late by more than this, the missed frames are left out instead of sent in a burst.
const MAX_BURST: Duration = Duration::from_millis(200);

/// When the first report follows a change; the far end may have waited for one since the last.
const FIRST_REPORT: Duration = Duration::from_secs(1);

/// Keys that are told in a second: RFC 4733 needs some 80 ms for one. More is a flood.
const MOST_KEYS: u32 = 25;

/// What a line reports.
#[derive(Debug)]
pub enum Heard {
    PromptFinished {
        leg: LegId,
    },
    Recorded {
        leg: LegId,
        duration_ms: u64,
        file: PathBuf,
    },
    /// A key at the far end, by RFC 4733.
    Digit {
        leg: LegId,
        digit: char,
    },
    Failed {
        leg: LegId,
        detail: String,
    },
}

/// The sound of one leg: its ports and the task that reads and plays.
pub struct Line {
    port: Arc<Port>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

enum Order {
    Enter(Mode),
    /// Over whatever is heard, once.
    Notice(Playing),
    /// Pressed at the far end, and told by its signalling.
    Key(char),
}

/// What the far end of the leg hears.
enum Mode {
    Silence,
    Music,
    /// Somebody is being rung.
    Ringback(Playing),
    Prompt(Playing),
    /// Greeting and beep, then `file` is recorded.
    Greeting {
        playing: Playing,
        file: PathBuf,
        max_seconds: u32,
    },
    Recording(Box<Recorder>),
    Bridged(Arc<Port>),
}

struct Playing {
    sound: Arc<[i16]>,
    at: usize,
}

impl Line {
    /// Starts the task on a pair of ports. `epoch` is the same for all lines. `code`: what the far end may press for us
    /// instead of whom it talks with.
    pub fn open(
        leg: LegId,
        code: &str,
        pair: PortPair,
        epoch: Instant,
        library: Arc<Library>,
        heard: mpsc::UnboundedSender<FromLine>,
    ) -> Self {
        let port = Arc::new(Port::new(pair));
        let (orders, ordered) = mpsc::unbounded_channel();
        let task = Task {
            leg,
            port: port.clone(),
            epoch,
            library,
            heard,
            mode: Mode::Silence,
            notice: None,
            digits: DigitReader::default(),
            keys_in: (0, 0),
            keys: Keys::new(code),
            event: None,
            music_at: 0,
            paced: false,
            relaying: true,
            next_frame: epoch,
            next_report: Duration::ZERO,
        };
        Self { port, orders, task: tokio::spawn(task.run(ordered)) }
    }

    /// The local RTP port.
    pub fn rtp_port(&self) -> u16 {
        self.port.rtp.local_addr().map_or(0, |a| a.port())
    }

    /// Takes over what offer and answer agreed on.
    ///
    /// # Errors
    /// If the codec can't be set up.
    pub fn agree(&self, terms: Terms) -> Result<(), CodecError> {
        self.port.agree(terms)
    }

    pub fn silence(&self) {
        self.enter(Mode::Silence);
    }

    /// Hold music goes on where this leg last heard it.
    pub fn play_music(&self) {
        self.enter(Mode::Music);
    }

    pub fn play_ringback(&self, tone: Arc<[i16]>) {
        self.enter(Mode::Ringback(Playing::new(tone)));
    }

    pub fn play_prompt(&self, sound: Arc<[i16]>) {
        self.enter(Mode::Prompt(Playing::new(sound)));
    }

    /// Plays `sound` in place of what the far end would hear meanwhile; nothing else changes.
    pub fn notice(&self, sound: Arc<[i16]>) {
        self.order(Order::Notice(Playing::new(sound)));
    }

    pub fn record(&self, greeting: Arc<[i16]>, file: PathBuf, max_seconds: u32) {
        self.enter(Mode::Greeting { playing: Playing::new(greeting), file, max_seconds });
    }

    /// What arrives here goes to `other`. The other direction is for `other` to do.
    pub fn bridge_to(&self, other: &Line) {
        self.enter(Mode::Bridged(other.port.clone()));
    }

    /// A key that the far end told by its signalling goes to the bridged leg as an event.
    pub fn key(&self, digit: char) {
        self.order(Order::Key(digit));
    }

    /// How long nothing at all has come from the far end.
    pub fn quiet(&self) -> Duration {
        self.port.quiet()
    }

    /// The far end has shown in another way that it lives.
    pub fn lives(&self) {
        self.port.lives();
    }

    /// Ends the task and gives the ports back. A recording is completed and reported first. Gives how the leg sounded, if
    /// anything came from its far end.
    pub async fn close(self) -> Option<SoundQuality> {
        drop(self.orders);
        if let Err(e) = self.task.await {
            tracing::error!("the sound task of a leg failed: {e}");
        }
        self.port.quality()
    }

    fn enter(&self, mode: Mode) {
        self.order(Order::Enter(mode));
    }

    fn order(&self, order: Order) {
        // Fails only if the task has failed, which `close` reports.
        let _ = self.orders.send(order);
    }
}

struct Task {
    leg: LegId,
    port: Arc<Port>,
    epoch: Instant,
    library: Arc<Library>,
    heard: mpsc::UnboundedSender<FromLine>,
    mode: Mode,
    notice: Option<Playing>,
    digits: DigitReader,
    /// In which second, and how many keys it has had.
    keys_in: (u64, u32),
    keys: Keys,
    /// The timestamp of the newest event, and whether its packets are sent on as they are.
    event: Option<(u32, bool)>,
    music_at: usize,
    /// While bridged: what the other leg says can't be relayed as it is, or digits are to be sent.
    paced: bool,
    /// What arrives can be relayed to the bridged leg as it is.
    relaying: bool,
    next_frame: Instant,
    next_report: Duration,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let port = self.port.clone();
        let (mut packet, mut report) = ([0; MAX_PACKET], [0; MAX_PACKET]);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Enter(mode)) => self.switch(mode).await,
                    Some(Order::Notice(playing)) => self.begin_notice(playing),
                    Some(Order::Key(digit)) => if self.press(digit) {
                        self.dial_on(digit.encode_utf8(&mut [0; 4]));
                    },
                    None => break,
                },
                () = port.wake.notified() => self.keep_pace(),
                () = sleep_until(self.keys.due().unwrap_or(self.next_frame)), if self.keys.due().is_some() => {
                    let kept = self.keys.release();
                    self.dial_on(&kept);
                }
                () = sleep_until(self.next_frame), if self.is_paced() => self.tick().await,
                got = port.rtp.recv_from(&mut packet) => if let Ok((n, from)) = got {
                    self.arrived(packet.get_mut(..n).unwrap_or_default(), from);
                },
                got = port.rtcp.recv_from(&mut report) => if let Ok((n, from)) = got {
                    self.reported(report.get(..n).unwrap_or_default(), from);
                },
            }
        }
        self.switch(Mode::Silence).await;
    }

    /// Whether we have to play something every 20 ms. A relayed bridge costs nothing between packets.
    fn is_paced(&self) -> bool {
        let paced = match self.mode {
            Mode::Silence => false,
            Mode::Music | Mode::Ringback(_) | Mode::Prompt(_) | Mode::Greeting { .. } | Mode::Recording(_) => true,
            Mode::Bridged(_) => self.paced,
        };
        paced || self.notice.is_some()
    }

    fn begin_notice(&mut self, playing: Playing) {
        if !self.is_paced() {
            self.next_frame = Instant::now();
        }
        // It answers what was typed.
        let kept = self.keys.leave();
        self.dial_on(&kept);
        self.notice = Some(playing);
        self.port.interrupt(true);
    }

    async fn switch(&mut self, mode: Mode) {
        let kept = self.keys.leave();
        self.dial_on(&kept);
        let before = std::mem::replace(&mut self.mode, mode);
        if let Mode::Recording(recorder) = before {
            self.finish(*recorder).await;
        }
        self.port.stop_listening();
        // Until the last digit that waits is sent, the other leg's voice is not passed on.
        self.paced = self.port.is_dialling();
        self.relaying = true;
        self.next_frame = Instant::now();
        self.next_report = self.now() + FIRST_REPORT;
    }

    fn keep_pace(&mut self) {
        if matches!(self.mode, Mode::Bridged(_)) && !self.paced {
            self.paced = true;
            self.next_frame = Instant::now();
        }
    }

    fn arrived(&mut self, packet: &mut [u8], from: SocketAddr) {
        if media::rtcp::is_rtcp(packet) {
            return self.reported(packet, from);
        }
        let (now, port) = (self.now(), self.port.clone());
        if !port.expects(now, from) {
            return;
        }
        let mut plain = match port.open(packet, false) {
            Some(Cow::Owned(plain)) => Some(plain),
            Some(Cow::Borrowed(_)) => None,
            None => return,
        };
        let packet = plain.as_deref_mut().unwrap_or(packet);
        let Some(carried) = port.accept(now, packet, from) else { return };
        self.port.measure(now, packet, carried);
        if carried == Carried::Digits && !self.passes(now, packet) {
            return;
        }
        match &self.mode {
            Mode::Silence | Mode::Music | Mode::Ringback(_) | Mode::Prompt(_) | Mode::Greeting { .. } => {}
            Mode::Recording(_) => self.port.listen(now, packet),
            Mode::Bridged(other) => {
                // Events belong to the same stream as the voice around them: they go its way.
                if matches!(carried, Carried::Voice(_)) || self.relaying {
                    let relayed = other.relay(now, packet, carried);
                    if relayed && !self.relaying {
                        // The codecs have become alike: nobody decodes any more.
                        self.port.stop_listening();
                    }
                    self.relaying = relayed;
                }
                if !self.relaying {
                    self.port.listen(now, packet);
                    other.wake.notify_one();
                }
            }
        }
    }

    /// Whether an event's packet goes on as it is: not if its key is kept, or is sent anew behind those that were.
    fn passes(&mut self, now: Duration, packet: &[u8]) -> bool {
        if self.keys_in.0 != now.as_secs() {
            self.keys_in = (now.as_secs(), 0);
        }
        // `accept` has seen that it is RTP.
        let Ok(Header { ssrc, timestamp, .. }) = Header::parse(packet) else { return false };
        let begun: Vec<char> = self.digits.packet(packet).into_iter().flatten().collect();
        for &digit in &begun {
            self.keys_in.1 += 1;
            let told = self.keys_in.1 <= MOST_KEYS;
            if told {
                let _ = self.heard.send(FromLine::Heard(Heard::Digit { leg: self.leg, digit }));
            }
            self.event = Some((timestamp, !told || self.press(digit)));
        }
        let Some((newest, as_it_is)) = self.event else { return true };
        let later = timestamp.wrapping_sub(newest) as i32;
        if later > 0 {
            // A very long press goes on (RFC 4733 section 2.5.1.3).
            self.event = Some((timestamp, as_it_is));
        }
        let passes = as_it_is && later >= 0;
        if !passes && let Mode::Bridged(other) = &self.mode {
            other.leave_out(ssrc);
        }
        passes
    }

    /// Takes a key of the far end. True if whom it talks with may have it as it came; else this has seen to it.
    fn press(&mut self, key: char) -> bool {
        let Mode::Bridged(other) = &self.mode else { return true };
        let out = self.keys.press(Instant::now(), key);
        // What is dialled already comes first.
        let as_it_came = out.chars().eq([key]) && !other.is_dialling();
        if !as_it_came {
            other.dial(&out);
        }
        as_it_came
    }

    /// Sends digits as events to whom the far end talks with.
    fn dial_on(&self, digits: &str) {
        if let Mode::Bridged(other) = &self.mode {
            other.dial(digits);
        }
    }

    /// RTCP: in a relayed bridge it is for the other far end, else for us.
    fn reported(&self, report: &[u8], from: SocketAddr) {
        if !self.port.accepts_report(report, from) {
            return;
        }
        let Some(report) = self.port.open(report, true) else { return };
        let (now, report) = (self.now(), report.as_ref());
        self.port.measure_report(now, report);
        match &self.mode {
            Mode::Bridged(other) if self.relaying => other.relay_report(now, &self.port, report),
            Mode::Bridged(_) | Mode::Recording(_) => self.port.read_report(now, report),
            Mode::Silence | Mode::Music | Mode::Ringback(_) | Mode::Prompt(_) | Mode::Greeting { .. } => {}
        }
    }

    async fn tick(&mut self) {
        let late = self.next_frame.elapsed();
        self.next_frame = if late > MAX_BURST { Instant::now() } else { self.next_frame } + FRAME_TIME;
        let now = self.now();
        let mut frame = SILENCE;
        let mut digits = String::new();
        let mut over = false;
        match &mut self.mode {
            Mode::Silence => {}
            Mode::Music => loop_over(&self.library.hold_music, &mut self.music_at, &mut frame),
            Mode::Ringback(tone) => loop_over(&tone.sound, &mut tone.at, &mut frame),
            Mode::Prompt(playing) | Mode::Greeting { playing, .. } => over = playing.next(&mut frame),
            Mode::Recording(recorder) => {
                let mut heard = SILENCE;
                self.port.heard(now, &mut heard, &mut digits);
                over = recorder.frame(&heard) || digits.contains('#');
            }
            Mode::Bridged(other) => {
                let heard = other.heard(now, &mut frame, &mut digits);
                if !digits.is_empty() {
                    self.port.dial(&digits);
                }
                if !heard && !self.port.is_dialling() {
                    self.paced = false;
                    if self.notice.is_none() {
                        return;
                    }
                }
            }
        }
        if let Some(notice) = &mut self.notice {
            frame = SILENCE;
            if notice.next(&mut frame) {
                self.notice = None;
                self.port.interrupt(false);
            }
        }
        self.port.play(now, &frame);
        if now >= self.next_report {
            self.next_report = now + media::rtcp::INTERVAL;
            self.port.send_report(now);
        }
        if over {
            self.over().await;
        }
    }

    /// What was being played or recorded has come to its end.
    async fn over(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Silence) {
            Mode::Prompt(_) => self.report(Heard::PromptFinished { leg: self.leg }),
            Mode::Greeting { file, max_seconds, .. } => match Recorder::start(&file, max_seconds) {
                Ok(recorder) => self.mode = Mode::Recording(Box::new(recorder)),
                Err(e) => self.fail(format!("the voicemail file {} cannot be written: {e}", file.display())),
            },
            Mode::Recording(recorder) => self.finish(*recorder).await,
            mode @ (Mode::Silence | Mode::Music | Mode::Ringback(_) | Mode::Bridged(_)) => self.mode = mode,
        }
    }

    async fn finish(&mut self, recorder: Recorder) {
        let file = recorder.file.clone();
        match recorder.finish().await {
            Ok(done) => {
                self.report(Heard::Recorded { leg: self.leg, duration_ms: done.duration_ms, file: done.file });
            }
            Err(e) => self.fail(format!("the voicemail file {} was not completed: {e}", file.display())),
        }
    }

    fn fail(&self, detail: String) {
        self.report(Heard::Failed { leg: self.leg, detail });
    }

    fn report(&self, heard: Heard) {
        // Nobody listens only while the engine is going down.
        let _ = self.heard.send(FromLine::Heard(heard));
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

impl Playing {
    fn new(sound: Arc<[i16]>) -> Self {
        Self { sound, at: 0 }
    }

    /// Fills the next frame; true if it was the last.
    fn next(&mut self, frame: &mut Frame) -> bool {
        let rest = self.sound.get(self.at..).unwrap_or_default();
        let n = rest.len().min(FRAME);
        frame[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        self.at >= self.sound.len()
    }
}

fn loop_over(sound: &[i16], at: &mut usize, frame: &mut Frame) {
    for sample in frame.iter_mut() {
        *sample = sound.get(*at).copied().unwrap_or(0);
        *at = if *at + 1 >= sound.len() { 0 } else { *at + 1 };
    }
}
