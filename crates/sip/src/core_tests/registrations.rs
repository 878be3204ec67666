//! Registrations over hours, and registrars that die, come back, or ignore what they are asked.

use super::*;
use crate::{Registration, RegistrationState};

/// 0 registers with 1.
fn register(world: &mut World) -> RegistrationKey {
    let key = world.endpoint(0).register(registration(world));
    assert_eq!(state(world), RegistrationState::Registering);
    grant(world);
    assert_eq!(state(world), RegistrationState::Registered { expires: 300, secure: false });
    key
}

pub(super) fn registration(world: &World) -> Registration {
    let registrar = Uri::at("", world.nodes[1].address, Transport::Udp);
    let aor = NameAddr::new(None, Uri::at("ravi", world.nodes[1].address, Transport::Udp));
    Registration {
        registrar,
        aor,
        credentials: None,
        expires: 300,
        outbound_proxy: None,
        instance: None,
        insists: false,
    }
}

fn state(world: &mut World) -> RegistrationState {
    loop {
        match world.event(0) {
            Event::Registration { state, .. } => return state,
            Event::NetworkChanged => {}
            other => panic!("not of a registration: {other:?}"),
        }
    }
}

/// The registrar takes the next REGISTER.
fn grant(world: &mut World) {
    match world.event(1) {
        Event::Register(asked) => world.endpoint(1).accept_register(asked.request, asked.contacts),
        other => panic!("not a REGISTER: {other:?}"),
    }
}

#[test]
fn a_registrar_that_was_restarted_is_noticed_within_15_s() {
    let mut world = World::perfect(2);
    register(&mut world);
    world.pass(Duration::from_secs(40));
    let asked = world.times(0, "REGISTER").len();
    world.restart(1);
    let begun = world.seconds();
    grant(&mut world);
    assert_eq!(state(&mut world), RegistrationState::Registered { expires: 300, secure: false });
    assert!(world.seconds() - begun <= 15, "{}", world.seconds() - begun);
    assert_eq!(world.times(0, "REGISTER").len(), asked + 1);
}

#[test]
fn a_registrar_that_was_away_has_us_again_soon_after_it_is_back() {
    let mut world = World::perfect(2);
    register(&mut world);
    world.pass(Duration::from_secs(20));
    world.loses = Box::new(|p| p.to == 1);
    assert_eq!(state(&mut world), RegistrationState::Registering, "noticed: the ping has no answer");
    assert!(world.seconds() <= 20 + 15 + 6);
    world.pass(Duration::from_secs(200));
    world.loses = Box::new(|_| false);
    world.restart(1);
    let back = world.seconds();
    grant(&mut world);
    assert!(world.seconds() - back <= 4, "{}", world.seconds() - back);
}

#[test]
fn a_registrar_that_ignores_options_is_not_bothered() {
    let mut world = World::perfect(2);
    world.loses = Box::new(|p| p.what().ends_with("OPTIONS"));
    register(&mut world);
    world.pass(Duration::from_secs(140));
    assert_eq!(world.times(0, "REGISTER").len(), 1, "silence says nothing about it");
    let pings = world.times(0, "OPTIONS").len();
    world.pass(Duration::from_secs(8));
    assert_eq!(world.times(0, "OPTIONS").len(), pings, "nor is it asked again");
    grant(&mut world);
    assert_eq!(world.seconds(), 150, "the refresh at half time");
}

#[test]
fn whoever_knows_better_has_it_register_at_once() {
    let mut world = World::perfect(2);
    let key = register(&mut world);
    let before = world.now;
    world.endpoint(0).refresh(key);
    grant(&mut world);
    assert_eq!(world.now - before, LATENCY);
}

#[test]
fn whoever_knows_better_while_it_is_being_asked_is_heard_when_that_has_come_to_nothing() {
    let mut world = World::perfect(2);
    let key = register(&mut world);
    world.loses = Box::new(|p| p.to == 1);
    world.pass(Duration::from_secs(600));
    while world.nodes[0].events.try_recv().is_ok() {}
    while state(&mut world) != RegistrationState::Registering {}
    let asked = world.now;
    world.pass(Duration::from_secs(20));
    world.endpoint(0).refresh(key);
    // Nothing of it is sent again after this.
    world.pass(Duration::from_millis(11_600));
    world.loses = Box::new(|_| false);
    grant(&mut world);
    assert_eq!(world.now - asked, Duration::from_secs(32) + LATENCY, "without the pause that it had come to");
}

