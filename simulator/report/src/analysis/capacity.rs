//! Finds where throughput stops rising with the load, and draws the curve of both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_history::LoadUnit;
use squall_measure::ResponseWindow;
use squall_objective::fixed::{Number, PerSecond, Percent};
use squall_statistics::{Hinge, hinge, median};

use super::{CERTAINTY, SEED, thousandths};
use crate::words::{count, duration};

/// A knee counts if a line without one fits so much worse only with this chance.
const KNEE_P: f64 = 0.001;
/// One row of the curve at most for so many windows.
const MOST_ROWS: usize = 40;

/// Response time and throughput against load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// What load is counted in.
    pub load: LoadKind,
    /// Load and what clients saw under it, in order of the load; windows of the same load
    /// together, at most forty rows.
    pub curve: Vec<CurvePoint>,
    /// `null`: throughput rises with the load as far as it went.
    pub knee: Option<Knee>,
    /// The most that the run showed in a window.
    pub most: PerSecond,
    /// In one line.
    pub summary: String,
}

/// What load is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Clients at work at the same time.
    Users,
    /// Operations that start in a second.
    Rate,
}

/// What clients saw under one load, or under several that are near each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Users, or operations a second.
    pub load: Number,
    /// Median over its windows.
    pub per_second: PerSecond,
    /// Median over its windows; `null` where nothing with a latency was acknowledged.
    pub p50_us: Option<u64>,
    /// As `p50_us`.
    pub p95_us: Option<u64>,
    /// Operations that failed or were never answered, in all its windows.
    pub errors: u64,
    /// How many it is made of.
    pub windows: u64,
}

/// Where throughput stops rising.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Knee {
    /// Users, or operations a second.
    pub load: Number,
    /// Throughput that more load does not raise: the most that can be sustained.
    pub sustainable: PerSecond,
    /// Where it lies with a certainty of 95 %.
    pub low: PerSecond,
    /// See `low`.
    pub high: PerSecond,
    /// Median p95 of windows below half of the knee, and beyond it.
    pub p95_below_us: Option<u64>,
    /// See `p95_below_us`.
    pub p95_beyond_us: Option<u64>,
    /// Windows that it rests on.
    pub windows: u64,
    /// What is left at the median load of the run, of all windows under load, as a share of the
    /// knee.
    pub left: Percent,
}

/// Of windows in which a load was in force and no fault was, on the way up: what has piled up
/// under a higher load is worked off under a lower one, and would seem to be carried by it.
pub(super) fn capacity(windows: &[ResponseWindow]) -> Option<Capacity> {
    let loaded: Vec<(LoadUnit, u64, &ResponseWindow)> = windows
        .iter()
        .filter_map(|window| Some((window.load?.0, window.load?.1, window)))
        .collect();
    let unit = loaded.first()?.0;
    let mut loaded: Vec<(u64, &ResponseWindow)> = loaded
        .into_iter()
        .filter(|(of, ..)| *of == unit)
        .map(|(_, load, window)| (load, window))
        .collect();
    let loads: Vec<f64> = loaded.iter().map(|(load, _)| *load as f64).collect();
    let usual = median(&loads)?;
    let mut highest = 0;
    loaded.retain(|(load, window)| {
        // What piled up under a fault is worked off as well.
        highest = highest.max(*load);
        *load == highest && !window.is_disturbed
    });
    // Windows of the same load stay in order of time.
    loaded.sort_by_key(|(load, _)| *load);
    // A load that never changed has no curve.
    let (least, highest) = (loaded.first()?.0, loaded.last()?.0);
    if least == highest {
        return None;
    }
    let points: Vec<(f64, f64)> = loaded
        .iter()
        .map(|(load, window)| (*load as f64, window.per_second() as f64))
        .collect();
    let bent = hinge(&points, CERTAINTY, SEED).filter(|bent| bent.p <= KNEE_P);
    let knee = bent.map(|bent| knee(&bent, &loaded, usual));
    let load = match unit {
        LoadUnit::Users => LoadKind::Users,
        LoadUnit::PerHour => LoadKind::Rate,
    };
    let most = loaded.iter().map(|(_, window)| window.per_second()).max()?;
    let mut found = Capacity {
        load,
        curve: curve(&loaded),
        knee,
        most: PerSecond::of(most),
        summary: String::new(),
    };
    found.summary = found.said(highest);
    Some(found)
}

