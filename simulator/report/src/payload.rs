//! Latency by size of what was written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_measure::Measures;

use super::build::quantiles;
use super::tables::{Table, Tone};
use super::words::{count, duration};
use super::{Latency, Report};

/// Acknowledged writes of the chaos phase whose payloads were about as large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PayloadRow {
    pub service: String,
    pub operation: String,
    /// The largest payload that counts here, bytes: a power of ten. More than a tenth of it is
    /// the smallest, but for the first row of an operation, where that may be empty.
    pub up_to_bytes: u64,
    pub latency_us: Latency,
}

pub(super) fn rows(measures: &Measures) -> Vec<PayloadRow> {
    let rows = measures.sizes.iter();
    rows.map(|row| PayloadRow {
        service: row.service.name().to_owned(),
        operation: row.operation.to_owned(),
        up_to_bytes: row.up_to_bytes,
        latency_us: quantiles(&row.summary),
    })
    .collect()
}

pub(super) fn table(report: &Report) -> Table {
    let row = |row: &PayloadRow| {
        let latency = &row.latency_us;
        let cells = vec![
            format!("{} {}", row.service, row.operation),
            size(row.up_to_bytes),
            count(latency.count),
            duration(latency.p50),
            duration(latency.p90),
            duration(latency.p95),
            duration(latency.p99),
            duration(latency.max),
        ];
        (Tone::Plain, cells)
    };
    Table {
        title: "latency by payload",
        columns: vec![
            "operation",
            ">up to",
            ">ok",
            ">p50",
            ">p90",
            ">p95",
            ">p99",
            ">max",
        ],
        rows: report.latency_by_payload.iter().map(row).collect(),
    }
}

/// `100 B`, `10 kB`: powers of ten need no decimals.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
