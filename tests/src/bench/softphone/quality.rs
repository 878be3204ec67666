//! PESQ, STOI, delay and lost clicks under seeded loss and jitter.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use media::Codec;
use serde_json::{Value, json};

use super::peer::Peer;
use super::phones::{Ear, Measured};
use super::sound::{self, Score};
use super::wire::{self, Network, Received};
use super::{quantile, row};

/// Several, so that nothing is tuned to one; each with another voice. The median counts.
const SEEDS: [u64; 3] = [11, 12, 13];
/// Clicks before are the receiver's time to learn, milliseconds.
const LEARNT_MS: f64 = 4000.0;

struct Case {
    name: &'static str,
    codec: Codec,
    loss: f64,
    jitter_ms: f64,
    least_pesq: Option<f64>,
    most_delay_ms: Option<f64>,
    no_click_lost: bool,
}

const fn case(name: &'static str, codec: Codec, loss: f64, jitter_ms: f64) -> Case {
    Case { name, codec, loss, jitter_ms, least_pesq: None, most_delay_ms: None, no_click_lost: false }
}

const CASES: [Case; 6] = [
    Case {
        least_pesq: Some(2.70),
        most_delay_ms: Some(95.0),
        ..case("Opus, 10 % loss + 0–60 ms", Codec::Opus, 0.1, 60.0)
    },
    Case {
        least_pesq: Some(3.20),
        most_delay_ms: Some(85.0),
        no_click_lost: true,
        ..case("Opus, 0–60 ms", Codec::Opus, 0.0, 60.0)
    },
    Case { least_pesq: Some(2.80), ..case("Opus, 10 % loss", Codec::Opus, 0.1, 0.0) },
    Case {
        least_pesq: Some(2.60),
        most_delay_ms: Some(85.0),
        ..case("PCMU, 10 % loss + 0–60 ms", Codec::Pcmu, 0.1, 60.0)
    },
    Case { most_delay_ms: Some(20.0), ..case("PCMU, clean", Codec::Pcmu, 0.0, 0.0) },
    Case { most_delay_ms: Some(35.0), ..case("Opus, clean", Codec::Opus, 0.0, 0.0) },
];

/// All calls of one phone in one case.
#[derive(Default)]
struct Heard {
    scores: Vec<Score>,
    delays: Vec<f64>,
    clicks: usize,
    clicks_lost: usize,
}

pub async fn rows(dir: &Path) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for case in &CASES {
        eprintln!("{} …", case.name);
        let (mut ours, mut baresip, mut ideal) = (Heard::default(), Heard::default(), Heard::default());
        for (voice, seed) in SEEDS.into_iter().enumerate() {
            measure(dir, case, voice, seed, [&mut ours, &mut baresip, &mut ideal]).await?;
        }
        let met = case.met(&ours);
        rows.push(row(case.name, ours.report(), ideal.report(), baresip.report(), &case.goal(), met));
    }
    Ok(rows)
}

