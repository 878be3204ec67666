//! `init`: a first configuration, with comments, random passwords and a certificate.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::{IpAddr, UdpSocket},
    path::{Path, PathBuf},
};

use super::{hash_password, load_tls, random_password};

/// What to write.
#[derive(Debug, Clone)]
pub struct Init {
    pub dir: PathBuf,
    /// The sample office, on loopback addresses with free ports; its passwords also go to `passwords.json`.
    pub sample: bool,
    /// Bind to loopback addresses, so that only this machine reaches the exchange.
    pub loopback: bool,
}

/// What was written. The passwords are shown once and kept nowhere in clear (but for the sample office).
pub struct Initialised {
    pub config: PathBuf,
    pub fingerprint: String,
    /// User and password.
    pub passwords: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("{0} exists already; choose another folder with --dir, or move it away first")]
    Exists(PathBuf),
    #[error("{path}: {cause}", path = path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("no certificate could be made: {0}")]
    Certificate(String),
}

/// # Errors
/// A file is there already (nothing is overwritten), or cannot be written.
pub fn init(init: &Init) -> Result<Initialised, InitError> {
    let path = |name: &str| init.dir.join(name);
    let (config, cert, key, json) = (path("patchcord.toml"), path("cert.pem"), path("key.pem"), path("passwords.json"));
    let writes_json = init.sample.then_some(&json);
    if let Some(there) = [&config, &cert, &key].into_iter().chain(writes_json).find(|p| p.exists()) {
        return Err(InitError::Exists(there.clone()));
    }
    fs::create_dir_all(&init.dir).map_err(|cause| InitError::Io { path: init.dir.clone(), cause })?;
    let address = own_address();
    let (cert_pem, key_pem) = certificate(address)?;
    let people = if init.sample { SAMPLE_PEOPLE } else { FIRST_PEOPLE };
    let passwords: Vec<_> = people.iter().map(|p| (p.id.to_owned(), random_password())).collect();
    let text =
        text(init, address, people, &passwords).map_err(|cause| InitError::Io { path: config.clone(), cause })?;
    let write = |path: &PathBuf, text: &str| {
        write_secret(path, text, false).map_err(|cause| InitError::Io { path: path.clone(), cause })
    };
    write(&cert, &cert_pem)?;
    write(&key, &key_pem)?;
    write(&config, &text)?;
    if let Some(json) = writes_json {
        let map: serde_json::Map<_, _> = passwords.iter().map(|(u, p)| (u.clone(), p.as_str().into())).collect();
        write(json, &format!("{:#}\n", serde_json::Value::Object(map)))?;
    }
    let fingerprint = load_tls(&cert, &key).map_err(|e| InitError::Certificate(e.to_string()))?.fingerprint;
    Ok(Initialised { config, fingerprint, passwords })
}

/// Writes a file that only its owner may read, all of it or nothing.
pub(super) fn write_secret(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    let part = path.with_extension("part");
    let target = if replace { &part } else { path };
    let mut file = new_private_file(target)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let done = written.and_then(|()| if replace { fs::rename(target, path) } else { Ok(()) });
    if done.is_err() {
        // What is half written must not be taken for the real file; the first error is the one to report.
        let _ = fs::remove_file(target);
    }
    done
}

/// Makes a file that only its owner may read.
///
/// # Errors
/// It exists already, or cannot be made.
pub fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The address from which this machine would reach the outside. Connecting a UDP socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

fn certificate(address: Option<IpAddr>) -> Result<(String, String), InitError> {
    let trouble = |e: rcgen::Error| InitError::Certificate(e.to_string());
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(address.map(|a| a.to_string()));
    let mut params = rcgen::CertificateParams::new(names).map_err(trouble)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Patchcord exchange");
    let key = rcgen::KeyPair::generate().map_err(trouble)?;
    let cert = params.self_signed(&key).map_err(trouble)?;
    Ok((cert.pem(), key.serialize_pem()))
}

struct Person {
    id: &'static str,
    name: &'static str,
    role: &'static str,
    extension: &'static str,
    departments: &'static str,
}

