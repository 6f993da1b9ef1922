//! Looks at every figure of every group.

use squall_statistics::{
    Backtest, Changes, Forecast as Foretold, Holt, Line, backtest, can_tell_steps, changes,
    theil_sen,
};

use super::order::{Ordered, Series, date, order};
use super::read::Found;
use super::{
    Asked, FigureTrend, Forecast, Forecasts, Group, Limit, LimitFrom, Per, Reached, Slope,
    Standing, Step, Trend,
};
use crate::fixed::chance;
use crate::report::{Bound, Number, Percent, SignedNumber, SignedPercent};

/// Values below which steps are not looked for, and slopes hardly.
const LEAST_VALUES: usize = 8;
const LEAST_SLOPE: usize = 4;
/// Points of a series: permutation takes its time with more.
const MOST_VALUES: usize = 1_000;
const SEED: u64 = 20;
const DAY_SECONDS: f64 = 86_400.0;

/// Puts what was read in order, and says what became of every figure.
pub fn judge(found: &Found, asked: &Asked) -> Trend {
    let mut left_out = found.left_out.clone();
    let ordered = order(&found.entries, asked.by, &mut left_out);
    let all = ordered.iter().flat_map(|group| group.figures.values());
    let count = all
        .filter(|series| values(series).len() >= LEAST_SLOPE)
        .count();
    let certainty = f64::from(asked.certainty_ppm) / 1e6;
    let level = Level {
        certainty,
        alpha: (1.0 - certainty) / (2 * count.max(1)) as f64,
    };
    Trend {
        by: asked.by,
        certainty_percent: Percent::of(asked.certainty_ppm.into()),
        figures: count as u64,
        groups: ordered
            .iter()
            .map(|group| judged(group, asked, level))
            .collect(),
        left_out,
    }
}

/// How certain each figure must be.
#[derive(Clone, Copy)]
struct Level {
    certainty: f64,
    /// Chance that is borne of a figure's steps, and of its slope, so that all together keep to
    /// the certainty (Bonferroni).
    alpha: f64,
}

/// A point's place in the group, its place on the axis, and the median, in ten-thousandths.
type Value = (usize, f64, f64);

fn values(series: &Series) -> Vec<Value> {
    let values = series.values.iter().enumerate();
    let values =
        values.filter_map(|(place, spread)| Some((place, 0.0, (*spread)?.median.get() as f64)));
    values.collect()
}

fn judged(group: &Ordered, asked: &Asked, level: Level) -> Group {
    let figures = group.figures.iter();
    let mut figures: Vec<FigureTrend> = figures
        .map(|(name, series)| figure(group, name, series, asked, level))
        .collect();
    figures.sort_by(|a, b| (a.standing, &a.figure).cmp(&(b.standing, &b.figure)));
    let mut warnings = group.warnings.clone();
    if group.points.len() > MOST_VALUES {
        warnings.push(format!(
            "only the last {MOST_VALUES} of {} points are judged",
            group.points.len()
        ));
    }
    let has_enough = figures
        .iter()
        .any(|figure| figure.values.iter().flatten().count() >= LEAST_VALUES);
    if has_enough && !can_tell_steps(level.alpha) {
        warnings.push(
            "with so many figures and such a certainty no step can be shown; a lower --certainty \
             or fewer scenarios at once would do"
                .into(),
        );
    }
    Group {
        scenario: group.scenario.clone(),
        backend: group.backend.clone(),
        warnings,
        points: group.points.clone(),
        per: group.per,
        figures,
    }
}

fn figure(
    group: &Ordered,
    name: &str,
    series: &Series,
    asked: &Asked,
    level: Level,
) -> FigureTrend {
    let mut shown = values(series);
    shown.drain(..shown.len().saturating_sub(MOST_VALUES));
    for value in &mut shown {
        value.1 = group.places[value.0];
    }
    let (x, y): (Vec<f64>, Vec<f64>) = shown.iter().map(|(_, x, y)| (*x, *y)).unzip();
    let found = changes(&x, &y, level.alpha, level.certainty, SEED);
    let steps = steps(group, series, &shown, found.as_ref());
    let slope = slope(&x, &y, found.as_ref(), level);
    let limit = limit(group, name, series, asked);
    let since = found
        .as_ref()
        .and_then(|found| found.steps.last())
        .map_or(0, |step| step.at);
    let leads_there = slope
        .as_ref()
        .filter(|slope| slope.is_shown)
        .is_some_and(|slope| (slope.size.0 > 0) == (series.bound == Bound::AtMost));
    let towards = limit
        .as_ref()
        .filter(|_| leads_there)
        .map(|limit| limit.value);
    let ends = group.places.last().zip(x.last());
    let ahead = Ahead {
        since: ends.map_or(0.0, |(last, own)| (last - own).max(0.0)),
        group,
        bound: series.bound,
        limit: towards,
        certainty: level.certainty,
    };
    FigureTrend {
        figure: name.to_owned(),
        kind: series.kind,
        unit: series.unit,
        bound: series.bound,
        standing: standing(series.bound, shown.len(), &steps, slope.as_ref()),
        values: series.values.clone(),
        steps,
        forecast: forecasts(&x[since..], &y[since..], &ahead),
        slope,
        limit,
    }
}

fn standing(bound: Bound, count: usize, steps: &[Step], slope: Option<&Slope>) -> Standing {
    let slope = slope.filter(|slope| slope.is_shown);
    let falls_worse = bound == Bound::AtLeast;
    let slope_is_worse = slope.is_some_and(|slope| (slope.size.0 < 0) == falls_worse);
    let step_is_worse = steps.last().is_some_and(|step| step.is_worse);
    if slope_is_worse || step_is_worse {
        Standing::Worse
    } else if slope.is_some() || !steps.is_empty() {
        Standing::Better
    } else if count < LEAST_VALUES {
        Standing::TooFew
    } else {
        Standing::Steady
    }
}

