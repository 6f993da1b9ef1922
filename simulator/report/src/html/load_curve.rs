//! Response time and throughput against the load, with the knee shaded.

use super::plot::{Grid, Line, Plot, Shade};
use super::scale::{Scale, Unit};
use crate::analysis::{Capacity, CurvePoint};

/// Labels beneath the axis.
const MOST_TICKS: usize = 5;
/// Half of the width of the shade, as a share of the axis.
const HALF_SHADE: f64 = 0.006;

/// `None` where the load never changed.
pub(super) fn grid(capacity: &Capacity) -> Option<Grid> {
    let places: Vec<f64> = capacity.curve.iter().map(place).collect();
    let (from, to) = (*places.first()?, *places.last()?);
    let labels: Vec<String> = capacity
        .curve
        .iter()
        .map(|point| capacity.load.text(point.load))
        .collect();
    // Ticks are even on the axis, at the places nearest to them.
    let mut ticks: Vec<(f64, String)> = Vec::new();
    for tick in 0..MOST_TICKS {
        let at = from + (to - from) * tick as f64 / (MOST_TICKS - 1) as f64;
        let nearest = places
            .iter()
            .zip(&labels)
            .min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()));
        let tick = nearest.map(|(place, label)| (*place, label.clone()));
        ticks.extend(tick.filter(|tick| ticks.last() != Some(tick)));
    }
    Some(Grid {
        name: "load".into(),
        kind: "label",
        from,
        to,
        places,
        labels,
        ticks,
    })
}

fn place(point: &CurvePoint) -> f64 {
    point.load.get() as f64 / 10_000.0
}

pub(super) fn plots(capacity: &Capacity, grid: &Grid) -> Vec<Plot> {
    let values = |of: &dyn Fn(&CurvePoint) -> Option<u64>| -> Vec<Option<u64>> {
        capacity.curve.iter().map(of).collect()
    };
    let line = |name: &str, class: &str, values| Line {
        dotted: true,
        ..Line::new(name, class, values, "")
    };
    let rates = values(&|point| Some(point.per_second.get()));
    let most = rates.iter().flatten().copied().max().unwrap_or(0);
    let mut throughput = vec![line("throughput", "ink", rates)];
    if let Some(knee) = &capacity.knee {
        let level = vec![Some(knee.sustainable.get()); capacity.curve.len()];
        let rest = Unit::PerSecond.text(knee.sustainable.get());
        throughput.push(Line::new("sustainable", "max", level, rest));
    }
    let times = [
        ("p50", values(&|point| point.p50_us)),
        ("p95", values(&|point| point.p95_us)),
    ];
    let all: Vec<u64> = times
        .iter()
        .flat_map(|(_, values)| values.iter().flatten().copied())
        .collect();
    let shade = capacity.knee.as_ref().map(|knee| {
        let (at, half) = (
            knee.load.get() as f64 / 10_000.0,
            (grid.to - grid.from) * HALF_SHADE,
        );
        Shade {
            class: "fault",
            from: (at - half).max(grid.from),
            to: (at + half).min(grid.to),
        }
    });
    let shades: Vec<Shade> = shade.into_iter().collect();
    let knee = if shades.is_empty() {
        ""
    } else {
        " Shaded: the knee."
    };
    let shaded = |plot: Plot| Plot {
        shades: shades.clone(),
        ..plot
    };
    vec![
        shaded(Plot::new(
            "load-throughput",
            "Throughput against load",
            format!(
                "Acknowledged operations a second, window by window in order of the load.{knee}"
            ),
            Scale::linear(Unit::PerSecond, most),
            throughput,
        )),
        shaded(Plot::new(
            "load-response",
            "Response time against load",
            format!(
                "Median of the windows' p50 and p95, from the intended start; logarithmic.{knee}"
            ),
            Scale::log(Unit::Duration, all.iter().copied()),
            times.map(|(name, values)| line(name, name, values)).into(),
        )),
    ]
}
