//! Captures what nodes log while a simulation runs on this thread, in virtual time.
//!
//! A [`Capture`] listens to the `tracing` events of the cluster and of openraft. It keeps those
//! that its [`LogFilter`] asks for, each with the run's clock, the node that logged it, and the
//! role and the term that the node had reported last. Listening draws nothing, waits for
//! nothing and wakes nothing, so a run has the same history with and without it.
//!
//! Spans are not captured: an event's own fields say what happened.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::str::FromStr;

use squall_cluster::raft::node_name;
use squall_world::event::NodeEvent;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;

use super::executor::{self, HostId};

/// More than this is dropped and counted: some gigabytes would not help anybody.
const MOST_LINES: usize = 1_000_000;

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
    pub level: Level,
    /// The module that logged it.
    pub target: String,
    /// The message, then fields as `name=value`.
    pub text: String,
}

/// The role of a node in Raft, as it reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Follower,
    Candidate,
    Leader,
    /// The process is not running.
    Down,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
            Role::Down => "down",
        }
    }
}

impl fmt::Display for LogLine {
    /// `12.345678s node-3 leader/4 DEBUG openraft::core: text`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sign = if self.at_us < 0 { "-" } else { "" };
        let at_us = self.at_us.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:06}s {} {}/{} {:5} {}: {}",
            at_us / 1_000_000,
            at_us % 1_000_000,
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

    /// Nodes that have a filter of their own.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    fn of(&self, node: &str) -> Option<&Targets> {
        self.nodes.get(node).or(self.all.as_ref())
    }

    fn each(&self) -> impl Iterator<Item = &Targets> {
        self.all.iter().chain(self.nodes.values())
    }

    fn has(&self, at_us: i64) -> bool {
        self.from_us.is_none_or(|from_us| at_us >= from_us)
            && self.to_us.is_none_or(|to_us| at_us <= to_us)
    }
}

fn is_node_name(text: &str) -> bool {
    let number = text.strip_prefix("node-");
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// What a capture has kept.
#[derive(Debug, Default)]
pub struct Logs {
    /// In the order in which they were logged.
    pub lines: Vec<LogLine>,
    /// Lines beyond the limit, which were not kept.
    pub dropped: u64,
}

thread_local! {
    static SHARED: RefCell<Option<Rc<Shared>>> = const { RefCell::new(None) };
}

/// What the subscriber, which may be called on any thread, finds on the thread of the run.
struct Shared {
    filter: LogFilter,
    /// By host; absent before the first report.
    reported: RefCell<BTreeMap<usize, (Role, u64)>>,
    /// Absolute nanoseconds, until [`Capture::finish`] makes them the run's.
    logs: RefCell<Logs>,
    start_ns: Cell<Option<u64>>,
}

/// Captures the logs of simulations on this thread until it is finished or dropped.
pub struct Capture {
    shared: Rc<Shared>,
    _default: DefaultGuard,
}

impl Capture {
    /// Begins to listen.
    pub fn start(filter: LogFilter) -> Self {
        let subscriber = Listener {
            levels: filter.each().cloned().collect(),
        };
        let shared = Rc::new(Shared {
            filter,
            reported: RefCell::default(),
            logs: RefCell::default(),
            start_ns: Cell::new(None),
        });
        SHARED.set(Some(shared.clone()));
        Self {
            shared,
            _default: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Ends it. The lines are those within the filter's window.
    pub fn finish(self) -> Logs {
        let mut logs = self.shared.logs.take();
        let start_us = self.shared.start_ns.get().unwrap_or(0) / 1_000;
        for line in &mut logs.lines {
            line.at_us -= i64::try_from(start_us).expect("a run lasts less than 292,000 years");
        }
        logs.lines.retain(|line| self.shared.filter.has(line.at_us));
        logs
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        SHARED.set(None);
    }
}

/// The run's clock begins now.
pub(super) fn run_starts(now_ns: u64) {
    with_shared(|shared| shared.start_ns.set(Some(now_ns)));
}

/// A node has reported something: its later lines bear its role and term.
pub(super) fn observe(host: HostId, event: &NodeEvent) {
    with_shared(|shared| {
        let mut reported = shared.reported.borrow_mut();
        let (role, term) = reported.entry(host.0).or_default();
        match event {
            NodeEvent::Started { .. } => *role = Role::Follower,
            NodeEvent::Stopped { .. } => *role = Role::Down,
            NodeEvent::Election { pre_vote: true, .. } => *role = Role::Candidate,
            NodeEvent::Election { term: asked, .. } => (*role, *term) = (Role::Candidate, *asked),
            NodeEvent::Voted { term: voted, .. } => *term = *voted,
            NodeEvent::Leader { term: led } => (*role, *term) = (Role::Leader, *led),
            NodeEvent::Follower { term: followed, .. } => {
                (*role, *term) = (Role::Follower, *followed);
            }
            _ => {}
        }
    });
}

fn with_shared(work: impl FnOnce(&Shared)) {
    SHARED.with_borrow(|shared| {
        if let Some(shared) = shared {
            work(shared);
        }
    });
}

/// Hands events to the capture of the thread on which they happen.
struct Listener {
    levels: Vec<Targets>,
}

impl Listener {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let mut levels = self.levels.iter();
        metadata.is_event()
            && levels.any(|level| level.would_enable(metadata.target(), metadata.level()))
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let levels = self.levels.iter();
        let hint = |targets: &Targets| {
            let of_targets = targets.iter().map(|(_, level)| level).max();
            of_targets.max(targets.default_level())
        };
        levels.filter_map(hint).max()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        with_shared(|shared| shared.take(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Shared {
    fn take(&self, event: &Event<'_>) {
        // Formatting a field may log as well.
        let Ok(mut logs) = self.logs.try_borrow_mut() else {
            return;
        };
        let executor = executor::current();
        let (host, metadata) = (executor.host(), event.metadata());
        let node = node_name(host.0 as u64 + 1);
        let is_wanted = self
            .filter
            .of(&node)
            .is_some_and(|targets| targets.would_enable(metadata.target(), metadata.level()));
        let at_us = i64::try_from(executor.now() / 1_000).unwrap_or(i64::MAX);
        if !is_wanted || self.is_outside(at_us) {
            return;
        }
        if logs.lines.len() == MOST_LINES {
            logs.dropped += 1;
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let (role, term) = self
            .reported
            .borrow()
            .get(&host.0)
            .copied()
            .unwrap_or_default();
        logs.lines.push(LogLine {
            at_us,
            node,
            role,
            term,
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            text: text.message + &text.fields,
        });
    }

    /// Whether it is certain, before the run has ended, that the line is not wanted.
    fn is_outside(&self, at_us: i64) -> bool {
        match self.start_ns.get() {
            Some(start_ns) => !self.filter.has(at_us - (start_ns / 1_000) as i64),
            None => false,
        }
    }
}

/// An event as text.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
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
        let text = "-1.250000s node-2 leader/4  WARN openraft::core: slow";
        assert_eq!(line.to_string(), text);
    }
}
