//! Axes: from measured values to places, and the round values that are written beside them.
//!
//! Values stay whole numbers of a small unit until they are drawn, so that what is written
//! is what was measured. Floating point is for places only.

use crate::words::{count, duration};
use squall_objective::fixed::Fixed;

/// What a value counts. The names are known to the script, which writes values alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths of an event a second.
    PerSecond,
    /// Microseconds.
    Duration,
    /// Millionths of a whole.
    Share,
    /// As it is.
    Count,
    /// Bytes, written in the largest unit that fits.
    Bytes,
    /// Bytes a second.
    ByteRate,
}

impl Unit {
    /// As the script of a page knows it.
    pub fn name(self) -> &'static str {
        match self {
            Unit::PerSecond => "rate",
            Unit::Duration => "duration",
            Unit::Share => "share",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::ByteRate => "byterate",
        }
    }

    /// A value as it is read off.
    pub fn text(self, value: u64) -> String {
        match self {
            Unit::PerSecond => format!("{}/s", rate(value)),
            Unit::Duration => duration(value),
            Unit::Share => format!("{:.2} %", Fixed::<10_000>::of(value)),
            Unit::Count => count(value),
            Unit::Bytes => bytes(value),
            Unit::ByteRate => format!("{}/s", bytes(value)),
        }
    }

    /// A round value beside an axis.
    fn tick(self, value: u64) -> String {
        match self {
            Unit::PerSecond if value == 0 => "0".to_owned(),
            Unit::PerSecond => format!("{}/s", rate(value)),
            Unit::Duration => round_duration(value),
            Unit::Share => format!("{} %", short(value, 10_000)),
            Unit::Count => count(value),
            Unit::Bytes | Unit::ByteRate if value == 0 => "0".to_owned(),
            Unit::Bytes | Unit::ByteRate => bytes(value),
        }
    }
}

/// Rates below ten with decimals.
fn rate(milli: u64) -> String {
    match milli {
        0..10_000 => short(milli, 1_000),
        _ => count((milli + 500) / 1_000),
    }
}

fn bytes(value: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    match UNITS.iter().find(|(size, _)| value >= *size) {
        Some((size, unit)) => format!("{} {unit}", short(value, *size)),
        None => format!("{value} B"),
    }
}

/// `10 ms`, `1.5 s`, `2 min`: without needless decimals.
pub fn round_duration(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", short(us, 1_000)),
        1_000_000..120_000_000 => format!("{} s", short(us, 1_000_000)),
        _ => format!("{} min", short(us, 60_000_000)),
    }
}

/// `value / scale` with up to two decimals.
fn short(value: u64, scale: u64) -> String {
    let (whole, rest) = (value / scale, value % scale);
    let hundredths = u128::from(rest) * 100 / u128::from(scale);
    let digits = format!("{}.{hundredths:02}", count(whole));
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// A vertical axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    is_log: bool,
    ticks: Vec<u64>,
    unit: Unit,
}

impl Scale {
    /// From zero to somewhat above the largest value.
    pub fn linear(unit: Unit, most: u64) -> Self {
        const LEAST_TICKS: u64 = 3;
        let least = match unit {
            Unit::PerSecond => 1_000,
            Unit::Share => 10_000,
            _ => 1,
        };
        let step = round_step(most.div_ceil(LEAST_TICKS).max(least));
        let top = most.max(1).next_multiple_of(step);
        Self {
            from: 0.0,
            to: top as f64,
            is_log: false,
            ticks: (0..=top / step).map(|i| i * step).collect(),
            unit,
        }
    }

    /// The whole of a share.
    pub fn whole() -> Self {
        Self {
            from: 0.0,
            to: 1e6,
            is_log: false,
            ticks: vec![0, 250_000, 500_000, 750_000, 1_000_000],
            unit: Unit::Share,
        }
    }

    /// Whole powers of ten around the values.
    pub fn log(unit: Unit, values: impl Iterator<Item = u64> + Clone) -> Self {
        let positive = values.filter(|value| *value > 0);
        let lowest = positive.clone().min().unwrap_or(1).ilog10();
        let highest = positive.max().unwrap_or(10);
        let mut top = highest.ilog10();
        if 10_u64.pow(top) < highest || top == lowest {
            top += 1;
        }
        Self {
            from: f64::from(lowest),
            to: f64::from(top),
            is_log: true,
            ticks: (lowest..=top)
                .map(|power| 10_u64.saturating_pow(power))
                .collect(),
            unit,
        }
    }

    /// Share of the height, from the bottom; 0 to 1.
    pub fn height(&self, value: u64) -> f64 {
        let place = match self.is_log {
            true => (value.max(1) as f64).log10(),
            false => value as f64,
        };
        ((place - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Heights with what is written there, from below.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let ticks = self.ticks.iter();
        ticks.map(|value| (self.height(*value), self.unit.tick(*value)))
    }

    /// Of its values.
    pub fn unit(&self) -> Unit {
        self.unit
    }
}

/// 1, 2 or 5 times a power of ten, at least so much.
pub fn round_step(least: u64) -> u64 {
    let power = 10_u64.pow(least.max(1).ilog10());
    let steps = [1, 2, 5, 10].map(|digit| power.saturating_mul(digit));
    let step = steps.into_iter().find(|step| *step >= least);
    step.unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_linear_axis_has_round_ticks_and_room_for_all() {
        let scale = Scale::linear(Unit::PerSecond, 437_000);
        assert_eq!(texts(&scale), ["0", "200/s", "400/s", "600/s"]);
        assert!(scale.height(437_000) < 1.0);
        assert_eq!(texts(&Scale::linear(Unit::Count, 0)), ["0", "1"]);
        assert_eq!(texts(&Scale::linear(Unit::Count, 3)), ["0", "1", "2", "3"]);
        let memory = Scale::linear(Unit::Bytes, 48_000_000);
        assert_eq!(texts(&memory), ["0", "20 MB", "40 MB", "60 MB"]);
    }

    #[test]
    fn a_logarithmic_axis_spans_whole_decades() {
        let scale = Scale::log(Unit::Duration, [0, 420, 1_300_000].into_iter());
        let expected = ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
        assert_eq!(texts(&scale), expected);
        assert_eq!(scale.height(100_000), 0.6);
        assert_eq!(scale.height(0), 0.0);
        assert_eq!(
            texts(&Scale::log(Unit::Duration, [1_000].into_iter())).len(),
            2
        );
    }

    #[test]
    fn values_are_written_with_their_units() {
        let texts = [
            Unit::PerSecond.text(1_234_567),
            Unit::PerSecond.text(2_500),
            Unit::Duration.text(1_234),
            Unit::Share.text(123_456),
            Unit::Bytes.text(1_530_000),
            Unit::ByteRate.text(999),
        ];
        let expected = [
            "1,235/s", "2.5/s", "1.23 ms", "12.34 %", "1.53 MB", "999 B/s",
        ];
        assert_eq!(texts, expected);
        assert_eq!(round_duration(90_000_000), "90 s");
        assert_eq!(round_duration(150_000_000), "2.5 min");
    }
}
