//! Sides made by hand: what is compared, and what is left open.

use std::collections::BTreeMap;

use super::side::Side;
use super::{Comparison, Row, compare, markdown, text};
use crate::sweep::result::{LatencyQuantiles, Measure, RunFacts, Sampled, Warmup};
use crate::sweep::{Ending, SeedResult};

/// A run whose elections took so long, in milliseconds.
fn run(scenario: &str, seed: u64, elections_ms: &[u64], per_second: Option<u64>) -> SeedResult {
    let sampled = Sampled {
        values: elections_ms.iter().map(|ms| ms * 1_000).collect(),
        unseen: 0,
    };
    let warmup = per_second.map(|rate| Warmup {
        thousandths_per_second: Some(rate * 1_000),
        latency: BTreeMap::from([(
            "set".to_owned(),
            LatencyQuantiles {
                p50_us: 1_000_000 / rate,
                p99_us: 3_000_000 / rate,
            },
        )]),
    });
    SeedResult {
        scenario: scenario.into(),
        seed,
        ending: Ending::Pass,
        reason: "ok".into(),
        causes: Vec::new(),
        run: Some(RunFacts {
            measures: BTreeMap::from([(Measure::Election, sampled)]),
            warmup: warmup
                .into_iter()
                .map(|w| ("cache".to_owned(), w))
                .collect(),
            ..RunFacts::default()
        }),
    }
}

fn side(path: &str, backend: &str, runs: Vec<SeedResult>) -> Side {
    let mut side = Side::empty(path);
    side.backend = backend.into();
    for run in runs {
        side.add_with_text(run, "the scenario");
    }
    side
}

fn one(a: &Side, b: &Side) -> Comparison {
    let mut comparisons = compare(a, b).expect("there is something to compare");
    assert_eq!(comparisons.len(), 1);
    comparisons.remove(0)
}

fn row<'a>(comparison: &'a Comparison, figure: &str) -> &'a Row {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.figure == figure).expect(figure)
}

/// Hundred simulated runs with elections of 901 to 1,000 ms, and one on containers.
fn sweep_and_trial() -> Comparison {
    let swept = (1..=100).map(|seed| run("leader-kill", seed, &[900 + seed], Some(500)));
    let sweep = side("sweep", "sim", swept.collect());
    let trial = side("trial", "docker", vec![run("leader-kill", 1, &[990], None)]);
    one(&sweep, &trial)
}

#[test]
fn one_sample_has_its_place_in_a_distribution() {
    let comparison = sweep_and_trial();
    let election = row(&comparison, "election");
    let (a, b) = (election.a.expect("measured"), election.b.expect("measured"));
    assert_eq!(
        (a.count, a.p50, a.p99, a.max),
        (100, 950_000, 999_000, 1_000_000)
    );
    assert_eq!((b.count, b.p50), (1, 990_000));
    assert_eq!(election.ratio.expect("both are there").to_string(), "1.042");
    let percentile = election.percentile.expect("A is many runs");
    assert_eq!(format!("{percentile:.0}"), "90");
    assert_eq!(comparison.warnings, Vec::<String>::new());
}

#[test]
fn what_a_side_does_not_show_stays_open() {
    let comparison = sweep_and_trial();
    let throughput = row(&comparison, "throughput: cache");
    assert!(throughput.a.is_some() && throughput.b.is_none());
    assert_eq!((throughput.ratio, throughput.percentile), (None, None));
    let text = text(&comparison);
    let line = text.lines().find(|line| line.contains("throughput: cache"));
    let cells: Vec<&str> = line.expect("it is shown").split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "throughput:",
            "cache",
            "100",
            "500.0/s",
            "500.0/s",
            "500.0/s",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-"
        ]
    );
    assert!(!text.contains("recovery"), "neither side shows any: {text}");
}

#[test]
fn a_zero_has_no_ratio_and_a_single_run_no_percentiles() {
    let a = side("a", "sim", vec![run("leader-kill", 1, &[900, 1_000], None)]);
    let b = side("b", "sim", vec![run("leader-kill", 2, &[950], None)]);
    let comparison = one(&a, &b);
    let lost = row(&comparison, "phantom writes");
    assert_eq!(lost.a.expect("counted").p50, 0);
    assert_eq!(lost.ratio, None);
    let election = row(&comparison, "election");
    assert!(election.ratio.is_some());
    assert_eq!(election.percentile, None);
}

#[test]
fn what_is_not_the_same_is_compared_with_a_warning() {
    let a = side("a", "sim", vec![run("leader-kill", 1, &[900], None)]);
    let mut b = side("b", "docker", vec![run("quiet", 1, &[950], None)]);
    b.settings = vec![("phases.chaos".into(), "5s".into())];
    let comparison = one(&a, &b);
    assert_eq!(
        comparison.warnings,
        [
            "A is leader-kill, B is quiet: not the same scenario; the figures may not be comparable",
            "the overrides (--set) differ; the figures may not be comparable",
        ]
    );
    let mut changed = side("c", "sim", Vec::new());
    changed.add_with_text(run("leader-kill", 1, &[900], None), "another text");
    let comparison = one(&a, &changed);
    assert!(comparison.warnings[0].starts_with("the texts of leader-kill differ"));
    assert!(markdown(&comparison).contains("- **Warning:** the texts of leader-kill differ"));
}

#[test]
fn sweeps_are_compared_scenario_by_scenario() {
    let swept = |names: [&str; 2]| names.map(|name| run(name, 1, &[900], None)).to_vec();
    let a = side("a", "sim", swept(["leader-kill", "quiet"]));
    let b = side("b", "sim", swept(["quiet", "chaos"]));
    let comparison = one(&a, &b);
    assert_eq!(comparison.a.scenario, "quiet");
    let c = side("c", "sim", vec![run("power-loss", 1, &[900], None)]);
    let why = compare(&a, &c).expect_err("nothing in common");
    assert_eq!(
        why,
        "no scenario in common: a has leader-kill, quiet, c has power-loss"
    );
}
