//! The sample office: an exchange, colleagues at their phones, callers from outside.

use std::path::Path;

use anyhow::Result;
use protocol::LiveRow;
use tempfile::TempDir;

use crate::exchange::Exchange;
use crate::phone::{Phone, PhoneSpec};
use crate::sound::voice;

/// The address that outside callers come from: the exchange trusts it as its trunk.
pub const TRUNK: &str = "127.0.0.9";

pub const SUPPORT: &str = "+442079460200";
pub const SALES: &str = "+442079460300";
pub const BILLING: &str = "+442079460400";

pub struct Office {
    pub exchange: Exchange,
    dir: TempDir,
}

impl Office {
    pub async fn open() -> Result<Self> {
        Self::open_with(|_| {}).await
    }

    /// Opens with a changed configuration.
    pub async fn open_with(edit: impl FnOnce(&mut toml::Table)) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("patchcord-office-").tempdir()?;
        Ok(Self { exchange: Exchange::start(edit).await?, dir })
    }

    /// Recordings and secrets of this office's phones.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A colleague at a registered phone who speaks their own sentence once they have answered.
    pub async fn colleague(&self, user: &str, more: &[&str]) -> Result<Phone> {
        self.desk_phone(PhoneSpec::new(user).playing(voice(user)), user, more).await
    }

    /// A registered phone made from a spec of one's own.
    pub async fn desk_phone(&self, spec: PhoneSpec, user: &str, more: &[&str]) -> Result<Phone> {
        let account = self.exchange.device(user).await?;
        let mut spec = spec.recording(self.dir()).tracing(self.dir()).with(more);
        spec.account = Some((account, self.exchange.sip));
        spec.start(self.dir()).await
    }

    /// Somebody outside, who speaks their own sentence.
    pub async fn outsider(&self, who: &str, name: &str, number: &str) -> Result<Phone> {
        self.outsider_with(who, name, number, &[]).await
    }

    pub async fn outsider_with(&self, who: &str, name: &str, number: &str, more: &[&str]) -> Result<Phone> {
        let mut spec = PhoneSpec::new(who).playing(voice(who)).recording(self.dir()).tracing(self.dir());
        spec.host = Some(TRUNK.into());
        spec.with(&["--from", number, "--display", name]).with(more).start(self.dir()).await
    }

    pub async fn priya(&self) -> Result<Phone> {
        self.outsider("priya", "Priya Nair", "+919812345678").await
    }

    pub async fn joao(&self) -> Result<Phone> {
        self.outsider("joao", "João Pereira", "+351912345678").await
    }

    pub async fn wanda(&self) -> Result<Phone> {
        self.outsider("wanda", "Wanda Kowalska", "+48601234567").await
    }

    /// The SIP address behind a number of the account.
    pub fn number(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.exchange.sip)
    }
}

/// Whether a row is a call of the person with this number.
pub fn of(number: &'static str) -> impl Fn(&LiveRow) -> bool {
    move |row| row.call.caller.number == number
}
