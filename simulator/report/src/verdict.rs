//! The verdict: one word for a whole run, composed in one place.
//!
//! In this order, the first that applies:
//!
//! 1. a check fails, other than those of recovery ([`is_recovery`]): **violation**;
//! 2. a check of recovery fails: **objective missed**. A cluster that does not
//!    come back has broken no promise about data, and it comes before "inconclusive"
//!    because it is the very reason why little was served and little could be checked;
//! 3. too little was served, a fault did not take effect, a check cannot tell, or one that
//!    the scenario demands had nothing to judge:
//!    **inconclusive**, since such a run would have passed whatever the cluster did;
//!    Likewise if an objective has nothing to be measured by;
//! 4. an objective is missed, or a figure is worse than in earlier runs by more than the
//!    tolerance: **objective missed**;
//! 5. otherwise **pass**. Objectives that the backend cannot know are named, and count for
//!    nothing.
//!
//! An objective that is missed is missed, but the reason says when no majority of the nodes
//! was left to answer: nobody can blame a cluster for that.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::FaultStatus;

use crate::faults::FaultRow;
use crate::objectives::{ObjectiveResult, Status};
use squall_check::{CHECKS, CheckResult, Verdict};
use squall_objective::baseline::Comparison;

/// The property that the cluster recovers. A failure of one of its checks means that it did not,
/// rather than that it lied.
const RECOVERY: &str = "R4";

/// Whether the check of this name is one of recovery.
pub fn is_recovery(check: &str) -> bool {
    let mut of_recovery = CHECKS.iter().filter(|row| row.is_called(RECOVERY));
    of_recovery.any(|row| row.name == check)
}

/// Each service with a workload must acknowledge this many operations in chaos and serve.
pub const LEAST_ACKNOWLEDGED: u64 = 10;

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Nothing is wrong, and all that had to be judged was.
    Pass,
    /// A check failed.
    Violation,
    /// All checks hold, and a figure is beyond its limit.
    ObjectiveMissed,
    /// Nothing is wrong, as far as can be told; and that is not far enough.
    Inconclusive,
}

impl RunVerdict {
    /// The exit code of `squall run`.
    pub fn exit_code(self) -> u8 {
        match self {
            RunVerdict::Pass => 0,
            RunVerdict::Violation => 1,
            RunVerdict::ObjectiveMissed => 2,
            RunVerdict::Inconclusive => 3,
        }
    }
}

impl fmt::Display for RunVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RunVerdict::Pass => "PASS",
            RunVerdict::Violation => "VIOLATION",
            RunVerdict::ObjectiveMissed => "OBJECTIVE MISSED",
            RunVerdict::Inconclusive => "INCONCLUSIVE",
        })
    }
}

/// Whether to go on with what was tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// True only of a pass.
    pub go: bool,
    /// Of a no-go, all that speaks against it; of a go, what it rests on.
    pub reasons: Vec<String>,
}

impl Decision {
    /// For a reader: `go` or `no-go`.
    pub fn word(&self) -> &'static str {
        if self.go { "go" } else { "no-go" }
    }
}

/// How many checks ended how: `32 checks hold, 13 had nothing to judge`.
pub fn check_counts(checks: &[CheckResult]) -> String {
    let ended = |verdict| {
        checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    let hold = match ended(Verdict::Pass) {
        1 => "1 check holds".to_owned(),
        count => format!("{count} checks hold"),
    };
    let others = [
        (Verdict::Fail, "broken"),
        (Verdict::Unknown, "unknown"),
        (Verdict::NotPromised, "broken, and not promised"),
        (Verdict::UnknownNotPromised, "unknown, and not promised"),
        (Verdict::NotJudged, "had nothing to judge"),
    ];
    let others = others.map(|(verdict, how)| (ended(verdict), how));
    let others = others.iter().filter(|(count, _)| *count > 0);
    others.fold(hold, |text, (count, how)| format!("{text}, {count} {how}"))
}

/// What the verdict is composed from.
pub(super) struct VerdictInput<'a> {
    pub(super) checks: &'a [CheckResult],
    /// Properties or checks that the scenario demands.
    pub(super) must_judge: &'a [String],
    /// Those that were asked for: a drawn fault may be skipped, but see the check of faults.
    pub(super) faults: &'a [FaultRow],
    pub(super) objectives: &'a [ObjectiveResult],
    pub(super) comparison: Option<&'a Comparison>,
    /// Each service with a workload, and what it acknowledged in chaos and serve.
    pub(super) load: &'a [(String, u64)],
    /// Whether unavailability was legitimate, if that is a question.
    pub(super) quorum_loss: Option<&'a str>,
}

/// The verdict and its reason in one line.
pub(super) fn verdict(input: &VerdictInput<'_>) -> (RunVerdict, String) {
    let violated = input.failed(false).map(|why| (RunVerdict::Violation, why));
    violated
        .or_else(|| {
            input
                .failed(true)
                .map(|why| (RunVerdict::ObjectiveMissed, input.with_quorum_loss(why)))
        })
        .or_else(|| {
            input
                .inconclusive()
                .map(|why| (RunVerdict::Inconclusive, why))
        })
        .or_else(|| {
            input
                .missed()
                .map(|why| (RunVerdict::ObjectiveMissed, input.with_quorum_loss(why)))
        })
        .unwrap_or_else(|| (RunVerdict::Pass, input.passed()))
}

