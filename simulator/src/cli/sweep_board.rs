//! Sends the progress of a sweep to the dashboard.

use std::time::Duration;

use squall_watch::sweep::SweepNow;

use super::watch::Dashboard;
use crate::stopwatch::Stopwatch;
use crate::sweep::result::{Measure, Results};
use crate::sweep::{Ending, SeedResult};

/// How often a sweep is published.
const PUBLISHED: Duration = Duration::from_millis(250);
/// Failures that are listed.
const MOST_FAILURES: usize = 20;
/// Runs that are drawn.
const MOST_RUNS: usize = 600;

/// A sweep, for a dashboard.
pub(super) struct SweepBoard<'a> {
    dashboard: &'a Dashboard,
    now: SweepNow,
    watch: Stopwatch,
    published: Option<Duration>,
}

impl<'a> SweepBoard<'a> {
    /// Of so many runs, of which some were done before.
    pub(super) fn begin(
        dashboard: &'a Dashboard,
        title: String,
        planned: u64,
        done: &Results,
    ) -> Self {
        let mut board = Self {
            dashboard,
            now: SweepNow {
                title,
                planned,
                endings: Ending::ALL
                    .iter()
                    .map(|ending| (ending.label(), 0))
                    .collect(),
                ..SweepNow::default()
            },
            watch: Stopwatch::start(),
            published: None,
        };
        for result in done.values() {
            board.add(result);
        }
        board.publish();
        board
    }

    /// A run is over.
    pub(super) fn take_in(&mut self, result: &SeedResult) {
        self.add(result);
        let elapsed = self.watch.elapsed();
        if self.published.is_none_or(|at| elapsed - at >= PUBLISHED) {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.published = Some(self.watch.elapsed());
        self.dashboard.board.publish_sweep(&self.now);
    }

    fn add(&mut self, result: &SeedResult) {
        let now = &mut self.now;
        now.done += 1;
        let label = result.ending.label();
        let mut endings = now.endings.iter_mut();
        if let Some((_, count)) = endings.find(|(ending, _)| *ending == label) {
            *count += 1;
        }
        if result.ending != Ending::Pass {
            let (scenario, reason) = (result.scenario.clone(), result.reason.clone());
            now.failures
                .insert(0, (scenario, result.seed, label, reason));
            now.failures.truncate(MOST_FAILURES);
        }
        let longest = |measure| {
            let sampled = result.run.as_ref()?.measures.get(&measure)?;
            sampled.values.last().copied()
        };
        if now.runs.len() == MOST_RUNS {
            now.runs.remove(0);
        }
        let run = (longest(Measure::Downtime), longest(Measure::Election));
        now.runs.push(run);
    }
}
