//! What ICMP says of datagrams that did not arrive.

use super::*;
use crate::{EndedBy, RegistrationState, net::Hop};

impl World {
    /// ICMP tells node 0 that a datagram to `to` did not arrive, and quotes so much of it.
    fn undelivered(&mut self, to: usize, quoted: &str) {
        let remote = self.nodes[to].address;
        let core = &mut self.nodes[0].core;
        core.io.now = self.now;
        core.net_event(NetEvent::Undelivered { remote, quoted: quoted.to_owned().into() });
        while let Some((when, timer)) = core.io.timers.pop_due(self.now) {
            core.timer(when, timer);
        }
        self.settle();
    }

    /// The request and its retransmissions until 3.5 s after it: none arrives at node 1.
    fn tries_in_vain(&mut self, asked: &str) {
        for wait in [0, 500, 1_000, 2_000] {
            self.pass(Duration::from_millis(wait));
            self.undelivered(1, asked);
        }
    }
}

fn register(world: &mut World) -> RegistrationKey {
    let key = world.endpoint(0).register(registrations::registration(world));
    assert_eq!(state(world), RegistrationState::Registering);
    key
}

fn state(world: &mut World) -> RegistrationState {
    match world.event(0) {
        Event::Registration { state, .. } => state,
        other => panic!("not of a registration: {other:?}"),
    }
}

#[test]
fn a_registrar_whose_port_is_closed_is_left_at_once_for_the_next() {
    let mut world = World::perfect(3);
    let key = register(&mut world);
    world.play_1();
    let hops = [1, 2].map(|at| Hop::new(Transport::Udp, world.nodes[at].address)).to_vec();
    world.nodes[0].core.net_event(NetEvent::Resolved { owner: Owner::Registration(key), hops });
    let (asked, begun) = (world.last(), world.now);
    world.undelivered(1, &asked[..asked.len().min(520)]);
    assert!(matches!(world.event(2), Event::Register(_)));
    assert_eq!(world.now, begun + LATENCY);
}

#[test]
fn without_another_server_it_is_told_after_the_third_try_in_vain() {
    let mut world = World::perfect(2);
    register(&mut world);
    world.play_1();
    let asked = world.last();
    world.tries_in_vain(&asked);
    assert!(matches!(state(&mut world), RegistrationState::Failed { status: 503, retry_in_seconds: Some(_), .. }));
    assert_eq!(world.seconds(), 3);
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    world.tries_in_vain(&invite);
    assert_eq!(world.ended(0, out), EndCause::new(EndedBy::Network, Some(503), None));
    assert_eq!(world.seconds(), 3);
}

#[test]
fn a_phone_that_is_just_starting_gets_the_call_at_the_next_try() {
    let mut world = World::perfect(2);
    let (out, invite) = world.call_1();
    world.undelivered(1, &invite);
    world.loses = Box::new(|_| false);
    let call = world.incoming(1);
    world.endpoint(1).answer(call.leg, ANSWER.into());
    assert_eq!(world.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
}

#[test]
fn icmp_is_believed_only_of_a_request_that_it_knows_and_nobody_has_answered() {
    let mut world = World::perfect(3);
    let (out, invite) = world.call_1();
    let branch = invite.find("branch=").unwrap() + 20;
    world.undelivered(1, "");
    world.undelivered(1, &invite[..branch]);
    world.undelivered(1, &invite.replace("z9hG4bK", "z9hG4bK0"));
    world.undelivered(2, &invite);
    world.says(&answer(&invite, "100 Trying", ""));
    world.undelivered(1, &invite);
    world.says(&answer(&invite, "180 Ringing", ""));
    assert_eq!(world.of(0, out), LegEvent::Ringing);
}

#[test]
fn a_call_outlives_a_server_that_is_started_anew() {
    let mut world = World::perfect(2);
    let (out, _) = world.talk();
    world.loses = Box::new(|p| p.to == 1);
    world.endpoint(0).offer(out, OFFER.into());
    let again = world.last();
    assert!(again.starts_with("INVITE "), "{again}");
    world.undelivered(1, &again);
    world.loses = Box::new(|_| false);
    let Event::Leg { leg: inward, event: LegEvent::Offer { .. } } = world.event(1) else { panic!("not the offer") };
    world.endpoint(1).answer_offer(inward, Ok(ANSWER.into()));
    assert_eq!(world.of(0, out), LegEvent::OfferAnswered { sdp: ANSWER.into() });
}
