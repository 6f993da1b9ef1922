//! Publishes a run: the data of the page and the metrics.
//!
//! The thread of the run writes it, a few times a second; others read it when they like. A late
//! reader gets all points that there are, and from then on what is new ([`Cursor`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use squall_objective::alert::Severity;
use squall_objective::objective::{Metric, Unit};
use tokio::sync::watch;

use crate::metrics::{Family, Labels, families, sweep_families};
use crate::sweep::SweepNow;
use crate::tally::clients::ClientsNow;
use crate::tally::nodes::Used;
use crate::tally::series::{Bar, Point};
use crate::tally::standing::{Standing, Watched};
use crate::tally::{Tally, series};

/// Which run is watched.
#[derive(Debug, Clone, Serialize)]
pub struct RunInfo {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// Of the run.
    pub seed: u64,
    /// As `--backend` takes it, and in words.
    pub backend: String,
    /// For a reader.
    pub backend_title: String,
    /// Whether its time is virtual.
    pub simulated: bool,
    /// `1x`, if the run has a pace.
    pub pace: Option<String>,
    /// Length of the phases whose length is known, microseconds.
    pub planned_us: u64,
}

/// How an objective stands, in words.
#[derive(Debug, Clone, Serialize)]
struct ObjectiveNow {
    name: String,
    sign: &'static str,
    limit: String,
    /// From where on it is at risk.
    warning: Option<String>,
    value: Option<String>,
    standing: Standing,
    /// For how long it has been missed, and may be: `1.2 s of 2 s`.
    missed_for: Option<String>,
}

impl ObjectiveNow {
    fn of(watched: &Watched) -> Self {
        let figure = &watched.objective.figure;
        let text = |value: u64| shown(figure, value);
        let lasts = |us| Unit::Ms.text(Unit::Ms.number(us));
        let warning = match watched.objective.grace_us {
            Some(grace_us) => Some(format!("missed for {}", lasts(grace_us / 2))),
            None => watched.warning().map(text),
        };
        let missed_for = watched.missed_for_us();
        Self {
            name: figure.to_string(),
            sign: figure.bound().sign(),
            limit: match watched.objective.grace_us {
                Some(grace_us) => {
                    format!(
                        "{}, missed for {}",
                        text(watched.objective.limit),
                        lasts(grace_us)
                    )
                }
                None => text(watched.objective.limit),
            },
            warning,
            value: watched.value.map(text),
            standing: watched.standing,
            missed_for: missed_for.map(|(us, grace)| format!("{} of {}", lasts(us), lasts(grace))),
        }
    }
}

/// To a person: no more digits than tell something.
fn shown(figure: &Metric, value: u64) -> String {
    let unit = figure.unit();
    let rounded = match unit {
        Unit::Ms if value >= 10_000 => value / 1_000 * 1_000,
        Unit::Percent => value / 100 * 100,
        Unit::PerSecond if value >= 10_000 => value / 1_000 * 1_000,
        _ => value,
    };
    unit.text(unit.number(rounded))
}

/// An alert that is on.
#[derive(Debug, Clone, Serialize)]
struct AlertNow {
    name: String,
    severity: Severity,
    condition: String,
    from_us: u64,
}

#[derive(Debug, Clone, Serialize)]
struct NodeNow {
    node: String,
    #[serde(flatten)]
    used: Used,
}

/// How a run stands at a moment.
#[derive(Debug, Clone, Serialize)]
struct State {
    at_us: u64,
    phase: Option<&'static str>,
    /// Who leads, if anybody does.
    leader: Option<String>,
    /// The last in which anybody led.
    term: Option<u64>,
    leaderless_us: u64,
    per_second: u64,
    /// p50, p95, p99 of the last second.
    latency_us: [Option<u64>; 3],
    acknowledged: u64,
    failed: u64,
    unknown: u64,
    outstanding: u64,
    clients: [u64; 2],
    without_us: u64,
    depth: Option<u64>,
    hits: u64,
    reads: u64,
    faults: Vec<String>,
    alerts: Vec<AlertNow>,
    objectives: Vec<ObjectiveNow>,
    nodes: Vec<NodeNow>,
}

