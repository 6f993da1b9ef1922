//! Forecasts the next value, and when a limit is reached: by a straight line, and by exponential
//! smoothing with a trend.
//!
//! The line's prediction interval is that of least squares (Draper and Smith 1998, §1.4).
//! Smoothing is Holt's (1957), its interval that of Hyndman and others (2008, table 6.1, the
//! model A,A,N), with Student's t in place of the normal, since weights, level and trend are
//! all taken from the same values.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::sample::{Interval, are_finite, mean};

/// Values below which nothing is foretold.
const LEAST_VALUES: usize = 5;
/// A forecast beyond so many times the length of what it is made of is a guess.
const HORIZON: f64 = 10.0;

/// A value that is foretold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The expected one.
    pub value: f64,
    /// Holds the next value itself, not only its mean.
    pub interval: Interval,
}

/// When a limit is passed, counted from the last value on, in units of x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// By the forecast itself; `None`: not within ten times the length of the series.
    pub expected: Option<f64>,
    /// By the ends of its interval: not before, and not after.
    pub earliest: Option<f64>,
    /// `None`: not within that length.
    pub latest: Option<f64>,
}

/// Least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Change of y for each unit of x.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    mean_x: f64,
    spread_x: f64,
    deviation: f64,
    count: f64,
    from: f64,
    to: f64,
}

impl Line {
    /// `None` of fewer than five values, of values that are not finite, or where x stands
    /// still. x must rise.
    pub fn fit(x: &[f64], y: &[f64]) -> Option<Self> {
        let count = x.len();
        if count < LEAST_VALUES || count != y.len() || !are_finite(x) || !are_finite(y) {
            return None;
        }
        let (mean_x, mean_y) = (mean(x)?, mean(y)?);
        let spread_x: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        if spread_x <= 0.0 {
            return None;
        }
        let together: f64 = x
            .iter()
            .zip(y)
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum();
        let slope = together / spread_x;
        let intercept = mean_y - slope * mean_x;
        let rests = x
            .iter()
            .zip(y)
            .map(|(x, y)| (y - intercept - slope * x).powi(2));
        let deviation = (rests.sum::<f64>() / (count as f64 - 2.0)).sqrt();
        Some(Self {
            slope,
            intercept,
            mean_x,
            spread_x,
            deviation,
            count: count as f64,
            from: x[0],
            to: x[count - 1],
        })
    }

    /// The value at `x`; its interval holds with `certainty`, 0 to 1.
    pub fn at(&self, x: f64, certainty: f64) -> Forecast {
        let student = StudentsT::new(0.0, 1.0, self.count - 2.0).expect("a positive freedom");
        let t = student.inverse_cdf(0.5 + certainty.clamp(0.0, 0.999_999) / 2.0);
        let lever = 1.0 + 1.0 / self.count + (x - self.mean_x).powi(2) / self.spread_x;
        around(
            self.intercept + self.slope * x,
            t * self.deviation * lever.sqrt(),
        )
    }

    /// When values of which larger ones are worse, or smaller ones, pass the limit.
    pub fn reaches(&self, limit: f64, larger_is_worse: bool, certainty: f64) -> Reached {
        let horizon = (self.to - self.from) * HORIZON;
        reached(horizon, limit, larger_is_worse, |ahead| {
            self.at(self.to + ahead, certainty)
        })
    }
}

/// Exponential smoothing of level and trend; x counts the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Holt {
    /// Weights of the newest value in the level, and of the newest level in the trend.
    pub alpha: f64,
    /// See `alpha`.
    pub beta: f64,
    /// Of the last value, smoothed.
    pub level: f64,
    /// Change from one value to the next, smoothed.
    pub trend: f64,
    deviation: f64,
    count: f64,
}

impl Holt {
    /// Values below which [`Holt::ahead`] has no interval that holds as often as it says.
    pub const LEAST_CERTAIN: usize = 8;
    /// Weights, level and trend.
    const PARAMETERS: f64 = 4.0;

    /// With the weights, of hundredths apart by five, that foretell each value from those
    /// before it best.
    ///
    /// `None` of fewer than five values, or of values that are not finite.
    pub fn fit(y: &[f64]) -> Option<Self> {
        if y.len() < LEAST_VALUES || !are_finite(y) {
            return None;
        }
        let weights = || (1..20).map(|i| f64::from(i) * 0.05);
        let pairs = weights().flat_map(|alpha| {
            // A trend that is never renewed is one of the choices.
            [0.0]
                .into_iter()
                .chain(weights())
                .map(move |beta| (alpha, beta))
        });
        let fits = pairs.map(|(alpha, beta)| Self::with(y, alpha, beta));
        fits.min_by(|a, b| a.deviation.total_cmp(&b.deviation))
    }

