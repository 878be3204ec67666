//! What is wrong with a configuration file, where, and what to do about it.

use std::{fmt, ops::Range, path::PathBuf};

/// One mistake. Displays without the file's name; [`Mistakes`] puts that in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub what: String,
    pub remedy: String,
}

/// Every mistake found in one file, in the order of the file. Displays as `file:line:column: what; remedy`, one a line.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes {
    pub file: PathBuf,
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, m) in self.list.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{}:{}: {}; {}", self.file.display(), m.line, m.column, m.what, m.remedy)?;
        }
        Ok(())
    }
}

/// Mistakes while they are being collected: positions are still byte offsets.
#[derive(Default)]
pub(super) struct Found(Vec<(usize, String, String)>);

impl Found {
    pub fn say(&mut self, at: &Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push((at.start, what.into(), remedy.into()));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_mistakes(mut self, file: PathBuf, text: &str) -> Mistakes {
        self.0.sort_by_key(|(at, ..)| *at);
        let list = self.0.into_iter().map(|(at, what, remedy)| {
            let (line, column) = place(text, at);
            Mistake { line, column, what, remedy }
        });
        Mistakes { list: list.collect(), file }
    }
}

/// Line and column, both from 1, of a byte offset.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before: &str = (0..=at.min(text.len())).rev().find_map(|i| text.get(..i)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_counts_characters_and_survives_any_offset() {
        let text = "a = 1\nå = \"é\" x\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, text.find('x').unwrap_or(0)), (2, 9));
        assert_eq!(place(text, 7), (2, 1), "inside a character: its start");
        assert_eq!(place(text, 999), (3, 1));
    }
}