impl VerdictInput<'_> {
    fn failed(&self, of_recovery: bool) -> Option<String> {
        let failed: Vec<_> = self
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Fail)
            .filter(|check| is_recovery(&check.name) == of_recovery)
            .collect();
        let first = failed.first()?;
        let others = match failed.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "{} {}: {}{others}",
            first.property, first.name, first.detail
        ))
    }

    fn with_quorum_loss(&self, why: String) -> String {
        match self.quorum_loss {
            Some(quorum_loss) => format!("{why} ({quorum_loss})"),
            None => why,
        }
    }

    fn inconclusive(&self) -> Option<String> {
        self.too_little_load()
            .or_else(|| self.idle_fault())
            .or_else(|| self.unjudged().next())
            .or_else(|| self.unsure_check())
            .or_else(|| self.unmeasured().next())
    }

    fn unmeasured(&self) -> impl Iterator<Item = String> {
        let results = self.objectives.iter();
        let unknown = results.filter(|result| result.status == Status::Unknown);
        unknown.map(ToString::to_string)
    }

    fn too_little_load(&self) -> Option<String> {
        let (service, acked) = self
            .load
            .iter()
            .find(|(_, acked)| *acked < LEAST_ACKNOWLEDGED)?;
        Some(format!(
            "too little load: {service} acknowledged {acked} operations in chaos and serve, \
             fewer than {LEAST_ACKNOWLEDGED}"
        ))
    }

    fn idle_fault(&self) -> Option<String> {
        self.faults.iter().find_map(|fault| match &fault.status {
            FaultStatus::Skipped { why } => Some(format!("{} was skipped: {why}", fault.kind)),
            FaultStatus::Uncertain { why } => {
                Some(format!("{} may not have taken effect: {why}", fault.kind))
            }
            FaultStatus::Installed | FaultStatus::Healed => None,
        })
    }

    /// What the scenario demands, and none of its checks judged.
    fn unjudged(&self) -> impl Iterator<Item = String> {
        self.must_judge.iter().filter_map(|id| {
            let of_id =
                |check: &&CheckResult| squall_check::is_called(&check.name, &check.property, id);
            let mut checks = self.checks.iter().filter(of_id);
            let Some(first) = checks.clone().next() else {
                return Some(format!("{id} must be judged, and no check is called so"));
            };
            checks
                .all(|check| check.verdict == Verdict::NotJudged)
                .then(|| format!("{id} must be judged, and {}: {}", first.name, first.detail))
        })
    }

    fn unsure_check(&self) -> Option<String> {
        let check = self
            .checks
            .iter()
            .find(|check| check.verdict == Verdict::Unknown)?;
        Some(format!(
            "{} {} cannot tell: {}",
            check.property, check.name, check.detail
        ))
    }

    fn missed(&self) -> Option<String> {
        let missed: Vec<String> = self.misses().collect();
        (!missed.is_empty()).then(|| missed.join("; "))
    }

    /// Missed objectives, then regressions.
    fn misses(&self) -> impl Iterator<Item = String> {
        let results = self.objectives.iter();
        let missed = results.filter(|result| result.status == Status::Missed);
        let regressions = self
            .comparison
            .into_iter()
            .flat_map(Comparison::regressions);
        let worse = regressions.map(|row| format!("regression: {row}"));
        missed.map(ToString::to_string).chain(worse)
    }

    fn passed(&self) -> String {
        let with = |status| {
            let results = self.objectives.iter();
            results.filter(|result| result.status == status).count()
        };
        let objectives = match (self.objectives.len(), with(Status::Met)) {
            (0, _) => "no objectives were set".to_owned(),
            (_, 1) => "1 objective met".to_owned(),
            (_, count) => format!("{count} objectives met"),
        };
        let unsupported = match with(Status::Unsupported) {
            0 => String::new(),
            count => format!(", {count} not known on this backend"),
        };
        let compared = match self.comparison {
            None => String::new(),
            Some(comparison) => format!(", no regression against {}", comparison.baseline),
        };
        let checks = check_counts(self.checks);
        format!("{checks}, {objectives}{unsupported}{compared}")
    }

    /// Everything that speaks against it, or what it rests on.
    pub(super) fn decision(&self, verdict: RunVerdict) -> Decision {
        if verdict == RunVerdict::Pass {
            let results = self.objectives.iter();
            let unsupported = results.filter(|result| result.status == Status::Unsupported);
            let unsupported = unsupported.map(ToString::to_string);
            return Decision {
                go: true,
                reasons: [self.passed()].into_iter().chain(unsupported).collect(),
            };
        }
        let failed = self.checks.iter();
        let failed = failed.filter(|check| check.verdict == Verdict::Fail);
        let failed =
            failed.map(|check| format!("{} {}: {}", check.property, check.name, check.detail));
        let unsure = [
            self.too_little_load(),
            self.idle_fault(),
            self.unjudged().next(),
            self.unsure_check(),
        ];
        let reasons = failed.chain(self.misses());
        Decision {
            go: false,
            reasons: reasons
                .chain(unsure.into_iter().flatten())
                .chain(self.unmeasured())
                .collect(),
        }
    }
}
