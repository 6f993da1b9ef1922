//! Analysis: where throughput stops rising with the load, what response time goes together
//! with on the nodes, and whose memory grows.
//!
//! Every finding comes from a rule of `docs/trends.md` and quotes its evidence: coefficient or
//! level, its interval, and how many samples it rests on. Below the strength that is stated
//! there, nothing is said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_history::resources::ResourceSample;
use squall_history::{LoadUnit, Phase};
use squall_measure::series::{NodeResources, Windows, resources_of};
use squall_measure::{Measures, Resources, ResponseWindow};
use squall_objective::fixed::{
    Chance, Number, PerSecond, Percent, SignedNumber, SignedPercent, chance,
};
use squall_objective::objective::Unit;
use squall_statistics::{Hinge, blocks, hinge, holm, median, spearman, theil_sen};

use crate::words::{count, duration};

/// A processor that is less busy, in millionths, tells too little about one that is full.
const LEAST_BUSY: u64 = 100_000;
const WHOLE: u64 = 1_000_000;
const CERTAINTY: f64 = 0.95;
const SEED: u64 = 20;
/// A knee counts if a line without one fits so much worse only with this chance.
const KNEE_P: f64 = 0.001;
/// A correlation is stated from this coefficient on, if its interval keeps away from zero by
/// as much as the second says, and chance explains it at most so often, over all that were
/// looked at.
const STRONG: f64 = 0.6;
const STRONG_LEAST: f64 = 0.3;
const STRONG_P: f64 = 0.01;
/// Memory leaks from this growth in a run on, by the lower end of the slope's interval, if it
/// still grows in the second half: what fills up and levels off is no leak.
const LEAK: f64 = 0.1;
/// Neighbouring samples of memory depend on each other; means of so many blocks hardly do.
const BLOCKS: usize = 40;
const HOUR_US: f64 = 3_600e6;

/// What a run says about load and resources. Empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// `null` where the load never changed, or too little to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// What the busiest node leaves, where its processor is known and worth a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Headroom>,
    /// What a node's resources go together with, the strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correlations: Vec<Correlated>,
    /// Nodes whose memory grows all along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
}

/// Response time and throughput against load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    Users,
    /// Operations that start in a second.
    Rate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Users, or operations a second.
    pub load: Number,
    pub per_second: PerSecond,
    pub p50_us: Option<u64>,
    pub p95_us: Option<u64>,
    pub errors: u64,
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
    pub high: PerSecond,
    /// Median p95 of windows below half of the knee, and beyond it.
    pub p95_below_us: Option<u64>,
    pub p95_beyond_us: Option<u64>,
    /// Windows that it rests on.
    pub windows: u64,
    /// What is left at the median load of the run, of all windows under load, as a share of the
    /// knee.
    pub left: Percent,
}

/// How much more a processor would bear, by the utilization law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Headroom {
    /// The busiest.
    pub node: String,
    /// Mean over the chaos phase, of the one processor that a node can use.
    pub busy: Percent,
    /// Of the chaos phase.
    pub per_second: PerSecond,
    /// What one processor would bear; something else may fill up before.
    pub at_most: PerSecond,
    pub left: Percent,
    /// In one line.
    pub evidence: String,
}

/// A resource of a node and what clients saw, window by window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correlated {
    pub node: String,
    pub resource: Resource,
    pub with: With,
    /// Spearman's, -1 to 1.
    pub coefficient: SignedNumber,
    pub low: SignedNumber,
    pub high: SignedNumber,
    /// Windows, and how many independent ones they are worth.
    pub windows: u64,
    pub effective: Number,
    /// Corrected for all pairs that were looked at.
    pub p: Chance,
    /// In one line.
    pub evidence: String,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Processor,
    Memory,
    DiskReads,
    DiskWrites,
    NetworkReceived,
    NetworkSent,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// p95 of the window.
    ResponseTime,
    Errors,
}

/// Memory that grows from the first to the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leak {
    pub node: String,
    pub bytes_per_hour: u64,
    /// Where it lies with a certainty of 95 %.
    pub low: u64,
    pub high: u64,
    /// Over the longest stretch in which the node was not started again, of what it had at first.
    pub growth: SignedPercent,
    pub samples: u64,
    /// In one line.
    pub evidence: String,
}

impl Analysis {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(measures: &Measures, resources: Option<&Resources>) -> Self {
        let nodes = resources
            .map(|used| used.samples.as_slice())
            .unwrap_or_default();
        Self {
            capacity: capacity(&measures.response),
            headroom: resources.and_then(|used| headroom(measures, used)),
            correlations: correlations(&measures.response, nodes),
            leaks: leaks(measures, nodes),
        }
    }
}

