//! Messages as lines that come out the same in each run.

use std::fmt::Write;

use super::{Lane, Message, Way};

/// Signing on and off, and keeping awake, is no part of a flow.
const ASIDE: &[&str] = &["REGISTER", "OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE"];

pub fn of(lanes: &[Lane]) -> String {
    let mut text = String::new();
    for lane in lanes {
        for (number, call) in calls(lane).iter().enumerate() {
            let _ = writeln!(text, "{}, call {}", lane.name, number + 1);
            call.lines(&lane.name, lane.with).iter().for_each(|line| text += &format!("  {line}\n"));
        }
    }
    text
}

/// The same of wires that lose: a 180 is sent once (RFC 3261 section 13.3.1.1), so neither it nor its NOTIFY is told.
pub fn lossy(lanes: &[Lane]) -> String {
    let text = of(lanes);
    let told = text.lines().filter(|line| !line.contains(": NOTIFY 180"));
    told.map(|line| line.replace("180, ", "") + "\n").collect()
}

struct Call {
    id: String,
    transactions: Vec<Transaction>,
    byes: u32,
}

/// A request with all that belongs to it, each once: what was sent again is no news.
struct Transaction {
    way: Way,
    number: u32,
    method: String,
    what: String,
    then: Vec<String>,
}

fn calls(lane: &Lane) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let aside = |m: &Message| ASIDE.contains(&m.cseq().1) || m.get("Event").is_some_and(|e| !e.starts_with("refer"));
    for (way, message) in lane.messages.iter().filter(|(_, m)| !aside(m)) {
        let id = message.call_id();
        let known: Vec<String> = calls.iter().map(|call| call.id.clone()).collect();
        let at = known.iter().position(|known| known == id).unwrap_or_else(|| {
            calls.push(Call { id: id.to_owned(), transactions: Vec::new(), byes: 0 });
            calls.len() - 1
        });
        calls[at].note(*way, message, &known);
    }
    calls
}

impl Call {
    fn note(&mut self, way: Way, message: &Message, known: &[String]) {
        let (number, method) = message.cseq();
        let asked = if message.method.is_some() { way } else { way.back() };
        let within = if matches!(method, "ACK" | "CANCEL") { "INVITE" } else { method };
        let same = |t: &&mut Transaction| t.way == asked && t.number == number && t.method == within;
        let transaction = self.transactions.iter_mut().find(same);
        match (transaction, message.status) {
            (Some(transaction), _) => transaction.note(message),
            (None, None) => {
                self.byes += u32::from(method == "BYE");
                let what = request(message, known);
                let (method, then) = (method.to_owned(), Vec::new());
                self.transactions.push(Transaction { way, number, method, what, then });
            }
            // An answer to what was never seen.
            (None, Some(_)) => {}
        }
    }

