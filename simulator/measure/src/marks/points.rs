//! Marks of named points in the nodes' code: passed, and what happened there.
//!
//! Only a run that has something happen at points counts them; its history says how often.

use std::collections::BTreeMap;

use squall_fault::Point;
use squall_history::{EventKind, History, PointCounts};

/// What of a point is counted: how its mark goes on after the point's name, what that means, and
/// the count.
type Facet = (&'static str, &'static str, fn(&PointCounts) -> u64);

const FACETS: [Facet; 4] = [
    ("", "a node passed the point", |counts| counts.met),
    (" wait", "a node waited at the point", |counts| {
        counts.waited
    }),
    (" yield", "at the point, others went first", |counts| {
        counts.yielded
    }),
    (" fault", "a fault struck a node at the point", |counts| {
        counts.struck
    }),
];

/// The marks of every point: names, and what they are about.
pub fn all() -> impl Iterator<Item = (String, String)> {
    let of = |point: &Point| {
        let (name, passed) = (point.name(), point.about());
        FACETS
            .map(|(suffix, about, _)| (format!("at {name}{suffix}"), format!("{about}: {passed}")))
    };
    Point::ALL.iter().flat_map(of)
}

/// How often the run met each of them; empty if it counted none.
pub(super) fn count(history: &History) -> BTreeMap<String, u64> {
    let mut events = history.events.iter().rev();
    let points = events.find_map(|event| match &event.kind {
        EventKind::Points { points } => Some(points),
        _ => None,
    });
    let Some(points) = points else {
        return BTreeMap::new();
    };
    let of = |point: &Point| {
        let counts = points.get(point).copied().unwrap_or_default();
        FACETS.map(|(suffix, _, count)| (format!("at {point}{suffix}"), count(&counts)))
    };
    Point::ALL.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::Event;

    #[test]
    fn a_run_without_points_has_no_marks_of_them_and_others_have_all() {
        assert!(count(&History::default()).is_empty());
        let counts = PointCounts {
            met: 7,
            struck: 1,
            ..PointCounts::default()
        };
        let kind = EventKind::Points {
            points: [(Point::LogSynced, counts)].into(),
        };
        let events = vec![Event { at_us: 9, kind }];
        let counted = count(&History { events });
        assert_eq!(counted["at log.synced"], 7);
        assert_eq!(counted["at log.synced fault"], 1);
        assert_eq!(counted["at log.synced wait"], 0);
        assert_eq!(counted["at apply.done"], 0, "known to have been missed");
        assert!(all().map(|(name, _)| name).eq(ordered(&counted)));
    }

    /// In the order of the table.
    fn ordered(counted: &BTreeMap<String, u64>) -> Vec<String> {
        let names = all().map(|(name, _)| name);
        names.filter(|name| counted.contains_key(name)).collect()
    }
}
