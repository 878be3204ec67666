//! The disk is full, or the database locked: calls go on, the exchange says so, and nothing is lost.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use flows::exchange::Feed;
use protocol::{AuditOutcome, Change, FeedMessage};
use tokio::process::Command;

use crate::scene::{Scene, answering, office, talking_with};

/// Waits until the exchange says that it can, or can't, write.
async fn trouble(feed: &mut Feed, expected: bool) -> Result<Option<String>> {
    loop {
        let trouble = match feed.message().await.context("waiting for word about the disk")? {
            FeedMessage::Snapshot(snapshot) => snapshot.trouble,
            FeedMessage::Delta(delta) => match delta.change {
                Change::Trouble(trouble) => trouble,
                _ => continue,
            },
            FeedMessage::Alive { .. } => continue,
        };
        if trouble.is_some() == expected {
            return Ok(trouble);
        }
    }
}

/// Two transfers and a goodbye with nothing written; then all of it is there.
async fn calls_go_on(word: &str, break_it: impl AsyncFnOnce(&Scene) -> Result<Broken>) -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let tom = answering(&office, "tom").await?;
    let mut scene = Scene::begin(office).await?;
    ravi.event("answered").await?;
    // An own feed, so that nothing said meanwhile is passed over.
    let mut watch = scene.maya.feed().await?;
    let broken = break_it(&scene).await?;
    scene.go("tom").await?;
    scene.row("talking with Tom", talking_with("tom")).await?;
    let said = trouble(&mut watch, true).await?.context("it says what is wrong")?;
    ensure!(said.contains(word), "{said}");
    scene.hears("tom").await?;
    scene.go("ravi").await?;
    scene.row("talking with Ravi", talking_with("ravi")).await?;
    ravi.event("answered").await?;
    let record = scene.farewell().await?;
    ravi.event("ended").await?;
    tom.event("ended").await?;

    broken.mend().await?;
    trouble(&mut watch, false).await?;
    let kept = scene.maya.records().await?;
    let kept = kept.iter().find(|kept| kept.id == record.id).context("the record was kept")?;
    assert_eq!(kept, &record);
    let audit = flows::exchange::transfers(&kept.audit);
    let completed = audit.iter().filter(|(_, outcome)| *outcome == AuditOutcome::Completed).count();
    assert_eq!((audit.len(), completed), (4, 2), "{audit:?}");
    let verified = scene.office.exchange.run(&["audit", "verify"]).await?;
    ensure!(verified.status.success(), "{verified:?}");
    scene.office.exchange.stop().await
}

enum Broken {
    Full { pid: u32 },
    Locked(rusqlite::Connection),
}

impl Broken {
    async fn mend(self) -> Result<()> {
        match self {
            Self::Full { pid } => limit_files(pid, "unlimited").await,
            Self::Locked(connection) => Ok(connection.execute_batch("ROLLBACK")?),
        }
    }
}

/// A disk is full for a program that may not make a file longer than this (RLIMIT_FSIZE).
async fn limit_files(pid: u32, bytes: &str) -> Result<()> {
    let mut prlimit = Command::new("prlimit");
    let done = prlimit.args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:unlimited")]).output().await?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}

fn database(scene: &Scene) -> Result<PathBuf> {
    Ok(scene.office.exchange.config().parent().context("no folder")?.join("data/exchange.db"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full() -> Result<()> {
    calls_go_on("no room", async |scene| {
        let pid = scene.office.exchange.program.id().context("it runs")?;
        limit_files(pid, "4096").await?;
        Ok(Broken::Full { pid })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_locked() -> Result<()> {
    calls_go_on("locked", async |scene| {
        let connection = rusqlite::Connection::open(database(scene)?)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Broken::Locked(connection))
    })
    .await
}