#[test]
fn a_wish_that_crosses_the_answer_costs_another_request_only_if_that_told_the_old_address() {
    for moves in [false, true] {
        let mut world = World::perfect(2);
        let key = register(&mut world);
        let before = world.times(0, "REGISTER").len();
        world.endpoint(0).refresh(key);
        let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
        if moves {
            world.nodes[0].core.io.net.advertise([10, 0, 0, 77].into());
        }
        world.endpoint(0).refresh(key);
        world.settle();
        world.endpoint(1).accept_register(asked.request, asked.contacts);
        world.pass(Duration::from_millis(100));
        assert_eq!(world.times(0, "REGISTER").len() - before, 1 + usize::from(moves));
    }
}

/// The pauses after so many refusals with the same status, seconds.
fn pauses(refusal: u16, count: usize) -> Vec<u32> {
    let mut world = World::perfect(2);
    let key = register(&mut world);
    world.endpoint(0).refresh(key);
    let mut pauses = Vec::new();
    for _ in 0..count {
        let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
        world.endpoint(1).refuse_register(asked.request, refusal, None);
        loop {
            match state(&mut world) {
                RegistrationState::Failed { status, retry_in_seconds: Some(seconds), .. } if status == refusal => {
                    break pauses.push(seconds);
                }
                RegistrationState::Registered { .. } | RegistrationState::Registering => {}
                other => panic!("{other:?}"),
            }
        }
    }
    pauses
}

#[test]
fn a_wish_does_not_hurry_a_registrar_that_says_that_it_is_busy() {
    let mut world = World::perfect(2);
    let key = register(&mut world);
    world.endpoint(0).refresh(key);
    let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
    world.endpoint(0).refresh(key);
    world.settle();
    let before = world.times(0, "REGISTER").len();
    world.endpoint(1).refuse_register(asked.request, 503, None);
    world.pass(Duration::from_millis(100));
    assert_eq!(world.times(0, "REGISTER").len(), before);
    grant(&mut world);
}

#[test]
fn refusals_are_retried_ever_more_rarely() {
    let refused = pauses(500, 9);
    assert!(refused[0] <= 2 && (60..=120).contains(&refused[8]), "{refused:?}");
    let busy = pauses(503, 9);
    assert!(busy[0] <= 1 && (15..=30).contains(&busy[8]), "a server that is there and cannot serve: {busy:?}");
}

/// The registrar refuses the password of the next REGISTER; when it is asked again.
fn refuse(world: &mut World) -> Option<u32> {
    let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
    world.endpoint(1).refuse_register(asked.request, 403, None);
    loop {
        if let RegistrationState::Failed { status, retry_in_seconds, .. } = state(world) {
            assert_eq!(status, 403);
            return retry_in_seconds;
        }
    }
}

#[test]
fn a_password_that_never_was_right_is_tried_once_and_again_when_asked() {
    let mut world = World::perfect(2);
    let key = world.endpoint(0).register(registration(&world));
    assert_eq!(refuse(&mut world), None);
    world.pass(Duration::from_secs(7200));
    assert_eq!(world.times(0, "REGISTER").len(), 1, "nobody locks the account");
    world.endpoint(0).refresh(key);
    assert_eq!(refuse(&mut world), None);
    world.endpoint(0).network_changed();
    grant(&mut world);
    while state(&mut world) != (RegistrationState::Registered { expires: 300, secure: false }) {}
}

#[test]
fn a_password_that_was_right_is_tried_for_a_night_and_a_machines_for_ever() {
    for (insists, tries) in [(false, 21), (true, 40)] {
        let mut world = World::perfect(2);
        let key = world.endpoint(0).register(Registration { insists, ..registration(&world) });
        grant(&mut world);
        world.endpoint(0).refresh(key);
        let pauses: Vec<Option<u32>> = (0..tries).map(|_| refuse(&mut world)).collect();
        let (last, before) = pauses.split_last().unwrap();
        assert_eq!(last.is_some(), insists);
        assert!(before.iter().all(Option::is_some) && pauses[0] <= Some(2), "{pauses:?}");
    }
}

