//! What is to be written, in its order, until it is in the file.

use std::collections::{HashMap, VecDeque};

use protocol::{AuditEntry, CallId, CallRecord};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use super::{StoreError, Voicemail, audit, drafts, records, voicemail};

/// Entries of one transaction.
const BATCH: usize = 500;

/// What is kept without anybody waiting for it.
#[derive(Debug)]
pub(super) enum Kept {
    Record(Box<CallRecord>),
    Draft(Box<CallRecord>),
    Audit(AuditEntry),
    Voicemail(Voicemail),
}

impl Kept {
    pub fn name(&self) -> String {
        match self {
            Self::Record(record) => format!("the record of call {}", record.id),
            Self::Draft(draft) => format!("the draft of call {}", draft.id),
            Self::Audit(entry) => format!("audit entry {}", entry.seq),
            Self::Voicemail(voicemail) => format!("the voicemail of call {}", voicemail.call),
        }
    }
}

/// What could not be written before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unwritten {
    pub records: usize,
    pub audit_entries: usize,
    pub voicemails: usize,
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, audit_entries, voicemails } = self;
        write!(f, "{records} call records, {audit_entries} audit entries and {voicemails} voicemails")
    }
}

/// First in, first written. What a transaction holds is taken out only when that is committed.
pub(super) struct Backlog {
    /// With numbers, so that a draft can be told from a newer one.
    waiting: VecDeque<(u64, Kept)>,
    /// Only the newest draft of a call is worth writing, and none once its record waits.
    newest: HashMap<CallId, u64>,
    serial: u64,
    limit: usize,
    /// An entry found no room. An audit entry after that would leave a hole in the chain.
    cut: bool,
}

impl Backlog {
    pub fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), newest: HashMap::new(), serial: 0, limit, cut: false }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether entries had to be refused.
    pub fn has_lost(&self) -> bool {
        self.cut
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The newest record of a call that waits here.
    pub fn record(&self, call: &CallId) -> Option<&CallRecord> {
        self.waiting.iter().rev().find_map(|(_, kept)| match kept {
            Kept::Record(record) => (record.id == *call).then_some(record.as_ref()),
            Kept::Draft(_) | Kept::Audit(_) | Kept::Voicemail(_) => None,
        })
    }

    /// Takes an entry; one too many is lost, and the log says so.
    pub fn push(&mut self, kept: Kept) {
        let full = self.waiting.len() >= self.limit;
        match &kept {
            // The draft before it stands.
            Kept::Draft(_) if full => return,
            Kept::Record(_) | Kept::Voicemail(_) if full => return self.lose(&kept),
            Kept::Audit(_) if full || self.cut => return self.lose(&kept),
            Kept::Record(record) => drop(self.newest.remove(&record.id)),
            Kept::Draft(draft) => drop(self.newest.insert(draft.id.clone(), self.serial + 1)),
            Kept::Audit(_) | Kept::Voicemail(_) => {}
        }
        self.serial += 1;
        self.waiting.push_back((self.serial, kept));
    }

    fn lose(&mut self, kept: &Kept) {
        self.cut = true;
        tracing::error!("there is no more room: {} is lost", kept.name());
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The database fails, maybe for a while: what is not written stays.
    pub fn write(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        while !self.waiting.is_empty() {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let batch = self.waiting.len().min(BATCH);
            for (serial, kept) in self.waiting.iter().take(batch) {
                match self.put(&transaction, *serial, kept) {
                    Err(error) if passes(&error) => return Err(error),
                    Err(error) => tracing::error!(%error, "the database refuses {}, which is lost", kept.name()),
                    Ok(()) => {}
                }
            }
            transaction.commit()?;
            for (serial, written) in self.waiting.drain(..batch) {
                if let Kept::Draft(draft) = written
                    && self.newest.get(&draft.id) == Some(&serial)
                {
                    self.newest.remove(&draft.id);
                }
            }
        }
        Ok(())
    }

    fn put(&self, c: &Connection, serial: u64, kept: &Kept) -> Result<(), StoreError> {
        match kept {
            Kept::Record(record) => {
                records::insert(c, record)?;
                drafts::remove(c, &record.id)
            }
            Kept::Draft(draft) if self.newest.get(&draft.id) == Some(&serial) => drafts::put(c, draft),
            Kept::Draft(_) => Ok(()),
            Kept::Audit(entry) => audit::append(c, entry).or_else(|error| {
                // A commit may have succeeded and still have been reported as failed.
                if is_stored(c, entry)? { Ok(()) } else { Err(error) }
            }),
            Kept::Voicemail(voicemail) => voicemail::insert(c, voicemail),
        }
    }

    /// Counts what waits, and names it in the log: it is given up.
    pub fn give_up(&mut self) -> Unwritten {
        let mut lost = Unwritten::default();
        self.newest.clear();
        for (_, kept) in self.waiting.drain(..) {
            match &kept {
                Kept::Record(_) => lost.records += 1,
                Kept::Audit(_) => lost.audit_entries += 1,
                Kept::Voicemail(_) => lost.voicemails += 1,
                Kept::Draft(_) => continue,
            }
            tracing::error!("{} was never written", kept.name());
        }
        lost
    }
}

fn is_stored(c: &Connection, entry: &AuditEntry) -> Result<bool, StoreError> {
    let mut query = c.prepare_cached("SELECT hash FROM audit WHERE seq = ?1")?;
    let hash = query.query_row([entry.seq], |row| row.get::<_, String>(0)).optional()?;
    Ok(hash.is_some_and(|hash| hash == entry.hash))
}

/// Whether it may go better later. What the database does not take because of what it is would stand in the way for ever.
fn passes(error: &StoreError) -> bool {
    match error {
        StoreError::Sql(rusqlite::Error::SqliteFailure(failure, _)) => !matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
        ),
        StoreError::Io { .. } => true,
        StoreError::Sql(_)
        | StoreError::InUse { .. }
        | StoreError::Migration(_)
        | StoreError::Row(_)
        | StoreError::Unwritten(_)
        | StoreError::Closed => false,
    }
}

