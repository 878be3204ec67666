use anyhow::Result;
use flows::office::{Office, SALES, SUPPORT};
use protocol::{Denied, Ineligible, Presence, Target, TransferRight};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_has_a_sentence_and_leaves_a_trace() -> Result<()> {
    let office = Office::open_with(|config| {
        let policy = config.entry("policy").or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
        policy.insert("agents_may_transfer".into(), false.into());
    })
    .await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;

    let agent = office.exchange.person("ravi").await?;
    let mut feed = agent.feed().await?;
    let row = feed.row("Ravi's own call", |row| row.call.answered_at.is_some()).await?;
    let TransferRight::Refused { denied, sentence } = &row.transfer_right else { panic!("{row:?}") };
    assert_eq!(*denied, Denied::AgentsMayNotTransfer);
    assert!(sentence.contains("Ask a manager"), "{sentence}");

    // A forged request fares no better than the greyed icon, and is on record.
    let refused = agent.transfer(&row.call.id, Target::User("tom".into()), "").await?.unwrap_err();
    assert_eq!(refused.code, "denied.agents_may_not_transfer");
    assert_eq!(&refused.message, sentence);
    priya.say("hangup").await?;
    let record = feed.record(&row.call.id).await?;
    let audit = flows::exchange::transfers(&record.audit);
    assert_eq!(audit, [("ravi".into(), protocol::AuditOutcome::Refused)]);
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_neither_sees_nor_moves_another_departments_call() -> Result<()> {
    let office = Office::open().await?;
    let tom = office.colleague("tom", &["--auto-answer=100"]).await?;
    let mut wanda = office.wanda().await?;
    wanda.say(&format!("call {}", office.number(SALES))).await?;
    tom.event("answered").await?;
    let sam = office.exchange.person("sam").await?;
    let row = sam.feed().await?.row("Wanda's call", |row| row.call.answered_at.is_some()).await?;
    let maya = office.exchange.person("maya").await?;
    assert!(maya.live().await?.is_empty(), "Sales is not Maya's department");
    let refused = maya.transfer(&row.call.id, Target::User("sam".into()), "").await?;
    assert!(refused.is_err(), "{refused:?}");
    office.exchange.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialog_says_who_cannot_take_the_call_and_why() -> Result<()> {
    let office = Office::open().await?;
    let ravi = office.colleague("ravi", &["--auto-answer=100"]).await?;
    let _lena_phone = office.colleague("lena", &[]).await?;
    let _tom_phone = office.colleague("tom", &[]).await?;
    let lena = office.exchange.person("lena").await?;
    let presence: Result<Value, _> = lena.put("/v1/presence", &json!({ "presence": Presence::Away })).await?;
    assert!(presence.is_ok(), "{presence:?}");
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    let maya = office.exchange.person("maya").await?;
    let row = maya.feed().await?.row("Priya's call", |row| row.call.answered_at.is_some()).await?;

    let targets = maya.targets(&row.call.id).await?.targets;
    let why = |user: &str| {
        let found = targets.iter().find(|row| row.target == Target::User(user.into()));
        found.unwrap_or_else(|| panic!("{user} is not in the list")).ineligible.clone()
    };
    assert!(matches!(why("lena"), Some(Ineligible::Away { .. })), "{:?}", why("lena"));
    assert_eq!(why("omar"), Some(Ineligible::NoDevice));
    assert_eq!(why("ravi"), Some(Ineligible::InThisCall));
    assert_eq!(why("tom"), None);
    let tom = targets.iter().find(|row| row.name == "Tom Okafor").unwrap();
    assert!(tom.forecast_line.contains("Tom Okafor"), "{}", tom.forecast_line);
    office.exchange.stop().await
}
