//! Defines objectives: what a scenario's author wants of a run, figure by figure.
//!
//! One vocabulary for everybody: a scenario states objectives, a plan holds them, a report
//! compares them with what was measured, and a baseline knows from them in which direction
//! a figure gets worse. Values are integers in the small unit of the figure (see [`Unit`]).
//!
//! Not here: how anything is measured, and what a miss means for the verdict.

mod names;
mod unit;

use serde::{Deserialize, Serialize};

pub use self::unit::{Bound, Unit};
pub use squall_history::{Phase, Service};

/// A limit of a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// What is limited.
    #[serde(flatten)]
    pub figure: Metric,
    /// In the small unit of [`Metric::unit`]; whether a most or a least is
    /// [`Metric::bound`]'s.
    pub limit: u64,
    /// How long the limit may be missed at a stretch; looked at second by second. `None`:
    /// the figure of the whole stretch counts, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_us: Option<u64>,
}

/// What can be limited. Unless it says otherwise, from the start of chaos to the end of serve,
/// and of the operations of workloads; probes are the harness's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
pub enum Metric {
    /// Fault takes effect → a surviving node starts an election.
    DetectionMax,
    /// Fault takes effect → a new leader has committed its first entry.
    Election {
        /// Over all elections of the run.
        quantile: Quantile,
    },
    /// The longest stretch in which one service was down.
    DowntimeMax,
    /// Time in which at least one service was down.
    DowntimeTotal,
    /// The same for a day of which every part went like the run.
    DowntimePerDay,
    /// For such a month, of 30 days.
    DowntimePerMonth,
    /// New leader → throughput and latency as in the warm-up.
    RecoveryMax,
    /// Recovery time: fault takes effect → the same.
    RecoveryTime,
    /// Acknowledged writes whose effect is missing.
    Lost,
    /// Recovery point: the time that lost writes span.
    RecoveryPoint,
    /// Share of the time in which no service was down.
    Availability,
    /// Of acknowledged operations, by their name in the history.
    Latency {
        /// Whose operations.
        service: Service,
        /// As in histories and reports.
        operation: String,
        /// Of the latencies of acknowledged operations.
        quantile: Quantile,
    },
    /// Acknowledged operations, of one service or of all.
    Throughput {
        /// `None`: all services together.
        service: Option<Service>,
        /// The mean, or the least second.
        rate: Rate,
    },
    /// Acknowledged operations of one kind, by their name in the history; the mean of the
    /// same stretch as of throughput.
    OperationRate {
        /// Acknowledged operations of one kind a second.
        service: Service,
        /// As in histories and reports.
        operation: String,
    },
    /// Operations that failed or were never answered, of those that began in the phase.
    ErrorRate {
        /// `None`: the whole run.
        phase: Option<Phase>,
    },
    /// The other operations.
    SuccessRate,
    /// Reads that found a value, of those that were answered.
    HitRate,
    /// By how many percentage points the hit rate of the first tenth of the load and that of
    /// the last differ.
    HitRateChange,
    /// The same of the error rate.
    ErrorRateChange,
    /// Messages published and not consumed at the end of serve.
    BacklogEnd,
    /// From the moment with the most messages to the next with a hundredth of them or less.
    BacklogDrained,
    /// By how much the median read that missed and was filled takes longer than one that hit.
    MissPenalty,
    /// Most memory of any node.
    Memory,
    /// By how much the memory of a node grew from the first tenth of the run to the last.
    MemoryGrowth,
    /// Mean load of the busiest node, in percent of one processor.
    Cpu,
}

/// Which of many values in order. The nearest rank: always a value that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantile {
    /// The median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// The largest value.
    Max,
}

impl Quantile {
    const ALL: [Quantile; 5] = [
        Quantile::P50,
        Quantile::P90,
        Quantile::P95,
        Quantile::P99,
        Quantile::Max,
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|quantile| quantile.name() == name)
    }

    /// 1 to 1,000.
    pub fn per_mille(self) -> usize {
        match self {
            Quantile::P50 => 500,
            Quantile::P90 => 900,
            Quantile::P95 => 950,
            Quantile::P99 => 990,
            Quantile::Max => 1_000,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P90 => "p90",
            Quantile::P95 => "p95",
            Quantile::P99 => "p99",
            Quantile::Max => "max",
        }
    }
}

/// Of the part of the chaos phase in which workloads sent operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Fewest in any whole second.
    Minimum,
    /// Mean.
    Sustained,
    /// Most in any whole second.
    Peak,
}

