//! What of the records a reader may see, in one text.

use std::{collections::BTreeSet, fmt::Write as _};

use protocol::{DepartmentId, UserId};

use crate::{Switchboard, directory::UserState, permission::may_see, rules::Whose};

impl Switchboard {
    /// Everything on which [`Switchboard::may_see_record`] depends for `user`: two accounts that give the same text give
    /// the same answer about every record. It names people and departments, and is not for showing.
    #[must_use]
    pub fn record_scope(&self, user: &UserId) -> String {
        let Some(reader) = self.directory.users.get(user).filter(|u| may_see(u, Whose::Own)) else {
            return "nothing".to_owned();
        };
        if may_see(reader, Whose::Other) {
            return "everything".to_owned();
        }
        // An internal call is known by what was dialled.
        let mut scope = format!("own {user} {}", reader.config.extension);
        if may_see(reader, Whose::Department) {
            self.departments_of(reader, &mut scope);
        }
        scope
    }

    /// The reader's departments, and the colleagues in them, whose calls elsewhere count, too: except in departments of
    /// theirs that the reader is not in.
    fn departments_of(&self, reader: &UserState, scope: &mut String) {
        let set = |user: &UserState| user.config.departments.iter().cloned().collect::<BTreeSet<DepartmentId>>();
        let mine = set(reader);
        // Writing to a String can't fail.
        for department in &mine {
            let _ = write!(scope, "\n{department}");
        }
        for (id, colleague) in &self.directory.users {
            let theirs = set(colleague);
            if *id != reader.config.id && !theirs.is_disjoint(&mine) {
                let _ = write!(scope, "\nwith {id}");
                for department in theirs.difference(&mine) {
                    let _ = write!(scope, " {department}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use protocol::{
        CallOutcome, CallRecord, DepartmentRef, Direction, JourneyEvent, JourneyStep, Party, Reason, Role, TargetRef,
        Timestamp, TransferKind, UserRef,
    };

    use super::*;
    use crate::{Account, testkit};

    const DEPARTMENTS: [&str; 3] = ["support", "sales", "billing"];
    const USERS: usize = 4;

    fn board(account: Account) -> Switchboard {
        Switchboard::new(account, "test".into(), (0, String::new()), 0)
    }

    fn user(n: usize) -> UserRef {
        UserRef { id: testkit::USERS[n].into(), name: testkit::USERS[n].to_owned() }
    }

    /// Role, departments by bit, disabled, extension.
    type Person = (u8, u8, bool, u8);

    fn office(people: &[Person]) -> Account {
        let mut account = testkit::account();
        account.users.truncate(people.len());
        for (user, (role, departments, disabled, extension)) in account.users.iter_mut().zip(people) {
            user.role = [Role::Agent, Role::Manager, Role::Manager, Role::Administrator][usize::from(*role)];
            let member = DEPARTMENTS.iter().enumerate().filter(|(bit, _)| departments >> bit & 1 == 1);
            user.departments = member.map(|(_, d)| (*d).into()).collect();
            (user.disabled, user.extension) = (*disabled, format!("10{extension}"));
        }
        account
    }

    fn record() -> impl Strategy<Value = CallRecord> {
        let users = || prop::collection::vec(0..USERS, 0..3);
        let number = prop_oneof![(0..3_u8).prop_map(|n| format!("10{n}")), (0..USERS).prop_map(|n| user(n).id.0)];
        let transfer = prop::option::of((0..USERS, 0..USERS));
        let department = prop::option::of(0..DEPARTMENTS.len());
        let direction = prop_oneof![Just(Direction::Internal), Just(Direction::Inbound)];
        (department, direction, users(), users(), transfer, number.clone(), number).prop_map(
            |(department, direction, agents, rung, transfer, number, dialled)| {
                let mut what = vec![JourneyEvent::Rang { users: rung.into_iter().map(user).collect() }];
                what.extend(transfer.map(|(by, to)| JourneyEvent::TransferStarted {
                    transfer: "t".into(),
                    by: user(by),
                    from: None,
                    to: TargetRef::User(user(to)),
                    kind: TransferKind::Blind,
                    note: None,
                }));
                CallRecord {
                    id: "c".into(),
                    seq: 1,
                    direction,
                    caller: Party { name: String::new(), number },
                    dialled,
                    department: department
                        .map(|d| DepartmentRef { id: DEPARTMENTS[d].into(), name: DEPARTMENTS[d].into() }),
                    agents: agents.into_iter().map(user).collect(),
                    started_at: Timestamp(1),
                    answered_at: None,
                    ended_at: Timestamp(2),
                    outcome: CallOutcome::Missed,
                    ended_because: Reason::CallerGone,
                    journey: what.into_iter().map(|what| JourneyStep { at: Timestamp(1), what }).collect(),
                    audit: Vec::new(),
                    voicemail: None,
                    remarks: None,
                    quality: Vec::new(),
                }
            },
        )
    }

    fn person() -> impl Strategy<Value = Person> {
        (0..4_u8, 0..8_u8, prop::bool::weighted(0.1), 0..3_u8)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn who_has_the_same_scope_in_two_accounts_sees_the_same(
            people in prop::collection::vec(person(), USERS),
            changed in 0..USERS,
            to in person(),
            records in prop::collection::vec(record(), 20),
        ) {
            let mut others = people.clone();
            others[changed] = to;
            let (one, two) = (board(office(&people)), board(office(&others)));
            for n in 0..USERS {
                let id = user(n).id;
                let same = one.record_scope(&id) == two.record_scope(&id);
                for record in &records {
                    let (a, b) = (one.may_see_record(&id, record), two.may_see_record(&id, record));
                    prop_assert!(a == b || !same, "{id}: {} and yet {a}, {b}: {record:?}", one.record_scope(&id));
                }
            }
        }
    }

    /// Scopes before and after a change of the account.
    fn scopes(change: impl Fn(&mut Account)) -> impl Fn(&str) -> (String, String) {
        let mut account = testkit::account();
        let before = board(account.clone());
        change(&mut account);
        let after = board(account);
        move |user| (before.record_scope(&user.into()), after.record_scope(&user.into()))
    }

    fn of<'a>(account: &'a mut Account, id: &str) -> &'a mut crate::UserConfig {
        account.users.iter_mut().find(|u| u.id.as_str() == id).unwrap()
    }

    #[test]
    fn a_right_given_or_taken_changes_the_scope_of_who_has_it_and_of_nobody_else() {
        let scope = scopes(|account| of(account, "ravi").departments.clear());
        // Maya no longer sees what Ravi does outside of every department.
        assert_ne!(scope("maya").0, scope("maya").1);
        for untouched in ["alex", "ravi", "mina", "tom"] {
            assert_eq!(scope(untouched).0, scope(untouched).1, "{untouched}");
        }
        let scope = scopes(|account| of(account, "maya").departments.push("sales".into()));
        assert_ne!(scope("maya").0, scope("maya").1);
        assert_eq!(scope("alex").0, scope("alex").1);
        let scope = scopes(|account| of(account, "ravi").role = Role::Manager);
        assert_ne!(scope("ravi").0, scope("ravi").1);
        assert_eq!(scope("maya").0, scope("maya").1);
        let scope = scopes(|account| of(account, "ravi").disabled = true);
        assert_eq!(scope("ravi").1, "nothing");
        let scope = scopes(|account| account.users.retain(|u| u.id.as_str() != "ravi"));
        assert_eq!(scope("ravi").1, "nothing");
        assert_ne!(scope("mina").0, scope("omar").0, "each has calls of their own");
    }

    #[test]
    fn the_order_in_the_file_means_nothing() {
        let scope = scopes(|account| {
            account.users.reverse();
            of(account, "maya").departments = vec!["support".into(), "support".into()];
        });
        assert_eq!(scope("maya").0, scope("maya").1);
    }
}
