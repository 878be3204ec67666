//! What a call costs, beside a loop that does nothing else; and what idling costs.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flows::program::memory_mb;
use media::{Codec, Decoder, Encoder, FRAME};
use serde_json::{Value, json};
use tokio::process::Command;

use super::peer::Peer;
use super::phones::{Ear, Measured};
use super::wire::{self, Network};
use super::{row, signalling, sound};

const CALL: Duration = Duration::from_secs(12);
/// How long system calls are counted, seconds.
const COUNTED: u32 = 5;
const IDLE: Duration = Duration::from_secs(30);

pub async fn rows(dir: &Path) -> Result<Vec<Value>> {
    let mut rows = idle(dir).await?;
    let pcmu = call(dir, Codec::Pcmu).await?;
    let opus = call(dir, Codec::Opus).await?;
    let per_second = |call: &Call, ns: f64| ns / 1e6 / call.seconds;
    for (call, name, goal, most) in [
        (&pcmu, "CPU per call-second, PCMU", "≤ 2.0 × a bare one-thread G.711 loop", 2.0),
        (&opus, "CPU per call-second, Opus complexity 5", "≤ 1.4 × codec and that loop", 1.4),
    ] {
        let times = call.ours_ns / call.bare_ns;
        let figure = |ns: f64| json!({ "ms": per_second(call, ns), "times": ns / call.bare_ns });
        rows.push(row(name, figure(call.ours_ns), figure(call.bare_ns), figure(call.baresip_ns), goal, times <= most));
    }
    let [calls, their_calls] = pcmu.syscalls;
    let met = calls.is_some_and(|calls| calls <= 300.0);
    rows.push(row("syscalls per second in a PCMU call", json!(calls), Value::Null, json!(their_calls), "≤ 300", met));
    let met = opus.memory_mb <= 15.0;
    rows.push(row(
        "memory in an Opus call, MB",
        json!(opus.memory_mb),
        Value::Null,
        json!(opus.baresip_mb),
        "≤ 15",
        met,
    ));
    Ok(rows)
}

/// Ours and baresip at the same time, once the start's own work is over.
async fn idle(dir: &Path) -> Result<Vec<Value>> {
    eprintln!("idle …");
    let (peer, their_peer) = (Peer::new()?, Peer::new()?);
    let (mut phone, _) = signalling::registered(dir, &peer).await?;
    let (mut baresip, _) = signalling::baresip_registered(dir, &their_peer)?;
    let ids = [phone.id().context("the phone has ended")?, baresip.id().context("baresip has ended")?];
    let wait = || {
        std::thread::scope(|scope| {
            let serving = [&peer, &their_peer].map(|peer| scope.spawn(|| signalling::serve(peer, IDLE)));
            serving
                .into_iter()
                .try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("the server's thread panicked"))?)
        })
    };
    tokio::task::block_in_place(wait)?;
    let (before, begun) = ([Spent::of(ids[0])?, Spent::of(ids[1])?], Instant::now());
    tokio::task::block_in_place(wait)?;
    let seconds = begun.elapsed().as_secs_f64();
    let figures = |id: u32, before: &Spent| -> Result<[f64; 3]> {
        let now = Spent::of(id)?;
        let cpu_ms = (now.cpu_ns - before.cpu_ns) / 1e6 * 60.0 / seconds;
        Ok([cpu_ms, (now.wake_ups - before.wake_ups) / seconds, memory_mb(id)?])
    };
    let (ours, theirs) = (figures(ids[0], &before[0])?, figures(ids[1], &before[1])?);
    phone.kill().await?;
    baresip.kill().await?;
    let cases = [
        ("idle, registered, from 30 to 60 s after the start: CPU ms per minute", "≤ 20", 20.0),
        ("idle, registered, from 30 to 60 s after the start: wake-ups per second", "≤ 10", 10.0),
        ("memory idle, MB", "≤ 10", 10.0),
    ];
    let row = |(i, (case, goal, most)): (usize, (&str, &str, f64))| {
        row(case, json!(ours[i]), Value::Null, json!(theirs[i]), goal, ours[i] <= most)
    };
    Ok(cases.into_iter().enumerate().map(row).collect())
}

/// By all threads, since they began.
struct Spent {
    cpu_ns: f64,
    wake_ups: f64,
}

impl Spent {
    fn of(id: u32) -> Result<Self> {
        Ok(Self { cpu_ns: cpu_ns(id)?, wake_ups: wake_ups(id)? })
    }
}

/// CPU of one call's time, nanoseconds.
struct Call {
    seconds: f64,
    ours_ns: f64,
    baresip_ns: f64,
    bare_ns: f64,
    memory_mb: f64,
    baresip_mb: f64,
    /// Per second, ours and baresip's.
    syscalls: [Option<f64>; 2],
}

