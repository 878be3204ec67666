//! Golden transcripts: what went over each peer's wire, without anything that chance or time decides, compared with a
//! committed file. `UPDATE_GOLDEN=1` writes the files anew.
//!
//! A *lane* is one peer; its calls are numbered as they began. Within a call stand the transactions in the order in which they began, each
//! with all that belongs to it on one line. Nothing is said about the order between lanes: that is chance.

mod message;
mod transcript;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::phone::Phone;
use crate::sound::repository;

pub use message::{Message, Way};

/// One peer's messages in the order in which it saw them.
pub struct Lane {
    pub name: String,
    /// Whom it talks with.
    pub with: &'static str,
    pub messages: Vec<(Way, Message)>,
}

impl Lane {
    /// The end of a phone: it hangs up, signs off, and its trace is whole.
    pub async fn of(phone: Phone) -> Result<Self> {
        let name = phone.program.name.clone();
        let file = phone.trace.clone().with_context(|| format!("{name} keeps no trace"))?;
        phone.stop().await?;
        Self::traced(&name, &file)
    }

    /// From `patchcord-phone --trace FILE`.
    pub fn traced(name: &str, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut messages = Vec::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| file.display().to_string())?;
            let way = if line["dir"] == "out" { Way::Out } else { Way::In };
            messages.extend(Message::read(line["text"].as_str().unwrap_or_default()).map(|m| (way, m)));
        }
        Ok(Self { name: name.to_owned(), with: "exchange", messages })
    }

    /// From the file of SIPp's `-trace_msg`: blocks of a dashed line with the time, "UDP message sent (N bytes):" or
    /// "received", and the message.
    pub fn sipp(name: &str, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut messages = Vec::new();
        for block in text.split("\n----------------------------------------------- ") {
            let Some((head, message)) = block.split_once(":\n\n").or_else(|| block.split_once(":\r\n\r\n")) else {
                continue;
            };
            let way = if head.contains("message sent") { Way::Out } else { Way::In };
            messages.extend(Message::read(message).map(|m| (way, m)));
        }
        Ok(Self { name: name.to_owned(), with: "exchange", messages })
    }

    /// From what `baresip -s` prints: between other lines, blocks of a line with `#`, "UDP FROM -> TO", and the message, in
    /// colour. The first one it sends.
    pub fn baresip(name: &str, file: &Path) -> Result<Self> {
        let text =
            String::from_utf8_lossy(&std::fs::read(file).with_context(|| file.display().to_string())?).into_owned();
        let blocks = text.split("\u{1b}[36;1m#\n").skip(1).filter_map(|block| block.split("\u{1b}[;m").next());
        let blocks: Vec<(&str, &str)> = blocks.filter_map(|block| block.split_once('\n')).collect();
        let us = blocks
            .first()
            .and_then(|(head, _)| head.split(' ').nth(1))
            .with_context(|| format!("{name} said nothing"))?;
        let way = |head: &str| if head.split(' ').nth(1) == Some(us) { Way::Out } else { Way::In };
        let messages = blocks.iter().filter_map(|(head, message)| Some((way(head), Message::read(message)?))).collect();
        Ok(Self { name: name.to_owned(), with: "exchange", messages })
    }
}

/// Compares what went over these wires with `flows/golden/NAME.txt`.
pub fn compare(name: &str, lanes: &[Lane]) -> Result<()> {
    agree(name, transcript::of(lanes))
}

/// The same where the wires lose, double and reorder.
pub fn compare_lossy(name: &str, lanes: &[Lane]) -> Result<()> {
    agree(name, transcript::lossy(lanes))
}

fn agree(name: &str, found: String) -> Result<()> {
    let file = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().context("no folder")?)?;
        return Ok(std::fs::write(file, found)?);
    }
    let wanted = std::fs::read_to_string(&file).with_context(|| {
        format!("no {}; write it with UPDATE_GOLDEN=1. This went over the wire:\n{found}", file.display())
    })?;
    if found != wanted {
        bail!(
            "the wire differs from {} (- wanted, + found; UPDATE_GOLDEN=1 takes it over):\n{}",
            file.display(),
            difference(&wanted, &found)
        );
    }
    Ok(())
}

fn golden(name: &str) -> PathBuf {
    repository().join("tests/flows/golden").join(format!("{name}.txt"))
}

/// All lines of both, those of one only marked: the longest common subsequence is what stays.
fn difference(wanted: &str, found: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), found.lines().collect());
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push(format!("  {}", a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("- {}", a[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_is_missing_and_what_is_new() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc\nd"), "  a\n- b\n+ x\n  c\n+ d");
        assert_eq!(difference("same", "same"), "  same");
    }
}
