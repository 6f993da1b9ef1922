//! What a run met: marks, marks with the kinds of faults that took effect, and shapes.
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