/// `usual` is the median load of the run, down again included.
fn knee(bent: &Hinge, loaded: &[(u64, &ResponseWindow)], usual: f64) -> Knee {
    let p95 = |is_in: &dyn Fn(f64) -> bool| {
        let inside = loaded.iter().filter(|(load, _)| is_in(*load as f64));
        let times = inside.filter_map(|(_, window)| window.p95_us);
        let times: Vec<f64> = times.map(|us| us as f64).collect();
        Some(median(&times)?.round() as u64)
    };
    let rate = |value| PerSecond::of(thousandths(value));
    Knee {
        load: Number::of(thousandths(bent.knee) * 10),
        sustainable: rate(bent.level),
        low: rate(bent.level_interval.low),
        high: rate(bent.level_interval.high),
        p95_below_us: p95(&|load| load < bent.knee / 2.0),
        p95_beyond_us: p95(&|load| load > bent.knee),
        windows: bent.count as u64,
        left: Percent::of(thousandths((1.0 - usual / bent.knee) * 1e6)),
    }
}

fn curve(loaded: &[(u64, &ResponseWindow)]) -> Vec<CurvePoint> {
    let loads = loaded.chunk_by(|a, b| a.0 == b.0).count();
    let size = match loads <= MOST_ROWS {
        true => 1,
        false => loaded.len().div_ceil(MOST_ROWS),
    };
    let mut rows: Vec<Vec<&(u64, &ResponseWindow)>> = Vec::new();
    for point in loaded {
        match rows.last_mut() {
            Some(row) if row[0].0 == point.0 || (size > 1 && row.len() < size) => row.push(point),
            _ => rows.push(vec![point]),
        }
    }
    let row = |row: Vec<&(u64, &ResponseWindow)>| {
        let windows = row.len() as u64;
        let mean = |of: &dyn Fn(&ResponseWindow) -> u64| {
            row.iter().map(|(_, window)| of(window)).sum::<u64>() / windows
        };
        let middle = |of: &dyn Fn(&ResponseWindow) -> Option<u64>| {
            let times: Vec<f64> = row
                .iter()
                .filter_map(|(_, window)| Some(of(window)? as f64))
                .collect();
            Some(median(&times)?.round() as u64)
        };
        let loads: u64 = row.iter().map(|(load, _)| load).sum();
        CurvePoint {
            load: Number::of(loads / windows * 10),
            per_second: PerSecond::of(mean(&ResponseWindow::per_second)),
            p50_us: middle(&|window| window.p50_us),
            p95_us: middle(&|window| window.p95_us),
            errors: row.iter().map(|(_, window)| window.errors).sum(),
            windows,
        }
    };
    rows.into_iter().map(row).collect()
}

impl LoadKind {
    pub fn text(self, load: Number) -> String {
        match self {
            LoadKind::Users => format!("{:.0} users", load),
            LoadKind::Rate => format!("{}/s", count(load.get() / 10_000)),
        }
    }
}

impl Capacity {
    fn said(&self, highest: u64) -> String {
        let rate = |rate: PerSecond| format!("{}/s", count(rate.get() / 1_000));
        let Some(knee) = &self.knee else {
            let highest = self.load.text(Number::of(highest * 10));
            return format!(
                "throughput rises with the load up to {highest}; the knee was not reached, {} was \
                 the most in a window",
                rate(self.most)
            );
        };
        let times = knee
            .p95_below_us
            .zip(knee.p95_beyond_us)
            .map(|(below, beyond)| {
                format!(
                    "; p95 is {} below half of it and {} beyond it",
                    duration(below),
                    duration(beyond)
                )
            });
        let left = match knee.left.get() {
            0 => "nothing is left".to_owned(),
            _ => format!("{:.0} % are left", knee.left),
        };
        format!(
            "throughput stops rising at {}: {} can be sustained ({} to {}, {} windows){}; at the \
             median load {left}",
            self.load.text(knee.load),
            rate(knee.sustainable),
            rate(knee.low),
            rate(knee.high),
            count(knee.windows),
            times.unwrap_or_default(),
        )
    }
}
