//! Reference speech and clicks, and how what came of them is judged.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use media::{Codec, RATE};
use serde::{Deserialize, Serialize};

/// Of espeak-ng: one voice for each seed.
const VOICES: [(&str, &str); 3] = [("en-us", "150"), ("en-gb+f3", "145"), ("en+m4", "140")];
/// Two pieces of 8 s after the 4 s that are not judged, and a little more.
const SECONDS: usize = 21;
const TEXT: &str = "The quick brown fox jumps over the lazy dog. She sells sea shells by the sea shore. When the sunlight \
    strikes raindrops in the air, they act as a prism and form a rainbow. These take the shape of a long round arch, with its \
    path high above. Please call Stella, and ask her to bring these things with her from the store: six spoons of fresh snow \
    peas, five thick slabs of blue cheese, and maybe a snack for her brother Bob.";
/// Less than this is no click.
const LOUD: i16 = 3000;
const CLICK: usize = RATE as usize / 200;

#[derive(Serialize)]
pub struct Pair {
    reference: PathBuf,
    heard: PathBuf,
    mode: &'static str,
}

#[derive(Deserialize, Serialize, Clone, Copy, Default)]
pub struct Score {
    pub pesq: Option<f64>,
    pub stoi: Option<f64>,
}

/// Speech at 48 kHz.
pub fn speech(dir: &Path, voice: usize) -> Result<Vec<i16>> {
    let (name, speed) = VOICES[voice % VOICES.len()];
    let file = dir.join(format!("speech-{voice}.wav"));
    let said = Command::new("espeak-ng").args(["-v", name, "-s", speed, "-w"]).arg(&file).arg(TEXT).status();
    ensure!(
        said.context("espeak-ng is not installed; run: cargo xtask bench softphone")?.success(),
        "espeak-ng has failed"
    );
    let mut pcm = media::wav::parse(&std::fs::read(&file)?)?;
    pcm.resize(SECONDS * RATE as usize, 0);
    Ok(pcm)
}

/// Clicks of 5 ms, a little more than half a second apart, so that they fall anywhere in a frame.
pub fn clicks() -> Vec<i16> {
    let mut pcm = vec![0; SECONDS * RATE as usize];
    for start in (24_000..pcm.len() - 24_000).step_by(25_234) {
        for (i, sample) in pcm[start..start + CLICK].iter_mut().enumerate() {
            let turn = i as f64 / CLICK as f64 * std::f64::consts::PI;
            *sample = (14_000.0 * turn.sin() * (15.0 * turn).sin()) as i16;
        }
    }
    pcm
}

/// Where clicks are loudest.
pub fn peaks(pcm: &[i16]) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(start) = pcm[at..].iter().position(|sample| sample.unsigned_abs() > LOUD.unsigned_abs()) {
        let start = at + start;
        let end = (start + 2 * CLICK).min(pcm.len());
        found.extend((start..end).max_by_key(|&i| pcm[i].unsigned_abs()));
        at = (start + 9600).min(pcm.len());
    }
    found
}

/// Writes a pair to be scored, at the rate that the codec carries.
pub fn pair(dir: &Path, name: &str, codec: Codec, reference: &[i16], heard: &[i16]) -> Result<Pair> {
    let (rate, mode) = if codec == Codec::Opus { (16_000, "wb") } else { (8000, "nb") };
    let write = |what: &str, pcm: &[i16]| -> Result<PathBuf> {
        let path = dir.join(format!("{name}-{what}.wav"));
        std::fs::write(&path, media::wav::write(pcm, rate))?;
        Ok(path)
    };
    Ok(Pair { reference: write("reference", reference)?, heard: write("heard", heard)?, mode })
}

/// PESQ and STOI by the public implementations.
pub fn score(pairs: &[Pair]) -> Result<Vec<Score>> {
    let program = python()?;
    let mut command = Command::new(program);
    command.args(["-c", include_str!("score.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("starting Python")?;
    serde_json::to_writer(child.stdin.take().context("no standard input")?, pairs)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the scores could not be computed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A Python that has them, in a folder of its own, made when first needed.
fn python() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let target = me.ancestors().nth(2).context("no target folder")?;
    let python = target.join("bench-venv/bin/python");
    let ready = || Command::new(&python).args(["-c", "import pesq, pystoi"]).stderr(Stdio::null()).status();
    if ready().is_ok_and(|status| status.success()) {
        return Ok(python);
    }
    eprintln!("Installing pesq and pystoi from PyPI into {}", target.join("bench-venv").display());
    let made =
        Command::new("python3").args(["-m", "venv"]).arg(target.join("bench-venv")).stdout(Stdio::null()).status()?;
    ensure!(made.success(), "python3-venv is not installed; run: cargo xtask bench softphone");
    // pesq is built from source and wants numpy and Cython first.
    for packages in [&["numpy", "cython", "setuptools", "wheel"][..], &["pesq==0.0.4", "pystoi==0.4.1"]] {
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet"]).args(packages);
        let installed = install.stdout(Stdio::null()).status()?;
        ensure!(installed.success(), "pip could not install {packages:?}");
    }
    Ok(python)
}
