//! SIPp and baresip, from Debian, as the far side of each role.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use flows::office::{Office, SUPPORT, TRUNK, of};
use flows::phone::PhoneSpec;
use flows::program::bound_to_us;
use flows::sipp::{finished, said, sipp};
use flows::sound::{Heard, Library, voice};
use protocol::{AuditOutcome, SipAccount};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::scene::talking_with;

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
    let gateway = std::net::UdpSocket::bind((TRUNK, 0))?.local_addr()?;
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
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let account = office.exchange.device("ravi").await?;
    let _ravi = baresip(&office, &account, "ravi").await?;
    let tom = office.colleague("tom", &["--auto-answer=100"]).await?;
    let maya = office.exchange.person("maya").await?;
    let mut feed = maya.feed().await?;
    registered(&mut feed, "ravi").await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    let row = feed.row("talking with baresip", |row| of("+919812345678")(row) && talking_with("ravi")(row)).await?;
    priya.hears(&sounds, "ravi").await?;
    let accepted = maya.transfer(&row.call.id, protocol::Target::User("tom".into()), "").await?;
    ensure!(accepted.is_ok(), "{accepted:?}");
    tom.event("answered").await?;
    priya.hears(&sounds, "tom").await?;
    priya.say("hangup").await?;
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_is_the_target_of_a_transfer() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let account = office.exchange.device("tom").await?;
    let _tom = baresip(&office, &account, "tom").await?;
    let mut ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut feed = office.exchange.person("alex").await?.feed().await?;
    registered(&mut feed, "tom").await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    ravi.say(&format!("transfer sip:tom@{}", office.exchange.sip)).await?;
    feed.row("talking with baresip", talking_with("tom")).await?;
    priya.hears(&sounds, "tom").await?;
    priya.say("hangup").await?;
    office.exchange.stop().await
}

/// baresip's own transfer command: the REFER comes with no hold before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_transfers_blind_to_a_baresip_that_answers_by_itself() -> Result<()> {
    let sounds = Library::office()?;
    let office = Office::open().await?;
    let tom_account = office.exchange.device("tom").await?;
    let _tom = baresip(&office, &tom_account, "tom").await?;
    let mut feed = office.exchange.person("maya").await?.feed().await?;
    registered(&mut feed, "tom").await?;
    let ravi_account = office.exchange.device("ravi").await?;
    let _ravi = baresip(&office, &ravi_account, "ravi").await?;
    registered(&mut feed, "ravi").await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    let row = feed.row("talking with baresip", |row| of("+919812345678")(row) && talking_with("ravi")(row)).await?;
    priya.hears(&sounds, "ravi").await?;
    tell_baresip(&office, "ravi", "transfer", &format!("sip:tom@{}", office.exchange.sip)).await?;
    feed.row("talking with the other baresip", talking_with("tom")).await?;
    priya.hears(&sounds, "tom").await?;
    priya.say("hangup").await?;
    let record = feed.record(&row.call.id).await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("ravi".into(), AuditOutcome::Accepted), ("ravi".into(), AuditOutcome::Completed)]);
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_phone_and_baresip_call_each_other_with_no_exchange() -> Result<()> {
    let sounds = Library::office()?;
    let dir = tempfile::tempdir()?;
    let mut ours = PhoneSpec::new("mina").playing(voice("mina")).recording(dir.path()).with(&["--auto-answer"]);
    ours.host = Some("127.0.0.1".into());
    let ours = ours.start(dir.path()).await?;
    let theirs = dir.path().join("baresip");
    configure(&theirs, "tom", "<sip:tom@127.0.0.1>;regint=0")?;
    let mut command = bound_to_us("baresip");
    command.arg("-f").arg(&theirs).args(["-e", &format!("/dial sip:mina@{}", ours.listen)]);
    let _tom = quiet(command).spawn()?;
    ours.event("answered").await?;
    ours.hears(&sounds, "tom").await?;
    ours.stop().await
}

/// The provider is another exchange: to it, ours is a device like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_exchange_registers_with_a_provider_and_takes_its_calls() -> Result<()> {
    let sounds = Library::office()?;
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
    tom.hears(&sounds, "mina").await?;
    mina.hears(&sounds, "tom").await?;
    tom.say("hangup").await?;
    mina.event("ended").await?;
    office.exchange.stop().await?;
    provider.exchange.stop().await
}

async fn registered(feed: &mut flows::exchange::Feed, user: &str) -> Result<()> {
    feed.user(&format!("{user} registered"), |person| person.id.as_str() == user && person.devices > 0).await.map(drop)
}

/// baresip as a registered device that answers at once and plays `speaker`'s sentence.
async fn baresip(office: &Office, account: &SipAccount, speaker: &str) -> Result<Child> {
    let dir = office.dir().join(format!("baresip-{speaker}"));
    let line = format!(
        "<sip:{}@{};transport=udp>;auth_user={};auth_pass={};answermode=auto;regint=60",
        account.user, office.exchange.sip, account.auth_user, account.password
    );
    configure(&dir, speaker, &line)?;
    let mut command = bound_to_us("baresip");
    command.arg("-f").arg(&dir);
    quiet(command).spawn().context("starting baresip")
}

/// Says a command to the baresip of `speaker` (module ctrl_tcp: a JSON object as a netstring).
async fn tell_baresip(office: &Office, speaker: &str, command: &str, params: &str) -> Result<()> {
    let port = std::fs::read_to_string(office.dir().join(format!("baresip-{speaker}/control")))?;
    let mut control = TcpStream::connect(format!("127.0.0.1:{port}")).await.context("baresip's control port")?;
    let command = serde_json::json!({ "command": command, "params": params }).to_string();
    control.write_all(format!("{}:{command},", command.len()).as_bytes()).await?;
    // It hangs up on us with what it has not read yet: wait for its answer.
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(flows::program::PATIENCE, control.read(&mut answer)).await??;
    ensure!(read > 0, "baresip did not take {command}");
    Ok(())
}

/// A configuration folder: G.711 only, sound from a file.
fn configure(dir: &Path, speaker: &str, account: &str) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let wav = dir.join("voice.wav");
    // Said again and again: baresip hangs up when the file ends. G.711 carries 8 kHz.
    let sentence = Heard::read(Path::new(&voice(speaker)), 0)?.samples.repeat(12);
    std::fs::write(&wav, media::wav::write(&sentence, 8_000))?;
    let control = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    std::fs::write(dir.join("control"), control.to_string())?;
    let mut config = "poll_method epoll\nsip_listen 127.0.0.1:0\nmodule_path /usr/lib/baresip/modules\n\
         module g711.so\nmodule aufile.so\nmodule_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n\
         module_app ctrl_tcp.so\n"
        .to_owned();
    config += &format!("ctrl_tcp_listen 127.0.0.1:{control}\n");
    config +=
        &format!("audio_source aufile,{}\naudio_player aufile,{}\n", wav.display(), dir.join("out.wav").display());
    std::fs::write(dir.join("config"), config)?;
    std::fs::write(dir.join("accounts"), format!("{account}\n"))?;
    Ok(())
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
