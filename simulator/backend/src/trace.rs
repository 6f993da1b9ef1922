//! Defines what a trace holds beside the history and the logs: messages and their fates, syncs
//! of disks, entries of the log by name, and where nodes stood at moments.
//!
//! Each backend records it. Times are microseconds on the run's clock, negative
//! while the cluster is being formed.

use std::collections::BTreeMap;
use std::fmt;

use squall_cluster::node::Standing;
use squall_cluster::raft::node_name;
use squall_cluster::raft::overhear::PeerMessage;
use squall_cluster::state::State;

mod applied;

pub use applied::{AppliedEntry, Held, StateCopy};

/// More messages than this are dropped and counted.
pub const MOST_MESSAGES: usize = 1_000_000;

/// What to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceFilter {
    /// Messages that were over before are dropped.
    pub from_us: Option<i64>,
    /// Messages that were sent later are dropped.
    pub to_us: Option<i64>,
    /// Whether messages and syncs are recorded at all.
    pub messages: bool,
    /// Whether it is recorded what each entry does at each node; only of whole runs.
    pub applied: bool,
    /// How many messages are kept.
    pub most: usize,
    /// When to look where the nodes stand; in order.
    pub states_at_us: Vec<i64>,
    /// Whether to look at all that they hold as well.
    pub contents: bool,
}

impl Default for TraceFilter {
    fn default() -> Self {
        Self {
            from_us: None,
            to_us: None,
            messages: true,
            applied: true,
            most: MOST_MESSAGES,
            states_at_us: Vec::new(),
            contents: false,
        }
    }
}

impl TraceFilter {
    /// Whether something is wanted that began and ended at these times.
    pub fn has(&self, began_us: i64, ended_us: Option<i64>) -> bool {
        let is_over = |from_us: i64| ended_us.is_some_and(|ended_us| ended_us < from_us);
        !self.from_us.is_some_and(is_over) && self.to_us.is_none_or(|to_us| began_us <= to_us)
    }
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Traced {
    /// In the order in which they were sent.
    pub messages: Vec<Message>,
    /// In the order in which they began.
    pub syncs: Vec<DiskSync>,
    /// What each entry does that was sent to another node, by term and index.
    pub entries: BTreeMap<(u64, u64), String>,
    /// In order of time, then of nodes.
    pub states: Vec<NodeState>,
    /// What entries did at nodes, in order of time.
    pub applied: Vec<AppliedEntry>,
    /// Whole states that nodes wrote to snapshots or took from them, in order of time.
    pub copies: Vec<StateCopy>,
    /// Messages beyond the limit, which were not kept.
    pub dropped: u64,
}

impl Traced {
    /// Since when messages are missing, microseconds; `None`: none are.
    pub fn kept_until_us(&self) -> Option<i64> {
        let last = self.messages.last();
        (self.dropped > 0).then(|| last.map_or(0, |last| last.sent_us))
    }
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Counted from 1.
    Node(u64),
    /// A client, by the port of its connection.
    Client(u16),
}

impl Party {
    /// The name of the node, if it is one.
    pub fn node(self) -> Option<String> {
        match self {
            Party::Node(id) => Some(node_name(id)),
            Party::Client(_) => None,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Node(id) => f.write_str(&node_name(*id)),
            Party::Client(port) => write!(f, "client:{port}"),
        }
    }
}

/// A message between nodes, or between a client and a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// In order of sending, from 1; unique in the run.
    pub number: u64,
    /// Its sender.
    pub from: Party,
    /// Its receiver.
    pub to: Party,
    /// When its last byte left.
    pub sent_us: i64,
    /// On the wire, its framing included.
    pub bytes: u64,
    /// What it says.
    pub content: Content,
    /// The message that it answers.
    pub answers: Option<u64>,
    /// The operation of the history that it belongs to.
    pub op: Option<u64>,
    /// What delayed it, beyond what the link takes when all is well.
    pub held: Vec<Hold>,
    /// What became of it.
    pub fate: Fate,
}

impl Message {
    /// When it arrived at the other machine.
    pub fn arrived_us(&self) -> Option<i64> {
        match self.fate {
            Fate::Arrived { at_us, .. } => Some(at_us),
            _ => None,
        }
    }

    /// When the other process had read it.
    pub fn read_us(&self) -> Option<i64> {
        match self.fate {
            Fate::Arrived { read_us, .. } => read_us,
            _ => None,
        }
    }

