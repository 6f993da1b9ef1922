//! Collects what is known of the whole run: phases, roles, events of nodes, faults, outages.

use super::parties::Parties;
use super::texts::Texts;
use super::{Recording, broken, faults, indexes};
use crate::history::EventKind;
use crate::report::html::player::Player;
use crate::report::{Ms, duration};
use crate::trace::{end_us, roles, words};

/// Events of nodes that are shown; how many more there were is said.
const MOST_EVENTS: usize = 10_000;

/// The player without operations and messages.
pub(super) fn base(seen: &Recording, parties: &Parties) -> Player {
    let history = seen.trace.history;
    let mut texts = Texts::default();
    let mut phases = Vec::new();
    let mut events = Vec::new();
    let mut more = 0;
    for event in &history.events {
        let at = event.at_us as i64;
        match &event.kind {
            EventKind::Phase { phase } => phases.push((at, phase.name())),
            EventKind::Node { node, event } => {
                let said = words::node_event(event).zip(parties.node(node));
                match said {
                    Some(_) if events.len() == MOST_EVENTS => more += 1,
                    Some((text, node)) => events.push((at, node, texts.whole(&text))),
                    None => {}
                }
            }
            _ => {}
        }
    }
    let mut of_nodes = vec![Vec::new(); parties.nodes.len()];
    for span in roles(history) {
        if let Some(node) = parties.node(span.node) {
            of_nodes[node].push((span.from_us as i64, span.role.name(), span.term));
        }
    }
    let us = |ms: Ms| ms.get() as i64;
    let outages = seen.report.gaps.iter().map(|gap| {
        let words = format!(
            "{} down for {}",
            gap.service.name(),
            duration(gap.length_us())
        );
        (us(gap.from_ms), us(gap.to_ms), words)
    });
    let mut notes = Vec::new();
    if more > 0 {
        notes.push(format!("{more} more events of nodes are not shown."));
    }
    Player {
        end: end_us(history),
        nodes: parties.nodes.clone(),
        clients: parties.clients.clone(),
        texts: texts.all,
        phases,
        roles: of_nodes,
        events,
        faults: faults::faults(seen, parties),
        outages: outages.collect(),
        indexes: indexes::indexes(seen, parties),
        violations: broken::violations(seen),
        notes,
        ..Player::default()
    }
}
