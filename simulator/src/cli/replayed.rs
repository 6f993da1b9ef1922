//! A stored run, made again to be looked at.

use std::path::Path;

use super::again::must_be_repeatable;
use super::exit::{Exit, Failure};
use super::progress;
use crate::backends::{LogFilter, Options};
use crate::fault::node_name;
use crate::plan::Plan;
use crate::run::{self, Judged};
use crate::run_dir::{Manifest, RunDir, shell_word};
use crate::scenario::Scenario;

/// A stored run.
pub(super) struct StoredRun {
    pub(super) dir: RunDir,
    pub(super) manifest: Manifest,
    pub(super) scenario: Scenario,
}

impl StoredRun {
    /// Opens a run that can be made again.
    pub(super) fn open(run_dir: &Path) -> Result<Self, Failure> {
        let (dir, manifest) = RunDir::open(run_dir)?;
        must_be_repeatable(run_dir, &manifest)?;
        let scenario = dir.scenario(&manifest)?;
        super::plant::plant(manifest.planted.as_deref())?;
        Ok(Self {
            dir,
            manifest,
            scenario,
        })
    }

    /// Names of the nodes that the run has, spares included.
    pub(super) fn nodes(&self) -> Result<Vec<String>, Failure> {
        let plan = Plan::resolve(&self.scenario, self.manifest.seed)?;
        let count = plan.cluster.nodes + plan.cluster.spares;
        Ok((0..count).map(node_name).collect())
    }

    /// Refuses the name of a node that the run does not have.
    pub(super) fn must_have(&self, node: &str) -> Result<(), Failure> {
        let nodes = self.nodes()?;
        match nodes.iter().any(|known| known == node) {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "the run has no {node}: its nodes are {}",
                nodes.join(", ")
            ))),
        }
    }

    /// Refuses a filter for a node that the run does not have.
    pub(super) fn must_have_all_of(&self, filter: Option<&LogFilter>) -> Result<(), Failure> {
        let mut named = filter.iter().flat_map(|filter| filter.named());
        named.try_for_each(|node| self.must_have(node))
    }

    /// Makes it again.
    pub(super) fn run(&self, run_dir: &Path, options: Options) -> Result<Judged, Failure> {
        progress(&format!("replaying seed {} …", self.manifest.seed));
        let directory = run_dir.display().to_string();
        let reproduce = format!("squall replay {}", shell_word(&directory));
        let backend = super::open(super::stored_backend(&self.manifest.backend)?, options)?;
        let (seed, context) = (self.manifest.seed, self.dir.context()?);
        Ok(run::run_on(
            &*backend,
            &self.scenario,
            seed,
            &reproduce,
            context,
        )?)
    }

    /// As [`Self::run`], of a run that must turn out as it did.
    pub(super) fn run_alike(&self, run_dir: &Path, options: Options) -> Result<Judged, Failure> {
        let stored = match self.dir.crash() {
            None => Some(self.dir.report()?.sim.history_sha256),
            Some(_) => None,
        };
        let judged = self.run(run_dir, options)?;
        let again = &judged.report.sim.history_sha256;
        match stored.is_none_or(|stored| stored == *again) {
            true => Ok(judged),
            false => {
                let directory = run_dir.display().to_string();
                Err(Failure {
                    exit: Exit::Violation,
                    message: format!(
                        "the run goes another way than it did, so nothing can be shown of it; \
                         `squall replay {}` says where and perhaps why",
                        shell_word(&directory)
                    ),
                })
            }
        }
    }
}
