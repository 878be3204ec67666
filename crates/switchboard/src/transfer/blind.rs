//! Go: the call is given away at once, without asking the target first.

use protocol::{
    AuditAction, AuditOutcome, CallId, Denied, JourneyEvent, Party, Reason, Target, TransferId, TransferKind, UserId,
};

use super::Course;
use crate::{
    Fact, Order, Refusal, Switchboard,
    arrive::bounded,
    audit::Attempt,
    call::{Call, Stage, State, Transfer},
    permission::movable,
};

impl Switchboard {
    pub(crate) fn transfer(&mut self, by: &UserId, id: &CallId, revision: u32, target: &Target, note: Option<String>) {
        let Some(key) = self.by_id.get(id).copied() else {
            let attempt = self.refused(by, target, &Refusal::UnknownCall);
            self.audit(Some(id.clone()), attempt);
            let answer = Err(Refusal::UnknownCall);
            return self.fact(Fact::TransferAnswer { call: id.clone(), answer });
        };
        self.with_call(key, |board, call| match board.may_begin(by, call, Some(revision), target) {
            Err(refusal) => {
                let attempt = board.refused(by, target, &refusal);
                board.audit_call(call, attempt);
                board.fact(Fact::TransferAnswer { call: call.id.clone(), answer: Err(refusal) });
            }
            Ok(rule) => {
                let transfer = board.accept(call, by, target, rule);
                board.fact(Fact::TransferAnswer { call: call.id.clone(), answer: Ok(transfer.clone()) });
                board.begin(call, transfer, by, target, note, false);
            }
        });
    }

    /// Whether the transfer may begin, and the rule that says so.
    pub(crate) fn may_begin(
        &self,
        by: &UserId,
        call: &Call,
        revision: Option<u32>,
        target: &Target,
    ) -> Result<String, Refusal> {
        let rule = self.mover(by, Some(call)).map_err(Refusal::Denied)?;
        movable(&call.state).map_err(Refusal::Denied)?;
        let now = call.shown.as_ref().map_or(0, |shown| shown.revision);
        if revision.is_some_and(|seen| seen != now) {
            return Err(Refusal::Denied(Denied::Stale { now, what: None }));
        }
        self.eligible(by, call, target).map_err(Refusal::Ineligible)?;
        Ok(rule)
    }

    /// Numbers the transfer and writes that it was accepted.
    pub(crate) fn accept(&mut self, call: &mut Call, by: &UserId, target: &Target, rule: String) -> TransferId {
        self.counters.transfer += 1;
        let id = TransferId(format!("{}-t{}", self.instance, self.counters.transfer));
        self.by_transfer.insert(id.clone(), call.key);
        let target = Some(self.target_ref(target).name().to_owned());
        let (action, outcome) = (AuditAction::Transfer, AuditOutcome::Accepted);
        self.audit_call(call, Attempt { user: by, action, target, outcome, rule });
        id
    }

    /// Holds the caller, releases the former agent, and takes the first step. With `by_refer` the former agent's leg
    /// stays until its device has been told how the transfer goes (RFC 5589 section 6.1).
    pub(crate) fn begin(
        &mut self,
        call: &mut Call,
        id: TransferId,
        by: &UserId,
        target: &Target,
        note: Option<String>,
        by_refer: bool,
    ) {
        self.turn_round(call, by);
        let State::Talking { agent, .. } = self.take(call) else { return };
        let by = self.directory.user_ref(by);
        let target = self.target_ref(target);
        let note = note.map(|n| bounded(&n)).filter(|n| !n.is_empty());
        self.order(Order::PlayMusic { leg: call.caller.leg });
        if !by_refer {
            self.hang_up(agent.leg, Reason::AnsweredElsewhere);
        }
        self.step(
            call,
            JourneyEvent::TransferStarted {
                transfer: id.clone(),
                by: by.clone(),
                from: Some(agent.user.clone()),
                to: target.clone(),
                kind: TransferKind::Blind,
                note: note.clone(),
            },
        );
        let transfer = Box::new(Transfer {
            id,
            course: Course::new(target.clone(), by.clone(), agent.user.clone()),
            by,
            from: agent.user.clone(),
            because: match &target {
                protocol::TargetRef::User(_) | protocol::TargetRef::Outside { .. } => Reason::Unreachable,
                protocol::TargetRef::Department(_) => Reason::NobodyFree,
            },
            target,
            note,
            since: self.now,
            bounced_after_ms: None,
            referrer: by_refer.then_some(agent),
        });
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Holding });
        self.publish(call);
        self.proceed(call);
    }

    /// Who transfers their own outgoing internal call moves the other side, so the two change places.
    fn turn_round(&mut self, call: &mut Call, by: &UserId) {
        let State::Talking { agent, held } = &mut call.state else { return };
        if call.caller.user.as_ref() != Some(by) {
            return;
        }
        let number = self.directory.users.get(&agent.user.id).map(|u| u.config.extension.clone()).unwrap_or_default();
        let party = Party { name: agent.user.name.clone(), number };
        let calling = std::mem::replace(&mut call.caller.leg, agent.leg);
        std::mem::swap(&mut call.caller.holds, held);
        call.caller.user = Some(agent.user.id.clone());
        call.caller.party = party;
        agent.leg = calling;
        agent.user = self.directory.user_ref(by);
        call.agent = Some(agent.user.clone());
    }

    pub(crate) fn refused<'a>(&self, by: &'a UserId, target: &Target, refusal: &Refusal) -> Attempt<'a> {
        let rule = match refusal {
            Refusal::Denied(denied) => format!("denied: {}", code(denied)),
            Refusal::Ineligible(why) => format!("ineligible: {}", code(why)),
            Refusal::UnknownCall => "no such call".to_owned(),
            Refusal::UnknownTransfer => "no such transfer".to_owned(),
        };
        let target = Some(self.target_ref(target).name().to_owned());
        Attempt { user: by, action: AuditAction::Transfer, target, outcome: AuditOutcome::Refused, rule }
    }
}

/// The `code` that the reason has in the API.
pub(crate) fn code(reason: &impl std::fmt::Debug) -> String {
    let debug = format!("{reason:?}");
    let name: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut code = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(c.to_ascii_lowercase());
    }
    code
}
