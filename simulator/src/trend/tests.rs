//! Trends of entries made by hand: what is named, what is not, and what is left out.

use std::collections::BTreeMap;

use super::read::{Entry, Found, Values};
use super::{Asked, By, FigureTrend, LimitFrom, Per, Standing, Trend, html, judge, markdown, text};
use crate::baseline::{Baseline, Figure, Figures, Kind};
use crate::compare::Made;
use crate::report::{Bound, Style, Unit};

const LATENCY: &str = "latency.cache.set.p95";
const RATE: &str = "throughput.sustained";
const STEADY: &str = "latency.lock.acquire.p95";
const DAY: u64 = 86_400;

/// Between zero and one, and different for each seed: stands in for chance.
fn spread(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^= mixed >> 29;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

fn figures(latency_us: f64, rate: f64, steady_us: f64) -> Figures {
    let figure = |kind, unit: Unit, bound, small: f64| Figure {
        kind,
        unit,
        bound,
        value: unit.number(small as u64),
    };
    let latency = |us| figure(Kind::Latency, Unit::Ms, Bound::AtMost, us);
    let rate = figure(
        Kind::Throughput,
        Unit::PerSecond,
        Bound::AtLeast,
        rate * 1_000.0,
    );
    Figures::from([
        (LATENCY.to_owned(), latency(latency_us)),
        (STEADY.to_owned(), latency(steady_us)),
        (RATE.to_owned(), rate),
    ])
}

fn entry(number: u64, figures: Figures) -> Entry {
    Entry {
        path: format!("runs/demo-{number}"),
        scenario: "demo".into(),
        backend: "sim".into(),
        at: Some(1_700_000_000 + number * DAY),
        commit: Some(format!("c{:02}", number / 2)),
        made: Made::default(),
        values: Values::Runs(vec![figures]),
        limits: BTreeMap::new(),
    }
}

/// Latency rises by 0.2 ms a day and the rate falls from the tenth day on by a fifth; both
/// spread by a millisecond and by a twentieth.
fn planted(seed: u64) -> Vec<Entry> {
    let entry = |day: u64| {
        let chance = |of: u64| spread(seed * 10_000 + day * 10 + of) - 0.5;
        let latency_us = 20_000.0 + 200.0 * day as f64 + 1_000.0 * chance(1);
        let rate = if day < 10 { 500.0 } else { 400.0 };
        entry(
            day,
            figures(
                latency_us,
                rate + 25.0 * chance(2),
                8_000.0 + 1_000.0 * chance(3),
            ),
        )
    };
    (0..20).map(entry).collect()
}

fn equal(seed: u64) -> Vec<Entry> {
    let entry = |day: u64| {
        let chance = |of: u64| spread(seed * 10_000 + day * 10 + of) - 0.5;
        entry(
            day,
            figures(
                20_000.0 + 1_000.0 * chance(1),
                500.0 + 25.0 * chance(2),
                8_000.0 + 1_000.0 * chance(3),
            ),
        )
    };
    (0..20).map(entry).collect()
}

fn asked(by: By) -> Asked {
    Asked {
        by,
        certainty_ppm: 950_000,
        limits: Vec::new(),
    }
}

fn judged(entries: Vec<Entry>, asked: &Asked) -> Trend {
    let found = Found {
        entries,
        left_out: Vec::new(),
    };
    judge(&found, asked)
}

fn of<'a>(trend: &'a Trend, name: &str) -> &'a FigureTrend {
    let mut figures = trend.groups[0].figures.iter();
    figures.find(|figure| figure.figure == name).expect(name)
}

#[test]
fn a_slow_leak_and_a_step_are_both_named_and_nothing_else() {
    for seed in 0..10 {
        let trend = judged(planted(seed), &asked(By::Time));
        assert_eq!(trend.groups[0].per, Per::Day);
        let leak = of(&trend, LATENCY);
        let slope = leak.slope.as_ref().expect("twenty values");
        assert!(
            slope.is_shown && leak.steps.is_empty(),
            "seed {seed}: {leak:?}"
        );
        // 0.2 ms a day lies in the interval, give or take the one in twenty.
        assert!(
            (1_400..2_600).contains(&slope.size.0),
            "seed {seed}: {slope:?}"
        );
        assert_eq!(leak.standing, Standing::Worse);
        let step = of(&trend, RATE);
        assert_eq!(step.standing, Standing::Worse);
        let [change] = &step.steps[..] else {
            panic!("seed {seed}: {:?}", step.steps);
        };
        assert_eq!(change.at, 10, "seed {seed}");
        assert!(
            (-1_250_000..-750_000).contains(&change.size.0),
            "seed {seed}: {change:?}"
        );
        assert!(
            step.slope.as_ref().is_some_and(|slope| !slope.is_shown),
            "seed {seed}"
        );
        assert_eq!(of(&trend, STEADY).standing, Standing::Steady, "seed {seed}");
    }
}

