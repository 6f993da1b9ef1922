//! Tests the comparison of two versions made by hand: different, equal, and inconclusive.

use super::ab::{Ab, Certainty, Standing, Test, Verdict, judge};
use super::ab_render::{html, markdown, text};
use super::side::{Made, Side};
use crate::baseline::{Figure, Figures, Kind};
use crate::report::{Bound, Style, Unit};
use crate::sweep::result::RunFacts;
use crate::sweep::{Ending, SeedResult};

const LATENCY: &str = "latency.cache.set.p50";
const RATE: &str = "throughput.sustained";

fn figure(kind: Kind, unit: Unit, bound: Bound, small: u64) -> Figure {
    Figure {
        kind,
        unit,
        bound,
        value: unit.number(small),
    }
}

fn figures(latency_us: u64, rate_milli: u64) -> Figures {
    let latency = figure(Kind::Latency, Unit::Ms, Bound::AtMost, latency_us);
    let rate = figure(
        Kind::Throughput,
        Unit::PerSecond,
        Bound::AtLeast,
        rate_milli,
    );
    Figures::from([(LATENCY.to_owned(), latency), (RATE.to_owned(), rate)])
}

fn run(seed: u64, ending: Ending, figures: Figures) -> SeedResult {
    SeedResult {
        scenario: "demo".into(),
        seed,
        ending,
        reason: "ok".into(),
        causes: Vec::new(),
        run: Some(RunFacts {
            figures,
            ..RunFacts::default()
        }),
    }
}

fn side(path: &str, runs: impl IntoIterator<Item = SeedResult>) -> Side {
    let mut side = Side::empty(path);
    side.backend = "sim".into();
    for run in runs {
        side.add(run, Made::default());
    }
    side
}

/// Runs of these seeds, whose figures spread a little: a number of the seed in place of chance.
fn runs(path: &str, seeds: std::ops::Range<u64>, latency_us: u64, rate_milli: u64) -> Side {
    let spread = |seed: u64, by: u64| (seed * 7_919 + by) % 97;
    let runs = seeds.map(|seed| {
        let figures = figures(
            latency_us + spread(seed, 3),
            rate_milli + 10 * spread(seed, 41),
        );
        run(seed, Ending::Pass, figures)
    });
    side(path, runs)
}

fn judged(a: &Side, b: &Side) -> Ab {
    judge(a, b, Certainty::default()).expect("they have a scenario in common")
}

fn standing(ab: &Ab, figure: &str) -> Standing {
    let mut rows = ab.scenarios[0].rows.iter();
    rows.find(|row| row.figure == figure)
        .expect(figure)
        .standing
}

#[test]
fn a_slower_version_is_worse_by_as_much_as_it_is() {
    let ab = judged(
        &runs("a", 1..11, 10_000, 500_000),
        &runs("b", 21..31, 15_000, 500_000),
    );
    assert_eq!(ab.verdict, Verdict::Worse, "{}", ab.reason);
    assert_eq!(standing(&ab, RATE), Standing::NotShown);
    let row = &ab.scenarios[0].rows[0];
    assert_eq!(
        (row.figure.as_str(), row.standing),
        (LATENCY, Standing::Worse)
    );
    let found = row.found.as_ref().expect("there are ten runs of each");
    assert_eq!(found.test, Test::RankSum);
    assert!((49_000..51_000).contains(&found.difference.0), "{found:?}");
    assert!(found.low <= found.difference && found.difference <= found.high);
    assert!(found.adjusted_p.get() <= 100, "{found:?}");
    // The other way round it is better, and nothing is worse.
    let back = judged(
        &runs("a", 1..11, 15_000, 500_000),
        &runs("b", 21..31, 10_000, 500_000),
    );
    assert_eq!(back.verdict, Verdict::NoWorse);
    assert_eq!(standing(&back, LATENCY), Standing::Better);
    // A lower rate is worse.
    let slow = judged(
        &runs("a", 1..11, 10_000, 500_000),
        &runs("b", 21..31, 10_000, 400_000),
    );
    assert_eq!(
        (slow.verdict, standing(&slow, RATE)),
        (Verdict::Worse, Standing::Worse)
    );
}

