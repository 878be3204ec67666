//! A call in simulated time whose own clock is led by its far end's, as `patchcord-phone`'s is: for the tests of what a device's
//! clock adds to that.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig, tones};

const FLIGHT: Duration = Duration::from_millis(30);

pub(crate) struct Led {
    far: RtpSender,
    /// Sent so many; the next is sent then.
    sent: (usize, Duration),
    far_pace: Duration,
    tone: Vec<i16>,
    receiver: RtpReceiver,
    at: Duration,
    /// The longest and the shortest 20 ms.
    pub(crate) paces: [Duration; 2],
}

impl Led {
    /// The far end's clock is so much slow. It says a tone of 300 Hz.
    pub(crate) fn new(ppm: f64) -> Self {
        let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc: 7, dtmf_payload_type: None };
        let hears = ReceiverConfig { payload_types: vec![(0, Codec::Pcmu)], dtmf_payload_type: None };
        Self {
            far: RtpSender::new(config).unwrap(),
            sent: (0, Duration::ZERO),
            far_pace: FRAME_TIME.mul_f64(1.0 + ppm * 1e-6),
            tone: tones::sine(300.0, 1000, -10.0)[480..480 + 40 * FRAME].to_vec(),
            receiver: RtpReceiver::new(&hears),
            at: Duration::from_millis(7),
            paces: [FRAME_TIME; 2],
        }
    }

    /// The next 20 ms: when they are played, and what.
    pub(crate) fn tick(&mut self) -> (Duration, Frame) {
        let now = self.at;
        while self.sent.1 + FLIGHT <= now {
            let (count, at) = self.sent;
            let said: Frame = self.tone[count % 40 * FRAME..][..FRAME].try_into().unwrap();
            self.receiver.packet(at + FLIGHT, self.far.frame(&said).unwrap()).unwrap();
            self.sent = (count + 1, at + self.far_pace);
        }
        let mut heard = SILENCE;
        self.receiver.frame(now, &mut heard);
        let pace = self.receiver.pace(8);
        self.paces = [self.paces[0].max(pace), self.paces[1].min(pace)];
        self.at += pace;
        (now, heard)
    }

    pub(crate) fn late(&self) -> u64 {
        self.receiver.stats().late
    }
}