/// 5 % of such tables, over all three figures, may show something: of forty two, five at most.
#[test]
fn equal_runs_change_as_rarely_as_stated() {
    let shows = |seed: &u64| {
        let trend = judged(equal(1_000 + seed), &asked(By::Time));
        let is_any = |standing| trend.standing(standing).next().is_some();
        is_any(Standing::Worse) || is_any(Standing::Better)
    };
    let shown = (0..40).filter(shows).count();
    assert!(shown <= 5, "{shown} of 40");
}

/// What comes on the twenty-first day lies in the interval, and the error so far is that of
/// the noise, whose mean size is a quarter of a millisecond.
#[test]
fn forecasts_are_off_by_no_more_than_they_say() {
    let mut held = [0; 2];
    for seed in 0..40 {
        let trend = judged(planted(seed), &asked(By::Time));
        let foretold = of(&trend, LATENCY).forecast.clone().expect("twenty values");
        let comes = 24_000.0 + 1_000.0 * (spread(seed * 10_000 + 201) - 0.5);
        let comes = (comes * 10.0) as i64;
        let smoothing = foretold.smoothing.as_ref().expect("twenty values");
        for (held, forecast) in held.iter_mut().zip([&foretold.linear, smoothing]) {
            *held += usize::from((forecast.low.0..=forecast.high.0).contains(&comes));
            let error = forecast.error.expect("twenty values").get();
            assert!((500..8_000).contains(&error), "seed {seed}: {forecast:?}");
        }
    }
    assert!(held.iter().all(|held| *held >= 35), "{held:?} of 40");
}

#[test]
fn a_limit_is_reached_when_the_slope_gets_there() {
    let with_limit = |value| Asked {
        limits: vec![(LATENCY.to_owned(), Unit::Ms.number(value))],
        ..asked(By::Time)
    };
    let trend = judged(planted(1), &with_limit(30_000));
    let leak = of(&trend, LATENCY);
    assert_eq!(
        leak.limit.as_ref().expect("it was given").from,
        LimitFrom::Given
    );
    let forecast = leak.forecast.as_ref().expect("twenty values");
    let smoothing = forecast.smoothing.as_ref().expect("twenty values");
    for forecast in [&forecast.linear, smoothing] {
        let reached = forecast.reached.as_ref().expect("it rises towards it");
        // From 23.8 ms on day 19 to 30 ms at 0.2 ms a day: 31 days.
        let days = reached.expected.expect("within ten times the length").get();
        assert!((230_000..420_000).contains(&days), "{reached:?}");
        assert!(
            reached.earliest < reached.expected && reached.date.is_some(),
            "{reached:?}"
        );
    }
    assert!(text(&trend, Style::default()).contains("reaches 30 ms (given): by the line in"));
    // Of a figure that was last shown four days ago it is as many days less.
    let last_day = |trend: &Trend| {
        let forecast = of(trend, LATENCY).forecast.clone().expect("enough values");
        let reached = forecast.linear.reached.expect("it rises towards it");
        (reached.expected.expect("it gets there").get(), reached.date)
    };
    let mut gone = planted(1);
    for entry in &mut gone[16..] {
        if let Values::Runs(runs) = &mut entry.values {
            runs[0].remove(LATENCY);
        }
    }
    let (days, date) = last_day(&judged(gone.clone(), &with_limit(30_000)));
    let (alone, on) = last_day(&judged(gone[..16].to_vec(), &with_limit(30_000)));
    assert_eq!((days + 40_000, date), (alone, on));
    // Objectives and baselines are limits as well; what is given counts most.
    let mut entries = planted(1);
    entries[19]
        .limits
        .insert(RATE.into(), Unit::PerSecond.number(100_000));
    let runs = [figures(20_000.0, 500.0, 8_000.0)];
    entries.push(Entry {
        values: Values::Kept {
            runs: 1,
            figures: Baseline::of("demo", "sim", &runs).figures,
        },
        at: None,
        ..entry(99, Figures::new())
    });
    let trend = judged(entries, &with_limit(30_000));
    let from = |name| of(&trend, name).limit.as_ref().map(|limit| limit.from);
    assert_eq!(from(LATENCY), Some(LimitFrom::Given));
    assert_eq!(from(RATE), Some(LimitFrom::Objective));
    assert_eq!(from(STEADY), Some(LimitFrom::Baseline));
    assert_eq!(
        trend.groups[0].points.len(),
        20,
        "a baseline is no point by time"
    );
}

