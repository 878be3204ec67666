//! After a flood: what tables and the allocator keep for the next one goes back to the system.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// More transactions than this at a time are a flood, or a thousand phones after a restart.
const MANY: usize = 2_000;
/// How often memory is given back meanwhile.
const EVERY: Duration = Duration::from_secs(60);
/// How long after the flood: its transactions end within 32 s, the calls that it made within minutes.
const AFTER: Duration = Duration::from_secs(300);

/// The limits with which glibc begins, bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 128 * 1024;

/// When memory is to be given back: never, as long as nothing floods us.
#[derive(Debug, Default)]
pub(crate) struct Ebb {
    until: Option<Instant>,
}

impl Ebb {
    /// So many transactions are kept. Gives when to come back, if a flood begins.
    pub fn kept(&mut self, transactions: usize, now: Instant) -> Option<Instant> {
        if transactions < MANY {
            return None;
        }
        let begins = self.until.is_none();
        self.until = Some(now + AFTER);
        begins.then(|| now + EVERY)
    }

    /// Gives when to come back once more, if at all.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        self.until = self.until.filter(|until| now < *until);
        self.until.map(|_| now + EVERY)
    }
}

/// A table that a flood has made large becomes small again.
pub(crate) fn slim<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 1024 && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

/// Has glibc give back large blocks as soon as they are free, also at the end of a thread's arena. By itself it raises these
/// limits with the largest block that was ever freed, as a flood's tables are (mallopt(3), M_MMAP_THRESHOLD).
pub(crate) fn keep_little() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // SAFETY: both only take numbers, and may be called from any thread (mallopt(3)).
        #[expect(unsafe_code, reason = "no crate wraps it")]
        ONCE.call_once(|| unsafe {
            nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, LARGE);
            nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, LARGE);
        });
    }
}

/// Gives free pages back to the system, on a thread of its own: it takes some milliseconds. glibc keeps what lies below
/// anything that is still used; other systems' allocators give back by themselves.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    std::thread::spawn(|| {
        // SAFETY: it has no preconditions, and may be called from any thread (malloc_trim(3)).
        #[expect(unsafe_code, reason = "no crate wraps it")]
        let gave = unsafe { nix::libc::malloc_trim(0) } == 1;
        tracing::debug!(gave, "memory given back after a flood");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_until_some_minutes_after_the_flood() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut ebb = Ebb::default();
        assert_eq!(ebb.kept(MANY - 1, at(0)), None);
        assert_eq!(ebb.kept(MANY, at(0)), Some(at(60)));
        assert_eq!(ebb.kept(MANY, at(50)), None, "it is known already");
        assert_eq!(ebb.kept(10, at(55)), None);
        assert_eq!(ebb.next(at(60)), Some(at(120)));
        assert_eq!(ebb.next(at(300)), Some(at(360)));
        assert_eq!(ebb.next(at(360)), None);
        assert_eq!(ebb.kept(MANY, at(400)), Some(at(460)), "and the next one");
    }
}
