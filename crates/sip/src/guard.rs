//! Who may take up how much of us. Whoever has signed in is *known* and counted alone; all strangers at one address are
//! counted together, so that they cannot take the others' share. Pure: time comes in, counted from any fixed moment.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    Flow, Transport,
    limit::{Buckets, Limit, make_room},
    memory::slim,
};

/// What one address, one device and one user may ask of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages and connections of all strangers at one address (of IPv6: one /64). What a device needed to sign in is
    /// given back when it has. Of a known device: its own messages.
    pub messages: Limit,
    /// Wrong answers to challenges for one user from one address; more are refused with 403, unread.
    pub wrong_passwords: Limit,
    /// Connections at once from one address.
    pub connections: usize,
    /// Calls at once that one digest user may have made.
    pub calls: usize,
}

impl Default for Limits {
    /// Enough for a thousand phones behind one address that all come back in the same second (ADR 0020).
    fn default() -> Self {
        Self {
            messages: Limit { spare: 4000, refill: Duration::from_millis(10) },
            wrong_passwords: Limit { spare: 10, refill: Duration::from_secs(10) },
            connections: 1500,
            calls: 50,
        }
    }
}

/// How long an address is not listened to that sent too much.
const IGNORED: Duration = Duration::from_secs(10);
/// A device signs in again within the hour.
const KNOWN: Duration = Duration::from_secs(2 * 3600);
const MAX_KNOWN: usize = 50_000;
/// Over how long messages are counted for the log.
const COUNTED: Duration = Duration::from_secs(10);
/// Lines in the log about all of this.
const LINES: Limit = Limit { spare: 20, refill: Duration::from_secs(2) };

/// What a message is, as far as the log tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    Invite,
    Other,
}

impl Kind {
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [b'R', b'E', b'G', b'I', b'S', b'T', b'E', b'R', b' ', ..] => Self::Register,
            [b'I', b'N', b'V', b'I', b'T', b'E', b' ', ..] => Self::Invite,
            _ => Self::Other,
        }
    }
}

/// That something is refused; with a line for the log if it is due.
pub(crate) type Refused = Option<String>;

type Peer = (Transport, SocketAddr, u64);

fn peer(flow: &Flow) -> Peer {
    (flow.transport, flow.remote, flow.connection)
}

pub(crate) struct Guard {
    limits: Limits,
    strangers: Buckets<IpAddr>,
    known: HashMap<Peer, Duration>,
    of_known: Buckets<Peer>,
    wrong: Buckets<(IpAddr, u64)>,
    names: RandomState,
    ignored: HashMap<IpAddr, Duration>,
    tallies: HashMap<IpAddr, Tally>,
    lines: Buckets<()>,
    untold: u64,
}

