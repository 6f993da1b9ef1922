//! Looking back: how each figure moved over stored runs, sweeps and baselines, and where it is
//! going.
//!
//! [`read::read`] finds what there is, [`judge()`] puts it in order and looks at each figure with the
//! methods of `squall_statistics`: steps, a slope, and forecasts of when a limit is reached.
//! Figures are those of baselines, by the names that these have. Runs of different scenarios,
//! variants or backends are never taken together. Methods and their sources are in
//! `docs/trends.md`.
//!
//! Not here: whether the next version may ship; that is `squall compare --ab`.

mod judge;
mod order;
mod page;
pub mod read;
mod render;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judge::judge;
pub use page::html;
pub use render::{markdown, text};

use crate::baseline::Kind;
use crate::report::{Bound, Chance, Number, Percent, SignedNumber, SignedPercent, Unit};

/// What puts the points in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// When it was made.
    Time,
    /// The commit of the program, with all that was made by it; commits in the order in which
    /// their first run was made.
    Commit,
    /// As it was given.
    Given,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What points are put in order by.
    pub by: By,
    /// Millionths: the chance that no change and no slope is by chance alone.
    pub certainty_ppm: u32,
    /// Name of a figure, and its limit in the figure's unit.
    pub limits: Vec<(String, Number)>,
}

/// What became of every figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// What points are put in order by.
    pub by: By,
    /// That none of the changes and slopes is by chance alone.
    pub certainty_percent: Percent,
    /// Figures that were looked at together; every one is judged the more strictly the more
    /// there are.
    pub figures: u64,
    /// In the order in which they were met.
    pub groups: Vec<Group>,
    /// What could not be read, or not be put in order, and why.
    pub left_out: Vec<LeftOut>,
}

/// Something that is no point of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// As it was given, or found.
    pub path: String,
    /// In one line.
    pub why: String,
}

/// What belongs together: one scenario, with its variant, on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// With its variant, if it has any: `NAME-VARIANT`.
    pub scenario: String,
    /// As `--backend` takes it.
    pub backend: String,
    /// Why the points may not be comparable.
    pub warnings: Vec<String>,
    /// In order.
    pub points: Vec<Point>,
    /// What slopes and forecasts count in.
    pub per: Per,
    /// What got worse first, then what changed, then by name.
    pub figures: Vec<FigureTrend>,
}

/// A run, a sweep, a baseline, or all of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Date, commit or path.
    pub label: String,
    /// Runs that it is made of.
    pub runs: u64,
    /// UTC, RFC 3339; `null` if nobody knows.
    pub at: Option<String>,
    /// Directories or files that it was read from, the first few.
    pub paths: Vec<String>,
}

/// A unit of the way from point to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// 24 hours.
    Day,
    /// One commit of the history that was given.
    Commit,
    /// One point; also of runs that were all made within an hour.
    Point,
}

/// One figure of a group, point by point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FigureTrend {
    /// As in a report: `election_p99`.
    pub figure: String,
    /// What it is a figure of.
    pub kind: Kind,
    /// Of all numbers.
    pub unit: Unit,
    /// Which side is better.
    pub bound: Bound,
    /// What became of it.
    pub standing: Standing,
    /// For each point of the group; `null` where it does not show the figure.
    pub values: Vec<Option<Spread>>,
    /// Change points, in order; empty also where there are fewer than eight values.
    pub steps: Vec<Step>,
    /// `null` of fewer than four values, or of so few that no interval is as certain as was asked
    /// for: four, at 95 %.
    pub slope: Option<Slope>,
    /// What it should stay within; `null` if nothing says so.
    pub limit: Option<Limit>,
    /// Of the values since the last step; `null` of fewer than five.
    pub forecast: Option<Forecasts>,
}

/// What became of a figure over time.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The last step or the slope goes in the direction in which the figure gets worse.
    Worse,
    /// There is a step or a slope, and none of them is worse.
    Better,
    /// Neither was shown.
    Steady,
    /// Fewer than eight values: too little to tell.
    TooFew,
}

/// The values of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Runs that show the figure.
    pub runs: u64,
    /// Of the runs.
    pub median: Number,
    /// Least and most; of a baseline, which knows no more, its median and its worst.
    pub low: Number,
    /// See `low`.
    pub high: Number,
}

/// A change point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Place of the first point at the new level, from zero.
    pub at: u64,
    /// Of that point.
    pub label: String,
    /// By how much the level moved, beside any slope.
    pub size: SignedNumber,
    /// It lies above this with the certainty that was asked for.
    pub low: SignedNumber,
    /// It lies below this with the certainty that was asked for.
    pub high: SignedNumber,
    /// Chance of a step that explains as much if there is none; this figure alone.
    pub p: Chance,
    /// Whether the figure got worse by it.
    pub is_worse: bool,
}

/// A steady rise or fall, beside any steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slope {
    /// For each unit of the group's `per`.
    pub size: SignedNumber,
    /// It lies above this with the certainty that was asked for.
    pub low: SignedNumber,
    /// It lies below this with the certainty that was asked for.
    pub high: SignedNumber,
    /// Of the first value, over the whole series; `null` if that is zero.
    pub over_all_percent: Option<SignedPercent>,
    /// Chance of a slope at least as clear if there is none; this figure alone.
    pub p: Chance,
    /// Whether it is more than chance, taken together with all figures that were looked at.
    pub is_shown: bool,
}

/// What a figure should stay within.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// In the figure's unit.
    pub value: Number,
    /// Who says so.
    pub from: LimitFrom,
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitFrom {
    /// `--limit`.
    Given,
    /// An objective of the last point.
    Objective,
    /// Worst value of a baseline, with the default tolerance.
    Baseline,
}

/// What comes next, by two methods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecasts {
    /// The straight line through the values.
    pub linear: Forecast,
    /// Exponential smoothing of level and trend; `null` of fewer than eight values, of which it
    /// would not be as certain as it says.
    pub smoothing: Option<Forecast>,
}

/// What a method says of the next value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The next value, and where it lies with the certainty that was asked for.
    pub next: SignedNumber,
    /// See `next`.
    pub low: SignedNumber,
    /// See `next`.
    pub high: SignedNumber,
    /// How far off it was on average when it foretold each of the last values from those
    /// before it; `null` of fewer than eight.
    pub error: Option<Number>,
    /// When the limit is reached, if there is one and a slope that leads there.
    pub reached: Option<Reached>,
}

/// In units of the group's `per` from the last point on; `null` where that is beyond ten times
/// the length of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reached {
    /// By the forecast itself.
    pub expected: Option<Number>,
    /// By the end of its interval that is there first.
    pub earliest: Option<Number>,
    /// By the other end.
    pub latest: Option<Number>,
    /// The day of the expected one, if units are days.
    pub date: Option<String>,
}

impl Trend {
    /// Indented, with a line end.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// Every figure of every group that stands so.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = (&Group, &FigureTrend)> {
        let figures = self
            .groups
            .iter()
            .flat_map(|group| group.figures.iter().map(move |figure| (group, figure)));
        figures.filter(move |(_, figure)| figure.standing == standing)
    }
}

impl Per {
    /// `day`, `commit`, `point`.
    pub fn word(self) -> &'static str {
        match self {
            Per::Day => "day",
            Per::Commit => "commit",
            Per::Point => "point",
        }
    }
}
