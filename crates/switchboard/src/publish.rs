//! Facts: each change said once, and nothing said that is no change.

use crate::{Fact, Switchboard, call::Call, directory::Directory};

impl Switchboard {
    /// Says how the call looks now, if that differs from what was said last.
    pub(crate) fn publish(&mut self, call: &mut Call) {
        let view = call.view();
        if view == call.shown {
            return;
        }
        match view {
            Some(mut view) => {
                view.revision = call.shown.as_ref().map_or(1, |shown| shown.revision.wrapping_add(1));
                call.note_move(&view);
                call.shown = Some(view.clone());
                self.fact(Fact::CallChanged(view));
            }
            None => {
                call.shown = None;
                self.fact(Fact::CallGone(call.id.clone()));
            }
        }
    }

    pub(crate) fn publish_changed(&mut self) {
        for key in std::mem::take(&mut self.changed.moved) {
            self.with_call(key, |_, _| ());
        }
        for id in std::mem::take(&mut self.changed.users) {
            let Some(state) = self.directory.users.get_mut(&id) else { continue };
            let view = Directory::user_view(state);
            if state.shown.as_ref() != Some(&view) {
                state.shown = Some(view.clone());
                self.fact(Fact::UserChanged(view));
            }
        }
        for id in std::mem::take(&mut self.changed.departments) {
            let Some(state) = self.directory.departments.get_mut(&id) else { continue };
            let view = Directory::department_view(state);
            if state.shown.as_ref() != Some(&view) {
                state.shown = Some(view.clone());
                self.fact(Fact::DepartmentChanged(view));
            }
        }
    }
}
