//! `Session-ID` (RFC 7989): a name for a session that stays the same over all its legs and through whoever is in between,
//! so that whoever reads their logs can put them together. Each end has its half.

use sha2::{Digest, Sha256};

use crate::{auth::hex, message::Message, message::param_of};

/// What stands for a half that is not known yet.
const NIL: &str = "00000000000000000000000000000000";

/// Both halves, as we see them.
#[derive(Debug, Clone)]
pub(crate) struct SessionId {
    ours: String,
    theirs: Option<String>,
}

impl SessionId {
    /// Of a call that we place, with the half that its owner wants.
    pub fn begin(wanted: Option<&str>, call_id: &str, tag: &str) -> Self {
        let ours = wanted.and_then(|value| uuid(value.split(';').next()?));
        Self { ours: ours.unwrap_or_else(|| of_dialog(call_id, tag)), theirs: None }
    }

    /// Of a call that arrives.
    pub fn answering(invite: &Message, tag: &str) -> Self {
        let mut id = Self::begin(None, invite.call_id(), tag);
        id.learn(invite);
        id
    }

    /// Whoever is at the other end now has said its half.
    pub fn learn(&mut self, message: &Message) {
        if let Some((theirs, _)) = message.get("Session-ID").and_then(read) {
            self.theirs = Some(theirs);
        }
    }

    pub fn write(&self, m: &mut Message) {
        m.set("Session-ID", format!("{};remote={}", self.ours, self.theirs.as_deref().unwrap_or(NIL)));
    }
}

/// What our answer says, if the request says anything; `tag` is the one that the answer has.
pub(crate) fn answer(request: &Message, tag: &str) -> Option<String> {
    let (theirs, ours) = read(request.get("Session-ID")?)?;
    let ours = ours.unwrap_or_else(|| of_dialog(request.call_id(), tag));
    Some(format!("{ours};remote={theirs}"))
}

/// The sender's half, and its receiver's if that is known.
fn read(value: &str) -> Option<(String, Option<String>)> {
    let theirs = uuid(value.split(';').next()?)?;
    Some((theirs, param_of(value, "remote").and_then(uuid)))
}

/// 32 hexadecimal digits, not all of them 0.
fn uuid(text: &str) -> Option<String> {
    let text = text.trim();
    let good = text.len() == NIL.len() && text.bytes().all(|b| b.is_ascii_hexdigit()) && text != NIL;
    good.then(|| text.to_ascii_lowercase())
}

/// Made of what is random already, so that nothing has to be kept for an answer.
fn of_dialog(call_id: &str, tag: &str) -> String {
    let digest = Sha256::digest(format!("{call_id};{tag}"));
    hex(&digest[..16])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_whole_halves_are_taken() {
        let a = "ab30317f1a784dc48ff824d0d3715d86";
        let b = "47755a9de7794ba387653f2099600ef2";
        assert_eq!(read(&format!("{a};remote={b}")), Some((a.into(), Some(b.into()))));
        assert_eq!(read(&format!("{};remote={NIL}", a.to_uppercase())), Some((a.into(), None)));
        for bad in ["", "ab30", NIL, "xb30317f1a784dc48ff824d0d3715d86", &format!("{a}0")] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(of_dialog("c", "t"), of_dialog("c", "t"));
        assert_ne!(of_dialog("c", "t"), of_dialog("c", "u"));
    }
}
