//! Tallies a run event by event: the one source of what is shown and sent of it.
//!
//! It knows no clock but that of the run, and its memory is bounded: counters, histograms,
//! points that are taken together as a run grows ([`series`]), and what is under way. A figure
//! that is looked at second by second has a value for each whole second of a phase; one that
//! is looked at at once, for each tenth of a second. What each event counts is in `events`.
//!
//! Approximate where the report is exact: percentiles are those of histograms, an operation
//! without an acknowledgement counts where it ended and not where it was meant to start, and
//! [`clients`] says what of downtime cannot be known yet.

pub mod clients;
mod events;
pub mod nodes;
pub mod operations;
mod second;
pub mod series;
pub mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use squall_fault::FaultKind;
use squall_history::resources::ResourceSample;
use squall_history::{Event, EventKind, Phase, Service};
use squall_objective::objective::{Looked, Metric};
use squall_plan::plan::Plan;

use crate::alerts::{Alerts, NotNow};
use clients::Clients;
use nodes::Nodes;
use operations::Operations;
use second::{Named, Second, is_of};
use series::{BarKind, Series};
use standing::Standings;

const SECOND_US: u64 = 1_000_000;
/// Figures that are looked at at once are looked at so often.
const LOOK_US: u64 = 100_000;
/// Rates and percentiles of now are those of this stretch before it.
const RECENT_US: u64 = 1_000_000;

/// An operation that waits for its answer.
#[derive(Debug)]
struct Asked {
    service: Service,
    operation: &'static str,
    start_us: u64,
    /// The client did not ask to be kept waiting, so its latency tells of the service.
    is_prompt: bool,
    /// Place of the client, of a workload: probes are the harness's own.
    client: Option<usize>,
}

/// What one service has answered.
#[derive(Debug, Default)]
struct Answering {
    outstanding: u64,
    /// The last answer, or the first question if there was none yet.
    heard_us: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Tally {
    /// Time of the last event or sample, µs of the run.
    pub at_us: u64,
    /// `None` before the first.
    pub phase: Option<Phase>,
    /// Node and term of the last leader.
    leader: Option<(String, u64)>,
    /// When it was lost.
    leaderless_us: Option<u64>,
    /// The longest without a leader, among those that are over.
    leaderless_longest_us: u64,
    /// In force, by number: kind and targets.
    faults: BTreeMap<usize, (FaultKind, Vec<String>)>,
    outstanding: BTreeMap<u64, Asked>,
    services: BTreeMap<Service, Answering>,
    /// Time and latency of recent acknowledgements.
    recent: VecDeque<(u64, Option<u64>)>,
    /// What was asked, and how it ended.
    pub operations: Operations,
    /// Which clients have no service.
    pub clients: Clients,
    /// What nodes use.
    pub nodes: Nodes,
    /// Messages published and not consumed; `None` before the first.
    pub depth: Option<u64>,
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Leaderships that began.
    pub elections: u64,
    /// Points of the graphs, and bars of what lasts.
    pub series: Series,
    /// Alerts that are on, and were.
    pub alerts: Alerts,
    /// How objectives stand.
    pub standings: Standings,
    /// The second at hand: whose phase it is of, where it began, and what was counted.
    second_of: Option<(Phase, u64)>,
    second: Second,
    /// Since the start of chaos.
    whole: Second,
    /// Operations of workloads without an answer.
    load_outstanding: u64,
    /// When chaos began.
    chaos_us: Option<u64>,
    /// When figures are looked at next.
    look_us: u64,
}

impl Tally {
    /// Of a run that has not begun.
    pub fn of(plan: &Plan) -> Self {
        let figures = plan.objectives.iter().map(|objective| &objective.figure);
        let figures = figures.chain(plan.alerts.iter().map(|alert| &alert.metric));
        let mut named: Vec<Named> = figures
            .filter_map(|figure| match figure {
                Metric::Latency {
                    service, operation, ..
                } => Some((*service, operation.clone())),
                _ => None,
            })
            .collect();
        named.sort_unstable();
        named.dedup();
        Self {
            at_us: 0,
            phase: None,
            leader: None,
            leaderless_us: None,
            leaderless_longest_us: 0,
            faults: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            services: BTreeMap::new(),
            recent: VecDeque::new(),
            operations: Operations::default(),
            clients: Clients::default(),
            nodes: Nodes::default(),
            depth: None,
            hits: 0,
            reads: 0,
            elections: 0,
            series: Series::default(),
            alerts: Alerts::of(&plan.alerts),
            standings: Standings::of(&plan.objectives),
            second_of: None,
            second: Second::watching(&named),
            whole: Second::watching(&named),
            load_outstanding: 0,
            chaos_us: None,
            look_us: LOOK_US,
        }
    }

