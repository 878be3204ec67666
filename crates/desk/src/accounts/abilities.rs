//! What the system of a plain account can do, in words. What needs an exchange is said, not hidden.

use super::{Ability, Has, PlainAccount, WatchedState};

impl PlainAccount {
    pub(super) fn abilities(&self) -> Vec<Ability> {
        let ability = |has, sentence: &str| Ability { has, sentence: sentence.to_owned() };
        vec![
            ability(
                Has::Yes,
                "Your own calls: make, answer, hold, several at once, and written down in Call Logs on this computer.",
            ),
            ability(
                Has::Yes,
                "Hand over your own calls, at once or after speaking with the colleague. If the system refuses, the caller is back with you.",
            ),
            self.shows_lines(),
            self.tells_messages(),
            ability(
                Has::No,
                "Calls of others, departments and their queues: a Patchcord exchange is needed for these.",
            ),
            ability(
                Has::No,
                "A forecast, a fallback and Undo for transfers: what happens when nobody answers is up to this system.",
            ),
            ability(
                Has::No,
                "Notes to the colleague and the audit of transfers: a Patchcord exchange is needed for these.",
            ),
        ]
    }

    fn shows_lines(&self) -> Ability {
        let refusal = self.watched.values().find_map(|(_, why)| why.clone());
        let seen = self.watched.values().any(|(state, _)| *state != WatchedState::Unknown);
        match (seen, refusal) {
            (true, _) => {
                Ability { has: Has::Yes, sentence: "Who is on the line: shown for the lines that you watch.".into() }
            }
            (false, Some(why)) => Ability { has: Has::No, sentence: format!("Who is on the line: {why}") },
            (false, None) => Ability {
                has: Has::Unknown,
                sentence:
                    "Who is on the line: add a colleague's number to watch, and it shows whether this system tells."
                        .into(),
            },
        }
    }

    fn tells_messages(&self) -> Ability {
        match self.messages {
            Some(_) => {
                Ability { has: Has::Yes, sentence: "Messages that wait in the mailbox: this system tells.".into() }
            }
            None => Ability {
                has: Has::Unknown,
                sentence: "Messages that wait in the mailbox: this system has not told of any yet.".into(),
            },
        }
    }
}
