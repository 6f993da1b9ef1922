//! Follows the progress of a run, event by event. Knows no clock but that of the run.

use std::collections::{BTreeMap, VecDeque};

use super::levels::{Levels, Risk};
use crate::fault::FaultKind;
use crate::history::{
    Action, Event, EventKind, FaultStatus, NodeEvent, Outcome, PROBE, Phase, Service, start_us,
};

/// Rates and percentiles are those of this stretch before now.
const RECENT_US: u64 = 1_000_000;

/// Limits that can be seen to be missed while a run works. Microseconds; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Longest gap of any service.
    pub(super) downtime_us: Option<u64>,
    /// Time without a leader.
    pub(super) election_us: Option<u64>,
}

struct Asked {
    service: Service,
    start_us: u64,
    /// The client did not ask to be kept waiting, so its latency tells of the service.
    is_prompt: bool,
    /// Of a workload: probes are the harness's own.
    is_load: bool,
}

/// What has been answered by one service.
#[derive(Default)]
struct Answering {
    outstanding: u64,
    /// The last answer, or the first question if there was none yet.
    heard_us: u64,
}

#[derive(Default)]
pub(super) struct State {
    limits: Limits,
    levels: Levels,
    at_us: u64,
    phase: Option<Phase>,
    /// Node and term.
    leader: Option<(String, u64)>,
    /// When the last leader was lost.
    leaderless_us: Option<u64>,
    /// In force, by number: kind and targets.
    faults: BTreeMap<usize, (FaultKind, Vec<String>)>,
    asked: BTreeMap<u64, Asked>,
    services: BTreeMap<Service, Answering>,
    /// Time and latency of recent acknowledgements.
    recent: VecDeque<(u64, Option<u64>)>,
    acked: u64,
    failed: u64,
    unknown: u64,
}

/// How it stands now, for whoever draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) at_us: u64,
    pub(super) phase: Option<Phase>,
    pub(super) leader: Option<(String, u64)>,
    pub(super) per_second: u64,
    pub(super) p99_us: Option<u64>,
    pub(super) acked: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
    /// `kill node-1, node-3`.
    pub(super) faults: Vec<String>,
    /// What is being missed, and by how much.
    pub(super) at_risk: Vec<Risk>,
}

impl State {
    pub(super) fn new(limits: Limits, levels: Levels) -> Self {
        Self {
            limits,
            levels,
            ..Self::default()
        }
    }

