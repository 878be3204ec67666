//! Devices that differ, come in twos, or sit behind bad wires.

use anyhow::Result;
use flows::golden::{self, Lane};
use flows::line::Line;
use flows::office::SALES;
use flows::phone::{Phone, PhoneSpec};
use flows::seat::Seat;
use flows::sound::voice;
use protocol::{AuditOutcome, CallOutcome};

use crate::scene::{Scene, answering, impatient, office, sounds, talking_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_with_two_devices_answers_on_one_and_missed_nothing_on_the_other() -> Result<()> {
    let office = office().await?;
    let mut ravi = answering(&office, "ravi").await?;
    let mut desk = office.colleague("tom", &[]).await?;
    let mobile = office.desk_phone(PhoneSpec::new("tom-mobile").playing(voice("tom")), "tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    mobile.event("incoming").await?;
    desk.event("incoming").await?;
    desk.say("answer").await?;
    let ended = mobile.event("ended").await?;
    assert_eq!(ended["answered_elsewhere"], true, "{ended}");
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    desk.event("ended").await?;
    scene.golden("two-devices", vec![ravi, desk, mobile], vec![]).await
}

/// Tom's desk rings with his mobile and says and logs what came of it: answered elsewhere once, then missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_whose_call_was_answered_elsewhere_shows_none_as_missed() -> Result<()> {
    let office = office().await?;
    let data = tempfile::tempdir()?;
    let desk = Seat::take(data.path())?;
    desk.sign_in(&office.exchange.api, "tom", office.exchange.password("tom")?).await?;
    desk.registered().await?;
    let ravi = answering(&office, "ravi").await?;
    let mut mobile = office.desk_phone(PhoneSpec::new("tom-mobile").playing(voice("tom")), "tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    mobile.event("incoming").await?;
    desk.until("the ring", |view| view.rings.len() == 1).await?;
    mobile.say("answer").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    let says = |view: &desk::View, what: &str| view.notices.iter().any(|notice| notice.sentence.starts_with(what));
    desk.until("where it was answered", |view| view.rings.is_empty() && says(view, "Answered on another phone"))
        .await?;
    scene.hears("tom").await?;
    scene.farewell().await?;
    let call = scene.call.clone();
    let view = desk.until("the record", |view| view.logs.rows.iter().any(|row| row.id == call)).await?;
    assert!(!says(&view, "Missed"), "{:?}", view.notices);
    assert!(view.logs.rows.iter().all(|row| row.outcome == CallOutcome::Answered), "{:?}", view.logs.rows);

    // Nobody answers the next one: that is what missed looks like.
    scene.priya.say(&format!("call {}", scene.office.number(SALES))).await?;
    desk.until("the next ring", |view| view.rings.len() == 1).await?;
    scene.priya.say("hangup").await?;
    let missed = |view: &desk::View| view.logs.rows.iter().any(|row| row.outcome == CallOutcome::Missed);
    desk.until("the missed call", |view| says(view, "Missed") && missed(view)).await?;
    desk.leave().await;
    drop(ravi);
    scene.office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_codec_is_not_the_calls() -> Result<()> {
    let office = office().await?;
    let mut ravi = office.colleague("ravi", &["--auto-answer=100", "--codec", "opus"]).await?;
    let tom = office.colleague("tom", &["--auto-answer=100", "--codec", "pcma"]).await?;
    let priya = office.outsider_with("priya", "Priya Nair", crate::scene::PRIYA, &["--codec", "g722"]).await?;
    let mut scene = Scene::with(office, priya).await?;
    scene.hears("ravi").await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    tom.hears(sounds(), "priya").await?;
    scene.farewell().await?;
    tom.event("ended").await?;
    scene.golden("another-codec", vec![ravi, tom], vec![]).await
}

/// What is lost, doubled and overtaken differs each time; what is said in which order, and what it leads to, does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_duplication_and_reordering_of_5_percent_each() -> Result<()> {
    let office = office().await?;
    let bad = |seed: u32| format!("loss=5,dup=5,reorder=5,seed={seed}");
    let mut ravi = office.colleague("ravi", &["--auto-answer=100", "--impair", &bad(1)]).await?;
    let mut tom = office.colleague("tom", &["--auto-answer=100", "--impair", &bad(2)]).await?;
    let priya = office.outsider_with("priya", "Priya Nair", crate::scene::PRIYA, &["--impair", &bad(3)]).await?;
    let mut scene = Scene::with(office, priya).await?;
    let (to_tom, to_ravi) = (scene.address("tom"), scene.address("ravi"));
    for _ in 0..4 {
        ravi.event("answered").await?;
        ravi.say(&format!("transfer {to_tom}")).await?;
        scene.row("talking with Tom", talking_with("tom")).await?;
        tom.event("answered").await?;
        ravi.event("ended").await?;
        tom.say(&format!("transfer {to_ravi}")).await?;
        scene.row("talking with Ravi", talking_with("ravi")).await?;
        tom.event("ended").await?;
    }
    scene.hears("ravi").await?;
    let record = scene.farewell().await?;
    let audit = flows::exchange::transfers(&record.audit);
    let of = |wanted: AuditOutcome| audit.iter().filter(|(_, outcome)| *outcome == wanted).count();
    assert_eq!((of(AuditOutcome::Accepted), of(AuditOutcome::Completed)), (8, 8), "{audit:?}");
    assert!(scene.maya.live().await?.is_empty());
    ravi.event("ended").await?;
    let mut lanes = Vec::new();
    for phone in [scene.priya, ravi, tom] {
        lanes.push(Lane::of(phone).await?);
    }
    scene.office.exchange.stop().await?;
    golden::compare_lossy("loss", &lanes)
}

/// A colleague over TCP, through a line that can be cut.
async fn over_tcp(scene: &flows::office::Office, line: &Line, user: &str, more: &[&str]) -> Result<Phone> {
    let mut spec = PhoneSpec::new(user).playing(voice(user)).recording(scene.dir()).tracing(scene.dir());
    spec.account = Some((scene.exchange.device(user).await?, line.address));
    spec.with(&["--transport", "tcp"]).with(more).start(scene.dir()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transferors_tcp_connection_is_cut_mid_transfer() -> Result<()> {
    let office = office().await?;
    let line = Line::to(office.exchange.sip_tcp.to_string()).await?;
    let mut ravi = over_tcp(&office, &line, "ravi", &["--auto-answer=100"]).await?;
    let mut tom = office.colleague("tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    ravi.say(&format!("transfer {}", scene.address("tom"))).await?;
    ravi.program.next("that Tom rings", |line| line["event"] == "transfer_progress" && line["status"] == 180).await?;
    tom.event("incoming").await?;
    line.cut();
    ravi.event("registration_failed").await?;
    scene.hears("hold-music").await?;
    tom.say("answer").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    scene.hears("tom").await?;
    line.mend();
    ravi.event("registered").await?;
    // Nothing is left at Ravi's phone: it takes the next call.
    tom.say(&format!("transfer {}", scene.address("ravi"))).await?;
    scene.row("talking with Ravi", talking_with("ravi")).await?;
    scene.hears("ravi").await?;
    scene.farewell().await?;
    scene.golden("transferors-tcp-cut", vec![ravi, tom], vec![]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_targets_tcp_connection_is_cut_while_it_rings() -> Result<()> {
    let office = impatient().await?;
    let line = Line::to(office.exchange.sip_tcp.to_string()).await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = over_tcp(&office, &line, "tom", &[]).await?;
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    tom.event("incoming").await?;
    line.cut();
    scene.row("back with Ravi", |row| talking_with("ravi")(row) && !row.call.bounces.is_empty()).await?;
    scene.hears("ravi").await?;
    line.mend();
    scene.farewell().await?;
    scene.golden("targets-tcp-cut", vec![ravi, tom], vec![]).await
}
