//! Turns a run or a sweep into test cases for machines: one for every check, every
//! objective, and whether the runs count at all. Written as JUnit XML ([`crate::write::junit`])
//! and as a Markdown summary ([`crate::write::summary`]).

use crate::objectives::{ObjectiveResult, Status};
use crate::report::Report;
use crate::verdict::{RunVerdict, is_recovery};
use squall_check::{CheckResult, Verdict};
use squall_objective::baseline::Comparison;

/// The name of the case for runs that show too little to tell.
pub const CONCLUSIVE: &str = "conclusive";
/// The name of the case for seeds that must have one history.
pub const REPEATABLE: &str = "repeatable";

/// The cases of one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The scenario, and the seed or the variant where there is one.
    pub name: String,
    /// In the order of the report.
    pub cases: Vec<Case>,
}

/// One thing that had to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What kind of thing it is.
    pub group: Group,
    /// `C1 cache_linearizable`, `election_p99`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Of correctness.
    Check,
    /// Of the scenario.
    Objective,
    /// That the run counts, and repeats.
    Run,
}

impl Group {
    /// In names of classes: `leader-kill.checks`.
    pub fn label(self) -> &'static str {
        match self {
            Group::Check => "checks",
            Group::Objective => "objectives",
            Group::Run => "run",
        }
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// Not judged, or not known here, and why.
    Skipped(String),
    /// It does not hold, or cannot be told to.
    Found(Finding),
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// In one line.
    pub message: String,
    /// Evidence, a line each.
    pub detail: Vec<String>,
}

/// In which way a case did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A check failed.
    Violation,
    /// A figure is beyond its limit.
    ObjectiveMissed,
    /// A figure is worse than its baseline allows.
    Regression,
    /// The same seed gave another history.
    NotDeterministic,
    /// What a test in code asserts of a run does not hold.
    Assertion,
    /// Too little happened to tell.
    Inconclusive,
    /// No verdict: a crash, a timeout, or out of memory.
    NoVerdict,
}

impl Kind {
    /// The `type` of a failure or an error.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Violation => "violation",
            Kind::ObjectiveMissed => "objective_missed",
            Kind::Regression => "regression",
            Kind::NotDeterministic => "not_deterministic",
            Kind::Assertion => "assertion",
            Kind::Inconclusive => "inconclusive",
            Kind::NoVerdict => "no_verdict",
        }
    }

    /// Whether something was shown to be wrong; the others could not be shown to be right.
    pub fn is_failure(self) -> bool {
        !matches!(self, Kind::Inconclusive | Kind::NoVerdict)
    }
}

impl Finding {
    /// Without detail.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: Vec::new(),
        }
    }
}

impl Case {
    /// With its name as it is shown.
    pub fn new(group: Group, name: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            group,
            name: name.into(),
            outcome,
        }
    }

    /// Passed unless something was found.
    pub fn found(group: Group, name: impl Into<String>, found: Option<Finding>) -> Self {
        Self::new(group, name, found.map_or(Outcome::Passed, Outcome::Found))
    }
}

/// What it means that this check does not hold.
pub fn kind_of_check(name: &str) -> Kind {
    if is_recovery(name) {
        Kind::ObjectiveMissed
    } else {
        Kind::Violation
    }
}

impl Suite {
    /// The cases of one run. `differs` says in which way another run of the seed differed, if
    /// that was looked at.
    pub fn of_run(name: impl Into<String>, report: &Report, differs: Option<bool>) -> Self {
        let is_inconclusive = report.verdict == RunVerdict::Inconclusive;
        let inconclusive =
            is_inconclusive.then(|| Finding::new(Kind::Inconclusive, &report.reason));
        let mut cases = vec![Case::found(Group::Run, CONCLUSIVE, inconclusive)];
        if let Some(differs) = differs {
            let why = "another run of the seed had another history";
            let found = differs.then(|| Finding::new(Kind::NotDeterministic, why));
            cases.push(Case::found(Group::Run, REPEATABLE, found));
        }
        cases.extend(report.checks.iter().map(of_check));
        cases.extend(report.objectives.iter().map(of_objective));
        cases.extend(report.comparison.iter().map(of_comparison));
        Self {
            name: name.into(),
            cases,
        }
    }
}

fn of_check(check: &CheckResult) -> Case {
    let found = |kind| {
        Outcome::Found(Finding {
            kind,
            message: check.detail.clone(),
            detail: check.evidence.clone(),
        })
    };
    let outcome = match check.verdict {
        Verdict::Pass => Outcome::Passed,
        Verdict::Fail => found(kind_of_check(&check.name)),
        Verdict::Unknown => found(Kind::Inconclusive),
        Verdict::NotJudged | Verdict::NotPromised | Verdict::UnknownNotPromised => {
            Outcome::Skipped(check.detail.clone())
        }
    };
    let name = format!("{} {}", check.property, check.name);
    Case::new(Group::Check, name, outcome)
}

fn of_objective(objective: &ObjectiveResult) -> Case {
    let found = |kind| Outcome::Found(Finding::new(kind, objective.to_string()));
    let outcome = match objective.status {
        Status::Met => Outcome::Passed,
        Status::Missed => found(Kind::ObjectiveMissed),
        Status::Unknown => found(Kind::Inconclusive),
        Status::Unsupported => Outcome::Skipped(objective.to_string()),
    };
    Case::new(Group::Objective, &objective.name, outcome)
}

fn of_comparison(comparison: &Comparison) -> Case {
    let worse: Vec<String> = comparison
        .regressions()
        .map(|row| row.to_string())
        .collect();
    let found = worse.first().map(|first| Finding {
        kind: Kind::Regression,
        message: first.clone(),
        detail: worse.clone(),
    });
    let name = format!("no regression against {}", comparison.baseline);
    Case::found(Group::Objective, name, found)
}
