//! One call, whole.

use call_log::{Draft, Unsent};
use protocol::{CallId, CallRecord};

use super::{DetailsView, LogError, LogHappening};
use crate::accounts::is_own_id;
use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::session::State;

const GOING_ON: &str = "This call is going on. Its details are written when it ends.";

/// What only this machine has of a call.
#[derive(Default)]
pub(crate) struct Mine {
    unsent: Option<Unsent>,
    draft: Option<Draft>,
}

impl Owner {
    pub(crate) fn open_details(&mut self, call: CallId) {
        if !self.is_signed_in() && !is_own_id(&call) {
            self.linked = Some(call.clone());
        }
        self.view.details = Some(DetailsView::Loading { call: call.clone() });
        self.read_details(call);
    }

    /// Reads what is shown, or asked for, from the log; without a log, from the exchange.
    pub(super) fn read_details(&mut self, call: CallId) {
        if self.log.is_none() {
            return self.fetch_details(call, Mine::default());
        }
        let wanted = call.clone();
        self.keep_drafts();
        self.on_log(
            move |log| {
                let mine = Mine { unsent: log.unsent_of(&wanted).cloned(), draft: log.draft(&wanted)? };
                Ok((log.details(&wanted)?, mine))
            },
            move |found| LogHappening::DetailsCached { call, found },
        );
    }

    pub(super) fn details_cached(&mut self, call: CallId, found: Result<(Option<CallRecord>, Mine), LogError>) {
        match found {
            Ok((Some(record), mine)) => self.show_record(record, mine),
            Ok((None, mine)) => self.fetch_details(call, mine),
            Err(error) => {
                self.log_failed(&error);
                self.fetch_details(call, Mine::default());
            }
        }
    }

    /// Not on this machine: the exchange may know it.
    fn fetch_details(&mut self, call: CallId, mine: Mine) {
        let State::In(session) = &self.state else {
            let sentence = match self.view.live.row(&call) {
                Some(_) => GOING_ON,
                None => "This call is not on this computer. Sign in at its exchange to see it.",
            };
            return self.show_details(&call.clone(), DetailsView::Missing { call, sentence: sentence.into() });
        };
        let control = session.control.clone();
        self.begin(async move {
            let record = control.record(&call).await;
            Happening::Logs(LogHappening::DetailsFetched { call, record, mine })
        });
    }

    pub(super) fn details_fetched(&mut self, call: CallId, record: Result<CallRecord, ControlError>, mine: Mine) {
        match record {
            Ok(record) => self.show_record(record, mine),
            Err(error) if error.is_unauthorized() => self.expel(),
            Err(error) => {
                let sentence = match self.view.live.row(&call) {
                    Some(_) => GOING_ON.into(),
                    None if error.is_not_found() => "There is no such call, or none that you may see.".into(),
                    None => error.to_string(),
                };
                self.show_details(&call.clone(), DetailsView::Missing { call, sentence });
            }
        }
    }

    fn show_record(&mut self, record: CallRecord, Mine { unsent, draft }: Mine) {
        let call = record.id.clone();
        let refused = self.logs().and_then(|logs| logs.refused.get(&call).cloned());
        let only_here = is_own_id(&call);
        let details = DetailsView::Ready { record: Box::new(record), unsent, refused, draft, only_here };
        self.show_details(&call, details);
    }

    /// Only if the person has not gone on to another call; and never an older record over a newer one.
    fn show_details(&mut self, call: &CallId, details: DetailsView) {
        let Some(shown) = &mut self.view.details else { return };
        if shown.call() != call {
            return;
        }
        match (&mut *shown, details) {
            (
                DetailsView::Ready { record: old, .. },
                DetailsView::Ready { mut record, unsent, refused, draft, only_here },
            ) => {
                if record.seq < old.seq {
                    record = old.clone();
                }
                *shown = DetailsView::Ready { record, unsent, refused, draft, only_here };
            }
            (DetailsView::Ready { .. }, DetailsView::Loading { .. } | DetailsView::Missing { .. }) => {}
            (DetailsView::Loading { .. } | DetailsView::Missing { .. }, details) => *shown = details,
        }
    }
}