    /// In order of time, as they were recorded.
    pub fn take_in(&mut self, event: &Event) {
        self.move_to(event.at_us);
        match &event.kind {
            EventKind::Phase { phase } => self.enter(*phase),
            EventKind::Invoke {
                op,
                client,
                intended_us,
                action,
            } => match action.is_remote() {
                true => self.invoked(*op, client, *intended_us, action),
                // What a client answers itself is no service of the cluster.
                false => drop(self.outstanding.remove(op)),
            },
            EventKind::Retry { op, before, .. } => self.retried(*op, before.as_ref()),
            EventKind::Return { op, outcome } => self.returned(*op, outcome),
            EventKind::Fault(fault) => self.struck(fault),
            EventKind::Node { node, event } => self.reported(node, event),
            _ => {}
        }
    }

    /// Of a node, whenever there is one.
    pub fn take_sample(&mut self, sample: &ResourceSample) {
        self.move_to(sample.at_us);
        let (cpu_ppm, memory_bytes) = self.nodes.take(sample);
        self.series.used(cpu_ppm, memory_bytes);
    }

    /// The run is over.
    pub fn finish(&mut self) {
        for asked in std::mem::take(&mut self.outstanding).into_values() {
            self.operations.unanswered(asked.service, asked.operation);
        }
        self.standings.finish();
        self.alerts.finish(self.at_us);
        self.end_bars();
    }

    fn end_bars(&mut self) {
        for kind in [
            BarKind::Phase,
            BarKind::Fault,
            BarKind::Leader,
            BarKind::Alert,
        ] {
            self.series.end(kind, None, self.at_us);
        }
    }

    /// Nothing happened until then but what was reported. What is reported late, as nodes in
    /// containers are, counts where the run is.
    fn move_to(&mut self, at_us: u64) {
        loop {
            let second_us = self
                .second_of
                .map_or(u64::MAX, |(_, from)| from + SECOND_US);
            let next_us = second_us.min(self.look_us).min(self.series.next_us());
            if next_us > at_us {
                break;
            }
            self.at_us = next_us;
            if next_us == second_us {
                self.end_second();
            }
            if next_us == self.look_us {
                self.look();
                self.look_us += LOOK_US;
            }
            if next_us == self.series.next_us() {
                self.series.close(self.depth, self.outstanding.len() as u64);
            }
        }
        self.at_us = self.at_us.max(at_us);
    }

    fn enter(&mut self, phase: Phase) {
        let at_us = self.at_us;
        if phase == Phase::Chaos {
            self.whole.clear(false);
            self.clients.begin();
            self.leaderless_longest_us = 0;
            self.chaos_us = Some(at_us);
        }
        self.series.end(BarKind::Phase, None, at_us);
        if phase != Phase::End {
            let name = phase.name().to_owned();
            self.series
                .begin(BarKind::Phase, "phase".into(), name, at_us);
        }
        self.phase = Some(phase);
        // Only whole seconds of one phase count.
        self.second_of = Some((phase, at_us));
        self.second.clear(self.load_outstanding > 0);
        let not_now = |figure: &Metric| !is_of(figure, phase);
        self.standings.enter(not_now);
        for looked in [Looked::BySecond, Looked::AtOnce] {
            self.alerts.look(looked, at_us, at_us, |alert| {
                match is_of(&alert.metric, phase) {
                    true => Ok(None),
                    false => Err(NotNow),
                }
            });
        }
        self.note_alerts();
    }

    fn end_second(&mut self) {
        let Some((phase, from_us)) = self.second_of else {
            return;
        };
        let to_us = from_us + SECOND_US;
        let second = &self.second;
        let value = |figure: &Metric| match is_of(figure, phase) {
            true => second.value(figure, SECOND_US),
            false => None,
        };
        self.standings.end_second(from_us, to_us, value);
        self.alerts.look(Looked::BySecond, from_us, to_us, |alert| {
            Ok(value(&alert.metric))
        });
        self.second_of = Some((phase, to_us));
        self.second.clear(self.load_outstanding > 0);
        self.note_alerts();
    }

    /// Looks at what can be looked at at once: now and then, and when a client or the cluster
    /// is about to have waited for as long as it does.
    fn look(&mut self) {
        let at_us = self.at_us;
        let now = self.clients.now(at_us);
        self.series.without(now.without);
        let Some(phase) = self
            .phase
            .filter(|phase| is_of(&Metric::DowntimeMax, *phase))
        else {
            return;
        };
        let leaderless_us = self.leaderless_for_us();
        let used = self.nodes.most();
        let depth = self.depth;
        let value = |figure: &Metric| match figure {
            Metric::DowntimeMax => Some(now.for_us),
            Metric::Election { .. } => Some(leaderless_us),
            Metric::BacklogEnd => depth,
            Metric::Memory => used.memory_bytes,
            Metric::Cpu => used.cpu_ppm,
            _ => None,
        };
        self.alerts.look(Looked::AtOnce, at_us, at_us, |alert| {
            Ok(value(&alert.metric))
        });
        let longest_us = self.clients.longest_us(at_us);
        let leaderless_longest_us = self.leaderless_longest_us.max(leaderless_us);
        let (whole, length_us) = (&self.whole, self.loaded_us());
        self.standings.look(|figure| match figure {
            Metric::DowntimeMax => Some(longest_us),
            Metric::Election { .. } => Some(leaderless_longest_us),
            Metric::BacklogEnd | Metric::Memory | Metric::Cpu => value(figure),
            Metric::Throughput { .. } if phase != Phase::Chaos => None,
            // What is counted since the start of chaos tells of no other phase.
            Metric::ErrorRate { phase: Some(of) } if [*of, phase] != [Phase::Chaos; 2] => None,
            _ => whole.value(figure, length_us),
        });
        self.note_alerts();
    }

