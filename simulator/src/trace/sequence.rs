//! Prepares a sequence diagram, to be drawn in text or as SVG: the parties, and the order of
//! what happens.

use super::{Trace, words};
use crate::backends::trace::{Fate, Message, Party};
use crate::history::EventKind;

/// All clients stand on one line.
pub(super) const CLIENTS: &str = "clients";
/// More happenings than this make no drawing that anybody can read.
pub(super) const MOST_HAPPENINGS: usize = 2_000;

pub(super) struct Sequence {
    /// Clients first.
    pub(super) parties: Vec<String>,
    /// In order of time.
    pub(super) happenings: Vec<Happening>,
}

pub(super) struct Happening {
    pub(super) at_us: i64,
    pub(super) what: What,
}

pub(super) enum What {
    Arrow {
        /// Places among the parties.
        from: usize,
        to: usize,
        label: String,
        end: End,
    },
    /// A node says something of itself.
    Event { at: usize, label: String },
    /// Something happens to all, or to the harness.
    Rule { label: String },
}

/// How an arrow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Arrives {
        at_us: i64,
        is_held: bool,
    },
    /// Nobody took it, or it never came.
    Lost,
}

impl Sequence {
    /// # Errors
    /// Too much happens to be drawn.
    pub(super) fn of(trace: &Trace) -> Result<Self, String> {
        let mut parties = vec![CLIENTS.to_owned()];
        parties.extend(trace.nodes());
        let place = |name: &str| parties.iter().position(|party| party == name);
        let mut happenings: Vec<Happening> = Vec::new();
        for event in &trace.history.events {
            let at_us = event.at_us as i64;
            if !trace.window.has(at_us) {
                continue;
            }
            let what = match &event.kind {
                EventKind::Node { node, event } => {
                    let label = words::node_event(event).filter(|_| trace.has_node(node));
                    let at = place(node);
                    label.zip(at).map(|(label, at)| What::Event { at, label })
                }
                EventKind::Fault(fault) => Some(What::Rule {
                    label: format!("fault {}: {}", fault.fault, words::fault(fault)),
                }),
                EventKind::Phase { phase } => Some(What::Rule {
                    label: format!("phase {}", phase.name()),
                }),
                _ => None,
            };
            happenings.extend(what.map(|what| Happening { at_us, what }));
        }
        for message in trace.messages() {
            let party = |party: Party| match party.node() {
                Some(node) => place(&node),
                None => Some(0),
            };
            if let (Some(from), Some(to)) = (party(message.from), party(message.to)) {
                happenings.push(Happening {
                    at_us: message.sent_us,
                    what: What::Arrow {
                        from,
                        to,
                        label: label(trace, message),
                        end: end(message),
                    },
                });
            }
        }
        if happenings.len() > MOST_HAPPENINGS {
            return Err(format!(
                "{} things happen there, and a drawing of more than {MOST_HAPPENINGS} cannot be \
                 read: narrow it with --around, --from and --to, or --node",
                happenings.len()
            ));
        }
        happenings.sort_by_key(|happening| happening.at_us);
        Ok(Self {
            parties,
            happenings,
        })
    }
}

fn label(trace: &Trace, message: &Message) -> String {
    let client = match (message.from, message.to) {
        (Party::Client(_), _) => Some(message.from),
        (_, Party::Client(_)) => Some(message.to),
        _ => None,
    };
    let client = client.map(|party| format!("{}: ", trace.name(party, message.op)));
    format!("{}{}", client.unwrap_or_default(), message.content)
}

fn end(message: &Message) -> End {
    match message.fate {
        Fate::Arrived { at_us, .. } => End::Arrives {
            at_us,
            is_held: !message.held.is_empty(),
        },
        Fate::UnderWay | Fate::Lost { .. } => End::Lost,
    }
}
