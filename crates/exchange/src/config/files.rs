//! Files that the configuration names: certificate, key, sounds, data folder.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use toml::Spanned;

use super::{Section, mistakes::Found};

/// A certificate and its key, loaded and found to belong together.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// Of the certificate, as people compare it: `AB:CD:…`, SHA-256.
    pub fingerprint: String,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// WAV files that replace the built-in ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sounds {
    pub hold_music: Option<PathBuf>,
    pub greeting: Option<PathBuf>,
    pub closing: Option<PathBuf>,
}

pub(super) fn sounds(mut section: Section<'_, '_>, dir: &Path, found: &mut Found) -> Sounds {
    let sounds = Sounds {
        hold_music: wav(&mut section, "hold_music", dir, found),
        greeting: wav(&mut section, "greeting", dir, found),
        closing: wav(&mut section, "closing", dir, found),
    };
    section.finish(found);
    sounds
}

fn wav(section: &mut Section<'_, '_>, key: &'static str, dir: &Path, found: &mut Found) -> Option<PathBuf> {
    let given = section.get::<String>(found, key)?;
    let path = dir.join(given.get_ref());
    if let Err(why) = readable_wav(&path) {
        let remedy = "give a WAV file with 16 bits a sample, or take the line out to use the built-in sound";
        found.say(&given.span(), format!("`{key}`: {}: {why}", path.display()), remedy);
    }
    Some(path)
}

fn readable_wav(path: &Path) -> Result<(), String> {
    let reader = hound::WavReader::open(path).map_err(|e| e.to_string())?;
    let spec = reader.spec();
    match (spec.sample_format, spec.bits_per_sample, reader.duration()) {
        (hound::SampleFormat::Int, 16, 1..) => Ok(()),
        (hound::SampleFormat::Int, 16, 0) => Err("it holds no sound".into()),
        (hound::SampleFormat::Int | hound::SampleFormat::Float, bits, _) => Err(format!("it has {bits}-bit samples")),
    }
}

pub(super) fn data(mut section: Section<'_, '_>, dir: &Path, found: &mut Found) -> Option<PathBuf> {
    let given = section.need::<String>(found, "dir", "add a line: dir = \"data\"");
    section.finish(found);
    let given = given?;
    let path = dir.join(given.get_ref());
    let remedy = "name a folder that exists or whose parent folder exists, and that this program may write to";
    let trouble = match fs::metadata(&path) {
        Ok(meta) if !meta.is_dir() => Some("is a file"),
        Ok(meta) if meta.permissions().readonly() => Some("cannot be written to"),
        Ok(_) => None,
        Err(_) if path.parent().is_some_and(|p| p.as_os_str().is_empty() || p.is_dir()) => None,
        Err(_) => Some("is in a folder that does not exist"),
    };
    if let Some(trouble) = trouble {
        found.say(&given.span(), format!("`dir`: {} {trouble}", path.display()), remedy);
    }
    Some(path)
}

/// The certificate and key of [api]; a mistake is said at the path that is to blame.
pub(super) fn tls(cert: &Spanned<String>, key: &Spanned<String>, dir: &Path, found: &mut Found) -> Option<Tls> {
    match load_tls(&dir.join(cert.get_ref()), &dir.join(key.get_ref())) {
        Ok(tls) => Some(tls),
        Err(TlsTrouble { in_key, what }) => {
            let (name, at) = if in_key { ("key", key) } else { ("certificate", cert) };
            let remedy = "give a readable PEM file, or make a new pair with `patchcord-exchange init --dir NEW`";
            found.say(&at.span(), format!("`{name}`: {}: {what}", dir.join(at.get_ref()).display()), remedy);
            None
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TlsTrouble {
    in_key: bool,
    what: String,
}

/// Loads a PEM certificate (chain) and its key.
///
/// # Errors
/// A file cannot be read, holds nothing usable, or the two do not belong together.
pub fn load_tls(certificate: &Path, key: &Path) -> Result<Tls, TlsTrouble> {
    let in_cert = |e: &dyn fmt::Display| TlsTrouble { in_key: false, what: e.to_string() };
    let in_key = |e: &dyn fmt::Display| TlsTrouble { in_key: true, what: e.to_string() };
    let pem = fs::read(certificate).map_err(|e| in_cert(&e))?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| in_cert(&e))?;
    let first = chain.first().ok_or_else(|| in_cert(&"it holds no certificate"))?;
    let fingerprint = fingerprint(first);
    let pem = fs::read(key).map_err(|e| in_key(&e))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| in_key(&e))?;
    // The provider is named here: nothing depends on a process-wide default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| in_cert(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| in_key(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), fingerprint })
}

/// SHA-256 of a DER certificate, `AB:CD:…`.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    sip::Fingerprint::of(der).to_string()
}
