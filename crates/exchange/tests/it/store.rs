//! What outlives a restart.

use std::{collections::HashSet, sync::Arc};

use exchange::{
    config,
    engine::embedded::DeviceSecrets,
    serve::{ServeError, listen},
    store::{Store, StoreError, audit, devices, devices::Devices},
};
use protocol::{CallOutcome, Timestamp, UserId};

use crate::office::{CONFIG, Office, SUPPORT, database, hash};

#[tokio::test]
async fn a_restart_keeps_the_trail_unbroken_and_the_sessions_good() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let office = Office::open_in(dir.clone(), CONFIG).await.unwrap();
    let maya = office.person("maya").await;
    office.try_sign_in("ravi", "wrong").await;
    let (store, data) = (office.exchange.store.id().to_owned(), office.data());
    office.exchange.stop().await;
    assert_eq!(audit::verify(&database(&data), None).unwrap().entries, 2);

    let office = Office::open_in(dir, CONFIG).await.unwrap();
    assert_eq!(office.exchange.store.id(), store);
    let answer = office.http.get(office.url("/v1/directory")).bearer_auth(&maya.session.token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    office.try_sign_in("ravi", "wrong").await;
    office.exchange.stop().await;
    assert_eq!(audit::verify(&database(&data), None).unwrap().entries, 3);
}

#[tokio::test]
async fn calls_that_go_on_when_the_exchange_stops_have_complete_records() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut office = Office::open_in(dir.clone(), CONFIG).await.unwrap();
    let mut feed = office.person("maya").await.feed().await;
    feed.snapshot().await;
    let (_, row) = office.talking_with_ravi(&mut feed).await;
    office.call(SUPPORT);
    feed.row(|r| r.call.id != row.call.id).await;
    office.exchange.stop().await;

    let store = Store::open(&dir.path().join("data")).unwrap();
    let records = store.read(|c| exchange::store::records::page(c, 0, 10)).await.unwrap();
    assert_eq!(records.len(), 2);
    let talked = records.iter().find(|r| r.id == row.call.id).unwrap();
    assert_eq!(talked.outcome, CallOutcome::Answered);
    assert!(talked.ended_at >= talked.started_at);
    assert!(records.iter().all(|r| r.ended_because == protocol::Reason::Shutdown), "{records:?}");
}

#[tokio::test]
async fn a_device_works_until_it_is_revoked_or_signed_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let other = Store::open_shared(dir.path()).unwrap().connection().unwrap();
    let active = HashSet::from([UserId::from("ravi")]);
    let secrets = Devices::new(&store, active).unwrap();
    let issue = |user: &str| devices::issue(&other, &user.into(), "sim", None, Timestamp(1)).unwrap();
    let (one, two, disabled) = (issue("ravi"), issue("ravi"), issue("gone"));
    assert_eq!(secrets.secret(one.device.as_str()), Some(("ravi".into(), one.secret.clone())));
    assert_eq!(secrets.secret(disabled.device.as_str()), None);
    assert_eq!(secrets.secret("' OR 1=1 --"), None);

    assert!(devices::revoke(&other, &one.device).unwrap());
    assert_eq!(secrets.secret(one.device.as_str()), None);
    let again = devices::issue(&other, &"ravi".into(), "sim", Some(&one.device), Timestamp(2)).unwrap();
    assert_ne!(again.device, one.device, "what was revoked stays revoked");
    let stolen = devices::issue(&other, &"mina".into(), "sim", Some(&two.device), Timestamp(2)).unwrap();
    assert_ne!(stolen.device, two.device, "nobody takes over another user's device");

    assert!(secrets.secret(two.device.as_str()).is_some());
    devices::sign_out(&other, &two.device).unwrap();
    assert_eq!(secrets.secret(two.device.as_str()), None);
    let back = devices::issue(&other, &"ravi".into(), "sim", Some(&two.device), Timestamp(3)).unwrap();
    assert_eq!(back.device, two.device);
    assert_eq!(secrets.secret(two.device.as_str()), Some(("ravi".into(), back.secret)));
    assert!(!devices::revoke(&other, &"no-such".into()).unwrap());
}

#[tokio::test]
async fn only_one_exchange_uses_a_store_and_only_its_owner_reads_it() {
    let office = Office::open().await;
    let second = Office::open_in(office.dir.clone(), CONFIG).await;
    let error = second.err().expect("two exchanges at once");
    assert!(matches!(error, ServeError::Store(StoreError::InUse { .. })), "{error}");
    assert!(error.to_string().contains("stop that one first"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| std::fs::metadata(office.data().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("exchange.db"), mode("")), (0o600, 0o700));
    }
    // A port in use is told in a sentence, too.
    let address = office.exchange.ready.api.trim_start_matches("http://");
    let text = CONFIG.replace("HASH", hash()).replace("127.0.0.1:0\" #", &format!("{address}\" #"));
    let config = config::parse(&office.dir.path().join("x.toml"), &text).unwrap();
    let error = listen(&config).unwrap_err().to_string();
    assert!(error.contains(address) && error.contains("stop the program that uses this port"), "{error}");
    office.exchange.stop().await;
}
