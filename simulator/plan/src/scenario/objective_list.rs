//! From `[objectives]` as it was written to objectives as the rest of the program knows them.

use super::objectives::{ByOperation, Latency, Objectives, Rates, each};
use super::unit::{Duration, Rate, Share};
use squall_objective::objective::{self, Metric, Objective, Phase, Quantile, Service};

impl Objectives {
    /// As the rest of the program knows them, in the order of reports.
    pub fn list(&self) -> Vec<Objective> {
        let mut list = List {
            objectives: Vec::new(),
            grace: self.grace,
        };
        list.failures(self);
        list.latencies(&self.latency);
        list.rates(self);
        list.loads(self);
        list.resources(self);
        list.objectives
    }
}

struct List {
    objectives: Vec<Objective>,
    grace: Option<Duration>,
}

impl List {
    fn add(&mut self, figure: Metric, limit: Option<u64>, own_grace: Option<Duration>) {
        let grace = own_grace.or(self.grace).filter(|_| figure.takes_grace());
        self.objectives.extend(limit.map(|limit| Objective {
            figure,
            limit,
            grace_us: grace.map(Duration::us),
        }));
    }

    fn time(&mut self, figure: Metric, limit: Option<Duration>) {
        self.add(figure, limit.map(Duration::us), None);
    }

    fn failures(&mut self, asked: &Objectives) {
        let election = |quantile| Metric::Election { quantile };
        self.time(Metric::DetectionMax, asked.detection.max);
        self.time(election(Quantile::P50), asked.election.p50);
        self.time(election(Quantile::P99), asked.election.p99);
        self.time(election(Quantile::Max), asked.election.max);
        self.time(Metric::DowntimeMax, asked.downtime.max);
        self.time(Metric::DowntimeTotal, asked.downtime.total);
        self.time(Metric::DowntimePerDay, asked.downtime.per_day);
        self.time(Metric::DowntimePerMonth, asked.downtime.per_month);
        self.time(Metric::RecoveryMax, asked.recovery.max);
        self.time(Metric::RecoveryTime, asked.recovery_time);
        self.time(Metric::RecoveryPoint, asked.recovery_point);
        self.add(Metric::Lost, asked.lost, None);
        self.add(Metric::Availability, asked.availability.map(ppm), None);
    }

    fn latencies(&mut self, asked: &ByOperation<Latency>) {
        for (service, operation, limits) in each(asked) {
            let limits = limits.get_ref();
            for (quantile, limit) in [
                (Quantile::P50, limits.p50),
                (Quantile::P90, limits.p90),
                (Quantile::P95, limits.p95),
                (Quantile::P99, limits.p99),
                (Quantile::Max, limits.max),
            ] {
                let operation = operation.clone();
                let figure = Metric::Latency {
                    service,
                    operation,
                    quantile,
                };
                self.add(figure, limit.map(Duration::us), limits.grace);
            }
        }
    }

    fn rates(&mut self, asked: &Objectives) {
        let all = &asked.throughput;
        let together = Rates {
            minimum: all.minimum,
            sustained: all.sustained,
            peak: all.peak,
            grace: all.grace,
        };
        for (service, rates) in [
            (None, &together),
            (Some(Service::Lock), &all.lock),
            (Some(Service::Queue), &all.queue),
            (Some(Service::Cache), &all.cache),
        ] {
            for (rate, limit) in [
                (objective::Rate::Minimum, rates.minimum),
                (objective::Rate::Sustained, rates.sustained),
                (objective::Rate::Peak, rates.peak),
            ] {
                let grace = rates.grace.or(all.grace);
                let figure = Metric::Throughput { service, rate };
                self.add(figure, limit.map(per_second_milli), grace);
            }
        }
        for (service, operation, limit) in each(&asked.rate) {
            let operation = operation.clone();
            let figure = Metric::OperationRate { service, operation };
            self.add(figure, Some(per_second_milli(*limit.get_ref())), None);
        }
        if let Some(errors) = &asked.error_rate {
            for (phase, limit) in [
                (None, errors.max),
                (Some(Phase::Warmup), errors.warmup),
                (Some(Phase::Chaos), errors.chaos),
                (Some(Phase::Serve), errors.serve),
            ] {
                self.add(Metric::ErrorRate { phase }, limit.map(ppm), errors.grace);
            }
        }
        for (figure, limit) in [
            (Metric::SuccessRate, &asked.success_rate),
            (Metric::HitRate, &asked.hit_rate),
        ] {
            let grace = limit.as_ref().and_then(|limit| limit.grace);
            self.add(figure, limit.as_ref().map(|limit| ppm(limit.min)), grace);
        }
    }

    fn loads(&mut self, asked: &Objectives) {
        self.add(Metric::HitRateChange, asked.flat.hit_rate.map(ppm), None);
        self.add(
            Metric::ErrorRateChange,
            asked.flat.error_rate.map(ppm),
            None,
        );
        self.add(Metric::BacklogEnd, asked.backlog.end, None);
        self.time(Metric::BacklogDrained, asked.backlog.drained);
        self.time(Metric::MissPenalty, asked.miss_penalty);
    }

    fn resources(&mut self, asked: &Objectives) {
        self.add(Metric::Memory, asked.memory.max.map(|size| size.0), None);
        self.add(Metric::MemoryGrowth, asked.memory.growth.map(ppm), None);
        self.add(Metric::Cpu, asked.cpu.max.map(ppm), None);
    }
}

fn ppm(share: Share) -> u64 {
    share.0.into()
}

/// From operations an hour, to the nearest thousandth a second.
pub(super) fn per_second_milli(rate: Rate) -> u64 {
    (rate.0 * 1_000 + 1_800) / 3_600
}
