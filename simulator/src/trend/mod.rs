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
    pub by: By,
    /// Millionths: the chance that no change and no slope is by chance alone.
    pub certainty_ppm: u32,
    /// Name of a figure, and its limit in the figure's unit.
    pub limits: Vec<(String, Number)>,
}

/// What became of every figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    pub by: By,
    pub certainty_percent: Percent,
    /// Figures that were looked at together; every one is judged the more strictly the more
    /// there are.
    pub figures: u64,
    pub groups: Vec<Group>,
    /// What could not be read, or not be put in order, and why.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    pub path: String,
    pub why: String,
}

/// What belongs together: one scenario, with its variant, on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub scenario: String,
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
    Day,
    Commit,
    /// One point; also of runs that were all made within an hour.
    Point,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FigureTrend {
    pub figure: String,
    pub kind: Kind,
    pub unit: Unit,
    pub bound: Bound,
    pub standing: Standing,
    /// For each point of the group; `null` where it does not show the figure.
    pub values: Vec<Option<Spread>>,
    /// Change points, in order; empty also where there are fewer than eight values.
    pub steps: Vec<Step>,
    /// `null` of fewer than four values, or of so few that no interval is as certain as was asked
    /// for: four, at 95 %.
    pub slope: Option<Slope>,
    pub limit: Option<Limit>,
    /// Of the values since the last step; `null` of fewer than five.
    pub forecast: Option<Forecasts>,
}

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
    pub runs: u64,
    pub median: Number,
    /// Least and most; of a baseline, which knows no more, its median and its worst.
    pub low: Number,
    pub high: Number,
}

/// A change point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Place of the first point at the new level, from zero.
    pub at: u64,
    pub label: String,
    /// By how much the level moved, beside any slope.
    pub size: SignedNumber,
    pub low: SignedNumber,
    pub high: SignedNumber,
    /// Chance of a step that explains as much if there is none; this figure alone.
    pub p: Chance,
    pub is_worse: bool,
}

/// A steady rise or fall, beside any steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slope {
    /// For each unit of the group's `per`.
    pub size: SignedNumber,
    pub low: SignedNumber,
    pub high: SignedNumber,
    /// Of the first value, over the whole series; `null` if that is zero.
    pub over_all_percent: Option<SignedPercent>,
    /// Chance of a slope at least as clear if there is none; this figure alone.
    pub p: Chance,
    /// Whether it is more than chance, taken together with all figures that were looked at.
    pub is_shown: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    pub value: Number,
    pub from: LimitFrom,
}

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The next value, and where it lies with the certainty that was asked for.
    pub next: SignedNumber,
    pub low: SignedNumber,
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
    pub expected: Option<Number>,
    pub earliest: Option<Number>,
    pub latest: Option<Number>,
    /// The day of the expected one, if units are days.
    pub date: Option<String>,
}

impl Trend {
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
