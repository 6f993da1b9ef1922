//! A run over time, in bounded memory: points at equal distances, and what was in force from
//! when to when.
//!
//! A run that outgrows the points has every two of them taken together, again and again: counts
//! are added, percentiles and depths are those of the worse half.

use serde::{Serialize, Serializer};

/// Distance of points in a run of up to ten minutes.
pub const STEP_US: u64 = 250_000;
const MOST_POINTS: usize = 2_400;
/// Beyond so many, what has been over longest is forgotten.
const MOST_BARS: usize = 1_000;

/// What happened in a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Point {
    /// By service, in the order of [`Series::services`]; services that came later are missing.
    pub acked: Vec<u64>,
    pub failed: u64,
    pub unknown: u64,
    /// p50, p95, p99 and longest, of acknowledged operations that did not ask to wait.
    pub latency_us: Option<[u64; 4]>,
    /// Messages that waited at the end.
    pub depth: Option<u64>,
    /// Reads that found a value, and all that were answered.
    pub hits: u64,
    pub reads: u64,
    /// Operations that waited for an answer at the end.
    pub outstanding: u64,
    /// Most clients without service at a time.
    pub without: u64,
    /// Of the node with the most, where it is known: millionths of a processor, and bytes.
    pub cpu_ppm: Option<u64>,
    pub memory_bytes: Option<u64>,
}

/// As a list in the order of its fields: a page is sent thousands of them.
impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = (&self.acked, self.failed, self.unknown, self.latency_us);
        let stood = (
            self.depth,
            self.hits,
            self.reads,
            self.outstanding,
            self.without,
        );
        (counts, stood, (self.cpu_ppm, self.memory_bytes)).serialize(serializer)
    }
}

impl Point {
    fn add(&mut self, later: Point) {
        if self.acked.len() < later.acked.len() {
            self.acked.resize(later.acked.len(), 0);
        }
        for (sum, more) in self.acked.iter_mut().zip(&later.acked) {
            *sum += more;
        }
        self.failed += later.failed;
        self.unknown += later.unknown;
        self.latency_us = match (self.latency_us, later.latency_us) {
            (Some(a), Some(b)) => Some(std::array::from_fn(|i| a[i].max(b[i]))),
            (a, b) => a.or(b),
        };
        self.depth = self.depth.max(later.depth);
        self.hits += later.hits;
        self.reads += later.reads;
        self.outstanding = self.outstanding.max(later.outstanding);
        self.without = self.without.max(later.without);
        self.cpu_ppm = self.cpu_ppm.max(later.cpu_ppm);
        self.memory_bytes = self.memory_bytes.max(later.memory_bytes);
    }
}

/// What was in force, or who led, from when to when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    pub kind: BarKind,
    /// `kill`, `node-1`, the name of an alert.
    pub lane: String,
    /// Targets, a term, a severity.
    pub label: String,
    pub from_us: u64,
    /// `None`: it goes on.
    pub to_us: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BarKind {
    Phase,
    Fault,
    Leader,
    Alert,
}

/// Points and bars of a run, as far as it has come.
#[derive(Debug)]
pub struct Series {
    pub step_us: u64,
    /// Names of the services, as they were first seen.
    pub services: Vec<&'static str>,
    /// Those that are over.
    pub points: Vec<Point>,
    /// What is under way.
    open: Point,
    /// Of what is under way; a step is short.
    latencies: Vec<u64>,
    pub bars: Vec<Bar>,
    /// Changes with every bar that begins or ends.
    pub bars_version: u64,
    /// Changes when points that were there become others.
    pub generation: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            step_us: STEP_US,
            services: Vec::new(),
            points: Vec::new(),
            open: Point::default(),
            latencies: Vec::new(),
            bars: Vec::new(),
            bars_version: 0,
            generation: 0,
        }
    }
}

impl Series {
    /// When the step that is under way is over.
    pub(super) fn next_us(&self) -> u64 {
        (self.points.len() as u64 + 1) * self.step_us
    }

    pub(super) fn acknowledged(&mut self, service: &'static str, latency_us: Option<u64>) {
        let known = self.services.iter().position(|name| *name == service);
        let place = known.unwrap_or_else(|| {
            self.services.push(service);
            self.services.len() - 1
        });
        if self.open.acked.len() <= place {
            self.open.acked.resize(place + 1, 0);
        }
        self.open.acked[place] += 1;
        if let Some(latency_us) = latency_us {
            self.latencies.push(latency_us);
        }
    }

    pub(super) fn failed(&mut self) {
        self.open.failed += 1;
    }

    pub(super) fn unknown(&mut self) {
        self.open.unknown += 1;
    }

