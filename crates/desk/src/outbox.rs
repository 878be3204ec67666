//! The one view out: what the screen has, what it should have, and the difference.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{CallId, Directory, LiveRow};
use tokio::time::Instant;

use crate::{
    AccountsView, Keeping, LinkState, LinkView, LivePatch, LiveView, LogsHead, LogsView, Opened, PhoneView, Screen,
    SessionView, SoundView, View, ViewPatch,
};

/// Large sections go out at most 20 times a second; the small ones at once.
const PACE: Duration = Duration::from_millis(50);

impl View {
    /// What is shown before anything is known.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            session: SessionView::Starting,
            link: LinkView { control: LinkState::Off, registration: LinkState::Off, exchange: None },
            live: LiveView { as_of: None, calls: Vec::new() },
            phone: PhoneView { calls: Vec::new(), trouble: None, offered: None },
            rings: Vec::new(),
            dialog: None,
            logs: LogsView { head: LogsHead::default(), rows: Vec::new() },
            details: None,
            directory: Directory { users: Vec::new(), departments: Vec::new(), dispositions: Vec::new() },
            sound: SoundView {
                microphones: Vec::new(),
                speakers: Vec::new(),
                choice: crate::SoundSettings::default(),
                remembered: Vec::new(),
                headset: None,
                test: None,
                trouble: None,
            },
            notices: Vec::new(),
            asking: Vec::new(),
            keeping: Keeping::default(),
            player: None,
            accounts: AccountsView::default(),
        }
    }

    /// Applies what changed. Doing so twice is the same as doing so once.
    pub fn apply(&mut self, patch: ViewPatch) {
        let ViewPatch {
            session,
            link,
            live,
            phone,
            rings,
            dialog,
            logs,
            details,
            directory,
            sound,
            notices,
            asking,
            keeping,
            player,
            accounts,
        } = patch;
        put(&mut self.session, session);
        put(&mut self.link, link);
        if let Some(live) = live {
            self.live.apply(live);
        }
        put(&mut self.phone, phone);
        put(&mut self.rings, rings);
        put(&mut self.dialog, dialog.map(|dialog| dialog.open));
        if let Some(logs) = logs {
            self.logs.apply(logs);
        }
        put(&mut self.details, details.map(|details| details.open));
        put(&mut self.directory, directory);
        put(&mut self.sound, sound);
        put(&mut self.notices, notices);
        put(&mut self.asking, asking);
        put(&mut self.keeping, keeping);
        put(&mut self.player, player.map(|player| player.open));
        put(&mut self.accounts, accounts);
    }
}

fn put<T>(place: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *place = new;
    }
}

impl LiveView {
    /// Rows stay in the order of their calls' beginning.
    pub fn apply(&mut self, patch: LivePatch) {
        self.as_of = patch.as_of;
        if patch.reset {
            self.calls.clear();
        }
        self.calls.retain(|row| !patch.gone.contains(&row.call.id));
        for row in patch.changed {
            self.put(row);
        }
    }

    /// Changes a row, or adds it where it belongs.
    pub(crate) fn put(&mut self, row: LiveRow) {
        if let Some(old) = self.calls.iter_mut().find(|old| old.call.id == row.call.id) {
            *old = row;
            return;
        }
        let key = |row: &LiveRow| (row.call.started_at, row.call.id.clone());
        let at = self.calls.partition_point(|old| key(old) < key(&row));
        self.calls.insert(at, row);
    }

    pub(crate) fn row(&self, call: &CallId) -> Option<&LiveRow> {
        self.calls.iter().find(|row| row.call.id == *call)
    }
}

/// Knows what the screen has and brings it up to date.
pub(crate) struct Outbox {
    screen: Arc<dyn Screen>,
    published: Arc<Mutex<View>>,
    /// Before this moment, no large section goes out.
    next_large: Instant,
    waiting: bool,
}

impl Outbox {
    pub(crate) fn new(screen: Arc<dyn Screen>, published: Arc<Mutex<View>>) -> Self {
        Self { screen, published, next_large: Instant::now(), waiting: false }
    }

    /// When [`Outbox::flush`] must be called again, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.then_some(self.next_large)
    }

    /// Sends what differs. Rings go to the ring window before anything else.
    pub(crate) fn flush(&mut self, wanted: &View) {
        let now = Instant::now();
        let patch = {
            let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            let mut patch = small(&published, wanted);
            self.waiting = now < self.next_large;
            if !self.waiting && large(&published, wanted, &mut patch) {
                self.next_large = now + PACE;
            }
            published.apply(patch.clone());
            patch
        };
        if let Some(rings) = &patch.rings {
            self.screen.ring(rings);
        }
        if patch != ViewPatch::default() {
            self.screen.publish(patch);
        }
    }
}

fn small(old: &View, new: &View) -> ViewPatch {
    ViewPatch {
        session: differing(&old.session, &new.session),
        link: differing(&old.link, &new.link),
        phone: differing(&old.phone, &new.phone),
        rings: differing(&old.rings, &new.rings),
        dialog: differing(&old.dialog, &new.dialog).map(|open| Opened { open }),
        details: differing(&old.details, &new.details).map(|open| Opened { open }),
        sound: differing(&old.sound, &new.sound),
        notices: differing(&old.notices, &new.notices),
        asking: differing(&old.asking, &new.asking),
        keeping: differing(&old.keeping, &new.keeping),
        player: differing(&old.player, &new.player).map(|open| Opened { open }),
        accounts: differing(&old.accounts, &new.accounts),
        ..ViewPatch::default()
    }
}

/// Adds the large sections; answers whether any differs.
fn large(old: &View, new: &View, patch: &mut ViewPatch) -> bool {
    patch.live = live(&old.live, &new.live);
    patch.logs = new.logs.since(&old.logs);
    patch.directory = differing(&old.directory, &new.directory);
    patch.live.is_some() || patch.logs.is_some() || patch.directory.is_some()
}

fn differing<T: Clone + PartialEq>(old: &T, new: &T) -> Option<T> {
    (old != new).then(|| new.clone())
}

fn live(old: &LiveView, new: &LiveView) -> Option<LivePatch> {
    if old == new {
        return None;
    }
    let mut before: HashMap<_, _> = old.calls.iter().map(|row| (&row.call.id, row)).collect();
    let changed: Vec<_> = new.calls.iter().filter(|row| before.remove(&row.call.id) != Some(row)).cloned().collect();
    let gone = before.into_keys().cloned().collect();
    let reset = old.calls.is_empty() && !new.calls.is_empty();
    Some(LivePatch { as_of: new.as_of, reset, changed, gone })
}
