//! A build that got slower is told from one that did not.
//!
//! The planted bug MP-01 breaks no promise; it holds every write back for five milliseconds.
//! Checks cannot see that. A baseline of an unchanged build must: by the figures that grew, by
//! the stage in which the time goes, and on every seed. The same build on the same seeds must
//! not be accused of anything.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use squall::baseline::{Baseline, Comparison, Reference, Tolerance};
use squall::report::{Report, Rule};
use squall::scenario::Scenario;
use squall::track_record::judge;
use squall_cluster::planted::Bug;

const SCENARIO: &str = r#"
name = "performance"

[phases]
warmup = "1s"
chaos = "8s"
serve = "1s"

[probe]
enabled = false

[network]
latency = "1ms"

[[workload]]
service = "lock"
clients = 2
keys = 50
think = "20ms"

[[workload]]
service = "queue"
producers = 2
consumers = 2
think = "20ms"

[[workload]]
service = "cache"
clients = 4
reads = "50%"
think = "20ms"
"#;

fn run(seed: u64, bug: Option<Bug>) -> Report {
    let scenario = Scenario::parse(SCENARIO, "performance.toml").expect("it is valid");
    judge(&scenario, seed, bug).expect("the simulation works")
}

/// Of five seeds.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let runs: Vec<_> = (1..=5).map(|seed| run(seed, None).figures).collect();
    Reference {
        name: "performance".into(),
        tolerance: Tolerance::default(),
        baseline: Baseline::of("performance", "sim", &runs),
    }
});

fn regressions(comparison: &Comparison) -> Vec<String> {
    comparison.regressions().map(ToString::to_string).collect()
}

// Ten seeds, on two threads.

#[test]
fn a_slower_build_is_a_regression_and_an_unchanged_one_is_none() {
    a_slower_build_is_a_regression_on(11..=15);
}

#[test]
fn a_slower_build_is_a_regression_and_an_unchanged_one_is_none_on_five_more_seeds() {
    a_slower_build_is_a_regression_on(16..=20);
}

fn a_slower_build_is_a_regression_on(seeds: RangeInclusive<u64>) {
    let reference = &*REFERENCE;
    for seed in seeds {
        let same = run(seed, None);
        let found = regressions(&reference.compare(&same.figures));
        assert_eq!(found, Vec::<String>::new(), "seed {seed}, unchanged");
        let processing = same
            .bottlenecks
            .iter()
            .find(|found| found.rule == Rule::Processing);
        assert_eq!(processing, None, "seed {seed}, unchanged");

        let slow = run(seed, Some(Bug::SlowWrites));
        let compared = reference.compare(&slow.figures);
        let worse: Vec<&str> = compared
            .regressions()
            .map(|row| row.figure.as_str())
            .collect();
        for figure in [
            "latency.cache.set.p50",
            "latency.lock.acquire.p50",
            "latency.queue.publish.p50",
            "stage.cache.held",
            "stage.lock.held",
            "stage.queue.held",
        ] {
            assert!(
                worse.contains(&figure),
                "seed {seed}: {figure} is not in {worse:?}"
            );
        }
        // Reads are not held back, nor is anything else on a write's way slower.
        for figure in [
            "latency.cache.get.p50",
            "stage.cache.disk",
            "stage.cache.network",
        ] {
            assert!(
                !worse.contains(&figure),
                "seed {seed}: {figure} is in {worse:?}"
            );
        }
        // Five milliseconds, to a tenth: medians of two runs differ a little anyway, and the
        // mean is over all operations, of which a few are reads and not held.
        let us = |report: &Report, figure: &str| report.figures[figure].value.get() / 10;
        let acquire = "latency.lock.acquire.p50";
        let slower_us = us(&slow, acquire) - us(&same, acquire);
        for (what, us) in [
            ("slower", slower_us),
            ("held", us(&slow, "stage.lock.held")),
        ] {
            assert!((4_500..5_500).contains(&us), "seed {seed}: {what} {us} µs");
        }
        let first = slow
            .bottlenecks
            .first()
            .expect("five milliseconds are a bottleneck");
        assert_eq!(
            first.rule,
            Rule::Processing,
            "seed {seed}: {:#?}",
            slow.bottlenecks
        );
    }
}
