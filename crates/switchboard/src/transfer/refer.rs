//! A device asks by REFER for what Go does in the app: the same rules, the same path (RFC 3515, RFC 5589).

use protocol::{AuditAction, AuditOutcome, LegId};

use crate::{Order, ReferProgress, Switchboard, arrive::bounded, audit::Attempt, call::Call};

impl Switchboard {
    pub(crate) fn refer_requested(&mut self, call: &mut Call, leg: LegId, to: &str) {
        // Only a user's device may ask; the trunk may not move calls inside the account.
        let Some(by) = self.legs.get(&leg).and_then(|of| of.user.clone()) else {
            return self.order(Order::ReferProgress { leg, progress: ReferProgress::Refused });
        };
        let Some(target) = self.directory.inside(to) else {
            let (action, outcome) = (AuditAction::Transfer, AuditOutcome::Refused);
            let (target, rule) = (Some(bounded(to)), "ineligible: unknown".to_owned());
            self.audit_call(call, Attempt { user: &by, action, target, outcome, rule });
            return self.order(Order::ReferProgress { leg, progress: ReferProgress::Refused });
        };
        match self.may_begin(&by, call, None, &target) {
            Err(refusal) => {
                let attempt = self.refused(&by, &target, &refusal);
                self.audit_call(call, attempt);
                self.order(Order::ReferProgress { leg, progress: ReferProgress::Refused });
            }
            Ok(rule) => {
                let transfer = self.accept(call, &by, &target, rule);
                self.order(Order::ReferProgress { leg, progress: ReferProgress::Accepted });
                self.begin(call, transfer, &by, &target, None, true);
            }
        }
    }
}
