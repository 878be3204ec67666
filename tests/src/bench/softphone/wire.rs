//! What a relay with seeded loss and jitter does to a stream, and what a receiver without limits of time makes of it.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use media::{Codec, Decoder, FRAME, Frame, RtpSender, SenderConfig};

use super::peer::payload_type;

/// A network, uniform and without memory.
#[derive(Clone, Copy)]
pub struct Network {
    pub loss: f64,
    pub jitter_ms: f64,
    pub seed: u64,
}

/// A packet of the source: when it goes to the relay, and when that passes it on, if it does. Milliseconds.
pub struct Packet {
    pub sent_ms: f64,
    pub passed_on_ms: Option<f64>,
    bytes: Vec<u8>,
}

/// Sound received, with the time of each packet's first sample.
#[derive(Default)]
pub struct Received {
    packets: Vec<(f64, Vec<u8>)>,
}

const HEADER: usize = 12;

/// SplitMix64, 0 to 1.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `pcm` as our phones send it, and the fate of each packet.
pub fn packets(codec: Codec, pcm: &[i16], network: Network) -> Result<Vec<Packet>> {
    let mut state = network.seed.wrapping_mul(0x5851_f42d_4c95_7f2d);
    let config = SenderConfig {
        codec,
        payload_type: payload_type(codec),
        ssrc: network.seed as u32 | 1,
        dtmf_payload_type: None,
    };
    let mut sender = RtpSender::new(config)?;
    let mut packets = Vec::new();
    for (index, frame) in pcm.chunks_exact(FRAME).enumerate() {
        let frame: &Frame = frame.try_into()?;
        let Some(bytes) = sender.frame(frame).map(<[u8]>::to_vec) else { continue };
        let (lost, late_ms) = (random(&mut state) < network.loss, random(&mut state) * network.jitter_ms);
        let sent_ms = index as f64 * 20.0;
        packets.push(Packet { sent_ms, passed_on_ms: (!lost).then_some(sent_ms + late_ms), bytes });
    }
    Ok(packets)
}

/// Every packet that is ever passed on is played; the lost ones are repaired or concealed as the codec does it.
pub fn ideal(codec: Codec, packets: &[Packet]) -> Result<Vec<i16>> {
    let (mut decoder, mut pcm, mut missing) = (Decoder::new(codec)?, Vec::new(), 0);
    for packet in packets {
        let payload = &packet.bytes[HEADER..];
        if packet.passed_on_ms.is_none() {
            missing += 1;
            continue;
        }
        if missing > 0 {
            decoder.recover(payload, missing * FRAME, &mut pcm);
        }
        missing = 0;
        decoder.decode(payload, &mut pcm)?;
    }
    Ok(pcm)
}

/// The relay: passes the packets on in time, and takes what comes back until a moment after the last. It begins so long after
/// a packet of the phone, if asked to: how long a packet waits for the phone's next 20 ms is no luck then.
pub fn pass_on(socket: &UdpSocket, to: SocketAddr, packets: &[Packet], phase: Option<Duration>) -> Result<Received> {
    let mut order: Vec<(f64, &[u8])> =
        packets.iter().filter_map(|p| Some((p.passed_on_ms?, p.bytes.as_slice()))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    if phase.is_some() {
        wait_for_packet(socket)?;
    }
    let begun = Instant::now() + Duration::from_millis(20) + phase.unwrap_or_default();
    let at = |ms: f64| begun + Duration::from_secs_f64(ms / 1e3);
    let end = at(packets.last().map_or(0.0, |p| p.sent_ms) + 500.0);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let (mut received, mut space) = (Received::default(), [0; 2048]);
            while Instant::now() < end {
                if let Ok((length, _)) = socket.recv_from(&mut space)
                    && length > HEADER
                {
                    let now = Instant::now();
                    let ms = now.saturating_duration_since(begun).as_secs_f64() * 1e3;
                    received.packets.push((ms, space[..length].to_vec()));
                }
            }
            received
        });
        for (ms, bytes) in order {
            std::thread::sleep(at(ms).saturating_duration_since(Instant::now()));
            // A phone that is gone is noticed by what does not come back.
            let _gone = socket.send_to(bytes, to);
        }
        taking.join().map_err(|_| anyhow::anyhow!("the receiving thread panicked"))
    })
}

/// For one that comes now; those that had come before are forgotten.
fn wait_for_packet(socket: &UdpSocket) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut asked = Instant::now();
    // Whoever says nothing before it hears something has no phase yet.
    while socket.recv_from(&mut [0; 2048]).is_ok() && asked.elapsed() < Duration::from_millis(1) {
        asked = Instant::now();
    }
    Ok(())
}

impl Received {
    /// What the source sent, as if each packet were heard when it was sent.
    pub fn of_source(packets: &[Packet]) -> Self {
        Self { packets: packets.iter().map(|p| (p.sent_ms, p.bytes.clone())).collect() }
    }

    /// When the clicks are in this stream, milliseconds.
    pub fn clicks(&self, codec: Codec) -> Result<Vec<f64>> {
        let (mut decoder, mut pcm, mut starts) = (Decoder::new(codec)?, Vec::new(), Vec::new());
        for (ms, bytes) in &self.packets {
            let start = pcm.len();
            // A report, or what is no sound.
            if bytes[1] & 0x7f == payload_type(codec) && decoder.decode(&bytes[HEADER..], &mut pcm).is_ok() {
                starts.push((start, *ms));
            }
        }
        let time = |sample: usize| {
            let (start, ms) = starts[starts.partition_point(|(start, _)| *start <= sample) - 1];
            ms + (sample - start) as f64 / 48.0
        };
        Ok(super::sound::peaks(&pcm).into_iter().map(time).collect())
    }
}