    fn with(y: &[f64], alpha: f64, beta: f64) -> Self {
        // Begins on the line through the first few values.
        let begin: Vec<f64> = (0..LEAST_VALUES as u32).map(f64::from).collect();
        let line = Line::fit(&begin, &y[..LEAST_VALUES]);
        let (mut level, mut trend) = line.map_or((y[0], 0.0), |line| {
            (line.intercept - line.slope, line.slope)
        });
        let mut errors = 0.0;
        for value in y {
            let error = value - (level + trend);
            errors += error * error;
            let next = level + trend + alpha * error;
            trend += alpha * beta * error;
            level = next;
        }
        let count = y.len() as f64;
        Self {
            alpha,
            beta,
            level,
            trend,
            deviation: (errors / (count - 2.0)).sqrt(),
            count,
        }
    }

    /// So many values after the last; parts of a value lie between. Of fewer than
    /// [`Holt::LEAST_CERTAIN`] values the interval means nothing.
    pub fn ahead(&self, steps: f64, certainty: f64) -> Forecast {
        let freedom = (self.count - Self::PARAMETERS).max(1.0);
        let student = StudentsT::new(0.0, 1.0, freedom).expect("a positive freedom");
        let t = student.inverse_cdf(0.5 + certainty.clamp(0.0, 0.999_999) / 2.0);
        let (alpha, beta) = (self.alpha, self.alpha * self.beta);
        let h = steps.max(1.0);
        let growth = alpha * alpha + alpha * beta * h + beta * beta * h * (2.0 * h - 1.0) / 6.0;
        let deviation = self.deviation * (1.0 + (h - 1.0) * growth).sqrt();
        around(self.level + self.trend * steps, t * deviation)
    }

    /// As [`Line::reaches`], in numbers of values.
    pub fn reaches(&self, limit: f64, larger_is_worse: bool, certainty: f64) -> Reached {
        reached(self.count * HORIZON, limit, larger_is_worse, |ahead| {
            self.ahead(ahead, certainty)
        })
    }
}

/// How far off each method is on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backtest {
    /// Mean absolute error of [`Line`].
    pub linear: f64,
    /// Mean absolute error of [`Holt`].
    pub smoothing: f64,
    /// Values that were foretold.
    pub count: usize,
}

/// Foretells each of the last values, a third of all, from those before it: the mean of the
/// absolute errors (Tashman 2000, rolling origin).
///
/// `None` of fewer than eight values, or as of [`Line::fit`].
pub fn backtest(x: &[f64], y: &[f64]) -> Option<Backtest> {
    const LEAST: usize = 8;
    /// Beyond, older origins tell little of today.
    const MOST: usize = 50;
    if x.len() < LEAST || x.len() != y.len() {
        return None;
    }
    let foretold = (y.len() / 3).min(MOST);
    let (mut linear, mut smoothing) = (0.0, 0.0);
    for place in y.len() - foretold..y.len() {
        let line = Line::fit(&x[..place], &y[..place])?;
        linear += (line.at(x[place], 0.5).value - y[place]).abs();
        smoothing += (Holt::fit(&y[..place])?.ahead(1.0, 0.5).value - y[place]).abs();
    }
    let count = foretold as f64;
    Some(Backtest {
        linear: linear / count,
        smoothing: smoothing / count,
        count: foretold,
    })
}

fn around(value: f64, reach: f64) -> Forecast {
    Forecast {
        value,
        interval: Interval {
            low: value - reach,
            high: value + reach,
        },
    }
}

/// One end of a forecast's interval.
type End = fn(Forecast) -> f64;

fn low(forecast: Forecast) -> f64 {
    forecast.interval.low
}

fn high(forecast: Forecast) -> f64 {
    forecast.interval.high
}

fn reached(
    horizon: f64,
    limit: f64,
    larger_is_worse: bool,
    at: impl Fn(f64) -> Forecast,
) -> Reached {
    const LOOKS: u32 = 2_000;
    let sign = if larger_is_worse { 1.0 } else { -1.0 };
    let first = |of: &dyn Fn(Forecast) -> f64| {
        let passes = |ahead: f64| sign * (of(at(ahead)) - limit) > 0.0;
        let places = (0..=LOOKS).map(|look| horizon * f64::from(look) / f64::from(LOOKS));
        let mut before = 0.0;
        for place in places {
            if passes(place) {
                return Some(bisect(before, place, &passes));
            }
            before = place;
        }
        None
    };
    let (bad, good): (End, End) = match larger_is_worse {
        true => (high, low),
        false => (low, high),
    };
    Reached {
        expected: first(&|f| f.value),
        earliest: first(&bad),
        latest: first(&good),
    }
}

