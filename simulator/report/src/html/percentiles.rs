//! Latency by percentile, as users of HdrHistogram know it: the axis is logarithmic in the
//! distance to 100 %, so that the tail is as wide as the body.

use std::collections::BTreeSet;

use squall_measure::series::{Curve, OverTime};

use super::plot::{Grid, Line, Plot};
use super::scale::{Scale, Unit};

/// Values for each tenfold nearness to 100 %.
const STEPS: usize = 20;
/// What is written beneath, at each whole place.
const NAMES: [&str; 8] = [
    "0 %",
    "90 %",
    "99 %",
    "99.9 %",
    "99.99 %",
    "99.999 %",
    "99.9999 %",
    "99.99999 %",
];

/// One grid for all services, so that their tails compare.
pub(super) fn grid(seen: &OverTime) -> Option<Grid> {
    let most = seen.curves.iter().map(|curve| curve.count).max()?;
    // As far as the largest count tells apart, and at least to 99 %.
    let decades = (most.max(1).ilog10() as usize + 1).clamp(2, NAMES.len() - 1);
    let places = (0..=decades * STEPS).map(|i| i as f64 / STEPS as f64);
    Some(Grid {
        name: "percentile".into(),
        kind: "percentile",
        places: places.collect(),
        from: 0.0,
        to: decades as f64,
        labels: Vec::new(),
        ticks: (0..=decades)
            .map(|i| (i as f64, NAMES[i].to_owned()))
            .collect(),
    })
}

/// One graph a service, a line an operation.
pub(super) fn plots(seen: &OverTime, grid: &Grid) -> Vec<Plot> {
    let range = seen.curves.iter().flat_map(|curve| {
        let ends = [curve.points.first(), curve.points.last()];
        ends.into_iter()
            .flatten()
            .map(|(_, latency_us)| *latency_us)
    });
    let scale = Scale::log(Unit::Duration, range);
    let asked: BTreeSet<_> = seen.curves.iter().map(|curve| curve.service).collect();
    let services = asked.into_iter().filter_map(|service| {
        let of_it = seen.curves.iter().filter(|curve| curve.service == service);
        let lines: Vec<Line> = of_it.enumerate().map(|(i, c)| line(i, c, grid)).collect();
        let note = "Acknowledged operations of the whole run, waits that the client asked for \
                    included. A line ends at its largest latency.";
        let (id, title) = ("percentiles-", "Latency by percentile, ");
        let [id, title] = [id, title].map(|text| text.to_owned() + service.name());
        (!lines.is_empty()).then(|| Plot::new(id, title, note, scale.clone(), lines))
    });
    services.collect()
}

fn line(place: usize, curve: &Curve, grid: &Grid) -> Line {
    let resolved = 1.0 - 1.0 / curve.count.max(1) as f64;
    let mut is_over = false;
    let mut value = |place: &f64| {
        let share = 1.0 - 10_f64.powf(-place);
        if is_over {
            return None;
        }
        // The first place beyond what the count can tell apart shows the maximum.
        is_over = share > resolved;
        let at = curve.points.iter().find(|(reached, _)| *reached >= share);
        at.or(curve.points.last())
            .map(|(_, latency_us)| *latency_us)
    };
    let values: Vec<Option<u64>> = grid.places.iter().map(&mut value).collect();
    let rest = match curve.count {
        1 => "1 op".to_owned(),
        more => format!("{} ops", Unit::Count.text(more)),
    };
    let name = curve.operation.replace('_', " ");
    Line::new(name, format!("n{place}"), values, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_history::Service;

    #[test]
    fn a_line_reads_off_percentiles_and_ends_at_its_maximum() {
        let curve = Curve {
            service: Service::Cache,
            operation: "get",
            count: 100,
            points: (1..=100).map(|i| (i as f64 / 100.0, i * 10)).collect(),
        };
        let grid = Grid {
            name: "percentile".into(),
            kind: "percentile",
            places: vec![0.0, 1.0, 2.0, 3.0, 4.0],
            from: 0.0,
            to: 4.0,
            labels: Vec::new(),
            ticks: Vec::new(),
        };
        let values = line(0, &curve, &grid).values;
        assert_eq!(values, [Some(10), Some(900), Some(990), Some(1_000), None]);
    }
}