impl State {
    fn of(tally: &mut Tally) -> Self {
        let [acknowledged, failed, unknown] = tally.operations.totals();
        let ClientsNow {
            asked,
            without,
            for_us,
        } = tally.clients.now(tally.at_us);
        let alerts = tally.alerts.on().map(|(alert, from_us)| AlertNow {
            name: alert.name.clone(),
            severity: alert.severity,
            condition: alert.condition(),
            from_us,
        });
        let nodes = tally.nodes.iter().map(|(node, used)| NodeNow {
            node: node.to_owned(),
            used,
        });
        Self {
            at_us: tally.at_us,
            phase: tally.phase.map(|phase| phase.name()),
            leader: tally.leader().map(|(node, _)| node.to_owned()),
            term: tally.term(),
            leaderless_us: tally.leaderless_for_us(),
            acknowledged,
            failed,
            unknown,
            outstanding: tally.outstanding(),
            clients: [asked, without],
            without_us: for_us,
            depth: tally.depth,
            hits: tally.hits,
            reads: tally.reads,
            faults: tally.faults(),
            alerts: alerts.collect(),
            objectives: tally.standings.iter().map(ObjectiveNow::of).collect(),
            nodes: nodes.collect(),
            per_second: tally.per_second(),
            latency_us: tally.recent_us([500, 950, 990]),
        }
    }
}

/// What is published, with how much of it there is.
#[derive(Debug, Default)]
struct Published {
    run: Option<RunInfo>,
    /// Counts runs, where one follows another.
    number: u64,
    step_us: u64,
    services: Vec<&'static str>,
    points: Vec<Point>,
    bars: Vec<Bar>,
    bars_version: u64,
    generation: u64,
    state: Option<State>,
    /// In place of a run.
    sweep: Option<SweepNow>,
    metrics: Vec<Family>,
    /// The page of the report, once the last run is over.
    report: Option<Arc<str>>,
}

/// How much one reader has of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    number: u64,
    generation: u64,
    points: usize,
    bars_version: u64,
}

/// What one reader is sent.
#[derive(Serialize)]
struct Message<'a> {
    run: Option<&'a RunInfo>,
    /// Where `points` begin; 0: in place of all that there was.
    from: usize,
    step_us: u64,
    services: &'a [&'static str],
    points: &'a [Point],
    /// All of them, if any has begun or ended since.
    bars: Option<&'a [Bar]>,
    state: Option<&'a State>,
    sweep: Option<&'a SweepNow>,
    /// The run is over, and the report can be read.
    is_over: bool,
}