    pub(super) fn read(&mut self, hits: u64, reads: u64) {
        self.open.hits += hits;
        self.open.reads += reads;
    }

    pub(super) fn used(&mut self, cpu_ppm: Option<u64>, memory_bytes: Option<u64>) {
        self.open.cpu_ppm = self.open.cpu_ppm.max(cpu_ppm);
        self.open.memory_bytes = self.open.memory_bytes.max(memory_bytes);
    }

    /// So many clients were without service.
    pub(super) fn without(&mut self, clients: u64) {
        self.open.without = self.open.without.max(clients);
    }

    /// The step that is under way is over, at which it stood so.
    pub(super) fn close(&mut self, depth: Option<u64>, outstanding: u64) {
        let mut point = std::mem::take(&mut self.open);
        self.latencies.sort_unstable();
        point.latency_us = self.latencies.last().map(|longest_us| {
            let rank = |per_mille: usize| (self.latencies.len() * per_mille).div_ceil(1_000);
            let at = |per_mille| self.latencies[rank(per_mille) - 1];
            [at(500), at(950), at(990), *longest_us]
        });
        self.latencies.clear();
        (point.depth, point.outstanding) = (depth, outstanding);
        self.points.push(point);
        if self.points.len() == MOST_POINTS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        let mut points = std::mem::take(&mut self.points).into_iter();
        while let Some(mut point) = points.next() {
            if let Some(later) = points.next() {
                point.add(later);
            }
            self.points.push(point);
        }
        self.step_us *= 2;
        self.generation += 1;
    }

    pub(super) fn begin(&mut self, kind: BarKind, lane: String, label: String, from_us: u64) {
        if self.bars.len() == MOST_BARS {
            // What goes on stays, if anything is over.
            let over = self.bars.iter().position(|bar| bar.to_us.is_some());
            self.bars.remove(over.unwrap_or(0));
        }
        self.bars.push(Bar {
            kind,
            lane,
            label,
            from_us,
            to_us: None,
        });
        self.bars_version += 1;
    }

    /// Ends what goes on of this kind; of one lane, if it is named.
    pub(super) fn end(&mut self, kind: BarKind, lane: Option<(&str, &str)>, to_us: u64) {
        let mut ended = false;
        for bar in self.bars.iter_mut().rev() {
            let is_it = lane.is_none_or(|(lane, label)| bar.lane == lane && bar.label == label);
            if bar.kind == kind && bar.to_us.is_none() && is_it {
                bar.to_us = Some(to_us.max(bar.from_us));
                ended = true;
            }
        }
        self.bars_version += u64::from(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_counts_in_half_as_many_points() {
        let mut series = Series::default();
        let mut latest = 0;
        for step in 0..MOST_POINTS as u64 {
            series.acknowledged("lock", Some(1_000 + step));
            latest = series.next_us();
            series.close(Some(step), step % 7);
        }
        assert_eq!(series.points.len(), MOST_POINTS / 2);
        assert_eq!((series.step_us, series.generation), (2 * STEP_US, 1));
        assert_eq!(latest + series.step_us, series.next_us());
        let acked: u64 = series.points.iter().map(|point| point.acked[0]).sum();
        assert_eq!(acked, MOST_POINTS as u64);
        assert_eq!(series.points[0].depth, Some(1), "the worse half");
    }

    #[test]
    fn what_was_in_force_is_bounded_and_what_goes_on_is_kept() {
        let mut series = Series::default();
        series.begin(BarKind::Phase, "phase".into(), "chaos".into(), 0);
        for at_us in 1..MOST_BARS as u64 + 5 {
            let label = at_us.to_string();
            series.begin(BarKind::Fault, "kill".into(), label.clone(), at_us);
            if at_us < 10 {
                series.end(BarKind::Fault, Some(("kill", &label)), at_us);
            }
        }
        let begins: Vec<u64> = series.bars.iter().map(|bar| bar.from_us).collect();
        assert_eq!((begins.len(), &begins[..3]), (MOST_BARS, &[0, 6, 7][..]));
        assert_eq!(series.generation, 0, "points stay as they were");
        assert_eq!(series.bars_version, MOST_BARS as u64 + 5 + 9);
        series.end(BarKind::Fault, Some(("kill", "70")), 2_000);
        let ended = series.bars.iter().filter(|bar| bar.to_us.is_some());
        assert_eq!(ended.count(), 5);
        series.end(BarKind::Fault, None, 3_000);
        let open = series.bars.iter().filter(|bar| bar.to_us.is_none());
        assert!(open.map(|bar| bar.kind).eq([BarKind::Phase]));
    }
}