/// Where it begins to hold, between two places of which the second one does.
fn bisect(mut low: f64, mut high: f64, holds: &dyn Fn(f64) -> bool) -> f64 {
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        match holds(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    fn x(count: u32) -> Vec<f64> {
        (0..count).map(f64::from).collect()
    }

    /// By hand: mean x 3, mean y 4; sums of squares 10 of x, 6 of xy; rests of 2.4 over three
    /// degrees of freedom; t(3; 0.975) = 3.182446.
    #[test]
    fn a_line_and_its_interval_are_those_of_the_textbook() {
        let line =
            Line::fit(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 5.0, 4.0, 5.0]).expect("points");
        assert!((line.slope - 0.6).abs() < 1e-12 && (line.intercept - 2.2).abs() < 1e-12);
        let next = line.at(6.0, 0.95);
        assert!((next.value - 5.8).abs() < 1e-12);
        // 3.18245 · √0.8 · √(1 + 1/5 + 9/10)
        let reach = 3.182_446_305 * 0.8_f64.sqrt() * 2.1_f64.sqrt();
        assert!((next.interval.high - 5.8 - reach).abs() < 1e-6, "{next:?}");
    }

    #[test]
    fn a_limit_is_reached_where_the_line_meets_it() {
        let y: Vec<f64> = x(10).iter().map(|x| 100.0 + 2.0 * x).collect();
        let line = Line::fit(&x(10), &y).expect("points");
        let smooth = Holt::fit(&y).expect("points");
        // The last value is 118: one of 130 is six steps away.
        for reached in [
            line.reaches(130.0, true, 0.95),
            smooth.reaches(130.0, true, 0.95),
        ] {
            let expected = reached.expected.expect("it rises");
            assert!((expected - 6.0).abs() < 0.01, "{reached:?}");
        }
        assert_eq!(line.reaches(50.0, false, 0.95).expected, None);
        let far = line.reaches(1_000.0, true, 0.95);
        assert_eq!((far.expected, far.latest), (None, None));
        assert_eq!(line.reaches(110.0, true, 0.95).expected, Some(0.0));
    }

    /// 95 % of next values, and of those five ahead, within the interval; ten points less are
    /// borne, since both are fitted to the twenty values that are there.
    #[test]
    fn forecasts_are_off_by_no_more_than_they_say() {
        let mut noise = Noise::of(31);
        let mut held = [0; 4];
        for _ in 0..200 {
            let noise = noise.normal(25);
            let y: Vec<f64> = x(25).iter().zip(noise).map(|(x, e)| 0.5 * x + e).collect();
            let line = Line::fit(&x(20), &y[..20]).expect("points");
            let smooth = Holt::fit(&y[..20]).expect("points");
            let foretold = [
                (line.at(20.0, 0.95), y[20]),
                (line.at(24.0, 0.95), y[24]),
                (smooth.ahead(1.0, 0.95), y[20]),
                (smooth.ahead(5.0, 0.95), y[24]),
            ];
            for (held, (forecast, value)) in held.iter_mut().zip(foretold) {
                *held += usize::from(forecast.interval.holds(value));
            }
        }
        assert!(held.iter().all(|held| *held >= 170), "{held:?} of 200");
    }

    /// The same of the fewest values there may be: nine in ten of 95 %, give or take.
    #[test]
    fn eight_values_are_enough_to_smooth_by() {
        let mut noise = Noise::of(41);
        let held = (0..300).filter(|_| {
            let noise = noise.normal(9);
            let y: Vec<f64> = x(9).iter().zip(noise).map(|(x, e)| 0.5 * x + e).collect();
            let smooth = Holt::fit(&y[..Holt::LEAST_CERTAIN]).expect("points");
            smooth.ahead(1.0, 0.95).interval.holds(y[8])
        });
        let held = held.count();
        assert!(held >= 267, "{held} of 300");
    }

    #[test]
    fn errors_so_far_are_those_of_forecasts_from_what_was_known_then() {
        let exact: Vec<f64> = x(12).iter().map(|x| 3.0 * x).collect();
        let errors = backtest(&x(12), &exact).expect("enough values");
        assert!(errors.linear < 1e-9 && errors.smoothing < 1e-9 && errors.count == 4);
        // A last value that nobody could foresee, one of four.
        let mut odd = exact;
        odd[11] += 8.0;
        let errors = backtest(&x(12), &odd).expect("enough values");
        assert!((errors.linear - 2.0).abs() < 1e-9, "{errors:?}");
        assert_eq!(backtest(&x(7), &x(7)), None);
    }

    #[test]
    fn nothing_is_foretold_of_too_little() {
        assert_eq!(Line::fit(&x(4), &x(4)), None);
        assert_eq!(Line::fit(&[1.0; 6], &x(6)), None);
        assert_eq!(Holt::fit(&x(4)), None);
        assert_eq!(Holt::fit(&[f64::NAN; 9]), None);
    }
}
