//! Finds when the processes that ran were too few for a majority of the voters.
//!
//! Left out are the effects of partitions, pauses and disks on a quorum: that takes a model of
//! which nodes reached each other, and a wrong one would accuse the cluster.

use std::collections::BTreeSet;

use super::view::View;
use squall_history::NodeEvent;

/// A time without a quorum, in microseconds of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuorumLoss {
    pub(super) from_us: u64,
    /// When a majority ran again; the largest number if none did.
    pub(super) until_us: u64,
}

/// Which processes run, and which nodes vote, as nodes have reported so far.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) running: BTreeSet<&'a str>,
    /// Of the newest configuration; none while there are two, since nodes do not report which
    /// voter is in which.
    pub(super) voters: &'a [String],
    newest: Option<u64>,
}

impl<'a> Members<'a> {
    /// Whether what a node tells changes anything.
    pub(super) fn note(&mut self, node: &'a str, what: &'a NodeEvent) -> bool {
        match what {
            NodeEvent::Started { .. } => self.running.insert(node),
            NodeEvent::Stopped { .. } => self.running.remove(node),
            NodeEvent::Membership {
                index,
                voters,
                joint,
                ..
            } if Some(*index) >= self.newest => {
                let voters: &[String] = if *joint { &[] } else { voters };
                let is_news = Some(*index) > self.newest || voters != self.voters;
                (self.newest, self.voters) = (Some(*index), voters);
                is_news
            }
            _ => false,
        }
    }
}

/// The times without a quorum, in order.
pub(super) fn quorum_losses(view: &View) -> Vec<QuorumLoss> {
    let mut losses: Vec<QuorumLoss> = Vec::new();
    let mut members = Members::default();
    let mut is_lost = false;
    for (_, at_us, node, what) in view.nodes() {
        if !members.note(node, what) {
            continue;
        }
        let Members {
            running, voters, ..
        } = &members;
        let up = voters
            .iter()
            .filter(|voter| running.contains(voter.as_str()));
        let lost = !voters.is_empty() && 2 * up.count() <= voters.len();
        match (is_lost, lost) {
            (false, true) => losses.push(QuorumLoss {
                from_us: at_us,
                until_us: u64::MAX,
            }),
            (true, false) => losses.last_mut().expect("it is lost").until_us = at_us,
            _ => {}
        }
        is_lost = lost;
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::{QuorumLoss, quorum_losses};
    use crate::testing::*;
    use crate::view::View;

    fn losses(run: &Run) -> Vec<QuorumLoss> {
        quorum_losses(&View::new(&run.cut()))
    }

    fn loss(from_ms: u64, until_us: u64) -> QuorumLoss {
        QuorumLoss {
            from_us: from_ms * 1_000,
            until_us,
        }
    }

    #[test]
    fn a_quorum_is_lost_with_the_process_that_made_it() {
        let mut run = Run::new();
        run.members(&["node-1", "node-2", "node-3"]);
        run.at(10).stopped("node-3");
        run.at(20).stopped("node-2");
        assert_eq!(losses(&run), [loss(20, u64::MAX)]);
        run.at(30).started("node-4").at(40).started("node-3");
        assert_eq!(losses(&run), [loss(20, 40_000)], "a stranger has no vote");
    }

    #[test]
    fn a_joint_configuration_says_nothing() {
        let mut run = Run::new();
        run.members(&["node-1", "node-2", "node-3"]);
        run.at(10).stopped("node-3");
        run.joint(&["node-1", "node-2", "node-3", "node-4"]);
        run.at(20).stopped("node-2");
        assert_eq!(losses(&run), []);
    }
}
