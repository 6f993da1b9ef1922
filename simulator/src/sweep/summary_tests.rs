//! Summaries of made-up results.

use super::*;
use crate::sweep::result::{RunFacts, Sampled};
use crate::sweep::spec::tests::spec;

/// A passing seed whose figures all follow from its number.
pub(crate) fn result(scenario: &str, seed: u64) -> SeedResult {
    let sampled = |values: &[u64], unseen| Sampled {
        values: values.to_vec(),
        unseen,
    };
    SeedResult {
        scenario: scenario.into(),
        seed,
        ending: Ending::Pass,
        reason: "all well".into(),
        causes: Vec::new(),
        run: Some(RunFacts {
            simulated_us: 1_000_000,
            faults: BTreeMap::from([(
                "kill".into(),
                FaultCounts {
                    injected: seed,
                    ..FaultCounts::default()
                },
            )]),
            judged: BTreeMap::from([("lock_tokens".into(), seed)]),
            marks: BTreeMap::from([("split_vote".into(), seed)]),
            measures: BTreeMap::from([
                (
                    Measure::Election,
                    sampled(&[seed, 100 - seed, 100 + seed], 0),
                ),
                (Measure::Recovery, sampled(&[], seed % 2)),
                (Measure::Lost, sampled(&[0], 0)),
            ]),
            ..RunFacts::default()
        }),
    }
}

fn all(results: impl IntoIterator<Item = SeedResult>) -> Results {
    let keyed = results
        .into_iter()
        .map(|r| ((r.scenario.clone(), r.seed), r));
    keyed.collect()
}

fn summary(seeds: &str, results: &Results) -> Summary {
    Summary::of(&spec(seeds, "1/1"), results, 3, Wall::default())
}

#[test]
fn quantiles_are_over_all_values_and_the_worst_seed_is_the_lowest() {
    let summary = summary("1..9", &all((1..=9).map(|seed| result("a", seed))));
    let election = &summary.scenarios[0].measures[&Measure::Election];
    assert_eq!(
        (election.count, election.min, election.max),
        (27, Some(1), Some(109))
    );
    assert_eq!((election.p50, election.worst_seed), (Some(95), Some(9)));
    let recovery = &summary.scenarios[0].measures[&Measure::Recovery];
    assert_eq!((recovery.count, recovery.max), (0, None));
    assert_eq!((recovery.unseen, recovery.unseen_seed), (5, Some(1)));
    let lost = &summary.scenarios[0].measures[&Measure::Lost];
    assert_eq!((lost.max, lost.worst_seed), (Some(0), Some(1)));
    assert_eq!(summary.scenarios[1].runs, 0);
}

#[test]
fn failures_are_one_line_a_cause_and_not_a_seed() {
    let failed = |seed: u64, ending, reason: &str| {
        SeedResult::without_run("a", seed, ending, format!("{reason} {seed}"))
    };
    let results = (1..=50).map(|seed| match seed % 10 {
        0 => failed(seed, Ending::TimedOut, "took longer than"),
        5 => failed(seed, Ending::Violation, "lock lock-0 was granted twice:"),
        _ => result("a", seed),
    });
    let summary = summary("1..50", &all(results));
    let groups: Vec<_> = summary
        .failures
        .iter()
        .map(|g| (g.ending, g.count))
        .collect();
    assert_eq!(groups, [(Ending::Violation, 5), (Ending::TimedOut, 5)]);
    assert_eq!(
        summary.failures[0].run_dirs,
        ["failures/a-5", "failures/a-15", "failures/a-25"]
    );
    assert_eq!(
        summary.failures[0].example.reproduce,
        "squall run a.toml --seed 5"
    );
    assert_eq!(summary.exit_code(), 1);
}

#[test]
fn the_worst_ending_decides_the_exit_code() {
    let code = |ending| {
        let worst = SeedResult::without_run("a", 1, ending, String::new());
        summary("1..2", &all([worst, result("a", 2)])).exit_code()
    };
    use Ending::*;
    let endings = [
        Pass,
        Violation,
        NotDeterministic,
        ObjectiveMissed,
        Inconclusive,
    ];
    assert_eq!(endings.map(code), [0, 1, 1, 2, 3]);
    assert_eq!([Crashed, TimedOut, OutOfMemory].map(code), [70; 3]);
    // Nothing done is nothing shown.
    assert_eq!(summary("1..2", &Results::new()).exit_code(), 3);
}

#[test]
fn checks_that_judged_nothing_in_any_run_are_named() {
    let summary = summary("1..9", &all((1..=9).map(|seed| result("a", seed))));
    let find = |name: &str| summary.checks.iter().find(|check| check.check == name);
    let counts = |name: &str| find(name).map(|check| (check.runs, check.judged));
    assert_eq!(counts("lock_tokens"), Some((9, 45)));
    assert_eq!(counts("cache_invalidation"), Some((0, 0)));
    let text = crate::sweep::render::text(&summary);
    let line = text.split("checks that judged nothing in any run").nth(1);
    assert!(
        line.is_some_and(|line| line.contains("C8 cache_invalidation")),
        "{text}"
    );
}

#[test]
fn marks_that_nobody_met_are_named_too() {
    let summary = summary("1..3", &all((1..=3).map(|seed| result("b", seed))));
    let mark = |name: &str| {
        let found = summary.marks.iter().find(|mark| mark.mark == name);
        found.expect("every mark is listed").clone()
    };
    let split = mark("split_vote");
    assert_eq!(
        (split.runs, split.times, split.first),
        (3, 6, Some("b-1".into()))
    );
    assert_eq!(
        (mark("cluster_down").runs, mark("cluster_down").first),
        (0, None)
    );
    assert_eq!(summary.faults["kill"].injected, 6);
}

#[test]
fn shards_merged_are_the_whole_sweep() {
    let whole = spec("1..25", "1/1");
    let of = |spec: &Spec| -> Results {
        let results = spec.tasks().map(|task| {
            let name = &spec.scenarios[task.scenario].name;
            match task.seed % 7 {
                0 => SeedResult::without_run(name, task.seed, Ending::Crashed, "panicked".into()),
                _ => result(name, task.seed),
            }
        });
        all(results)
    };
    let mut merged = Results::new();
    for part in 1..=4 {
        merged.extend(of(&spec("1..25", &format!("{part}/4"))));
    }
    let of_whole = Summary::of(&whole, &of(&whole), 3, Wall::default());
    assert_eq!(Summary::of(&whole, &merged, 3, Wall::default()), of_whole);
    assert_eq!(of_whole.sweep.done, of_whole.sweep.planned);
}
