//! Carries the measurements of one part from its process to the one that prints them.

use serde::{Deserialize, Serialize};

use crate::machine::Elapsed;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Virtual time that passed, nanoseconds.
    pub simulated_ns: u64,
    /// Everything a run does: simulating, measuring, checking, reporting.
    pub total: Elapsed,
    pub simulate: Elapsed,
    pub measure: Elapsed,
    pub check: Elapsed,
    /// Task switches and packets; 0 where the engine does not count them.
    pub events: u64,
    /// Operations acknowledged to clients.
    pub operations: u64,
    pub checks_passed: usize,
    pub checks: usize,
    pub peak_bytes: u64,
}

impl Figures {
    pub fn to_line(self) -> String {
        serde_json::to_string(&self).expect("figures are plain numbers")
    }

    /// # Errors
    /// The line was not written by [`Figures::to_line`].
    pub fn from_line(line: &str) -> Result<Figures, String> {
        serde_json::from_str(line).map_err(|e| format!("not a line of figures: {e}"))
    }

    pub fn simulated_s(&self) -> f64 {
        self.simulated_ns as f64 / 1e9
    }
}
