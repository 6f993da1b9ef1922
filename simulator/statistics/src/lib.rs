//! Finds differences, changes, trends and relations in samples and series, each with its
//! certainty.
//!
//! Plain functions over numbers. Random draws come from a seed, so the same input gives
//! the same answer. Values must be finite: a function that is given others, or too few, says
//! `None` and nothing else. Every method and its source are in `docs/trends.md`.
//!
//! Distributions are those of the crate `statrs`. Not here: which figures there are, and what
//! counts as good.

#![warn(missing_docs)]

mod bootstrap;
mod correlation;
mod family;
mod fisher;
mod forecast;
mod hinge;
mod least_squares;
mod rank;
mod sample;
mod slope;
mod steps;
#[cfg(test)]
mod testing;

pub use bootstrap::{difference_of_medians, median_of_differences};
pub use correlation::{Correlation, spearman};
pub use family::holm;
pub use fisher::{Share, Shares, fisher_exact};
pub use forecast::{Backtest, Forecast, Holt, Line, Reached, backtest};
pub use hinge::{Hinge, hinge};
pub use rank::{Test, least_p_rank_sum, least_p_signed_rank, rank_sum, signed_rank};
pub use sample::{Interval, mean, median, midranks, quantile};
pub use slope::{Slope, blocks, intercept, mann_kendall, theil_sen};
pub use steps::{Changes, Step, can_tell_steps, changes};