#[test]
fn runs_with_the_same_seeds_are_judged_as_pairs() {
    let a = runs("a", 1..11, 10_000, 500_000);
    let same = judged(&a, &runs("b", 1..11, 10_000, 500_000));
    assert_eq!(same.verdict, Verdict::NoWorse);
    for row in &same.scenarios[0].rows {
        let found = row.found.as_ref().expect("ten pairs");
        assert_eq!((found.test, found.p.get()), (Test::SignedRank, 1_000_000));
        assert_eq!(found.difference.0, 0);
    }
    // A tenth of a millisecond is less than the runs spread, but not within a pair.
    let slower = judged(&a, &runs("b", 1..11, 10_020, 500_000));
    assert_eq!(
        (slower.verdict, standing(&slower, LATENCY)),
        (Verdict::Worse, Standing::Worse)
    );
    let apart = judged(&a, &runs("b", 11..21, 10_020, 500_000));
    assert_eq!(apart.verdict, Verdict::NoWorse, "{}", apart.reason);
    // A tenth seed of another number: no pairs.
    let other = judged(&a, &runs("b", 2..12, 10_000, 500_000));
    let found = other.scenarios[0].rows[0].found.clone();
    assert_eq!(found.expect("ten runs").test, Test::RankSum);
}

#[test]
fn too_few_runs_are_inconclusive_and_missing_figures_are_said() {
    let three = judged(&runs("a", 1..4, 10_000, 1), &runs("b", 1..4, 90_000, 1));
    assert_eq!(three.verdict, Verdict::Inconclusive, "{}", three.reason);
    let one = judged(&runs("a", 1..2, 10_000, 1), &runs("b", 1..2, 10_000, 1));
    assert_eq!((one.verdict, one.figures), (Verdict::Inconclusive, 0));
    assert!(one.scenarios[0].rows.iter().all(|row| row.found.is_none()));
    // One side does not show a figure: it is listed, and is not looked at.
    let without = |seed| {
        let mut figures = figures(10_000 + seed, 500_000);
        figures.remove(RATE);
        run(seed, Ending::Pass, figures)
    };
    let b = side("b", (1..11).map(without));
    let ab = judged(&runs("a", 1..11, 10_000, 500_000), &b);
    assert_eq!((ab.figures, standing(&ab, RATE)), (1, Standing::TooFew));
    assert!(text(&ab, Style::default()).contains("1 figure in fewer than three runs"));
    // Ten of ten against none of ten is not by chance, and nothing that can be compared.
    assert_eq!(ab.verdict, Verdict::Inconclusive);
    let gone = "throughput.sustained shown in 10 of 10 runs of A, in 0 of 10 of B";
    assert!(ab.reason.contains(gone), "{}", ab.reason);
    for form in [text(&ab, Style::default()), html(&ab)] {
        assert!(form.contains("throughput.sustained shown"), "{form}");
    }
    // One of ten may be.
    let b = (1..11).map(|seed| match seed {
        1 => without(seed),
        _ => run(seed, Ending::Pass, figures(10_000 + seed, 500_000)),
    });
    let ab = judged(&runs("a", 1..11, 10_000, 500_000), &side("b", b));
    assert!(ab.different().next().is_none(), "{}", ab.reason);
    let other = side(
        "c",
        [SeedResult {
            scenario: "other".into(),
            ..without(1)
        }],
    );
    let both = side(
        "d",
        [
            without(1),
            SeedResult {
                scenario: "third".into(),
                ..without(1)
            },
        ],
    );
    let refused = judge(&both, &other, Certainty::default());
    assert!(refused.is_err_and(|why| why.contains("no scenario in common")));
}

#[test]
fn a_broken_promise_needs_no_statistics() {
    let a = runs("a", 1..11, 10_000, 500_000);
    let mut b: Vec<SeedResult> = (1..11)
        .map(|seed| run(seed, Ending::Pass, figures(10_000, 500_000)))
        .collect();
    b[4].ending = Ending::Violation;
    let ab = judged(&a, &side("b", b.clone()));
    assert_eq!(ab.verdict, Verdict::Broken);
    assert_eq!(
        ab.reason,
        "violation in 1 of 10 runs of B (demo), in none of A"
    );
    // What A does as well is nothing new.
    let same = judged(&side("a", b.clone()), &side("b", b.clone()));
    assert_eq!(same.verdict, Verdict::NoWorse);
    b[4].ending = Ending::TimedOut;
    b[4].run = None;
    assert_eq!(judged(&a, &side("b", b)).verdict, Verdict::Broken);
}

