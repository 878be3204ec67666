use crate::{Notice, RingView, ViewPatch};

/// All that the desk may do to a screen. Called from the desk's own task: return at once.
pub trait Screen: Send + Sync + 'static {
    /// What changed. Patches are applied in order; [`crate::DeskHandle::view`] already holds a patch when it is
    /// published, so that applying one twice must do no harm, and does none.
    fn publish(&self, patch: ViewPatch);

    /// Shows the ring window with these calls, oldest first, or hides it if there are none. Called before the patch
    /// that says the same.
    fn ring(&self, rings: &[RingView]);

    /// Something that the person should learn even with the window hidden. The sentence holds names from outside:
    /// escape it for whatever draws it.
    fn notify(&self, notice: &Notice);
}