    fn lines(&self, name: &str, with: &str) -> Vec<String> {
        // Both ends hang up as soon as a transfer is over: who is first is chance.
        let both = self.byes > 1 || self.transactions.iter().any(|t| t.what.starts_with("NOTIFY 200"));
        let mut lines: Vec<String> = Vec::new();
        for (at, t) in self.transactions.iter().enumerate() {
            if t.method == "BYE" && both || self.came_to_nothing(at) {
                continue;
            }
            let (from, to) = if t.way == Way::Out { (name, with) } else { (with, name) };
            let then = if t.then.is_empty() { String::new() } else { format!(" => {}", t.then.join(", ")) };
            let line = format!("{from} -> {to}: {}{then}", t.what);
            // Each of several phones that begins to ring is told.
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        if both && self.byes > 0 {
            lines.push("BYE from one or both".to_owned());
        }
        lines
    }

    /// A phone that takes the call back after a transfer that failed may meet the BYE halfway.
    fn came_to_nothing(&self, at: usize) -> bool {
        let t = &self.transactions[at];
        let failed = |t: &Transaction| t.what.starts_with("NOTIFY") && t.what.ends_with("terminated");
        let refused = t.then.iter().all(|then| matches!(then.as_str(), "491" | "481" | "487" | "ACK"));
        // The exchange rings it anew instead.
        let elsewhere = self.transactions[at..].iter().any(|t| t.what.contains("Call completed elsewhere"));
        t.method == "INVITE" && self.byes > 0 && (refused || elsewhere) && self.transactions[..at].iter().any(failed)
    }
}

impl Transaction {
    fn note(&mut self, message: &Message) {
        let (_, method) = message.cseq();
        let news = match (message.status, method) {
            (None, "ACK" | "CANCEL") => format!("{method}{}", reason(message)),
            // Of BYE and CANCEL it only matters that they were sent, of NOTIFY that it was refused.
            (Some(_), "CANCEL" | "BYE") | (Some(100) | None, _) | (Some(200), "NOTIFY") => return,
            (Some(status @ 200..300), "INVITE" | "UPDATE") => {
                let sound = message.sound().unwrap_or_else(|| "without SDP".to_owned());
                format!("{status} {sound}")
            }
            (Some(status), _) => status.to_string(),
        };
        if !self.then.contains(&news) {
            self.then.push(news);
        }
    }
}

impl Way {
    fn back(self) -> Self {
        match self {
            Self::Out => Self::In,
            Self::In => Self::Out,
        }
    }
}

fn request(m: &Message, known: &[String]) -> String {
    let method = m.cseq().1;
    let mut words = vec![method.to_owned()];
    match method {
        "INVITE" | "UPDATE" => {
            if m.parameter("To", "tag").is_none() {
                words.extend(invitation(m));
            }
            words.push(m.sound().unwrap_or_else(|| "without SDP".to_owned()));
        }
        "REFER" => {
            words.push(format!("to {}{}", m.user("Refer-To").unwrap_or_default(), replaced(m, known)));
            words.extend(m.user("Referred-By").map(|by| format!("by {by}")));
        }
        "NOTIFY" => {
            words.push(m.fragment().unwrap_or_default().to_owned());
            let state = m.get("Subscription-State").unwrap_or_default();
            words.push(state.split(';').next().unwrap_or_default().to_owned());
        }
        "INFO" => words.push(m.body.lines().next().unwrap_or_default().to_owned()),
        _ => words.push(reason(m).trim_start().to_owned()),
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// What an INVITE that begins a call tells whoever it rings.
fn invitation(m: &Message) -> Vec<String> {
    let mut words = vec![format!("from {}", m.party("From").unwrap_or_default())];
    let mut add = |what: &str, value: Option<String>| words.extend(value.map(|value| format!("{what} {value}")));
    add("for", m.get("Subject").map(str::to_owned));
    add("ring", m.get("Alert-Info").map(|alert| alert.trim_matches(['<', '>']).to_owned()));
    add("ring", m.get("X-Patchcord-Ring").map(str::to_owned));
    add("sent by", m.party("Referred-By"));
    let why = m.parameter("Diversion", "reason").unwrap_or_default();
    add("back from", m.party("Diversion").map(|whom| format!("{whom} ({why})")));
    add("answer", m.get("Answer-Mode").map(str::to_owned));
    add("replacing", m.get("Replaces").map(|_| "a call".to_owned()));
    let note =
        m.get("User-to-User").map(|note| format!("of {} letters", note.split(';').next().map_or(0, str::len) / 2));
    add("note", note);
    words.push("|".to_owned());
    words
}

/// What a Refer-To says about a dialog to replace (RFC 3891).
fn replaced(m: &Message, known: &[String]) -> String {
    let Some((_, headers)) = m.get("Refer-To").unwrap_or_default().split_once("Replaces=") else {
        return String::new();
    };
    let headers = headers.replace("%40", "@").replace("%3A", ":").replace("%3a", ":");
    let id = headers.split(['%', ';', '>']).next().unwrap_or_default();
    match known.iter().position(|known| known == id) {
        Some(at) => format!(" replacing call {}", at + 1),
        None => " replacing a call of others".to_owned(),
    }
}

/// The Reason header (RFC 3326): ` [SIP 200 answered elsewhere]`.
fn reason(m: &Message) -> String {
    let Some(value) = m.get("Reason") else { return String::new() };
    let cause = m.parameter("Reason", "cause").unwrap_or_default();
    let text = m.parameter("Reason", "text").unwrap_or_default();
    format!(" [{} {cause} {text}]", value.split(';').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lane(messages: &[(Way, &str)]) -> Lane {
        let read = |text: &str| Message::read(&text.replace('\n', "\r\n")).unwrap();
        Lane {
            name: "tom".to_owned(),
            with: "exchange",
            messages: messages.iter().map(|(way, text)| (*way, read(text))).collect(),
        }
    }

    const INVITE: &str =
        "INVITE sip:tom@h SIP/2.0\nFrom: <sip:1@h>;tag=a\nTo: <sip:tom@h>\nCall-ID: x\nCSeq: 4 INVITE\n\n";
    const RINGING: &str = "SIP/2.0 180 Ringing\nCall-ID: x\nCSeq: 4 INVITE\n\n";
    const CANCEL: &str = "CANCEL sip:tom@h SIP/2.0\nCall-ID: x\nCSeq: 4 CANCEL\nReason: SIP;cause=200;text=\"Call completed elsewhere\"\n\n";
    const GONE: &str = "SIP/2.0 487 Terminated\nCall-ID: x\nCSeq: 4 INVITE\n\n";

    #[test]
    fn what_is_sent_again_is_told_once() {
        let twice = [
            (Way::In, INVITE),
            (Way::Out, RINGING),
            (Way::In, INVITE),
            (Way::Out, RINGING),
            (Way::In, CANCEL),
            (Way::Out, GONE),
            (Way::In, CANCEL),
        ];
        let wanted = "tom, call 1\n  exchange -> tom: INVITE from 1 | without SDP => 180, \
                      CANCEL [SIP 200 Call completed elsewhere], 487\n";
        assert_eq!(of(&[lane(&twice)]), wanted);
    }

    #[test]
    fn a_missing_message_shows() {
        let whole = of(&[lane(&[(Way::In, INVITE), (Way::Out, RINGING), (Way::In, CANCEL)])]);
        assert_ne!(whole, of(&[lane(&[(Way::In, INVITE), (Way::Out, RINGING)])]));
    }
}