/// The same speech to our phone, to baresip and to the bare loop, at the same time; each sends back what it hears.
async fn call(dir: &Path, codec: Codec) -> Result<Call> {
    eprintln!("cost of {} …", codec.name());
    let speech = sound::speech(dir, 0)?;
    let packets = wire::packets(codec, &speech, Network { loss: 0.0, jitter_ms: 0.0, seed: 1 })?;
    let ours = Measured::ours(dir, "ours-cost", codec, Ear::Echoes).await?;
    let theirs = Measured::baresip(dir, "baresip-cost", codec, Ear::Echoes)?;
    let bare = UdpSocket::bind("127.0.0.1:0")?;
    let bare_address = bare.local_addr()?;
    let (one, other, third) = (Peer::new()?, Peer::new()?, Peer::new()?);
    let dialogs = tokio::task::block_in_place(|| {
        anyhow::Ok([one.call(ours.address, codec, true)?, other.call(theirs.address, codec, true)?])
    })?;
    let destinations = [dialogs[0].remote_rtp()?, dialogs[1].remote_rtp()?];
    let (id, their_id) = (ours.id()?, theirs.id()?);
    let strace = [id, their_id].map(|id| (codec == Codec::Pcmu).then(|| tokio::spawn(syscalls(id, CALL))));
    let mut cost = None;
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| -> Result<()> {
            scope.spawn(|| wire::pass_on(&one.rtp, destinations[0], &packets, None));
            scope.spawn(|| wire::pass_on(&other.rtp, destinations[1], &packets, None));
            scope.spawn(|| wire::pass_on(&third.rtp, bare_address, &packets, None));
            let looped = scope.spawn(|| bare_loop(&bare, codec));
            std::thread::sleep(Duration::from_secs(1));
            let (before, begun) = ([cpu_ns(id)?, cpu_ns(their_id)?], Instant::now());
            std::thread::sleep(CALL);
            let seconds = begun.elapsed().as_secs_f64();
            let used = [cpu_ns(id)? - before[0], cpu_ns(their_id)? - before[1]];
            let memory = [memory_mb(id)?, memory_mb(their_id)?];
            let (bare_ns, bare_seconds) = looped.join().map_err(|_| anyhow::anyhow!("the bare loop panicked"))??;
            cost = Some(Call {
                seconds,
                ours_ns: used[0],
                baresip_ns: used[1],
                bare_ns: bare_ns * seconds / bare_seconds,
                memory_mb: memory[0],
                baresip_mb: memory[1],
                syscalls: [None; 2],
            });
            Ok(())
        })
    })?;
    let mut cost = cost.context("not measured")?;
    for (counted, strace) in cost.syscalls.iter_mut().zip(strace) {
        if let Some(strace) = strace {
            *counted = strace.await??;
        }
    }
    ours.stop().await?;
    theirs.stop().await?;
    Ok(cost)
}

/// Takes a packet, decodes it, encodes it, sends it back: its own CPU time, nanoseconds, and how long it ran, seconds.
/// G.711 stays at 8 kHz, with no resampling.
fn bare_loop(socket: &UdpSocket, codec: Codec) -> Result<(f64, f64)> {
    let (mut decoder, mut encoder) = (Decoder::new(Codec::Opus)?, Encoder::new(Codec::Opus)?);
    let (mut narrow_in, mut narrow_out) =
        (audio_codec::pcmu::PcmuDecoder::new(), audio_codec::pcmu::PcmuEncoder::new());
    let (mut space, mut pcm, mut payload) = ([0; 2048], Vec::new(), Vec::new());
    let thread = "/proc/thread-self/schedstat";
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (before, begun) = (run_ns(thread)?, Instant::now());
    while begun.elapsed() < CALL {
        let (length, from) = socket.recv_from(&mut space)?;
        ensure!(length > 12, "no packet");
        let sound = &space[12..length];
        pcm.clear();
        payload.clear();
        payload.extend_from_slice(&space[..12]);
        if codec == Codec::Opus {
            decoder.decode(sound, &mut pcm)?;
            let frame: &[i16; FRAME] = pcm.as_slice().try_into()?;
            encoder.encode(frame, &mut payload)?;
        } else {
            use audio_codec::{Decoder as _, Encoder as _};
            payload.extend_from_slice(&narrow_out.encode(&narrow_in.decode(sound)));
        }
        socket.send_to(&payload, from)?;
    }
    Ok((run_ns(thread)? - before, begun.elapsed().as_secs_f64()))
}

/// Per second, counted once the CPU time has been measured: strace would count as the phone's.
async fn syscalls(id: u32, after: Duration) -> Result<Option<f64>> {
    tokio::time::sleep(after + Duration::from_secs(2)).await;
    let mut command = Command::new("timeout");
    command.args(["--signal=INT", &COUNTED.to_string(), "strace", "-c", "-f", "-p", &id.to_string()]);
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .context("strace is not installed; run: cargo xtask bench softphone")?;
    let text = String::from_utf8_lossy(&output.stderr);
    // "100.00    0.012345           6      1985        12 total"
    let total = text.lines().rfind(|line| line.trim_end().ends_with("total"));
    let count = total.and_then(|line| line.split_whitespace().nth(3)).and_then(|count| count.parse::<f64>().ok());
    Ok(count.map(|count| count / f64::from(COUNTED)))
}

/// CPU time of all threads, nanoseconds.
fn cpu_ns(id: u32) -> Result<f64> {
    tasks(id)?.iter().map(|task| run_ns(&format!("{task}/schedstat"))).sum()
}

fn run_ns(schedstat: &str) -> Result<f64> {
    let text = std::fs::read_to_string(schedstat)?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// How often any thread gave the CPU up to wait for something.
fn wake_ups(id: u32) -> Result<f64> {
    let count = |task: &String| -> Result<f64> {
        let status = std::fs::read_to_string(format!("{task}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Ok(line.unwrap_or_default().trim().parse()?)
    };
    tasks(id)?.iter().map(count).sum()
}

fn tasks(id: u32) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(format!("/proc/{id}/task"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned())).collect())
}
