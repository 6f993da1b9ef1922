//! Reads from a run directory how its run failed, and what it was compared with.

use std::path::Path;

use super::exit::Failure;
use crate::baseline::Reference;
use crate::run_dir::{Manifest, RunDir};
use crate::scenario::Scenario;
use crate::sweep::{Cause, Ending, SeedResult};

/// What the run was compared with. A run that came to no verdict did not get so far, so then
/// it is what its scenario names.
pub(super) fn reference(
    dir: &RunDir,
    manifest: &Manifest,
    scenario: &Scenario,
) -> Result<Option<Reference>, Failure> {
    match dir.context()?.reference {
        Some(reference) => Ok(Some(reference)),
        None => {
            let known_as = Path::new(&manifest.scenario);
            Ok(super::baseline::context(scenario, known_as, None)?.reference)
        }
    }
}

/// How the run failed, as its directory says.
pub(super) struct Stored {
    failures: Vec<(Ending, Cause)>,
    pub(super) reason: String,
}

impl Stored {
    /// `None` if what is stored cannot be read: another version may have made the run.
    pub(super) fn of(dir: &RunDir) -> Option<Self> {
        let results = match dir.crash() {
            // Which of these it was, nobody wrote down.
            Some(why) => [Ending::Crashed, Ending::TimedOut, Ending::OutOfMemory]
                .map(|ending| SeedResult::without_run("", 0, ending, why.clone()))
                .to_vec(),
            None => vec![SeedResult::of(&dir.report().ok()?)],
        };
        let reason = results.first()?.reason.clone();
        let failures = results.into_iter().flat_map(|result| {
            let ending = result.ending;
            result.causes.into_iter().map(move |cause| (ending, cause))
        });
        Some(Self {
            failures: failures.collect(),
            reason,
        })
    }

    /// The first of the stored causes that shows again, with the stored verdict.
    pub(super) fn cause_of(&self, again: &SeedResult) -> Option<&Cause> {
        let mut failures = self.failures.iter();
        let shown = failures
            .find(|(ending, cause)| again.ending == *ending && again.causes.contains(cause));
        shown.map(|(_, cause)| cause)
    }
}
