//! One TOML file, read once and checked completely. `check` and `serve` use the same [`load`].

mod dispositions;
mod files;
mod limits;
mod mistakes;
mod network;
mod password;
mod people;
mod policy;
mod sample;
mod section;
mod steps;
mod summary;
mod words;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use protocol::UserId;
use switchboard::Account;
use toml::de::DeTable;

pub use files::{Sounds, Tls, fingerprint, load_tls};
pub use limits::limits_in_words;
pub use mistakes::{Mistake, Mistakes};
pub use password::{MAX_PASSWORD, PasswordHash, hash_password, random_password, set_password};
pub use sample::{Init, InitError, Initialised, init, new_private_file};
pub use summary::summary;

use mistakes::Found;
use section::Section;

/// A checked configuration. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    pub file: PathBuf,
    pub account: Account,
    pub passwords: BTreeMap<UserId, PasswordHash>,
    pub api: Api,
    pub sip: Sip,
    pub rtp: Rtp,
    pub limits: sip::Limits,
    pub trunk: Option<Trunk>,
    pub sounds: Sounds,
    /// Where the database and the voicemail are kept.
    pub data: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Api {
    pub bind: SocketAddr,
    /// Never `None` unless `bind` is a loopback address.
    pub tls: Option<Tls>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    /// With the certificate of the API.
    pub tls: Vec<SocketAddr>,
    /// What Contact and Via say. Given whenever a listener is bound to an unspecified address.
    pub advertised: Option<IpAddr>,
    pub realm: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rtp {
    pub bind: IpAddr,
    /// `0..=0`: any free ones.
    pub ports: RangeInclusive<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trunk {
    /// The provider is known by its address; nobody signs in. A peer with port 0 may call from any port.
    Static {
        peers: Vec<SocketAddr>,
        dial: SocketAddr,
        number: String,
    },
    Register {
        registrar: String,
        user: String,
        auth_user: String,
        password: Secret,
        number: String,
    },
}

/// Text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: cannot be read: {cause}; name an existing file with --config, or make one with `patchcord-exchange init --dir {dir}`", dir = file.parent().unwrap_or(Path::new(".")).display(), file = file.display())]
    Unreadable { file: PathBuf, cause: io::Error },
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

/// Larger files are no configuration.
const MAX_FILE: u64 = 4 << 20;

/// Reads and checks `file`. Paths in it are relative to its folder.
///
/// # Errors
/// Every mistake at once: all of the syntax, or, once that is right, all of the meaning.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    let text = read(file).map_err(|cause| ConfigError::Unreadable { file: file.to_owned(), cause })?;
    Ok(parse(file, &text)?)
}

fn read(file: &Path) -> io::Result<String> {
    if fs::metadata(file)?.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    fs::read_to_string(file)
}

/// As [`load`], of `text` as if it were in `file`.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &Path, text: &str) -> Result<Config, Mistakes> {
    let mut found = Found::default();
    let (root, syntax) = DeTable::parse_recoverable(text);
    for error in syntax {
        let message = section::short(error.message());
        found.say(&error.span().unwrap_or(0..0), message, "this line is no TOML: correct how it is written");
    }
    if !found.is_empty() {
        return Err(found.into_mistakes(file.to_owned(), text));
    }
    let dir = file.parent().unwrap_or(Path::new(""));
    let config = meaning(file, dir, Section::root(&root), &mut found);
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(found.into_mistakes(file.to_owned(), text)),
    }
}

/// Reads every section before giving up on any, so that all mistakes are found. `None` only if one was.
fn meaning(file: &Path, dir: &Path, mut root: Section<'_, '_>, found: &mut Found) -> Option<Config> {
    let people = people::read(&mut root, found);
    let dispositions = dispositions::read(&mut root, found);
    let api = network::api(root.table(found, "api"), dir, found);
    let sip = network::sip(root.table(found, "sip"), found);
    let rtp = network::rtp(root.table(found, "rtp"), found);
    let limits = limits::read(root.table(found, "limits"), found);
    let trunk = root.table_if_present(found, "trunk").map(|t| network::trunk(t, found));
    let sounds = files::sounds(root.table(found, "sounds"), dir, found);
    let data = files::data(root.table(found, "data"), dir, found);
    root.finish(found);
    let (mut account, passwords) = people?;
    (account.has_trunk, account.dispositions) = (trunk.is_some(), dispositions);
    let trunk = match trunk {
        Some(read) => Some(read?),
        None => None,
    };
    let (api, sip, rtp) = (api?, sip?, rtp?);
    network::port_clashes(&api, &sip, &rtp, found);
    network::families(&sip, &rtp, found);
    Some(Config {
        file: file.to_owned(),
        account,
        passwords,
        api: api.into_inner(),
        sip: sip.into_inner(),
        rtp: rtp.into_inner(),
        limits,
        trunk,
        sounds,
        data: data?,
    })
}