/// When, after an outage of an hour, each of a thousand phones has its first REGISTER heard, milliseconds.
fn comebacks() -> Vec<u64> {
    const OUTAGE: Duration = Duration::from_secs(3600);
    let one = |phone: u64| {
        let mut world = World::perfect(2);
        register(&mut world);
        // Phones do not register in the same moment.
        world.pass(Duration::from_millis(phone * 15));
        world.loses = Box::new(|p| p.to == 1);
        let begun = world.now;
        world.pass(OUTAGE);
        world.loses = Box::new(|_| false);
        world.restart(1);
        world.sent.clear();
        while !matches!(world.event(1), Event::Register(_)) {}
        u64::try_from((world.now - begun - OUTAGE).as_millis()).unwrap()
    };
    (0..1000).map(one).collect()
}

#[test]
fn a_thousand_phones_do_not_stampede_after_an_outage_of_an_hour() {
    let comebacks = comebacks();
    let mut seconds = [0; 64];
    comebacks.iter().for_each(|at| seconds[usize::try_from(at / 1000).unwrap()] += 1);
    println!("REGISTERs heard in each second after the outage: {seconds:?}");
    assert!(seconds.iter().all(|n| *n <= 450), "{seconds:?}");
    assert!(comebacks.iter().all(|at| *at <= 4_500), "all are back within the longest pause: {seconds:?}");
}

#[test]
fn a_change_of_network_is_one_question_if_the_way_stays_the_same() {
    let mut world = World::perfect(2);
    register(&mut world);
    let before = (world.times(0, "REGISTER").len(), world.times(0, "OPTIONS").len());
    world.endpoint(0).network_changed();
    assert!(matches!(world.event(0), Event::NetworkChanged));
    world.pass(Duration::from_secs(3));
    let after = (world.times(0, "REGISTER").len(), world.times(0, "OPTIONS").len());
    assert_eq!(after, (before.0, before.1 + 1));
}

/// The clock that timers go by stands still meanwhile, the registrar's does not, and it answers whatever it is asked.
#[test]
fn who_has_slept_registers_anew_at_once_whatever_the_registrar_remembers() {
    let mut world = World::perfect(2);
    register(&mut world);
    world.pass(Duration::from_secs(5));
    let before = world.now;
    world.endpoint(0).woken();
    grant(&mut world);
    assert_eq!(world.now - before, LATENCY);
    while state(&mut world) != (RegistrationState::Registered { expires: 300, secure: false }) {}
    assert_eq!(world.times(0, "REGISTER").len(), 2, "once");
}

#[test]
fn a_change_of_network_ends_a_pause() {
    let mut world = World::perfect(2);
    register(&mut world);
    world.loses = Box::new(|p| p.to == 1);
    world.pass(Duration::from_secs(300));
    world.loses = Box::new(|_| false);
    while world.nodes[0].events.try_recv().is_ok() {}
    let before = world.now;
    world.endpoint(0).network_changed();
    grant(&mut world);
    assert!(world.now - before <= Duration::from_secs(1), "{:?}", world.now - before);
}

#[test]
fn a_strangers_challenge_never_gets_the_digest_of_the_accounts_password() {
    let mut world = World::perfect(2);
    world.play_1();
    let credentials = Some(crate::Credentials { user: "ravi".into(), password: "s3cret".into() });
    let _ = world.endpoint(0).register(Registration { credentials: credentials.clone(), ..registration(&world) });
    let asked = world.last();
    world.says(&answer(&asked, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"office\", nonce=\"n\"\n"));
    let asked = world.last();
    assert!(header(&asked, "Authorization").contains("realm=\"office\""), "{asked}");
    world.says(&answer(&asked, "200 OK", ""));
    for (realm, answers) in [("elsewhere", false), ("office", true)] {
        let invite = Invite { credentials: credentials.clone(), ..world.invite(0, 1) };
        let out = world.endpoint(0).invite(invite);
        let invite = world.last();
        let challenge = format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"n\"\n");
        world.says(&answer(&invite, "407 Proxy Authentication Required", &challenge));
        let answered = world.last().contains("\nProxy-Authorization: ");
        assert_eq!(answered, answers, "{realm}: {}", world.last());
        if !answers {
            assert_eq!(state(&mut world), RegistrationState::Registering);
            assert!(matches!(state(&mut world), RegistrationState::Registered { .. }));
            assert_eq!(world.ended(0, out).foreign_realm.as_deref(), Some(realm), "the person is told");
        }
    }
}

