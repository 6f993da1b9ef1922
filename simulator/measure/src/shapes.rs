//! Shapes: what the cluster looked like at each of its changes, without names and numbers.
//!
//! A shape is the roles of all nodes, whether each is behind in term, log or snapshot, whether
//! the membership is joint, and which kinds of faults are in force. Two runs that went through
//! the same shapes exercised much the same of the protocol, whatever their timing; a shape that
//! no run had before is a reason to look closer. Like a mark, a shape is no verdict.
//!
//! Source: feedback by abstract states of the system, as in the fuzzer Mallory (Meng et al.,
//! "Greybox fuzzing of distributed systems", CCS 2023).

use std::collections::{BTreeMap, BTreeSet};

use super::faults::FaultSpan;
use super::timeline::{Reported, Timeline};
use squall_history::NodeEvent;

/// Entries by which a log may be behind without being another shape.
const IN_STEP: u64 = 16;
/// Entries from which on it makes no difference by how many.
const FAR_BEHIND: u64 = 256;

/// Every shape that the cluster went through: `C' F< L; isolate, kill`.
pub fn shapes(timeline: &Timeline, spans: &[FaultSpan]) -> BTreeSet<String> {
    let mut cluster = Cluster::default();
    let mut found = BTreeSet::new();
    for report in &timeline.reports {
        if cluster.hear(report) {
            let shape = cluster.shape();
            let kinds = in_force(spans, report.at_us);
            found.insert(match kinds.is_empty() {
                true => shape,
                false => format!("{shape}; {kinds}"),
            });
        }
    }
    found
}

/// The kinds of the faults in force, each once.
fn in_force(spans: &[FaultSpan], at_us: u64) -> String {
    let kinds: BTreeSet<&str> = spans
        .iter()
        .filter(|span| span.is_in_force(at_us))
        .map(|span| span.kind.name())
        .collect();
    kinds.into_iter().collect::<Vec<_>>().join(", ")
}

/// A node as far as it has reported.
#[derive(Debug)]
struct Node {
    /// `-` down, `F` follower, `P` asks for a pre-vote, `C` candidate, `L` leader, `S` is given a
    /// snapshot.
    role: char,
    term: u64,
    index: u64,
    is_joint: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            role: '-',
            term: 0,
            index: 0,
            is_joint: false,
        }
    }
}

#[derive(Debug, Default)]
struct Cluster<'a> {
    nodes: BTreeMap<&'a str, Node>,
}

impl<'a> Cluster<'a> {
    /// Whether what was heard may be another shape.
    fn hear(&mut self, report: &Reported<'a>) -> bool {
        let node = self.nodes.entry(report.node).or_default();
        let (role, term) = match report.event {
            NodeEvent::Started { last_log, .. } => {
                node.index = *last_log;
                ('F', node.term)
            }
            NodeEvent::Stopped { .. } | NodeEvent::Damaged { .. } => ('-', node.term),
            NodeEvent::Replaced => {
                *node = Node::default();
                ('-', 0)
            }
            NodeEvent::Election { term, pre_vote } => (if *pre_vote { 'P' } else { 'C' }, *term),
            NodeEvent::Voted { term, .. } => (node.role, *term),
            NodeEvent::Leader { term } => ('L', *term),
            NodeEvent::Follower { term, .. } => ('F', *term),
            NodeEvent::SnapshotArrived { .. } => ('S', node.term),
            NodeEvent::SnapshotInstalled { index, .. } => {
                node.index = *index;
                ('F', node.term)
            }
            NodeEvent::Membership { joint, .. } => {
                node.is_joint = *joint;
                (node.role, node.term)
            }
            NodeEvent::Snapshot { .. } => (node.role, node.term),
            NodeEvent::Committed { index, .. }
            | NodeEvent::FirstCommit { index, .. }
            | NodeEvent::Applied { index, .. } => {
                node.index = node.index.max(*index);
                return false;
            }
            NodeEvent::CacheReads { .. } | NodeEvent::Work(_) => return false,
        };
        node.role = role;
        node.term = node.term.max(term);
        true
    }

    fn shape(&self) -> String {
        let term = self.nodes.values().map(|node| node.term).max();
        let index = self.nodes.values().map(|node| node.index).max();
        let (term, index) = (term.unwrap_or(0), index.unwrap_or(0));
        let mut nodes: Vec<String> = self
            .nodes
            .values()
            .map(|node| node.text(term, index))
            .collect();
        nodes.sort_unstable();
        let joint = match self.nodes.values().any(|node| node.is_joint) {
            true => " joint",
            false => "",
        };
        format!("{}{joint}", nodes.join(" "))
    }
}

impl Node {
    /// The role, `'` if its term is older than the newest, `<` or `<<` if its log is behind.
    fn text(&self, term: u64, index: u64) -> String {
        let behind = match index - self.index {
            ..IN_STEP => "",
            IN_STEP..FAR_BEHIND => "<",
            FAR_BEHIND.. => "<<",
        };
        let older = if self.term < term { "'" } else { "" };
        format!("{}{older}{behind}", self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use squall_history::History;

    fn shapes_of(history: &History) -> Vec<String> {
        let spans = crate::faults::spans(history);
        shapes(&Timeline::of(history), &spans).into_iter().collect()
    }

    fn committed(term: u64, index: u64) -> NodeEvent {
        NodeEvent::Committed { term, index }
    }

    #[test]
    fn a_shape_is_roles_how_far_each_is_behind_and_the_faults_in_force() {
        let mut script = Script::new();
        for node in ["a", "b", "c"] {
            let started = NodeEvent::Started {
                last_log: 0,
                applied: 0,
            };
            script.node(0, node, started);
        }
        let stopped = NodeEvent::Stopped {
            why: "killed".into(),
        };
        let pre_vote = NodeEvent::Election {
            term: 2,
            pre_vote: true,
        };
        let follower = NodeEvent::Follower {
            term: 2,
            leader: None,
        };
        script
            .node(1, "a", NodeEvent::Leader { term: 1 })
            // Fifteen entries are in step, two hundred are not.
            .node(2, "a", committed(1, 300))
            .node(2, "b", committed(1, 285))
            .node(2, "c", committed(1, 100))
            .fault(0, "isolate", &["c"], 3, Some(7))
            .node(4, "b", pre_vote)
            .node(5, "c", stopped)
            .node(6, "c", NodeEvent::SnapshotArrived { index: 300 })
            // And three hundred are far behind.
            .node(7, "a", committed(1, 400))
            .node(8, "b", follower);
        let expected = [
            "-'< L' P; isolate",
            "F",
            "F F",
            "F F F",
            "F' F' L",
            "F'< L' P; isolate",
            "F< L' S'<<",
            "L' P S'<; isolate",
        ];
        assert_eq!(shapes_of(&script.end(10)), expected);
    }
}
