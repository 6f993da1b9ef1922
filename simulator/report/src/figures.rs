//! The figures by which a run is compared with earlier ones, from its measures.
//!
//! Only what has enough behind it to be compared: latencies of at least [`LEAST`] operations.

use squall_measure::Measures;
use squall_objective::baseline::{Figure as Value, Figures, Kind};
use squall_objective::objective::{Bound, Figure, Quantile, Rate, Service, Unit};

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

fn put(figures: &mut Figures, name: String, kind: Kind, unit: Unit, bound: Bound, small: u64) {
    let value = unit.number(small);
    let figure = Value {
        kind,
        unit,
        bound,
        value,
    };
    figures.insert(name, figure);
}

fn levels(figures: &mut Figures, measures: &Measures) {
    let levels = &measures.levels;
    let Some(span) = levels.measured else {
        return;
    };
    let mut add = |kind, figure: Figure| {
        if let Some(small) = level(levels, &figure, span) {
            let name = figure.to_string();
            put(figures, name, kind, figure.unit(), figure.bound(), small);
        }
    };
    for (service, operation) in levels.operations() {
        if levels.latencies_us(service, operation, span).len() < LEAST {
            continue;
        }
        for quantile in [Quantile::P50, Quantile::P95, Quantile::P99] {
            let operation = operation.to_owned();
            let figure = Figure::Latency {
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
        add(Kind::Throughput, Figure::Throughput { service, rate });
    }
    add(Kind::Share, Figure::SuccessRate);
    add(Kind::Share, Figure::HitRate);
}

fn times(figures: &mut Figures, measures: &Measures) {
    let max = Quantile::Max;
    let times = [
        (Figure::DetectionMax, measures.detection.times.max_us),
        (
            Figure::Election {
                quantile: Quantile::P50,
            },
            measures.election.times.p50_us,
        ),
        (
            Figure::Election { quantile: max },
            measures.election.times.max_us,
        ),
        (
            Figure::DowntimeTotal,
            measures.downtime.any.map(|any| any.total_us),
        ),
        (
            Figure::RecoveryTime,
            measures.recovery.after_fault.seen.times.max_us,
        ),
    ];
    for (figure, small) in times {
        if let Some(small) = small {
            let name = figure.to_string();
            put(figures, name, Kind::Time, Unit::Ms, Bound::AtMost, small);
        }
    }
    if let Some(any) = measures.downtime.any {
        let name = Figure::Availability.to_string();
        let small = any.availability_ppm.into();
        put(
            figures,
            name,
            Kind::Share,
            Unit::Percent,
            Bound::AtLeast,
            small,
        );
    }
}

/// `stage.lock.held`: the mean time of an operation in a stage of its way.
fn stages(figures: &mut Figures, measures: &Measures) {
    for (service, stages) in &measures.breakdown.services {
        for (stage, us) in stages.all() {
            let name = format!("stage.{}.{stage}", service.name());
            put(figures, name, Kind::Stage, Unit::Ms, Bound::AtMost, us);
        }
    }
}
