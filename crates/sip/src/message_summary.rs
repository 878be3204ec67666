//! `application/simple-message-summary` (RFC 3842): how many messages wait in the mailbox.

/// What waits in a mailbox. Systems that only light a lamp give no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageSummary {
    /// `Messages-Waiting: yes`.
    pub waiting: bool,
    /// Voice messages; `None` if no numbers are given.
    pub voice: Option<MessageCount>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCount {
    pub new: u32,
    pub old: u32,
    /// How many of the new ones are urgent.
    pub new_urgent: u32,
    pub old_urgent: u32,
}

/// `None` if it does not even say whether messages wait (RFC 3842 section 5.2).
pub(crate) fn parse(body: &str) -> Option<MessageSummary> {
    let mut waiting = None;
    let mut voice = None;
    for line in body.lines().take(64) {
        // What follows an empty line describes single messages.
        let Some((name, value)) = line.split_once(':') else { break };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("Messages-Waiting") {
            waiting = Some(value.eq_ignore_ascii_case("yes"));
        } else if name.eq_ignore_ascii_case("Voice-Message") {
            voice = count(value);
        }
    }
    Some(MessageSummary { waiting: waiting?, voice })
}

/// The mailbox of `account`.
pub(crate) fn write(account: &str, summary: MessageSummary) -> String {
    let waiting = if summary.waiting { "yes" } else { "no" };
    let mut body = format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\n");
    if let Some(MessageCount { new, old, new_urgent, old_urgent }) = summary.voice {
        body += &format!("Voice-Message: {new}/{old} ({new_urgent}/{old_urgent})\r\n");
    }
    body
}

/// `2/8 (0/2)`; what is in brackets is urgent and may be missing.
fn count(text: &str) -> Option<MessageCount> {
    let (all, urgent) = text.split_once('(').unwrap_or((text, "0/0)"));
    let (new, old) = pair(all)?;
    let (new_urgent, old_urgent) = pair(urgent.trim_end().strip_suffix(')')?)?;
    Some(MessageCount { new, old, new_urgent, old_urgent })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.split_once('/')?;
    Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3842 section 5.2, and what Asterisk sends.
    #[test]
    fn the_numbers_are_read() {
        let rfc = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n\r\nTo: x\r\n";
        let two = MessageCount { new: 2, old: 8, new_urgent: 0, old_urgent: 2 };
        assert_eq!(parse(rfc), Some(MessageSummary { waiting: true, voice: Some(two) }));
        let none = MessageCount::default();
        let asterisk = "Messages-Waiting: no\r\nVoice-Message: 0/0 (0/0)\r\n";
        assert_eq!(parse(asterisk), Some(MessageSummary { waiting: false, voice: Some(none) }));
        let lamp = "messages-waiting: YES\n";
        assert_eq!(parse(lamp), Some(MessageSummary { waiting: true, voice: None }));
        let short = parse("Messages-Waiting: yes\r\nVoice-Message: 1/2\r\n");
        assert_eq!(short.and_then(|s| s.voice).map(|v| (v.new, v.old)), Some((1, 2)));
    }

    #[test]
    fn rubbish_is_no_message() {
        for bad in ["", "\r\n", "Voice-Message: 1/2\r\n", "Messages-Waiting\r\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        for bad in ["x", "1", "-1/2", "1/2 (", "1/2 (1", "99999999999/1", "1/2 (a/b)"] {
            let body = format!("Messages-Waiting: yes\r\nVoice-Message: {bad}\r\n");
            assert_eq!(parse(&body), Some(MessageSummary { waiting: true, voice: None }), "{bad}");
        }
    }
}
