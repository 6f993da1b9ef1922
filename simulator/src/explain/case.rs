//! Prepares a run for the rules: the operations in question, the log, roles and faults.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_cluster::raft::RaftOptions;
use squall_cluster::state::Limits;

use super::appends::range;
use crate::backends::Role;
use crate::backends::trace::{Content, Message, Party, time};
use crate::check::{CheckResult, Verdict};
use crate::history::{Event, EventKind, Operation, operations};
use crate::plan::Plan;
use crate::report::Report;
use crate::trace::around::cited_operations;
use crate::trace::{FaultSpan, RoleSpan, Trace, faults, lines, roles, words};

/// Operations that are explained, of those that a check shows.
const MOST_OPERATIONS: usize = 4;

/// What the plan says of the cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    /// How many nodes form it.
    pub(super) nodes: usize,
    /// For how long a voter that has heard from a leader helps nobody else to lead.
    pub(super) promise: Duration,
    /// For how long a leader may go on without an answer of a majority before log time stops.
    pub(super) lease: Duration,
    /// What the replicated state may hold.
    pub(super) limits: Limits,
}

impl Cluster {
    pub(super) fn of(plan: &Plan) -> Self {
        let timing = RaftOptions {
            heartbeat_ms: plan.cluster.heartbeat_ms,
            election_min_ms: plan.cluster.election_min_ms,
            election_max_ms: plan.cluster.election_max_ms,
            ..RaftOptions::default()
        };
        Self {
            nodes: plan.cluster.nodes,
            promise: timing.promise(),
            lease: Duration::from_millis(plan.cluster.election_max_ms),
            limits: Limits {
                cache_entries: plan.cluster.cache_entries,
                ..Limits::default()
            },
        }
    }
}

pub(super) struct Case<'t, 'a> {
    pub(super) trace: &'t Trace<'a>,
    pub(super) report: &'t Report,
    pub(super) cluster: Cluster,
    /// Those that the first broken check shows, in order of time.
    pub(super) operations: Vec<Operation<'a>>,
    pub(super) roles: Vec<RoleSpan<'a>>,
    pub(super) faults: Vec<FaultSpan<'a>>,
    /// Messages by number.
    by_number: BTreeMap<u64, &'a Message>,
    /// The answer to each message that has one, by the number of that.
    answers: BTreeMap<u64, &'a Message>,
    /// Messages of each operation.
    of_op: BTreeMap<u64, Vec<&'a Message>>,
    /// When each entry was first sent.
    first_sent_us: BTreeMap<u64, i64>,
}

impl<'t, 'a> Case<'t, 'a> {
    pub(super) fn new(trace: &'t Trace<'a>, report: &'t Report, cluster: Cluster) -> Self {
        let all = operations(trace.history);
        let evidence = broken(report).next().map(|check| check.evidence.as_slice());
        let cited = cited_operations(evidence.unwrap_or_default(), &all);
        let mut cited: Vec<Operation> = cited.into_iter().cloned().collect();
        cited.truncate(MOST_OPERATIONS);
        cited.sort_by_key(|operation| operation.invoked_us);
        let messages = &trace.traced.messages;
        let mut of_op: BTreeMap<u64, Vec<&Message>> = BTreeMap::new();
        for message in messages {
            if let Some(op) = message.op {
                of_op.entry(op).or_default().push(message);
            }
        }
        let mut first_sent_us = BTreeMap::new();
        for message in messages {
            let (from, to) = range(message).unwrap_or((1, 0));
            for entry in from..=to {
                first_sent_us.entry(entry).or_insert(message.sent_us);
            }
        }
        Self {
            trace,
            report,
            cluster,
            operations: cited,
            roles: roles(trace.history),
            faults: faults(trace.history),
            by_number: messages.iter().map(|m| (m.number, m)).collect(),
            answers: messages
                .iter()
                .filter_map(|m| Some((m.answers?, m)))
                .collect(),
            of_op,
            first_sent_us,
        }
    }

