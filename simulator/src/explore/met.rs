//! Collects what a run met: marks, marks with the kinds of faults that took effect, and shapes.
//!
//! Marks count by powers of two, as edges do in AFL: to meet a thing four times is another
//! experience than once, five times is not.

use std::collections::BTreeSet;

use crate::history::History;
use crate::measure::timeline::Timeline;
use crate::measure::{faults, shapes};
use crate::report::Report;

/// Most shapes of a run that count: a run of hours has no end of them.
const MOST_SHAPES: usize = 10_000;

/// Everything that a run met, in order, each once.
pub fn met(history: &History, report: &Report) -> Vec<String> {
    let spans = faults::spans(history);
    let took_effect = spans.iter().filter(|span| span.installed_us.is_some());
    let kinds: BTreeSet<&str> = took_effect.map(|span| span.kind.name()).collect();
    let mut met = BTreeSet::new();
    for (mark, count) in &report.marks {
        let Some(power) = count.checked_ilog2() else {
            continue;
        };
        met.insert(format!("{mark} x{}", 1_u64 << power));
        met.extend(kinds.iter().map(|kind| format!("{mark} with {kind}")));
    }
    let shapes = shapes::shapes(&Timeline::of(history), &spans);
    met.extend(shapes.into_iter().take(MOST_SHAPES));
    met.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run;
    use crate::scenario::Scenario;

    const SCENARIO: &str = r#"
name = "killed"

[cluster]
nodes = 3

[phases]
warmup = "1s"
chaos = "3s"

[[workload]]
service = "cache"
clients = 2
think = "20ms"

[[fault]]
at = "500ms"
kill = ["leader"]
for = "1s"
"#;

    #[test]
    fn marks_count_by_powers_of_two_stand_with_faults_and_shapes_are_met() {
        let scenario = Scenario::parse(SCENARIO, "killed").expect("it is well formed");
        let judged = run::run(&scenario, 1, "").expect("the simulation works");
        let met = met(&judged.history, &judged.report);
        let has = |thing: &str| met.iter().any(|met| met == thing);
        let across = judged.report.marks["operation_across_failover"];
        assert!(across > 0);
        let power = format!("operation_across_failover x{}", 1 << across.ilog2());
        assert!(has(&power), "{power}: {met:?}");
        assert!(has("operation_across_failover with kill"), "{met:?}");
        assert!(has("F F L") && has("-' F L; kill"), "{met:?}");
        let unmet = judged.report.marks.iter().find(|mark| *mark.1 == 0);
        let (unmet, _) = unmet.expect("a short run does not meet everything");
        assert!(
            met.iter().all(|met| !met.starts_with(unmet.as_str())),
            "{unmet}: {met:?}"
        );
        assert!(met.is_sorted_by(|a, b| a < b), "{met:?}");
    }
}