/// Why nothing can be written, for everyone who works with the exchange.
pub(super) fn sentence(error: &StoreError, lost: bool) -> String {
    let code = match error {
        StoreError::Sql(error) => error.sqlite_error_code(),
        StoreError::Io { .. }
        | StoreError::InUse { .. }
        | StoreError::Migration(_)
        | StoreError::Row(_)
        | StoreError::Unwritten(_)
        | StoreError::Closed => None,
    };
    let why = match code {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has locked the database",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the database may not be written to"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk reports an error, or has no room",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "the database is damaged",
        _ => "the database fails",
    };
    let consequence = match lost {
        false => "Calls go on, and what is not written is kept until it can be.",
        true => "Calls go on, but there is no more room to keep what is not written, and some of it is lost.",
    };
    format!("Call records can't be written: {why}. {consequence}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protocol::{AuditAction, AuditOutcome, Timestamp};

    use super::*;

    fn entry(seq: u64) -> Kept {
        Kept::Audit(AuditEntry {
            seq,
            at: Timestamp(1),
            user: "ravi".into(),
            user_name: "Ravi".into(),
            action: AuditAction::SignIn,
            call: None,
            target: None,
            outcome: AuditOutcome::Accepted,
            rule: String::new(),
            hash: seq.to_string(),
        })
    }

    fn seqs(backlog: &Backlog) -> Vec<u64> {
        let seq = |(_, kept): &(u64, Kept)| match kept {
            Kept::Audit(entry) => Some(entry.seq),
            Kept::Record(_) | Kept::Draft(_) | Kept::Voicemail(_) => None,
        };
        backlog.waiting.iter().filter_map(seq).collect()
    }

    #[test]
    fn a_full_backlog_cuts_the_chain_once_and_leaves_no_hole() {
        let mut backlog = Backlog::new(3);
        (1..=4).for_each(|seq| backlog.push(entry(seq)));
        assert!(backlog.has_lost());
        backlog.waiting.pop_front();
        backlog.push(entry(5));
        assert_eq!(seqs(&backlog), vec![2, 3], "after a lost entry no other may follow");
        assert_eq!(backlog.give_up(), Unwritten { audit_entries: 2, ..Unwritten::default() });
        assert!(backlog.is_empty());
    }
}