fn signed(ten_thousandths: f64) -> SignedNumber {
    // Medians are far below the most that there can be; sums of them are, too.
    SignedNumber::nearest(ten_thousandths).unwrap_or(SignedNumber(0))
}

fn steps(group: &Ordered, series: &Series, shown: &[Value], found: Option<&Changes>) -> Vec<Step> {
    let steps = found.into_iter().flat_map(|found| &found.steps);
    let steps = steps.map(|step| {
        let place = shown[step.at].0;
        Step {
            at: place as u64,
            label: group.points[place].label.clone(),
            size: signed(step.size),
            low: signed(step.interval.low),
            high: signed(step.interval.high),
            p: chance(step.p),
            is_worse: (step.size > 0.0) == (series.bound == Bound::AtMost),
        }
    });
    steps.collect()
}

/// Beside steps if there are values enough for them; else the slope that outliers do not bend.
fn slope(x: &[f64], y: &[f64], found: Option<&Changes>, level: Level) -> Option<Slope> {
    let (size, interval, p) = match found {
        Some(found) => (found.slope, found.slope_interval, found.slope_p),
        None => {
            let slope = theil_sen(x, y, level.certainty)?;
            (slope.per_unit, slope.interval, slope.p)
        }
    };
    let length = x.last()? - x.first()?;
    let over_all = (y[0] > 0.0).then(|| size * length / y[0] * 1e6);
    let over_all = over_all.filter(|ppm| ppm.abs() < 4e15);
    Some(Slope {
        size: signed(size),
        low: signed(interval.low),
        high: signed(interval.high),
        over_all_percent: over_all.map(|ppm| SignedPercent(ppm.round() as i64)),
        p: chance(p),
        is_shown: p <= level.alpha && signed(size).0 != 0,
    })
}

fn limit(group: &Ordered, name: &str, series: &Series, asked: &Asked) -> Option<Limit> {
    let given = asked.limits.iter().rev().find(|(figure, _)| figure == name);
    let given = given.map(|(_, value)| (*value, LimitFrom::Given));
    let objective = group
        .objectives
        .get(name)
        .map(|value| (*value, LimitFrom::Objective));
    let baseline = group
        .baselines
        .get(name)
        .map(|value| (*value, LimitFrom::Baseline));
    let (value, from) = given.or(objective).or(baseline)?;
    // The worst share there can be is no limit that one may hope to keep away from.
    let is_limit = series.bound == Bound::AtMost || value.get() > 0;
    is_limit.then_some(Limit { value, from })
}

struct Ahead<'a> {
    group: &'a Ordered,
    /// How long ago the figure's last value is, seen from the group's last point.
    since: f64,
    bound: Bound,
    /// Towards which the slope leads.
    limit: Option<Number>,
    certainty: f64,
}

fn forecasts(x: &[f64], y: &[f64], ahead: &Ahead<'_>) -> Option<Forecasts> {
    let (line, smooth) = (Line::fit(x, y)?, Holt::fit(y)?);
    let last = *x.last()?;
    // Smoothing knows values, not days: it takes them for equally far apart.
    let apart = (last - x[0]) / (x.len() - 1) as f64;
    let errors = backtest(x, y);
    let larger_is_worse = ahead.bound == Bound::AtMost;
    let limit = ahead.limit.map(|limit| limit.get() as f64);
    let by_line = limit.map(|limit| line.reaches(limit, larger_is_worse, ahead.certainty));
    let by_smoothing = limit.map(|limit| smooth.reaches(limit, larger_is_worse, ahead.certainty));
    let error = |of: fn(&Backtest) -> f64| {
        let error = errors.as_ref().map(of)?;
        Some(signed(error).size())
    };
    Some(Forecasts {
        linear: Forecast {
            error: error(|errors| errors.linear),
            reached: by_line.map(|by| reached(&by, 1.0, ahead)),
            ..foretold(line.at(last + apart, ahead.certainty))
        },
        smoothing: (y.len() >= Holt::LEAST_CERTAIN).then(|| Forecast {
            error: error(|errors| errors.smoothing),
            reached: by_smoothing.map(|by| reached(&by, apart, ahead)),
            ..foretold(smooth.ahead(1.0, ahead.certainty))
        }),
    })
}

fn foretold(next: Foretold) -> Forecast {
    Forecast {
        next: signed(next.value),
        low: signed(next.interval.low),
        high: signed(next.interval.high),
        error: None,
        reached: None,
    }
}

/// From units of the forecast into those of the group, and from the figure's last value to the
/// group's last point.
fn reached(by: &squall_statistics::Reached, unit: f64, ahead: &Ahead<'_>) -> Reached {
    let from_last = |at: f64| (at * unit - ahead.since).max(0.0);
    let number = |at: Option<f64>| Some(signed(from_last(at?) * 10_000.0).size());
    let last = ahead
        .group
        .points
        .last()
        .and_then(|point| point.at.as_deref());
    let last = last.and_then(|at| humantime::parse_rfc3339_weak(at).ok());
    let last = last.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let day = |at: f64| {
        let seconds = last?.as_secs_f64() + from_last(at) * DAY_SECONDS;
        Some(date(seconds as u64).chars().take(10).collect::<String>())
    };
    Reached {
        expected: number(by.expected),
        earliest: number(by.earliest),
        latest: number(by.latest),
        date: by
            .expected
            .filter(|_| ahead.group.per == Per::Day)
            .and_then(day),
    }
}
