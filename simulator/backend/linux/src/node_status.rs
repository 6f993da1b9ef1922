//! Tracks leader, configuration and progress of a node from its output and its answers.
//!
//! Every node says who it takes for the leader, and which configuration is in force, as JSON
//! lines on its standard output, stamped with the machine's monotonic clock. How far it has
//! applied the log it says too rarely, and is asked.

use std::cell::{Cell, RefCell};

use serde::Deserialize;

use squall_backend::site::Configuration;
use squall_history::NodeEvent;

/// A line that a node writes.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// Of the machine's monotonic clock.
    pub monotonic_us: u64,
    #[serde(flatten)]
    pub event: NodeEvent,
}

/// What one node has said in its present life, and some of what it said before.
#[derive(Default)]
pub(super) struct NodeStatus {
    /// The term that it leads, and when it said so, microseconds of the run.
    leads: Cell<Option<(u64, u64)>>,
    /// Whether it has committed an entry in that term.
    serves: Cell<bool>,
    /// The last configuration that it spoke of, with its index; outlives the process.
    configuration: RefCell<Option<(u64, Configuration)>>,
    /// Reports of digests that are complete.
    digests: Cell<u64>,
    /// Whether it has said that it ends.
    has_stopped: Cell<bool>,
}

impl NodeStatus {
    /// What it said, and when.
    pub(super) fn hear(&self, at_us: u64, event: &NodeEvent) {
        match event {
            NodeEvent::Leader { term } => {
                self.leads.set(Some((*term, at_us)));
                self.serves.set(false);
            }
            NodeEvent::FirstCommit { term, .. }
                if self.leads.get().is_some_and(|(leads, _)| leads == *term) =>
            {
                self.serves.set(true);
            }
            NodeEvent::Follower { .. } | NodeEvent::Voted { .. } => self.leads.set(None),
            NodeEvent::Membership {
                index,
                voters,
                learners,
                joint,
            } => {
                let configuration = Configuration {
                    voters: voters.iter().filter_map(|name| number(name)).collect(),
                    learners: learners.iter().filter_map(|name| number(name)).collect(),
                    is_changing: *joint,
                };
                *self.configuration.borrow_mut() = Some((*index, configuration));
            }
            // The last of what a node says when it is asked for its digest.
            NodeEvent::CacheReads { .. } => self.digests.set(self.digests.get() + 1),
            NodeEvent::Stopped { .. } => self.has_stopped.set(true),
            _ => {}
        }
    }

    /// A process begins.
    pub(super) fn begin_life(&self) {
        self.forget_life();
        self.has_stopped.set(false);
    }

    /// The process is gone.
    pub(super) fn forget_life(&self) {
        self.leads.set(None);
        self.serves.set(false);
    }

    /// The term in which it leads and serves, if it does, and since when: of several nodes
    /// that say so, the greatest is the leader.
    pub(super) fn leads(&self) -> Option<(u64, u64)> {
        self.leads.get().filter(|_| self.serves.get())
    }

    pub(super) fn configuration(&self) -> Option<(u64, Configuration)> {
        self.configuration.borrow().clone()
    }

    pub(super) fn digests(&self) -> u64 {
        self.digests.get()
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.get()
    }
}

/// `node-3` is 2.
fn number(name: &str) -> Option<usize> {
    let id: usize = name.strip_prefix("node-")?.parse().ok()?;
    id.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{Line, NodeStatus};
    use squall_history::NodeEvent;

    #[test]
    fn a_leader_serves_after_its_first_commit_and_until_it_votes_for_another() {
        let node = NodeStatus::default();
        node.hear(5, &NodeEvent::Leader { term: 3 });
        assert_eq!(node.leads(), None);
        node.hear(5, &NodeEvent::FirstCommit { term: 2, index: 4 });
        assert_eq!(node.leads(), None, "of an earlier term");
        node.hear(5, &NodeEvent::FirstCommit { term: 3, index: 5 });
        assert_eq!(node.leads(), Some((3, 5)));
        node.hear(
            5,
            &NodeEvent::Voted {
                term: 4,
                candidate: "node-2".into(),
            },
        );
        assert_eq!(node.leads(), None);
    }

    #[test]
    fn configurations_are_known_by_number_and_outlive_the_process() {
        let node = NodeStatus::default();
        node.hear(
            5,
            &NodeEvent::Membership {
                index: 7,
                voters: vec!["node-1".into(), "node-3".into()],
                learners: vec!["node-6".into()],
                joint: true,
            },
        );
        node.forget_life();
        let (index, now) = node.configuration().expect("it was reported");
        assert_eq!(index, 7);
        assert_eq!(now.voters, [0, 2].into());
        assert_eq!(now.learners, [5].into());
        assert!(now.is_changing);
    }

    #[test]
    fn a_line_has_its_time_beside_the_event() {
        let line = r#"{"wall_ms":1,"monotonic_us":2,"is":"leader","term":3}"#;
        let line: Line = serde_json::from_str(line).expect("a node writes so");
        assert_eq!(line.monotonic_us, 2);
        assert_eq!(line.event, NodeEvent::Leader { term: 3 });
    }
}