/// Half of all runs answer nothing wrong in either version, and in B the others do.
#[test]
fn what_is_worse_at_the_same_median_is_worse() {
    let share = |seed, is_low: bool| {
        let mut figures = figures(10_000, 500_000);
        let value = if is_low { 970_000 } else { 1_000_000 };
        let share = figure(Kind::Share, Unit::Percent, Bound::AtLeast, value);
        figures.insert("success_rate".into(), share);
        run(seed, Ending::Pass, figures)
    };
    let whole = || side("whole", (1..31).map(|seed| share(seed, false)));
    for first in [1, 101] {
        let part = side("part", (0..30).map(|n| share(first + n, n % 7 < 3)));
        let ab = judged(&whole(), &part);
        assert_eq!(ab.verdict, Verdict::Worse, "{}", ab.reason);
        assert_eq!(standing(&ab, "success_rate"), Standing::Worse);
        let said = "success_rate is lower by its ranks, if not at its median";
        assert!(ab.reason.starts_with(said), "{}", ab.reason);
        let back = judged(&part, &whole());
        assert_eq!(back.verdict, Verdict::NoWorse, "{}", back.reason);
        assert_eq!(standing(&back, "success_rate"), Standing::Better);
    }
}

#[test]
fn more_frequent_endings_are_reported() {
    let ended = |path, ending: Ending, often: u64| {
        let runs = (1..13).map(|seed| {
            let ending = if seed <= often { ending } else { Ending::Pass };
            run(seed, ending, figures(10_000 + seed, 500_000))
        });
        side(path, runs)
    };
    for (ending, verdict) in [
        (Ending::ObjectiveMissed, Verdict::Worse),
        (Ending::Crashed, Verdict::Worse),
        (Ending::Inconclusive, Verdict::Inconclusive),
    ] {
        let ab = judged(&ended("a", ending, 1), &ended("b", ending, 11));
        assert_eq!(ab.verdict, verdict, "{}", ab.reason);
        let said = format!("{} in 1 of 12 runs of A, in 11 of 12 of B", ending.label());
        assert!(ab.reason.contains(&said), "{}", ab.reason);
        let back = judged(&ended("a", ending, 11), &ended("b", ending, 1));
        assert_eq!(back.verdict, Verdict::NoWorse, "{}", back.reason);
        let few = judged(&ended("a", ending, 1), &ended("b", ending, 4));
        assert_eq!(few.verdict, Verdict::NoWorse, "{}", few.reason);
    }
}

#[test]
fn figures_of_another_unit_are_not_compared() {
    let b = (1..11).map(|seed| {
        let mut figures = figures(10_000, 500_000);
        let bytes = figure(Kind::Throughput, Unit::Bytes, Bound::AtLeast, 1);
        figures.insert(RATE.into(), bytes);
        run(seed, Ending::Pass, figures)
    });
    let ab = judged(&runs("a", 1..11, 10_000, 500_000), &side("b", b));
    assert_eq!(standing(&ab, RATE), Standing::TooFew);
}

#[test]
fn what_is_within_the_margin_is_no_worse() {
    let (a, b) = (
        runs("a", 1..11, 10_000, 500_000),
        runs("b", 21..31, 10_900, 500_000),
    );
    assert_eq!(judged(&a, &b).verdict, Verdict::Worse);
    let margin = Certainty {
        margin_ppm: 150_000,
        ..Certainty::default()
    };
    let ab = judge(&a, &b, margin).expect("they compare");
    assert_eq!(
        (ab.verdict, standing(&ab, LATENCY)),
        (Verdict::NoWorse, Standing::WithinMargin)
    );
}

#[test]
fn every_form_says_the_same() {
    let ab = judged(
        &runs("a", 1..11, 10_000, 500_000),
        &runs("<b>", 21..31, 15_000, 500_000),
    );
    let back: Ab = serde_json::from_str(&ab.to_json()).expect("it was just written");
    assert_eq!(back, ab);
    let page = html(&ab);
    assert!(
        page.contains("&lt;b&gt;") && !page.contains("<b>"),
        "{page}"
    );
    for form in [text(&ab, Style::default()), markdown(&ab), page] {
        assert!(form.contains("WORSE"), "{form}");
        assert!(form.contains(&ab.reason), "{form}");
        assert!(form.contains(LATENCY), "{form}");
    }
}
