//! One call, whole.

use call_log::Unsent;
use protocol::{CallId, CallRecord};

use super::{DetailsView, LogError, LogHappening};
use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::session::State;

impl Owner {
    pub(crate) fn open_details(&mut self, call: CallId) {
        self.view.details = Some(DetailsView::Loading { call: call.clone() });
        self.read_details(call);
    }

    /// Reads what is shown, or asked for, from the log; without a log, from the exchange.
    pub(super) fn read_details(&mut self, call: CallId) {
        if self.log.is_none() {
            return self.fetch_details(call, None);
        }
        let wanted = call.clone();
        self.on_log(
            move |log| Ok((log.details(&wanted)?, log.unsent_of(&wanted).cloned())),
            move |found| LogHappening::DetailsCached { call, found },
        );
    }

    pub(super) fn details_cached(
        &mut self,
        call: CallId,
        found: Result<(Option<CallRecord>, Option<Unsent>), LogError>,
    ) {
        match found {
            Ok((Some(record), unsent)) => {
                self.show_details(&call, DetailsView::Ready { record: Box::new(record), unsent });
            }
            Ok((None, unsent)) => self.fetch_details(call, unsent),
            Err(error) => {
                self.log_failed(&error);
                self.fetch_details(call, None);
            }
        }
    }

    /// Not on this machine: the exchange may know it.
    fn fetch_details(&mut self, call: CallId, unsent: Option<Unsent>) {
        let State::In(session) = &self.state else {
            let sentence = match self.view.live.row(&call) {
                Some(_) => "This call is going on. Its details are written when it ends.",
                None => "This call is not on this computer. Sign in at its exchange to see it.",
            };
            return self.show_details(&call.clone(), DetailsView::Missing { call, sentence: sentence.into() });
        };
        let control = session.control.clone();
        self.begin(async move {
            let record = control.record(&call).await;
            Happening::Logs(LogHappening::DetailsFetched { call, record, unsent })
        });
    }

    pub(super) fn details_fetched(
        &mut self,
        call: CallId,
        record: Result<CallRecord, ControlError>,
        unsent: Option<Unsent>,
    ) {
        match record {
            Ok(record) => self.show_details(&call, DetailsView::Ready { record: Box::new(record), unsent }),
            Err(error) if error.is_unauthorized() => self.expel(),
            Err(error) => {
                let sentence = match self.view.live.row(&call) {
                    Some(_) => "This call is going on. Its details are written when it ends.".into(),
                    None => error.to_string(),
                };
                self.show_details(&call.clone(), DetailsView::Missing { call, sentence });
            }
        }
    }

    /// Only if the person has not gone on to another call; and never an older record over a newer one.
    fn show_details(&mut self, call: &CallId, details: DetailsView) {
        let Some(shown) = &mut self.view.details else { return };
        if shown.call() != call {
            return;
        }
        match (shown, details) {
            (DetailsView::Ready { record, unsent }, DetailsView::Ready { record: new, unsent: mine }) => {
                *unsent = mine;
                if new.seq >= record.seq {
                    *record = new;
                }
            }
            (DetailsView::Ready { .. }, DetailsView::Loading { .. } | DetailsView::Missing { .. }) => {}
            (shown @ (DetailsView::Loading { .. } | DetailsView::Missing { .. }), details) => *shown = details,
        }
    }
}
