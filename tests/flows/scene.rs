//! The scene of most stories: Priya calls Support, Ravi answers, and Maya watches.

use std::sync::OnceLock;

use anyhow::Result;
use flows::exchange::{Feed, Person};
use flows::golden::{self, Lane};
use flows::office::{Office, SUPPORT, of};
use flows::phone::Phone;
use flows::sound::Library;
use protocol::{CallId, CallRecord, CallState, LiveRow, Target};

pub const PRIYA: &str = "+919812345678";

pub struct Scene {
    pub office: Office,
    pub priya: Phone,
    pub maya: Person,
    pub feed: Feed,
    pub call: CallId,
}

/// The known sounds, read once for all tests.
pub fn sounds() -> &'static Library {
    static SOUNDS: OnceLock<Library> = OnceLock::new();
    SOUNDS.get_or_init(|| Library::office().expect("the sounds of the sample office"))
}

/// The sample office, where a call that nobody takes goes back to the agent.
pub async fn office() -> Result<Office> {
    office_with(|_| {}).await
}

/// The same with a ring that a test can wait out.
pub async fn impatient() -> Result<Office> {
    office_with(|policy| drop(policy.insert("transfer_ring_seconds".into(), 5.into()))).await
}

/// The same with more of its policy changed.
pub async fn office_with(edit: impl FnOnce(&mut toml::Table)) -> Result<Office> {
    Office::open_with(|config| {
        let policy = config.entry("policy").or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
        policy.insert("fallback".into(), vec!["recall former agent 20 s", "voicemail"].into());
        edit(policy);
    })
    .await
}

/// A colleague whose phone answers by itself.
pub async fn answering(office: &Office, user: &str) -> Result<Phone> {
    office.colleague(user, &["--auto-answer=100"]).await
}

pub fn talking_with(user: &'static str) -> impl Fn(&LiveRow) -> bool {
    move |row| matches!(&row.call.state, CallState::Talking { with } if with.id.as_str() == user)
}

impl Scene {
    /// Priya calls Support; whoever is signed in as Ravi answers.
    pub async fn begin(office: Office) -> Result<Self> {
        let priya = office.priya().await?;
        Self::with(office, priya).await
    }

    pub async fn with(office: Office, mut priya: Phone) -> Result<Self> {
        let maya = office.exchange.person("maya").await?;
        let mut feed = maya.feed().await?;
        priya.say(&format!("call {}", office.number(SUPPORT))).await?;
        let row = feed.row("Priya talking with Ravi", |row| of(PRIYA)(row) && talking_with("ravi")(row)).await?;
        priya.event("answered").await?;
        Ok(Self { office, priya, maya, feed, call: row.call.id })
    }

    /// Priya calls Support, and it rings.
    pub async fn ringing(office: Office) -> Result<Self> {
        let mut priya = office.priya().await?;
        let maya = office.exchange.person("maya").await?;
        let mut feed = maya.feed().await?;
        priya.say(&format!("call {}", office.number(SUPPORT))).await?;
        let row = feed.row("Priya's call", of(PRIYA)).await?;
        Ok(Self { office, priya, maya, feed, call: row.call.id })
    }

    pub fn address(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.office.exchange.sip)
    }

    /// Maya moves the call to `user`.
    pub async fn go(&self, user: &str) -> Result<()> {
        let accepted = self.maya.transfer(&self.call, Target::User(user.into()), "").await?;
        assert!(accepted.is_ok(), "{accepted:?}");
        Ok(())
    }

    /// Waits until Priya's call is as `wanted`.
    pub async fn row(&mut self, what: &str, wanted: impl Fn(&LiveRow) -> bool) -> Result<LiveRow> {
        let call = self.call.clone();
        self.feed.row(what, |row| row.call.id == call && wanted(row)).await
    }

    pub async fn hears(&self, source: &str) -> Result<()> {
        self.priya.hears(sounds(), source).await.map(drop)
    }

    /// Priya hangs up; the record of her call.
    pub async fn farewell(&mut self) -> Result<CallRecord> {
        self.priya.say("hangup").await?;
        self.record().await
    }

    pub async fn record(&mut self) -> Result<CallRecord> {
        self.feed.record(&self.call).await
    }

    /// Everybody leaves. What went over the wires must be as in the golden file.
    pub async fn golden(self, name: &str, phones: Vec<Phone>, mut lanes: Vec<Lane>) -> Result<()> {
        assert!(self.maya.live().await?.is_empty(), "no call is left");
        let mut all = vec![Lane::of(self.priya).await?];
        for phone in phones {
            all.push(Lane::of(phone).await?);
        }
        all.append(&mut lanes);
        self.office.exchange.stop().await?;
        golden::compare(name, &all)
    }
}
