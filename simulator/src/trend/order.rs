//! Puts what was read into groups, and their points in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use super::read::{Entry, Values};
use super::{By, LeftOut, Per, Point, Spread};
use crate::baseline::{Figure, Kind, Tolerance};
use crate::compare::Made;
use crate::report::{Bound, Number, Unit};
use crate::run_dir::VARIANT;

/// Points made within less than this are taken in their order, not by their distance.
const CLOSE_SECONDS: f64 = 3_600.0;
const DAY_SECONDS: f64 = 86_400.0;
/// Paths that are listed for a point.
const MOST_PATHS: usize = 5;

/// One scenario on one backend.
pub(super) struct Ordered {
    pub scenario: String,
    pub backend: String,
    pub warnings: Vec<String>,
    pub points: Vec<Point>,
    pub per: Per,
    /// Where each point stands, in units of `per`; never falls.
    pub places: Vec<f64>,
    /// By name, in the order of the points.
    pub figures: BTreeMap<String, Series>,
    /// Of objectives, those of the last point.
    pub objectives: BTreeMap<String, Number>,
    /// Of baselines that are no points themselves.
    pub baselines: BTreeMap<String, Number>,
}

pub(super) struct Series {
    pub kind: Kind,
    pub unit: Unit,
    pub bound: Bound,
    pub values: Vec<Option<Spread>>,
}

/// Entries that are one point.
struct Pooled<'a> {
    label: String,
    at: Option<u64>,
    entries: Vec<&'a Entry>,
}

/// Groups in order of their names; what has no place in the order is left out.
pub(super) fn order(entries: &[Entry], by: By, left_out: &mut Vec<LeftOut>) -> Vec<Ordered> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let key = (entry.scenario.as_str(), entry.backend.as_str());
        groups.entry(key).or_default().push(entry);
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|((scenario, backend), entries)| {
            group(scenario, backend, &entries, by, left_out)
        })
        .collect()
}

/// `None`: nothing in it has a place.
fn group(
    scenario: &str,
    backend: &str,
    entries: &[&Entry],
    by: By,
    left_out: &mut Vec<LeftOut>,
) -> Option<Ordered> {
    let is_reference =
        |entry: &Entry| by != By::Given && matches!(entry.values, Values::Kept { .. });
    let (references, points): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| is_reference(entry));
    let mut placed = Vec::new();
    for entry in points {
        match lacks(entry, by) {
            None => placed.push(entry),
            Some(why) => left_out.push(LeftOut {
                path: entry.path.clone(),
                why: why.into(),
            }),
        }
    }
    let (pooled, timeless): (Vec<Pooled<'_>>, Vec<Pooled<'_>>) = pool(&placed, by)
        .into_iter()
        .partition(|point| by == By::Given || point.at.is_some());
    left_out.extend(
        timeless
            .iter()
            .flat_map(|point| &point.entries)
            .map(|entry| {
                LeftOut {
            path: entry.path.clone(),
            why: "nothing of its commit says when it was made, so the commit has no place in the \
                  order; --by given takes it in the order of the command line"
                .into(),
        }
            }),
    );
    let Some(last) = pooled.last() else {
        left_out.extend(references.iter().map(|entry| {
            LeftOut {
                path: entry.path.clone(),
                why:
                    "a baseline says not when it was made; with no run beside it, --by given takes \
                  it as a point"
                        .into(),
            }
        }));
        return None;
    };
    let (per, places) = places(&pooled, by);
    Some(Ordered {
        scenario: scenario.into(),
        backend: backend.into(),
        warnings: warnings(pooled.iter().flat_map(|point| &point.entries)),
        points: pooled.iter().map(point).collect(),
        per,
        places,
        figures: series(&pooled),
        objectives: (last.entries.iter())
            .flat_map(|entry| entry.limits.clone())
            .collect(),
        baselines: references.iter().flat_map(|entry| limits(entry)).collect(),
    })
}

/// Why the entry has no place in the order.
fn lacks(entry: &Entry, by: By) -> Option<&'static str> {
    match by {
        By::Time if entry.at.is_none() => Some(
            "does not say when it was made, or the sweep is not finished; --by given takes it in \
             the order of the command line",
        ),
        By::Commit if entry.commit.is_none() => {
            Some("does not say of which commit the program was; --by time may do")
        }
        _ => None,
    }
}

fn pool<'a>(entries: &[&'a Entry], by: By) -> Vec<Pooled<'a>> {
    let mut points: Vec<Pooled<'a>> = Vec::new();
    for entry in entries {
        let label = match by {
            By::Time => date(entry.at.unwrap_or(0)),
            By::Commit => entry.commit.clone().unwrap_or_default(),
            By::Given => entry.path.clone(),
        };
        let same = points
            .iter_mut()
            .find(|point| by == By::Commit && point.label == label);
        match same {
            Some(point) => {
                point.at = [point.at, entry.at].into_iter().flatten().min();
                point.entries.push(entry);
            }
            None => points.push(Pooled {
                label,
                at: entry.at,
                entries: vec![entry],
            }),
        }
    }
    if by != By::Given {
        // What was made in the same second stays in the order of names.
        points.sort_by_key(|point| point.at);
    }
    points
}

