//! Who is at the other end, as far as the signalling says: it changes when they transfer (RFC 3325, RFC 4916).

use super::Leg;
use crate::{LegEvent, NameAddr, headers::presented, io::Io, message::Message};

/// Whom the owner knows to be at the other end.
pub(super) struct Far {
    shown: NameAddr,
    /// What their From says, which proxies need not trust.
    from: NameAddr,
}

impl Far {
    pub fn new(shown: NameAddr, from: NameAddr) -> Self {
        Self { shown, from }
    }

    /// Whom a message shows anew.
    fn learn(&mut self, m: &Message) -> Option<NameAddr> {
        let from = m.method().and_then(|_| m.name_addr("From")).filter(|from| !same(from, &self.from));
        let mut who = presented(m).or_else(|| from.clone())?;
        self.from = from.unwrap_or_else(|| self.from.clone());
        who.params.clear();
        // A number without a name says no more than the same number with one.
        let news = !same(&who, &self.shown) && (who.display.is_some() || who.uri.user != self.shown.uri.user);
        news.then(|| self.shown.clone_from(&who)).map(|()| who)
    }
}

impl Leg {
    /// Tells it if a message of theirs names somebody else than before.
    pub(super) fn learn_identity(&mut self, m: &Message, io: &Io) {
        if let Some(who) = self.far.learn(m) {
            self.tell(LegEvent::Identity { who }, io);
        }
    }
}

/// The same person to a reader: hosts and parameters change on the way through proxies.
fn same(a: &NameAddr, b: &NameAddr) -> bool {
    a.display == b.display && a.uri.user == b.uri.user
}