    /// When nothing more happens to it.
    pub fn ended_us(&self) -> Option<i64> {
        match self.fate {
            Fate::UnderWay => None,
            Fate::Arrived { at_us, read_us } => Some(read_us.unwrap_or(at_us)),
            Fate::Lost { at_us, .. } => Some(at_us),
        }
    }

    /// Whether one of its ends is the node of this name.
    pub fn concerns(&self, node: &str) -> bool {
        [self.from, self.to]
            .iter()
            .any(|party| party.node().as_deref() == Some(node))
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Between nodes.
    Peer(PeerMessage),
    /// A command of a client.
    Call {
        /// As it was sent: `CACHE.GETV k1`.
        command: String,
    },
    /// What it was answered.
    Answer {
        /// In a line.
        reply: String,
    },
    /// Of a system of somebody else, whose protocol is not known here.
    Bytes,
}

impl Content {
    /// One word for what it is.
    pub fn name(&self) -> &str {
        match self {
            Content::Peer(message) => message.name(),
            Content::Call { .. } => "call",
            Content::Answer { .. } => "answer",
            Content::Bytes => "bytes",
        }
    }

    /// The term that it speaks of, if it does.
    pub fn term(&self) -> Option<u64> {
        match self {
            Content::Peer(message) => message.term(),
            _ => None,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Peer(message) => message.fmt(f),
            Content::Call { command } => write!(f, "call {command}"),
            Content::Answer { reply } => write!(f, "answer {reply}"),
            Content::Bytes => f.write_str("bytes"),
        }
    }
}

/// Why a message came later than it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// A fault had cut the link.
    Cut {
        /// Its number in the plan.
        fault: usize,
    },
    /// A fault makes the link slower or lossy.
    Degraded {
        /// Its number in the plan.
        fault: usize,
    },
    /// A packet was lost, and sent again.
    Loss,
    /// The other machine had no power.
    NoPower,
    /// It waited behind another message of its connection.
    Behind,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It had not arrived when the run ended.
    UnderWay,
    /// It reached the other machine.
    Arrived {
        /// When.
        at_us: i64,
        /// When the process had read it; `None`: it never did.
        read_us: Option<i64>,
    },
    /// It arrived where nobody took it any more.
    Lost {
        /// When.
        at_us: i64,
        /// Why.
        why: Lost,
    },
}

/// Why nobody took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The other process had ended.
    Ended,
    /// The other side had closed the connection.
    Closed,
    /// A fault had reset the connection.
    Reset,
}

impl Lost {
    /// The end of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Lost::Ended => "the process had ended",
            Lost::Closed => "the connection was closed",
            Lost::Reset => "the connection was reset",
        }
    }
}

/// A sync of a node's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSync {
    /// Whose disk it is.
    pub node: String,
    /// When it began.
    pub from_us: i64,
    /// `None`: its process ended before it was done, or the run.
    pub to_us: Option<i64>,
}

/// Where a node stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// When: after all that had happened until then.
    pub at_us: i64,
    /// Its name.
    pub node: String,
    /// Of its process.
    pub process: ProcessState,
    /// Of a node of Squall's own cluster that serves.
    pub standing: Option<Standing>,
    /// What it holds, if that was asked for: sessions, locks, queues and keys.
    pub held: Option<State>,
}

/// Whether a node's process works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs.
    Up,
    /// It is not scheduled.
    Paused,
    /// It does not run.
    Down,
}

impl ProcessState {
    /// `up`.
    pub fn name(self) -> &'static str {
        match self {
            ProcessState::Up => "up",
            ProcessState::Paused => "paused",
            ProcessState::Down => "down",
        }
    }
}

/// A time on the run's clock: `-1.250000s`.
pub fn time(at_us: i64) -> String {
    let sign = if at_us < 0 { "-" } else { "" };
    let at_us = at_us.unsigned_abs();
    format!("{sign}{}.{:06}s", at_us / 1_000_000, at_us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_has_what_was_at_work_within_it() {
        let filter = TraceFilter {
            from_us: Some(10),
            to_us: Some(20),
            ..TraceFilter::default()
        };
        let expected = [
            ((0, Some(9)), false),
            ((0, Some(10)), true),
            ((0, None), true),
            ((20, Some(30)), true),
            ((21, Some(30)), false),
        ];
        for ((began_us, ended_us), is_wanted) in expected {
            assert_eq!(
                filter.has(began_us, ended_us),
                is_wanted,
                "{began_us} {ended_us:?}"
            );
        }
    }

    #[test]
    fn times_before_the_run_are_negative() {
        assert_eq!(time(-1_250_000), "-1.250000s");
        assert_eq!(time(12_345_678), "12.345678s");
    }
}
