//! The lamps of telephones at our exchange: a colleague's line (RFC 4235), and one's own mailbox (in `logs`).

use anyhow::Result;
use flows::office::{Office, SUPPORT};
use flows::phone::Phone;

/// Ravi's extension.
const RAVI: &str = "103";

async fn shows(phone: &Phone, states: &[&str]) -> Result<()> {
    for state in states {
        let lamp = phone.event("watched").await?;
        assert_eq!((lamp["number"].as_str(), lamp["state"].as_str()), (Some(RAVI), Some(*state)), "{lamp}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleagues_line_is_shown_as_far_as_one_may_see_it() -> Result<()> {
    let office = Office::open().await?;
    let ravi = office.colleague("ravi", &["--auto-answer=1500"]).await?;
    // Maya manages Support; Tom sells, and Support's calls are not his to see.
    let (mut maya, mut tom) =
        (office.colleague("maya", &["--busy"]).await?, office.colleague("tom", &["--busy"]).await?);
    for watcher in [&mut maya, &mut tom] {
        watcher.say(&format!("watch {RAVI}")).await?;
        shows(watcher, &["idle"]).await?;
    }
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.event("answered").await?;
    shows(&maya, &["ringing", "talking"]).await?;
    shows(&tom, &["talking"]).await?;
    priya.say("hangup").await?;
    shows(&maya, &["idle"]).await?;
    shows(&tom, &["idle"]).await?;
    tom.say("watch 999").await?;
    let unknown = tom.event("watched").await?;
    assert_eq!(unknown["why"], "The system knows no such line.");
    office.exchange.stop().await
}