impl Guard {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            strangers: Buckets::new(limits.messages),
            known: HashMap::new(),
            of_known: Buckets::new(limits.messages),
            wrong: Buckets::new(limits.wrong_passwords),
            names: RandomState::new(),
            ignored: HashMap::new(),
            tallies: HashMap::new(),
            lines: Buckets::new(LINES),
            untold: 0,
        }
    }

    /// Whether a message is looked at.
    ///
    /// # Errors
    /// It is not.
    pub fn admit(&mut self, now: Duration, flow: &Flow, kind: Kind) -> Result<(), Refused> {
        if self.is_known(now, flow) {
            return self.of_known.take(peer(flow), now).map_err(|_| {
                self.line(now, || format!("{} is signed in, but sends too much: what is too much is lost", flow.remote))
            });
        }
        self.stranger(now, network(flow.remote.ip()), Some(kind))
    }

    fn stranger(&mut self, now: Duration, source: IpAddr, kind: Option<Kind>) -> Result<(), Refused> {
        if self.ignored.get(&source).is_some_and(|until| *until > now) {
            return Err(None);
        }
        let tally = tally_of(&mut self.tallies, source, now);
        tally.count(kind);
        if self.strangers.take(source, now).is_ok() {
            return Ok(());
        }
        let said = format!(
            "{} sent {} in {} s without signing in: ignored for {} s",
            shown(source),
            tally,
            (now - tally.since).as_secs() + 1,
            IGNORED.as_secs()
        );
        if self.ignored.len() >= Buckets::<IpAddr>::MAX {
            // Their buckets alone keep them out.
            self.ignored.clear();
        }
        self.ignored.insert(source, now + IGNORED);
        self.tallies.remove(&source);
        Err(self.line(now, || said))
    }

    pub fn is_known(&self, now: Duration, flow: &Flow) -> bool {
        self.known.get(&peer(flow)).is_some_and(|at| now < *at + KNOWN)
    }

    /// Whoever is at the other end has signed in, or we have turned to them.
    pub fn vouch(&mut self, now: Duration, flow: &Flow) {
        let new = !self.is_known(now, flow);
        if self.known.len() >= MAX_KNOWN && new {
            make_room(&mut self.known, MAX_KNOWN, |at| now >= at + KNOWN);
        }
        self.known.insert(peer(flow), now);
        if new {
            // The request that was challenged, the answer, and the connection.
            self.strangers.refund(&network(flow.remote.ip()), if flow.transport.is_stream() { 3 } else { 2 });
        }
    }

    /// Whether an answer to a challenge is looked at. Neighbours behind one address cannot spoil it for who is known.
    pub fn may_try(&self, now: Duration, flow: &Flow, user: &str) -> bool {
        self.is_known(now, flow) || self.wrong.wait(&self.attempt(flow, user), now).is_zero()
    }

    /// Counts a wrong answer to a challenge; with a line for the log if it was one too many.
    pub fn wrong_password(&mut self, now: Duration, flow: &Flow, user: &str) -> Option<String> {
        let attempt = self.attempt(flow, user);
        self.wrong.spend(attempt, now);
        let wait = self.wrong.wait(&attempt, now);
        let source = shown(network(flow.remote.ip()));
        let user: String = user.chars().take(40).collect();
        (!wait.is_zero()).then(|| {
            self.line(now, || {
                format!("{source} keeps giving wrong passwords for {user:?}: refused for {} s", wait.as_secs() + 1)
            })
        })?
    }

    /// A name may be long, and there may be many: what is kept is its hash.
    fn attempt(&self, flow: &Flow, user: &str) -> (IpAddr, u64) {
        (network(flow.remote.ip()), self.names.hash_one(user))
    }

    /// Whether a connection is taken.
    ///
    /// # Errors
    /// It is not.
    pub fn connects(&mut self, now: Duration, ip: IpAddr) -> Result<(), Refused> {
        self.stranger(now, network(ip), None)
    }

    /// An address has as many connections as it may have; gives the line for the log.
    pub fn is_full(&mut self, now: Duration, ip: IpAddr) -> Refused {
        let most = self.limits.connections;
        self.line(now, || format!("{} has {most} connections open: no more are taken", shown(network(ip))))
    }

    /// A connection is gone for good.
    pub fn forget(&mut self, flow: &Flow) {
        self.known.remove(&peer(flow));
    }

    /// Forgets whoever may do everything again anyway.
    pub fn forget_old(&mut self, now: Duration) {
        self.strangers.forget_full(now);
        self.of_known.forget_full(now);
        self.wrong.forget_full(now);
        self.ignored.retain(|_, until| *until > now);
        slim(&mut self.ignored);
        self.tallies.retain(|_, tally| now < tally.since + COUNTED);
        slim(&mut self.tallies);
    }

    fn line(&mut self, now: Duration, say: impl FnOnce() -> String) -> Option<String> {
        if self.lines.take((), now).is_err() {
            self.untold += 1;
            return None;
        }
        let untold = std::mem::take(&mut self.untold);
        let more = if untold > 0 { format!(" (and {untold} more such things)") } else { String::new() };
        Some(say() + &more)
    }
}

/// What an address has sent lately.
struct Tally {
    since: Duration,
    registers: u32,
    invites: u32,
    others: u32,
    connections: u32,
}

fn tally_of(tallies: &mut HashMap<IpAddr, Tally>, source: IpAddr, now: Duration) -> &mut Tally {
    let fresh = || Tally { since: now, registers: 0, invites: 0, others: 0, connections: 0 };
    if tallies.len() >= Buckets::<IpAddr>::MAX {
        tallies.clear();
    }
    let tally = tallies.entry(source).or_insert_with(fresh);
    if now >= tally.since + COUNTED {
        *tally = fresh();
    }
    tally
}

