//! Signing in, staying so, and out.

use std::sync::Arc;

use desk::{SessionView, View, Wish};

use crate::Rig;
use crate::doubles::Keys;
use crate::exchange::FakeExchange;

fn error(session: &SessionView) -> Option<&str> {
    match session {
        SessionView::SignedOut { error, .. } => error.as_deref(),
        _ => None,
    }
}

#[tokio::test]
async fn the_right_password_brings_account_name_and_phone() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let view = rig.screen.view();
    let SessionView::SignedIn { account, me, address, .. } = &view.session else { panic!("{:?}", view.session) };
    assert_eq!((account.as_str(), me.name.as_str()), ("Northwind Desk", "Maya Lindqvist"));
    assert_eq!(*address, exchange.address());
    assert_eq!(view.directory.users.len(), 2);

    let phone = rig.phones.started().await;
    assert_eq!(phone.listen.ip(), std::net::Ipv4Addr::LOCALHOST, "the address that reaches the registrar");
    let account = phone.account.unwrap();
    assert_eq!(account.registrar, "sip:127.0.0.1:5060", "an empty host is the exchange's");
    assert_eq!((account.user.as_str(), account.auth_user.as_deref()), ("maya", Some("device-1")));
    rig.end().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_exchanges_words() {
    let (exchange, rig) = (FakeExchange::start(), Rig::start());
    rig.desk.sign_in(exchange.address(), "maya".into(), "wrong".into());
    let view = rig.screen.until("an error", |view| error(&view.session).is_some()).await;
    assert_eq!(error(&view.session), Some("User or password is wrong. Try again."));
    let SessionView::SignedOut { address, user, .. } = view.session else { unreachable!() };
    assert_eq!((address, user.as_str()), (exchange.address(), "maya"), "nothing has to be typed again");
    rig.end().await;
}

#[tokio::test]
async fn an_exchange_that_is_not_there_is_said_to_be_so() {
    let rig = Rig::start();
    // Bound, but it does not listen: nobody else gets the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    rig.desk.sign_in(address.clone(), "maya".into(), "right".into());
    let view = rig.screen.until("an error", |view| error(&view.session).is_some()).await;
    let sentence = error(&view.session).unwrap();
    assert!(sentence.contains(&address) && sentence.contains("refused") && sentence.contains("Check"), "{sentence}");
    rig.end().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_explained_without_asking_anyone() {
    let rig = Rig::start();
    rig.desk.sign_in("http://192.0.2.1:80".into(), "maya".into(), "right".into());
    let view = rig.screen.until("an error", |view| error(&view.session).is_some()).await;
    assert!(error(&view.session).unwrap().contains("https://192.0.2.1:80"));
    rig.end().await;
}

#[tokio::test]
async fn a_fingerprint_is_shown_accepted_and_then_asked_no_more() {
    let (exchange, fingerprint) = FakeExchange::start_tls(0);
    let rig = Rig::start();
    rig.sign_in(&exchange);
    let view = rig.screen.until("a fingerprint", |v| matches!(v.session, SessionView::ConfirmFingerprint { .. })).await;
    let SessionView::ConfirmFingerprint { fingerprint: shown, .. } = view.session else { unreachable!() };
    assert_eq!(shown, fingerprint);
    assert_eq!(exchange.rest().await, Vec::<String>::new(), "no password went out before");

    rig.desk.wish(Wish::AcceptFingerprint);
    rig.up().await;
    let rig = rig.again().await;
    rig.up().await;
    rig.end().await;
}

#[tokio::test]
async fn a_refused_fingerprint_sends_nothing() {
    let (exchange, _) = FakeExchange::start_tls(0);
    let rig = Rig::start();
    rig.sign_in(&exchange);
    rig.screen.until("a fingerprint", |v| matches!(v.session, SessionView::ConfirmFingerprint { .. })).await;
    rig.desk.wish(Wish::RefuseFingerprint);
    let view = rig.screen.until("signed out", |view| error(&view.session).is_some()).await;
    assert!(error(&view.session).unwrap().contains("Nothing was sent"));
    assert_eq!(exchange.rest().await, Vec::<String>::new());
    rig.end().await;
}

#[tokio::test]
async fn a_changed_certificate_is_refused_with_a_remedy() {
    let (exchange, _) = FakeExchange::start_tls(0);
    let rig = Rig::start();
    rig.sign_in(&exchange);
    rig.screen.until("a fingerprint", |v| matches!(v.session, SessionView::ConfirmFingerprint { .. })).await;
    rig.desk.wish(Wish::AcceptFingerprint);
    rig.up().await;
    rig.desk.wish(Wish::SignOut { forget: false });
    exchange.asked("sign out").await;
    exchange.stop();
    let port = exchange.port();
    drop(exchange);

    let (impostor, fingerprint) = on_the_same_port(port).await;
    rig.sign_in(&impostor);
    let view = rig.screen.until("an error", |view| error(&view.session).is_some()).await;
    let sentence = error(&view.session).unwrap();
    assert!(sentence.contains(&fingerprint) && sentence.contains("settings.json"), "{sentence}");
    assert_eq!(impostor.rest().await, Vec::<String>::new());
    rig.end().await;
}

/// The port is free as soon as the server before has seen its end.
async fn on_the_same_port(port: u16) -> (FakeExchange, String) {
    while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
        tokio::task::yield_now().await;
    }
    FakeExchange::start_tls(port)
}

