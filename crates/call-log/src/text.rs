//! What of a record can be searched, and how a typed line becomes conditions.

use protocol::{CallRecord, JourneyEvent};

/// A person types a few words; more is an accident.
const MAX_TERMS: usize = 8;
const MAX_TERM_CHARS: usize = 64;

/// One condition of a search.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// An FTS5 phrase, quoted.
    Match(String),
    /// A LIKE pattern, escaped with `\`: trigrams can't find fewer than three characters.
    Like(String),
}

pub(crate) fn terms(typed: &str) -> Vec<Term> {
    typed.split_whitespace().take(MAX_TERMS).map(|word| term(&clean(word))).collect()
}

fn clean(word: &str) -> String {
    word.chars().filter(|c| *c != '\0').take(MAX_TERM_CHARS).collect()
}

fn term(word: &str) -> Term {
    if word.chars().count() >= 3 {
        return Term::Match(format!("\"{}\"", word.replace('"', "\"\"")));
    }
    let escaped: String =
        word.chars().flat_map(|c| ['\\', c].into_iter().skip(usize::from(!"\\%_".contains(c)))).collect();
    Term::Like(format!("%{escaped}%"))
}

/// Names, numbers, departments and notes, one a line so that no phrase spans two.
pub(crate) fn searchable(record: &CallRecord) -> String {
    let mut lines = vec![record.caller.name.as_str(), &record.caller.number, &record.dialled];
    lines.extend(record.department.iter().map(|d| d.name.as_str()));
    lines.extend(record.agents.iter().map(|a| a.name.as_str()));
    lines.extend(record.voicemail.iter().map(|v| v.mailbox.as_str()));
    for step in &record.journey {
        match &step.what {
            JourneyEvent::TransferStarted { by, to, note, .. } => {
                lines.extend([by.name.as_str(), to.name()]);
                lines.extend(note.as_deref());
            }
            JourneyEvent::Rang { users } => lines.extend(users.iter().map(|u| u.name.as_str())),
            JourneyEvent::Queued { department } => lines.push(&department.name),
            JourneyEvent::TransferDoneOutside { number, .. } => lines.push(number),
            JourneyEvent::Consulted { with, .. } => lines.push(with.name()),
            JourneyEvent::Joined { with, .. } => lines.push(with),
            JourneyEvent::Arrived { .. }
            | JourneyEvent::Answered { .. }
            | JourneyEvent::Held { .. }
            | JourneyEvent::Resumed { .. }
            | JourneyEvent::TransferBounced { .. }
            | JourneyEvent::Recalled { .. }
            | JourneyEvent::TransferDone { .. }
            | JourneyEvent::VoicemailStarted { .. }
            | JourneyEvent::VoicemailLeft { .. }
            | JourneyEvent::Announced
            | JourneyEvent::TransferResumed { .. }
            | JourneyEvent::Ended { .. } => {}
        }
    }
    lines.join("\n")
}
