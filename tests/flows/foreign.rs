//! SIPp and baresip, from Debian, as the far side of each role.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use flows::baresip::Baresip;
use flows::golden::{Lane, compare};
use flows::office::{Office, SUPPORT, TRUNK};
use flows::phone::{Phone, PhoneSpec};
use flows::ports::free_port;
use flows::sipp::{finished, said, sipp};
use flows::sound::voice;
use protocol::{AuditOutcome, Reason};

use crate::scene::{Scene, answering, office, sounds, talking_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_calls_a_department_through_the_trunk() -> Result<()> {
    for transport in ["u1", "t1"] {
        let office = Office::open().await?;
        let ravi = office.colleague("ravi", &["--auto-answer"]).await?;
        let to = if transport == "u1" { office.exchange.sip } else { office.exchange.sip_tcp };
        let mut sipp = sipp(office.dir(), transport);
        sipp.args(["-sn", "uac", "-m", "1", "-d", "300", "-i", TRUNK, "-s", SUPPORT, &to.to_string()]);
        let call = finished(sipp).await?;
        ensure!(call.status.success(), "{transport}: {}", said(&call));
        ravi.event("answered").await?;
        ravi.event("ended").await?;
        office.exchange.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_calls_an_outside_number_that_sipp_answers() -> Result<()> {
    let host: IpAddr = TRUNK.parse()?;
    let gateway = SocketAddr::new(host, free_port(&[host])?);
    let office = Office::open_with(|config| {
        config["trunk"].as_table_mut().unwrap().insert("dial".into(), gateway.to_string().into());
    })
    .await?;
    let mut uas = sipp(office.dir(), "u1");
    uas.args(["-sn", "uas", "-m", "1", "-i", TRUNK, "-p", &gateway.port().to_string()]);
    let answering = tokio::spawn(finished(uas));
    let mut ravi = office.colleague("ravi", &[]).await?;
    ravi.say(&format!("call sip:+15550123@{}", office.exchange.sip)).await?;
    ravi.event("answered").await?;
    let mut feed = office.exchange.person("alex").await?.feed().await?;
    let row = feed.row("the outgoing call", |row| row.call.direction == protocol::Direction::Outbound).await?;
    assert_eq!(row.call.caller.number, "+15550123");
    ravi.say("hangup").await?;
    let answered = answering.await??;
    ensure!(answered.status.success(), "{}", said(&answered));
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_registers_with_the_right_password_only() -> Result<()> {
    let office = Office::open().await?;
    let account = office.exchange.device("ravi").await?;
    for (password, welcome) in [(account.password.as_str(), true), ("wrong", false)] {
        let mut sipp = sipp(office.dir(), "u1");
        let digest = format!("[authentication username={} password={password}]", account.auth_user);
        let fields = office.dir().join("fields.csv");
        std::fs::write(&fields, format!("SEQUENTIAL\nravi;{digest}\n"))?;
        let scenario = flows::sound::repository().join("tests/flows/sipp/register.xml");
        sipp.arg("-sf").arg(scenario).arg("-inf").arg(fields).args(["-m", "1", "-i", "127.0.0.1"]);
        sipp.arg(office.exchange.sip.to_string());
        let done = finished(sipp).await?;
        ensure!(done.status.success() == welcome, "{}", said(&done));
    }
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_is_a_colleague_that_answers_and_is_transferred_away_from() -> Result<()> {
    let office = office().await?;
    let ravi = baresip(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    scene.hears("ravi").await?;
    scene.go("tom").await?;
    tom.event("answered").await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    let lane = ravi.leave().await?;
    scene.golden("baresip-transferred-away-from", vec![tom], vec![lane]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_is_the_target_of_a_transfer() -> Result<()> {
    let office = office().await?;
    let tom = baresip(&office, "tom").await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    scene.row("talking with baresip", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    let lane = tom.leave().await?;
    scene.golden("baresip-target", vec![ravi], vec![lane]).await
}

/// baresip's own transfer command: the REFER comes with no hold before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_transfers_blind_to_a_baresip_that_answers_by_itself() -> Result<()> {
    let office = office().await?;
    let tom = baresip(&office, "tom").await?;
    let ravi = baresip(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    scene.hears("ravi").await?;
    ravi.say("transfer", &scene.address("tom")).await?;
    scene.row("talking with the other baresip", talking_with("tom")).await?;
    scene.hears("tom").await?;
    let record = scene.farewell().await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("ravi".into(), AuditOutcome::Accepted), ("ravi".into(), AuditOutcome::Completed)]);
    let lanes = vec![ravi.leave().await?, tom.leave().await?];
    scene.golden("baresip-to-baresip", vec![], lanes).await
}

/// baresip transfers to Tom, who is busy; it is told, hangs up by itself, and has the caller back when it is rung.
async fn baresip_has_the_caller_back(ravi: Baresip, mut scene: Scene, tom: Phone, golden: &str) -> Result<()> {
    ravi.say("transfer", &scene.address("tom")).await?;
    let busy = |row: &protocol::LiveRow| row.call.bounces.iter().any(|bounce| bounce.reason == Reason::Busy);
    scene.row("back with Ravi", |row| talking_with("ravi")(row) && busy(row)).await?;
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    assert_eq!(record.ended_because, Reason::CallerGone);
    let lane = ravi.leave().await?;
    scene.golden(golden, vec![tom], vec![lane]).await
}

/// It does not hold, so it has the caller back at once, and hangs up on them all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_that_does_not_hold_is_rung_again() -> Result<()> {
    let office = office().await?;
    let ravi = baresip(&office, "ravi").await?;
    let tom = office.colleague("tom", &["--busy"]).await?;
    let scene = Scene::begin(office).await?;
    scene.hears("ravi").await?;
    baresip_has_the_caller_back(ravi, scene, tom, "baresip-no-hold").await
}

/// It holds, and would not hear the caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_that_holds_is_rung_again() -> Result<()> {
    let office = office().await?;
    let ravi = baresip(&office, "ravi").await?;
    let tom = office.colleague("tom", &["--busy"]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say("hold", "").await?;
    scene.row("held", |row| matches!(row.call.state, protocol::CallState::Held { .. })).await?;
    baresip_has_the_caller_back(ravi, scene, tom, "baresip-rung-again").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_and_baresip_call_each_other_with_no_exchange() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spec = PhoneSpec::new("mina").playing(voice("mina")).recording(dir.path()).tracing(dir.path());
    let mina = spec.with(&["--auto-answer"]).start(dir.path()).await?;
    let dial = format!("/dial sip:mina@{}", mina.listen);
    let tom = Baresip::start(dir.path(), "tom", "<sip:tom@127.0.0.1>;regint=0", &[&dial])?;
    mina.event("answered").await?;
    mina.hears(sounds(), "tom").await?;
    tom.say("hangup", "").await?;
    mina.event("ended").await?;
    let theirs = tom.leave().await?;
    let lanes = [Lane { with: "tom", ..Lane::of(mina).await? }, Lane { with: "mina", ..theirs }];
    compare("baresip-with-no-exchange", &lanes)
}

/// The provider is another exchange: to it, ours is a device like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_exchange_registers_with_a_provider_and_takes_its_calls() -> Result<()> {
    let provider = Office::open().await?;
    let account = provider.exchange.device("ravi").await?;
    let office = Office::open_with(|config| {
        let mut trunk = toml::Table::new();
        for (key, value) in [
            ("kind", "register"),
            ("registrar", &format!("sip:{}", provider.exchange.sip)),
            ("user", "ravi"),
            ("auth_user", &account.auth_user),
            ("password", &account.password),
            ("number", SUPPORT),
        ] {
            trunk.insert(key.into(), value.into());
        }
        config.insert("trunk".into(), trunk.into());
    })
    .await?;
    let mut feed = provider.exchange.person("alex").await?.feed().await?;
    registered(&mut feed, "ravi").await?;
    let mina = office.colleague("mina", &["--auto-answer=100"]).await?;
    let mut tom = provider.colleague("tom", &[]).await?;
    tom.say(&format!("call sip:ravi@{}", provider.exchange.sip)).await?;
    let incoming = mina.event("incoming").await?;
    assert_eq!(incoming["kind"], "outside");
    assert_eq!(incoming["caller"]["name"], "Tom Okafor");
    mina.event("answered").await?;
    tom.hears(sounds(), "mina").await?;
    mina.hears(sounds(), "tom").await?;
    tom.say("hangup").await?;
    mina.event("ended").await?;
    office.exchange.stop().await?;
    provider.exchange.stop().await
}

async fn registered(feed: &mut flows::exchange::Feed, user: &str) -> Result<()> {
    feed.user(&format!("{user} registered"), |person| person.id.as_str() == user && person.devices > 0).await.map(drop)
}

/// A registered baresip of `user` that answers at once.
async fn baresip(office: &Office, user: &str) -> Result<Baresip> {
    let account = office.exchange.device(user).await?;
    let baresip = Baresip::device(office, &account, user)?;
    let mut feed = office.exchange.person("maya").await?.feed().await?;
    registered(&mut feed, user).await?;
    Ok(baresip)
}
