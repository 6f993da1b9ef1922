//! Faults as a report has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_fault::FaultKind;
use squall_history::FaultStatus;
use squall_measure::FaultMeasure;
use squall_objective::fixed::Ms;

/// One occurrence of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRow {
    /// What was done.
    #[schemars(with = "String")]
    pub kind: FaultKind,
    /// Names of the nodes, or of the clients, it was done to.
    pub targets: Vec<String>,
    /// When it took effect, or was given up.
    pub at_ms: Ms,
    /// `null`: in force to the end, or never.
    pub healed_ms: Option<Ms>,
    /// How it stands at the end of the run.
    #[serde(flatten)]
    pub status: FaultStatus,
    /// `null` when the fault cost the cluster no leader, or nobody noticed.
    pub detected_ms: Option<Ms>,
    /// When the next leader had committed something, from the fault's effect; `null` as
    /// `detected_ms`, or if nobody was elected.
    pub elected_ms: Option<Ms>,
    /// Who led before; `null` when the fault cost the cluster no leader.
    pub old_leader: Option<String>,
    /// `null` if nobody was elected.
    pub new_leader: Option<String>,
    /// Raft's; `null` if nobody was elected.
    pub new_term: Option<u64>,
}

impl From<&FaultMeasure> for FaultRow {
    fn from(fault: &FaultMeasure) -> Self {
        let FaultMeasure { span, election } = fault;
        let election = election.as_ref();
        let new_leader = election.and_then(|election| election.new_leader.as_ref());
        FaultRow {
            kind: span.kind,
            targets: span.targets.clone(),
            at_ms: Ms::of(span.installed_us.unwrap_or(span.at_us)),
            healed_ms: span.healed_us.map(Ms::of),
            status: span.status.clone(),
            detected_ms: election.and_then(|e| e.detected_us).map(Ms::of),
            elected_ms: election.and_then(|e| e.elected_us).map(Ms::of),
            old_leader: election.map(|e| e.old_leader.clone()),
            new_leader: new_leader.map(|leader| leader.node.clone()),
            new_term: new_leader.map(|leader| leader.term),
        }
    }
}
