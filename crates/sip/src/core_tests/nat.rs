//! A phone behind a NAT that gives it another outer address while its own stays: the router was started anew.

use super::*;
use crate::{DialogState, Notice, RegistrationState, Subscription, SubscriptionEvent, WatchedDialog};

const BEFORE: &str = "192.0.2.1:40000";
const AFTER: &str = "192.0.2.1:50000";

/// Node 0, seen from `BEFORE`, has registered with node 1; how node 1 reaches it.
fn registered() -> (World, Flow) {
    let mut world = World::perfect(2);
    world.outside = Some(BEFORE.parse().unwrap());
    let _ = world.endpoint(0).register(registrations::registration(&world));
    let flow = granted(&mut world);
    assert_eq!(flow.remote.to_string(), BEFORE);
    for _ in 0..2 {
        assert!(matches!(world.event(0), Event::Registration { .. }));
    }
    (world, flow)
}

fn granted(world: &mut World) -> Flow {
    match world.event(1) {
        Event::Register(asked) => {
            world.endpoint(1).accept_register(asked.request, asked.contacts);
            asked.flow
        }
        other => panic!("not a REGISTER: {other:?}"),
    }
}

/// The office calls the phone.
fn called(world: &mut World, flow: Flow) -> LegKey {
    let invite = Invite { via_flow: Some(flow), ..world.invite(1, 0) };
    world.endpoint(1).invite(invite)
}

fn states(world: &mut World) -> Vec<RegistrationState> {
    world.settle();
    let events = std::iter::from_fn(|| world.nodes[0].events.try_recv().ok());
    events.filter_map(|e| if let Event::Registration { state, .. } = e { Some(state) } else { None }).collect()
}

#[test]
fn a_phone_whose_router_was_started_anew_is_reached_again_within_a_keep_alive() {
    let (mut world, _) = registered();
    world.pass(Duration::from_secs(40));
    world.outside = Some(AFTER.parse().unwrap());
    let begun = world.now;
    let flow = granted(&mut world);
    assert_eq!(flow.remote.to_string(), AFTER);
    assert!(world.now - begun <= Duration::from_secs(16), "{:?}", world.now - begun);
    called(&mut world, flow);
    world.pass(Duration::from_secs(1));
    let told = states(&mut world);
    assert!(matches!(told[..], [RegistrationState::Registered { .. }]), "it was there all the time: {told:?}");
    assert_eq!(world.times(1, "INVITE").len(), 1);
    assert!(!world.times(0, "100 INVITE").is_empty(), "it rings: {:?}", world.sent_by(0));
    let asked = world.times(0, "REGISTER").len();
    world.pass(Duration::from_secs(100));
    assert_eq!(world.times(0, "REGISTER").len(), asked, "once is enough");
}

#[test]
fn what_the_office_says_in_a_call_finds_the_phone_behind_its_new_address() {
    let (mut world, flow) = registered();
    let out = called(&mut world, flow);
    let call = world.incoming(0);
    world.endpoint(0).answer(call.leg, ANSWER.into());
    assert_eq!(world.of(1, out), LegEvent::Answered { sdp: ANSWER.into() });
    assert_eq!(world.of(0, call.leg), LegEvent::Confirmed { sdp: None });
    world.outside = Some(AFTER.parse().unwrap());
    assert_eq!(granted(&mut world).remote.to_string(), AFTER);
    world.pass(Duration::from_secs(2));
    assert!(matches!(states(&mut world)[..], [RegistrationState::Registered { .. }]));
    world.endpoint(1).hang_up(out, None);
    assert_eq!(world.ended(0, call.leg).by, crate::EndedBy::Them);
}

#[test]
fn what_is_asked_again_from_the_new_address_is_answered_there() {
    let mut world = World::perfect(2);
    world.outside = Some(BEFORE.parse().unwrap());
    let _ = world.endpoint(0).register(registrations::registration(&world));
    let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
    world.outside = Some(AFTER.parse().unwrap());
    world.endpoint(1).accept_register(asked.request, asked.contacts);
    world.pass(Duration::from_secs(1));
    assert!(matches!(states(&mut world)[..], [RegistrationState::Registering, RegistrationState::Registered { .. }]));
    assert_eq!(granted(&mut world).remote.to_string(), AFTER, "as soon as that is known");
    assert!(world.seconds() <= 17, "{}", world.seconds());
}

#[test]
fn a_lamp_burns_on_behind_the_new_address() {
    let (mut world, _) = registered();
    world.nodes[1].core.watchers = super::watchers::Watchers::new(true);
    let to = Uri::at("200", world.nodes[1].address, Transport::Udp);
    let from = NameAddr::new(None, Uri::at("ravi", world.nodes[0].address, Transport::Udp));
    let package = crate::Package::Dialog;
    let _ = world.endpoint(0).subscribe(Subscription {
        to,
        from,
        package,
        through: None,
        credentials: None,
        expires: 3600,
    });
    let Event::Watch(watch) = world.event(1) else { panic!("not a SUBSCRIBE") };
    world.endpoint(1).notify(watch.watcher, Notice::Dialogs(vec![]));
    assert!(matches!(world.event(0), Event::Subscription { event: SubscriptionEvent::Dialogs(_), .. }));
    world.outside = Some(AFTER.parse().unwrap());
    granted(&mut world);
    world.pass(Duration::from_secs(1));
    while world.nodes[0].events.try_recv().is_ok() {}
    let rings = vec![WatchedDialog { state: DialogState::Early, called: Some(false), remote: None }];
    world.endpoint(1).notify(watch.watcher, Notice::Dialogs(rings.clone()));
    match world.event(0) {
        Event::Subscription { event: SubscriptionEvent::Dialogs(told), .. } => assert_eq!(told, rings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_nat_that_never_keeps_an_address_costs_a_register_a_minute() {
    let (mut world, _) = registered();
    let mut asked = 0;
    for port in 50_000..50_600 {
        world.outside = Some(SocketAddr::new([192, 0, 2, 1].into(), port));
        world.pass(Duration::from_secs(1));
        while !world.nodes[1].events.is_empty() {
            granted(&mut world);
            asked += 1;
        }
        world.pass(LATENCY);
    }
    assert!((9..=11).contains(&asked), "{asked} in 10 minutes");
}
