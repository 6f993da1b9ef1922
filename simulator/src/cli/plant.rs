//! Plants a bug in the cluster of this process.

use squall_cluster::planted::{self, Bug};

use super::exit::Failure;

/// Activates the bug, if the build has any.
pub(super) fn plant(id: Option<&str>) -> Result<(), Failure> {
    let Some(id) = id else {
        return Ok(());
    };
    let bug = Bug::from_id(id).ok_or_else(|| {
        let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.id()).collect();
        Failure::usage(format!("no planted bug {id}; known: {}", known.join(", ")))
    })?;
    if !planted::COMPILED_IN {
        return Err(Failure::usage(
            "this build holds no planted bugs; build with `--features planted`",
        ));
    }
    #[cfg(feature = "planted")]
    planted::activate(Some(bug));
    #[cfg(not(feature = "planted"))]
    let _ = bug;
    Ok(())
}
