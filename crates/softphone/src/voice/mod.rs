//! All sound of a phone, on one thread of its own: a busy runtime elsewhere must not make a call stutter.
//!
//! The thread waits for two things: the next 20 ms, and an order of the owner. Datagrams are taken when the 20 ms are due;
//! when each came, the kernel knows.

mod devices;
mod intake;
mod line;
mod recorder;
mod ringing;
mod source;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audio::Kind;
use media::{FRAME_TIME, Frame, SILENCE, level_dbfs, mix};
use tokio::sync::mpsc::UnboundedSender;

use crate::call::Flow;
use crate::config::SoundChoice;
use crate::event::{CallEvent, CallKey, Ended, PhoneEvent};
use crate::session::Agreed;
use devices::{Devices, Opener, Wish};
use line::{Line, Tone};
use recorder::Recorder;
pub(crate) use ringing::{Ring, Ringing};
pub(crate) use source::Material;
use source::Source;

/// A clock that is this late (a suspended laptop) starts afresh instead of catching up.
const HOPELESSLY_LATE: Duration = Duration::from_millis(200);

/// Level meters ten times a second.
const TICKS_PER_LEVEL: u64 = 5;
/// Lost devices are noticed within 100 ms.
const TICKS_PER_LOOK: u64 = 5;
/// Reports of the far end are read within 500 ms: when they came, the kernel knows.
const TICKS_PER_REPORT: u64 = 25;

/// The owner's side of the voice thread.
pub(crate) struct Voice {
    orders: Arc<Sender<Order>>,
    thread: JoinHandle<()>,
}

pub(crate) enum Order {
    /// A call has sockets now.
    Open {
        call: CallKey,
        sockets: Sockets,
        heard: Heard,
    },
    /// The sockets of a call are replaced: the machine's address has changed.
    Move {
        call: CallKey,
        sockets: Sockets,
    },
    Agree {
        call: CallKey,
        agreed: Agreed,
    },
    /// The call is answered: what is heard from now on is recorded.
    Record {
        call: CallKey,
    },
    Flow {
        call: CallKey,
        flow: Flow,
    },
    Mute {
        call: CallKey,
        muted: bool,
    },
    Press {
        call: CallKey,
        digits: String,
    },
    /// What was opened, or `None` for what is not wanted any more.
    Device {
        kind: Kind,
        gear: Option<devices::Gear>,
    },
    Choose(SoundChoice),
    /// Last report, end of the recording, and then the event that the call has ended.
    Close {
        call: CallKey,
        ended: Ended,
    },
}

/// How many packets of the far end have come: a sign of life for the owner.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A pair of ports for one call.
pub(crate) struct Sockets {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
}

