//! R4: after the last fault is over, the cluster converges before the deadline, and lets the
//! audit finish: locks come free, queues drain, and replicas reach the same index with all
//! their members.
//!
//! Source: the liveness mode of TigerBeetle's VOPR (`src/vopr.zig`), in which every request
//! must complete. The harness times the deadlines, which count from the planned end of the last
//! fault, and records what was missed as a typed event; each such event after the heal is a
//! violation.
//!
//! Not checked: whether anybody is served (`services_served`, `clients_served`); how long
//! recovery took, which is measured, not judged; and operations that never returned, unless the
//! harness says that their clients still wait.

use super::result::Judge;
use super::view::View;
use super::words::{self, seconds};
use squall_history::{EventKind, HarnessEvent, Phase};

pub(super) fn check(view: &View, judge: &mut Judge) {
    let converge = view.phases.iter().position(|p| p.phase == Phase::Converge);
    let Some(index) = converge else {
        judge.unknown("the history never reaches the converge phase".into());
        return;
    };
    judge.count_checked();
    judge_missed(view, judge);
    match view.phases.get(index + 1).map(|next| next.phase) {
        Some(Phase::Serve) => {}
        None => judge.unknown("the history is cut in the converge phase".into()),
        Some(_) if judge.has_violation() => {}
        Some(_) => {
            let start = view.phases[index];
            let line = format!("{} phase converge", seconds(start.at_us));
            judge.violation("did not converge".into(), [line]);
        }
    }
}

/// Whatever the harness could not see through since the heal began.
fn judge_missed(view: &View, judge: &mut Judge) {
    let healing = view.phase(Phase::Heal).map_or(0, |heal| heal.pos);
    for event in &view.history.events[healing..] {
        let EventKind::Harness { event: missed } = &event.kind else {
            continue;
        };
        let what = match missed {
            HarnessEvent::Convergence { waited_us, state } => {
                let waited = seconds(*waited_us);
                format!("did not converge within {waited} of the last heal: {state}")
            }
            HarnessEvent::ClientsDone => "clients still wait for answers after the heal".into(),
            HarnessEvent::Audit {
                why,
                in_progress: true,
            } => {
                let what = format!("all was answered, and the audit needed more time: {why}");
                judge.unknown(what);
                continue;
            }
            HarnessEvent::Audit { why, .. } => format!("the audit did not finish: {why}"),
            HarnessEvent::Level { state } => format!("replicas did not level: {state}"),
            HarnessEvent::Membership { why } => format!("the members were not restored: {why}"),
            HarnessEvent::Undo { fault, why } => format!("fault {fault} was not undone: {why}"),
        };
        let line = format!("{} harness: {what}", seconds(event.at_us));
        let waiting = view
            .operations
            .iter()
            .filter(|_| *missed == HarnessEvent::ClientsDone);
        let waiting = waiting.filter(|o| o.invoked_us <= event.at_us);
        let waiting = waiting.filter(|o| o.returned_us.is_none_or(|at_us| at_us > event.at_us));
        let lines = [line].into_iter().chain(waiting.map(words::operation));
        judge.violation(what, lines.collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::{HarnessEvent, Phase};

    #[test]
    fn the_deadline_is_missed() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        let missed = HarnessEvent::Convergence {
            waited_us: 9_000_000,
            state: "node-3 is 40 entries behind".into(),
        };
        run.missed(missed).phase(Phase::End);
        fails(
            check,
            &run.cut(),
            "did not converge within 9.000000 s of the last heal: node-3 is 40 entries behind",
        );
    }

    #[test]
    fn a_slow_convergence_is_still_one() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        run.phase(Phase::Serve).phase(Phase::Audit);
        passes(check, &run.end());
    }

    #[test]
    fn what_the_harness_could_not_see_through() {
        let state = || "node-2 applied 7".to_owned();
        let why = || "queue q could not be drained in time".to_owned();
        let cases = [
            (HarnessEvent::ClientsDone, "clients still wait for answers"),
            (
                HarnessEvent::Audit {
                    why: why(),
                    in_progress: false,
                },
                "the audit did not finish: queue q",
            ),
            (
                HarnessEvent::Level { state: state() },
                "replicas did not level: node-2",
            ),
            (
                HarnessEvent::Membership { why: why() },
                "members were not restored",
            ),
            (
                HarnessEvent::Undo {
                    fault: 3,
                    why: why(),
                },
                "fault 3 was not undone",
            ),
        ];
        for (missed, what) in cases {
            let mut run = Run::new();
            run.audit().missed(missed.clone());
            fails(check, &run.end(), what);
        }
    }

    #[test]
    fn an_audit_that_needs_more_time_accuses_nobody() {
        let mut run = Run::new();
        run.audit().missed(HarnessEvent::Audit {
            why: "queue q could not be drained in time".into(),
            in_progress: true,
        });
        cannot_tell(check, &run.end(), "needed more time: queue q");
    }

    /// The harness tries again when the faults are over.
    #[test]
    fn what_failed_while_faults_were_in_force_is_no_failure_of_recovery() {
        let mut run = Run::new();
        let why = "node-3 could not be added in time".into();
        run.missed(HarnessEvent::Membership { why });
        passes(check, &run.end());
    }

    #[test]
    fn a_history_that_stops_while_converging() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge);
        cannot_tell(check, &run.cut(), "cut");
    }
}
