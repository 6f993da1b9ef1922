//! Prints the names of figures, as they stand in reports, and reads them back.

use std::fmt;
use std::str::FromStr;

use super::{Metric, Phase, Quantile, Rate, Service};

/// Figures without anything to choose.
const PLAIN: [Metric; 20] = [
    Metric::DetectionMax,
    Metric::DowntimeMax,
    Metric::DowntimeTotal,
    Metric::DowntimePerDay,
    Metric::DowntimePerMonth,
    Metric::RecoveryMax,
    Metric::RecoveryTime,
    Metric::Lost,
    Metric::RecoveryPoint,
    Metric::Availability,
    Metric::SuccessRate,
    Metric::HitRate,
    Metric::HitRateChange,
    Metric::ErrorRateChange,
    Metric::BacklogEnd,
    Metric::BacklogDrained,
    Metric::MissPenalty,
    Metric::Memory,
    Metric::MemoryGrowth,
    Metric::Cpu,
];

/// By the name that [`Metric`] prints, as it stands in reports.
impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split('.').collect();
        let operation = || words[2].to_owned();
        let found = match words[..] {
            ["latency", service, _, quantile] => {
                let service = Service::named(service)?;
                Quantile::named(quantile).map(|quantile| Metric::Latency {
                    service,
                    operation: operation(),
                    quantile,
                })
            }
            ["throughput", rate] => Rate::named(rate).map(|rate| Metric::Throughput {
                service: None,
                rate,
            }),
            ["throughput", service, rate] => {
                let service = Some(Service::named(service)?);
                Rate::named(rate).map(|rate| Metric::Throughput { service, rate })
            }
            ["rate", service, _] => Some(Metric::OperationRate {
                service: Service::named(service)?,
                operation: operation(),
            }),
            ["error_rate"] => Some(Metric::ErrorRate { phase: None }),
            ["error_rate", phase] => {
                let mut phases = [Phase::Warmup, Phase::Chaos, Phase::Serve].into_iter();
                let phase = phases.find(|known| known.name() == phase);
                phase.map(|phase| Metric::ErrorRate { phase: Some(phase) })
            }
            [name] => match name.strip_prefix("election_") {
                Some(quantile) => {
                    Quantile::named(quantile).map(|quantile| Metric::Election { quantile })
                }
                None => PLAIN.into_iter().find(|figure| figure.to_string() == name),
            },
            _ => None,
        };
        found.ok_or_else(|| format!("there is no figure `{text}`"))
    }
}

/// `election_p99`, `latency.lock.acquire.p95`, `throughput.queue.sustained` …
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)?;
        match self {
            Metric::Election { quantile } => write!(f, "_{}", quantile.name()),
            Metric::Latency {
                service,
                operation,
                quantile,
            } => write!(f, ".{}.{operation}.{}", service.name(), quantile.name()),
            Metric::Throughput { service, rate } => {
                if let Some(service) = service {
                    write!(f, ".{}", service.name())?;
                }
                write!(f, ".{}", rate.name())
            }
            Metric::OperationRate { service, operation } => {
                write!(f, ".{}.{operation}", service.name())
            }
            Metric::ErrorRate { phase: Some(phase) } => write!(f, ".{}", phase.name()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_found_by_its_name() {
        let quantiled = Quantile::ALL.map(|quantile| Metric::Election { quantile });
        let rest = [
            "latency.lock.acquire.p95",
            "throughput.minimum",
            "throughput.queue.sustained",
            "rate.cache.get",
            "error_rate",
            "error_rate.chaos",
        ];
        let names = PLAIN.iter().chain(&quantiled).map(Metric::to_string);
        for name in names.chain(rest.map(str::to_owned)) {
            let figure: Result<Metric, _> = name.parse();
            assert_eq!(figure.map(|figure| figure.to_string()), Ok(name));
        }
        for wrong in [
            "",
            "latency",
            "latency.lock.acquire",
            "election_p98",
            "error_rate.heal",
        ] {
            let expected = format!("there is no figure `{wrong}`");
            assert_eq!(wrong.parse::<Metric>(), Err(expected));
        }
    }
}