/// One row of the curve at most for so many windows.
const MOST_ROWS: usize = 40;

/// Of windows in which a load was in force and no fault was, on the way up: what has piled up
/// under a higher load is worked off under a lower one, and would seem to be carried by it.
fn capacity(windows: &[ResponseWindow]) -> Option<Capacity> {
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

fn thousandths(value: f64) -> u64 {
    value.max(0.0).round() as u64
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

impl Resource {
    const ALL: [Resource; 6] = [
        Resource::Processor,
        Resource::Memory,
        Resource::DiskReads,
        Resource::DiskWrites,
        Resource::NetworkReceived,
        Resource::NetworkSent,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Resource::Processor => "processor",
            Resource::Memory => "memory",
            Resource::DiskReads => "disk reads",
            Resource::DiskWrites => "disk writes",
            Resource::NetworkReceived => "network received",
            Resource::NetworkSent => "network sent",
        }
    }

    fn of(self, node: &NodeResources) -> &[Option<u64>] {
        match self {
            Resource::Processor => &node.cpu_ppm,
            Resource::Memory => &node.memory_bytes,
            Resource::DiskReads => &node.disk_read,
            Resource::DiskWrites => &node.disk_written,
            Resource::NetworkReceived => &node.net_received,
            Resource::NetworkSent => &node.net_sent,
        }
    }
}

impl With {
    pub fn title(self) -> &'static str {
        match self {
            With::ResponseTime => "response time (p95)",
            With::Errors => "errors",
        }
    }

    fn of(self, window: &ResponseWindow) -> Option<u64> {
        match self {
            With::ResponseTime => window.p95_us,
            With::Errors => Some(window.errors),
        }
    }
}

/// A node works on one thread, so each operation costs so much of one processor. Both are of the
/// chaos phase: before and after it clients do something else.
fn headroom(measures: &Measures, resources: &Resources) -> Option<Headroom> {
    let chaos = measures.levels.phase(Phase::Chaos)?;
    let within = |sample: &&ResourceSample| (chaos.from_us..chaos.to_us).contains(&sample.at_us);
    let within: Vec<ResourceSample> = resources.samples.iter().filter(within).cloned().collect();
    let used = Resources::of(&within);
    let nodes = used.nodes.iter();
    let busiest = nodes
        .filter_map(|(node, used)| Some((used.cpu?, node)))
        .max()?;
    let (busy, node) = busiest;
    let per_second = measures.overall?.per_second;
    if busy.get() < LEAST_BUSY || per_second.get() == 0 {
        return None;
    }
    let at_most = u128::from(per_second.get()) * u128::from(WHOLE) / u128::from(busy.get());
    let at_most = PerSecond::of(u64::try_from(at_most).unwrap_or(u64::MAX));
    let rate = |rate: PerSecond| count(rate.get() / 1_000);
    let left = Percent::of(WHOLE.saturating_sub(busy.get()));
    Some(Headroom {
        node: node.clone(),
        busy,
        per_second,
        at_most,
        left,
        evidence: format!(
            "{node}, the busiest, keeps {busy:.1} % of a processor busy at {}/s: by that alone {}/s \
             could be borne, {left:.1} % are left",
            rate(per_second),
            rate(at_most)
        ),
    })
}

/// Of windows in which no fault was in force; what happens then has another cause.
fn correlations(windows: &[ResponseWindow], samples: &[ResourceSample]) -> Vec<Correlated> {
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return Vec::new();
    };
    let grid = Windows {
        length_us: first.span.length_us(),
        count: windows.len(),
        end_us: last.span.to_us - first.span.from_us,
    };
    let within = samples
        .iter()
        .filter(|sample| (first.span.from_us..last.span.to_us).contains(&sample.at_us));
    let shifted = within.map(|sample| ResourceSample {
        at_us: sample.at_us - first.span.from_us,
        ..sample.clone()
    });
    let nodes = resources_of(shifted, &grid);
    let mut found = Vec::new();
    for (node, used) in &nodes {
        for resource in Resource::ALL {
            for with in [With::ResponseTime, With::Errors] {
                let pairs = windows.iter().zip(resource.of(used));
                let pairs = pairs.filter(|(window, _)| !window.is_disturbed);
                let pairs = pairs
                    .filter_map(|(window, used)| Some(((*used)? as f64, with.of(window)? as f64)));
                let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
                if let Some(correlation) = spearman(&x, &y, CERTAINTY) {
                    found.push((node, resource, with, correlation));
                }
            }
        }
    }
    let corrected = holm(
        &found
            .iter()
            .map(|(.., found)| found.p)
            .collect::<Vec<f64>>(),
    );
    let strong = found.into_iter().zip(corrected).filter(|((.., found), p)| {
        let least = found.interval.low.abs().min(found.interval.high.abs());
        let is_one_sided = found.interval.low * found.interval.high > 0.0;
        found.coefficient.abs() >= STRONG && is_one_sided && least >= STRONG_LEAST && *p <= STRONG_P
    });
    let mut stated: Vec<Correlated> = strong
        .map(|((node, resource, with, found), p)| {
            let share = |value: f64| SignedNumber::nearest(value * 10_000.0).unwrap_or_default();
            let way = if found.coefficient > 0.0 { "rises" } else { "falls" };
            Correlated {
                node: node.clone(),
                resource,
                with,
                coefficient: share(found.coefficient),
                low: share(found.interval.low),
                high: share(found.interval.high),
                windows: found.count as u64,
                effective: Number::of(thousandths(found.effective * 10.0) * 1_000),
                p: chance(p),
                evidence: format!(
                    "{} {way} with {} of {node}: {:.2} ({:.2} to {:.2}) over {} windows, worth {:.0} \
                     independent ones",
                    with.title(),
                    resource.title(),
                    found.coefficient,
                    found.interval.low,
                    found.interval.high,
                    count(found.count as u64),
                    found.effective,
                ),
            }
        })
        .collect();
    stated.sort_by(|a, b| {
        let key = |c: &Correlated| {
            (
                std::cmp::Reverse(c.coefficient.0.abs()),
                c.node.clone(),
                c.resource,
                c.with,
            )
        };
        key(a).cmp(&key(b))
    });
    stated
}

