//! Which role each node had when, as the nodes said it themselves.

use std::collections::BTreeMap;

use crate::backends::{Part, Role};
use crate::history::{EventKind, History};

/// A stretch in which a node had one role in one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleSpan<'a> {
    /// As in the list of nodes: `node-1`.
    pub node: &'a str,
    /// As it said last.
    pub role: Role,
    /// Raft's.
    pub term: u64,
    /// When it said so, µs of the run.
    pub from_us: u64,
    /// `None`: until the end of the run.
    pub until_us: Option<u64>,
}

impl RoleSpan<'_> {
    /// `leader of term 3`.
    pub fn words(&self) -> String {
        match self.role {
            Role::Down => "down".into(),
            role => format!("{} of term {}", role.name(), self.term),
        }
    }
}

/// All of them, by when they began. A node that says nothing has none.
pub fn roles(history: &History) -> Vec<RoleSpan<'_>> {
    let mut spans: Vec<RoleSpan> = Vec::new();
    let mut parts: BTreeMap<&str, (Part, usize)> = BTreeMap::new();
    for event in &history.events {
        let EventKind::Node {
            node,
            event: report,
        } = &event.kind
        else {
            continue;
        };
        let before = parts.get(node.as_str()).copied();
        let mut part = before.map_or(Part::default(), |(part, _)| part);
        part.note(report);
        match before {
            Some((same, _)) if same == part => continue,
            Some((_, place)) => spans[place].until_us = Some(event.at_us),
            None => {}
        }
        parts.insert(node, (part, spans.len()));
        spans.push(RoleSpan {
            node,
            role: part.role,
            term: part.term,
            from_us: event.at_us,
            until_us: None,
        });
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, NodeEvent};

    #[test]
    fn roles_follow_each_other_without_a_gap() {
        let say = |at_us, event| Event {
            at_us,
            kind: EventKind::Node {
                node: "node-1".into(),
                event,
            },
        };
        let stopped = NodeEvent::Stopped {
            why: "killed".into(),
        };
        let election = NodeEvent::Election {
            term: 2,
            pre_vote: false,
        };
        let history = History {
            events: vec![
                say(5, election),
                say(7, NodeEvent::Leader { term: 2 }),
                say(8, NodeEvent::FirstCommit { term: 2, index: 1 }),
                say(9, stopped),
            ],
        };
        let seen: Vec<_> = roles(&history)
            .iter()
            .map(|span| (span.words(), span.from_us, span.until_us))
            .collect();
        let expected = [
            ("candidate of term 2".to_owned(), 5, Some(7)),
            ("leader of term 2".to_owned(), 7, Some(9)),
            ("down".to_owned(), 9, None),
        ];
        assert_eq!(seen, expected);
    }
}
