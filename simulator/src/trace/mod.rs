//! Shows a run moment by moment: history, messages, logs and syncs of disks on one
//! clock, in the forms that people and viewers read.
//!
//! A [`Trace`] is made of a run that was played with a trace filter ([`crate::backends`]); it
//! judges nothing. [`around`] says which stretch of the run to look at, [`lines`] prints
//! lines one can grep, [`diagram`] and [`svg`] draw who sent what to which party, [`perfetto`] and
//! [`otlp`] are for viewers.

pub mod around;
pub mod contents;
pub mod diagram;
mod faults;
pub mod inventory;
pub mod lines;
pub mod otlp;
pub mod perfetto;
mod roles;
mod sequence;
pub mod states;
pub mod svg;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::backends::trace::{Message, Party, Traced};
use crate::backends::{LogLine, Logs, Role};
use crate::history::{History, Operation, operations};

pub use faults::{FaultSpan, faults};
pub use roles::{RoleSpan, roles};

/// A stretch of a run, both ends included; microseconds on its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Included.
    pub from_us: i64,
    /// Included.
    pub to_us: i64,
}

impl Window {
    /// Whether the moment is within.
    pub fn has(&self, at_us: i64) -> bool {
        (self.from_us..=self.to_us).contains(&at_us)
    }

    /// The part of a stretch that lies within; `None` if nothing does.
    pub fn part(&self, from_us: i64, to_us: Option<i64>) -> Option<(i64, i64)> {
        let to_us = to_us.unwrap_or(self.to_us).min(self.to_us);
        let from_us = from_us.max(self.from_us);
        (from_us <= to_us).then_some((from_us, to_us))
    }
}

/// A run to look at.
pub struct Trace<'a> {
    /// `failure-recovery seed 1`.
    pub title: String,
    /// All of it, whatever the window is.
    pub history: &'a History,
    /// Messages and what else a traced run keeps beside its history.
    pub traced: &'a Traced,
    /// What of it is looked at.
    pub window: Window,
    /// Only what concerns this node.
    pub node: Option<&'a str>,
    logs: &'a Logs,
    operations: Vec<Operation<'a>>,
    /// By number of the operation, its place among them.
    by_op: BTreeMap<u64, usize>,
    /// Operations of which `node` heard.
    at_node: BTreeSet<u64>,
}

impl<'a> Trace<'a> {
    /// `None` for the window: the whole run.
    pub fn new(
        title: String,
        history: &'a History,
        logs: &'a Logs,
        traced: &'a Traced,
        window: Option<Window>,
        node: Option<&'a str>,
    ) -> Self {
        let operations = operations(history);
        let numbered = operations.iter().enumerate();
        let by_op = numbered.map(|(place, operation)| (operation.op, place));
        let heard = traced.messages.iter();
        let heard = heard.filter(|message| node.is_some_and(|node| message.concerns(node)));
        let whole = Window {
            from_us: 0,
            to_us: end_us(history),
        };
        Self {
            title,
            history,
            traced,
            window: window.map_or(whole, |window| Window {
                to_us: window.to_us.min(whole.to_us),
                ..window
            }),
            node,
            logs,
            by_op: by_op.collect(),
            at_node: heard.filter_map(|message| message.op).collect(),
            operations,
        }
    }

    /// By its number; `None` if the history has none such.
    pub fn operation(&self, op: u64) -> Option<&Operation<'a>> {
        self.by_op.get(&op).map(|place| &self.operations[*place])
    }

    /// What is found of the first operation of the run of which anything is.
    pub fn operation_where<T>(&self, find: impl Fn(&Operation<'a>) -> Option<T>) -> Option<T> {
        self.operations.iter().find_map(find)
    }

    /// Those that were at work within the window.
    pub fn operations(&self) -> impl Iterator<Item = &Operation<'a>> {
        let is_within = |operation: &&Operation| {
            let returned_us = operation.returned_us.map(|at_us| at_us as i64);
            let within = self.window.part(operation.invoked_us as i64, returned_us);
            within.is_some() && self.is_at_node(operation.op)
        };
        self.operations.iter().filter(is_within)
    }

    /// Messages that were under way within the window.
    pub fn messages(&self) -> impl Iterator<Item = &'a Message> {
        let messages = self.traced.messages.iter();
        messages.filter(|message| {
            let within = self.window.part(message.sent_us, message.ended_us());
            within.is_some() && self.node.is_none_or(|node| message.concerns(node))
        })
    }

    /// Logged within the window.
    pub fn logs(&self) -> impl Iterator<Item = &'a LogLine> {
        let lines = self.logs.lines.iter();
        lines.filter(|line| self.window.has(line.at_us) && self.has_node(&line.node))
    }

    /// Whether what concerns the node is wanted.
    pub fn has_node(&self, node: &str) -> bool {
        self.node.is_none_or(|wanted| wanted == node)
    }

    /// Whether the operation is wanted: all are, or those of which the node heard.
    fn is_at_node(&self, op: u64) -> bool {
        self.node.is_none() || self.at_node.contains(&op)
    }

    /// Who it is: a node, or the client whose operation a message belongs to.
    pub fn name(&self, party: Party, op: Option<u64>) -> String {
        match (party, op.and_then(|op| self.operation(op))) {
            (Party::Client(_), Some(operation)) => operation.client.to_owned(),
            _ => party.to_string(),
        }
    }

    /// When the node's process ended next.
    pub fn stopped_after(&self, node: &str, at_us: i64) -> Option<i64> {
        let spans = roles(self.history).into_iter();
        let mut downs = spans.filter(|span| span.node == node && span.role == Role::Down);
        let next = downs.find(|span| span.from_us as i64 >= at_us);
        next.map(|span| span.from_us as i64)
    }

    /// Names of all nodes that are in the run, in order of their numbers.
    pub fn nodes(&self) -> Vec<String> {
        let mut nodes: Vec<&str> = roles(self.history).iter().map(|span| span.node).collect();
        nodes.sort_by_key(|node| (node.len(), *node));
        nodes.dedup();
        nodes.into_iter().map(str::to_owned).collect()
    }
}

/// When the run ended.
pub fn end_us(history: &History) -> i64 {
    history.events.last().map_or(0, |event| event.at_us as i64)
}
