//! Analyses a run: where throughput stops rising with the load, what response time goes together
//! with on the nodes, and whose memory grows.
//!
//! Every finding comes from a rule of `docs/trends.md` and quotes its evidence: coefficient or
//! level, its interval, and how many samples it rests on. Below the strength that is stated
//! there, nothing is said.

mod capacity;
mod correlation;
mod leak;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_history::Phase;
use squall_history::resources::ResourceSample;
use squall_measure::{Measures, Resources};
use squall_objective::fixed::{PerSecond, Percent};

pub use self::capacity::{Capacity, CurvePoint, LoadKind};
pub use self::correlation::Correlated;
pub use self::leak::Leak;
use crate::words::count;

/// A processor that is less busy, in millionths, tells too little about one that is full.
const LEAST_BUSY: u64 = 100_000;
const WHOLE: u64 = 1_000_000;
const CERTAINTY: f64 = 0.95;
const SEED: u64 = 20;
/// A finding is stated if chance explains it at most so often.
const STRONG_P: f64 = 0.01;

/// What a run says about load and resources. Empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// `null` where the load never changed, or too little to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// What the busiest node leaves, where its processor is known and worth a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Headroom>,
    /// What a node's resources go together with, the strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correlations: Vec<Correlated>,
    /// Nodes whose memory grows all along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
}

/// How much more a processor would bear, by the utilization law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Headroom {
    /// The busiest.
    pub node: String,
    /// Mean over the chaos phase, of the one processor that a node can use.
    pub busy: Percent,
    /// Of the chaos phase.
    pub per_second: PerSecond,
    /// What one processor would bear; something else may fill up before.
    pub at_most: PerSecond,
    /// What of that is not used.
    pub left: Percent,
    /// In one line.
    pub evidence: String,
}

impl Analysis {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(measures: &Measures, resources: Option<&Resources>) -> Self {
        let nodes = resources
            .map(|used| used.samples.as_slice())
            .unwrap_or_default();
        Self {
            capacity: capacity::capacity(&measures.response),
            headroom: resources.and_then(|used| headroom(measures, used)),
            correlations: correlation::correlations(&measures.response, nodes),
            leaks: leak::leaks(measures, nodes),
        }
    }
}

fn thousandths(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

/// A node works on one thread, so each operation costs so much of one processor. Both are of the
/// chaos phase: before and after it clients do something else.
fn headroom(measures: &Measures, resources: &Resources) -> Option<Headroom> {
    let chaos = measures.levels.phase(Phase::Chaos)?;
    let within = |sample: &&ResourceSample| (chaos.from_us..chaos.to_us).contains(&sample.at_us);
    let within: Vec<ResourceSample> = resources.samples.iter().filter(within).cloned().collect();
    let used = Resources::of(&within);
    let nodes = used.nodes.iter();
    let busiest = nodes
        .filter_map(|(node, used)| Some((used.cpu?, node)))
        .max()?;
    let (busy, node) = busiest;
    let per_second = measures.overall?.per_second;
    if busy.get() < LEAST_BUSY || per_second.get() == 0 {
        return None;
    }
    let at_most = u128::from(per_second.get()) * u128::from(WHOLE) / u128::from(busy.get());
    let at_most = PerSecond::of(u64::try_from(at_most).unwrap_or(u64::MAX));
    let rate = |rate: PerSecond| count(rate.get() / 1_000);
    let left = Percent::of(WHOLE.saturating_sub(busy.get()));
    Some(Headroom {
        node: node.clone(),
        busy,
        per_second,
        at_most,
        left,
        evidence: format!(
            "{node}, the busiest, keeps {busy:.1} % of a processor busy at {}/s: by that alone {}/s \
             could be borne, {left:.1} % are left",
            rate(per_second),
            rate(at_most)
        ),
    })
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
