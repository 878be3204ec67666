//! Our phone as a device of an office that has a real Asterisk 22: registering and plain calls.

use anyhow::Result;
use flows::asterisk::with_asterisk;

use crate::scene::sounds;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_echo() -> Result<()> {
    with_asterisk(async |office| {
        let mut ravi = office.phone("201", "ravi", &[]).await?;
        ravi.say("call 600").await?;
        ravi.event("answered").await?;
        ravi.hears(sounds(), "ravi").await?;
        ravi.say("hangup").await?;
        ravi.event("ended").await?;
        ravi.stop().await
    })
    .await
}
