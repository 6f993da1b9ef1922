//! Checks: was what the clients saw, and what the nodes said, right?
//!
//! One property, one file, one citation, one history that must fail. All checks are pure
//! functions of a [`History`]; none knows a backend, so a simulated run, a container run
//! and a stored file are judged by the same code, in nearly linear time. A check says
//! `Pass`, `Fail`, or `Unknown` when it cannot tell; an operation without an answer may
//! have taken effect, may yet, or never, and is counted as neither success nor failure.
//!
//! Two gates come before the verdicts. A malformed history is the harness's failure, so
//! nothing is judged. A history that does not reach the end of its audit can prove a
//! violation, but never that there was none: its passes become `Unknown`.
//!
//! The run's verdict is not composed here beyond [`overall`]; that is the report's.

#![warn(missing_docs)]

mod cache_capacity;
mod cache_cas;
mod cache_copies;
mod cache_invalidation;
mod cache_lifetime;
mod cache_linearizable;
mod cache_multi_get;
mod cache_named;
mod cache_phantom;
mod cache_session;
mod cache_specification;
mod cache_staleness;
mod cache_statistics;
mod cache_versions;
mod calm;
mod certainty;
mod clients_served;
mod clocks;
mod configurations;
mod crashes;
mod dead_sessions;
mod disk_refusals;
mod election_safety;
mod exactly_once;
pub mod external;
mod faults;
mod fenced_resource;
mod leader_completeness;
pub mod linearizability;
mod list_conservation;
mod list_linearizable;
mod list_values;
mod list_wakeups;
mod lists;
mod liveness;
mod load;
mod lock_answers;
mod lock_exclusion;
mod lock_fairness;
mod lock_looks;
mod lock_once;
mod lock_tokens;
mod lock_wakeups;
mod locks;
mod log_matching;
mod log_order;
mod lost_grants;
mod lost_writes;
mod majority_serves;
mod messages;
mod monotonic;
mod own;
#[cfg(test)]
mod own_mistakes;
mod promises;
mod queue_conservation;
mod queue_dead_letters;
mod queue_delay;
mod queue_deliveries;
mod queue_depth;
mod queue_duplicates;
mod queue_group_order;
mod queue_phantom;
mod queue_priority;
mod queue_receipts;
mod queue_redelivery;
mod queue_stuck;
mod queue_visibility;
mod quorum_loss;
mod result;
mod services_served;
mod session_ttl;
mod state_agreement;
mod table;
#[cfg(test)]
mod testing;
mod view;
mod well_formed;
pub mod words;

pub use own::{Findings, OwnCheck, check_own, linearizable};
pub use promises::Promises;
pub use result::{CheckResult, EVIDENCE_LIMIT, Verdict, overall};
pub use table::{CHECKS, Check, is_called, markdown};

use result::Judge;
use squall_history::{History, Phase};
use view::View;

/// Judges a history by every check of [`CHECKS`]; one result each, in that order. The first
/// is whether the history is well formed.
pub fn check_all(history: &History) -> Vec<CheckResult> {
    let view = View::new(history);
    let results: Vec<CheckResult> = CHECKS.iter().map(|check| run(check, &view)).collect();
    behind_gates(history, results)
}

/// The results of checks, of which the first is whether the history is well formed, as far
/// as the history lets them count.
fn behind_gates(history: &History, results: Vec<CheckResult>) -> Vec<CheckResult> {
    let formed = &results[0];
    let malformed = formed.verdict == Verdict::Unknown;
    let doubt = if malformed {
        Some(format!("not judged: {}", formed.detail))
    } else {
        cut(history)
    };
    let Some(doubt) = doubt else {
        return results;
    };
    let in_doubt = |(place, mut result): (usize, CheckResult)| {
        if place > 0 && (malformed || result.verdict != Verdict::Fail) {
            result.verdict = Verdict::Unknown;
            result.detail.clone_from(&doubt);
        }
        result
    };
    results.into_iter().enumerate().map(in_doubt).collect()
}