#[test]
fn three_runs_are_shown_and_nothing_is_claimed_of_them() {
    let trend = judged(planted(3).drain(..3).collect(), &asked(By::Time));
    assert_eq!(trend.figures, 0);
    for figure in &trend.groups[0].figures {
        assert_eq!(figure.standing, Standing::TooFew);
        assert!(figure.steps.is_empty() && figure.slope.is_none() && figure.forecast.is_none());
    }
    assert!(text(&trend, Style::default()).contains("Too few points to tell a change."));
    // Six points are foretold by the line alone.
    let six = judged(planted(3).drain(..6).collect(), &asked(By::Time));
    let forecast = of(&six, STEADY).forecast.as_ref().expect("six values");
    assert_eq!(forecast.smoothing, None);
    html(&six);
    let one = judged(planted(3).drain(..1).collect(), &asked(By::Time));
    assert_eq!(one.groups[0].points.len(), 1);
    html(&one);
}

#[test]
fn runs_of_a_commit_are_one_point_and_commits_are_in_order() {
    let mut entries = planted(2);
    entries.reverse();
    let trend = judged(entries, &asked(By::Commit));
    let group = &trend.groups[0];
    let labels: Vec<&str> = group
        .points
        .iter()
        .map(|point| point.label.as_str())
        .collect();
    assert_eq!((labels.len(), labels[0], labels[9]), (10, "c00", "c09"));
    assert_eq!((group.per, group.points[0].runs), (Per::Commit, 2));
    let value = of(&trend, LATENCY).values[0].expect("two runs");
    assert!(
        value.low < value.median && value.median < value.high,
        "{value:?}"
    );
    assert_eq!(of(&trend, RATE).steps[0].label, "c05");
    // A commit of which nothing has a date has no place; of one that has some, they count.
    let mut entries = planted(2);
    for undated in [6, 18, 19] {
        entries[undated].at = None;
    }
    let trend = judged(entries, &asked(By::Commit));
    let group = &trend.groups[0];
    assert_eq!(
        (group.points.len(), group.points[0].label.as_str()),
        (9, "c00")
    );
    assert_eq!(group.points[3].runs, 2);
    let left: Vec<&str> = trend
        .left_out
        .iter()
        .map(|left| left.path.as_str())
        .collect();
    assert_eq!(left, ["runs/demo-18", "runs/demo-19"]);
}

#[test]
fn scenarios_and_backends_are_apart_and_what_has_no_place_is_left_out() {
    let mut entries = planted(4);
    entries[3].scenario = "other".into();
    entries[4].backend = "docker".into();
    entries[5].at = None;
    entries[6].made.text = "another".into();
    let trend = judged(entries.clone(), &asked(By::Time));
    let groups: Vec<(&str, &str, usize)> = trend
        .groups
        .iter()
        .map(|group| {
            (
                group.scenario.as_str(),
                group.backend.as_str(),
                group.points.len(),
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            ("demo", "docker", 1),
            ("demo", "sim", 17),
            ("other", "sim", 1)
        ]
    );
    assert_eq!(trend.left_out[0].path, "runs/demo-5");
    assert!(
        trend.left_out[0]
            .why
            .starts_with("does not say when it was made")
    );
    assert!(
        trend.groups[1].warnings[0].starts_with("the text of the scenario changed (2 of them)")
    );
    entries[7].commit = None;
    let trend = judged(entries, &asked(By::Commit));
    assert!(trend.left_out.iter().any(|left| left.path == "runs/demo-7"));
}

#[test]
fn figures_that_come_and_go_are_judged_where_they_are() {
    let mut entries = planted(5);
    for entry in &mut entries[..13] {
        if let Values::Runs(runs) = &mut entry.values {
            runs[0].remove(RATE);
        }
    }
    let trend = judged(entries, &asked(By::Time));
    let rate = of(&trend, RATE);
    assert_eq!(rate.values.iter().flatten().count(), 7);
    assert_eq!(rate.standing, Standing::TooFew);
    // Runs within an hour are taken in their order.
    let mut close = planted(5);
    for (number, entry) in close.iter_mut().enumerate() {
        entry.at = Some(1_700_000_000 + number as u64 / 3);
    }
    let trend = judged(close, &asked(By::Time));
    assert_eq!(trend.groups[0].per, Per::Point);
    assert_eq!(of(&trend, RATE).steps[0].at, 10);
}

#[test]
fn every_form_says_the_same_and_escapes_what_it_is_given() {
    let mut entries = planted(6);
    for entry in &mut entries {
        entry.scenario = "<b>demo".into();
    }
    let trend = judged(entries, &asked(By::Time));
    let back: Trend = serde_json::from_str(&trend.to_json()).expect("it was just written");
    assert_eq!(back, trend);
    let page = html(&trend);
    assert!(!page.contains("<b>demo"), "it is escaped");
    for form in [text(&trend, Style::default()), markdown(&trend), page] {
        assert!(form.contains("2 figures got worse."), "{form}");
        assert!(
            form.contains("moves by +0.") && form.contains("steps by -"),
            "{form}"
        );
    }
    let empty = judged(Vec::new(), &asked(By::Time));
    assert!(text(&empty, Style::default()).starts_with("Nothing to look back on."));
    let zero = judged(vec![entry(1, Figures::new())], &asked(By::Given));
    assert_eq!(zero.groups[0].figures, []);
}
