//! The figures by which a run is compared with earlier ones, from its measures.
//!
//! Only what has enough behind it to be compared: latencies of at least [`LEAST`] operations.

use squall_measure::Measures;
use squall_objective::baseline::{Figure as Value, Figures, Kind};
use squall_objective::objective::{Bound, Metric, Quantile, Rate, Service, Unit};

use squall_objective::fixed::Ms;

use super::objectives::level;

/// Operations that a quantile is taken of.
const LEAST: usize = 100;

/// By name, as in objectives where there is one.
pub fn figures(measures: &Measures) -> Figures {
    let mut figures = Figures::new();
    levels(&mut figures, measures);
    times(&mut figures, measures);
    stages(&mut figures, measures);
    figures
}

/// Adds a figure, if it has a value; in its small unit.
fn put(figures: &mut Figures, kind: Kind, figure: &Metric, small: Option<u64>) {
    let (unit, bound) = (figure.unit(), figure.bound());
    let value = small.map(|small| Value {
        kind,
        unit,
        bound,
        value: unit.number(small),
    });
    figures.extend(value.map(|value| (figure.to_string(), value)));
}

fn levels(figures: &mut Figures, measures: &Measures) {
    let levels = &measures.levels;
    let Some(span) = levels.measured else {
        return;
    };
    let mut add = |kind, figure: Metric| put(figures, kind, &figure, level(levels, &figure, span));
    for (service, operation) in levels.operations() {
        if levels.latencies_us(service, operation, span).len() < LEAST {
            continue;
        }
        for quantile in [Quantile::P50, Quantile::P95, Quantile::P99] {
            let operation = operation.to_owned();
            let figure = Metric::Latency {
                service,
                operation,
                quantile,
            };
            add(Kind::Latency, figure);
        }
    }
    let services: Vec<Option<Service>> = levels.services().map(Some).collect();
    for service in [None].into_iter().chain(services) {
        let rate = Rate::Sustained;
        add(Kind::Throughput, Metric::Throughput { service, rate });
    }
    add(Kind::Share, Metric::SuccessRate);
    add(Kind::Share, Metric::HitRate);
}

fn times(figures: &mut Figures, measures: &Measures) {
    let election = |quantile| Metric::Election { quantile };
    let recovery = measures.recovery_after_fault.times;
    let any = measures.outages.downtime.any;
    let times = [
        (Metric::DetectionMax, measures.detection.max),
        (election(Quantile::P50), measures.election.p50),
        (election(Quantile::Max), measures.election.max),
        (Metric::DowntimeTotal, any.map(|any| any.total)),
        (Metric::RecoveryTime, recovery.max),
    ];
    for (figure, ms) in times {
        put(figures, Kind::Time, &figure, ms.map(Ms::get));
    }
    let availability = any.map(|any| any.availability.get());
    put(figures, Kind::Share, &Metric::Availability, availability);
}

/// `stage.lock.held`: the mean time of an operation in a stage of its way.
fn stages(figures: &mut Figures, measures: &Measures) {
    for (service, stages) in &measures.breakdown.services {
        for (stage, us) in stages.all() {
            let value = Value {
                kind: Kind::Stage,
                unit: Unit::Ms,
                bound: Bound::AtMost,
                value: Unit::Ms.number(us),
            };
            figures.insert(format!("stage.{}.{stage}", service.name()), value);
        }
    }
}
