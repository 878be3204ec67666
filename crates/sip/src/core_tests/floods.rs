//! Floods at an exchange, node 0: node 1 sends them, node 2 is an honest phone.

use super::*;
use crate::{Credentials, Registration, RegistrationState, Secrets};

/// Knows ravi; trusts nobody.
struct Office;

impl Secrets for Office {
    fn realm(&self) -> String {
        "office".into()
    }
    fn secret(&self, user: &str) -> Option<String> {
        (user == "ravi").then(|| "right".into())
    }
    fn trusted(&self, _: SocketAddr) -> bool {
        false
    }
}

fn office(limits: Limits) -> World {
    let mut world = World::perfect(3);
    let config = EndpointConfig { challenge: Some(Arc::new(Office)), limits, ..EndpointConfig::default() };
    world.nodes[0] = Node::new(0, world.now, config);
    world
}

fn ravi(password: &str) -> Option<Credentials> {
    Some(Credentials { user: "ravi".into(), password: password.into() })
}

fn register(world: &World, node: usize, password: &str) -> RegistrationKey {
    let registrar = Uri::at("", world.nodes[0].address, Transport::Udp);
    let aor = NameAddr::new(None, Uri::at("ravi", world.nodes[0].address, Transport::Udp));
    let credentials = ravi(password);
    world.endpoint(node).register(Registration {
        registrar,
        aor,
        credentials,
        expires: 300,
        outbound_proxy: None,
        instance: None,
        insists: false,
    })
}

/// The next state of a registration of `node`, which is not [`RegistrationState::Registering`].
fn state(world: &mut World, node: usize) -> RegistrationState {
    loop {
        match world.event(node) {
            Event::Registration { state: RegistrationState::Registering, .. } => {}
            Event::Registration { state, .. } => return state,
            other => panic!("not of a registration: {other:?}"),
        }
    }
}

/// Node 2 registers and calls, while `meanwhile` goes on.
fn registers_and_calls(world: &mut World, mut meanwhile: impl FnMut(&mut World)) {
    let _kept = register(world, 2, "right");
    meanwhile(world);
    match world.event(0) {
        Event::Register(asked) => world.endpoint(0).accept_register(asked.request, asked.contacts),
        other => panic!("not a REGISTER: {other:?}"),
    }
    meanwhile(world);
    assert_eq!(state(world, 2), RegistrationState::Registered { expires: 300, secure: false });
    let out = world.endpoint(2).invite(Invite { credentials: ravi("right"), ..world.invite(2, 0) });
    meanwhile(world);
    let call = world.incoming(0);
    assert_eq!(call.authenticated_as.as_deref(), Some("ravi"));
    world.endpoint(0).answer(call.leg, ANSWER.into());
    assert_eq!(world.of(2, out), LegEvent::Answered { sdp: ANSWER.into() });
    world.endpoint(2).hang_up(out, None);
    world.ended(2, out);
}

#[test]
fn a_flood_of_one_address_takes_nothing_from_another() {
    let mut world = office(Limits::default());
    world.loses = Box::new(|p| p.to == 1);
    let mut number = 0;
    let mut flood = |world: &mut World| {
        for _ in 0..4000 {
            number += 1;
            let method = if number % 2 == 0 { "INVITE" } else { "REGISTER" };
            let text = request(method, "theirs", number, "", "", "").replace("played", &format!("played-{number}"));
            world.says(&text);
        }
    };
    registers_and_calls(&mut world, &mut flood);
    let answered = world.sent.iter().filter(|p| p.to == 1).count();
    // A burst, and what came back in the second that all of this took.
    assert!((4000..4200).contains(&answered), "{answered} of 12000 were answered");
    assert!(world.sent.iter().filter(|p| p.to == 1).all(|p| p.text.starts_with("SIP/2.0 401 ")));
    let kept = world.nodes[0].core.io.txs.open_servers();
    assert!(kept < 20, "{kept} transactions are kept of strangers who were challenged");
}

#[test]
fn who_gives_wrong_passwords_is_refused_unheard_and_the_right_one_works_elsewhere() {
    let mut world = office(Limits::default());
    let key = register(&world, 1, "wrong");
    for _ in 0..10 {
        assert!(matches!(state(&mut world, 1), RegistrationState::Failed { status: 401, .. }));
        world.endpoint(1).refresh(key);
    }
    assert!(matches!(state(&mut world, 1), RegistrationState::Failed { status: 403, .. }));
    registers_and_calls(&mut world, |_| {});
    world.endpoint(1).refresh(key);
    assert!(matches!(state(&mut world, 1), RegistrationState::Failed { status: 403, .. }));
    world.pass(Duration::from_secs(60));
    while let Ok(_earlier) = world.nodes[1].events.try_recv() {}
    world.endpoint(1).refresh(key);
    assert!(matches!(state(&mut world, 1), RegistrationState::Failed { status: 401, .. }), "judged again");
}

#[test]
fn one_user_has_only_so_many_calls() {
    let mut world = office(Limits { calls: 2, ..Limits::default() });
    let call =
        |world: &mut World| world.endpoint(2).invite(Invite { credentials: ravi("right"), ..world.invite(2, 0) });
    let first = call(&mut world);
    let arrived = world.incoming(0).leg;
    let _second = call(&mut world);
    world.incoming(0);
    let third = call(&mut world);
    let ended = |event: &Event| matches!(event, Event::Leg { leg, event: LegEvent::Ended { .. } } if *leg == third);
    while !ended(&world.event(2)) {}
    let refusal = world.sent.iter().find(|p| p.what() == "480 INVITE").unwrap();
    assert_eq!(header(&refusal.text, "Retry-After"), "10");
    world.endpoint(0).refuse(arrived, 486, None);
    assert_eq!(world.ended(2, first).status, Some(486));
    call(&mut world);
    assert!(matches!(world.event(0), Event::Leg { .. }), "the end of the first");
    world.incoming(0);
}
