//! What can be said on standard input.

use std::str::FromStr;

use softphone::CallKey;

/// One line. Without a number of a call the program chooses the obvious one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Call {
        to: String,
    },
    Answer {
        call: Option<CallKey>,
    },
    Decline {
        call: Option<CallKey>,
    },
    HangUp {
        call: Option<CallKey>,
    },
    Hold {
        call: Option<CallKey>,
    },
    Resume {
        call: Option<CallKey>,
    },
    /// Offers other keys to the sound.
    Rekey {
        call: Option<CallKey>,
    },
    Mute {
        call: Option<CallKey>,
    },
    Unmute {
        call: Option<CallKey>,
    },
    Dtmf {
        digits: String,
        call: Option<CallKey>,
    },
    DtmfInfo {
        digits: String,
        call: Option<CallKey>,
    },
    Transfer {
        to: String,
        call: Option<CallKey>,
    },
    /// Attended transfer: connect the far ends of two calls.
    ReferReplaces {
        call: CallKey,
        other: CallKey,
        early_only: bool,
    },
    /// 302.
    Divert {
        call: CallKey,
        to: String,
    },
    Watch {
        number: String,
    },
    Unwatch {
        number: String,
    },
    WatchMessages,
    Quit,
}

/// What is wrong with a line, as a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

impl FromStr for Command {
    type Err = Wrong;

    fn from_str(line: &str) -> Result<Self, Wrong> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let mut object =
            |what: &str| words.next().map(str::to_owned).ok_or_else(|| Wrong(format!("\"{verb}\" needs {what}.")));
        let mut command = match verb {
            "call" => Self::Call { to: object("an address")? },
            "answer" => Self::Answer { call: None },
            "decline" => Self::Decline { call: None },
            "hangup" => Self::HangUp { call: None },
            "hold" => Self::Hold { call: None },
            "resume" => Self::Resume { call: None },
            "rekey" => Self::Rekey { call: None },
            "mute" => Self::Mute { call: None },
            "unmute" => Self::Unmute { call: None },
            "dtmf" => Self::Dtmf { digits: digits(object("digits")?)?, call: None },
            "dtmf-info" => Self::DtmfInfo { digits: digits(object("digits")?)?, call: None },
            "refer-replaces" => Self::ReferReplaces {
                call: number(&object("the number of a call")?)?,
                other: number(&object("the number of another call")?)?,
                early_only: false,
            },
            "divert" => Self::Divert { call: number(&object("the number of a call")?)?, to: object("an address")? },
            "transfer" => Self::Transfer { to: object("an address")?, call: None },
            "watch" => Self::Watch { number: object("a number")? },
            "unwatch" => Self::Unwatch { number: object("a number")? },
            "watch-messages" => Self::WatchMessages,
            "quit" => Self::Quit,
            "" => return Err(Wrong("An empty line is no command.".to_owned())),
            _ => return Err(Wrong(format!("\"{}\" is no command.", verb.escape_debug()))),
        };
        if let Some(word) = words.next() {
            if let (Self::ReferReplaces { early_only, .. }, "early") = (&mut command, word) {
                *early_only = true;
                return nothing_more(words).map(|()| command);
            }
            let number = number(word)?;
            *command.call_mut().ok_or_else(|| Wrong(format!("\"{verb}\" takes no number of a call.")))? = Some(number);
        }
        nothing_more(words).map(|()| command)
    }
}

impl Command {
    fn call_mut(&mut self) -> Option<&mut Option<CallKey>> {
        match self {
            Self::Answer { call }
            | Self::Decline { call }
            | Self::HangUp { call }
            | Self::Hold { call }
            | Self::Resume { call }
            | Self::Rekey { call }
            | Self::Mute { call }
            | Self::Unmute { call }
            | Self::Dtmf { call, .. }
            | Self::DtmfInfo { call, .. }
            | Self::Transfer { call, .. } => Some(call),
            Self::Call { .. }
            | Self::ReferReplaces { .. }
            | Self::Divert { .. }
            | Self::Watch { .. }
            | Self::Unwatch { .. }
            | Self::WatchMessages
            | Self::Quit => None,
        }
    }
}

fn nothing_more<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<(), Wrong> {
    words.next().map_or(Ok(()), |word| Err(Wrong(format!("\"{word}\" is too much."))))
}

fn number(word: &str) -> Result<CallKey, Wrong> {
    word.parse().map(CallKey).map_err(|_| Wrong(format!("\"{}\" is no number of a call.", word.escape_debug())))
}

fn digits(text: String) -> Result<String, Wrong> {
    if text.chars().all(|c| "0123456789*#ABCD".contains(c)) {
        Ok(text)
    } else {
        Err(Wrong(format!("\"{text}\" has more than the keys 0-9, *, # and A-D.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let two = Some(CallKey(2));
        let attended = |early_only| Command::ReferReplaces { call: CallKey(1), other: CallKey(2), early_only };
        for (line, command) in [
            ("call sip:200@127.0.0.1:5060", Command::Call { to: "sip:200@127.0.0.1:5060".into() }),
            ("answer", Command::Answer { call: None }),
            ("  hangup   2 ", Command::HangUp { call: two }),
            ("dtmf 12#", Command::Dtmf { digits: "12#".into(), call: None }),
            ("dtmf-info 1* 2", Command::DtmfInfo { digits: "1*".into(), call: two }),
            ("refer-replaces 1 2", attended(false)),
            ("refer-replaces 1 2 early", attended(true)),
            ("divert 2 300", Command::Divert { call: CallKey(2), to: "300".into() }),
            ("transfer 300 2", Command::Transfer { to: "300".into(), call: two }),
            ("watch 200", Command::Watch { number: "200".into() }),
            ("unwatch 200", Command::Unwatch { number: "200".into() }),
            ("watch-messages", Command::WatchMessages),
            ("quit", Command::Quit),
        ] {
            assert_eq!(line.parse(), Ok(command), "{line}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (line, about) in [
            ("", "empty"),
            ("dance", "dance"),
            ("call", "address"),
            ("dtmf 12x", "12x"),
            ("hold it", "it"),
            ("hold 1 2", "2"),
            ("quit 1", "quit"),
            ("watch", "number"),
            ("watch-messages 1", "watch-messages"),
            ("refer-replaces 1", "another call"),
            ("refer-replaces 1 2 3", "takes no number"),
            ("refer-replaces 1 2 early 4", "4"),
            ("divert 300", "address"),
            ("divert sip:x 2", "sip:x"),
        ] {
            let Err(Wrong(sentence)) = line.parse::<Command>() else { panic!("{line} was taken") };
            assert!(sentence.contains(about), "{line}: {sentence}");
        }
    }
}
