//! `patchcord-phone` as a process: command line, commands, JSON lines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const PATIENCE: Duration = Duration::from_secs(30);

struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    listen: String,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchcord-phone"));
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, stdin, lines, listen: String::new() };
        program.listen = program.event("ready").await["listen"].as_str().unwrap().to_owned();
        program
    }

    async fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next event of this name. Every line on the way must be JSON with name and time.
    async fn event(&mut self, name: &str) -> Value {
        let search = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the program ended");
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                assert!(event["t_ms"].as_u64().is_some_and(|t| t > 1_600_000_000_000), "{line}");
                if event["event"] == name {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {name}"))
    }
}

#[tokio::test]
async fn two_programs_talk_and_quit() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("heard.wav");
    let mut callee = Program::start(&["--loopback", "--auto-answer", "--codec", "pcmu"]).await;
    let from = ["--from", "+919812345678", "--display", "Priya Nair", "--play", "tone"];
    let mut caller = Program::start(&[&from[..], &["--record", record.to_str().unwrap()]].concat()).await;
    caller.say(&format!("call sip:200@{}", callee.listen)).await;
    let incoming = callee.event("incoming").await;
    assert_eq!(incoming["caller"]["name"], "Priya Nair");
    assert_eq!(incoming["caller"]["number"], "+919812345678");
    assert_eq!(incoming["kind"], "outside");
    assert_eq!(caller.event("answered").await["codec"], "pcmu");
    caller.event("first_audio").await;
    caller.say("dance").await;
    assert!(caller.event("error").await["message"].as_str().unwrap().contains("dance"));
    caller.say("hold").await;
    assert_eq!(caller.event("held").await["by"], "us");
    caller.say("resume").await;
    assert_eq!(caller.event("resumed").await["by"], "us");
    caller.say("quit").await;
    let ended = caller.event("ended").await;
    assert_eq!((&ended["call"], &ended["answered"]), (&Value::from(1), &Value::from(true)));
    assert!(callee.event("ended").await["duration_ms"].as_u64().is_some());
    assert!(tokio::time::timeout(PATIENCE, caller.child.wait()).await.unwrap().unwrap().success());
    assert!(hound::WavReader::open(&record).unwrap().len() > 0);
    callee.say("quit").await;
    assert!(tokio::time::timeout(PATIENCE, callee.child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn the_end_of_input_ends_no_call() {
    let mut callee = Program::start(&["--play", "silence", "--auto-answer"]).await;
    let mut caller = Program::start(&["--play", "tone"]).await;
    caller.say(&format!("call sip:1@{}", callee.listen)).await;
    caller.event("answered").await;
    drop(caller.stdin);
    callee.event("first_audio").await;
    callee.say("hangup").await;
    callee.event("ended").await;
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_a_sentence_and_status_2() {
    for arguments in [
        &["--frobnicate"][..],
        &["--listen", "nowhere"],
        &["--play", "/nowhere/at/all.wav"],
        &["--no-audio-device", "--listen", "192.0.2.1:5060"],
        &["--record", "/nowhere/at/all.wav"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_patchcord-phone")).args(arguments).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("patchcord-phone: ") && said.trim_end().lines().count() == 1, "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_trace_shows_every_message_and_no_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, secret) = (dir.path().join("trace.jsonl"), dir.path().join("secret"));
    std::fs::write(&secret, "s3cret\n").unwrap();
    let registrar = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = format!("sip:{}", registrar.local_addr().unwrap());
    let account = ["--registrar", &at, "--user", "ravi", "--password-file", secret.to_str().unwrap()];
    let mut phone =
        Program::start(&[&account[..], &["--play", "silence", "--trace", trace.to_str().unwrap()]].concat()).await;
    let mut buffer = [0; 4096];
    let (n, from) = registrar.recv_from(&mut buffer).await.unwrap();
    let asked = String::from_utf8(buffer[..n].to_vec()).unwrap();
    let copied = |name: &str| asked.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
    let challenge = format!(
        "SIP/2.0 401 Unauthorized\r\n{}\r\n{}\r\n{};tag=1\r\n{}\r\n{}\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\
         Content-Length: 0\r\n\r\n",
        copied("Via: "),
        copied("From: "),
        copied("To: "),
        copied("Call-ID: "),
        copied("CSeq: ")
    );
    registrar.send_to(challenge.as_bytes(), from).await.unwrap();
    let n = registrar.recv(&mut buffer).await.unwrap();
    assert!(String::from_utf8_lossy(&buffer[..n]).contains("\r\nAuthorization: Digest username=\"ravi\""));
    // Each line is written before its message is sent or worked on.
    phone.child.start_kill().unwrap();
    let lines: Vec<Value> = std::fs::read_to_string(&trace).unwrap().lines().map(|l| l.parse().unwrap()).collect();
    let seen = |at: usize, dir: &str, start: &str, has: &str| {
        let text = lines[at]["text"].as_str().unwrap();
        assert!(lines[at]["dir"] == dir && text.starts_with(start) && text.contains(has), "{}", lines[at]);
        assert!(lines[at]["at_ms"].as_u64().is_some_and(|t| t > 1_600_000_000_000));
        assert!(!text.contains("response="), "{text}");
    };
    seen(0, "out", "REGISTER sip:127.0.0.1", "CSeq: 1 REGISTER");
    seen(1, "in", "SIP/2.0 401 ", "WWW-Authenticate: Digest realm");
    seen(2, "out", "REGISTER sip:127.0.0.1", "Authorization: …\r\n");
}

#[tokio::test]
async fn programs_talk_across_a_bad_network_and_obey_the_commands_of_transfers() {
    let bad = ["--impair", "loss=5,dup=5,reorder=5,seed=3", "--codec", "pcmu"];
    let mut callee = Program::start(&[&bad[..], &["--play", "silence"]].concat()).await;
    let mut caller = Program::start(&[&bad[..], &["--play", "tone"]].concat()).await;
    caller.say(&format!("call sip:1@{}", callee.listen)).await;
    callee.event("incoming").await;
    callee.say("divert 1 sip:2@127.0.0.1:9").await;
    assert_eq!(caller.event("ended").await["status"], 302);
    caller.say(&format!("call sip:1@{}", callee.listen)).await;
    callee.event("incoming").await;
    callee.say("answer").await;
    caller.event("answered").await;
    caller.say("dtmf-info 12#").await;
    for digit in ["1", "2", "#"] {
        assert_eq!(callee.event("dtmf").await["digit"], digit);
    }
    caller.say("refer-replaces 2 7").await;
    assert!(caller.event("error").await["message"].as_str().unwrap().contains("call 7"));
    caller.say("hangup").await;
    callee.event("ended").await;
}