#[test]
fn a_device_says_which_it_is_until_it_leaves() {
    let mut world = World::perfect(2);
    let instance = crate::Instance::named("desk");
    let key = world.endpoint(0).register(Registration { instance: Some(instance.clone()), ..registration(&world) });
    let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
    assert_eq!(asked.contacts[0].instance.as_ref(), Some(&instance));
    world.endpoint(1).accept_register(asked.request, asked.contacts);
    assert_eq!(state(&mut world), RegistrationState::Registering);
    assert_eq!(state(&mut world), RegistrationState::Registered { expires: 300, secure: false });
    let told = world.sent.iter().rfind(|p| p.what() == "200 REGISTER").unwrap();
    assert!(header(&told.text, "Contact").ends_with(&instance.to_string()), "{}", told.text);
    world.endpoint(0).unregister(key);
    let Event::Register(asked) = world.event(1) else { panic!("not a REGISTER") };
    assert_eq!((asked.contacts[0].expires, asked.contacts[0].instance.clone()), (0, None));
}

#[test]
fn where_outbound_is_not_known_it_is_left_out() {
    let mut world = World::perfect(2);
    world.play_1();
    let instance = Some(crate::Instance::named("desk"));
    let _ = world.endpoint(0).register(Registration { instance, ..registration(&world) });
    let asked = world.last();
    assert_eq!(header(&asked, "Supported"), "path, outbound");
    assert!(header(&asked, "Contact").contains("reg-id=1"), "{asked}");
    world.says(&answer(&asked, "439 First Hop Lacks Outbound Support", ""));
    let again = world.last();
    assert_eq!(header(&again, "Supported"), "path");
    assert!(again.starts_with("REGISTER ") && !again.contains("sip.instance"), "{again}");
    world.says(&answer(&again, "200 OK", ""));
    assert_eq!(state(&mut world), RegistrationState::Registering);
    assert!(matches!(state(&mut world), RegistrationState::Registered { .. }));
}

#[test]
fn requests_to_a_device_behind_a_proxy_pass_its_path() {
    let register = |more: &str| request("REGISTER", "theirs", 1, "", &format!("{more}Expires: 60\n"), "");
    let path = "Path: <sip:edge@10.0.0.2;lr;received=x>, <sip:inner.example;lr>\nPath: <sip:last.example;lr>\n";
    for (knows, told) in [("Supported: path\nRequire: path\n", 2), ("", 0)] {
        let mut world = World::perfect(2);
        world.play_1();
        world.says(&register(&format!("{path}{knows}")));
        let Event::Register(asked) = world.event(0) else { panic!("not a REGISTER") };
        let expected = ["<sip:edge@10.0.0.2;lr;received=x>", "<sip:inner.example;lr>", "<sip:last.example;lr>"];
        assert_eq!(asked.path, expected);
        world.endpoint(0).accept_register(asked.request, asked.contacts.clone());
        let ok = world.last();
        assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
        assert_eq!(ok.lines().filter(|l| l.starts_with("Path: ")).count(), told, "{ok}");
        let to = asked.contacts[0].uri.clone();
        let invite = Invite { to, via_flow: Some(asked.flow), routes: asked.path, ..world.invite(0, 1) };
        let _ = world.endpoint(0).invite(invite);
        let invite = world.last();
        let routes: Vec<_> = invite.lines().filter_map(|l| l.strip_prefix("Route: ")).collect();
        assert_eq!(routes, expected, "{invite}");
        assert!(invite.starts_with("INVITE sip:bob@10.0.0.2:5060 "), "{invite}");
    }
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    let long = format!("Path: {}<sip:a;lr>\n", "<sip:a;lr>,".repeat(8));
    for wrong in ["Path: <sip:[\n", "Path: sip:edge.example\n", "Path: <tel:5>\n", long.as_str()] {
        let mut world = World::perfect(2);
        world.play_1();
        world.says(&request("REGISTER", "theirs", 1, "", wrong, ""));
        assert!(world.last().starts_with("SIP/2.0 400 "), "{wrong}: {}", world.last());
    }
    let mut world = World::perfect(2);
    world.play_1();
    world.says(&request("INVITE", "theirs", 1, "", "Require: path\n", OFFER));
    assert!(world.last().starts_with("SIP/2.0 420 "), "only a registrar knows of it: {}", world.last());
}