/// Of each node from the start of chaos to the end of serve, the longest stretch in which it
/// lived and was not started again.
fn leaks(measures: &Measures, samples: &[ResourceSample]) -> Vec<Leak> {
    let Some(measured) = measures.levels.measured else {
        return Vec::new();
    };
    let mut nodes: BTreeMap<&str, Vec<&ResourceSample>> = BTreeMap::new();
    for sample in samples {
        if (measured.from_us..measured.to_us).contains(&sample.at_us) {
            nodes.entry(&sample.node).or_default().push(sample);
        }
    }
    nodes
        .into_iter()
        .filter_map(|(node, samples)| leak(node, &longest_life(&samples, measured.from_us)))
        .collect()
}

/// Times from `from_us` on, and memory, of the longest stretch in which the node was there. One
/// that starts again counts its processor time from zero.
fn longest_life(samples: &[&ResourceSample], from_us: u64) -> Vec<(f64, f64)> {
    let is_same_life = |a: &&ResourceSample, b: &&ResourceSample| {
        let is_there = a.memory_bytes.is_some() && b.memory_bytes.is_some();
        let is_older = a.cpu_us.zip(b.cpu_us).is_none_or(|(a, b)| a <= b);
        is_there && is_older
    };
    let lives = samples.chunk_by(is_same_life);
    // Of equally long ones the first.
    let longest = lives.rev().max_by_key(|life| life.len());
    let life = longest.unwrap_or_default().iter();
    life.filter_map(|sample| {
        let at = sample.at_us.saturating_sub(from_us);
        Some((at as f64, sample.memory_bytes? as f64))
    })
    .collect()
}

fn leak(node: &str, points: &[(f64, f64)]) -> Option<Leak> {
    let means = blocks(points, BLOCKS);
    let (x, y): (Vec<f64>, Vec<f64>) = means.iter().copied().unzip();
    let slope = theil_sen(&x, &y, CERTAINTY)?;
    let (first, length) = (y[0], x[x.len() - 1] - x[0]);
    let grows = |per_us: f64| per_us * length;
    let is_small = slope.p > STRONG_P || grows(slope.interval.low) < LEAK * first;
    if means.len() < BLOCKS / 2 || is_small {
        return None;
    }
    let half = means.len() / 2;
    let goes_on = theil_sen(&x[half..], &y[half..], CERTAINTY)?;
    if goes_on.interval.low <= 0.0 || goes_on.p > STRONG_P {
        return None;
    }
    let hourly = |per_us: f64| thousandths(per_us * HOUR_US);
    let bytes = |bytes: u64| Unit::Bytes.text(Unit::Bytes.number(bytes));
    let growth = SignedPercent((grows(slope.per_unit) / first.max(1.0) * 1e6).round() as i64);
    let [at, low, high] = [slope.per_unit, slope.interval.low, slope.interval.high].map(hourly);
    Some(Leak {
        node: node.to_owned(),
        bytes_per_hour: at,
        low,
        high,
        growth,
        samples: points.len() as u64,
        evidence: format!(
            "memory of {node} grows by {} an hour ({} to {}), {growth} in {}, {} samples",
            bytes(at),
            bytes(low),
            bytes(high),
            duration(length as u64),
            count(points.len() as u64)
        ),
    })
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
