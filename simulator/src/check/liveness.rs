//! R4: after the last fault heals, the cluster converges before the deadline.
//!
//! Source: the liveness phase of TigerBeetle's VOPR (`src/vopr.zig`), which ends with a
//! reason when the cluster does not converge. The harness times the deadline and notes
//! why it was missed; this check reads the outcome: the converge phase must be followed by
//! the serve phase. Not checked: how long recovery took, which is measured, not judged.

use super::result::{CheckResult, Judge};
use super::view::View;
use super::words::seconds;
use crate::history::{EventKind, Phase};

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
    judge.finish("recoveries")
}

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
    use crate::check::testing::*;
    use crate::history::Phase;

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
    fn a_history_that_stops_while_converging() {
        let mut run = Run::new();
        run.phase(Phase::Heal).phase(Phase::Converge);
        cannot_tell(check, &run.cut(), "cut");
    }
}