impl Rate {
    const ALL: [Rate; 3] = [Rate::Minimum, Rate::Sustained, Rate::Peak];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rate| rate.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Rate::Minimum => "minimum",
            Rate::Sustained => "sustained",
            Rate::Peak => "peak",
        }
    }
}

/// How a figure can be looked at while a run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Not at all: it is known when the run is over.
    AtTheEnd,
    /// Second by second: each has a value of its own. Such figures take a grace.
    BySecond,
    /// At any moment: for how long the service or the leader has been gone by then, how many
    /// messages wait, what the node with the most uses.
    AtOnce,
}

/// What is known of a figure, whatever it is of.
struct Info {
    name: &'static str,
    unit: Unit,
    bound: Bound,
    looked: Looked,
}

impl Info {
    fn at_most(name: &'static str, unit: Unit) -> Self {
        Self {
            name,
            unit,
            bound: Bound::AtMost,
            looked: Looked::AtTheEnd,
        }
    }

    fn at_least(name: &'static str, unit: Unit) -> Self {
        let bound = Bound::AtLeast;
        Self {
            bound,
            ..Self::at_most(name, unit)
        }
    }

    fn second_by_second(self) -> Self {
        let looked = Looked::BySecond;
        Self { looked, ..self }
    }

    fn at_once(self) -> Self {
        let looked = Looked::AtOnce;
        Self { looked, ..self }
    }
}

impl Metric {
    /// The table of figures, a row each.
    fn info(&self) -> Info {
        use Metric::*;
        match self {
            DetectionMax => Info::at_most("detection_max", Unit::Ms),
            Election { .. } => Info::at_most("election", Unit::Ms).at_once(),
            DowntimeMax => Info::at_most("downtime_max", Unit::Ms).at_once(),
            DowntimeTotal => Info::at_most("downtime_total", Unit::Ms),
            DowntimePerDay => Info::at_most("downtime_per_day", Unit::Ms),
            DowntimePerMonth => Info::at_most("downtime_per_month", Unit::Ms),
            RecoveryMax => Info::at_most("recovery_max", Unit::Ms),
            RecoveryTime => Info::at_most("recovery_time", Unit::Ms),
            Lost => Info::at_most("lost", Unit::Count),
            RecoveryPoint => Info::at_most("recovery_point", Unit::Ms),
            Availability => Info::at_least("availability", Unit::Percent),
            Latency { .. } => Info::at_most("latency", Unit::Ms).second_by_second(),
            Throughput { .. } => Info::at_least("throughput", Unit::PerSecond).second_by_second(),
            OperationRate { .. } => Info::at_least("rate", Unit::PerSecond),
            ErrorRate { .. } => Info::at_most("error_rate", Unit::Percent).second_by_second(),
            SuccessRate => Info::at_least("success_rate", Unit::Percent).second_by_second(),
            HitRate => Info::at_least("hit_rate", Unit::Percent).second_by_second(),
            HitRateChange => Info::at_most("hit_rate_change", Unit::Percent),
            ErrorRateChange => Info::at_most("error_rate_change", Unit::Percent),
            BacklogEnd => Info::at_most("backlog_end", Unit::Count).at_once(),
            BacklogDrained => Info::at_most("backlog_drained", Unit::Ms),
            MissPenalty => Info::at_most("miss_penalty", Unit::Ms),
            Memory => Info::at_most("memory", Unit::Bytes).at_once(),
            MemoryGrowth => Info::at_most("memory_growth", Unit::Percent),
            Cpu => Info::at_most("cpu", Unit::Percent).at_once(),
        }
    }

    /// Decides how its numbers are written, and what its limits are stored in.
    pub fn unit(&self) -> Unit {
        self.info().unit
    }

    /// Whether its limit is a most or a least.
    pub fn bound(&self) -> Bound {
        self.info().bound
    }

    /// Whether it can be looked at second by second.
    pub fn takes_grace(&self) -> bool {
        self.looked() == Looked::BySecond
    }

    /// How it can be looked at while a run works.
    pub fn looked(&self) -> Looked {
        self.info().looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_back_from_a_plan() {
        let objective = Objective {
            figure: Metric::Latency {
                service: Service::Lock,
                operation: "acquire".into(),
                quantile: Quantile::P95,
            },
            limit: 100_000,
            grace_us: Some(1),
        };
        let json = serde_json::to_string(&objective).expect("plain data");
        let back: Objective = serde_json::from_str(&json).expect("it was just written");
        assert_eq!(back, objective);
        assert_eq!(back.figure.to_string(), "latency.lock.acquire.p95");
    }
}
