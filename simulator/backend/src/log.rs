//! Filters and stamps the log lines of nodes: with the run's clock, the node, and the role and
//! term that it reported last.
//!
//! Each backend captures the lines.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use squall_world::event::NodeEvent;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::trace::time;

/// One line that a node logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// On the run's clock, microseconds; negative while the cluster is being formed.
    pub at_us: i64,
    /// `node-3`.
    pub node: String,
    /// As the node had reported last.
    pub role: Role,
    /// As above; 0 before the first report.
    pub term: u64,
    /// The least severe level that is kept.
    pub level: Level,
    /// The module that logged it.
    pub target: String,
    /// The message, then fields as `name=value`.
    pub text: String,
}

/// The role of a node in Raft, as it reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It follows a leader, or waits for one.
    #[default]
    Follower,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
    /// The process is not running.
    Down,
}

impl Role {
    /// `leader`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
            Role::Down => "down",
        }
    }
}

/// What a node has said of its part, as its events come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// As it reported it last.
    pub role: Role,
    /// As above; 0 before the first report.
    pub term: u64,
}

impl Part {
    /// What it is after this event.
    pub fn note(&mut self, event: &NodeEvent) {
        match event {
            NodeEvent::Started { .. } => self.role = Role::Follower,
            NodeEvent::Stopped { .. } => self.role = Role::Down,
            NodeEvent::Election { pre_vote: true, .. } => self.role = Role::Candidate,
            NodeEvent::Election { term, .. } => self.become_one(Role::Candidate, *term),
            NodeEvent::Voted { term, .. } => self.term = *term,
            NodeEvent::Leader { term } => self.become_one(Role::Leader, *term),
            NodeEvent::Follower { term, .. } => self.become_one(Role::Follower, *term),
            _ => {}
        }
    }

    fn become_one(&mut self, role: Role, term: u64) {
        (self.role, self.term) = (role, term);
    }
}

impl fmt::Display for LogLine {
    /// `12.345678s node-3 leader/4 DEBUG openraft::core: text`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} {} {}/{} {:5} {}: {}",
            time(self.at_us),
            self.node,
            self.role.name(),
            self.term,
            self.level,
            self.target,
            self.text
        )
    }
}

/// Which lines of which nodes to keep.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// For nodes without a filter of their own.
    all: Option<Targets>,
    /// By the name of the node.
    nodes: BTreeMap<String, Targets>,
    /// Lines before it are dropped; microseconds on the run's clock.
    pub from_us: Option<i64>,
    /// Lines after it are dropped; microseconds on the run's clock.
    pub to_us: Option<i64>,
}

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid log filter `{text}`: {why}; expected [NODE=]LEVEL or [NODE=]TARGET=LEVEL,…, for \
     example `debug` or `node-3=openraft=debug,squall_cluster=trace`"
)]
pub struct LogFilterError {
    text: String,
    why: String,
}

impl LogFilter {
    /// Warnings and errors of every node.
    pub fn warnings() -> Self {
        Self {
            all: Some(Targets::new().with_default(LevelFilter::WARN)),
            ..Self::default()
        }
    }

    /// Adds what `text` asks for: `debug`, `openraft=debug`, `node-3=openraft=debug,…`.
    ///
    /// # Errors
    /// The text is no filter, or asks twice for the same node.
    pub fn add(&mut self, text: &str) -> Result<(), LogFilterError> {
        let error = |why: String| LogFilterError {
            text: text.to_owned(),
            why,
        };
        let (node, targets) = match text.split_once('=') {
            Some((node, rest)) if is_node_name(node) => (Some(node), rest),
            _ => (None, text),
        };
        let targets = Targets::from_str(targets).map_err(|e| error(e.to_string()))?;
        let before = match node {
            Some(node) => self.nodes.insert(node.to_owned(), targets),
            None => self.all.replace(targets),
        };
        if before.is_some() {
            return Err(error(format!(
                "{} has one already",
                node.unwrap_or("every node")
            )));
        }
        Ok(())
    }

    /// What to keep of a node.
    pub fn of(&self, node: &str) -> Option<&Targets> {
        self.nodes.get(node).or(self.all.as_ref())
    }

    /// The nodes that have a filter of their own.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// All that it has.
    pub fn each(&self) -> impl Iterator<Item = &Targets> {
        self.all.iter().chain(self.nodes.values())
    }

    /// Whether the time is within its window.
    pub fn has(&self, at_us: i64) -> bool {
        self.from_us.is_none_or(|from_us| at_us >= from_us)
            && self.to_us.is_none_or(|to_us| at_us <= to_us)
    }
}

fn is_node_name(text: &str) -> bool {
    let number = text.strip_prefix("node-");
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The lines that were kept of a run.
#[derive(Debug, Default)]
pub struct Logs {
    /// In the order in which they were logged.
    pub lines: Vec<LogLine>,
    /// Lines beyond the limit of a backend, which were not kept.
    pub dropped: u64,
}

impl Logs {
    /// The lines of each node that logged any, by name.
    pub fn by_node(&self) -> BTreeMap<&str, Vec<&LogLine>> {
        let mut nodes: BTreeMap<&str, Vec<&LogLine>> = BTreeMap::new();
        for line in &self.lines {
            nodes.entry(&line.node).or_default().push(line);
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(texts: &[&str]) -> Result<LogFilter, LogFilterError> {
        let mut filter = LogFilter::default();
        texts.iter().try_for_each(|text| filter.add(text))?;
        Ok(filter)
    }

    fn keeps(filter: &LogFilter, node: &str, target: &str, level: Level) -> bool {
        let targets = filter.of(node);
        targets.is_some_and(|targets| targets.would_enable(target, &level))
    }

    #[test]
    fn filter_of_one_node_keeps_only_its_targets() {
        let filter = filter(&["node-3=openraft=debug,squall_cluster=trace"]).expect("valid");
        assert!(keeps(&filter, "node-3", "openraft::core", Level::DEBUG));
        assert!(!keeps(&filter, "node-3", "openraft::core", Level::TRACE));
        assert!(keeps(
            &filter,
            "node-3",
            "squall_cluster::node",
            Level::TRACE
        ));
        assert!(!keeps(&filter, "node-1", "openraft::core", Level::ERROR));
    }

    #[test]
    fn filter_of_all_nodes_yields_to_that_of_one() {
        let filter = filter(&["warn", "node-1=openraft=trace"]).expect("valid");
        assert!(keeps(&filter, "node-2", "openraft", Level::WARN));
        assert!(!keeps(&filter, "node-1", "squall_cluster", Level::WARN));
    }

    #[test]
    fn filter_that_cannot_be_read_is_refused_with_an_example() {
        let error = filter(&["openraft=loud"]).expect_err("`loud` is no level");
        assert!(error.to_string().contains("`openraft=loud`"), "{error}");
        assert!(
            error.to_string().contains("node-3=openraft=debug"),
            "{error}"
        );
        filter(&["warn", "debug"]).expect_err("two for every node");
    }

    #[test]
    fn line_shows_time_node_role_term_and_level() {
        let line = LogLine {
            at_us: -1_250_000,
            node: "node-2".into(),
            role: Role::Leader,
            term: 4,
            level: Level::WARN,
            target: "openraft::core".into(),
            text: "slow".into(),
        };
        let text = "-1.250000s node-2 leader/4 WARN  openraft::core: slow";
        assert_eq!(line.to_string(), text);
    }
}
