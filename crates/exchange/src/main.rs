//! `patchcord-exchange`: writes a first configuration, checks one, serves it, and looks after users and devices.

use std::{
    io::{BufWriter, ErrorKind, IsTerminal, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use exchange::{
    config::{self, Config, Init},
    serve::{self, Exchange},
    store::{self, Store, audit, devices},
};
use protocol::{DeviceId, Timestamp, UserId};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "patchcord-exchange", version, about = "Registers an account's phones and decides who talks to whom")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write a first configuration with comments, random passwords and a certificate
    Init {
        /// Where to write; made if missing. Nothing is overwritten
        #[arg(long)]
        dir: PathBuf,
        /// The sample office, on free loopback ports; its passwords also go to passwords.json
        #[arg(long)]
        sample: bool,
        /// Listen on 127.0.0.1 only
        #[arg(long)]
        loopback: bool,
    },
    /// Explain every mistake in a configuration
    Check(ConfigFile),
    /// Run
    Serve(ConfigFile),
    /// Make SIP credentials for a device, or take them back; the exchange may be running
    Device {
        #[command(flatten)]
        file: ConfigFile,
        /// Whose device
        #[arg(long, required_unless_present = "revoke")]
        user: Option<String>,
        /// What the device is called
        #[arg(long, default_value = "phone")]
        name: String,
        /// Take back the credentials of this device instead
        #[arg(long, value_name = "DEVICE", conflicts_with_all = ["user", "name"])]
        revoke: Option<String>,
    },
    /// Look after users
    #[command(subcommand)]
    User(UserVerb),
    /// Check or export the audit trail; the exchange may be running
    #[command(subcommand)]
    Audit(AuditVerb),
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Find out whether any entry was changed, removed, moved or added. Exit status 1: the first bad entry is named;
    /// 2: it could not be checked
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// Answer with one JSON object
        #[arg(long)]
        json: bool,
        /// What an earlier `audit verify` printed as the newest entry: tells whether anything up to it was rewritten
        #[arg(long, value_name = "NUMBER:HASH")]
        expect: Option<audit::Head>,
    },
    /// Write the entries, oldest first
    Export {
        #[command(flatten)]
        file: ConfigFile,
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// From this day (UTC), or this moment, on: 2026-01-31 or 2026-01-31T17:30:00Z
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// Up to and with this day, or up to this moment
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
        /// A new file that only its owner may read, in place of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For spreadsheets; what they would take for a formula has a ' in front
    Csv,
    /// One JSON object a line, exactly as stored
    Jsonl,
}

#[derive(Subcommand)]
enum UserVerb {
    /// Give a user a new password: a random one, printed once, or the line on standard input
    Password {
        #[command(flatten)]
        file: ConfigFile,
        #[arg(long)]
        user: String,
        /// Read the password from standard input
        #[arg(long)]
        stdin: bool,
    },
}

#[derive(clap::Args)]
struct ConfigFile {
    #[arg(long, default_value = "patchcord.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            let mut out = std::io::stderr();
            // Nobody may be reading.
            let _ = writeln!(out, "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let done = match verb {
        Verb::Init { dir, sample, loopback } => init(&Init { dir, sample, loopback }),
        Verb::Check(file) => check(&file.config),
        Verb::Serve(file) => serve(&file.config),
        Verb::Device { file, user, name, revoke } => device(&file.config, user, &name, revoke),
        Verb::User(UserVerb::Password { file, user, stdin }) => password(&file.config, &user, stdin),
        Verb::Audit(AuditVerb::Verify { file, json, expect }) => return verify(&file.config, json, expect.as_ref()),
        Verb::Audit(AuditVerb::Export { file, format, from, to, out }) => {
            let when = from_to(from.as_deref(), to.as_deref())?;
            export(&file.config, format, &when, out.as_deref())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn init(init: &Init) -> anyhow::Result<()> {
    let done = config::init(init)?;
    let mut out = std::io::stdout();
    writeln!(out, "Wrote {}.", done.config.display())?;
    writeln!(out, "Certificate fingerprint (compare it at the first sign-in):\n  {}", done.fingerprint)?;
    writeln!(out, "Passwords, shown this once:")?;
    for (user, password) in &done.passwords {
        writeln!(out, "  {user:12} {password}")?;
    }
    writeln!(out, "Next: patchcord-exchange serve --config {}", done.config.display())?;
    Ok(())
}

fn check(file: &Path) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let (users, departments) = (config.account.users.len(), config.account.departments.len());
    println(&format!("{}: no mistake; {users} users, {departments} departments", file.display()))?;
    println(&config::summary(&config.account))?;
    println(&config::limits_in_words(&config.limits))
}

fn println(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn serve(file: &Path) -> anyhow::Result<()> {
    // The stack's own records hold whole messages with credentials: whatever RUST_LOG says, they stay out.
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(format!("{wanted},{}", sip::LOG_FILTER)).context("RUST_LOG")?;
    let to = std::io::stderr;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_ansi(to().is_terminal()).init();
    let config = config::load(file)?;
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_told(config))
}

/// Each call and each connection needs some; many systems allow 1024 unless asked for more.
#[cfg(unix)]
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "this system does not allow more open files");
    }
}

#[cfg(not(unix))]
fn allow_many_files() {}