#[cfg(unix)]
#[tokio::test]
async fn without_a_keyring_the_sign_in_is_in_a_private_file_and_the_person_knows() {
    use std::os::unix::fs::PermissionsExt;
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.screen
        .until("a warning", |view| {
            matches!(&view.session, SessionView::SignedIn { keyring_warning: Some(warning), .. }
                if warning.contains("sign-in.json"))
        })
        .await;
    let data = rig.dir.path().join("data");
    let mode = std::fs::metadata(data.join("sign-in.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for file in ["sign-in.json", "settings.json"] {
        let text = std::fs::read_to_string(data.join(file)).unwrap();
        assert!(!text.contains("right"), "the password is nowhere");
        assert_eq!(text.contains("sip-secret"), file == "sign-in.json");
    }

    let rig = rig.again().await;
    rig.up().await;
    assert!(exchange.rest().await.iter().filter(|asked| asked.starts_with("sign in")).count() == 1);
    rig.end().await;
}

#[tokio::test]
async fn a_keyring_keeps_the_sign_in_and_no_file_does() {
    let (exchange, keys) = (FakeExchange::start(), Arc::new(Keys::default()));
    let rig = Rig::start_in(tempfile::tempdir().unwrap(), Some(Arc::clone(&keys)));
    rig.sign_in(&exchange);
    rig.up().await;
    rig.desk.stop().await;
    assert!(!rig.dir.path().join("data/sign-in.json").exists());
    let rig = Rig::start_in(rig.dir, Some(Arc::clone(&keys)));
    rig.up().await;
    assert!(matches!(rig.screen.view().session, SessionView::SignedIn { keyring_warning: None, .. }));

    rig.desk.wish(Wish::SignOut { forget: false });
    exchange.asked("sign out").await;
    rig.phones.asked("stop").await;
    rig.end().await;
    assert!(keys.0.lock().unwrap().is_empty(), "signing out forgets the secret");
}

#[tokio::test]
async fn a_revoked_sign_in_leads_to_the_form_with_a_sentence() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    exchange.script(|script| script.token = "another".into());
    exchange.cut();
    exchange.mend();
    let view = rig.screen.until("signed out", |view| error(&view.session).is_some()).await;
    assert!(error(&view.session).unwrap().contains("Sign in again"));
    let nothing_left = |view: &View| view.live.calls.is_empty() && view.directory.users.is_empty();
    rig.screen.until("nothing of the session", nothing_left).await;
    rig.phones.asked("stop").await;
    // The same device comes back to its place.
    rig.sign_in(&exchange);
    exchange.asked("sign in maya Some(\"device-1\")").await;
    rig.up().await;
    rig.end().await;
}