impl Sockets {
    /// Free ports, the even one for RTP and the next for RTCP (RFC 3550 section 11).
    ///
    /// # Errors
    /// If no pair of ports is free.
    pub(crate) fn bind(ip: IpAddr) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..64 {
            let rtp = UdpSocket::bind(SocketAddr::new(ip, 0))?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 1 {
                continue;
            }
            match UdpSocket::bind(SocketAddr::new(ip, port + 1)) {
                Ok(rtcp) => {
                    rtp.set_nonblocking(true)?;
                    rtcp.set_nonblocking(true)?;
                    return Ok(Self { rtp, rtcp });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn rtp_port(&self) -> io::Result<u16> {
        Ok(self.rtp.local_addr()?.port())
    }
}

/// Where sound comes from and goes to.
pub(crate) enum Gear {
    Devices { sound: audio::Sound, choice: SoundChoice },
    Files(Files),
}

/// Sound without devices.
pub(crate) struct Files {
    pub(crate) material: Material,
    pub(crate) record: Option<PathBuf>,
    pub(crate) loopback: bool,
}

impl Voice {
    /// # Errors
    /// If the thread can't be started.
    pub(crate) fn start(gear: Gear, events: UnboundedSender<PhoneEvent>) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let orders = Arc::new(orders);
        let desk = match gear {
            Gear::Files(files) => Desk::Files { files, recordings: 0 },
            Gear::Devices { sound, choice } => {
                let devices = Devices::new(&choice);
                let opener = Opener::start(sound, choice, Arc::downgrade(&orders), events.clone())?;
                Desk::Devices { devices: Box::new(devices), opener, wanted: false }
            }
        };
        let thread = std::thread::Builder::new()
            .name("voice".to_owned())
            .spawn(move || Studio::new(desk, events).run(&inbox))?;
        Ok(Self { orders, thread })
    }

    pub(crate) fn order(&self, order: Order) {
        // The thread outlives its orders: it ends when this sender is dropped.
        let _ended = self.orders.send(order);
    }

    /// Ends the thread after all orders; every recording is complete then. Blocks for a moment.
    pub(crate) fn stop(self) {
        drop(self.orders);
        if self.thread.join().is_err() {
            tracing::error!("the voice thread had panicked");
        }
    }
}

/// What the thread owns.
struct Studio {
    lines: BTreeMap<CallKey, Line>,
    desk: Desk,
    ringback: Arc<[i16]>,
    events: UnboundedSender<PhoneEvent>,
    epoch: Instant,
    ticks: u64,
}

/// The person's end of the calls.
enum Desk {
    Devices { devices: Box<Devices>, opener: Opener, wanted: bool },
    Files { files: Files, recordings: u32 },
}

impl Studio {
    fn new(desk: Desk, events: UnboundedSender<PhoneEvent>) -> Self {
        let ringback = media::tones::ringback().into();
        Self { lines: BTreeMap::new(), desk, ringback, events, epoch: Instant::now(), ticks: 0 }
    }

    fn run(mut self, inbox: &Receiver<Order>) {
        let mut due = Instant::now();
        loop {
            let idle = self.lines.is_empty();
            let left = due.saturating_duration_since(Instant::now());
            // The clock comes first, however many orders there are.
            if !idle && left.is_zero() {
                self.tick();
                due = next_due(due, self.pace());
                continue;
            }
            // Without a call there is nothing to be in time for.
            let order = if idle { inbox.recv().map_err(RecvTimeoutError::from) } else { inbox.recv_timeout(left) };
            match order {
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if idle {
                due = Instant::now() + FRAME_TIME;
            }
        }
    }

    fn tick(&mut self) {
        let now = self.epoch.elapsed();
        let said = self.desk.listen();
        let mut speaker = SILENCE;
        let mut heard: Frame = SILENCE;
        let look = self.ticks.is_multiple_of(TICKS_PER_REPORT);
        for (call, line) in &mut self.lines {
            let call = *call;
            if look {
                line.take_reports(now);
            }
            let tell = |event| {
                let _nobody_listens = self.events.send(PhoneEvent::Call { call, event });
            };
            let ticked = line.tick(now, said.as_ref(), &mut heard);
            mix(&mut speaker, &heard);
            if ticked.first_audio {
                tell(CallEvent::FirstAudio);
            }
            if let Some(error) = ticked.record_failed {
                tell(CallEvent::Trouble { sentence: format!("The recording has stopped: {error}.") });
            }
            if let Some(quality) = ticked.quality {
                tell(CallEvent::Quality(quality));
            }
            line.digits().for_each(|digit| tell(CallEvent::Dtmf { digit }));
        }
        self.ticks += 1;
        if let Some(said) = said {
            self.desk.play(&speaker);
            if self.ticks.is_multiple_of(TICKS_PER_LEVEL) {
                self.tell_level(level_dbfs(&said), level_dbfs(&speaker));
            }
        }
        if self.ticks.is_multiple_of(TICKS_PER_LOOK) {
            self.desk.look();
        }
    }

    /// The next 20 ms, a little less or more: the clock follows the one call that is heard, so that its sound waits for no tick.
    /// Several can't all be followed.
    fn pace(&self) -> Duration {
        let mut heard = self.lines.values().filter(|line| line.flow.hear);
        match (heard.next(), heard.next()) {
            (Some(only), None) => only.pace(),
            (None, _) | (Some(_), Some(_)) => FRAME_TIME,
        }
    }

    fn tell_level(&self, microphone: f32, speaker: f32) {
        for (call, _) in self.lines.iter().filter(|(_, line)| line.flow.send) {
            self.tell(*call, CallEvent::Level { microphone, speaker });
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Open { call, sockets, heard } => self.open(call, sockets, heard),
            Order::Move { call, sockets } => self.on_line(call, |line| {
                if let Err(error) = line.move_to(sockets) {
                    tracing::warn!(%error, "the sound keeps its old address");
                }
            }),
            Order::Agree { call, agreed } => self.agree(call, agreed),
            Order::Record { call } => self.record(call),
            Order::Flow { call, flow } => self.on_line(call, |line| line.flow = flow),
            Order::Mute { call, muted } => self.on_line(call, |line| line.muted = muted),
            Order::Press { call, digits } => self.on_line(call, |line| line.press(&digits)),
            Order::Device { kind, gear } => self.desk.device(kind, gear),
            Order::Choose(choice) => self.desk.choose(choice),
            Order::Close { call, ended } => self.close(call, ended),
        }
        let wanted = self.lines.values().any(|line| line.flow != Flow::default());
        self.desk.want_devices(wanted);
    }

    fn on_line(&mut self, call: CallKey, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.lines.get_mut(&call) {
            change(line);
        }
    }

    fn tell(&self, call: CallKey, event: CallEvent) {
        // Whoever dropped the stream does not want to know.
        let _nobody_listens = self.events.send(PhoneEvent::Call { call, event });
    }

    fn trouble(&self, call: CallKey, sentence: String) {
        self.tell(call, CallEvent::Trouble { sentence });
    }

    fn open(&mut self, call: CallKey, sockets: Sockets, heard: Heard) {
        let (material, loopback) = match &self.desk {
            Desk::Devices { .. } => (Material::Silence, false),
            Desk::Files { files, .. } => (files.material.clone(), files.loopback),
        };
        let ringback = Tone::new(Arc::clone(&self.ringback));
        match Line::new(sockets, heard, Source::new(material), loopback, ringback) {
            Ok(line) => {
                self.lines.insert(call, line);
            }
            Err(error) => self.trouble(call, format!("This call has no sound: {error}.")),
        }
    }

    fn agree(&mut self, call: CallKey, agreed: Agreed) {
        let now = self.epoch.elapsed();
        let Some(line) = self.lines.get_mut(&call) else { return };
        if let Err(error) = line.agree(now, agreed) {
            self.trouble(call, format!("This call has no sound: {error}."));
        }
    }

    fn record(&mut self, call: CallKey) {
        let Desk::Files { files: Files { record: Some(path), .. }, recordings } = &mut self.desk else { return };
        let Some(line) = self.lines.get_mut(&call) else { return };
        *recordings += 1;
        let path = recorder::numbered(path, *recordings);
        match Recorder::create(&path) {
            Ok(recorder) => {
                line.recorder = Some(recorder);
                self.tell(call, CallEvent::Recording { path });
            }
            Err(error) => self.trouble(call, format!("Cannot record to {}: {error}.", path.display())),
        }
    }

    fn close(&mut self, call: CallKey, ended: Ended) {
        if let Some(mut line) = self.lines.remove(&call) {
            if let Some(quality) = line.quality() {
                self.tell(call, CallEvent::Quality(quality));
            }
            if let Some(Err(error)) = line.recorder.take().map(Recorder::finish) {
                self.trouble(call, format!("The recording is not complete: {error}."));
            }
        }
        self.tell(call, CallEvent::Ended(ended));
    }
}

/// When the 20 ms after those of `due` are due.
fn next_due(due: Instant, pace: Duration) -> Instant {
    let (next, now) = (due + pace, Instant::now());
    if now > next + HOPELESSLY_LATE { now + FRAME_TIME } else { next }
}

impl Desk {
    /// The next 20 ms of the microphone; `None` if calls have their own source.
    fn listen(&mut self) -> Option<Frame> {
        match self {
            Self::Devices { devices, .. } => Some(devices.listen()),
            Self::Files { .. } => None,
        }
    }

    fn play(&mut self, heard: &Frame) {
        match self {
            Self::Devices { devices, .. } => devices.play(heard),
            Self::Files { .. } => {}
        }
    }

    fn device(&mut self, kind: Kind, gear: Option<devices::Gear>) {
        match self {
            Self::Devices { devices, .. } => devices.replace(kind, gear),
            Self::Files { .. } => {}
        }
    }

    fn choose(&mut self, choice: SoundChoice) {
        match self {
            Self::Devices { devices, opener, .. } => {
                devices.choose(&choice);
                opener.wish(Wish::Choose(choice));
            }
            Self::Files { .. } => {}
        }
    }

    fn want_devices(&mut self, now: bool) {
        match self {
            Self::Devices { opener, wanted, .. } if *wanted != now => {
                *wanted = now;
                opener.wish(Wish::Wanted(now));
            }
            Self::Devices { .. } | Self::Files { .. } => {}
        }
    }

    /// Asks for lost devices anew.
    fn look(&mut self) {
        match self {
            Self::Devices { devices, opener, .. } => {
                devices.drop_lost().for_each(|kind| opener.wish(Wish::Lost(kind)));
            }
            Self::Files { .. } => {}
        }
    }
}
