//! The table that is printed: what was done, what was allowed, what was measured.

use std::fmt;
use std::time::Duration;

struct Row {
    what: String,
    limit: String,
    measured: String,
    is_kept: bool,
}

/// Rows in the order of playing.
#[derive(Default)]
pub struct Report(Vec<Row>);

impl Report {
    /// A figure and its limit.
    pub fn row(
        &mut self,
        what: impl Into<String>,
        limit: impl Into<String>,
        measured: impl Into<String>,
        is_kept: bool,
    ) {
        let row = Row {
            what: what.into(),
            limit: limit.into(),
            measured: measured.into(),
            is_kept,
        };
        let state = if is_kept { "kept" } else { "MISSED" };
        eprintln!(
            "  {state}: {}: {} (limit {})",
            row.what, row.measured, row.limit
        );
        self.0.push(row);
    }

    /// A time that must not be longer.
    pub fn at_most(&mut self, what: impl Into<String>, limit: Duration, measured: Duration) {
        self.row(what, shown(limit), shown(measured), measured <= limit);
    }

    /// A count that must be zero.
    pub fn none(&mut self, what: impl Into<String>, measured: u64) {
        self.row(what, "0", measured.to_string(), measured == 0);
    }

    /// A figure that others are compared with.
    pub fn figure(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.row(what, "-", measured, true);
    }

    /// Whether every limit was.
    pub fn is_kept(&self) -> bool {
        self.0.iter().all(|row| row.is_kept)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | limit | measured | |\n|---|---|---|---|")?;
        for row in &self.0 {
            let state = if row.is_kept { "" } else { "missed" };
            let Row {
                what,
                limit,
                measured,
                ..
            } = row;
            writeln!(f, "| {what} | {limit} | {measured} | {state} |")?;
        }
        Ok(())
    }
}

/// A time for people.
pub fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1_000.0),
    }
}

/// Bytes for people.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
