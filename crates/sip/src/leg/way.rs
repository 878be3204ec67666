//! Where the requests of a leg go (RFC 3261 section 12.2.1.1).

use std::{collections::HashMap, net::SocketAddr};

use rsipstack::sip::Header;

use super::Leg;
use crate::{
    Flow, Host, NameAddr, Transport, Uri,
    io::{Io, unreachable_from},
    message::{Message, split_list},
    net::Hop,
};

impl Leg {
    /// Takes the remote target and, once, the route set from the message that made or refreshed the dialog.
    pub(super) fn learn_target(&mut self, m: &Message, io: &mut Io) {
        let Some(contact) = m.contact() else { return };
        self.target = contact.to_string();
        let Some(flow) = self.flow else { return };
        if self.stay_on_flow || flow.transport.is_stream() || !self.routes.is_empty() {
            return;
        }
        if let Host::Ip(ip) = contact.host
            && !unreachable_from(ip, flow.remote.ip())
        {
            let at = SocketAddr::new(ip, contact.port_or_default());
            self.flow = io.net.flow_to(&Hop::new(contact.transport(), at)).or(self.flow);
        }
    }

    /// Record-Route, as the side that called (reversed) or was called sees it (RFC 3261 section 12.1).
    pub(super) fn learn_routes(&mut self, m: &Message, io: &mut Io) {
        let record: Vec<&str> =
            m.headers.iter().filter(|h| matches!(h, Header::RecordRoute(_))).map(Header::value).collect();
        let mut routes: Vec<String> = record.iter().flat_map(|v| split_list(v)).take(32).map(str::to_owned).collect();
        if self.we_called {
            routes.reverse();
        }
        self.routes = routes;
        let first = self.routes.first().and_then(|r| r.parse::<NameAddr>().ok());
        if let Some(NameAddr { uri, .. }) = first
            && let Host::Ip(ip) = uri.host
            && self.flow.is_some_and(|f| !f.transport.is_stream() && !unreachable_from(ip, f.remote.ip()))
            && !self.stay_on_flow
        {
            let at = SocketAddr::new(ip, uri.port_or_default());
            self.flow = io.net.flow_to(&Hop::new(uri.transport(), at)).or(self.flow);
        }
    }

    /// The leg's flow; a TCP connection that closed is opened anew.
    pub(super) fn open_flow(&mut self, io: &mut Io) -> Option<Flow> {
        let flow = self.flow?;
        if io.net.is_open(&flow) {
            return Some(flow);
        }
        if let Some(hop) = &self.reconnect_to {
            self.flow = io.net.flow_to(hop);
        } else if !self.stay_on_flow {
            let at = next_hop(self.routes.first().map(String::as_str), &self.target).unwrap_or(flow.remote);
            self.flow = io.net.flow_to(&Hop::new(flow.transport, at));
        }
        self.flow
    }

    pub fn goes_over(&self, flow: &Flow) -> bool {
        self.flow.as_ref() == Some(flow)
    }

    /// Whether this flow would bring the call out of TLS into the open, where the keys to its sound would lie.
    pub(super) fn opens(&self, flow: &Flow) -> bool {
        self.flow.is_some_and(|f| f.transport == Transport::Tls) && flow.transport != Transport::Tls
    }

    /// Sockets were bound anew: by old address.
    pub fn rebound(&mut self, moved: &HashMap<SocketAddr, SocketAddr>) {
        if let Some(flow) = &mut self.flow
            && let Some(now) = moved.get(&flow.local)
        {
            flow.local = *now;
        }
    }
}

/// Where the far end, or the first proxy on the way to it, hears us; `None` if a name says so.
fn next_hop(route: Option<&str>, target: &str) -> Option<SocketAddr> {
    // A Route is a name-addr, in brackets.
    let uri = match route {
        Some(route) => route.parse::<NameAddr>().ok()?.uri,
        None => target.parse::<Uri>().ok()?,
    };
    match uri.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, uri.port_or_default())),
        Host::Name(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_next_hop_is_the_first_route_else_the_target() {
        let target = "sip:bob@10.0.0.2:5070";
        for (route, hop) in [
            (None, Some("10.0.0.2:5070")),
            (Some("<sip:[2001:db8::1]:5062;lr>"), Some("[2001:db8::1]:5062")),
            (Some("<sip:[2001:db8::1];lr>"), Some("[2001:db8::1]:5060")),
            (Some("\"Edge\" <sip:10.0.0.9;lr>"), Some("10.0.0.9:5060")),
            (Some("<sip:edge.example;lr>"), None),
            (Some("<sip:["), None),
        ] {
            assert_eq!(next_hop(route, target), hop.map(|hop| hop.parse().unwrap()), "{route:?}");
        }
        assert_eq!(next_hop(None, "sip:bob@[2001:db8::2]:5070"), Some("[2001:db8::2]:5070".parse().unwrap()));
    }
}