/// Four calls at once: speech and clicks, with our phone and with baresip.
async fn measure(dir: &Path, case: &Case, voice: usize, seed: u64, into: [&mut Heard; 3]) -> Result<()> {
    let network = Network { loss: case.loss, jitter_ms: case.jitter_ms, seed };
    let speech = sound::speech(dir, voice)?;
    let said = wire::packets(case.codec, &speech, network)?;
    let clicked = wire::packets(case.codec, &sound::clicks(), network)?;
    let codec = case.codec;
    // A place of its own for each call: baresip adds its recordings to those that are there.
    let name = |what: &str| format!("{what}-{}-{}-{}-{seed}", codec.name(), case.loss, case.jitter_ms);
    let ours = [
        Measured::ours(dir, &name("ours-speech"), codec, Ear::Records).await?,
        Measured::ours(dir, &name("ours-clicks"), codec, Ear::Echoes).await?,
    ];
    let theirs = [
        Measured::baresip(dir, &name("baresip-speech"), codec, Ear::Records)?,
        Measured::baresip(dir, &name("baresip-clicks"), codec, Ear::Echoes)?,
    ];
    // In the middle of each third of a frame.
    let phase = Some(Duration::from_micros(20_000 * (2 * voice as u64 + 1) / (2 * SEEDS.len() as u64)));
    let call = |phone: &Measured, packets: &[wire::Packet]| -> Result<Received> {
        let peer = Peer::new()?;
        let dialog = peer.call(phone.address, codec, true)?;
        let received = wire::pass_on(&peer.rtp, dialog.remote_rtp()?, packets, phase)?;
        dialog.bye()?;
        Ok(received)
    };
    let heard = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let calls = [(&ours[0], &said), (&ours[1], &clicked), (&theirs[0], &said), (&theirs[1], &clicked)];
            let calls = calls.map(|(phone, packets)| scope.spawn(move || call(phone, packets)));
            calls.map(|call| call.join().unwrap_or_else(|_| anyhow::bail!("a call's thread panicked")))
        })
    });
    let [speech_ours, clicks_ours, speech_theirs, clicks_theirs] = heard;
    speech_ours?;
    let source = Received::of_source(&clicked).clicks(codec)?;
    into[0].note_clicks(&source, &clicks_ours?.clicks(codec)?);
    // A peer that fails leaves its column empty.
    match speech_theirs.and(clicks_theirs) {
        Ok(clicks) => into[1].note_clicks(&source, &clicks.clicks(codec)?),
        Err(error) => eprintln!("baresip: {error}"),
    }
    let [ours, ours_clicks] = ours;
    let [theirs, theirs_clicks] = theirs;
    ours_clicks.stop().await?;
    theirs_clicks.stop().await?;
    let recordings = [ours.stop().await?, theirs.stop().await?, wire::ideal(codec, &said)?];
    let pairs =
        recordings.iter().enumerate().map(|(i, pcm)| sound::pair(dir, &format!("{seed}-{i}"), codec, &speech, pcm));
    let mut scores = sound::score(&pairs.collect::<Result<Vec<_>>>()?)?;
    if case.loss > 0.0 {
        // baresip records no sound in the place of a lost frame, so the score is not that of what it played.
        scores[1] = Score::default();
    }
    for (heard, score) in into.into_iter().zip(scores) {
        heard.scores.push(score);
    }
    Ok(())
}

impl Case {
    fn goal(&self) -> String {
        let mut goals = Vec::new();
        goals.extend(self.least_pesq.map(|least| format!("PESQ ≥ {least:.2}")));
        goals.extend(self.most_delay_ms.map(|most| format!("median delay ≤ {most} ms")));
        goals.extend(self.no_click_lost.then(|| "no click lost".to_owned()));
        goals.join(", ")
    }

    fn met(&self, heard: &Heard) -> bool {
        self.least_pesq.is_none_or(|least| heard.median(|s| s.pesq) >= Some(least))
            && self.most_delay_ms.is_none_or(|most| quantile(&heard.delays, 0.5).is_some_and(|delay| delay <= most))
            && (!self.no_click_lost || heard.clicks_lost == 0)
    }
}

impl Heard {
    /// Delay counts from when the source sent, so the network's jitter is in it.
    fn note_clicks(&mut self, source: &[f64], heard: &[f64]) {
        for click in source.iter().filter(|click| **click > LEARNT_MS) {
            self.clicks += 1;
            match heard.iter().map(|at| at - click).find(|delay| (-5.0..450.0).contains(delay)) {
                Some(delay) => self.delays.push(delay),
                None => self.clicks_lost += 1,
            }
        }
    }

    /// Of the seeds.
    fn median(&self, of: impl Fn(&Score) -> Option<f64>) -> Option<f64> {
        quantile(&self.scores.iter().filter_map(of).collect::<Vec<_>>(), 0.5)
    }

    fn report(&self) -> Value {
        json!({
            "pesq": self.median(|s| s.pesq),
            "stoi": self.median(|s| s.stoi),
            "delay_ms": { "median": quantile(&self.delays, 0.5), "p95": quantile(&self.delays, 0.95) },
            "clicks": self.clicks,
            "clicks_lost": self.clicks_lost,
        })
    }
}