/// As [`check_all`], for a system of somebody else, whose nodes report nothing of Raft.
pub fn check_system(history: &History) -> Vec<CheckResult> {
    let mut results = check_all(history);
    for result in &mut results {
        if result.checked == 0 && promises::is_of_raft(result) {
            result.verdict = Verdict::NotJudged;
            result.detail = "not offered: the system reports nothing of its log".into();
        }
    }
    results
}

fn run(check: &Check, view: &View) -> CheckResult {
    let mut judge = Judge::default();
    (check.judge)(view, &mut judge);
    check.result(judge)
}

/// Why the history cannot show that all went well, if it stops too early.
fn cut(history: &History) -> Option<String> {
    let view_phases = view::phases(history);
    let reached = |phase| view_phases.iter().any(|start| start.phase == phase);
    if reached(Phase::Audit) && reached(Phase::End) {
        return None;
    }
    let last = view_phases.iter().rfind(|start| start.phase != Phase::End);
    Some(match last {
        Some(start) if reached(Phase::End) => {
            format!(
                "the history is cut: no audit follows phase {:?}",
                start.phase
            )
        }
        Some(start) => format!("the history is cut in phase {:?}", start.phase),
        None => "the history is cut: it names no phase".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use squall_history::{NodeEvent, Outcome};

    /// A short run in which everything went well.
    fn good() -> Run {
        let mut run = Run::new();
        run.node("node-1", NodeEvent::Leader { term: 1 });
        run.node("node-1", NodeEvent::Committed { term: 1, index: 1 });
        run.node("node-1", NodeEvent::FirstCommit { term: 1, index: 1 });
        run.node(
            "node-1",
            NodeEvent::Voted {
                term: 1,
                candidate: "node-1".into(),
            },
        );
        run.node(
            "node-1",
            NodeEvent::Applied {
                term: 1,
                index: 1,
                digest: "d".into(),
                state: None,
            },
        );
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("queue-1", publish("q", "m1"), Outcome::Published { id: 1 });
        run.audit();
        run.call("audit", get("k"), value("a", 5));
        run.call("audit", receive("q"), received(1, 1, 1));
        run.call("audit", receive("q"), nothing());
        run
    }

    fn verdicts(history: &History) -> Vec<(String, Verdict)> {
        let results = check_all(history).into_iter();
        results
            .map(|result| (result.name, result.verdict))
            .collect()
    }

    #[test]
    fn a_good_run_passes_every_check() {
        let results = check_all(&good().end());
        assert_eq!(overall(&results), Verdict::Pass, "{results:#?}");
    }

    #[test]
    fn a_history_without_its_end_passes_nothing() {
        let results = check_all(&good().cut());
        for result in &results[1..] {
            assert_eq!(result.verdict, Verdict::Unknown, "{result:?}");
            assert!(result.detail.contains("the history is cut"), "{result:?}");
        }
    }

    #[test]
    fn a_history_cut_at_the_end_of_the_faults_passes_nothing() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5))
            .phase(Phase::End);
        for (name, verdict) in &verdicts(&run.cut())[1..] {
            assert_eq!(*verdict, Verdict::Unknown, "{name}");
        }
    }

    #[test]
    fn a_violation_in_a_cut_history_is_still_one() {
        let mut run = Run::new();
        run.call("cache-1", set("k", "a"), stored(5));
        run.call("cache-1", get("k"), absent());
        assert!(verdicts(&run.cut()).contains(&("cache_linearizable".into(), Verdict::Fail)));
    }

    #[test]
    fn nothing_is_judged_from_a_malformed_history() {
        let mut run = good();
        run.call("cache-1", get("k"), absent());
        run.returns(999, Outcome::Released);
        for (name, verdict) in verdicts(&run.end()) {
            assert_eq!(verdict, Verdict::Unknown, "{name}");
        }
    }
}
