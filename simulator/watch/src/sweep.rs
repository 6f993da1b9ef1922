//! Publishes a sweep, whose runs are processes of their own.

use serde::Serialize;

/// How a sweep stands.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SweepNow {
    /// What is swept, in a line.
    pub title: String,
    /// Runs in all.
    pub planned: u64,
    /// Runs that have ended.
    pub done: u64,
    /// How runs ended, and how many did.
    pub endings: Vec<(&'static str, u64)>,
    /// The latest that did not pass: scenario, seed, how it ended, and why.
    pub failures: Vec<(String, u64, &'static str, String)>,
    /// Of the latest runs, in the order in which they ended: the longest downtime of a client
    /// and the longest election, microseconds.
    pub runs: Vec<(Option<u64>, Option<u64>)>,
}
