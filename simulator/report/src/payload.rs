//! Latency by size of what was written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use squall_measure::Measures;

use crate::Latency;
use crate::build::quantiles;

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
