//! When the way between us and our peers is another one than before.

use super::Core;
use crate::{
    Event, Flow, NameAddr, SubscriptionKey, Uri, endpoint::LegOrder, leg::Leg, message::split_list,
    subscription::Subscriber,
};

impl Core {
    pub(super) fn network_changed(&mut self, slept: bool) {
        let moved = self.io.net.network_changed();
        self.io.forgive();
        self.legs.values_mut().for_each(|leg| leg.rebound(&moved));
        for client in self.registrations.values_mut() {
            client.network_changed(slept, &moved, &mut self.io);
        }
        if slept {
            for key in self.subscriptions.keys().copied().collect::<Vec<_>>() {
                self.with_subscription(key, Subscriber::refresh);
            }
        }
        let _ = self.io.events.send(Event::NetworkChanged);
    }

    pub(super) fn connection_lost(&mut self, connection: u64) {
        let users = self.legs.iter().filter(|(_, leg)| leg.uses(connection)).map(|(key, _)| *key);
        for key in users.collect::<Vec<_>>() {
            self.with_leg(key, Leg::connection_lost);
            if self.legs.get(&key).is_some_and(|leg| leg.is_orphan(&self.io)) {
                self.orphans.insert(key);
            }
        }
    }

    /// A device whose connection was lost has registered over a new one: its calls go on over that.
    pub(super) fn adopt_orphans(&mut self, register: u64) {
        if self.orphans.is_empty() {
            return;
        }
        let Some((request, flow)) = self.io.txs.pending(register) else { return };
        let contacts: Vec<Uri> = request
            .all("Contact")
            .flat_map(split_list)
            .filter_map(|c| c.parse().ok())
            .map(|c: NameAddr| c.uri)
            .collect();
        for key in self.orphans.clone() {
            self.with_leg(key, |leg, io| contacts.iter().for_each(|contact| leg.adopt(contact, flow, io)));
        }
        let (legs, io) = (&self.legs, &self.io);
        self.orphans.retain(|key| legs.get(key).is_some_and(|leg| leg.is_orphan(io)));
    }

    /// A NAT has us elsewhere now: those who talk to us over this flow learn it by hearing from us.
    pub(super) fn seen_elsewhere(&mut self, flow: Flow) {
        let legs = self.legs.iter().filter(|(_, leg)| leg.goes_over(&flow)).map(|(key, _)| *key);
        for key in legs.collect::<Vec<_>>() {
            self.with_leg(key, |leg, io| leg.order(LegOrder::Probe, io));
        }
        let subscriptions = self.subscriptions.iter().filter(|(_, s)| s.goes_over(&flow)).map(|(key, _)| *key);
        for key in subscriptions.collect::<Vec<SubscriptionKey>>() {
            self.with_subscription(key, Subscriber::refresh);
        }
    }
}
