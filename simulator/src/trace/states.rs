//! Makes tables of the states of nodes: at one moment, or some values over time.

use crate::backends::trace::{NodeState, ProcessState, time};
use crate::report::Style;
use crate::report::columns;
use crate::report::document::{Severity, Table, Value, number};
use crate::report::write::text;

/// What can be watched: titles of the table.
const VALUES: [&str; 10] = [
    "role", "term", "vote", "leader", "first", "last", "commit", "applied", "snapshot", "keys",
];

/// A value that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched(&'static str);

impl Watched {
    /// # Errors
    /// There is no such value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = VALUES.into_iter().find(|value| *value == text.trim());
        known
            .map(Watched)
            .ok_or_else(|| format!("no value `{text}`; known: {}", VALUES.join(", ")))
    }
}

/// All values of all states, which are of one moment.
pub fn at_once(states: &[NodeState], style: Style) -> String {
    text::table(&table(states).without(&["time"]), style, "")
}

/// Some values, a row for each moment and node.
pub fn over_time(states: &[NodeState], watched: &[Watched], style: Style) -> String {
    let is_wanted = |title: &&str| watched.iter().any(|wanted| wanted.0 == *title);
    let others: Vec<&str> = VALUES
        .into_iter()
        .filter(|title| !is_wanted(title))
        .collect();
    text::table(&table(states).without(&others), style, "")
}

fn table(states: &[NodeState]) -> Table {
    let columns = columns! { row: NodeState;
        number "time" "time" time(row.at_us);
        text "node" "node" &row.node;
        text "process" "process" row.process.name();
        text "role" "role" of(row, |at| at.role.into());
        number "term" "term" of(row, |at| number(at.term));
        text "vote" "vote" of(row, |at| {
            let committed = if at.is_vote_committed { ", committed" } else { "" };
            format!("{}{committed}", at.vote).into()
        });
        text "leader" "leader" of(row, |at| at.leader.clone().into());
        number "first" "first_log" of(row, |at| number(at.first_log));
        number "last" "last_log" of(row, |at| number(at.last_log));
        number "commit" "commit" of(row, |at| number(at.commit));
        number "applied" "applied" of(row, |at| number(at.applied));
        number "snapshot" "snapshot" of(row, |at| number(at.snapshot));
        number "keys" "keys" of(row, |at| at.keys.into());
    };
    Table::with_severity("states", &columns, states, |row| match row.process {
        ProcessState::Up => Severity::Plain,
        ProcessState::Paused => Severity::Warning,
        ProcessState::Down => Severity::Bad,
    })
}

fn of(state: &NodeState, value: fn(&squall_cluster::node::Standing) -> Value) -> Value {
    state.standing.as_ref().map_or(Value::Nothing, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_watched_is_shown() {
        let down = |at_us, node: &str| NodeState {
            at_us,
            node: node.into(),
            process: ProcessState::Down,
            standing: None,
            held: None,
        };
        let states = [down(1_500_000, "node-1"), down(1_500_000, "node-2")];
        let watched = Watched::parse("commit").expect("it is known");
        let shown = over_time(&states, &[watched], Style::default());
        let expected = "     time  node    process  commit\n\
                        1.500000s  node-1  down          -\n\
                        1.500000s  node-2  down          -\n";
        assert_eq!(shown, expected);
        let error = Watched::parse("committed").expect_err("it is not known");
        assert!(error.contains("known: role, term"), "{error}");
    }
}
