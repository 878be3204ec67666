//! The program as it is installed.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use protocol::SipAccount;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::office::{PATIENCE, http};

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchcord-exchange"));
    command.args(args).kill_on_drop(true).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Exit status zero, standard output, standard error.
async fn run(args: &[&str]) -> (bool, String, String) {
    let output = timeout(PATIENCE, program(args).output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn init(more: &[&str]) -> (TempDir, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (ok, out, err) = run(&[&["init", "--dir", &folder], more].concat()).await;
    assert!(ok, "{err}");
    let config = dir.path().join("patchcord.toml").display().to_string();
    (dir, config, out)
}

struct Serving {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    ready: Value,
}

async fn serve(config: &str) -> Serving {
    let mut child = program(&["serve", "--config", config]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("it ended before it was ready");
    Serving { child, lines, ready: serde_json::from_str(&line).unwrap() }
}

impl Serving {
    async fn terminate(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(self.lines.next_line().await.unwrap(), None, "standard output is for the ready line only");
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

#[tokio::test]
async fn the_sample_is_written_checked_served_and_stopped() {
    let (dir, config, told) = init(&["--sample", "--loopback"]).await;
    let passwords: Value = serde_json::from_slice(&std::fs::read(dir.path().join("passwords.json")).unwrap()).unwrap();
    assert_eq!(passwords.as_object().unwrap().len(), 8);
    assert!(told.contains(passwords["maya"].as_str().unwrap()));
    #[cfg(unix)]
    for file in ["passwords.json", "patchcord.toml", "key.pem"] {
        assert_eq!(mode(&dir.path().join(file)), 0o600, "{file}");
    }
    let folder = dir.path().display().to_string();
    let (ok, _, err) = run(&["init", "--sample", "--dir", &folder]).await;
    assert!(!ok && err.contains("exists already; choose another folder"), "{err}");
    let (ok, out, err) = run(&["check", "--config", &config]).await;
    assert!(ok && out.contains("no mistake; 8 users, 3 departments"), "{out}{err}");

    let serving = serve(&config).await;
    assert_eq!(serving.ready["ready"], true);
    let (ok, out, err) = run(&["device", "--config", &config, "--user", "ravi", "--name", "sim"]).await;
    assert!(ok, "{err}");
    let account: SipAccount = serde_json::from_str(&out).unwrap();
    assert_eq!(account.registrar, format!("sip:{}", serving.ready["sip_udp"].as_str().unwrap()));
    let (ok, _, err) = run(&["device", "--config", &config, "--user", "nobody"]).await;
    assert!(!ok && err.contains("there is no user nobody"), "{err}");
    let (ok, ..) = run(&["device", "--config", &config, "--revoke", account.device.as_str()]).await;
    assert!(ok);
    let sign_in = |password: &str| {
        let body = serde_json::json!({ "user": "maya", "password": password, "device_name": "test" });
        let url = format!("{}/v1/session", serving.ready["api"].as_str().unwrap());
        http().post(url).json(&body).send()
    };
    assert_eq!(sign_in(passwords["maya"].as_str().unwrap()).await.unwrap().status(), 200);
    serving.terminate().await;

    let (ok, out, err) = run(&["audit", "verify", "--config", &config]).await;
    assert!(ok && out.contains("whole: 1 entries"), "{out}{err}");
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_nothing_else() {
    let (_dir, config, _) = init(&["--sample"]).await;
    let before = std::fs::read_to_string(&config).unwrap();
    let (ok, out, err) = run(&["user", "password", "--config", &config, "--user", "omar"]).await;
    assert!(ok, "{err}");
    let password = out.lines().next().unwrap().rsplit(' ').next().unwrap();
    let after = std::fs::read_to_string(&config).unwrap();
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(b, a)| b != a).collect();
    assert_eq!(changed.len(), 1);
    assert!(changed[0].1.starts_with("password_hash = \"$argon2id$"));
    let read = exchange::config::load(Path::new(&config)).unwrap();
    assert!(read.passwords[&"omar".into()].matches(password));
    let (ok, _, err) = run(&["user", "password", "--config", &config, "--user", "nobody"]).await;
    assert!(!ok && err.contains("there is no [[user]] with id = \"nobody\""), "{err}");
}

#[tokio::test]
async fn a_wrong_file_is_never_served() {
    let (_dir, config, _) = init(&["--sample"]).await;
    let text = std::fs::read_to_string(&config).unwrap();
    let line = 1 + text.lines().position(|l| l.starts_with("role = \"manager\"")).unwrap();
    std::fs::write(&config, text.replacen("role = \"manager\"", "role = \"boss\"", 1)).unwrap();
    for verb in ["check", "serve"] {
        let (ok, out, err) = run(&[verb, "--config", &config]).await;
        assert!(!ok && out.is_empty(), "{out}");
        assert!(err.starts_with(&format!("{config}:{line}:8: `role` is \"boss\"; use ")), "{err}");
    }
    let (ok, _, err) = run(&["serve", "--config", "/no/such/file.toml"]).await;
    assert!(!ok && err.contains("patchcord-exchange init --dir"), "{err}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    std::fs::write(&config, text.replacen("bind = \"127.0.0.1:0\"", &format!("bind = \"{address}\""), 1)).unwrap();
    let (ok, out, err) = run(&["serve", "--config", &config]).await;
    assert!(!ok && out.is_empty(), "{out}");
    assert!(err.contains(&address) && err.contains("stop the program that uses this port"), "{err}");
}

#[tokio::test]
async fn the_audit_trail_is_verified_and_exported_beside_the_running_exchange() {
    let (dir, config, _) = init(&["--sample"]).await;
    let passwords: Value = serde_json::from_slice(&std::fs::read(dir.path().join("passwords.json")).unwrap()).unwrap();
    let code = async |args: &[&str]| {
        let output = timeout(PATIENCE, program(args).output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (status, out, err) = code(&["audit", "verify", "--config", &config]).await;
    assert!(status == 2 && out.is_empty() && err.contains("exchange.db"), "never served: {out}{err}");

    let serving = serve(&config).await;
    let url = format!("{}/v1/session", serving.ready["api"].as_str().unwrap());
    for user in ["maya", "ravi", "maya"] {
        let body =
            serde_json::json!({ "user": user, "password": passwords[user], "device_name": "=cmd|' /C calc'!A0" });
        assert_eq!(http().post(&url).json(&body).send().await.unwrap().status(), 200);
    }
    // The answers may be faster than the disk.
    let mut verified = Value::Null;
    for _ in 0..200 {
        let (status, out, err) = code(&["audit", "verify", "--json", "--config", &config]).await;
        verified = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{status} {out}{err}"));
        assert!(status == 0 && verified["whole"] == true, "{out}");
        if verified["entries"] == 3 {
            break;
        }
    }
    assert_eq!(verified["entries"], 3);
    let head = format!("{}:{}", verified["head"]["seq"], verified["head"]["hash"].as_str().unwrap());
    let (status, out, _) = code(&["audit", "verify", "--expect", &head, "--config", &config]).await;
    assert!(status == 0 && out.ends_with(&format!("\n{head}\n")), "{out}");

    let (status, out, _) = code(&["audit", "export", "--config", &config]).await;
    assert!(status == 0 && out.starts_with("seq,at,user,") && out.lines().count() == 4, "{out}");
    let file = dir.path().join("trail.jsonl").display().to_string();
    let export = ["audit", "export", "--format", "jsonl", "--from", "2026-01-01", "--out", &file, "--config", &config];
    let (status, out, err) = code(&export).await;
    assert!(status == 0 && out.starts_with("3 entries are in"), "{out}{err}");
    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 3);
    #[cfg(unix)]
    assert_eq!(mode(Path::new(&file)), 0o600);
    let (status, _, err) = code(&export).await;
    assert!(status == 1 && err.contains("trail.jsonl"), "nothing is overwritten: {err}");
    for (from, to) in [("2026-02-30", "2027-01-01"), ("2026-01-02", "2026-01-01")] {
        let (status, _, err) = code(&["audit", "export", "--from", from, "--to", to, "--config", &config]).await;
        assert!(status == 1 && err.contains("--from"), "{err}");
    }
    let (_, out, _) = code(&["audit", "export", "--to", "2020-01-01", "--config", &config]).await;
    assert_eq!(out.lines().count(), 1, "nobody signed in by then: {out}");
    serving.terminate().await;

    let database = rusqlite::Connection::open(dir.path().join("data/exchange.db")).unwrap();
    database.execute_batch("DROP TRIGGER audit_is_never_changed; UPDATE audit SET call = 'x' WHERE seq = 2").unwrap();
    let (status, out, _) = code(&["audit", "verify", "--config", &config]).await;
    assert!(status == 1 && out.starts_with("entry 2 of the audit trail was changed"), "{out}");
    let (status, out, _) = code(&["audit", "verify", "--json", "--config", &config]).await;
    let broken: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &broken["whole"], &broken["entry"], &broken["code"]),
        (1, &false.into(), &2.into(), &"changed".into())
    );
}

/// Takes any certificate, and keeps it.
#[derive(Debug, Default)]
struct Keep(Mutex<Vec<u8>>);

impl ServerCertVerifier for Keep {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate's fingerprint and the answer to `GET /v1/health`.
fn health_over_tls(address: &str) -> (String, String) {
    let keep = Arc::new(Keep::default());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(keep.clone())
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let fingerprint = exchange::config::fingerprint(&keep.0.lock().unwrap());
    (fingerprint, answer)
}

#[tokio::test]
async fn the_certificate_served_is_the_one_that_init_told_of() {
    let (_dir, config, told) = init(&["--sample"]).await;
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("# certificate =", "certificate =").replace("# key =", "key =");
    std::fs::write(&config, text).unwrap();
    let serving = serve(&config).await;
    let api = serving.ready["api"].as_str().unwrap().to_owned();
    let address = api.strip_prefix("https://").expect("not https").to_owned();
    let (fingerprint, answer) = tokio::task::spawn_blocking(move || health_over_tls(&address)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(told.contains(&fingerprint), "{fingerprint} is not in:\n{told}");
    assert_eq!(serving.ready["fingerprint"], fingerprint);
    serving.terminate().await;
}
