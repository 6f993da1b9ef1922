//! R5: one configuration at a time. All nodes have the same members at the same index, and
//! two configurations that follow each other share a majority: they differ by one voter, or
//! a joint one lies between them.
//!
//! In plain words: there are never two groups that could each decide without the other.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §4.1 (single changes)
//! and §4.3 (joint consensus).
//!
//! Not checked: configurations that no node reported, which a snapshot may have skipped.

use std::collections::{BTreeMap, BTreeSet};

use super::result::Judge;
use super::view::View;
use super::words::seconds;
use squall_history::NodeEvent;

pub(super) fn check(view: &View, judge: &mut Judge) {
    let mut configurations: BTreeMap<u64, Configuration> = BTreeMap::new();
    for (_, at_us, node, what) in view.nodes() {
        let NodeEvent::Membership {
            index,
            voters,
            joint,
            ..
        } = what
        else {
            continue;
        };
        judge.count_checked();
        let found = Configuration {
            node,
            at_us,
            voters: voters.iter().map(String::as_str).collect(),
            joint: *joint,
        };
        // A snapshot tells the members as of its own, later index.
        let first = configurations
            .entry(*index)
            .or_insert_with(|| found.clone());
        if (&first.voters, first.joint) != (&found.voters, found.joint) {
            judge.violation(
                format!(
                    "{} and {node} have different members at index {index}",
                    first.node
                ),
                [first.line(*index), found.line(*index)],
            );
        }
    }
    let steps: Vec<(&u64, &Configuration)> = configurations.iter().collect();
    for pair in steps.windows(2) {
        let [(before, old), (after, new)] = [pair[0], pair[1]];
        if !old.shares_majority(new) {
            judge.violation(
                format!("the members changed at once from index {before} to {after}"),
                [old.line(*before), new.line(*after)],
            );
        }
    }
}

#[derive(Clone)]
struct Configuration<'a> {
    node: &'a str,
    at_us: u64,
    /// Of a joint one, those of both.
    voters: BTreeSet<&'a str>,
    joint: bool,
}

impl Configuration<'_> {
    fn shares_majority(&self, next: &Self) -> bool {
        match (self.joint, next.joint) {
            (false, false) => self.voters.symmetric_difference(&next.voters).count() <= 1,
            // A joint one contains what comes before it and after it.
            (false, true) => self.voters.is_subset(&next.voters),
            (true, false) => next.voters.is_subset(&self.voters),
            (true, true) => true,
        }
    }

    fn line(&self, index: u64) -> String {
        let voters: Vec<&str> = self.voters.iter().copied().collect();
        let joint = if self.joint { " (joint)" } else { "" };
        let (at, node) = (seconds(self.at_us), self.node);
        format!(
            "{at} {node}: voters {} at index {index}{joint}",
            voters.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::testing::*;
    use squall_history::NodeEvent;

    fn members(index: u64, voters: &[&str], joint: bool) -> NodeEvent {
        NodeEvent::Membership {
            index,
            voters: voters.iter().map(|node| (*node).into()).collect(),
            learners: Vec::new(),
            joint,
        }
    }

    #[test]
    fn two_configurations_at_one_index() {
        let mut run = Run::new();
        run.node("node-1", members(7, &["node-1", "node-2"], false));
        run.node("node-2", members(7, &["node-1", "node-3"], false));
        fails(
            check,
            &run.end(),
            "node-1 and node-2 have different members at index 7",
        );
    }

    #[test]
    fn two_voters_changed_at_once() {
        let mut run = Run::new();
        run.node("node-1", members(1, &["node-1", "node-2", "node-3"], false));
        run.node("node-1", members(9, &["node-1", "node-4", "node-3"], false));
        fails(check, &run.end(), "changed at once from index 1 to 9");
    }

    #[test]
    fn by_way_of_a_joint_one_or_one_voter() {
        let mut run = Run::new();
        run.node("node-1", members(1, &["node-1", "node-2", "node-3"], false));
        let both = ["node-1", "node-2", "node-3", "node-4"];
        run.node("node-1", members(8, &both, true));
        run.node("node-2", members(8, &both, true));
        run.node("node-1", members(9, &["node-1", "node-4", "node-3"], false));
        run.node("node-1", members(12, &["node-1", "node-3"], false));
        passes(check, &run.end());
    }
}