    pub(super) fn take_in(&mut self, event: &Event) {
        self.at_us = event.at_us;
        self.levels.move_to(event.at_us);
        match &event.kind {
            EventKind::Phase { phase } => {
                self.phase = Some(*phase);
                self.levels.enter(*phase, event.at_us);
            }
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            } if action.is_remote() => {
                let is_load = !client.starts_with(PROBE);
                self.invoked(*op, *intended_us, action, is_load);
            }
            EventKind::Return { op, outcome } => self.returned(*op, outcome),
            EventKind::Fault(fault) => match fault.status {
                FaultStatus::Installed if !fault.kind.is_instant() => {
                    let what = (fault.kind, fault.targets.clone());
                    self.faults.insert(fault.fault, what);
                }
                _ => drop(self.faults.remove(&fault.fault)),
            },
            EventKind::Node { node, event } => self.reported(node, event),
            _ => {}
        }
    }

    fn invoked(&mut self, op: u64, intended_us: Option<u64>, action: &Action, is_load: bool) {
        if is_load {
            self.levels.asked();
        }
        let service = action.service();
        let answering = self.services.entry(service).or_default();
        if answering.outstanding == 0 {
            // Silence while nobody asks is no outage.
            answering.heard_us = self.at_us;
        }
        answering.outstanding += 1;
        let asked = Asked {
            service,
            start_us: start_us(intended_us, self.at_us),
            is_prompt: action.wait_ms() == 0,
            is_load,
        };
        self.asked.insert(op, asked);
    }

    fn returned(&mut self, op: u64, outcome: &Outcome) {
        let Some(asked) = self.asked.remove(&op) else {
            return;
        };
        let answering = self.services.entry(asked.service).or_default();
        answering.outstanding = answering.outstanding.saturating_sub(1);
        if asked.is_load {
            self.levels.ended(outcome.is_acknowledged());
        }
        match outcome {
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Unknown { .. } => self.unknown += 1,
            _ => {
                answering.heard_us = self.at_us;
                self.acked += 1;
                let latency_us = asked.is_prompt.then(|| self.at_us - asked.start_us);
                self.recent.push_back((self.at_us, latency_us));
                self.forget();
            }
        }
    }

    fn forget(&mut self) {
        let from_us = self.at_us.saturating_sub(RECENT_US);
        while self
            .recent
            .front()
            .is_some_and(|(at_us, _)| *at_us < from_us)
        {
            self.recent.pop_front();
        }
    }

    fn reported(&mut self, node: &str, event: &NodeEvent) {
        let leads = |term: u64| self.leader.as_ref().is_none_or(|(_, other)| term > *other);
        match event {
            NodeEvent::Leader { term } if leads(*term) => {
                self.leader = Some((node.to_owned(), *term));
                self.leaderless_us = None;
            }
            NodeEvent::Stopped { .. } => self.lost(node, u64::MAX),
            NodeEvent::Follower { term, .. } => self.lost(node, *term),
            _ => {}
        }
    }

    fn lost(&mut self, node: &str, term: u64) {
        if let Some((leader, led)) = &self.leader
            && leader == node
            && term >= *led
        {
            self.leaderless_us.get_or_insert(self.at_us);
        }
    }

    pub(super) fn progress(&mut self) -> Progress {
        self.forget();
        let mut latencies: Vec<u64> = self.recent.iter().filter_map(|(_, us)| *us).collect();
        latencies.sort_unstable();
        let rank = (latencies.len() * 99).div_ceil(100);
        let faults = self.faults.values();
        Progress {
            at_us: self.at_us,
            phase: self.phase,
            leader: match self.leaderless_us {
                None => self.leader.clone(),
                Some(_) => None,
            },
            per_second: self.recent.len() as u64 * 1_000_000 / RECENT_US,
            p99_us: rank.checked_sub(1).map(|index| latencies[index]),
            acked: self.acked,
            failed: self.failed,
            unknown: self.unknown,
            faults: faults
                .map(|(kind, targets)| {
                    format!("{} {}", kind.name().replace('_', " "), targets.join(", "))
                })
                .collect(),
            at_risk: self.at_risk(),
        }
    }

    /// Limits of which more than half is used up.
    fn at_risk(&self) -> Vec<Risk> {
        // Before the chaos nothing is promised, and after serving nothing more.
        if !self
            .phase
            .is_some_and(|phase| (Phase::Chaos..=Phase::Serve).contains(&phase))
        {
            return Vec::new();
        }
        let down = self.services.iter();
        let down = down.filter(|(_, answering)| answering.outstanding > 0);
        let down = down.map(|(service, answering)| {
            (
                format!("{} down", service.name()),
                answering.heard_us,
                self.limits.downtime_us,
            )
        });
        let leaderless = self.leaderless_us;
        let leaderless = leaderless.map(|at| ("no leader".to_owned(), at, self.limits.election_us));
        down.chain(leaderless)
            .filter_map(|(what, since_us, limit_us)| {
                let for_us = self.at_us.saturating_sub(since_us);
                let limit_us = limit_us.filter(|limit_us| for_us > limit_us / 2)?;
                Some(Risk {
                    what,
                    for_us,
                    limit_us,
                })
            })
            .chain(self.levels.at_risk())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::FaultEvent;

    fn state(events: Vec<(u64, EventKind)>) -> State {
        let limits = Limits {
            downtime_us: Some(1_000_000),
            election_us: Some(600_000),
        };
        let mut state = State::new(limits, Levels::default());
        for (at_us, kind) in events {
            state.take_in(&Event { at_us, kind });
        }
        state
    }

    fn invoke(op: u64) -> EventKind {
        EventKind::Invoke {
            op,
            client: "cache-1".into(),
            intended_us: None,
            action: Action::Delete { key: "k".into() },
        }
    }

    fn returned(op: u64, outcome: Outcome) -> EventKind {
        EventKind::Return { op, outcome }
    }

    fn node(node: &str, event: NodeEvent) -> EventKind {
        EventKind::Node {
            node: node.into(),
            event,
        }
    }

    fn phase(phase: Phase) -> EventKind {
        EventKind::Phase { phase }
    }

    #[test]
    fn rate_and_percentile_are_those_of_the_last_second() {
        let stored = || Outcome::Stored { version: 0 };
        let mut events = vec![(0, invoke(0)), (500, returned(0, stored()))];
        for op in 1..=10 {
            events.push((1_900_000, invoke(op)));
            events.push((1_900_000 + op * 100, returned(op, stored())));
        }
        let why = || "timed out".to_owned();
        events.push((1_950_000, invoke(11)));
        events.push((2_000_000, returned(11, Outcome::Unknown { why: why() })));
        let progress = state(events).progress();
        assert_eq!((progress.per_second, progress.p99_us), (10, Some(1_000)));
        assert_eq!(
            (progress.acked, progress.failed, progress.unknown),
            (11, 0, 1)
        );
    }

    #[test]
    fn limits_are_at_risk_while_clients_or_the_cluster_wait() {
        let why = || "killed".to_owned();
        let mut state = state(vec![
            (0, phase(Phase::Chaos)),
            (0, node("node-1", NodeEvent::Leader { term: 1 })),
            (100_000, invoke(1)),
            (400_000, node("node-1", NodeEvent::Stopped { why: why() })),
            (800_000, phase(Phase::Chaos)),
        ]);
        let risk = |what: &str, for_us, limit_us| Risk {
            what: what.into(),
            for_us,
            limit_us,
        };
        let progress = state.progress();
        assert_eq!(progress.leader, None);
        let expected = [
            risk("cache down", 700_000, 1_000_000),
            risk("no leader", 400_000, 600_000),
        ];
        assert_eq!(progress.at_risk, expected);
        for (at_us, kind) in [
            (900_000, node("node-2", NodeEvent::Leader { term: 2 })),
            (950_000, returned(1, Outcome::Stored { version: 0 })),
        ] {
            state.take_in(&Event { at_us, kind });
        }
        let progress = state.progress();
        assert_eq!(progress.leader, Some(("node-2".into(), 2)));
        assert!(progress.at_risk.is_empty());
    }

    #[test]
    fn faults_are_in_force_until_they_are_healed() {
        let fault = |status| {
            EventKind::Fault(FaultEvent {
                fault: 3,
                kind: FaultKind::PowerLoss,
                targets: vec!["node-1".into(), "node-2".into()],
                cut_off: Vec::new(),
                drift_ppm: None,
                status,
            })
        };
        let mut state = state(vec![(10, fault(FaultStatus::Installed))]);
        assert_eq!(state.progress().faults, ["power loss node-1, node-2"]);
        let mut instant = fault(FaultStatus::Installed);
        if let EventKind::Fault(event) = &mut instant {
            (event.fault, event.kind) = (4, FaultKind::ClockJump);
        }
        state.take_in(&Event {
            at_us: 15,
            kind: instant,
        });
        assert_eq!(state.progress().faults.len(), 1, "a jump is over at once");
        let kind = fault(FaultStatus::Healed);
        state.take_in(&Event { at_us: 20, kind });
        assert!(state.progress().faults.is_empty());
    }
}
