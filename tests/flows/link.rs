//! The control link is cut in the middle of a transfer: the desk says so, rings all the same, and agrees again after. Why
//! it need not be gone for long: see `away.rs`.

use anyhow::Result;
use desk::{LinkState, PhoneCallState, RingKind, SessionView, Wish};
use flows::line::Line;
use flows::office::{Office, SUPPORT, of};
use flows::seat::Seat;
use protocol::{CallState, Target};

use crate::scene::talking_with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_link_in_mid_transfer_loses_nobody() -> Result<()> {
    let office = Office::open().await?;
    let data = tempfile::tempdir()?;
    let line = Line::to(office.exchange.api_address()).await?;
    let desk = Seat::take(data.path())?;
    desk.sign_in(&format!("http://{}", line.address), "maya", office.exchange.password("maya")?).await?;
    desk.until("the device registered", |view| view.link.registration == LinkState::Up).await?;
    let mut ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let is_priyas = |view: &desk::View| view.live.calls.iter().any(|row| of("+919812345678")(row));
    desk.until("Priya's call", is_priyas).await?;

    line.cut();
    let view = desk.until("that the link is down", |v| matches!(v.link.control, LinkState::Down { .. })).await?;
    assert_eq!(view.live.calls.len(), 1, "what was known stays, with its age");
    assert!(view.live.as_of.is_some());
    // Ravi sends the caller to Maya while her desk can't hear the exchange: the INVITE says all there is to say.
    ravi.say(&format!("transfer sip:maya@{}", office.exchange.sip)).await?;
    let view = desk.until("the ring", |view| !view.rings.is_empty()).await?;
    assert_eq!(view.rings[0].kind, RingKind::Transfer);
    assert_eq!(view.rings[0].headline, "Internal transfer from Ravi Kumar");
    assert_eq!(view.rings[0].caller.name, "Priya Nair");
    desk.desk.wish(Wish::Answer { id: view.rings[0].id });
    desk.until("talking", |view| view.phone.calls.iter().any(|call| call.state == PhoneCallState::Talking)).await?;
    assert!(matches!(desk.desk.view().link.control, LinkState::Down { .. } | LinkState::Connecting));

    line.mend();
    let view = desk
        .until("the truth again", |v| v.link.control == LinkState::Up && v.live.calls.iter().any(talking_with("maya")))
        .await?;
    assert_eq!(view.live.calls.len(), 1, "no ghost rows");
    priya.say("hangup").await?;
    desk.until("no call left", |view| view.live.calls.is_empty()).await?;
    desk.until("the record", |view| view.logs.rows.len() == 1).await?;
    desk.leave().await;
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_at_a_desk_moves_the_row_and_the_log_is_there_offline() -> Result<()> {
    let office = Office::open().await?;
    let data = tempfile::tempdir()?;
    let desk = Seat::take(data.path())?;
    desk.sign_in(&office.exchange.api, "maya", office.exchange.password("maya")?).await?;
    desk.leave().await;
    let desk = Seat::take(data.path())?;
    desk.until("signed in still", |view| matches!(view.session, SessionView::SignedIn { .. })).await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let tom = office.colleague("tom", &["--auto-answer=300"]).await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let view = desk.until("talking with Ravi", |view| view.live.calls.iter().any(talking_with("ravi"))).await?;
    let call = view.live.calls[0].call.id.clone();

    desk.desk.wish(Wish::OpenTransfer { call: call.clone() });
    let ready = |view: &desk::View| {
        let dialog = view.dialog.as_ref();
        dialog.is_some_and(|dialog| matches!(dialog.body, desk::DialogBody::Ready { .. }))
    };
    let dialog = desk.until("the dialog", ready).await?.dialog.unwrap();
    let target = Target::User("tom".into());
    desk.desk.wish(Wish::Transfer {
        call: call.clone(),
        revision: dialog.revision,
        target,
        transfer: protocol::TransferKind::Blind,
        note: None,
    });
    desk.until("the dialog closed", |view| view.dialog.is_none()).await?;
    tom.event("answered").await?;
    desk.until("talking with Tom", |view| view.live.calls.iter().any(talking_with("tom"))).await?;
    priya.say("hangup").await?;
    desk.until("the record", |view| view.logs.rows.iter().any(|record| record.id == call)).await?;
    assert!(desk.desk.view().live.calls.iter().all(|row| !matches!(row.call.state, CallState::Talking { .. })));
    desk.leave().await;
    office.exchange.stop().await?;

    // The exchange is gone. The same desk, started again, still has the call and its audit trail.
    let desk = Seat::take(data.path())?;
    desk.until("the log, offline", |view| view.logs.rows.iter().any(|record| record.id == call)).await?;
    desk.desk.wish(Wish::OpenDetails { call: call.clone() });
    let details = |view: &desk::View| match &view.details {
        Some(desk::DetailsView::Ready { record, .. }) => !record.audit.is_empty() && record.agents.len() == 2,
        Some(desk::DetailsView::Loading { .. } | desk::DetailsView::Missing { .. }) | None => false,
    };
    desk.until("the details, offline", details).await?;
    desk.leave().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_the_person_compares_the_fingerprint_once() -> Result<()> {
    let office = Office::open_with(|config| {
        let api = config["api"].as_table_mut().unwrap();
        for (key, value) in [("bind", "0.0.0.0:0"), ("certificate", "cert.pem"), ("key", "key.pem")] {
            api.insert(key.into(), value.into());
        }
    })
    .await?;
    let ready = office.exchange.program.all().into_iter().find(|line| line["ready"] == true).unwrap();
    let printed = ready["fingerprint"].as_str().unwrap().to_owned();
    let port = office.exchange.api.rsplit(':').next().unwrap().to_owned();
    let address = format!("https://127.0.0.1:{port}");

    let data = tempfile::tempdir()?;
    let desk = Seat::take(data.path())?;
    let password = office.exchange.password("maya")?.to_owned();
    desk.desk.sign_in(address.clone(), "maya".into(), password.clone());
    let asked = |view: &desk::View| matches!(view.session, SessionView::ConfirmFingerprint { .. });
    let view = desk.until("the fingerprint", asked).await?;
    let SessionView::ConfirmFingerprint { fingerprint, .. } = view.session else { panic!("asked above") };
    let bare = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
    assert_eq!(bare(&fingerprint), bare(&printed));
    desk.desk.wish(Wish::AcceptFingerprint);
    desk.until("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await?;
    desk.until("the feed", |view| view.link.control == LinkState::Up).await?;
    desk.leave().await;
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an unlocked Secret Service on the session bus"]
async fn the_sign_in_is_kept_in_the_system_keyring() -> Result<()> {
    let office = Office::open().await?;
    let data = tempfile::tempdir()?;
    for first in [true, false] {
        let desk = Seat::furnished(data.path(), |_| {})?;
        if first {
            desk.sign_in(&office.exchange.api, "maya", office.exchange.password("maya")?).await?;
        }
        let kept = |view: &desk::View| matches!(view.session, SessionView::SignedIn { keyring_warning: None, .. });
        desk.until("signed in, with no warning", kept).await?;
        desk.leave().await;
        assert!(!data.path().join("sign-in.json").exists());
    }
    office.exchange.stop().await
}
