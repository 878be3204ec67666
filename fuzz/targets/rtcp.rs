//! A compound RTCP packet, to a call under way.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media::{Codec, LegMeter, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig, rtcp};

fuzz_target!(|data: &[u8]| {
    let config = SenderConfig { codec: Codec::Pcmu, payload_type: 0, ssrc: 0x1234_5678, dtmf_payload_type: None };
    let Ok(mut sender) = RtpSender::new(config) else { return };
    let mut receiver =
        RtpReceiver::new(&ReceiverConfig { payload_types: vec![(0, Codec::Pcmu)], ..Default::default() });
    if let Some(packet) = sender.frame(&SILENCE) {
        let _ = receiver.packet(Duration::ZERO, packet);
    }
    let now = Duration::from_secs(5);
    let _ = rtcp::is_rtcp(data);
    let _ = rtcp::read(now, data, &mut sender, &mut receiver);
    if let Some(loss) = sender.remote_loss() {
        assert!((0.0..=100.0).contains(&loss), "a loss of {loss}");
    }
    let mut meter = LegMeter::default();
    let mut ours = Vec::new();
    rtcp::report(now, "x", &sender, &mut receiver, &mut ours);
    meter.report_sent(now, &ours);
    meter.report_arrived(now + Duration::from_millis(50), data, 8000);
    let _ = meter.sounded();
});
