//! R4: after the last fault heals, the cluster converges before the deadline, serves every
//! service that is in use, and lets the audit finish: locks come free, queues drain.
//!
//! Source: the liveness phase of TigerBeetle's VOPR (`src/vopr.zig`), which ends with a
//! reason when the cluster does not converge. The harness times the deadlines and notes
//! why one was missed; this check reads the outcome: the converge phase must be followed by
//! the serve phase, in which each service that is asked anything answers something, and no
//! note of the audit may say what it is still waiting for. Not checked: how long recovery
//! took, which is measured, not judged.

use super::result::{CheckResult, Judge};
use super::view::View;
use super::words::{self, seconds};
use squall_history::{EventKind, Operation, Outcome, Phase};

pub(super) fn check(view: &View) -> CheckResult {
    let mut judge = Judge::new("liveness", "R4");
    let converge = view.phases.iter().position(|p| p.phase == Phase::Converge);
    let Some(index) = converge else {
        judge.doubt("the history never reaches the converge phase".into());
        return judge.finish("recoveries");
    };
    judge.looked();
    let start = view.phases[index];
    match view.phases.get(index + 1).map(|next| next.phase) {
        Some(Phase::Serve) => {}
        None => judge.doubt("the history is cut in the converge phase".into()),
        Some(_) => {
            let notes = notes_after(view, start.pos);
            let why = notes.last().map_or("no reason was noted", |note| note.1);
            judge.violation(
                format!("did not converge: {why}"),
                notes
                    .iter()
                    .map(|(at_us, text)| format!("{} note: {text}", seconds(*at_us))),
            );
        }
    }
    judge_service(view, &mut judge);
    judge_audit(view, &mut judge);
    judge.finish("recoveries")
}

/// Whoever asks the healed cluster is served.
fn judge_service(view: &View, judge: &mut Judge) {
    for service in view.services() {
        let name = service.name();
        let operations = view.operations.iter().filter(|o| o.action.is_remote());
        let asked =
            operations.filter(|o| o.action.service() == service && view.in_phase(o, Phase::Serve));
        let asked: Vec<_> = asked.filter(|o| o.outcome.is_some()).collect();
        let answered = |o: &&Operation| o.outcome.is_some_and(Outcome::is_acknowledged);
        if !asked.is_empty() && !asked.iter().any(answered) {
            let lines = asked.iter().map(|o| words::operation(o));
            judge.violation(
                format!("no {name} operation was served after the heal"),
                lines,
            );
        }
    }
}

/// What the audit could not finish, it is still waiting for.
fn judge_audit(view: &View, judge: &mut Judge) {
    let Some(audit) = view.phase(Phase::Audit) else {
        return;
    };
    for (at_us, text) in notes_after(view, audit.pos) {
        if let Some(why) = text.strip_prefix(AUDIT_NOTE) {
            let line = format!("{} note: {text}", seconds(at_us));
            judge.violation(format!("the audit did not finish: {why}"), [line]);
        }
    }
}

/// How the harness begins to say what its audit could not finish.
const AUDIT_NOTE: &str = "audit: ";

fn notes_after<'a>(view: &View<'a>, pos: usize) -> Vec<(u64, &'a str)> {
    let events = view.history.events[pos..].iter();
    let notes = events.filter_map(|event| match &event.kind {
        EventKind::Note { text } => Some((event.at_us, text.as_str())),
        _ => None,
    });
    notes.collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::Phase;

    #[test]
    fn the_deadline_is_missed() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        run.note("node-3 is 40 entries behind").phase(Phase::End);
        fails(
            check,
            &run.cut(),
            "did not converge: node-3 is 40 entries behind",
        );
    }

    #[test]
    fn a_slow_convergence_is_still_one() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge).at(9000);
        run.note("node-3 was slow")
            .phase(Phase::Serve)
            .phase(Phase::Audit);
        passes(check, &run.end());
    }

    #[test]
    fn converged_but_not_serving() {
        let mut run = Run::new();
        run.phase(Phase::Heal)
            .phase(Phase::Converge)
            .phase(Phase::Serve);
        run.call("cache-1", get("k"), failed("no leader"));
        run.phase(Phase::Audit);
        fails(
            check,
            &run.end(),
            "no cache operation was served after the heal",
        );
    }

    #[test]
    fn an_audit_that_is_still_waiting() {
        let mut run = Run::new();
        run.audit();
        run.note("audit: queue q could not be drained in time: 0 ready, 2 in flight, 0 delayed");
        fails(
            check,
            &run.end(),
            "the audit did not finish: queue q could not be drained",
        );
    }

    /// One failure is none of the service, and other notes are not the audit's.
    #[test]
    fn served_in_the_end() {
        let mut run = Run::new();
        run.phase(Phase::Heal)
            .phase(Phase::Converge)
            .phase(Phase::Serve);
        run.call("cache-1", get("k"), failed("no leader"));
        run.call("cache-1", get("k"), absent());
        run.phase(Phase::Audit).note("clients took their time");
        passes(check, &run.end());
    }

    #[test]
    fn a_history_that_stops_while_converging() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge);
        cannot_tell(check, &run.cut(), "cut");
    }
}
