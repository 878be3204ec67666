//! What the lamps of telephones show: colleagues' lines and one's own mailbox. A device is told what its user may see, and
//! no more: that a colleague is on a call, as the directory tells everybody; that they are rung, and by whom, only of calls
//! that the user may see.

use std::{collections::HashMap, time::Duration};

use protocol::{CallState, LiveCall, TransferStage, User, UserId, UserRef};
use sip::{DialogState, MessageCount, MessageSummary, NameAddr, Notice, Package, Uri, WatchedDialog, WatcherKey};
use switchboard::Switchboard;

use crate::{
    brain::Brain,
    engine::embedded::{Lamp, Lamps},
    store::{Store, voicemail},
};

/// Nobody reads a lamp faster; a burst of changes is told as one.
const PAUSE: Duration = Duration::from_millis(50);

/// A lamp that burns or may.
struct Wired {
    user: UserId,
    /// Whose line; for a mailbox that is `user` too.
    whose: UserId,
    package: Package,
}

/// Answers devices, and tells them of changes, until the exchange stops.
pub(crate) async fn tend(mut lamps: Lamps, brain: Brain, store: Store) {
    let mut wired: HashMap<WatcherKey, Wired> = HashMap::new();
    let mut changes = brain.changes();
    let mut mailboxes = changes.borrow().mailboxes;
    loop {
        let news: Vec<WatcherKey> = tokio::select! {
            lamp = lamps.next() => match lamp {
                Some(Lamp::Asked { lamp, user, package, whose }) => match wire(&brain, user, package, whose).await {
                    Ok(wire) => {
                        wired.insert(lamp, wire);
                        vec![lamp]
                    }
                    Err(status) => {
                        lamps.refuse(lamp, status);
                        continue;
                    }
                },
                Some(Lamp::Gone(lamp)) => {
                    wired.remove(&lamp);
                    continue;
                }
                None => return,
            },
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = changes.borrow_and_update().mailboxes;
                let counted = std::mem::replace(&mut mailboxes, now) == now;
                let news = wired.iter().filter(|(_, wire)| wire.package == Package::Dialog || !counted);
                news.map(|(lamp, _)| *lamp).collect()
            }
        };
        show(&lamps, &wired, &news, (&brain, &store)).await;
        if news.len() > 1 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// # Errors
/// The status that refuses it: nobody has that number, or the mailbox is somebody else's.
async fn wire(brain: &Brain, user: UserId, package: Package, whose: String) -> Result<Wired, u16> {
    let asks = user.clone();
    let found = brain.look(move |switchboard| {
        let users = switchboard.users();
        let alive = |u: &&User| !u.disabled;
        let asker = users.iter().filter(alive).any(|u| u.id == asks);
        let whose = users.iter().filter(alive).find(|u| u.extension == whose || u.id.as_str() == whose);
        (asker, whose.map(|u| u.id.clone()))
    });
    match found.await {
        Ok((false, _)) => Err(403),
        Ok((true, None)) => Err(404),
        Ok((true, Some(whose))) if package == Package::MessageSummary && whose != user => Err(403),
        Ok((true, Some(whose))) => Ok(Wired { user, whose, package }),
        Err(_stopping) => Err(480),
    }
}

async fn show(
    lamps: &Lamps,
    wired: &HashMap<WatcherKey, Wired>,
    news: &[WatcherKey],
    (brain, store): (&Brain, &Store),
) {
    let mut lines = Vec::new();
    for (lamp, wire) in news.iter().filter_map(|lamp| Some((*lamp, wired.get(lamp)?))) {
        match wire.package {
            Package::Dialog => lines.push((lamp, wire.user.clone(), wire.whose.clone())),
            Package::MessageSummary => match mailbox(store, &wire.whose).await {
                Ok(summary) => lamps.show(lamp, Notice::Messages(summary)),
                Err(error) => tracing::warn!(%error, "the messages of a mailbox can't be counted"),
            },
        }
    }
    if lines.is_empty() {
        return;
    }
    let seen = brain.look(move |switchboard| {
        let users: HashMap<UserId, User> = switchboard.users().into_iter().map(|u| (u.id.clone(), u)).collect();
        let rings = rings(switchboard);
        let see = |(lamp, user, whose): (WatcherKey, UserId, UserId)| {
            let rung_by = rings.get(&whose).map_or(&[][..], Vec::as_slice);
            users.get(&whose).map(|whose| (lamp, dialogs(switchboard, &user, whose, rung_by)))
        };
        lines.into_iter().filter_map(see).collect::<Vec<_>>()
    });
    for (lamp, dialogs) in seen.await.unwrap_or_default() {
        lamps.show(lamp, Notice::Dialogs(dialogs));
    }
}

/// Counted in the queue of what is written, so that a record that was just said is in it.
async fn mailbox(store: &Store, user: &UserId) -> Result<MessageSummary, crate::store::StoreError> {
    let mailbox = user.as_str().to_owned();
    let (new, old) = store.write(move |c| voicemail::count(c, &mailbox)).await?;
    let voice = Some(MessageCount { new, old, ..MessageCount::default() });
    Ok(MessageSummary { waiting: new > 0, voice })
}

/// By user: the calls that ring there.
fn rings(switchboard: &Switchboard) -> HashMap<&UserId, Vec<&LiveCall>> {
    let mut rings: HashMap<&UserId, Vec<&LiveCall>> = HashMap::new();
    for call in switchboard.live_calls() {
        for user in rung(call) {
            let calls = rings.entry(&user.id).or_default();
            if calls.last().is_none_or(|last| last.id != call.id) {
                calls.push(call);
            }
        }
    }
    rings
}

/// What `whose` does, whom these calls ring, as far as `user` may know.
fn dialogs(switchboard: &Switchboard, user: &UserId, whose: &User, rung_by: &[&LiveCall]) -> Vec<WatchedDialog> {
    let seen = rung_by.iter().filter(|call| switchboard.may_see(user, call));
    let rings = seen.map(|call| WatchedDialog { state: DialogState::Early, called: Some(false), remote: caller(call) });
    let mut all: Vec<WatchedDialog> = rings.collect();
    if whose.on_call {
        all.insert(0, WatchedDialog { state: DialogState::Confirmed, called: None, remote: None });
    }
    all
}

/// Whose devices ring for this call.
fn rung(call: &LiveCall) -> Vec<&UserRef> {
    let by_transfer = call.transfer.as_ref().map(|transfer| &transfer.stage);
    match (&call.state, by_transfer) {
        (CallState::Ringing { towards, .. }, _) => towards.iter().collect(),
        (
            _,
            Some(
                TransferStage::Ringing { towards, .. }
                | TransferStage::NextAgent { towards, .. }
                | TransferStage::ConsultRinging { towards, .. },
            ),
        ) => towards.iter().collect(),
        (_, Some(TransferStage::Recalling { towards, .. })) => vec![towards],
        _ => Vec::new(),
    }
}

/// A withheld number stays so; and nobody is called by this address, only by their number.
fn caller(call: &LiveCall) -> Option<NameAddr> {
    let number: String =
        call.caller.number.chars().filter(|c| c.is_ascii_alphanumeric() || "+*#".contains(*c)).collect();
    let uri: Uri =
        format!("sip:{}@anonymous.invalid", if number.is_empty() { "anonymous" } else { &number }).parse().ok()?;
    Some(NameAddr::new((!call.caller.name.is_empty()).then_some(call.caller.name.as_str()), uri))
}