const fn person(
    id: &'static str,
    name: &'static str,
    role: &'static str,
    extension: &'static str,
    departments: &'static str,
) -> Person {
    Person { id, name, role, extension, departments }
}

const SAMPLE_PEOPLE: &[Person] = &[
    person("alex", "Alex Moreno", "administrator", "100", ""),
    person("maya", "Maya Lindqvist", "manager", "101", r#""support", "billing""#),
    person("sam", "Sam Whitfield", "manager", "102", r#""sales""#),
    person("ravi", "Ravi Kumar", "agent", "103", r#""support""#),
    person("mina", "Mina Shah", "agent", "104", r#""support", "billing""#),
    person("tom", "Tom Okafor", "agent", "105", r#""sales""#),
    person("lena", "Lena Fischer", "agent", "106", r#""billing""#),
    person("omar", "Omar Haddad", "agent", "107", r#""support""#),
];

const FIRST_PEOPLE: &[Person] = &[
    person("admin", "Administrator", "administrator", "100", ""),
    person("manager", "First Manager", "manager", "101", r#""support""#),
    person("agent", "First Agent", "agent", "102", r#""support""#),
];

fn text(init: &Init, address: Option<IpAddr>, people: &[Person], passwords: &[(String, String)]) -> io::Result<String> {
    let mut text = head(init, address);
    text.push_str(FIRST_DEPARTMENTS);
    if init.sample {
        text.push_str(MORE_DEPARTMENTS);
    }
    text.push_str(PEOPLE_INTRO);
    for (p, (_, password)) in people.iter().zip(passwords) {
        let hash = hash_password(password)?;
        let Person { id, name, role, extension, departments } = p;
        let _ = write!(
            text,
            "\n[[user]]\nid = \"{id}\"\nname = \"{name}\"\nrole = \"{role}\"\nextension = \"{extension}\"\n\
             departments = [{departments}]\npassword_hash = \"{hash}\"\n"
        );
    }
    Ok(text)
}

fn head(init: &Init, address: Option<IpAddr>) -> String {
    let name = if init.sample { "Northwind Desk" } else { "My Company" };
    let loopback = init.loopback || init.sample;
    let ip = if loopback { "127.0.0.1" } else { "0.0.0.0" };
    let (api_port, sip_port, rtp_ports) = if init.sample { (0, 0, "[0, 0]") } else { (8642, 5060, "[20000, 29999]") };
    // A certificate on a loopback address is possible, but not needed: it stays off until wanted.
    let off = if loopback { "# " } else { "" };
    let guess = address.map_or_else(|| "192.0.2.7".into(), |a| a.to_string());
    let trunk = if init.sample { SAMPLE_TRUNK } else { FIRST_TRUNK };
    format!(
        r#"# The Patchcord exchange. After a change: `patchcord-exchange check --config FILE`, then restart it.
# Paths are relative to this file's folder.

[account]
name = "{name}"

# The control API, for desks and scripts. On anything but a loopback address it needs a certificate.
[api]
bind = "{ip}:{api_port}"
{off}certificate = "cert.pem"
{off}key = "key.pem"

# Where phones register. Port 0 takes any free port.
[sip]
udp = ["{ip}:{sip_port}"]
tcp = ["{ip}:{sip_port}"]
# Over TLS nobody else can read who calls whom; phones are shown the certificate of [api], which must be there.
# tls = ["{ip}:5061"]
# How phones reach this machine; needed when listening on 0.0.0.0.
{off}advertised = "{guess}"
# realm = "patchcord"

# Sound. Each call takes four ports, and so do two ringing phones. [0, 0] takes any free ports.
[rtp]
bind = "{ip}"
ports = {rtp_ports}

{trunk}
# What one address, device and user may ask, so that nobody can keep the others out. These are the usual ones, and enough
# for a thousand phones behind one address; docs/configuration.md says more.
# [limits]
# messages_at_once = 4000
# messages_per_second = 100
# wrong_passwords = 10
# connections = 1500
# calls = 50

# WAV files (16 bits a sample) in place of the built-in sounds.
[sounds]
# hold_music = "music.wav"
# greeting = "greeting.wav"
# closing = "closing.wav"

# Call records, audit trail, voicemail, device credentials.
[data]
dir = "data"

[policy]
# May agents move their own calls? Managers and administrators always may.
agents_may_transfer = true
# May a transfer go to a department that the person who transfers is not in?
transfer_across_departments = true
# Who may transfer calls to outside numbers, through the trunk: "nobody", "administrators", "managers" (administrators
# too) or "everyone". `transfer_outside` of a user goes before it.
outside = "nobody"
# What becomes of a transfer to somebody who is away, busy, not to be disturbed or has no phone signed in: "refuse" it
# and say why, or "follow" the steps below.
unavailable = "refuse"
# When the one who had the call is let go: "at once", or "when answered" (hearing it ring; back at once if it is not).
release = "at once"
transfer_ring_seconds = 20
# From any phone, in a call: these keys and an extension transfer it. "" for no such keys.
feature_code = "*2"
# If the target does not take the call, in this order. The steps, each time in seconds:
#   "recall transferor 20 s"             back to who pressed Go
#   "recall former agent 20 s"           back to who was talking
#   "next agent 30 s"                    the free agents of the call's department, all at once; or one at a time:
#                                        "next agent 20 s by longest idle", "… by round robin", "… by fixed order"
#   "queue 60 s", "queue of support 60 s"  wait with music for an agent of the call's department, or of that one
#   "voicemail", "voicemail of department"  the mailbox of the target, or of the call's department
#   "announcement"                       the closing announcement, then the end; also after the last step
fallback = ["recall transferor 20 s", "next agent 30 s", "voicemail"]
# Other steps for some reasons: busy, declined, no_device, do_not_disturb, away, no_answer.
# fallback_on = {{ busy = ["next agent 30 s", "voicemail"], do_not_disturb = ["voicemail"] }}

# What finished calls can be marked as. Once there is one here, only these are offered; a call keeps its mark when the
# word is taken out again. Without any: Resolved, Call back, Wrong number, Spam.
# [[disposition]]
# id = "call_back"                  # stays with the calls
# name = "Call back"                # what people choose

"#
    )
}

const SAMPLE_TRUNK: &str = r#"# Calls from and to the outside: a peer known by its address. Without a port, any port of it.
[trunk]
kind = "static"
peers = ["127.0.0.9"]
dial = "127.0.0.1:5070"
number = "+442079460000"
"#;

const FIRST_TRUNK: &str = r#"# Calls from and to the outside. Either the provider is known by its address:
# [trunk]
# kind = "static"
# peers = ["192.0.2.10"]            # who may bring calls; without a port, any port of it
# dial = "192.0.2.10:5060"          # where calls to the outside go
# number = "+442079460000"          # what they show
# or this exchange signs in there:
# [trunk]
# kind = "register"
# registrar = "provider.example"
# user = "your-account"
# password = "…"
# number = "+442079460000"
"#;

const FIRST_DEPARTMENTS: &str = r#"# A department is a queue. `numbers`: as the trunk presents them. Its free agents ring for `ring_seconds`; then the
# caller waits, with music, for `queue_seconds`; then comes voicemail. `strategy`: "all at once", or one agent after the
# other, each for `ring_seconds`: "longest idle", "round robin", "fixed order" (as the users stand in this file).
# A department may have a `fallback` and a `fallback_on` of its own, written as in [policy].
[[department]]
id = "support"
name = "Support"
extension = "200"
numbers = ["+442079460200"]
ring_seconds = 20
queue_seconds = 120
strategy = "all at once"
"#;

/// What the sample office has beside the first department.
const MORE_DEPARTMENTS: &str = r#"
[[department]]
id = "sales"
name = "Sales"
extension = "300"
numbers = ["+442079460300"]

[[department]]
id = "billing"
name = "Billing"
extension = "400"
numbers = ["+442079460400"]
"#;

const PEOPLE_INTRO: &str = r#"
# Roles: an administrator sees and moves every call; a manager those of their departments; an agent their own.
# A new password: `patchcord-exchange user password --user ID`. To lock somebody out: disabled = true
# May this user transfer to outside numbers, whatever [policy] says: transfer_outside = true or false
# A user may have a `fallback` and a `fallback_on` of their own, written as in [policy].
"#;
