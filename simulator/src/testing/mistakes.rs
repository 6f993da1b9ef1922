//! `SQUALL_PLANTED=ML-02 cargo test …`: runs make a planted bug, to see whether tests catch it.

use squall_cluster::planted::{self, Bug};

/// The id of the bug that is asked for, if one is.
pub(super) fn wanted() -> Option<String> {
    let id = std::env::var("SQUALL_PLANTED").ok();
    id.filter(|id| !id.is_empty())
}

/// Does `work` on this thread, with the bug that is asked for.
///
/// # Panics
/// There is no such bug in this build.
pub(super) fn made<T>(work: impl FnOnce() -> T) -> T {
    let Some(id) = wanted() else {
        return work();
    };
    if !planted::COMPILED_IN {
        panic!("SQUALL_PLANTED={id}: this build holds no planted bugs; add `--features planted`");
    }
    let bug = Bug::from_id(&id);
    assert!(bug.is_some(), "SQUALL_PLANTED={id}: no such planted bug");
    #[cfg(feature = "planted")]
    planted::activate(bug);
    let done = work();
    #[cfg(feature = "planted")]
    planted::activate(None);
    done
}
