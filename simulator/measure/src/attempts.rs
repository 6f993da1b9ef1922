//! Lists each client's requests to each service, attempt by attempt, and how each attempt ended.
//!
//! An operation that is sent again until its outcome is known is one operation of the history
//! and several attempts here. An attempt says something about a service only as far as its
//! client listened: what a client gave up on purpose, or had no time to hear because it was
//! made to vanish, ends unheard. So does a read in vain from one named node, which may be away
//! while the service is there.

use std::collections::BTreeMap;

use squall_fault::FaultKind;
use squall_history::{
    Action, EventKind, FaultEvent, FaultStatus, History, Operation, Outcome, PROBE, Service,
};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By an answer of the service, if only a refusal that its rules demand.
    Answered,
    /// Without one: failed, given up when its time was over, or still waiting at the end.
    InVain,
    /// Nobody knows: the client did not listen.
    Unheard,
}

/// One sending of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub asked_us: u64,
    /// From when the client had to wait: later than `asked_us` by what it asked to be kept
    /// waiting itself, at most to the end.
    pub waits_us: u64,
    /// The answer, or the end of the wait for it.
    pub to_us: u64,
    pub ended: Ended,
    /// The history ends before it did.
    pub is_open: bool,
}

impl Attempt {
    /// How long the client waited without having asked for that.
    pub fn wait_us(&self) -> u64 {
        self.to_us - self.waits_us
    }

    /// The answer without the time that the client asked to be kept waiting.
    pub fn answered_us(&self) -> u64 {
        self.to_us - (self.waits_us - self.asked_us)
    }
}

/// All that a client asked of a service, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker<'a> {
    pub client: &'a str,
    pub service: Service,
    pub attempts: Vec<Attempt>,
}

impl Asker<'_> {
    /// Whether it is one of the harness's own that ask to measure.
    pub fn is_probe(&self) -> bool {
        self.client.starts_with(PROBE)
    }
}

/// Every client with every service that it asked, by service and name.
pub fn askers<'a>(history: &'a History, operations: &[Operation<'a>]) -> Vec<Asker<'a>> {
    let mut retries: BTreeMap<u64, Vec<(u64, Ended)>> = BTreeMap::new();
    let mut vanished: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &history.events {
        match &event.kind {
            EventKind::Retry {
                op,
                unheard,
                before,
            } => {
                let ended = match before {
                    Some(outcome) if outcome.is_answer() => Ended::Answered,
                    _ if *unheard => Ended::Unheard,
                    _ => Ended::InVain,
                };
                retries.entry(*op).or_default().push((event.at_us, ended));
            }
            EventKind::Fault(FaultEvent {
                kind: FaultKind::ClientCrash,
                targets,
                status: FaultStatus::Installed,
                ..
            }) => vanished.extend(targets.iter().map(|client| (client.as_str(), event.at_us))),
            _ => {}
        }
    }
    let end_us = history.events.last().map_or(0, |event| event.at_us);
    let mut askers: BTreeMap<(Service, &str), Vec<Attempt>> = BTreeMap::new();
    for operation in operations.iter().filter(|op| op.action.is_remote()) {
        let key = (operation.action.service(), operation.client);
        let again = retries.get(&operation.op).map_or(&[][..], Vec::as_slice);
        let vanished_us = vanished.get(operation.client).copied();
        let attempts = askers.entry(key).or_default();
        attempts.extend(attempts_of(operation, again, vanished_us, end_us));
    }
    let askers = askers.into_iter();
    askers
        .map(|((service, client), attempts)| Asker {
            client,
            service,
            attempts,
        })
        .collect()
}

/// The attempts of one operation, which was sent again at the times of `again`.
fn attempts_of(
    operation: &Operation<'_>,
    again: &[(u64, Ended)],
    vanished_us: Option<u64>,
    end_us: u64,
) -> impl Iterator<Item = Attempt> {
    let asked = [operation.invoked_us].into_iter();
    let asked = asked.chain(again.iter().map(|(at_us, _)| *at_us));
    let given_up = again.iter().map(|(at_us, ended)| (*at_us, *ended, false));
    let last = match (operation.outcome, operation.returned_us, vanished_us) {
        (Some(outcome), Some(at_us), _) => (at_us, ended(operation.action, outcome), false),
        (_, _, Some(at_us)) => (at_us.max(operation.invoked_us), Ended::Unheard, false),
        _ => (end_us, ended_open(operation.action), true),
    };
    let patience_us = operation.action.wait_ms().saturating_mul(1_000);
    let ends = given_up.chain([last]).collect::<Vec<_>>();
    asked
        .zip(ends)
        .map(move |(asked_us, (to_us, ended, is_open))| Attempt {
            asked_us,
            waits_us: (asked_us.saturating_add(patience_us)).min(to_us),
            to_us,
            ended,
            is_open,
        })
}

fn ended(action: &Action, outcome: &Outcome) -> Ended {
    if outcome.is_answer() {
        Ended::Answered
    } else if outcome.is_unheard() {
        Ended::Unheard
    } else {
        ended_open(action)
    }
}

/// Of an operation without an answer.
fn ended_open(action: &Action) -> Ended {
    match action {
        Action::GetFrom { .. } => Ended::Unheard,
        _ => Ended::InVain,
    }
}
