//! Answers a test's questions about a run, in few words.

use std::fmt;
use std::time::Duration;

use crate::check::Verdict;
use crate::report::{Report, RunVerdict};
use crate::sweep::{Measure, SeedResult};

/// The report of one seed.
pub struct RunReport {
    report: Report,
    result: SeedResult,
}

impl RunReport {
    pub(super) fn new(report: Report) -> Self {
        let result = SeedResult::of(&report);
        Self { report, result }
    }

    pub(super) fn result(&self) -> &SeedResult {
        &self.result
    }

    /// # Panics
    /// The verdict is not a pass. The message says why, with the evidence.
    pub fn must_pass(&self) {
        if self.report.verdict == RunVerdict::Pass {
            return;
        }
        let failed = self.report.checks.iter();
        let failed = failed.filter(|check| check.verdict == Verdict::Fail);
        let evidence = failed.flat_map(|check| &check.evidence).take(20);
        let evidence: String = evidence.map(|line| format!("\n  {line}")).collect();
        panic!("{}  {}{evidence}", self.report.verdict, self.report.reason);
    }

    /// Which it was run with.
    pub fn seed(&self) -> u64 {
        self.report.seed
    }

    /// What it comes to.
    pub fn verdict(&self) -> RunVerdict {
        self.report.verdict
    }

    /// From a fault to the first election that it causes.
    pub fn detection(&self) -> Durations {
        self.durations(Measure::Detection)
    }

    /// From a fault to the first commit of a new leader.
    pub fn election(&self) -> Durations {
        self.durations(Measure::Election)
    }

    /// The longest that each client was without a service, if it was.
    pub fn downtime(&self) -> Durations {
        let clients = self.report.clients_down.iter();
        let longest = clients.map(|client| (client.max_ms.get(), self.seed()));
        Durations::new(longest.collect(), 0, None)
    }

    /// From a new leader to service as in the warm-up.
    pub fn recovery(&self) -> Durations {
        self.durations(Measure::Recovery)
    }

    /// Acknowledged writes that were lost.
    pub fn lost(&self) -> u64 {
        self.report.data_loss.lost
    }

    /// How often the run met a situation; see [`crate::measure::marks`].
    ///
    /// # Panics
    /// There is no such mark.
    pub fn mark(&self, name: &str) -> u64 {
        let times = self.report.marks.get(name);
        *times.unwrap_or_else(|| panic!("no mark is called {name}"))
    }

    /// Whether a check, `cache_linearizable` say, holds; `None` if it cannot tell, or had
    /// nothing to judge.
    ///
    /// # Panics
    /// There is no such check.
    pub fn holds(&self, check: &str) -> Option<bool> {
        let mut checks = self.report.checks.iter();
        let found = checks.find(|row| row.name == check);
        match found
            .unwrap_or_else(|| panic!("no check is called {check}"))
            .verdict
        {
            Verdict::Pass => Some(true),
            Verdict::Fail => Some(false),
            Verdict::Unknown
            | Verdict::NotJudged
            | Verdict::NotPromised
            | Verdict::UnknownNotPromised => None,
        }
    }

    /// Everything else.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn durations(&self, measure: Measure) -> Durations {
        Durations::over(measure, [&self.result])
    }
}

/// Durations of one kind, over one run or many.
///
/// What should have come and never did counts as longer than anything: a limit on the
/// slowest election is not kept by a cluster that elects nobody. With nothing to measure,
/// every duration is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    /// With their seeds, in rising order.
    seen_us: Vec<(u64, u64)>,
    unseen: u64,
    unseen_seed: Option<u64>,
}

impl Durations {
    fn new(mut seen_us: Vec<(u64, u64)>, unseen: u64, unseen_seed: Option<u64>) -> Self {
        seen_us.sort_unstable();
        Self {
            seen_us,
            unseen,
            unseen_seed,
        }
    }

    pub(super) fn over<'a>(
        measure: Measure,
        results: impl IntoIterator<Item = &'a SeedResult>,
    ) -> Self {
        let (mut seen_us, mut unseen, mut unseen_seed) = (Vec::new(), 0, None);
        for result in results {
            let run = result.run.as_ref();
            if let Some(sampled) = run.and_then(|run| run.measures.get(&measure)) {
                seen_us.extend(sampled.values.iter().map(|us| (*us, result.seed)));
                unseen += sampled.unseen;
                if sampled.unseen > 0 {
                    unseen_seed.get_or_insert(result.seed);
                }
            }
        }
        Self::new(seen_us, unseen, unseen_seed)
    }

    /// How many there are, those that never came included.
    pub fn count(&self) -> u64 {
        self.seen_us.len() as u64 + self.unseen
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        self.rank(1)
    }

    /// The median, by nearest rank.
    pub fn p50(&self) -> Duration {
        self.quantile(500)
    }

    /// 90th percentile, by nearest rank.
    pub fn p90(&self) -> Duration {
        self.quantile(900)
    }

    /// 99th percentile, by nearest rank.
    pub fn p99(&self) -> Duration {
        self.quantile(990)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.rank(self.count())
    }

    /// All together.
    pub fn total(&self) -> Duration {
        match self.unseen {
            0 => Duration::from_micros(self.seen_us.iter().map(|(us, _)| us).sum()),
            _ => Duration::MAX,
        }
    }

    /// The seed of the longest.
    pub fn worst_seed(&self) -> Option<u64> {
        let longest = self.seen_us.last().map(|(us, _)| *us);
        let mut all = self.seen_us.iter();
        let first = all.find(|(us, _)| Some(*us) == longest);
        self.unseen_seed.or(first.map(|(_, seed)| *seed))
    }

    /// By nearest rank.
    fn quantile(&self, per_mille: u64) -> Duration {
        self.rank((self.count() * per_mille).div_ceil(1_000))
    }

    fn rank(&self, rank: u64) -> Duration {
        if self.count() == 0 {
            return Duration::ZERO;
        }
        let index = rank.max(1) as usize - 1;
        let seen = self.seen_us.get(index);
        seen.map_or(Duration::MAX, |(us, _)| Duration::from_micros(*us))
    }
}

impl fmt::Display for Durations {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = |duration: Duration| match duration {
            Duration::MAX => "never".to_owned(),
            _ => crate::report::duration(duration.as_micros() as u64),
        };
        let [min, p50, p99, max] = [self.min(), self.p50(), self.p99(), self.max()].map(text);
        write!(
            f,
            "{} measured: min {min}, p50 {p50}, p99 {p99}, max {max}",
            self.count()
        )?;
        match self.worst_seed() {
            Some(seed) => write!(f, " (seed {seed})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_is_longer_than_anything() {
        let seen: Vec<(u64, u64)> = (1..=9).map(|n| (n * 1_000, n)).collect();
        let all = Durations::new(seen.clone(), 0, None);
        let ms = Duration::from_millis;
        assert_eq!((all.min(), all.p50(), all.max()), (ms(1), ms(5), ms(9)));
        assert_eq!((all.total(), all.worst_seed()), (ms(45), Some(9)));
        let some = Durations::new(seen, 1, Some(4));
        assert_eq!((some.p50(), some.max()), (ms(5), Duration::MAX));
        assert_eq!((some.count(), some.worst_seed()), (10, Some(4)));
        assert!(some.to_string().ends_with("max never (seed 4)"), "{some}");
    }

    #[test]
    fn nothing_to_measure_is_zero() {
        let none = Durations::new(Vec::new(), 0, None);
        assert_eq!(
            (none.max(), none.p99(), none.count()),
            (Duration::ZERO, Duration::ZERO, 0)
        );
    }
}