/// Where runs are published, for any number of readers on any thread.
#[derive(Debug, Clone)]
pub struct Board {
    published: Arc<Mutex<Published>>,
    changed: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            published: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Published> {
        // Whatever a panicking writer has left is a run that has ended.
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A run begins, in place of the one before.
    pub fn begin(&self, run: RunInfo) {
        let mut published = self.lock();
        *published = Published {
            run: Some(run),
            number: published.number + 1,
            step_us: series::STEP_US,
            ..Published::default()
        };
        drop(published);
        self.tell();
    }

    /// Publishes how the run stands.
    pub fn publish(&self, tally: &mut Tally) {
        let state = State::of(tally);
        let series = &tally.series;
        let mut published = self.lock();
        if let Some(run) = &published.run {
            let labels: Labels = vec![
                ("scenario", run.scenario.clone()),
                ("seed", run.seed.to_string()),
                ("backend", run.backend.clone()),
            ];
            published.metrics = families(tally, &labels);
        }
        if published.generation != series.generation {
            published.points.clear();
            published.generation = series.generation;
        }
        let known = published.points.len();
        published.points.extend_from_slice(&series.points[known..]);
        (published.step_us, published.services) = (series.step_us, series.services.clone());
        if published.bars_version != series.bars_version {
            published.bars.clone_from(&series.bars);
            published.bars_version = series.bars_version;
        }
        published.state = Some(state);
        drop(published);
        self.tell();
    }

    /// Publishes how a sweep stands.
    pub fn publish_sweep(&self, sweep: &SweepNow) {
        let mut published = self.lock();
        published.sweep = Some(sweep.clone());
        published.metrics = sweep_families(sweep);
        drop(published);
        self.tell();
    }

    /// The last run is over: its report is what is shown from now on.
    pub fn end(&self, report: String) {
        self.lock().report = Some(report.into());
        self.tell();
    }

    /// The page of the report, once there is one.
    pub fn report(&self) -> Option<Arc<str>> {
        self.lock().report.clone()
    }

    /// The metrics as they were published last.
    pub fn metrics(&self) -> Vec<Family> {
        self.lock().metrics.clone()
    }

    /// What is new since the cursor, as JSON, and whether it is the last.
    pub fn news(&self, cursor: &mut Cursor) -> (String, bool) {
        let published = self.lock();
        let is_other =
            (cursor.number, cursor.generation) != (published.number, published.generation);
        if is_other {
            *cursor = Cursor {
                number: published.number,
                generation: published.generation,
                points: 0,
                bars_version: u64::MAX,
            };
        }
        let from = cursor.points.min(published.points.len());
        let are_bars_new = cursor.bars_version != published.bars_version;
        let is_over = published.report.is_some();
        let message = Message {
            run: is_other.then_some(published.run.as_ref()).flatten(),
            from,
            step_us: published.step_us,
            services: &published.services,
            points: &published.points[from..],
            bars: are_bars_new.then_some(published.bars.as_slice()),
            state: published.state.as_ref(),
            sweep: published.sweep.as_ref(),
            is_over,
        };
        let message = serde_json::to_string(&message).expect("plain data");
        cursor.points = published.points.len();
        cursor.bars_version = published.bars_version;
        (message, is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use squall_history::{Event, EventKind, Phase};
    use squall_plan::plan::Plan;
    use squall_plan::scenario::Scenario;

    fn news(board: &Board, cursor: &mut Cursor) -> Value {
        let (message, _) = board.news(cursor);
        serde_json::from_str(&message).expect("it is JSON")
    }

    fn run() -> RunInfo {
        RunInfo {
            scenario: "t".into(),
            seed: 1,
            backend: "sim".into(),
            backend_title: "simulation".into(),
            simulated: true,
            pace: None,
            planned_us: 0,
        }
    }

    #[test]
    fn a_late_reader_gets_all_and_then_what_is_new() {
        let text = "name = \"t\"\n[[workload]]\nservice = \"cache\"\n";
        let scenario = Scenario::parse(text, "t.toml").expect("a scenario");
        let mut tally = Tally::of(&Plan::resolve(&scenario, 1).expect("a plan"));
        let board = Board::default();
        board.begin(run());
        let mut early = Cursor::default();
        assert_eq!(news(&board, &mut early)["run"]["scenario"], "t");
        let mut phase = |at_us, phase| {
            let kind = EventKind::Phase { phase };
            tally.take_in(&Event { at_us, kind });
            board.publish(&mut tally);
        };
        phase(1_000_000, Phase::Chaos);
        let first = news(&board, &mut early);
        assert_eq!(first["points"].as_array().map(Vec::len), Some(4));
        assert_eq!(first["bars"].as_array().map(Vec::len), Some(1));
        phase(1_500_000, Phase::Chaos);
        let more = news(&board, &mut early);
        assert_eq!((&more["from"], &more["run"]), (&4.into(), &Value::Null));
        assert_eq!(more["points"].as_array().map(Vec::len), Some(2));
        assert_eq!(news(&board, &mut early)["bars"], Value::Null);
        let mut late = Cursor::default();
        let all = news(&board, &mut late);
        assert_eq!((&all["from"], &all["run"]["seed"]), (&0.into(), &1.into()));
        assert_eq!(all["points"].as_array().map(Vec::len), Some(6));
        board.end("<html>".into());
        assert_eq!(news(&board, &mut late)["is_over"], true);
        assert_eq!(board.report().as_deref(), Some("<html>"));
        // Another run in its place.
        board.begin(run());
        let other = news(&board, &mut late);
        assert_eq!(
            (&other["from"], &other["is_over"]),
            (&0.into(), &false.into())
        );
    }
}