impl Tally {
    fn count(&mut self, kind: Option<Kind>) {
        *match kind {
            Some(Kind::Register) => &mut self.registers,
            Some(Kind::Invite) => &mut self.invites,
            Some(Kind::Other) => &mut self.others,
            None => &mut self.connections,
        } += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            (self.registers, "REGISTERs"),
            (self.invites, "INVITEs"),
            (self.others, "other messages"),
            (self.connections, "connections"),
        ];
        for (at, (count, what)) in counts.into_iter().filter(|(count, _)| *count > 0).enumerate() {
            write!(f, "{}{count} {what}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// One household's IPv6 addresses count as one: the first 64 bits.
#[must_use]
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
    }
}

fn shown(network: IpAddr) -> String {
    if network.is_ipv6() { format!("{network}/64") } else { network.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn flow(remote: &str) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { transport: Transport::Udp, local, remote: remote.parse().unwrap(), connection: 0 }
    }

    fn seconds(s: u64) -> Duration {
        NOW + Duration::from_secs(s)
    }

    #[test]
    fn a_flood_is_ignored_with_one_plain_line_and_others_are_heard() {
        let mut guard = Guard::new(Limits::default());
        let (bad, good) = (flow("192.0.2.7:5060"), flow("192.0.2.8:5060"));
        let mut said = vec![];
        let mut heard = 0;
        for at in 0..100_000 {
            let kind = if at % 4 == 0 { Kind::Invite } else { Kind::Register };
            // From ever other ports.
            let from = flow(&format!("192.0.2.7:{}", 1024 + at % 60_000));
            match guard.admit(NOW, &from, kind) {
                Ok(()) => heard += 1,
                Err(line) => said.extend(line),
            }
            assert_eq!(guard.admit(NOW + Duration::from_millis(10 * at), &good, Kind::Other), Ok(()));
        }
        assert_eq!(heard, 4000);
        let line = "192.0.2.7 sent 3000 REGISTERs, 1001 INVITEs in 1 s without signing in: ignored for 10 s";
        assert_eq!(said, [line]);
        assert_eq!(guard.admit(seconds(9), &bad, Kind::Other), Err(None));
        assert_eq!(guard.admit(seconds(10), &bad, Kind::Other), Ok(()));
    }

    #[test]
    fn who_has_signed_in_behind_the_same_address_is_heard_all_the_while() {
        let mut guard = Guard::new(Limits::default());
        let known = flow("192.0.2.7:5062");
        guard.vouch(NOW, &known);
        while guard.admit(NOW, &flow("192.0.2.7:666"), Kind::Register).is_ok() {}
        assert_eq!(guard.admit(NOW, &known, Kind::Register), Ok(()));
        assert!(guard.may_try(NOW, &known, "ravi"));
        let mut lines = 0;
        for _ in 0..5000 {
            lines += guard.admit(NOW, &known, Kind::Invite).is_err_and(|line| line.is_some()) as u32;
        }
        assert!(lines > 0 && lines <= LINES.spare, "a known device has bounds, too");
        guard.forget(&known);
        assert_eq!(guard.admit(NOW, &known, Kind::Register), Err(None));
    }

    /// A restart of the exchange: each phone asks, twice because it is not answered at once, is challenged and answers.
    #[test]
    fn thousands_of_phones_behind_one_address_come_back_within_a_second() {
        let mut guard = Guard::new(Limits::default());
        for phone in 0..5000 {
            let phone = flow(&format!("192.0.2.7:{}", 10_000 + phone));
            for _ in 0..2 {
                assert_eq!(guard.admit(NOW, &phone, Kind::Register), Ok(()));
            }
            guard.vouch(NOW, &phone);
        }
        // None of which has been answered yet.
        for phone in 0..2000 {
            let phone = flow(&format!("192.0.2.9:{}", 10_000 + phone));
            assert_eq!(
                (guard.admit(NOW, &phone, Kind::Register), guard.admit(NOW, &phone, Kind::Other)),
                (Ok(()), Ok(()))
            );
        }
    }

    #[test]
    fn wrong_passwords_are_counted_by_user_and_address() {
        let mut guard = Guard::new(Limits::default());
        let (here, there) = (flow("192.0.2.7:1"), flow("192.0.2.8:1"));
        for n in 1..=10 {
            assert!(guard.may_try(NOW, &here, "ravi"));
            let said = guard.wrong_password(NOW, &here, "ravi");
            assert_eq!(said.is_some(), n == 10, "{said:?}");
        }
        assert!(!guard.may_try(NOW, &here, "ravi"));
        assert!(guard.may_try(NOW, &here, "mina") && guard.may_try(NOW, &there, "ravi"));
        assert!(guard.may_try(seconds(10), &here, "ravi"));
        let said = guard.wrong_password(NOW, &here, "a\nb").unwrap_or_default();
        assert!(!said.contains('\n'));
    }

    #[test]
    fn opening_and_closing_connections_is_a_flood_too() {
        let mut guard = Guard::new(Limits::default());
        let ip = "192.0.2.7".parse().unwrap();
        let opened = (0..10_000).filter(|_| guard.connects(NOW, ip).is_ok()).count();
        assert_eq!(opened, 4000);
        assert_eq!(guard.admit(NOW, &flow("192.0.2.7:1"), Kind::Other), Err(None));
        let said = guard.is_full(NOW, ip).unwrap();
        assert_eq!(said, "192.0.2.7 has 1500 connections open: no more are taken");
    }

    #[test]
    fn memory_and_lines_are_bounded_whatever_comes() {
        let mut guard =
            Guard::new(Limits { messages: Limit { spare: 1, ..Limits::default().messages }, ..Limits::default() });
        let mut lines = 0;
        for n in 0..60_000u32 {
            let from = flow(&format!("{}:5060", std::net::Ipv4Addr::from(n)));
            let _first = guard.admit(NOW, &from, Kind::Register);
            lines += guard.admit(NOW, &from, Kind::Register).is_err_and(|line| line.is_some()) as u32;
            guard.vouch(NOW + Duration::from_nanos(n.into()), &from);
        }
        assert!(lines <= LINES.spare);
        assert!(guard.known.len() <= MAX_KNOWN);
        assert!(guard.ignored.len() <= Buckets::<IpAddr>::MAX && guard.tallies.len() <= Buckets::<IpAddr>::MAX);
        let (known, later) = (guard.known.len(), NOW + Duration::from_secs(3600));
        guard.forget_old(later);
        assert!(guard.ignored.capacity() <= 1024 && guard.tallies.capacity() <= 1024);
        assert_eq!((guard.known.len(), guard.strangers.kept()), (known, 0), "who has signed in stays known");
    }
}
