//! Colleagues' lines (RFC 4235) and the mailbox (RFC 3842), as far as the account's system tells of them.

use super::settings::{AccountKey, MAX_WATCHED, WatchedLine};
use super::{MessagesView, PlainAccount, WatchedState, WatchedView};
use crate::owner::Owner;
use crate::phones::LineNo;
use crate::{LinkState, Tone};

const MAX_CHARS: usize = 80;

impl Owner {
    pub(crate) fn watch_line(&mut self, key: &AccountKey, number: &str, name: &str) {
        let tidy = |text: &str| -> String { text.trim().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect() };
        let line = WatchedLine { number: tidy(number), name: tidy(name) };
        if line.number.is_empty() {
            return self.note(Tone::Bad, "Write the number of the line to watch.");
        }
        let Some(account) = self.accounts.list.iter_mut().find(|account| account.settings.key == *key) else { return };
        let watched = account.settings.watched.len();
        match account.settings.watched.iter_mut().find(|known| known.number == line.number) {
            Some(known) => known.name = line.name,
            None if watched >= MAX_WATCHED => {
                let sentence =
                    format!("No more than {MAX_WATCHED} lines can be watched: remove one that you need no more.");
                return self.note(Tone::Bad, sentence);
            }
            None => {
                if let Some(device) = &account.device {
                    device.watch(&line.number);
                }
                account.settings.watched.push(line);
            }
        }
        self.keep_watched(key);
    }

    pub(crate) fn unwatch_line(&mut self, key: &AccountKey, number: &str) {
        let Some(account) = self.accounts.list.iter_mut().find(|account| account.settings.key == *key) else { return };
        account.settings.watched.retain(|line| line.number != number);
        account.watched.remove(number);
        if let Some(device) = &account.device {
            device.unwatch(number);
        }
        self.keep_watched(key);
    }

    fn keep_watched(&mut self, key: &AccountKey) {
        let Some(account) = self.accounts.of_key(key) else { return };
        let watched = account.settings.watched.clone();
        if let Some(kept) = self.settings.accounts.iter_mut().find(|kept| kept.key == *key) {
            kept.watched = watched;
        }
        self.save_settings();
        self.refresh_own_targets();
    }

    pub(crate) fn line_watched(&mut self, line: LineNo, number: String, state: softphone::WatchedState) {
        let Some(account) = self.accounts.of_line_mut(line) else { return };
        let known = match state {
            softphone::WatchedState::Idle => (WatchedState::Free, None),
            softphone::WatchedState::Ringing => (WatchedState::Ringing, None),
            softphone::WatchedState::Talking => (WatchedState::OnCall, None),
            softphone::WatchedState::Unknown { why } => (WatchedState::Unknown, Some(why)),
        };
        account.watched.insert(number, known);
        self.refresh_own_targets();
    }

    pub(crate) fn line_messages(&mut self, line: LineNo, waiting: bool, new: Option<u32>) {
        let Some(account) = self.accounts.of_line_mut(line) else { return };
        account.messages = Some(MessagesView { waiting, new });
    }
}

impl PlainAccount {
    /// What was heard of a line is not shown while nothing more can be heard.
    pub(super) fn watched_view(&self) -> Vec<WatchedView> {
        let deaf = matches!(self.state, LinkState::Down { .. })
            .then(|| (WatchedState::Unknown, Some(format!("{} is not registered.", self.settings.shown_name()))));
        let shown = |line: &WatchedLine| {
            let heard = || self.watched.get(&line.number).cloned().unwrap_or((WatchedState::Unknown, None));
            let (state, why) = deaf.clone().unwrap_or_else(heard);
            let name = if line.name.is_empty() { line.number.clone() } else { line.name.clone() };
            WatchedView { number: line.number.clone(), name, state, why }
        };
        self.settings.watched.iter().map(shown).collect()
    }
}
