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

mod cache_capacity;
mod cache_cas;
mod cache_invalidation;
mod cache_lifetime;
mod cache_linearizable;
mod cache_multi_get;
mod cache_session;
mod cache_specification;
mod cache_staleness;
mod cache_statistics;
mod cache_versions;
mod configurations;
mod crashes;
mod dead_sessions;
mod election_safety;
mod exactly_once;
pub mod external;
mod faults;
mod fenced_resource;
mod leader_completeness;
pub mod linearizability;
mod liveness;
mod load;
mod lock_exclusion;
mod lock_fairness;
mod lock_once;
mod lock_tokens;
mod lock_wakeups;
mod locks;
mod log_matching;
mod log_order;
mod lost_grants;
mod lost_writes;
mod messages;
mod monotonic;
mod own;
#[cfg(test)]
mod own_mistakes;
mod queue_conservation;
mod queue_dead_letters;
mod queue_delay;
mod queue_depth;
mod queue_duplicates;
mod queue_group_order;
mod queue_phantom;
mod queue_priority;
mod queue_receipts;
mod queue_redelivery;
mod queue_stuck;
mod queue_visibility;
mod result;
mod session_ttl;
mod state_agreement;
#[cfg(test)]
mod testing;
mod view;
mod well_formed;
mod words;

pub use own::{Findings, OwnCheck, check_own, linearizable};
pub use result::{CheckResult, EVIDENCE_LIMIT, Verdict, overall};

use squall_history::{History, Phase};
use view::View;

type Check = fn(&View) -> CheckResult;

/// In the order of the report: is there anything to judge, then data, then Raft, then
/// recovery.
const CHECKS: [Check; 44] = [
    load::check,
    faults::check,
    lost_grants::check,
    lost_writes::check,
    lock_exclusion::check,
    lock_tokens::check,
    fenced_resource::check,
    lock_fairness::check,
    lock_once::check,
    lock_wakeups::check,
    session_ttl::check,
    dead_sessions::check,
    queue_conservation::check,
    queue_phantom::check,
    queue_redelivery::check,
    queue_visibility::check,
    queue_receipts::check,
    queue_duplicates::check,
    queue_dead_letters::check,
    queue_group_order::check,
    queue_delay::check,
    queue_priority::check,
    queue_depth::check,
    queue_stuck::check,
    cache_linearizable::check,
    cache_multi_get::check,
    cache_staleness::check,
    cache_session::check,
    cache_invalidation::check,
    cache_lifetime::check,
    cache_capacity::check,
    cache_cas::check,
    cache_statistics::check,
    exactly_once::check,
    state_agreement::check,
    configurations::check,
    crashes::check,
    election_safety::check,
    log_matching::check,
    leader_completeness::check,
    monotonic::terms,
    monotonic::votes,
    monotonic::indexes,
    liveness::check,
];

/// Judges a history by every check; one result each, in a fixed order, preceded by
/// whether the history is well formed.
pub fn check_all(history: &History) -> Vec<CheckResult> {
    let gate = Gate::of(history);
    let view = View::new(history);
    let mut results = vec![gate.formed.clone()];
    results.extend(CHECKS.iter().map(|check| gate.pass(check(&view))));
    results
}

/// Whether anything can be judged.
struct Gate {
    /// Whether the history is well formed.
    formed: CheckResult,
    /// Why nothing passes, if something is wrong with the history.
    doubt: Option<String>,
}

impl Gate {
    fn of(history: &History) -> Self {
        let formed = well_formed::check(history);
        let doubt = match formed.verdict {
            Verdict::Pass => cut(history),
            _ => Some(format!("not judged: {}", formed.detail)),
        };
        Self { formed, doubt }
    }

    /// The result of a check, behind the gate: a violation in a cut history is still one.
    fn pass(&self, mut result: CheckResult) -> CheckResult {
        let is_malformed = self.formed.verdict != Verdict::Pass;
        if let Some(doubt) = &self.doubt
            && (is_malformed || result.verdict == Verdict::Pass)
        {
            result.verdict = Verdict::Unknown;
            result.detail.clone_from(doubt);
        }
        result
    }
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

    fn verdicts(history: &History) -> Vec<(&'static str, Verdict)> {
        let results = check_all(history);
        results
            .iter()
            .map(|result| (result.name, result.verdict))
            .collect()
    }

    #[test]
    fn a_good_run_passes_every_check() {
        let results = check_all(&good().end());
        assert_eq!(overall(&results), Verdict::Pass, "{results:#?}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = verdicts(&good().end()).iter().map(|v| v.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len() + 1);
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
        assert!(verdicts(&run.cut()).contains(&("cache_linearizable", Verdict::Fail)));
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
