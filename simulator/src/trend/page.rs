//! A trend as a page: a graph for each figure of which there is something to tell, with its
//! spread, its change points, its forecasts and its limit.

use super::render::{document, shown, title};
use super::{FigureTrend, Group, Standing, Trend};
use crate::report::document::Block;
use crate::report::html::document::{Header, document_page};
use crate::report::html::page::{Graphs, side_by_side};
use crate::report::html::plot::{Grid, Line, Plot, Shade};
use crate::report::html::scale::{Scale, Unit as Drawn};
use crate::report::{Number, Unit};

/// Graphs of a group; the tables have all figures.
const MOST_PLOTS: usize = 40;
/// Labels beneath an axis.
const MOST_TICKS: usize = 4;
/// Characters of a label that there is room for.
const MOST_LABEL: usize = 12;

/// One self-contained page.
pub fn html(trend: &Trend) -> String {
    let grids: Vec<Grid> = trend
        .groups
        .iter()
        .enumerate()
        .map(|(at, group)| grid(at, group))
        .collect();
    let plots: Vec<Vec<Plot>> = trend
        .groups
        .iter()
        .enumerate()
        .map(|(at, group)| plots(at, group))
        .collect();
    let all: Vec<Graphs<'_>> = grids
        .iter()
        .zip(&plots)
        .map(|(grid, plots)| Graphs { grid, plots })
        .collect();
    let drawn = |number: usize, _: &Group| {
        let of_it = &all[number];
        (!of_it.plots.is_empty()).then(|| Block::Drawn(side_by_side(of_it)))
    };
    let names: Vec<&str> = trend
        .groups
        .iter()
        .map(|group| group.scenario.as_str())
        .collect();
    let worse = trend
        .standing(Standing::Worse)
        .map(|(_, figure)| figure.figure.as_str());
    let worse: Vec<&str> = worse.take(5).collect();
    let header = Header {
        eyebrow: format!("trend · {}", names.join(", ")),
        verdict: (!worse.is_empty()).then(|| ("bad", "WORSE", worse.join(", "))),
    };
    let mut document = document(trend, drawn);
    if header.verdict.is_some() {
        // The page leaves out the first block of the lead beneath a verdict.
        document.lead.insert(0, Block::text(title(trend)));
    }
    let footer = format!("Squall {}", env!("CARGO_PKG_VERSION"));
    document_page(&document, &header, &all, &footer)
}

/// A place for each point, and one for what comes next.
fn grid(number: usize, group: &Group) -> Grid {
    let count = group.points.len();
    let mut labels: Vec<String> = group
        .points
        .iter()
        .map(|point| point.label.clone())
        .collect();
    labels.push("next".into());
    let every = count.div_ceil(MOST_TICKS).max(1);
    let ticks = (0..count)
        .step_by(every)
        .map(|place| (place as f64, short(&labels[place])));
    Grid {
        name: format!("points-{number}"),
        kind: "label",
        places: (0..=count).map(|place| place as f64).collect(),
        from: -0.5,
        to: count as f64 + 0.5,
        ticks: ticks.collect(),
        labels,
    }
}

/// Month and day of a date; the end of a path.
fn short(label: &str) -> String {
    let is_date = humantime::parse_rfc3339(label).is_ok();
    let date = label.get(5..10).filter(|_| is_date);
    let name = label.rsplit('/').next().unwrap_or(label);
    date.unwrap_or(name).chars().take(MOST_LABEL).collect()
}

/// What changed first, then what has a limit, then the others as far as there is room.
fn plots(number: usize, group: &Group) -> Vec<Plot> {
    let mut figures: Vec<&FigureTrend> = group.figures.iter().collect();
    figures.sort_by_key(|figure| (figure.standing, figure.limit.is_none()));
    let figures = figures
        .into_iter()
        .filter(|figure| figure.values.iter().flatten().count() > 1);
    let plots = figures.take(MOST_PLOTS).enumerate();
    plots
        .map(|(at, figure)| plot(&format!("figure-{number}-{at}"), group, figure))
        .collect()
}

