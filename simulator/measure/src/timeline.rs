//! The history, indexed once for all measures: phases, samples, node events, leaderships.
//!
//! It exists so that the measures do not each walk a million events. It draws no
//! conclusions beyond pairing what belongs together.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::{
    Action, EventKind, History, NodeEvent, Operation, Outcome, Phase, Service, operations,
};

/// What a client knows of an operation after its return.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Acknowledged: answered, whatever the answer.
    Ok,
    /// Certainly without effect.
    Failed,
    /// May have taken effect; operations outstanding at the end included.
    Unknown,
}

/// Half-open stretch of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Included.
    pub from_us: u64,
    /// Not included.
    pub to_us: u64,
}

impl Span {
    /// 0 if it ends before it begins.
    pub fn length_us(self) -> u64 {
        self.to_us.saturating_sub(self.from_us)
    }
}

/// What the measures of time need to know of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Whose operation it is.
    pub service: Service,
    /// What was asked.
    pub action: &'a Action,
    /// Intended start in an open loop, so that a stall of the driver is not hidden;
    /// invocation otherwise.
    pub start_us: u64,
    /// `None`: never answered.
    pub end_us: Option<u64>,
    /// The phase in which it started.
    pub phase: Phase,
    /// How it ended.
    pub class: Class,
    /// How long the client itself asked to be kept waiting (long poll, lock wait).
    /// Such an operation is no evidence of a slow service before this time is over.
    pub patience_us: u64,
}

/// One term's leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// As in the list of nodes: `node-1`.
    pub node: String,
    /// Raft's; each has at most one leader.
    pub term: u64,
    /// When the node said that it leads.
    pub from_us: u64,
    /// When the leader stopped, stepped down, or was superseded, whichever was seen
    /// first; `None` while in force at the end.
    pub until_us: Option<u64>,
    /// `None`: it committed nothing of its own.
    pub first_commit_us: Option<u64>,
    /// Log index of that entry.
    pub first_commit_index: Option<u64>,
}

/// A node's report with its time.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// Microseconds of the run.
    pub at_us: u64,
    /// As in the list of nodes: `node-1`.
    pub node: &'a str,
    /// What it said.
    pub event: &'a NodeEvent,
}

/// The indexed history.
#[derive(Debug)]
pub struct Timeline<'a> {
    /// With their begins, µs, in order of time.
    pub phases: Vec<(Phase, u64)>,
    /// Time of the last event.
    pub end_us: u64,
    /// In order of invocation.
    pub operations: Vec<Operation<'a>>,
    /// One for each operation that the cluster was asked, in the same order; see
    /// [`Self::asked`].
    pub samples: Vec<Sample<'a>>,
    /// Return time and sample index of each acknowledged operation, in order of time.
    pub acks: Vec<(u64, usize)>,
    /// In order of time.
    pub reports: Vec<Reported<'a>>,
    /// In order of time.
    pub leaderships: Vec<Leadership>,
}

impl<'a> Timeline<'a> {
    /// Reads the history once.
    pub fn of(history: &'a History) -> Self {
        let mut phases = Vec::new();
        let mut reports = Vec::new();
        for event in &history.events {
            match &event.kind {
                EventKind::Phase { phase } => phases.push((*phase, event.at_us)),
                EventKind::Node {
                    node,
                    event: report,
                } => {
                    reports.push(Reported {
                        at_us: event.at_us,
                        node,
                        event: report,
                    });
                }
                _ => {}
            }
        }
        let operations = operations(history);
        let samples = operations.iter();
        let samples = samples.filter(|op| op.action.is_remote());
        let samples: Vec<_> = samples.map(|op| sample(op, &phases)).collect();
        let mut acks: Vec<_> = samples
            .iter()
            .enumerate()
            .filter(|(_, sample)| sample.class == Class::Ok)
            .filter_map(|(index, sample)| Some((sample.end_us?, index)))
            .collect();
        acks.sort_unstable();
        Self {
            end_us: history.events.last().map_or(0, |event| event.at_us),
            leaderships: leaderships(&reports),
            phases,
            operations,
            samples,
            acks,
            reports,
        }
    }

    /// Operations that the cluster was asked, with what was measured of each. What a client
    /// answers from its own cache is none of them.
    pub fn asked(&self) -> impl Iterator<Item = (&Operation<'a>, &Sample<'a>)> {
        let operations = self.operations.iter().filter(|op| op.action.is_remote());
        operations.zip(&self.samples)
    }

    /// The services that were asked, in the order of reports.
    pub fn services(&self) -> BTreeSet<Service> {
        self.samples.iter().map(|sample| sample.service).collect()
    }

    /// The stretch of a phase, if the run reached it.
    pub fn phase(&self, phase: Phase) -> Option<Span> {
        let index = self.phases.iter().position(|(p, _)| *p == phase)?;
        let to_us = self
            .phases
            .get(index + 1)
            .map_or(self.end_us, |next| next.1);
        Some(Span {
            from_us: self.phases[index].1,
            to_us,
        })
    }

    /// Start of chaos to end of serve: the stretch in which clients are promised service.
    pub fn measured(&self) -> Option<Span> {
        let from_us = self.phase(Phase::Chaos)?.from_us;
        let after = self.phases.iter().find(|(phase, _)| *phase > Phase::Serve);
        Some(Span {
            from_us,
            to_us: after.map_or(self.end_us, |(_, at_us)| *at_us),
        })
    }

