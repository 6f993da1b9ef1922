//! Numbers the nodes and clients that take part.

use std::collections::BTreeMap;

use crate::backends::trace::{Message, Party};
use crate::history::{EventKind, PROBE};
use crate::report::Report;
use crate::trace::Trace;
use crate::trace::contents::natural;

/// Whoever sends what belongs to no operation, such as what keeps sessions alive.
const OTHERS: &str = "others";

pub(super) struct Parties {
    pub(super) nodes: Vec<String>,
    pub(super) clients: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Parties {
    pub(super) fn of(trace: &Trace, report: &Report) -> Self {
        let mut nodes = trace.nodes();
        nodes.extend((1..=report.cluster.nodes).map(|number| format!("node-{number}")));
        nodes.sort_by_cached_key(|name| natural(name));
        nodes.dedup();
        let events = trace.history.events.iter();
        let clients = events.filter_map(|event| match &event.kind {
            EventKind::Invoke { client, .. } => Some(client.clone()),
            _ => None,
        });
        let mut clients: Vec<String> = clients.collect();
        clients.sort_unstable();
        clients.dedup();
        // Probes of the harness last.
        let order = |name: &String| {
            (
                name.starts_with(PROBE),
                stem(name).to_owned(),
                natural(name),
            )
        };
        clients.sort_by_cached_key(order);
        if trace.traced.messages.iter().any(is_of_others) {
            clients.push(OTHERS.into());
        }
        let places = clients.iter().cloned().zip(0..).collect();
        Self {
            nodes,
            clients,
            places,
        }
    }

    pub(super) fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node == name)
    }

    pub(super) fn client(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// An end of a message, as rows have it.
    pub(super) fn end(&self, trace: &Trace, party: Party, op: Option<u64>) -> Option<i64> {
        match party.node() {
            Some(node) => self.node(&node).map(|place| place as i64),
            None => {
                let named = self.client(&trace.name(party, op));
                let client = named.or_else(|| self.client(OTHERS))?;
                Some(-1 - client as i64)
            }
        }
    }
}

/// Whether one of its ends is a client of which nothing more is known.
fn is_of_others(message: &Message) -> bool {
    let is_client = |party: Party| party.node().is_none();
    message.op.is_none() && (is_client(message.from) || is_client(message.to))
}

/// The name without its number.
fn stem(name: &str) -> &str {
    name.trim_end_matches(|letter: char| letter.is_ascii_digit())
}
