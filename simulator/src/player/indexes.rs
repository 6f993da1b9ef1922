//! Follows the last, committed and applied index of each node over time: looked up in the
//! nodes where the run was made again, or else as they reported it themselves, which they do
//! only now and then.

use super::Recording;
use super::parties::Parties;
use crate::history::{EventKind, NodeEvent};
use crate::trace::end_us;

/// Moments at which nodes are looked into,
const MOST_MOMENTS: u64 = 3_000;
/// and how often any of them is: of large clusters each more seldom, since every look may take
/// a row of the page.
const MOST_LOOKS: u64 = 30_000;
/// Oftener than so is of no use to anybody, microseconds.
const SHORTEST_US: i64 = 5_000;

/// When to look where nodes stand, in a run that takes so long (microseconds) of so many nodes.
pub fn moments(end_us: i64, nodes: u64) -> Vec<i64> {
    let every_us = every_us(end_us, nodes);
    (0..=end_us / every_us).map(|nth| nth * every_us).collect()
}

fn every_us(end_us: i64, nodes: u64) -> i64 {
    let most = (MOST_LOOKS / nodes.max(1)).clamp(1, MOST_MOMENTS);
    (end_us / most as i64).max(SHORTEST_US)
}

/// Of each node, rows as the player has them: counted from the row before.
pub(super) fn indexes(seen: &Recording, parties: &Parties) -> Vec<Vec<[i64; 4]>> {
    let mut rows = vec![Vec::new(); parties.nodes.len()];
    match seen.trace.traced.states.is_empty() {
        false => looked_up(&mut rows, seen, parties),
        true => reported(&mut rows, seen, parties),
    }
    rows.into_iter().map(differences).collect()
}

fn looked_up(rows: &mut [Vec<[i64; 4]>], seen: &Recording, parties: &Parties) {
    for state in &seen.trace.traced.states {
        let place = parties.node(&state.node);
        let (Some(node), Some(at)) = (place, &state.standing) else {
            continue;
        };
        let indexes = [at.last_log, at.commit, at.applied].map(|index| index as i64);
        push(&mut rows[node], state.at_us, indexes, 0);
    }
}

fn reported(rows: &mut [Vec<[i64; 4]>], seen: &Recording, parties: &Parties) {
    let apart_us = every_us(end_us(seen.trace.history), seen.report.cluster.nodes);
    for event in &seen.trace.history.events {
        let EventKind::Node { node, event: said } = &event.kind else {
            continue;
        };
        let Some(node) = parties.node(node) else {
            continue;
        };
        let [_, last, commit, applied] = rows[node].last().copied().unwrap_or_default();
        let of = |index: u64| index as i64;
        let indexes = match said {
            // What it had applied before its process ended, it may have to apply again.
            NodeEvent::Started {
                last_log,
                applied: until,
            } => [of(*last_log), of(*until), of(*until)],
            NodeEvent::Applied { index, .. }
            | NodeEvent::SnapshotInstalled { index, .. }
            | NodeEvent::Snapshot { index, .. } => {
                let index = of(*index);
                [last.max(index), commit.max(index), applied.max(index)]
            }
            NodeEvent::Committed { index, .. } | NodeEvent::FirstCommit { index, .. } => {
                let index = of(*index);
                [last.max(index), commit.max(index), applied]
            }
            _ => continue,
        };
        push(&mut rows[node], event.at_us as i64, indexes, apart_us);
    }
}

/// Adds a row if anything has changed. What comes sooner than `apart_us` after the last one
/// replaces it.
fn push(rows: &mut Vec<[i64; 4]>, at: i64, [last, commit, applied]: [i64; 3], apart_us: i64) {
    let row = [at, last, commit, applied];
    match rows.last_mut() {
        Some(before) if before[1..] == row[1..] => {}
        Some(before) if at - before[0] < apart_us => before[1..].copy_from_slice(&row[1..]),
        _ => rows.push(row),
    }
}

fn differences(rows: Vec<[i64; 4]>) -> Vec<[i64; 4]> {
    let mut before = [0; 4];
    let rows = rows.into_iter().map(|row| {
        let difference = [0, 1, 2, 3].map(|part| row[part] - before[part]);
        before = row;
        difference
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_clusters_are_looked_into_more_seldom() {
        const MINUTE_US: i64 = 60_000_000;
        for nodes in [0, 1, 5, 10] {
            assert_eq!(moments(MINUTE_US, nodes).len(), 3_001, "{nodes}");
        }
        for nodes in [11, 45, 100, 1_000_000] {
            let most = (MOST_LOOKS / nodes).max(1) as usize;
            let looks = moments(MINUTE_US, nodes).len();
            // One at each end, and what division leaves over.
            assert!((most..=most + 2).contains(&looks), "{nodes}: {looks}");
        }
        assert_eq!(moments(12_000, 3), [0, 5_000, 10_000]);
    }
}