fn plot(id: &str, group: &Group, figure: &FigureTrend) -> Plot {
    let small = |number: Number| in_small_unit(figure.unit, number);
    let values = || figure.values.iter();
    let mut lines = Vec::new();
    let mut medians: Vec<Option<u64>> = values()
        .map(|spread| Some(small((*spread)?.median)))
        .collect();
    medians.push(None);
    let band = values()
        .map(|spread| spread.map_or((0, 0), |spread| (small(spread.low), small(spread.high))));
    // A band has no gaps: without a value in every place, or without any spread, there is none.
    let has_spread =
        values().all(Option::is_some) && values().flatten().any(|spread| spread.low != spread.high);
    let last = medians.iter().flatten().next_back().copied();
    lines.push(Line {
        band: has_spread.then(|| band.collect()),
        dotted: true,
        ..Line::new(
            "median",
            "n0",
            medians,
            last.map_or(String::new(), |last| unit(figure.unit).text(last)),
        )
    });
    if let Some(forecast) = &figure.forecast {
        let ahead = |next| {
            let mut values = vec![None; group.points.len()];
            values.push(Some(small(shown(next))));
            values
        };
        let text = |next| unit(figure.unit).text(small(shown(next)));
        let smoothing = forecast.smoothing.as_ref();
        for (name, class, next) in [
            ("next, by line", "n3", Some(forecast.linear.next)),
            ("by smoothing", "n4", smoothing.map(|by| by.next)),
        ] {
            let Some(next) = next else { continue };
            lines.push(Line {
                dotted: true,
                ..Line::new(name, class, ahead(next), text(next))
            });
        }
    }
    if let Some(limit) = &figure.limit {
        let value = small(limit.value);
        let values = vec![Some(value); group.points.len() + 1];
        lines.push(Line::new(
            "limit",
            "max",
            values,
            unit(figure.unit).text(value),
        ));
    }
    let all = lines.iter().flat_map(|line| {
        let band = line.band.iter().flatten().map(|(_, high)| *high);
        line.values.iter().flatten().copied().chain(band)
    });
    let scale = Scale::linear(unit(figure.unit), all.max().unwrap_or(0));
    let shades = figure.steps.iter().map(|step| Shade {
        class: "fault",
        from: step.at as f64 - 0.6,
        to: step.at as f64 - 0.4,
    });
    Plot {
        shades: shades.collect(),
        ..Plot::new(id, &figure.figure, note(figure), scale, lines)
    }
}

fn note(figure: &FigureTrend) -> String {
    let steps = match figure.steps.len() {
        0 => "",
        _ => " Shaded: where the level changed.",
    };
    let spread = match figure.values.iter().flatten().any(|spread| spread.runs > 1) {
        true => "The median of each point; the band is from its least to its most.",
        false => "The value of each point.",
    };
    format!("{spread}{steps}")
}

fn unit(unit: Unit) -> Drawn {
    match unit {
        Unit::Ms => Drawn::Duration,
        Unit::Count => Drawn::Count,
        Unit::Percent => Drawn::Share,
        Unit::PerSecond => Drawn::PerSecond,
        Unit::Bytes => Drawn::Bytes,
    }
}

/// As graphs count: microseconds, thousandths a second, millionths, or whole ones.
fn in_small_unit(unit: Unit, number: Number) -> u64 {
    match unit {
        Unit::Ms | Unit::PerSecond => number.get() / 10,
        Unit::Percent => number.get(),
        Unit::Count | Unit::Bytes => number.get() / 10_000,
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn labels_are_short_whatever_they_are() {
        assert_eq!(short("2026-01-31T23:59:59Z"), "01-31");
        assert_eq!(short("runs/nightly-01"), "nightly-01");
        // As long as a date, and cut in the middle of a letter.
        let path = "läuföäüföäü1Z";
        assert_eq!(path.len(), 20);
        assert_eq!(short(path), "läuföäüföäü1");
    }
}