fn places(points: &[Pooled<'_>], by: By) -> (Per, Vec<f64>) {
    let in_order = || (0..points.len()).map(|place| place as f64).collect();
    let first = points.first().and_then(|point| point.at).unwrap_or(0);
    let seconds = |point: &Pooled<'_>| (point.at.unwrap_or(first) - first) as f64;
    match by {
        By::Commit => (Per::Commit, in_order()),
        By::Given => (Per::Point, in_order()),
        By::Time
            if points
                .last()
                .is_none_or(|last| seconds(last) < CLOSE_SECONDS) =>
        {
            (Per::Point, in_order())
        }
        By::Time => {
            let days = points.iter().map(|point| seconds(point) / DAY_SECONDS);
            (Per::Day, days.collect())
        }
    }
}

fn point(pooled: &Pooled<'_>) -> Point {
    let runs = pooled.entries.iter().map(|entry| match &entry.values {
        Values::Runs(runs) => runs.len() as u64,
        Values::Kept { runs, .. } => *runs,
    });
    let paths = pooled.entries.iter().map(|entry| entry.path.clone());
    Point {
        label: pooled.label.clone(),
        runs: runs.sum(),
        at: pooled.at.map(date),
        paths: paths.take(MOST_PATHS).collect(),
    }
}

/// `2026-01-31T23:59:59Z`.
pub(super) fn date(seconds: u64) -> String {
    // The last second that a date of four digits can name.
    let at = UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799));
    humantime::format_rfc3339_seconds(at).to_string()
}

fn series(points: &[Pooled<'_>]) -> BTreeMap<String, Series> {
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for (place, point) in points.iter().enumerate() {
        for (name, (figure, spread)) in spreads(point) {
            let series = all.entry(name).or_insert_with(|| Series {
                kind: figure.kind,
                unit: figure.unit,
                bound: figure.bound,
                values: vec![None; points.len()],
            });
            // A name that has changed its unit is another figure.
            if series.unit == figure.unit {
                series.values[place] = Some(spread);
            }
        }
    }
    all
}

fn spreads(point: &Pooled<'_>) -> BTreeMap<String, (Figure, Spread)> {
    let mut values: BTreeMap<&str, (Figure, Vec<Number>)> = BTreeMap::new();
    let mut spreads = BTreeMap::new();
    for entry in &point.entries {
        match &entry.values {
            Values::Runs(runs) => {
                for (name, figure) in runs.iter().flatten() {
                    let (_, values) = values.entry(name).or_insert((*figure, Vec::new()));
                    values.push(figure.value);
                }
            }
            Values::Kept { runs, figures } => {
                spreads.extend(figures.iter().map(|(name, kept)| {
                    let figure = Figure {
                        kind: kept.kind,
                        unit: kept.unit,
                        bound: kept.bound,
                        value: kept.median,
                    };
                    let spread = Spread {
                        runs: *runs,
                        median: kept.median,
                        low: kept.median.min(kept.worst),
                        high: kept.median.max(kept.worst),
                    };
                    (name.clone(), (figure, spread))
                }));
            }
        }
    }
    spreads.extend(values.into_iter().map(|(name, (figure, mut values))| {
        values.sort_unstable();
        let middle = [values[(values.len() - 1) / 2], values[values.len() / 2]];
        let spread = Spread {
            runs: values.len() as u64,
            median: Number::of(middle[0].get().midpoint(middle[1].get())),
            low: values[0],
            high: values[values.len() - 1],
        };
        (name.to_owned(), (figure, spread))
    }));
    spreads
}

/// What a run may be before it is a regression against the baseline, with the default
/// tolerance: that of each scenario is not known here.
fn limits(entry: &Entry) -> Vec<(String, Number)> {
    let Values::Kept { figures, .. } = &entry.values else {
        return Vec::new();
    };
    let tolerance = Tolerance::default();
    let limits = figures.iter();
    limits
        .map(|(name, kept)| {
            (
                name.clone(),
                tolerance.limit(kept.kind, kept.bound, kept.worst),
            )
        })
        .collect()
}

/// Why the points may not be comparable.
fn warnings<'a>(entries: impl Iterator<Item = &'a &'a Entry>) -> Vec<String> {
    // A baseline does not say how its runs were made.
    let runs = entries
        .copied()
        .filter(|entry| matches!(entry.values, Values::Runs(_)));
    let made: BTreeSet<&Made> = runs.map(|entry| &entry.made).collect();
    let ways = |of: &dyn Fn(&Made) -> Made| -> usize {
        let ways: BTreeSet<Made> = made.iter().map(|made| of(made)).collect();
        ways.len()
    };
    let settings = |made: &Made| Made {
        settings: (made.settings.iter().filter(|(key, _)| key != VARIANT))
            .cloned()
            .collect(),
        ..Made::default()
    };
    let text = |made: &Made| Made {
        text: made.text.clone(),
        ..Made::default()
    };
    let profile = |made: &Made| Made {
        profile: made.profile.clone(),
        ..Made::default()
    };
    let differ = [
        ("the text of the scenario", ways(&text)),
        ("the overrides (--set)", ways(&settings)),
        ("the hardware profile", ways(&profile)),
    ];
    let differ = differ.into_iter().filter(|(_, ways)| *ways > 1);
    differ
        .map(|(what, ways)| format!("{what} changed ({ways} of them); a step may come from that"))
        .collect()
}
