//! Counts what events say: operations of clients, faults, and leadership of nodes.

use std::collections::BTreeMap;

use squall_fault::FaultKind;
use squall_history::{Action, FaultEvent, FaultStatus, NodeEvent, Outcome, PROBE, start_us};

use super::second::Ended;
use super::series::BarKind;
use super::{Asked, Tally};

impl Tally {
    pub(super) fn invoked(
        &mut self,
        op: u64,
        client: &str,
        intended_us: Option<u64>,
        action: &Action,
    ) {
        let is_load = !client.starts_with(PROBE);
        let (service, operation) = (action.service(), action.operation());
        self.operations.started(service, operation);
        let place = is_load.then(|| {
            self.load_outstanding += 1;
            self.second.asked();
            self.whole.asked();
            self.clients.asked(client, self.at_us, action)
        });
        let answering = self.services.entry(service).or_default();
        if answering.outstanding == 0 {
            // Silence while nobody asks is no outage.
            answering.heard_us = self.at_us;
        }
        answering.outstanding += 1;
        let asked = Asked {
            service,
            operation,
            start_us: start_us(intended_us, self.at_us),
            is_prompt: action.wait_ms() == 0,
            client: place,
        };
        self.outstanding.insert(op, asked);
    }

    pub(super) fn retried(&mut self, op: u64, before: Option<&Outcome>) {
        if let Some(client) = self.outstanding.get(&op).and_then(|asked| asked.client) {
            self.clients.heard(client, self.at_us, before, true);
        }
    }

    pub(super) fn returned(&mut self, op: u64, outcome: &Outcome) {
        let Some(asked) = self.outstanding.remove(&op) else {
            return;
        };
        let latency_us = self.at_us.saturating_sub(asked.start_us);
        let (service, operation) = (asked.service, asked.operation);
        let ended = Ended {
            service,
            operation,
            latency_us,
            is_acknowledged: outcome.is_acknowledged(),
        };
        if let Some(client) = asked.client {
            self.load_outstanding = self.load_outstanding.saturating_sub(1);
            if outcome.is_answer() && self.clients.is_without(client, self.at_us) {
                self.look();
            }
            self.clients.heard(client, self.at_us, Some(outcome), false);
            self.second.ended(&ended);
            self.whole.ended(&ended);
        }
        let answering = self.services.entry(service).or_default();
        answering.outstanding = answering.outstanding.saturating_sub(1);
        match outcome {
            Outcome::Failed { .. } => {
                self.operations.failed(service, operation, latency_us);
                self.series.failed();
            }
            Outcome::Unknown { .. } => {
                self.operations.unknown(service, operation, latency_us);
                self.series.unknown();
            }
            _ => {
                answering.heard_us = self.at_us;
                self.operations.acknowledged(service, operation, latency_us);
                let latency_us = asked.is_prompt.then_some(latency_us);
                self.series.acknowledged(service.name(), latency_us);
                self.recent.push_back((self.at_us, latency_us));
                self.forget();
                self.answered(outcome, asked.client.is_some());
            }
        }
    }

    /// What the answer says of queues and of the cache.
    fn answered(&mut self, outcome: &Outcome, is_load: bool) {
        let published = match outcome {
            Outcome::Published { .. } => 1,
            Outcome::PublishedBatch { ids } => ids.len() as u64,
            _ => 0,
        };
        if published > 0 {
            self.depth = Some(self.depth.unwrap_or(0) + published);
        }
        if let Outcome::Settled { valid: true } = outcome {
            self.depth = self.depth.map(|depth| depth.saturating_sub(1));
        }
        let (hits, reads) = match outcome {
            Outcome::Value { value, .. } => (u64::from(value.is_some()), 1),
            Outcome::Values { values } => {
                let found = values.iter().filter(|found| found.value.is_some());
                (found.count() as u64, values.len() as u64)
            }
            _ => return,
        };
        self.hits += hits;
        self.reads += reads;
        self.series.read(hits, reads);
        if is_load {
            self.second.read(hits, reads);
            self.whole.read(hits, reads);
        }
    }

    pub(super) fn struck(&mut self, fault: &FaultEvent) {
        let lane = fault.kind.name().replace('_', " ");
        let targets = fault.targets.join(", ");
        match fault.status {
            FaultStatus::Installed => {
                self.series
                    .begin(BarKind::Fault, lane.clone(), targets.clone(), self.at_us);
                if fault.kind.is_instant() {
                    self.series
                        .end(BarKind::Fault, Some((&lane, &targets)), self.at_us);
                } else {
                    let what = (fault.kind, fault.targets.clone());
                    self.faults.insert(fault.fault, what);
                }
                if fault.kind == FaultKind::ClientCrash {
                    fault.targets.iter().for_each(|name| self.vanished(name));
                }
            }
            _ => {
                if let Some((kind, targets)) = self.faults.remove(&fault.fault) {
                    let lane = kind.name().replace('_', " ");
                    let label = targets.join(", ");
                    self.series
                        .end(BarKind::Fault, Some((&lane, &label)), self.at_us);
                }
            }
        }
    }

    /// A client is gone for good, and what it asked will never be answered.
    fn vanished(&mut self, name: &str) {
        let Some(place) = self.clients.vanished(name) else {
            return;
        };
        let outstanding = std::mem::take(&mut self.outstanding).into_iter();
        let (gone, others): (BTreeMap<_, _>, _) =
            outstanding.partition(|(_, asked)| asked.client == Some(place));
        self.outstanding = others;
        for asked in gone.into_values() {
            self.load_outstanding = self.load_outstanding.saturating_sub(1);
            let answering = self.services.entry(asked.service).or_default();
            answering.outstanding = answering.outstanding.saturating_sub(1);
            self.operations.unanswered(asked.service, asked.operation);
        }
    }

    pub(super) fn reported(&mut self, node: &str, event: &NodeEvent) {
        let leads = |term: u64| self.leader.as_ref().is_none_or(|(_, other)| term > *other);
        match event {
            NodeEvent::Leader { term } if leads(*term) => {
                if self.leaderless_us.is_some() {
                    self.look();
                }
                self.elections += 1;
                let waited_us = self.leaderless_for_us();
                self.leaderless_longest_us = self.leaderless_longest_us.max(waited_us);
                self.series.end(BarKind::Leader, None, self.at_us);
                let label = term.to_string();
                self.series
                    .begin(BarKind::Leader, node.to_owned(), label, self.at_us);
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
            && self.leaderless_us.is_none()
        {
            self.leaderless_us = Some(self.at_us);
            self.series.end(BarKind::Leader, None, self.at_us);
        }
    }
}