    /// Times of acknowledgements, of one service or of all, in order.
    pub fn ack_times(&self, service: Option<Service>) -> Vec<u64> {
        let wanted = |index: usize| service.is_none_or(|s| self.samples[index].service == s);
        self.acks
            .iter()
            .filter(|(_, index)| wanted(*index))
            .map(|(at_us, _)| *at_us)
            .collect()
    }
}

/// How many of the sorted times lie in the span.
pub fn count_in(times: &[u64], span: Span) -> u64 {
    let before = |limit_us: u64| times.partition_point(|at_us| *at_us < limit_us);
    before(span.to_us).saturating_sub(before(span.from_us)) as u64
}

fn sample<'a>(operation: &Operation<'a>, phases: &[(Phase, u64)]) -> Sample<'a> {
    let start_us = operation.start_us();
    let begun = phases.partition_point(|(_, at_us)| *at_us <= start_us);
    Sample {
        service: operation.action.service(),
        action: operation.action,
        start_us,
        end_us: operation.returned_us,
        phase: if begun == 0 {
            Phase::Warmup
        } else {
            phases[begun - 1].0
        },
        class: match operation.outcome {
            Some(Outcome::Failed { .. }) => Class::Failed,
            Some(Outcome::Unknown { .. }) | None => Class::Unknown,
            Some(_) => Class::Ok,
        },
        patience_us: operation.action.wait_ms().saturating_mul(1000),
    }
}

/// A term's leadership begins with the first `Leader` report of a term above all earlier
/// ones; later reports of lower terms come from nodes that do not know better yet.
fn leaderships(reports: &[Reported<'_>]) -> Vec<Leadership> {
    let mut leaderships: Vec<Leadership> = Vec::new();
    let mut by_term: BTreeMap<u64, usize> = BTreeMap::new();
    for report in reports {
        let at_us = report.at_us;
        match report.event {
            NodeEvent::Leader { term }
                if leaderships.last().is_none_or(|last| *term > last.term) =>
            {
                if let Some(last) = leaderships.last_mut() {
                    last.until_us.get_or_insert(at_us);
                }
                by_term.insert(*term, leaderships.len());
                leaderships.push(Leadership {
                    node: report.node.to_owned(),
                    term: *term,
                    from_us: at_us,
                    until_us: None,
                    first_commit_us: None,
                    first_commit_index: None,
                });
            }
            NodeEvent::FirstCommit { term, index } => {
                if let Some(leadership) = by_term.get(term).map(|at| &mut leaderships[*at]) {
                    leadership.first_commit_us.get_or_insert(at_us);
                    leadership.first_commit_index.get_or_insert(*index);
                }
            }
            NodeEvent::Stopped { .. } => {
                end_leadership(&mut leaderships, report.node, u64::MAX, at_us)
            }
            NodeEvent::Follower { term, .. } => {
                end_leadership(&mut leaderships, report.node, *term, at_us)
            }
            _ => {}
        }
    }
    leaderships
}

/// Ends the last leadership if it is the node's and not younger than the report.
fn end_leadership(leaderships: &mut [Leadership], node: &str, term: u64, at_us: u64) {
    if let Some(last) = leaderships.last_mut()
        && last.node == node
        && term >= last.term
    {
        last.until_us.get_or_insert(at_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn leaderships_end_at_the_first_sign_and_ignore_stale_reports() {
        let mut script = Script::new();
        script.leader(100, "node-1", 2, 110);
        script.node(
            200,
            "node-1",
            NodeEvent::Stopped {
                why: "killed".into(),
            },
        );
        script.leader(300, "node-2", 4, 320);
        script.node(400, "node-3", NodeEvent::Leader { term: 3 });
        script.node(
            410,
            "node-2",
            NodeEvent::Follower {
                term: 3,
                leader: None,
            },
        );
        let history = script.end(500);
        let leaderships = Timeline::of(&history).leaderships;
        let seen: Vec<_> = leaderships
            .iter()
            .map(|r| {
                (
                    r.node.as_str(),
                    r.term,
                    r.from_us,
                    r.until_us,
                    r.first_commit_us,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("node-1", 2, 100, Some(200), Some(110)),
                ("node-2", 4, 300, None, Some(320))
            ]
        );
    }

    #[test]
    fn samples_start_when_intended_and_belong_to_the_phase_of_their_start() {
        let mut script = Script::new();
        script
            .phase(0, Phase::Warmup)
            .phase(1000, Phase::Chaos)
            .phase(5000, Phase::Audit);
        script.open_loop_get(900, 1200, 1500);
        script.get(1000, 1100);
        let history = script.end(6000);
        let timeline = Timeline::of(&history);
        let seen: Vec<_> = timeline
            .samples
            .iter()
            .map(|s| (s.start_us, s.phase))
            .collect();
        assert_eq!(seen, [(1000, Phase::Chaos), (900, Phase::Warmup)]);
        assert_eq!(
            timeline.measured(),
            Some(Span {
                from_us: 1000,
                to_us: 5000
            })
        );
        assert_eq!(timeline.ack_times(None), [1100, 1500]);
    }
}
