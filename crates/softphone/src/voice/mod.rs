//! All sound of a phone, on one thread of its own: a busy runtime elsewhere must not make a call stutter.
//!
//! The thread waits for three things: the next 20 ms, a datagram (taken at once, so that jitter is measured and not
//! made), and an order of the owner.

mod line;
mod recorder;
mod source;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use media::{FRAME_TIME, Frame, SILENCE, mix};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::call::Flow;
use crate::config::SoundChoice;
use crate::event::{CallEvent, CallKey, Ended, PhoneEvent};
use crate::incoming::RingKind;
use crate::session::Agreed;
use line::{Line, Tone};
use recorder::Recorder;
pub(crate) use source::Material;
use source::Source;

/// A clock that is this late (a suspended laptop) starts afresh instead of catching up.
const HOPELESSLY_LATE: Duration = Duration::from_millis(200);

/// The owner's side of the voice thread.
pub(crate) struct Voice {
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<()>,
}

pub(crate) enum Order {
    /// A call has sockets now.
    Open {
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
    /// Last report, end of the recording, and then the event that the call has ended.
    Close {
        call: CallKey,
        ended: Ended,
    },
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

/// Sound without devices.
pub(crate) struct Files {
    pub(crate) material: Material,
    pub(crate) record: Option<PathBuf>,
    pub(crate) loopback: bool,
}

impl Voice {
    /// # Errors
    /// If the thread can't be started.
    pub(crate) fn start(files: Files, events: mpsc::UnboundedSender<PhoneEvent>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("voice".to_owned()).spawn(move || {
            let studio = Studio::new(files, events);
            runtime.block_on(studio.run(inbox));
        })?;
        Ok(Self { orders, thread })
    }

    pub(crate) fn order(&self, order: Order) {
        // The thread outlives its orders: it ends when this sender is dropped.
        let _ended = self.orders.send(order);
    }

    /// Rings, or stops ringing. While the person talks in another call it is only a beep.
    pub(crate) fn ring(&self, _kind: Option<RingKind>, _talking: bool) {}

    pub(crate) fn ring_level(&self, _level: f32) {}

    pub(crate) fn choose_sound(&self, _choice: SoundChoice) {}

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
    files: Files,
    recordings: u32,
    ringback: Arc<[i16]>,
    events: mpsc::UnboundedSender<PhoneEvent>,
    epoch: Instant,
}

impl Studio {
    fn new(files: Files, events: mpsc::UnboundedSender<PhoneEvent>) -> Self {
        let ringback = media::tones::ringback().into();
        Self { lines: BTreeMap::new(), files, recordings: 0, ringback, events, epoch: Instant::now() }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut due = Instant::now() + FRAME_TIME;
        let mut timer = pin!(sleep_until(due));
        loop {
            let idle = self.lines.is_empty();
            tokio::select! {
                biased;
                () = timer.as_mut(), if !idle => {
                    self.tick();
                    due += FRAME_TIME;
                    let now = Instant::now();
                    if now > due + HOPELESSLY_LATE {
                        due = now + FRAME_TIME;
                    }
                    timer.as_mut().reset(due);
                }
                order = inbox.recv() => {
                    let Some(order) = order else { break };
                    self.obey(order);
                    if idle {
                        due = Instant::now() + FRAME_TIME;
                        timer.as_mut().reset(due);
                    }
                }
                () = self.receive(), if !idle => {}
            }
        }
    }

    /// Takes datagrams as they come; returns only to let the clock have its turn in a flood.
    async fn receive(&mut self) {
        poll_fn(|context| {
            let now = self.epoch.elapsed();
            let polls = self.lines.values_mut().map(|line| line.poll_receive(now, context));
            // Every line must be polled, or it would not wake us.
            if polls.filter(Poll::is_ready).count() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn tick(&mut self) {
        let now = self.epoch.elapsed();
        let mut speaker = SILENCE;
        let mut heard: Frame = SILENCE;
        for (call, line) in &mut self.lines {
            let call = *call;
            let tell = |event| {
                let _nobody_listens = self.events.send(PhoneEvent::Call { call, event });
            };
            let ticked = line.tick(now, None, &mut heard);
            mix(&mut speaker, &heard);
            if ticked.first_audio {
                tell(CallEvent::FirstAudio);
            }
            if let Some(error) = ticked.record_failed {
                tell(CallEvent::Trouble { sentence: format!("The recording has stopped: {error}.") });
            }
            ticked.quality.map(CallEvent::Quality).map(tell);
            line.digits().for_each(|digit| tell(CallEvent::Dtmf { digit }));
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Open { call, sockets } => self.open(call, sockets),
            Order::Agree { call, agreed } => self.agree(call, agreed),
            Order::Record { call } => self.record(call),
            Order::Flow { call, flow } => self.on_line(call, |line| line.flow = flow),
            Order::Mute { call, muted } => self.on_line(call, |line| line.muted = muted),
            Order::Press { call, digits } => self.on_line(call, |line| line.press(&digits)),
            Order::Close { call, ended } => self.close(call, ended),
        }
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

    fn open(&mut self, call: CallKey, sockets: Sockets) {
        let source = Source::new(self.files.material.clone());
        let ringback = Tone::new(Arc::clone(&self.ringback));
        match Line::new(sockets, source, self.files.loopback, ringback) {
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
        let Some(path) = self.files.record.as_ref().filter(|_| self.lines.contains_key(&call)) else { return };
        self.recordings += 1;
        let path = recorder::numbered(path, self.recordings);
        match Recorder::create(&path) {
            Ok(recorder) => {
                self.on_line(call, |line| line.recorder = Some(recorder));
                self.tell(call, CallEvent::Recording { path });
            }
            Err(error) => self.trouble(call, format!("Cannot record to {}: {error}.", path.display())),
        }
    }

    fn close(&mut self, call: CallKey, ended: Ended) {
        if let Some(mut line) = self.lines.remove(&call) {
            line.quality().map(|quality| self.tell(call, CallEvent::Quality(quality)));
            if let Some(Err(error)) = line.recorder.take().map(Recorder::finish) {
                self.trouble(call, format!("The recording is not complete: {error}."));
            }
        }
        self.tell(call, CallEvent::Ended(ended));
    }
}
