//! Lines and mailboxes that this phone watches (RFC 4235, RFC 3842).

use std::collections::BTreeMap;

use sip::{DialogState, MessageSummary, Package, Subscription, SubscriptionEvent, SubscriptionKey, WatchedDialog};

use super::Owner;
use crate::event::{PhoneEvent, WatchedState};
use crate::incoming::cleaned;

/// What we ask of a notifier, seconds: half of it passes before a restart that nobody told us of is noticed.
const EXPIRES: u32 = 600;
/// Lines watched at once: more than fit on a screen.
const MAX_WATCHED: usize = 200;

/// What is watched, and by which subscription. One that was refused for good has none until we register anew.
#[derive(Debug, Default)]
pub(super) struct Watches {
    lines: BTreeMap<String, Option<SubscriptionKey>>,
    messages: Option<Option<SubscriptionKey>>,
}

impl Owner {
    pub(super) fn watch_line(&mut self, number: String) {
        if self.watches.lines.contains_key(&number) {
            return;
        }
        if self.watches.lines.len() >= MAX_WATCHED {
            return self.tell_unknown(&number, format!("No more than {MAX_WATCHED} lines can be watched at once."));
        }
        match self.subscribe(&number, Package::Dialog) {
            Ok(key) => _ = self.watches.lines.insert(number, Some(key)),
            Err(sentence) => self.tell_unknown(&number, sentence),
        }
    }

    pub(super) fn unwatch_line(&mut self, number: &str) {
        if let Some(Some(key)) = self.watches.lines.remove(number) {
            self.endpoint.unsubscribe(key);
        }
    }

    pub(super) fn watch_messages(&mut self) {
        if self.watches.messages.is_none() && self.account.is_some() {
            self.watches.messages = Some(self.subscribe_to_messages());
        }
    }

    fn subscribe_to_messages(&self) -> Option<SubscriptionKey> {
        self.subscribe(self.us.uri.user(), Package::MessageSummary).ok()
    }

    fn subscribe(&self, number: &str, package: Package) -> Result<SubscriptionKey, String> {
        let to = self.target(number)?;
        Ok(self.endpoint.subscribe(Subscription {
            credentials: self.credentials_for(&to),
            through: self.account_for(&to),
            to,
            from: self.us.clone(),
            package,
            expires: EXPIRES,
        }))
    }

    /// The registrar is back or has been started anew, and may know nothing of our subscriptions.
    pub(super) fn watch_again(&mut self) {
        for (number, key) in self.watches.lines.clone() {
            match key {
                Some(key) => self.endpoint.refresh_subscription(key),
                None => {
                    let key = self.subscribe(&number, Package::Dialog).ok();
                    self.watches.lines.insert(number, key);
                }
            }
        }
        match self.watches.messages {
            Some(Some(key)) => self.endpoint.refresh_subscription(key),
            Some(None) => self.watches.messages = Some(self.subscribe_to_messages()),
            None => {}
        }
    }

    pub(super) fn subscription_event(&mut self, key: SubscriptionKey, event: SubscriptionEvent) {
        let line = self.watches.lines.iter().find(|(_, of)| **of == Some(key)).map(|(number, _)| number.clone());
        match (event, line) {
            (SubscriptionEvent::Dialogs(dialogs), Some(number)) => {
                self.tell(PhoneEvent::Watched { number, state: state(&dialogs) });
            }
            (SubscriptionEvent::Messages(summary), None) => self.messages(summary),
            (SubscriptionEvent::Failed { status, retry_in_seconds }, Some(number)) => {
                if retry_in_seconds.is_none() {
                    self.watches.lines.insert(number.clone(), None);
                }
                self.tell_unknown(&number, refused(status));
            }
            // Most systems tell of messages unasked.
            (SubscriptionEvent::Failed { retry_in_seconds: None, .. }, None) => self.watches.messages = Some(None),
            (SubscriptionEvent::Failed { .. } | SubscriptionEvent::Dialogs(_), None)
            | (SubscriptionEvent::Messages(_), Some(_)) => {}
        }
    }

    pub(super) fn messages(&self, summary: MessageSummary) {
        let count = summary.voice;
        self.tell(PhoneEvent::Messages {
            waiting: summary.waiting,
            new: count.map(|c| c.new),
            old: count.map(|c| c.old),
        });
    }

    fn tell_unknown(&self, number: &str, why: String) {
        let number = cleaned(number, 80);
        self.tell(PhoneEvent::Watched { number, state: WatchedState::Unknown { why } });
    }
}

/// Who talks and is called as well, talks; who calls somebody is taken too.
fn state(dialogs: &[WatchedDialog]) -> WatchedState {
    let taken = |d: &WatchedDialog| d.state == DialogState::Confirmed || d.called == Some(true);
    match dialogs {
        [] => WatchedState::Idle,
        some if some.iter().any(taken) => WatchedState::Talking,
        _ => WatchedState::Ringing,
    }
}

fn refused(status: u16) -> String {
    match status {
        401 | 403 | 407 => "The system does not let this account see this line.".to_owned(),
        404 | 410 | 604 => "The system knows no such line.".to_owned(),
        405 | 489 | 501 => "The system does not show who is talking.".to_owned(),
        408 | 503 => "The system does not answer.".to_owned(),
        480 => "The system has stopped showing this line for now.".to_owned(),
        other => format!("The system refused to show this line ({other})."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_dialog_counts() {
        let dialog = |state, called| WatchedDialog { state, called, remote: None };
        let rings = dialog(DialogState::Early, Some(false));
        assert_eq!(state(&[]), WatchedState::Idle);
        assert_eq!(state(std::slice::from_ref(&rings)), WatchedState::Ringing);
        assert_eq!(state(&[dialog(DialogState::Trying, None)]), WatchedState::Ringing);
        assert_eq!(state(&[dialog(DialogState::Early, Some(true))]), WatchedState::Talking, "calls somebody");
        assert_eq!(state(&[rings, dialog(DialogState::Confirmed, None)]), WatchedState::Talking);
    }
}
