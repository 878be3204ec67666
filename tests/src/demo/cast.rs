//! Who is in the office when the curtain rises.

use anyhow::Result;
use flows::office::{BILLING, Office, SUPPORT};
use flows::phone::Phone;
use serde_json::{Value, json};

/// The colleagues at their desks: Ravi answers Support at once, Mina a little later, Tom takes his time.
pub struct Cast {
    pub ravi: Phone,
    pub mina: Phone,
    pub tom: Phone,
    pub sam: Phone,
    pub alex: Phone,
    pub lena: Phone,
}

impl Cast {
    /// Everybody signs in; Lena is away, and Omar has no phone.
    pub async fn arrive(office: &Office) -> Result<Self> {
        let cast = Self {
            ravi: office.colleague("ravi", &["--auto-answer=300"]).await?,
            mina: office.colleague("mina", &["--auto-answer=1800"]).await?,
            tom: office.colleague("tom", &["--auto-answer=3500"]).await?,
            sam: office.colleague("sam", &["--auto-answer=6000"]).await?,
            alex: office.colleague("alex", &["--auto-answer=6000"]).await?,
            lena: office.colleague("lena", &[]).await?,
        };
        let lena = office.exchange.person("lena").await?;
        let away: Result<Value, _> = lena.put("/v1/presence", &json!({ "presence": "away" })).await?;
        away.map_err(|error| anyhow::anyhow!(error.message))?;
        Ok(cast)
    }

    pub async fn leave(self) -> Result<()> {
        for phone in [self.ravi, self.mina, self.tom, self.sam, self.alex, self.lena] {
            phone.stop().await?;
        }
        Ok(())
    }
}

/// Priya calls Support and João calls Billing; both are answered.
pub async fn two_callers(office: &Office, priya: &mut Phone, joao: &mut Phone) -> Result<()> {
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    priya.event("answered").await?;
    joao.say(&format!("call {}", office.number(BILLING))).await?;
    joao.event("answered").await.map(drop)
}
