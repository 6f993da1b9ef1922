//! Sides made by hand: what is compared, and what is left open.

use std::collections::BTreeMap;

use super::side::{Made, Side};
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
        side.add(run, made("the scenario", &[]));
    }
    side
}

fn made(text: &str, settings: &[(&str, &str)]) -> Made {
    let settings = settings.iter();
    Made {
        text: text.into(),
        settings: settings
            .map(|(key, to)| ((*key).into(), (*to).into()))
            .collect(),
        profile: None,
    }
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
    let mut b = side("b", "docker", Vec::new());
    let longer = made("the scenario", &[("phases.chaos", "5s")]);
    b.add(run("quiet", 1, &[950], None), longer);
    let comparison = one(&a, &b);
    assert_eq!(
        comparison.warnings,
        [
            "A is leader-kill, B is quiet: not the same scenario; the figures may not be comparable",
            "the overrides (--set) differ; the figures may not be comparable",
        ]
    );
    let mut changed = side("c", "sim", Vec::new());
    changed.add(
        run("leader-kill", 1, &[900], None),
        made("another text", &[]),
    );
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

#[test]
fn variants_are_compared_each_by_itself() {
    let variants = |path: &str, names: &[&str]| {
        let mut side = side(path, "sim", Vec::new());
        for (name, election_ms) in names.iter().zip([900, 1_900]) {
            let variant = made("the scenario", &[("variant", name)]);
            side.add(run("scalability", 1, &[election_ms], None), variant);
        }
        side
    };
    let (a, b) = (variants("a", &["3", "5"]), variants("b", &["3", "5"]));
    let comparisons = compare(&a, &b).expect("there is something to compare");
    let names: Vec<&str> = comparisons.iter().map(|c| c.a.scenario.as_str()).collect();
    assert_eq!(names, ["scalability-3", "scalability-5"]);
    for comparison in &comparisons {
        assert_eq!(comparison.warnings, Vec::<String>::new());
        let election = row(comparison, "election");
        assert_eq!(election.a.expect("measured").count, 1);
        assert_eq!(election.a, election.b);
    }
    // Two variants may be compared, if that is what was asked for.
    let comparison = one(&variants("a", &["3"]), &variants("b", &["5"]));
    assert_eq!(comparison.warnings.len(), 1, "{:?}", comparison.warnings);
    assert!(comparison.warnings[0].starts_with("A is scalability-3, B is scalability-5"));
}

#[test]
fn runs_that_were_not_made_alike_are_no_distribution_without_a_warning() {
    let mut a = side("a", "sim", vec![run("leader-kill", 1, &[900], None)]);
    let slow = made("the scenario", &[("network.latency", "20ms")]);
    a.add(run("leader-kill", 2, &[950], None), slow.clone());
    let profile = Some("fast.toml".to_owned());
    a.add(
        run("leader-kill", 3, &[990], None),
        Made { profile, ..slow },
    );
    let comparison = one(&a, &a);
    let warning = |what: &str| {
        format!(
            "a holds runs of leader-kill with different {what}, taken together here; keep each \
             kind in a directory of its own"
        )
    };
    let warnings = ["overrides (--set)", "hardware profiles"].map(warning);
    assert_eq!(comparison.warnings, warnings);
    assert_eq!(comparison.a.profile.as_deref(), Some("none, fast.toml"));
}