async fn serve_until_told(config: Config) -> anyhow::Result<()> {
    // Before anything is started, so that no signal is missed.
    let told = told_to_stop()?;
    let exchange = Exchange::start(config).await?;
    println(&serde_json::to_string(&exchange.ready)?)?;
    tracing::info!(api = exchange.ready.api, "ready");
    told.await;
    tracing::info!("stopping: calls are ended, records are completed");
    exchange.stop().await;
    tracing::info!("stopped");
    Ok(())
}

#[cfg(unix)]
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // If Ctrl-C can't be heard, the process is ended from outside.
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn device(file: &Path, user: Option<String>, name: &str, revoke: Option<String>) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let store = Store::open_shared(&config.data)?;
    let connection = store.connection()?;
    if let Some(device) = revoke {
        if !devices::revoke(&connection, &DeviceId(device.clone()))? {
            bail!("there is no device {device}");
        }
        return println(&format!("Device {device} can no longer register or call."));
    }
    let user = UserId(user.context("--user is missing")?);
    if !config.account.users.iter().any(|u| u.id == user && !u.disabled) {
        bail!("there is no user {user} in {}, or they are disabled", file.display());
    }
    let now = exchange::brain::Clock::start().now();
    let credentials = devices::issue(&connection, &user, name, None, now)?;
    let first = |list: &[std::net::SocketAddr]| list.first().copied();
    let (udp, tcp, tls) = (first(&config.sip.udp), first(&config.sip.tcp), first(&config.sip.tls));
    let mut registrar = serve::registrar(&config, serve::SipAddresses { udp, tcp, tls });
    // A running exchange knows which free port it was given.
    if let Some(uri) = store::registrar(&connection)? {
        registrar.uri = uri;
    }
    println(&serde_json::to_string(&registrar.account(&user, credentials))?)
}

fn password(file: &Path, user: &str, stdin: bool) -> anyhow::Result<()> {
    let password = if stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        config::random_password()
    };
    config::set_password(file, user, &password).with_context(|| file.display().to_string())?;
    if !stdin {
        println(&format!("New password of {user}, shown this once: {password}"))?;
    }
    println("It holds from the next start of the exchange.")
}

const NOT_CHECKED: u8 = 2;

fn verify(file: &Path, json: bool, expect: Option<&audit::Head>) -> anyhow::Result<ExitCode> {
    let opened = config::load(file).map_err(anyhow::Error::from).and_then(|c| Ok(audit::open(&c.data)?));
    let connection = match opened {
        Ok(connection) => connection,
        Err(error) => {
            let mut out = std::io::stderr();
            // Nobody may be reading; the exit status says it too.
            let _ = writeln!(out, "{error:#}");
            return Ok(ExitCode::from(NOT_CHECKED));
        }
    };
    match audit::verify(&connection, expect) {
        Ok(whole) => {
            println(&if json { said(&serde_json::to_value(&whole)?, true).to_string() } else { told(&whole) })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            let what = serde_json::json!({
                "code": broken.code(), "entry": broken.entry(), "message": broken.to_string()
            });
            println(&if json { said(&what, false).to_string() } else { format!("{broken}.") })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The answer with `whole` as its first word.
fn said(what: &serde_json::Value, whole: bool) -> serde_json::Value {
    let mut all = serde_json::json!({ "whole": whole });
    if let (Some(all), Some(what)) = (all.as_object_mut(), what.as_object()) {
        all.extend(what.clone());
    }
    all
}

fn told(whole: &audit::Whole) -> String {
    let mut text = format!("The audit trail is whole: {} entries.", whole.entries);
    if whole.end_is_unknown {
        text.push_str(" Whether its end was cut off can't be told: this database was last used by an older version.");
    }
    if let Some(head) = &whole.head {
        text.push_str(&format!(" The newest, to be kept elsewhere for --expect:\n{head}"));
    }
    text
}

fn from_to(from: Option<&str>, to: Option<&str>) -> anyhow::Result<Range<Timestamp>> {
    let moment = |text: Option<&str>| text.map(audit::day_or_moment).transpose();
    let from = moment(from).context("--from")?.map_or(Timestamp(0), |(begins, _)| begins);
    let to = moment(to).context("--to")?.map_or(Timestamp(u64::MAX), |(_, ends)| ends);
    if from >= to {
        bail!("--from is not before --to; change one of them");
    }
    Ok(from..to)
}

fn export(file: &Path, format: Format, when: &Range<Timestamp>, out: Option<&Path>) -> anyhow::Result<()> {
    let connection = audit::open(&config::load(file)?.data)?;
    let format = match format {
        Format::Csv => audit::Format::Csv,
        Format::Jsonl => audit::Format::Jsonl,
    };
    let mut progress = |seen: u64, all: u64| {
        let mut err = std::io::stderr();
        // Nobody may be reading.
        let _ = writeln!(err, "{seen} of {all} entries");
    };
    let Some(path) = out else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return match audit::export(&connection, format, when, &mut out, &mut progress) {
            // Whoever reads has read enough.
            Err(audit::ExportError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done.map(drop)?),
        };
    };
    let new = config::new_private_file(path).with_context(|| format!("--out {}", path.display()))?;
    let written = audit::export(&connection, format, when, &mut BufWriter::new(new), &mut progress);
    if written.is_err() {
        // Half an export must not be taken for one.
        let _ = std::fs::remove_file(path);
    }
    println(&format!("{} entries are in {}.", written?, path.display()))
}