    /// Messages from when the entry was first sent, or all if it never was, to `until_us`.
    pub(super) fn messages_since(
        &self,
        entry: u64,
        until_us: i64,
    ) -> impl Iterator<Item = &'a Message> {
        self.messages_between(self.first_sent_us(entry), until_us)
    }

    /// When an entry was first sent; before all else if it never was.
    pub(super) fn first_sent_us(&self, entry: u64) -> i64 {
        let sent_us = self.first_sent_us.get(&entry);
        sent_us.copied().unwrap_or(i64::MIN)
    }

    /// Messages that were sent from one time to another, both included.
    pub(super) fn messages_between(
        &self,
        from_us: i64,
        to_us: i64,
    ) -> impl Iterator<Item = &'a Message> {
        let messages = &self.trace.traced.messages;
        let from = messages.partition_point(|message| message.sent_us < from_us);
        let sent = messages[from..].iter();
        sent.take_while(move |message| message.sent_us <= to_us)
    }

    /// What was sent for an operation and answered, in order.
    pub(super) fn messages_of(&self, op: u64) -> &[&'a Message] {
        self.of_op.get(&op).map_or(&[], Vec::as_slice)
    }

    pub(super) fn message(&self, number: u64) -> Option<&'a Message> {
        self.by_number.get(&number).copied()
    }

    pub(super) fn answer_to(&self, number: u64) -> Option<&'a Message> {
        self.answers.get(&number).copied()
    }

    /// The call and the answer from which the client learnt the outcome.
    pub(super) fn exchange(&self, operation: &Operation) -> Option<(&'a Message, &'a Message)> {
        let returned_us = operation.returned_us? as i64;
        let answers = self.messages_of(operation.op).iter();
        let mut answers = answers.rev();
        let answer = answers.find(|message| {
            matches!(message.content, Content::Answer { .. })
                && message.read_us().is_some_and(|at_us| at_us <= returned_us)
        })?;
        Some((self.message(answer.answers?)?, answer))
    }

    /// What the node was at a time, as it had said last.
    pub(super) fn role_at(&self, node: &str, at_us: i64) -> Option<&RoleSpan<'a>> {
        let mut spans = self.roles.iter().rev();
        spans.find(|span| span.node == node && span.from_us as i64 <= at_us)
    }

    /// The leader of the latest term that had begun at a time.
    pub(super) fn latest_leader(&self, at_us: i64) -> Option<&RoleSpan<'a>> {
        let leaders = self.roles.iter();
        let leaders =
            leaders.filter(|span| span.role == Role::Leader && span.from_us as i64 <= at_us);
        leaders.max_by_key(|span| span.term)
    }

    /// Faults in force at a time that cut the node off, or have it as a target.
    pub(super) fn faults_at(&self, node: &str, at_us: i64) -> Vec<&FaultSpan<'a>> {
        let at_us = at_us.max(0) as u64;
        let concerns = |span: &&FaultSpan| span.is_in_force(at_us) && names_node(span, node);
        self.faults.iter().filter(concerns).collect()
    }

    /// Of the whole stretch that the operations take.
    pub(super) fn stretch(&self) -> Option<(i64, i64)> {
        let begins = self.operations.iter().map(|o| o.invoked_us as i64).min()?;
        let ends = self.operations.iter();
        let ends = ends
            .map(|o| o.returned_us.unwrap_or(o.invoked_us) as i64)
            .max()?;
        Some((begins, ends))
    }

    /// A message as a line of the trace.
    pub(super) fn line_of(&self, message: &Message) -> String {
        let line = lines::message_line(self.trace, message);
        format!("{} {line}", time(message.sent_us))
    }

    /// The line of a node's event at a time, if there is one whose words fit.
    pub(super) fn event_line(&self, node: &str, at_us: u64, fits: &str) -> Option<String> {
        let mut events = self.events_from(at_us);
        events.find_map(|event| {
            let EventKind::Node {
                node: of,
                event: said,
            } = &event.kind
            else {
                return None;
            };
            let text = words::node_event(said).filter(|text| text.contains(fits))?;
            (of == node && event.at_us == at_us)
                .then(|| format!("{} {node} {text}", time(at_us as i64)))
        })
    }

    pub(super) fn role_line(&self, span: &RoleSpan) -> Vec<String> {
        let fits = match span.role {
            Role::Down => "stopped",
            Role::Leader => "leads",
            Role::Follower => "follows",
            Role::Candidate => "elect",
        };
        let line = self.event_line(span.node, span.from_us, fits);
        line.into_iter().collect()
    }

    fn events_from(&self, at_us: u64) -> impl Iterator<Item = &'a Event> {
        let events = &self.trace.history.events;
        let from = events.partition_point(|event| event.at_us < at_us);
        events[from..].iter()
    }

    pub(super) fn fault_line(&self, span: &FaultSpan) -> String {
        let until = match span.until_us {
            Some(until_us) => format!("healed at {}", time(until_us as i64)),
            None => "never healed".into(),
        };
        format!(
            "{} fault {} {} installed, {until}",
            time(span.from_us as i64),
            span.event.fault,
            span.words()
        )
    }

    /// Nodes that confirmed, between two times, a call of the node that was sent in between and
    /// that `counts`.
    pub(super) fn confirmed_by(
        &self,
        node: &str,
        (from_us, to_us): (i64, i64),
        counts: impl Fn(&Message) -> bool,
    ) -> Vec<Party> {
        let confirmed = self.messages_between(from_us, to_us).filter(|message| {
            let is_answered = |answer: &Message| {
                answer.content.name() == "appended"
                    && answer.read_us().is_some_and(|at_us| at_us <= to_us)
            };
            message.from.node().as_deref() == Some(node)
                && counts(message)
                && self.answer_to(message.number).is_some_and(is_answered)
        });
        let mut by: Vec<Party> = confirmed.map(|message| message.to).collect();
        by.sort_unstable();
        by.dedup();
        by
    }

    /// How many nodes besides the leader make a majority with it.
    pub(super) fn others_needed(&self) -> usize {
        self.cluster.nodes / 2
    }
}

/// Whether a target of the fault, such as `node-1->node-2`, names the node.
fn names_node(span: &FaultSpan, node: &str) -> bool {
    let mut names = span.event.targets.iter().chain(&span.event.cut_off);
    names.any(|target| target.split("->").any(|end| end == node))
}

/// Broken checks, those of promises before those of recovery.
pub(super) fn broken(report: &Report) -> impl Iterator<Item = &CheckResult> {
    let checks = report.checks.iter();
    checks.filter(|check| check.verdict == Verdict::Fail)
}
