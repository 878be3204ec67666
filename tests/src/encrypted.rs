//! The office with SIP and its API over TLS.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::office::Office;
use crate::phone::{Phone, PhoneSpec};
use crate::sound::voice;

/// An office whose exchange speaks SIP over TLS, too.
pub struct Encrypted {
    pub office: Office,
    pub tls: SocketAddr,
    pub fingerprint: String,
}

impl Encrypted {
    /// Its certificate and key go to `dir`.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::named(dir, "office.test").await
    }

    /// With a certificate, `cert.pem` in `dir`, of another name or address.
    pub async fn named(dir: &Path, name: &str) -> Result<Self> {
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let office = Office::open_with(|config| {
            let mut set = |section: &str, key: &str, value: toml::Value| {
                config[section].as_table_mut().map(|section| section.insert(key.to_owned(), value))
            };
            set("api", "certificate", certificate.display().to_string().into());
            set("api", "key", key.display().to_string().into());
            set("sip", "tls", vec!["127.0.0.1:0"].into());
        })
        .await?;
        let ready = office.exchange.program.all().into_iter().find(|line| line["ready"] == true);
        let ready = ready.context("not ready")?;
        let tls = ready["sip_tls"].as_str().context("no TLS")?.parse()?;
        let fingerprint = ready["fingerprint"].as_str().context("no fingerprint")?.to_owned();
        Ok(Self { office, tls, fingerprint })
    }

    /// A phone that believes the authorities in a file alone, and is only told where to register.
    pub async fn believing(&self, authorities: &Path, user: &str) -> Result<Phone> {
        let at = format!("sip:{}", self.tls);
        self.told(&["--transport", "tls", "--registrar", &at], authorities, user).await
    }

    /// The same that is told no more than a name. Its records ask for TLS first, then for UDP.
    pub async fn by_name(&self, authorities: &Path, user: &str) -> Result<Phone> {
        let (tls, udp) = (self.tls.port(), self.office.exchange.sip.port());
        let names = format!(
            "naptr office.test 2 1 SIP+D2U _sip._udp.office.test; naptr office.test 1 1 SIPS+D2T _sips._tcp.office.test; \
             srv _sip._udp.office.test 1 1 {udp} pbx.office.test; srv _sips._tcp.office.test 1 1 {tls} pbx.office.test; \
             host pbx.office.test 127.0.0.1"
        );
        self.told(&["--transport", "auto", "--registrar", "sip:office.test", "--names", &names], authorities, user)
            .await
    }

    async fn told(&self, where_to: &[&str], authorities: &Path, user: &str) -> Result<Phone> {
        let account = self.office.exchange.device(user).await?;
        let dir = self.office.dir();
        let secret = dir.join(format!("{user}.secret"));
        std::fs::write(&secret, &account.password)?;
        let secret = secret.display().to_string();
        let mut spec = PhoneSpec::new(user).playing(voice(user)).recording(dir).tracing(dir);
        spec.authorities = Some(authorities.to_owned());
        let spec = spec.with(where_to).with(&["--user", user, "--auth-user", &account.auth_user]);
        spec.with(&["--password-file", &secret, "--auto-answer=100"]).start(dir).await
    }

    /// A colleague who is registered over TLS and answers by itself.
    pub async fn colleague(&self, user: &str) -> Result<Phone> {
        let mut spec =
            PhoneSpec::new(user).playing(voice(user)).recording(self.office.dir()).tracing(self.office.dir());
        spec.account = Some((self.office.exchange.device(user).await?, self.tls));
        let spec = spec.with(&["--transport", "tls", "--tls-fingerprint", &self.fingerprint, "--auto-answer=100"]);
        spec.start(self.office.dir()).await
    }
}
