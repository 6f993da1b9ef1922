//! Failures grouped by cause, and which of them keep their run directory.
//!
//! Both are functions of the set of results, not of the order in which they came, so that
//! any way of doing a sweep ends with the same groups and the same directories.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::Cause;
use super::result::{Ending, SeedResult};

/// Endings as a reader wants them: broken promises first.
pub type Group<'a> = (Ending, &'a Cause);

/// Every failed result under its cause, in order of scenario and seed.
pub fn groups<'a>(
    results: impl Iterator<Item = &'a SeedResult>,
) -> BTreeMap<Group<'a>, Vec<&'a SeedResult>> {
    let mut groups: BTreeMap<Group, Vec<&SeedResult>> = BTreeMap::new();
    for result in results {
        if let Some(cause) = result.cause() {
            groups
                .entry((result.ending, cause))
                .or_default()
                .push(result);
        }
    }
    for failed in groups.values_mut() {
        failed.sort_by_key(|result| (result.seed, result.scenario.as_str()));
    }
    groups
}

/// Names of the run directories to keep: the lowest `most` seeds of each cause.
pub fn kept<'a>(results: impl Iterator<Item = &'a SeedResult>, most: usize) -> BTreeSet<String> {
    let groups = groups(results);
    let lowest = groups.values().flat_map(|failed| failed.iter().take(most));
    lowest
        .map(|result| dir_name(&result.scenario, result.seed))
        .collect()
}

/// Of the directory of failed runs, below the sweep's own.
pub(super) const FAILURES: &str = "failures";

/// Where a kept run directory is, seen from the sweep's own.
pub fn failure_path(scenario: &str, seed: u64) -> String {
    format!("{FAILURES}/{}", dir_name(scenario, seed))
}

/// Of a seed's run directory.
pub fn dir_name(scenario: &str, seed: u64) -> String {
    format!("{scenario}-{seed}")
}
