//! This machine has another address now.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::mapping::{Then, Waiting};
use super::{Line, Owner};
use crate::call::{Input, State};
use crate::event::CallKey;
use crate::voice::{Order, Sockets};

impl Owner {
    /// Calls whose sound is expected at an address that is not ours any more are told the new one (RFC 3264 section
    /// 8.3.1); while there is none, they wait for the next change.
    pub(super) fn network_changed(&mut self) {
        let here = self.reach.from();
        if here.is_unspecified() {
            return;
        }
        self.listen.set_ip(here);
        // One that is not answered yet is told then.
        let up = self.lines.iter_mut().filter(|(_, line)| matches!(line.call.state(), State::Up(_)));
        let elsewhere = up.filter_map(|(call, line)| line.must_move(here).then_some(*call));
        for call in elsewhere.collect::<Vec<_>>() {
            if let Err(error) = self.move_sound(call, here) {
                tracing::warn!(%error, "the sound of a call cannot move to {here}");
            }
        }
    }

    fn move_sound(&mut self, call: CallKey, here: IpAddr) -> io::Result<()> {
        let Some(line) = self.lines.get_mut(&call) else { return Ok(()) };
        let asks = self.stun.is_some() && !line.of_stranger;
        // A socket of all addresses has the new one too, and hears what still comes to the old one.
        if self.reach.is_everywhere() && !asks {
            line.session.moved(SocketAddr::new(here, line.session.rtp().port()));
            self.input(call, Input::Moved);
            return Ok(());
        }
        // The voice thread reads from the old ones: a server's response would be lost there.
        let sockets = Sockets::bind(self.reach.bind())?;
        let to = SocketAddr::new(here, sockets.rtp_port()?);
        if asks && self.ask_stun(call, &sockets) {
            if let Some(line) = self.lines.get_mut(&call) {
                line.mapping = Some(Waiting { sockets, then: Then::Move { to } });
            }
        } else {
            self.moved(call, sockets, to, None);
        }
        Ok(())
    }

    /// `mapped` is what the far end is told instead of `to`.
    pub(super) fn moved(&mut self, call: CallKey, sockets: Sockets, to: SocketAddr, mapped: Option<SocketAddr>) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        line.session.moved(to);
        mapped.into_iter().for_each(|mapped| line.session.mapped(mapped));
        self.voice.order(Order::Move { call, sockets });
        self.input(call, Input::Moved);
    }
}

impl Line {
    /// Unless it is on its way to `here` already; back where it was, it stays.
    fn must_move(&mut self, here: IpAddr) -> bool {
        let stays = self.session.rtp().ip() == here;
        self.mapping.take_if(|waiting| stays || !waiting.leads_to(here));
        !stays && self.mapping.is_none()
    }
}
