//! The time line that a demo tells: who did what, when, in milliseconds since it began.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Serialize)]
struct Moment {
    t_ms: u64,
    who: String,
    what: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Collects moments and figures; written as `story.json`, also when a step failed.
pub struct Story {
    begun_ms: u64,
    moments: Vec<Moment>,
    figures: Map<String, Value>,
}

impl Story {
    pub fn begin() -> Self {
        Self { begun_ms: now_ms(), moments: Vec::new(), figures: Map::new() }
    }

    /// Notes something that happens now.
    pub fn tell(&mut self, who: &str, what: &str) {
        self.tell_at(now_ms(), who, what, &json!({}));
    }

    /// Notes something that happened at `at_ms` (Unix), with figures of its own.
    pub fn tell_at(&mut self, at_ms: u64, who: &str, what: &str, more: &Value) {
        let t_ms = at_ms.saturating_sub(self.begun_ms);
        eprintln!(
            "{:>7} ms  {who}: {what}{}",
            t_ms,
            if *more == json!({}) { String::new() } else { format!(" {more}") }
        );
        let more = more.as_object().cloned().unwrap_or_default();
        self.moments.push(Moment { t_ms, who: who.to_owned(), what: what.to_owned(), more });
    }

    /// Notes a measured figure under a name.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Writes the story; `failure` says at which step it ended early.
    pub fn write(&mut self, file: &Path, failure: Option<&str>) -> Result<()> {
        self.moments.sort_by_key(|m| m.t_ms);
        let story = json!({
            "ok": failure.is_none(),
            "failed_at": failure,
            "figures": self.figures,
            "timeline": self.moments,
        });
        std::fs::write(file, serde_json::to_string_pretty(&story)?)?;
        Ok(())
    }
}

/// This moment, Unix milliseconds.
pub fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