    /// How long the load of chaos has been going on.
    fn loaded_us(&self) -> u64 {
        match (self.chaos_us, self.phase) {
            (Some(from_us), Some(Phase::Chaos)) => self.at_us - from_us,
            _ => 0,
        }
    }

    /// Draws what has begun and ended, and keeps it for whoever acts.
    fn note_alerts(&mut self) {
        if self.alerts.is_empty() {
            return;
        }
        let names: Vec<(String, &'static str, u64)> = (self.alerts.on())
            .map(|(alert, from_us)| (alert.name.clone(), alert.severity.name(), from_us))
            .collect();
        let open = |name: &str, bars: &[series::Bar]| {
            let mut bars = bars.iter().rev();
            bars.any(|bar| bar.kind == BarKind::Alert && bar.to_us.is_none() && bar.lane == name)
        };
        for (name, severity, from_us) in &names {
            if !open(name, &self.series.bars) {
                let (lane, label) = (name.clone(), (*severity).to_owned());
                self.series.begin(BarKind::Alert, lane, label, *from_us);
            }
        }
        let over: Vec<(String, String)> = (self.series.bars.iter())
            .filter(|bar| bar.kind == BarKind::Alert && bar.to_us.is_none())
            .filter(|bar| !names.iter().any(|(name, ..)| *name == bar.lane))
            .map(|bar| (bar.lane.clone(), bar.label.clone()))
            .collect();
        for (lane, label) in over {
            self.series
                .end(BarKind::Alert, Some((&lane, &label)), self.at_us);
        }
    }

    fn forget(&mut self) {
        let from_us = self.at_us.saturating_sub(RECENT_US);
        while (self.recent.front()).is_some_and(|(at_us, _)| *at_us < from_us) {
            self.recent.pop_front();
        }
    }

    /// Node and term; `None` while there is none.
    pub fn leader(&self) -> Option<(&str, u64)> {
        let (node, term) = self.leader.as_ref()?;
        self.leaderless_us
            .is_none()
            .then_some((node.as_str(), *term))
    }

    /// The last term in which anybody led.
    pub fn term(&self) -> Option<u64> {
        self.leader.as_ref().map(|(_, term)| *term)
    }

    /// For how long there has been no leader.
    pub fn leaderless_for_us(&self) -> u64 {
        self.leaderless_us.map_or(0, |at_us| self.at_us - at_us)
    }

    /// `kill node-1, node-3`: what is in force.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.faults.values();
        let text = |(kind, targets): &(FaultKind, Vec<String>)| {
            format!("{} {}", kind.name().replace('_', " "), targets.join(", "))
        };
        faults.map(text).collect()
    }

    /// Acknowledged in the last second.
    pub fn per_second(&mut self) -> u64 {
        self.forget();
        self.recent.len() as u64 * 1_000_000 / RECENT_US
    }

    /// By nearest rank, of the last second; each of `per_mille` is 1 to 1,000.
    pub fn recent_us<const N: usize>(&mut self, per_mille: [usize; N]) -> [Option<u64>; N] {
        self.forget();
        let mut latencies: Vec<u64> = self.recent.iter().filter_map(|(_, us)| *us).collect();
        latencies.sort_unstable();
        per_mille.map(|share| {
            let rank = (latencies.len() * share).div_ceil(1_000);
            rank.checked_sub(1).map(|index| latencies[index])
        })
    }

    /// Services that are asked and have answered nobody: for how long.
    pub fn silent(&self) -> impl Iterator<Item = (Service, u64)> {
        let asked = self.services.iter();
        let asked = asked.filter(|(_, answering)| answering.outstanding > 0);
        asked.map(|(service, answering)| (*service, self.at_us.saturating_sub(answering.heard_us)))
    }

    /// Operations that wait for an answer.
    pub fn outstanding(&self) -> u64 {
        self.outstanding.len() as u64
    }

    /// Whether what happens now counts for objectives.
    pub fn is_measured(&self) -> bool {
        self.phase
            .is_some_and(|phase| is_of(&Metric::DowntimeMax, phase))
    }
}
