//! Operations: invocations paired with what they returned.

use std::collections::BTreeMap;

use super::{Action, EventKind, History, Outcome};

/// Names of the harness's own clients, which ask to measure downtime, begin with this.
pub const PROBE: &str = "probe-";

/// What a queue's name ends with that holds dead letters, unless it was configured otherwise,
/// which no workload does.
const DEAD_LETTERS: &str = ".dead";

/// Where the dead letters of a queue go.
pub fn dead_letters_of(queue: &str) -> String {
    format!("{queue}{DEAD_LETTERS}")
}

/// Whose dead letters a queue holds, if it is one for them.
pub fn dead_lettered_from(queue: &str) -> Option<&str> {
    queue.strip_suffix(DEAD_LETTERS)
}

/// An invocation paired with its return.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    /// Unique in its history, in order of the invocations.
    pub op: u64,
    /// At most one operation of a client is outstanding.
    pub client: &'a str,
    /// What it asked.
    pub action: &'a Action,
    /// When an open-loop schedule wanted it sent; `None` in closed loop.
    pub intended_us: Option<u64>,
    /// When it was sent, µs since the start of the run.
    pub invoked_us: u64,
    /// `None` while outstanding at the end of the history.
    pub returned_us: Option<u64>,
    /// `None` while outstanding: unknown.
    pub outcome: Option<&'a Outcome>,
    /// Positions of the two events in the history; real-time order at equal timestamps.
    pub invoke_pos: usize,
    /// `None` while outstanding.
    pub return_pos: Option<usize>,
}

impl Operation<'_> {
    /// When it was meant to start; see [`start_us`].
    pub fn start_us(&self) -> u64 {
        start_us(self.intended_us, self.invoked_us)
    }
}

/// When an operation was meant to start: what was asked too late, in an open loop, counts from
/// when it should have been, so that a stall of the driver is not hidden.
pub fn start_us(intended_us: Option<u64>, sent_us: u64) -> u64 {
    intended_us.map_or(sent_us, |at_us| at_us.min(sent_us))
}

/// Pairs invocations with returns, in order of invocation. A return that answers no
/// outstanding operation is ignored; `check` refuses such a history.
pub fn operations(history: &History) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    // Position in `operations` of what is still unanswered. Few are at any time, so this
    // stays small however long the history is.
    let mut outstanding: BTreeMap<u64, usize> = BTreeMap::new();
    for (pos, event) in history.events.iter().enumerate() {
        match &event.kind {
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            } => {
                outstanding.insert(*op, operations.len());
                operations.push(Operation {
                    op: *op,
                    client,
                    action,
                    intended_us: *intended_us,
                    invoked_us: event.at_us,
                    returned_us: None,
                    outcome: None,
                    invoke_pos: pos,
                    return_pos: None,
                });
            }
            EventKind::Return { op, outcome } => {
                if let Some(index) = outstanding.remove(op) {
                    let operation = &mut operations[index];
                    operation.returned_us = Some(event.at_us);
                    operation.outcome = Some(outcome);
                    operation.return_pos = Some(pos);
                }
            }
            _ => {}
        }
    }
    operations
}
